"""How far log-ratios varied in an earlier comparison of scripts: what a gate can show is known before its first trial."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dlprof import stats
from dlprof.analysis.timing import lockstep
from dlprof.analysis.timing.verdicts import headline_of
from dlprof.api.lockstep import gate_power
from dlprof.capture.machine import provenance
from dlprof.errors import UsageError
from dlprof.manifest import LockstepOptions, Machine
from dlprof.store import Capture
from dlprof.units import format_change, format_minutes

_SAME: Final = ("cpu", "cores_usable", "memory_bytes")


@dataclass(frozen=True, slots=True)
class Spread:
    """sd: of the log-ratio between trials. trials: so many. trial_s: what one takes."""

    sd: float
    trials: int
    trial_s: float


def read(folder: Path) -> Spread:
    """Of a comparison's directory. Raises `UsageError` where it was made on another machine or tells no spread, `StoreError`."""
    capture = Capture.open(folder)
    manifest = capture.manifest
    if manifest.kind != "compare" or not isinstance(manifest.options, LockstepOptions) or not manifest.trials:
        raise UsageError(
            f"--calibration {folder}: no comparison with trials",
            hint="name the directory of an earlier `dlprof gate` or `dlprof compare` of the same script",
        )
    _check_machine(folder, manifest.machine)
    items = lockstep.by_item(capture.timings())
    logs = [one.log_ratio for one in items[headline_of(items)].values() if math.isfinite(one.log_ratio)]
    if len(logs) < stats.MIN_TRIALS or not statistics.stdev(logs) > 0:
        raise UsageError(
            f"--calibration {folder}: {len(logs)} usable trials tell no spread",
            hint=f"{stats.MIN_TRIALS} or more do: dlprof gate … --trials {2 * stats.MIN_TRIALS} -o {folder.name}-2",
        )
    return Spread(statistics.stdev(logs), len(logs), statistics.median(trial.wall_s for trial in manifest.trials))


def _check_machine(folder: Path, then: Machine | None) -> None:
    now = provenance.machine()
    for key in _SAME:
        was, is_ = getattr(then, key, None), getattr(now, key)
        if was != is_:
            raise UsageError(
                f"--calibration {folder}: of another machine ({key}: {was} then, {is_} now)",
                hint="measure it here, or leave --calibration out",
            )


def words(spread: Spread, allowed: float, budget_s: float, trials: int | None) -> str:
    """What the gate can show here. Raises `UsageError` where that is not enough for `allowed`, with the figure.

    The spread of a few trials is itself uncertain: refused is only what its lower 95 % limit refuses, as in `out_of_reach`.
    """
    alpha = stats.LOOK_ALPHA if trials is None else stats.FIXED_ALPHA
    last = stats.look_schedule()[-1]
    fit = trials if trials is not None else min(last, int(budget_s / max(spread.trial_s, 1e-9)))
    told = gate_power.words(allowed, spread.sd, spread.trial_s, alpha)
    source = f"by {spread.trials} earlier trials"
    if stats.needed_trials(stats.least_sd(spread.sd, spread.trials), allowed, alpha, whole=stats.FIXED_ALPHA) <= fit:
        return f"{told}, {source}"
    tightest = None if fit < 2 else stats.detectable_effect(fit, spread.sd, alpha, whole=stats.FIXED_ALPHA)
    wider = "" if tightest is None else f"a gate of {format_change(1 + tightest).removeprefix('+')} or wider, or "
    needed = stats.needed_trials(spread.sd, allowed, alpha, whole=stats.FIXED_ALPHA)
    if needed <= last and trials is None:
        remedy = f"{wider}--budget {format_minutes(needed * spread.trial_s)}"
    else:
        fixed = stats.needed_trials(spread.sd, allowed, whole=stats.FIXED_ALPHA)
        remedy = f"{wider}--trials {fixed}, about {format_minutes(fixed * spread.trial_s)}"
    raise UsageError(
        f"a gate of {100 * allowed:g} % is tighter than what can be seen here in {fit} trials ({source}: SD {spread.sd:.3f}, "
        f"{spread.trial_s:.0f} s a trial)",
        hint=remedy,
    )
