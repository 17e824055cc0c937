"""From the gap that was timed to the gap that was traced, trial by trial, and how much of the timed one the ledger explains.

Every trial times both sides without profiler and then traces the same two processes. Between the two gaps stand: waiting at
every step (the timed block waits at its end only), the time that passes until the window, the profiler. Each is the mean of
the trials' own differences, with Student's interval over trials, and they sum.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pyarrow as pa

from dlprof import stats
from dlprof.analysis import columns
from dlprof.analysis.columns import Floats
from dlprof.analysis.explain import tax
from dlprof.analysis.model import Amount, Bridge, Ledger, Span
from dlprof.analysis.timing.verdicts import HEADLINES
from dlprof.names import SIDES
from dlprof.stats.sample import location
from dlprof.units import in_one_unit

FEWEST: Final = 3
"""Trials with a window from which on intervals are given: Student's t of two is too wide to say anything."""

SYNCHRONISED: Final = "train_step_sync"
"""The item that waits at every step, as a traced step does."""

WAITING: Final = "waiting at every step"
LATER: Final = "between the timed rounds and the window"
PROFILING: Final = "profiling"
OTHER_TRIALS: Final = "trials without a window"

_CERTAIN: Final = 0.01
"""Level at which two gaps are said to disagree: one false alarm in a hundred comparisons."""

_MOST_ADDED: Final = 0.5
"""Waiting and profiling together may change the timed gap by so much of it, and the traces still show that gap."""


@dataclass(frozen=True, slots=True)
class Window:
    """What one trial's traced windows say, ns of one unit (a step, a call): A and B.

    walls: mean wall time of a traced unit. beside: the same without profiler, just before and after. unexplained: of the wall,
    time without a recorded event behind it.
    """

    walls: tuple[float, float]
    beside: tuple[float, float] | None
    unexplained: tuple[float, float]


def build(timings: pa.Table, windows: Mapping[int, Window]) -> Bridge | None:
    """The bridge of a comparison; None where no trial has both timings and a window.

    timings: schema.TIMINGS. windows: trial → its window.
    """
    means = _means(timings)
    headline = [str(name) for name in HEADLINES if name in means][:1] or [*means]
    all_trials = _trials_of_all(means, headline)
    both = [trial for trial in all_trials if trial in windows]
    if not both:
        return None
    timed = _gaps(means, headline, both)
    traced = np.array([windows[trial].walls[1] - windows[trial].walls[0] for trial in both])
    parts = _parts(means, headline, both, windows, timed, traced)
    shown = _amount(timed)
    if len(all_trials) > len(both):
        everyone = _amount(_gaps(means, headline, all_trials))
        parts = [Span(OTHER_TRIALS, Amount(shown.ns - everyone.ns, None, None)), *parts]
        shown = everyone
    unexplained = np.array([windows[trial].unexplained[1] - windows[trial].unexplained[0] for trial in both])
    share = _share(traced - unexplained, timed)
    draft = Bridge(
        trials=len(both),
        timed=shown,
        traced=_amount(traced),
        parts=tuple(parts),
        profiling={side: _profiling(windows, both, at) for at, side in enumerate(SIDES)},
        explained_share=share[0],
        explained_low=share[1],
        explained_high=share[2],
        agrees=None,
        disagreement="",
    )
    why = _disagreement(timed, traced, draft, windows, both, means, headline)
    known = len(both) >= FEWEST
    return replace(draft, agrees=not why if known else None, disagreement=why if known else "")


def spread(ledger: Ledger, bridge: Bridge | None) -> Ledger:
    """The ledger with the bridge, its parts summing to the ledger's own gap to the ns.

    Where the bridge can tell whether the traces show the timed gap, no note says anything else of that.
    """
    if bridge is None:
        return ledger
    rest = ledger.gap_ns - bridge.timed.ns - sum(part.amount.ns for part in bridge.parts)
    *others, last = bridge.parts
    closing = replace(last, amount=replace(last.amount, ns=last.amount.ns + rest))
    whole = replace(bridge, traced=replace(bridge.traced, ns=ledger.gap_ns), parts=(*others, closing))
    if bridge.agrees is not None:
        ledger = replace(ledger, notes=tuple(note for note in ledger.notes if note != tax.exceeds(ledger)))
    if not bridge.disagreement:
        return replace(ledger, bridge=whole)
    withheld = f"{bridge.disagreement}. The parts are those of the traced runs, not of the difference that was timed"
    return replace(ledger, bridge=whole, statement=withheld)


def _means(timings: pa.Table) -> dict[str, dict[int, tuple[float, float]]]:
    """Item → trial → mean time of a unit on both sides, ns, over the kept timed iterations."""
    timings = timings.filter(
        pa.array(columns.text(timings, "stage").where("timed") & timings.column("kept").to_numpy())
    )
    item, side = columns.text(timings, "item"), columns.text(timings, "side").where("b")
    trial = columns.integers(timings, "trial")
    unit_ns = columns.integers(timings, "wall_ns") / np.maximum(columns.integers(timings, "units"), 1)
    found: dict[str, dict[int, tuple[float, float]]] = {}
    for name in item.values:
        mine = item.where(name)
        for number in np.unique(trial[mine]).tolist():
            rows = mine & (trial == number)
            if (rows & side).any() and (rows & ~side).any():
                means = float(unit_ns[rows & ~side].mean()), float(unit_ns[rows & side].mean())
                found.setdefault(name, {})[number] = means
    return found


def _trials_of_all(means: Mapping[str, Mapping[int, object]], items: Sequence[str]) -> list[int]:
    """Trials in which every one of the items was timed."""
    sets = [set(means[name]) for name in items]
    return sorted(set.intersection(*sets)) if sets else []


def _gaps(
    means: Mapping[str, Mapping[int, tuple[float, float]]], items: Sequence[str], trials: Sequence[int]
) -> Floats:
    """B − A of each trial, ns a unit; of several items their mean, since each is traced as often."""
    return np.array([np.mean([means[name][trial][1] - means[name][trial][0] for name in items]) for trial in trials])


def _parts(
    means: Mapping[str, Mapping[int, tuple[float, float]]],
    headline: Sequence[str],
    trials: Sequence[int],
    windows: Mapping[int, Window],
    timed: Floats,
    traced: Floats,
) -> list[Span]:
    """What stands between the timed and the traced gap, in order."""
    beside = _beside(windows, trials)
    synchronised = None
    if headline != [SYNCHRONISED] and all(trial in means.get(SYNCHRONISED, {}) for trial in trials):
        synchronised = _gaps(means, [SYNCHRONISED], trials)
    stops = [(WAITING, synchronised), (LATER, beside), (PROFILING, traced)]
    if (
        synchronised is None
    ):  # calls of an op workload: each waits in the window, all of an iteration once in the rounds
        stops = [(WAITING, beside), (PROFILING, traced)]
    if headline == [SYNCHRONISED]:
        stops = [(LATER, beside), (PROFILING, traced)]
    found, before = [], timed
    for name, gaps in stops:
        if gaps is not None:
            found.append(Span(name, _amount(gaps - before)))
            before = gaps
    return found


def _beside(windows: Mapping[int, Window], trials: Sequence[int]) -> Floats | None:
    """B − A of the steps beside each window, ns; None where a window has none."""
    pairs = [windows[trial].beside for trial in trials]
    known = [pair for pair in pairs if pair is not None]
    return np.array([b - a for a, b in known]) if len(known) == len(pairs) else None


def _profiling(windows: Mapping[int, Window], trials: Sequence[int], at: int) -> Amount | None:
    """What profiling adds to a unit of one side (0 = A): the traced one less the one beside it, trial by trial."""
    pairs = [(windows[trial].walls[at], windows[trial].beside) for trial in trials]
    costs = [wall - beside[at] for wall, beside in pairs if beside is not None]
    return _amount(np.array(costs)) if len(costs) == len(pairs) else None


def _amount(values: Floats, alpha: float = stats.FIXED_ALPHA) -> Amount:
    """Mean over trials with its Student interval, ns."""
    mean = round(float(values.mean()))
    if values.size < FEWEST:
        return Amount(mean, None, None)
    low, high = location.t_bounds(values, alpha)
    return Amount(mean, math.floor(low), math.ceil(high))


def _share(explained: Floats, timed: Floats) -> tuple[float | None, float | None, float | None]:
    """Explained gap ÷ timed gap with Fieller's interval over trials (Fieller 1954); all None where the timed gap's own
    interval includes 0, or with too few trials."""
    n = timed.size
    if n < FEWEST or not location.varies(timed):
        return None, None, None
    t = location.t_quantile(1 - stats.FIXED_ALPHA / 2, n - 1)
    x, y = float(timed.mean()), float(explained.mean())
    var = np.cov(np.stack([timed, explained]), ddof=1) / n * t * t
    a, b, c = x * x - var[0, 0], x * y - var[0, 1], y * y - var[1, 1]
    inside = b * b - a * c
    if a <= 0 or inside < 0:
        return None, None, None
    root = math.sqrt(inside)
    return float(y / x), float((b - root) / a), float((b + root) / a)


def _disagreement(
    timed: Floats,
    traced: Floats,
    bridge: Bridge,
    windows: Mapping[int, Window],
    trials: Sequence[int],
    means: Mapping[str, Mapping[int, tuple[float, float]]],
    headline: Sequence[str],
) -> str:
    """Why the traces do not show the gap that was timed; '' where they do, or where there are too few trials to tell."""
    if timed.size < FEWEST:
        return ""
    gap, seen = float(timed.mean()), float(traced.mean())
    words = in_one_unit([gap, seen])
    text = f"the traced runs do not show the gap that was timed ({words(gap)} timed, {words(seen)} traced, B against A)"
    low, high = _certain(timed)
    other_low, other_high = _certain(traced)
    if (low > 0 and other_high < 0) or (high < 0 and other_low > 0):
        return f"{text}: they show the opposite"
    later = next((part for part in bridge.parts if part.name == LATER), None)
    if later is not None:
        drifted = _beside(windows, trials)
        assert drifted is not None
        before = _gaps(means, [SYNCHRONISED] if headline != [SYNCHRONISED] else list(headline), trials)
        low, high = _certain(drifted - before)
        if (low > 0 or high < 0) and abs(later.amount.ns) > _MOST_ADDED * abs(gap):
            return f"{text}: the machine changed between the timed rounds and the windows, by {words(later.amount.ns)}"
    low, high = _certain(traced - timed)
    if (low > 0 or high < 0) and abs(seen - gap) > _MOST_ADDED * abs(gap):
        causes = ", ".join(f"{part.name} {words(part.amount.ns)}" for part in bridge.parts)
        return f"{text}: {causes}"
    return ""


def _certain(values: Floats) -> tuple[float, float]:
    return location.t_bounds(values, _CERTAIN)
