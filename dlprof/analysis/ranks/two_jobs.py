"""Two recorded jobs: the ledger of a step of both along their critical paths, ranks and collectives side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from dlprof.analysis.columns import Floats
from dlprof.analysis.ranks.model import Parts, Place, Ranks, Straggler
from dlprof.stats.result import MIN_TRIALS
from dlprof.stats.sample.allowance import bounds
from dlprof.stats.sample.steps import Difference, difference, over_steps

ALPHA: Final = 0.05
"""Error level of each line's interval."""
PARTS: Final = ("compute", "input", "copy", "host", "transfer")
"""Lines of the ledger, which sum to the step; nothing waits on the critical path."""


@dataclass(frozen=True, slots=True)
class JobLine:
    """A part of the step along the critical path of both jobs, ns.

    over_steps: B less A, with its interval over the steps of both recordings
    over_ranks: of the mean of the same part over ranks, not over the path: B less A of each rank that both have, with its
        interval over ranks; None where they have none in common
    """

    part: str
    a_ns: float
    b_ns: float
    over_steps: Difference
    over_ranks: Difference | None


@dataclass(frozen=True, slots=True)
class RankPair:
    """A rank that both jobs have: its own time (the step without exposed communication) and its excess over the others, ns."""

    rank: int
    a_own_ns: float
    b_own_ns: float
    own: Difference
    a_excess_ns: float
    b_excess_ns: float


@dataclass(frozen=True, slots=True)
class CollectivePair:
    """A kind of collective that both jobs have, ns a call."""

    op: str
    bytes: int | None
    a_calls: int
    b_calls: int
    a_waiting_ns: float
    b_waiting_ns: float
    a_transfer_ns: float
    b_transfer_ns: float


@dataclass(frozen=True, slots=True)
class TwoJobs:
    """B against A. whole: the step along the critical path; lines: its parts, which sum to it on both sides and in difference.

    a_stragglers, b_stragglers: as of each job by itself
    only_a, only_b: ranks, and kinds of collectives, that one job alone has
    notes: what is to be said of the comparison
    """

    a: Ranks
    b: Ranks
    whole: JobLine
    lines: tuple[JobLine, ...]
    ranks: tuple[RankPair, ...]
    collectives: tuple[CollectivePair, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A job with its ranks' own time by rank and step, (ranks, steps) ns, in the order of found.ranks."""

    found: Ranks
    own: Floats


def compare(a: Recorded, b: Recorded) -> TwoJobs:
    """B against A; both as found, and nothing of how they were started is known."""
    common = [rank for rank in a.found.ranks if rank in set(b.found.ranks)]
    lines = tuple(_line(part, a.found, b.found, common) for part in PARTS)
    kinds_a = {(one.op, one.bytes): one for one in a.found.by_collective}
    kinds_b = {(one.op, one.bytes): one for one in b.found.by_collective}
    return TwoJobs(
        a=a.found,
        b=b.found,
        whole=_line(None, a.found, b.found, common),
        lines=lines,
        ranks=tuple(sorted((_rank(a, b, rank) for rank in common), key=lambda one: -abs(one.own.value))),
        collectives=tuple(
            CollectivePair(
                op=one.op,
                bytes=one.bytes,
                a_calls=one.calls,
                b_calls=other.calls,
                a_waiting_ns=one.waiting,
                b_waiting_ns=other.waiting,
                a_transfer_ns=one.transfer,
                b_transfer_ns=other.transfer,
            )
            for key, one in kinds_a.items()
            if (other := kinds_b.get(key)) is not None
        ),
        only_a=_only(a.found, b.found, kinds_a.keys() - kinds_b.keys()),
        only_b=_only(b.found, a.found, kinds_b.keys() - kinds_a.keys()),
        notes=tuple(_notes(a.found, b.found)),
    )


def _line(part: str | None, a: Ranks, b: Ranks, common: Sequence[int]) -> JobLine:
    """A part, or the whole where none is named."""
    sides = [np.array([_of(step.parts, part) for step in side.by_step]) for side in (a, b)]
    found = [over_steps(side, ALPHA) for side in sides]
    marked = a.marked and b.marked
    return JobLine(
        part=part or "step",
        a_ns=found[0].mean,
        b_ns=found[1].mean,
        over_steps=difference(*found) if marked else Difference(found[1].mean - found[0].mean, None, None),
        over_ranks=_over_ranks([_place(a, rank) for rank in common], [_place(b, rank) for rank in common], part),
    )


def _of(parts: Parts, part: str | None) -> float:
    value: float = parts.wall if part is None else getattr(parts, part)
    return value


def _place(found: Ranks, rank: int) -> Place:
    return found.by_rank[found.ranks.index(rank)]


def _over_ranks(a: Sequence[Place], b: Sequence[Place], part: str | None) -> Difference | None:
    if not a:
        return None
    deltas = np.array([_of(other.parts, part) - _of(one.parts, part) for one, other in zip(a, b, strict=True)])
    mean = float(deltas.mean())
    if len(deltas) < MIN_TRIALS:
        return Difference(mean, None, None)
    low, high = bounds(deltas, ALPHA)
    return Difference(mean, float(low), float(high))


def _rank(a: Recorded, b: Recorded, rank: int) -> RankPair:
    rows = [side.own[side.found.ranks.index(rank)] for side in (a, b)]
    one, other = (over_steps(row, ALPHA) for row in rows)
    return RankPair(
        rank=rank,
        a_own_ns=one.mean,
        b_own_ns=other.mean,
        own=difference(one, other),
        a_excess_ns=_place(a.found, rank).excess.mean,
        b_excess_ns=_place(b.found, rank).excess.mean,
    )


def _only(found: Ranks, other: Ranks, kinds: set[tuple[str, int | None]]) -> tuple[str, ...]:
    ranks = [rank for rank in found.ranks if rank not in set(other.ranks)]
    said = [f"rank {', '.join(map(str, ranks[:8]))}{f' … ({len(ranks)})' if len(ranks) > 8 else ''}"] if ranks else []
    return (*said, *(f"{op}{'' if size is None else f' of {size} bytes'}" for op, size in sorted(kinds, key=str)))


def _notes(a: Ranks, b: Ranks) -> list[str]:
    said = []
    if a.marked != b.marked:
        said.append("One job marks steps and the other does not: a step stands beside a whole recording.")
    elif not a.marked:
        said.append("Neither job marks steps: whole recordings stand side by side, which need not hold the same work.")
    if len(a.ranks) != len(b.ranks):
        said.append(f"A has {len(a.ranks)} ranks and B {len(b.ranks)}: a step of both need not be the same work.")
    hosts = [{place.host for place in side.by_rank if place.host is not None} for side in (a, b)]
    if hosts[0] and hosts[1] and hosts[0] != hosts[1]:
        said.append(
            f"They ran on different hosts ({len(hosts[0])} and {len(hosts[1])}, {len(hosts[0] & hosts[1])} of them in both)."
        )
    return said


def changed(a: Sequence[Straggler], b: Sequence[Straggler]) -> tuple[list[Straggler], list[Straggler]]:
    """Stragglers that B alone has, and those that A alone had."""
    ranks = [{one.rank for one in side} for side in (a, b)]
    return [one for one in b if one.rank not in ranks[0]], [one for one in a if one.rank not in ranks[1]]
