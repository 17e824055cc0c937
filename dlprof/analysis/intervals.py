"""Sets of time intervals as columns: union, coverage, the innermost event at each instant, shares among concurrent
ones.

All times are int64 in one unit (ps here); an interval is half open, [start, end). Nothing here knows what an event
is.
"""

from __future__ import annotations

import heapq

import msgspec
import numpy as np

from dlprof.analysis.columns import NULL, Floats, Ints
from dlprof.native import nesting as native
from dlprof.native import sums


class Union(msgspec.Struct, frozen=True):
    """Disjoint intervals in order; `before[i]` is the total length of the first i of them."""

    start: Ints
    end: Ints
    before: Ints

    @property
    def length(self) -> int:
        """Total length covered."""
        return int(self.before[-1])

    def covered(self, times: Ints) -> Ints:
        """Length covered up to each time: the coverage of any interval is covered(end) − covered(start)."""
        index = np.searchsorted(self.start, times, side="right") - 1
        inside = np.clip(times, None, self._end_of(index)) - self._start_of(index)
        return np.where(index >= 0, self.before[np.maximum(index, 0)] + inside, 0)

    def _start_of(self, index: Ints) -> Ints:
        return self.start[np.maximum(index, 0)] if len(self.start) else np.zeros_like(index)

    def _end_of(self, index: Ints) -> Ints:
        return self.end[np.maximum(index, 0)] if len(self.end) else np.zeros_like(index)

    def gaps(self, windows: Union) -> Union:
        """What of the windows is not covered."""
        edges = np.concatenate([self.start, self.end, windows.start, windows.end])
        points = np.unique(edges)
        low, high = points[:-1], points[1:]
        free = (windows.covered(high) - windows.covered(low) > 0) & (self.covered(high) - self.covered(low) == 0)
        return union(low[free], high[free])

    def within(self, other: Union) -> Union:
        """What both cover."""
        _, low, high = clip(self.start, self.end, other)
        return union(low, high)


def union(start: Ints, end: Ints) -> Union:
    """Merge intervals that overlap or touch; empty ones are left out."""
    keep = end > start
    start, end = start[keep], end[keep]
    order = np.argsort(start, kind="stable")
    start, end = start[order], end[order]
    if not len(start):
        empty = np.zeros(0, dtype=np.int64)
        return Union(empty, empty, np.zeros(1, dtype=np.int64))
    reach = np.maximum.accumulate(end)
    opens = np.append(True, start[1:] > reach[:-1])
    low = start[opens]
    high = reach[np.append(opens[1:], True)]
    return Union(low, high, np.append(0, np.cumsum(high - low)))


def clip(start: Ints, end: Ints, windows: Union) -> tuple[Ints, Ints, Ints]:
    """Cut intervals to the windows: (index of the interval, start, end) of each piece, empty pieces left out."""
    compiled = sums.clip(start, end, windows.start, windows.end)
    return _clip(start, end, windows) if compiled is None else compiled


def _clip(start: Ints, end: Ints, windows: Union) -> tuple[Ints, Ints, Ints]:
    """`clip` without the compiled part."""
    if not len(windows.start):
        empty = np.zeros(0, dtype=np.int64)
        return empty, empty, empty
    first = np.searchsorted(windows.end, start, side="right")
    last = np.searchsorted(windows.start, end, side="left")
    count = np.maximum(last - first, 0)
    index = np.repeat(np.arange(len(start)), count)
    window = np.arange(len(index)) - np.repeat(np.cumsum(count) - count, count) + first[index]
    low, high = np.maximum(start[index], windows.start[window]), np.minimum(end[index], windows.end[window])
    keep = high > low
    return index[keep], low[keep], high[keep]


class Leaves(msgspec.Struct, frozen=True):
    """Disjoint pieces per track: `owner` is the innermost (latest started) event of its track in [start, end)."""

    owner: Ints
    start: Ints
    end: Ints


def leaves(track: Ints, start: Ints, end: Ints) -> Leaves:
    """The innermost event at each instant of each track: the latest started, of those that started together the shortest."""
    if ordered(track, start, end):
        compiled = native.leaves(track, start, end)
        return _leaves(track, start, end) if compiled is None else Leaves(*compiled)
    order = np.lexsort((-end, start, track))
    compiled = native.leaves(track[order], start[order], end[order])
    if compiled is None:
        return _leaves(track, start, end)
    owner, low, high = compiled
    return Leaves(order[owner], low, high)


def ordered(track: Ints, start: Ints, end: Ints | None = None) -> bool:
    """Whether rows are in order of track and start, longest first where `end` is given."""
    compiled = native.in_order(track, start, end)
    return _ordered(track, start, end) if compiled is None else compiled[0]


def _ordered(track: Ints, start: Ints, end: Ints | None) -> bool:
    """`ordered` without the compiled part."""
    change, step = np.diff(track), np.diff(start)
    tied = step >= 0 if end is None else (step > 0) | ((step == 0) & (end[:-1] >= end[1:]))
    return bool(((change > 0) | ((change == 0) & tied)).all())


def _leaves(track: Ints, start: Ints, end: Ints) -> Leaves:
    """`leaves` without the compiled part.

    Events nest in the ordinary case, and then one pass over sorted brackets suffices. Where events of a track overlap
    without nesting (it happens: GPU streams, microsecond rounding), that track is swept with a heap: the latest
    started wins.
    """
    keep = np.flatnonzero(end > start)
    order = keep[np.lexsort((-end[keep], start[keep], track[keep]))]
    t, s, e = track[order], start[order], end[order]
    n = len(order)
    # Brackets in time order: at one instant all closings first (innermost first), then openings (outermost first).
    rank = np.arange(n)
    where = np.concatenate([s, e])
    closing = np.repeat([1, 0], n)
    tie = np.concatenate([rank, -rank])
    sequence = np.lexsort((tie, closing, where, np.concatenate([t, t])))
    event = np.concatenate([rank, rank])[sequence]
    opens = sequence < n
    depth = np.cumsum(np.where(opens, 1, -1))
    positions = np.arange(2 * n)
    open_at = positions[opens]
    keys = depth[opens] * (2 * n + 1) + open_at
    by_depth = np.argsort(keys, kind="stable")
    keys, opened = keys[by_depth], event[open_at][by_depth]

    def top(depths: Ints, before: Ints) -> Ints:
        found = np.searchsorted(keys, depths * (2 * n + 1) + before, side="right") - 1
        return np.where(found >= 0, opened[np.maximum(found, 0)], NULL) if n else found

    closes = ~opens
    wrong = top(depth[closes] + 1, positions[closes]) != event[closes]
    improper = np.unique(t[event[closes][wrong]])
    owner = np.where(depth > 0, np.where(opens, event, top(depth, positions)), NULL)
    times = where[sequence]
    piece = (owner[:-1] >= 0) & (times[1:] > times[:-1]) & ~np.isin(t[event[:-1]], improper)
    low, high, who = times[:-1][piece], times[1:][piece], owner[:-1][piece]
    swept = [_sweep(np.flatnonzero(t == one), s, e) for one in improper.tolist()]
    who = np.concatenate([who, *(part.owner for part in swept)])
    return Leaves(
        order[who], np.concatenate([low, *(p.start for p in swept)]), np.concatenate([high, *(p.end for p in swept)])
    )


def _sweep(events: Ints, start: Ints, end: Ints) -> Leaves:
    """`_leaves` for one track whose events overlap without nesting; events in order of start."""
    owner: list[int] = []
    low: list[int] = []
    high: list[int] = []
    active: list[
        tuple[int, int]
    ] = []  # (−rank, end): the latest started on top; ended ones are dropped when they surface
    pending = events.tolist()
    starts, ends = start[events].tolist(), end[events].tolist()
    now = starts[0]
    for rank in range(len(pending) + 1):
        until = starts[rank] if rank < len(pending) else None
        while active and (until is None or now < until):
            top, its_end = active[0]
            if its_end <= now:
                heapq.heappop(active)
                continue
            stop = its_end if until is None else min(its_end, until)
            owner.append(pending[-top])
            low.append(now)
            high.append(stop)
            now = stop
        if until is not None:
            now = until
            heapq.heappush(active, (-rank, ends[rank]))
    return Leaves(np.array(owner, dtype=np.int64), np.array(low, dtype=np.int64), np.array(high, dtype=np.int64))


def shares(start: Ints, end: Ints) -> Floats:
    """Length of each interval with every instant divided equally among the intervals that hold it.

    The shares sum to the length of the union. Cost: one sort of the ends (the share is V(end) − V(start), where V
    is the integral of 1 ÷ number of intervals), so a million intervals need no pairwise comparison.
    """
    times = np.concatenate([start, end])
    order = np.argsort(times, kind="stable")
    ordered = times[order]
    active = np.cumsum(np.where(order < len(start), 1, -1))[:-1]
    spans = np.diff(ordered)
    steps = np.divide(spans, active, out=np.zeros(len(spans)), where=active > 0)
    integral = np.concatenate([[0.0], np.cumsum(steps)])[: len(ordered)]
    value = np.empty(len(times))
    value[order] = integral
    return np.asarray(value[len(start) :] - value[: len(start)])


class Divided(msgspec.Struct, frozen=True):
    """Time of each event in two ways.

    share: every instant goes to the innermost event of each track and is shared among the tracks, so that the sum is the
        length of the union of all
    own: of its track alone, whatever runs beside it
    """

    share: Floats
    own: Floats


def divide(track: Ints, start: Ints, end: Ints, windows: Union | None = None, unit: Ints | None = None) -> Divided:
    """Both times of each event, inside the windows if given.

    unit: the device of each event; among devices that work at the same time, own time is shared too (eight devices that do
    the same do not take eight times as long). Without it all is on one.
    """
    parts = leaves(track, start, end)
    owner, low, high = parts.owner, parts.start, parts.end
    if windows is not None:
        index, low, high = clip(low, high, windows)
        owner = owner[index]
    if not len(owner):
        return Divided(np.zeros(len(start)), np.zeros(len(start)))
    alone = high - low if unit is None else _shared_among(unit[owner], low, high)
    share, own = (np.bincount(owner, weights=one, minlength=len(start)) for one in (shares(low, high), alone))
    return Divided(share.astype(np.float64), own.astype(np.float64))


def _shared_among(unit: Ints, start: Ints, end: Ints) -> Floats:
    """Length of each interval with every instant divided by the number of units at work in it."""
    present = np.unique(unit)
    if len(present) == 1:
        return (end - start).astype(np.float64)
    busy = [union(start[unit == one], end[unit == one]) for one in present.tolist()]  # a handful of devices
    low, high = np.concatenate([one.start for one in busy]), np.concatenate([one.end for one in busy])
    times = np.sort(np.concatenate([low, high]))
    active = np.searchsorted(np.sort(low), times, side="right") - np.searchsorted(np.sort(high), times, side="right")
    spans = np.diff(times) / np.maximum(active[:-1], 1)
    integral = np.concatenate([[0.0], np.cumsum(spans)])

    def until(moments: Ints) -> Floats:
        at = np.clip(np.searchsorted(times, moments, side="right") - 1, 0, len(times) - 1)
        return np.asarray(integral[at] + (moments - times[at]) / np.maximum(active[at], 1))

    return np.asarray(until(end) - until(start))
