"""Which event of a thread lies inside which: parents and self time of sorted intervals, without a loop over events."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dlprof.ingest.batch import Int64
from dlprof.native import nesting as native


def order(start: Int64, end: Int64, ties: Sequence[Int64] | None = None) -> Int64 | None:
    """Sorts intervals by start, longest first: an event then precedes all that lie inside it. None where they lie so already.

    ties: what decides between intervals that begin and end together, first key first; None: the order given.
    """
    compiled = native.in_order(None, start, end)
    in_order, alike = _in_order(start, end) if compiled is None else compiled
    if in_order and (ties is None or not alike):
        return None
    found = np.lexsort((*(reversed(ties) if ties else ()), -end, start)).astype(np.int64)
    return None if (np.diff(found) == 1).all() else found


def _in_order(start: Int64, end: Int64) -> tuple[bool, bool]:
    """Whether intervals are in order, longest first, and whether two that follow each other are the same."""
    step = np.diff(start)
    alike = (step == 0) & (end[:-1] == end[1:])
    return bool(((step > 0) | ((step == 0) & (end[:-1] >= end[1:]))).all()), bool(alike.any())


def parents(start: Int64, end: Int64) -> tuple[Int64, npt.NDArray[np.bool_]]:
    """Index of the innermost event that encloses each one, -1 for none; and which begin inside an earlier one within the same
    parent and end after it. Shape (n,); input sorted by `order`.
    """
    compiled = native.parents(start, end)
    return _parents(start, end) if compiled is None else compiled


def _parents(start: Int64, end: Int64) -> tuple[Int64, npt.NDArray[np.bool_]]:
    """`parents` without the compiled part.

    With starts in order, j < i encloses i exactly if end[j] >= end[i], so the innermost is the PREVIOUS GREATER-OR-EQUAL
    element of `end`. Pointers jump over everything smaller, all at once: if end[j] < end[i] then whatever j has skipped
    is smaller than end[i] too, and if one of these reaches beyond start[i], so does end[j]. A stack would need a Python
    step per event. Events that overlap without nesting (clock jitter) simply are not each other's parents.
    """
    count = len(start)
    parent, across = np.arange(-1, count - 1, dtype=np.int64), np.zeros(count, dtype=np.bool_)
    if count == 0:
        return parent, across
    reach = np.maximum.accumulate(end)
    # An event after the end of all before it has no parent; settling these first keeps flat streams linear.
    parent[1:][start[1:] > reach[:-1]] = -1
    open_rows = np.flatnonzero(parent >= 0)
    while len(open_rows):
        candidate = parent[open_rows]
        smaller = end[candidate] < end[open_rows]
        open_rows, candidate = open_rows[smaller], candidate[smaller]
        reaching = end[candidate] > start[open_rows]
        if reaching.any():
            across[open_rows[reaching]] = True
        parent[open_rows] = parent[candidate]
        open_rows = open_rows[parent[open_rows] >= 0]
    return parent, across


def child_time(parent: Int64, duration: Int64) -> Int64:
    """Total duration of each event's direct children, same unit and shape as `duration`."""
    compiled = native.child_time(parent, duration)
    return _child_time(parent, duration) if compiled is None else compiled


def _child_time(parent: Int64, duration: Int64) -> Int64:
    """`child_time` without the compiled part."""
    total = np.zeros(len(duration), dtype=np.int64)
    inner = parent >= 0
    # np.bincount would sum in float64 and lose picoseconds beyond 2^53 (2.5 hours).
    np.add.at(total, parent[inner], duration[inner])
    return total
