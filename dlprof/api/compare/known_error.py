"""What saved calibrations say of a comparison: its error rate and smallest effect here, and gates that it cannot decide."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Final

from dlprof import stats
from dlprof.analysis.facts import ErrorRate, KnownError
from dlprof.api import calibrate
from dlprof.api.lockstep import gate_power
from dlprof.api.lockstep.pacing import Pacing
from dlprof.api.options import CompareOptions
from dlprof.api.sides import SideSpec
from dlprof.errors import UsageError
from dlprof.units import format_minutes, format_share
from dlprof.workload import Workload

_MOST_TRIALS: Final = stats.look_schedule()[-1]


def of(
    options: CompareOptions, sides: Mapping[str, SideSpec], workloads: Mapping[str, Workload], pacing: Pacing
) -> KnownError | None:
    """The calibration of the noisier side (of A or B, as far as they were calibrated) on the headline; None without one.

    The ratio of two different sides may vary more than either does against itself, so this is a lower bound.
    """
    found = []
    for name, side in sides.items():
        saved = calibrate.saved(workloads[name], side, options.run)
        if saved is not None:
            found += [_trust(saved, item, pacing) for item, of in saved.items.items() if of.result][:1]
    return max(found, key=lambda trust: trust.sd, default=None)


def _trust(saved: calibrate.Calibrated, item: str, pacing: Pacing) -> KnownError:
    result = saved.items[item].result
    assert result is not None
    trials = pacing.trials_within(saved.seconds)
    alpha = stats.LOOK_ALPHA if pacing.adaptive else stats.FIXED_ALPHA
    rate = (result.adaptive if pacing.adaptive else result.fixed).significant
    smallest = result.smallest_effect(trials, alpha) if trials >= stats.MIN_TRIALS else None
    time = format_minutes(trials * saved.seconds)
    return KnownError(
        label=saved.label,
        item=item,
        calibrated_trials=result.trials,
        created=saved.created,
        false_positives=ErrorRate(**asdict(rate)),
        sd=result.sd,
        seconds=saved.seconds,
        trials=trials,
        alpha=alpha,
        smallest=smallest,
        statement=(
            f"on this machine {saved.label} against itself is called different in {format_share(rate.rate, 1)} "
            f"[{format_share(rate.low, 1)}, {format_share(rate.high, 1)}] of comparisons ({result.trials} trials); "
            + (
                f"too little time for {stats.MIN_TRIALS} trials of {saved.seconds:.0f} s"
                if smallest is None
                else f"the smallest slow-down that {trials} trials (about {time}) find with 80 % power is "
                f"{format_share(smallest, 1)}"
            )
        ),
    )


def check_gate(options: CompareOptions, workload: Workload, trust: KnownError | None) -> str:
    """A note for the user, or ''. Raises `UsageError` where a gate is tighter than what can be seen here in the time."""
    gate = options.gate
    if gate is None:
        return ""
    if trust is None:
        return (
            f"whether --gate {gate:.1%} can be decided on this machine is not known before six trials: "
            f"`dlprof calibrate {workload.name} --side {options.a} --time 20m` measures it"
        )
    if trust.smallest is not None and gate >= trust.smallest:
        return gate_power.words(gate, trust.sd, trust.seconds, trust.alpha)
    raise UsageError(
        f"--gate {gate:.1%} is tighter than what can be seen here: {trust.statement}", hint=_remedy(gate, trust)
    )


def _remedy(gate: float, trust: KnownError) -> str:
    adaptive = trust.alpha != stats.FIXED_ALPHA
    level = stats.LOOK_ALPHA if adaptive else stats.FIXED_ALPHA
    needed = stats.needed_trials(trust.sd, gate, level, whole=stats.FIXED_ALPHA)
    wider = "" if trust.smallest is None else f"--gate {math.ceil(trust.smallest * 100)}% or wider, or "
    if adaptive and needed > _MOST_TRIALS:
        needed = stats.needed_trials(trust.sd, gate)
        return f"{wider}--trials {needed} (about {format_minutes(needed * trust.seconds)})"
    enough = f"--budget {format_minutes(needed * trust.seconds)}" if adaptive else f"--trials {needed}"
    return f"{wider}{enough}, which finds {format_share(gate, 1)} in four of five cases; a quieter machine needs less"
