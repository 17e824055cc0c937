"""What figures show of a job's ranks: each one's excess in each step, and the worst steps as what each rank did when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from dlprof.analysis import intervals
from dlprof.analysis.columns import Floats, Ints
from dlprof.analysis.ranks.findings import excess_of
from dlprof.analysis.ranks.job import Job, idle, waits
from dlprof.analysis.ranks.model import Ranks, Step
from dlprof.units import PS_PER_NS

STEPS: Final = 3
"""Worst steps that are drawn."""
LANES: Final = 12
"""Ranks of a drawn step: the one at fault, then those that took longest and shortest themselves."""
_RECORDED: Final = ("input", "compute", "copy")


@dataclass(frozen=True, slots=True)
class Lane:
    """What a rank did in a step: parts (of Parts), when each began and ended, ns from the start of the step on any rank.

    Between two of its moments (a collective's arrival, its end, …) only the sums of its parts are known: there they are
    drawn one after the other, in one order.
    """

    rank: int
    parts: tuple[str, ...]
    start: Floats
    end: Floats


@dataclass(frozen=True, slots=True)
class WorstStep:
    """A step as its ranks spent it.

    culprit: the rank for which the others waited most, charged: how long, of all that was waited; None where nobody waited
    lanes: in order of rank; left_out: how many more there are
    arrivals: when the last rank came to each collective, ns
    """

    step: int
    wall: float
    waited: float
    culprit: int | None
    charged: float
    lanes: tuple[Lane, ...]
    left_out: int
    arrivals: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Drawn:
    """ranks, steps: their numbers; excess: (ranks, steps), a rank's own time less the median of the others', ns."""

    ranks: tuple[int, ...]
    steps: tuple[int, ...]
    excess: Floats
    worst: tuple[WorstStep, ...]


def build(job: Job, found: Ranks) -> Drawn:
    """What is drawn of a job."""
    excess = excess_of(job)
    _, _, when = waits(job)
    waited = {one.step: one for one in found.by_step}
    numbers = job.steps.tolist()
    order = sorted(
        range(len(numbers)),
        key=lambda at: (-(waited[numbers[at]].waited if numbers[at] in waited else 0.0), -float(excess[:, at].max())),
    )
    worst = []
    for at in sorted(order[:STEPS]):
        one = waited.get(numbers[at])
        worst.append(_step(job, at, excess[:, at], when, one))
    ranks = tuple(one.rank for one in job.members)
    return Drawn(ranks, tuple(numbers), excess, tuple(worst))


def _step(job: Job, at: int, excess: Floats, when: Ints, found: Step | None) -> WorstStep:
    begin, end = job.begin[:, at], job.begin[:, at] + job.wall[:, at]
    base = int(begin.min())
    culprit = None if found is None else found.latest
    shown = _shown(job, excess, culprit)
    inside = (when >= base) & (when <= int(end.max()))
    return WorstStep(
        step=int(job.steps[at]),
        wall=float(end.max() - base) / PS_PER_NS,
        waited=0.0 if found is None else found.waited,
        culprit=culprit,
        charged=0.0 if found is None else found.charged,
        lanes=tuple(_lane(job, one, (int(begin[one]), int(end[one])), base, idle(job, when, one)) for one in shown),
        left_out=len(job.members) - len(shown),
        arrivals=tuple(((when[inside] - base) / PS_PER_NS).tolist()),
    )


def _shown(job: Job, excess: Floats, culprit: int | None) -> list[int]:
    """Columns of the ranks that have a lane."""
    order = np.argsort(-excess, kind="stable").tolist()
    if len(order) > LANES:
        held = [at for at, one in enumerate(job.members) if one.rank == culprit]
        ends = [*order[: LANES // 2], *order[-LANES // 2 :]]
        order = [*held, *(one for one in ends if one not in held)][:LANES]
    return sorted(order)


def _lane(job: Job, column: int, window: tuple[int, int], base: int, waiting: intervals.Union) -> Lane:
    begin, end = window
    time, until = job.lines.time[column], job.lines.until[column]
    edges = np.unique(np.concatenate([[begin, end], time[(time > begin) & (time < end)]]))
    at = np.maximum(np.searchsorted(time, edges, side="right") - 1, 0)
    length = np.diff(edges)
    spent = {name: np.diff(until[f"{name}_ps"][at]) for name in (*_RECORDED, "communication")}
    wait = np.minimum(np.diff(waiting.covered(edges)), spent["communication"])
    host = np.maximum(length - sum(spent.values()), 0)
    pieces = {name: spent[name] for name in _RECORDED}
    pieces |= {"host": host, "waiting": wait, "transfer": spent["communication"] - wait}
    amounts = np.stack(list(pieces.values()), axis=1)
    stop = edges[:-1, None] + np.cumsum(amounts, axis=1)
    start = stop - amounts
    rows, kinds = np.nonzero(amounts > 0)
    names = list(pieces)
    low, high = (np.clip(one[rows, kinds], begin, end) - base for one in (start, stop))
    return Lane(
        rank=job.members[column].rank,
        parts=tuple(names[kind] for kind in kinds.tolist()),
        start=low / PS_PER_NS,
        end=high / PS_PER_NS,
    )
