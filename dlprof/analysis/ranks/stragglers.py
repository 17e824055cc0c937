"""Which ranks hold up the others, by how much a step, in what, and whether they always do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from dlprof.analysis.columns import Floats, Ints
from dlprof.analysis.ranks.job import Job
from dlprof.analysis.ranks.model import Pattern, Straggler
from dlprof.stats.sample.steps import OverSteps, confident, median_of_others, over_steps
from dlprof.units import PS_PER_NS

ALPHA: Final = 0.05
MARGIN: Final = 0.01
"""Share of a step below which a rank's excess is nobody's concern."""
UNSURE: Final = 0.05
"""The same where there are too few steps for an interval."""
LARGE: Final = 0.25
"""Share of a step from which a single step's excess is told, though it is no habit."""
_FEWEST: Final = 3
"""Steps from which something can be called a habit."""
_NOISE: Final = 6
"""Times the median absolute deviation of a rank's excess that a single step must stand out."""
_PARTS: Final = ("compute", "copy", "input", "host")


def find(job: Job, excess: Floats, parts: Mapping[str, Floats]) -> tuple[Straggler, ...]:
    """The stragglers, worst first.

    excess: (ranks, steps), a rank's own time less the median of the others'. parts: by rank and step.

    A rank is one if its interval over steps lies above 0 and its mean above MARGIN; with fewer than six steps if it exceeds
    UNSURE in each; or if one or two steps stand out.
    """
    step = float(np.median(job.wall)) / PS_PER_NS
    against = {name: parts[name] - median_of_others(parts[name]) for name in _PARTS}
    found = []
    for at, member in enumerate(job.members if len(job.members) > 1 else ()):
        mean = over_steps(excess[at], confident(ALPHA, len(job.members)))
        single = _standing_out(excess[at], step)
        habit = _is_habit(mean, excess[at], step)
        if not habit and not len(single):
            continue
        rows = np.arange(excess.shape[1]) if habit else single
        most = max(_PARTS, key=lambda name: float(against[name][at][rows].mean()))
        worst = np.argsort(-excess[at], kind="stable")[:3]
        found.append(
            Straggler(
                rank=member.rank,
                host=member.host,
                excess=mean,
                part=most,
                part_ns=float(against[most][at][rows].mean()),
                pattern=_pattern(excess[at], step, habit=habit),
                steps=int((excess[at] > MARGIN * step).sum()),
                worst=tuple(int(job.steps[one]) for one in worst.tolist() if excess[at][one] > MARGIN * step),
            )
        )
    return tuple(sorted(found, key=lambda one: -one.excess.mean))


def _is_habit(mean: OverSteps, excess: Floats, step: float) -> bool:
    if mean.low is None:
        return bool((excess > UNSURE * step).all())
    return mean.low > 0 and mean.mean > MARGIN * step


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
