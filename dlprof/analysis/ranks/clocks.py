"""The ranks' clocks: how far each is ahead, from the ends of collectives, which come to all ranks at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from dlprof.analysis.columns import Bools, Floats, Ints
from dlprof.analysis.ranks.matching import latest

TOLERANCE_PS: Final = 100 * 10**6
"""0.1 ms by which a collective may seem to end before its last rank arrived: profilers' own clocks are no better."""

_ROUNDS: Final = 20


@dataclass(frozen=True, slots=True)
class Clocks:
    """What to subtract from each rank's times.

    offset: of each rank, ps
    of: the clock that each rank has, as an index of names
    spread, drift: of each clock, ps
    broken: ranks whose clock differs from that of their own host, by themselves
    impossible: ends before the last arrival that are left
    """

    offset: Ints
    of: Ints
    names: tuple[str, ...]
    spread: Floats
    drift: Floats
    broken: tuple[int, ...]
    impossible: int


def align(start: Ints, end: Ints, there: Bools, hosts: Sequence[str | None], ranks: Sequence[int]) -> Clocks:
    """Align the clocks. start, end: of synchronising collectives, (collectives, ranks) ps; hosts, ranks: of each column.

    Ranks of one host have one clock. Where that cannot be (a collective would end before its last rank arrived), a rank
    whose own ends say something else has a clock of its own.
    """
    own = _offsets(end, there)
    of, names = _clocks(hosts, ranks)
    offset = _of_clocks(own, of)
    ahead, broken = offset, []
    if _impossible(start, end, there, offset).any():
        apart = np.abs(own - offset) > TOLERANCE_PS
        for at in np.flatnonzero(apart).tolist():
            of[at], names = len(names), (*names, f"rank {ranks[at]}")
            broken.append(int(ranks[at]))
        ahead = _of_clocks(own, of)
    ahead = ahead - ahead[:1]
    kept = np.unique(of)
    left = _left(end - ahead, there)
    return Clocks(
        offset=ahead,
        of=np.searchsorted(kept, of),
        names=tuple(names[at] for at in kept.tolist()),
        spread=np.array([_spread(left[:, of == at]) for at in kept.tolist()]),
        drift=np.array([_drift(left[:, of == at]) for at in kept.tolist()]),
        broken=tuple(broken),
        impossible=int(_impossible(start, end, there, ahead).sum()),
    )


def _clocks(hosts: Sequence[str | None], ranks: Sequence[int]) -> tuple[Ints, tuple[str, ...]]:
    names = [f"rank {rank}" if host is None else host for host, rank in zip(hosts, ranks, strict=True)]
    first = dict.fromkeys(names)
    number = {name: at for at, name in enumerate(first)}
    return np.array([number[name] for name in names], dtype=np.int64), tuple(first)


def _of_clocks(own: Ints, of: Ints) -> Ints:
    """Each clock's offset: the median of its ranks'."""
    found = np.zeros_like(own)
    for at in np.unique(of).tolist():
        found[of == at] = round(float(np.median(own[of == at])))
    return found


def _offsets(end: Ints, there: Bools) -> Ints:
    """How far each rank's ends lie behind the median rank's; 0 for one without a collective. In turns, since not every rank is
    part of every collective."""
    offset = np.zeros(there.shape[1], dtype=np.int64)
    for _ in range(_ROUNDS):
        left = _left(end - offset, there)
        known = there.any(axis=0)
        step = np.zeros_like(offset)
        step[known] = np.rint(np.nanmedian(left[:, known], axis=0)).astype(np.int64) if known.any() else 0
        if not step.any():
            break
        offset += step
    return offset


def _left(end: Ints, there: Bools) -> Floats:
    """Each end less the median end of its collective; NaN where a rank is no part of it."""
    if not end.size:
        return np.zeros(end.shape)
    base = end[there].min(initial=0)
    known = np.where(there, (end - base).astype(np.float64), np.nan)
    found: Floats = known - np.nanmedian(known, axis=1, keepdims=True)
    return found


def _spread(left: Floats) -> float:
    known = left[np.isfinite(left)]
    return float(np.median(np.abs(known))) if known.size else 0.0


def _drift(left: Floats) -> float:
    half = len(left) // 2
    first, second = left[:half], left[half:]
    if not (np.isfinite(first).any() and np.isfinite(second).any()):
        return 0.0
    return float(np.nanmedian(second) - np.nanmedian(first))


def _impossible(start: Ints, end: Ints, there: Bools, offset: Ints) -> Bools:
    """Ends that come before the last arrival."""
    _, last = latest(start - offset, there)
    found: Bools = there & (end - offset < last[:, None] - TOLERANCE_PS)
    return found
