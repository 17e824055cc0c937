"""Which ranks hold up the others, by how much a step, in what, and whether they always do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from dlprof.analysis.columns import Floats, Ints
from dlprof.analysis.ranks.job import Job
from dlprof.analysis.ranks.model import Pattern, Straggler
from dlprof.stats.sample.steps import OverSteps, confident, median_of_others, over_steps, typical
from dlprof.units import PS_PER_NS

ALPHA: Final = 0.05
MARGIN: Final = 0.01
"""Share of a step below which a rank's excess is nobody's concern."""
UNSURE: Final = 0.05
"""The same of each single step, where there is no interval, or one that holds 0."""
LARGE: Final = 0.25
"""Share of a step from which a single step's excess is told, though it is no habit."""
_FEWEST: Final = 3
"""Steps from which something can be called a habit."""
_NOISE: Final = 6
"""Times the median absolute deviation of a rank's excess that a single step must stand out."""
_Measure = Callable[[Floats, float], OverSteps]
_PARTS: Final = ("compute", "copy", "input", "host")


def find(job: Job, excess: Floats, parts: Mapping[str, Floats]) -> tuple[Straggler, ...]:
    """The stragglers, worst first; none where steps are held up by one rank now and by another then (`rotating`).

    excess: (ranks, steps), a rank's own time less the median of the others'. parts: by rank and step.

    A rank is one if its interval over typical steps, or over all, lies above 0 and their mean above MARGIN; if it exceeds UNSURE
    in each step; or if one or two steps stand out.
    """
    step = float(np.median(job.wall)) / PS_PER_NS
    level = confident(ALPHA, len(job.members))
    against = {name: parts[name] - median_of_others(parts[name]) for name in _PARTS}
    found = []
    for at, member in enumerate(job.members if len(job.members) > 1 else ()):
        size, measure = _habit(excess[at], step, level)
        pattern = _pattern(excess[at], step, habit=size is not None)
        rows = np.arange(excess.shape[1])
        if size is None or pattern == "one-off":
            rows = _standing_out(excess[at], step) if size is None else np.flatnonzero(excess[at] > MARGIN * step)
            if not len(rows):
                continue
            size, measure = (
                OverSteps(float(excess[at][rows].mean()), None, None, 1 - level, len(rows), len(rows)),
                over_steps,
            )
        each = {name: measure(against[name][at][rows], level).mean for name in _PARTS}
        most = max(_PARTS, key=lambda name: each[name])
        worst = np.argsort(-excess[at], kind="stable")[:3]
        found.append(
            Straggler(
                rank=member.rank,
                host=member.host,
                excess=size,
                part=most,
                part_ns=each[most],
                pattern=pattern,
                steps=int((excess[at] > MARGIN * step).sum()),
                of=excess.shape[1],
                worst=tuple(int(job.steps[one]) for one in worst.tolist() if excess[at][one] > MARGIN * step),
            )
        )
    if rotating(excess, job.wall / PS_PER_NS, found):
        return ()
    return tuple(sorted(found, key=lambda one: -one.excess.mean * one.excess.steps))


def _habit(excess: Floats, step: float, level: float) -> tuple[OverSteps | None, _Measure]:
    """By how much the rank exceeds the others as a habit, with the interval that shows it; None where it has none. And how that
    is measured.

    The typical step's, which a step that the machine disturbed does not make say nothing; else that of all steps, in which what
    comes now and then is; without an interval where neither lies above 0 but each step alone does.
    """
    measures: tuple[_Measure, ...] = (typical, over_steps)
    for measure in measures:
        one = measure(excess, level)
        if one.low is not None and one.low > 0 and one.mean > MARGIN * step:
            return one, measure
    usual = typical(excess, level)
    if (excess > UNSURE * step).all():
        return OverSteps(usual.mean, None, None, usual.confidence, usual.steps, usual.blocks), typical
    return None, typical


def _standing_out(excess: Floats, step: float) -> Ints:
    """Steps, few of them, in which the rank took much longer than otherwise."""
    usual = float(np.median(excess))
    noise = float(np.median(np.abs(excess - usual)))
    rows = np.flatnonzero((excess > LARGE * step) & (excess - usual > _NOISE * noise))
    return rows if len(rows) <= max(2, len(excess) // 10) and len(excess) > 2 else rows[:0]


def _pattern(excess: Floats, step: float, *, habit: bool) -> Pattern:
    if len(excess) < _FEWEST:
        return "unknown"
    late = np.sort(excess[excess > MARGIN * step])[::-1]
    few = max(2, len(excess) // 20) if len(excess) > 4 else 1
    mostly = len(late) <= few or late[:few].sum() > late.sum() / 2
    if mostly and (len(late) < len(excess) / 2 or not habit):
        return "one-off"
    return "persistent" if len(late) >= len(excess) / 2 else "now and then"


def rotating(excess: Floats, wall: Floats, stragglers: Sequence[Straggler]) -> bool:
    """Whether half of the steps or more are held up by over a twentieth, by different ranks in turn, and none persists."""
    if excess.shape[0] < 2 or any(one.pattern == "persistent" for one in stragglers):
        return False
    late = excess.max(axis=0) > np.median(wall, axis=0) / 20
    who = excess.argmax(axis=0)[late]
    return bool(late.mean() >= 0.5 and len(who) > 2 and np.bincount(who).max() < 0.75 * len(who))
