"""Which interval lies in which, and which is the innermost, by the compiled part (nesting.c); None where that is not active.

What calls these finds the same with NumPy: dlprof.ingest.finish.nesting and enclosing, dlprof.analysis.intervals.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from dlprof.native.arrays import address, plain
from dlprof.native.library import unless_python

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def in_order(track: Ints | None, start: Ints, end: Ints | None) -> tuple[bool, bool] | None:
    """Whether intervals are in order of track, start, and longest first, and whether then two that follow each other are the
    same; None for a track or an end that does not count."""
    library = unless_python()
    if library is None:
        return None
    start = plain(start)
    track, end = None if track is None else plain(track), None if end is None else plain(end)
    given = [None if values is None else address(values) for values in (track, start, end)]
    answer = library.dlprof_in_order(len(start), *given)
    return answer > 0, answer > 1


def rows_in_order(track: npt.NDArray[np.int32], start: Ints) -> bool:
    """Whether rows are seen to be in order of track and start."""
    library = unless_python()
    if library is None:
        return False
    track, start = np.ascontiguousarray(track, dtype=np.int32), plain(start)
    return bool(library.dlprof_rows_in_order(len(start), address(track), address(start)))


def parents(start: Ints, end: Ints) -> tuple[Ints, Bools] | None:
    """Of intervals in order of start, longest first: the innermost that holds each one, -1 for none; and which begin inside an
    earlier one and end after it."""
    library = unless_python()
    if library is None:
        return None
    start, end = plain(start), plain(end)
    parent, across = np.empty(len(start), dtype=np.int64), np.empty(len(start), dtype=np.bool_)
    library.dlprof_parents(len(start), *map(address, (start, end, parent, across)))
    return parent, across


def child_time(parent: Ints, duration: Ints) -> Ints | None:
    """The time of the direct children of each."""
    library = unless_python()
    if library is None:
        return None
    parent, duration = plain(parent), plain(duration)
    total = np.empty(len(parent), dtype=np.int64)
    library.dlprof_child_time(len(parent), *map(address, (parent, duration, total)))
    return total


def nearest(parent: Ints, wanted: Bools) -> Ints | None:
    """The innermost interval around each that is wanted, -1 for none."""
    library = unless_python()
    if library is None:
        return None
    parent, wanted = plain(parent), np.ascontiguousarray(wanted, dtype=np.bool_)
    up = np.empty(len(parent), dtype=np.int64)
    library.dlprof_nearest(len(parent), *map(address, (parent, wanted, up)))
    return up


class Nested(msgspec.Struct, frozen=True):
    """What intervals have from each other.

    parent: of all, the innermost that holds each one, -1 for none
    own: of those from the head on, the time without that of their children
    around: of those, the id of the innermost wanted one around, -1 for none
    open: places of those that end at the last start or later
    overlapping: how many from the head on begin inside an earlier one and end after it
    """

    parent: Ints
    own: Ints
    around: Ints
    open: Ints
    overlapping: int


def nest(start: Ints, end: Ints, wanted: Bools, ids: Ints, head: int) -> Nested | None:
    """Of intervals in order of start, longest first, of which those before `head` began earlier: what each has from the rest."""
    library, count = unless_python(), len(start)
    if library is None or count == head:
        return None
    start, end, ids, wanted = plain(start), plain(end), plain(ids), np.ascontiguousarray(wanted, dtype=np.bool_)
    parent, up, still = np.empty((3, count), dtype=np.int64)
    own, around = np.empty((2, count - head), dtype=np.int64)
    counts = np.zeros(2, dtype=np.int64)
    given = map(address, (start, end, wanted, ids))
    library.dlprof_nest(count, head, *given, int(start[-1]), *map(address, (parent, up, own, around, still, counts)))
    return Nested(parent, own, around, still[: counts[1]], int(counts[0]))


def leaves(track: Ints, start: Ints, end: Ints) -> tuple[Ints, Ints, Ints] | None:
    """Of intervals by track, start, and longest first: pieces in which one is the latest that began, as (its place, from, to)."""
    library = unless_python()
    if library is None:
        return None
    track, start, end = map(plain, (track, start, end))
    stack, pieces = np.empty(len(start), dtype=np.int64), np.empty((3, 2 * len(start)), dtype=np.int64)
    count = library.dlprof_leaves(len(start), *map(address, (track, start, end, stack, *pieces)))
    owner, low, high = pieces[:, :count]
    return owner, low, high
