"""What each thread or stream is busy with, piece by piece of time, of a trace that is seen batch by batch and never as a whole.

A piece is a stretch of time in which the innermost event of a track is of one group; touching pieces of a group are one. They are
kept, from a few megabytes on in a temporary file, until all tracks were seen, and then go by in ranges of time. What is found
does not depend on where batches end: ranges are cut where a piece begins, and sums are of integers.
"""

from __future__ import annotations

import io
import tempfile
import weakref
from collections.abc import Iterator
from itertools import pairwise
from typing import IO, Any, Final

import msgspec
import numpy as np

from dlprof.analysis import columns, intervals
from dlprof.analysis.columns import Ints
from dlprof.native import groups as native_groups
from dlprof.native import sums as native

RANGE: Final = 131_072
"""Pieces that are looked at together, about."""
_IN_MEMORY: Final = 4 << 20
_SAMPLE: Final = 512
_FIRST: Final = -(2**63)
_LAST: Final = 2**63 - 1
_FRACTION: Final = 32
"""Bits behind the point of a share of a picosecond."""
_WIDTHS: Final = (8, 8, 4)


class Work(msgspec.Struct, frozen=True):
    """Work, or pieces of it: columns of equal length. Times in ps."""

    track: Ints
    start: Ints
    end: Ints
    group: Ints

    def columns(self) -> tuple[Ints, Ints, Ints, Ints]:
        return self.track, self.start, self.end, self.group

    def of(self, rows: Any) -> Work:
        return Work(self.track[rows], self.start[rows], self.end[rows], self.group[rows])

    def behind(self, other: Work) -> Work:
        return (
            Work(*map(np.concatenate, zip(other.columns(), self.columns(), strict=True))) if len(other.track) else self
        )


_NONE: Final = Work(*(np.zeros(0, dtype=np.int64) for _ in range(4)))


class _Block(msgspec.Struct, frozen=True):
    """Pieces in order of their start in the file.

    start: of every _SAMPLE-th; reach: how far those before each of these reach
    """

    at: int
    rows: int
    start: Ints
    reach: Ints


class Range(msgspec.Struct, frozen=True):
    """Pieces in [low, high), cut to it; those of a track do not overlap."""

    low: int
    high: int
    start: Ints
    end: Ints
    group: Ints

    def free(self, frame: intervals.Union, reads: Ints) -> tuple[int, int]:
        """How much of the frame no piece covers, and how much of that the intervals of `reads`, shape (2, n), do."""
        windows = intervals.union(np.maximum(frame.start, self.low), np.minimum(frame.end, self.high))
        free = intervals.union(self.start, self.end).gaps(windows)
        _, low, high = intervals.clip(reads[0], reads[1], free)
        return free.length, intervals.union(low, high).length

    def covers(self, start: Ints, end: Ints) -> Any:
        """Which of the intervals any piece touches."""
        union = intervals.union(self.start, self.end)
        return union.covered(end) > union.covered(start)

    def busy(self, groups: int) -> Ints:
        """Of each group, how much of the time its pieces cover."""
        found = np.zeros(groups, dtype=np.int64)
        for one in columns.distinct(self.group):  # a handful of devices or streams
            rows = self.group == one
            found[one] = intervals.union(self.start[rows], self.end[rows]).length
        return found


class Pieces:
    """Takes the work of one track after another, each in order of start, longest first; then `ranges`."""

    def __init__(self) -> None:
        self._file: IO[bytes] = io.BytesIO()
        self._end = 0
        self._blocks: dict[int, list[_Block]] = {}
        self._open, self._since, self._held, self._place = _NONE, _FIRST, _NONE, 0

    def take(self, work: Work, place: Ints) -> None:
        """Work of the next batch. place: where each was recorded; all of a track are of one."""
        if not len(work.track):
            return
        if not intervals.ordered(work.track, work.start, work.end):
            order = np.lexsort((-work.end, work.start, work.track))
            work, place = work.of(order), place[order]
        self._advance(work, place, int(work.start[-1]))

    def _advance(self, work: Work, place: Ints, cut: int) -> None:
        """Makes pieces of work and what was open; those of the last track up to `cut`, where later rows of it begin."""
        carried = len(self._open.track)
        work = work.behind(self._open)
        place = np.concatenate([np.full(carried, self._place), place])
        last = int(work.track[-1])
        parts = intervals.leaves(work.track, work.start, work.end)
        found = self._compiled(work, place, parts, cut)
        if found is None:
            self._put(*self._cut(work, place, parts, cut), last)
        else:
            self._keep(Work(*found[:4]), found[4], last)
        ends = np.flatnonzero((work.track == last) & (work.end > cut))
        self._open, self._since, self._place = work.of(ends), cut, int(place[-1])

    def _compiled(self, work: Work, place: Ints, parts: intervals.Leaves, cut: int) -> Ints | None:
        """The pieces, touching ones made one, as columns of Work and their place; None without the compiled part."""
        carried = int(self._open.track[0]) if len(self._open.track) else _FIRST
        held = [int(values[0]) for values in self._held.columns()] if len(self._held.track) else None
        return native_groups.pieces(
            (parts.owner, parts.start, parts.end),
            (*work.columns(), place),
            *(carried, self._since, int(work.track[-1]), cut),
            None if held is None else [*held, self._place],
        )

    def _cut(self, work: Work, place: Ints, parts: intervals.Leaves, cut: int) -> tuple[Work, Ints]:
        """The same without it, before touching ones are made one."""
        held, track, low = self._held, work.track[parts.owner], parts.start
        if len(self._open.track):
            low = np.where(track == self._open.track[0], np.maximum(low, self._since), low)
        high = np.where(track == work.track[-1], np.minimum(parts.end, cut), parts.end)
        kept = np.flatnonzero(high > low)
        owner = parts.owner[kept]
        found = Work(track[kept], low[kept], high[kept], work.group[owner]).behind(held)
        return found, np.concatenate([np.full(len(held.track), self._place), place[owner]])

    def _put(self, found: Work, place: Ints, last: int) -> None:
        """Makes touching pieces one and writes them, but for the last one of track `last`, which may go on."""
        if not intervals.ordered(found.track, found.start):
            order = np.lexsort((found.start, found.track))
            found, place = found.of(order), place[order]
        count = len(found.track)
        if not count:
            self._held = _NONE
            return
        new = np.ones(count, dtype=np.bool_)
        new[1:] = (found.start[1:] != found.end[:-1]) | (np.diff(found.group) != 0) | (np.diff(found.track) != 0)
        first = np.flatnonzero(new)
        end = found.end[np.append(first[1:], count) - 1]
        self._keep(Work(found.track[first], found.start[first], end, found.group[first]), place[first], last)

    def _keep(self, found: Work, place: Ints, last: int) -> None:
        """Writes pieces, but for the last one of track `last`, which may go on."""
        self._held = _NONE
        if len(found.track) and found.track[-1] == last:
            self._held = found.of(slice(-1, None))
            found, place = found.of(slice(None, -1)), place[:-1]
        places = columns.distinct(place)
        for one in places:
            self._write(one, found if len(places) == 1 else found.of(place == one))

    def _write(self, place: int, found: Work) -> None:
        order = np.argsort(found.start, kind="stable")
        start, end = found.start[order], found.end[order]
        reach = np.append(_FIRST, np.maximum.accumulate(end)[_SAMPLE - 1 :: _SAMPLE])
        samples = start[::_SAMPLE].copy()
        self._blocks.setdefault(place, []).append(_Block(self._end, len(start), samples, reach[: len(samples)]))
        if isinstance(self._file, io.BytesIO) and self._end > _IN_MEMORY:
            memory, self._file = self._file, tempfile.TemporaryFile()  # noqa: SIM115  closed with this object
            weakref.finalize(self, self._file.close)
            self._file.write(memory.getbuffer())
        self._file.seek(self._end)
        for values in (start, end, found.group[order].astype(np.int32)):
            self._end += self._file.write(np.ascontiguousarray(values).data.cast("B"))

    def finish(self) -> None:
        """No more work comes."""
        if len(self._open.track):
            self._advance(_NONE, np.zeros(0, dtype=np.int64), _LAST)
        if len(self._held.track):
            self._put(self._held, np.full(1, self._place), _FIRST)

    def ranges(self, place: int) -> Iterator[Range]:
        """All pieces of a place by time; one range at least."""
        blocks = self._blocks.get(place, [])
        starts = np.sort(np.concatenate([block.start for block in blocks])) if blocks else np.zeros(0, dtype=np.int64)
        cuts = sorted(set(starts[RANGE // _SAMPLE :: RANGE // _SAMPLE].tolist()))
        for low, high in pairwise([_FIRST, *cuts, _LAST]):
            parts = [self._read(block, low, high) for block in blocks]
            start, end, group = np.concatenate([np.zeros((3, 0), dtype=np.int64), *parts], axis=1)
            yield Range(low, high, np.maximum(start, low), np.minimum(end, high), group)

    def _read(self, block: _Block, low: int, high: int) -> Ints:
        """Start, end and group, shape (3, n), of the pieces of a block that lie in a range or reach into it."""
        first = _SAMPLE * max(int(np.searchsorted(block.reach, low, side="right")) - 1, 0)
        behind = min(_SAMPLE * int(np.searchsorted(block.start, high, side="left")), block.rows)
        found, at = [], block.at
        for width in _WIDTHS:
            self._file.seek(at + width * first)
            data = self._file.read(width * max(behind - first, 0))
            found.append(np.frombuffer(data, dtype=f"i{width}").astype(np.int64, copy=False))
            at += width * block.rows
        inside = (found[1] > low) & (found[0] < high)
        return np.stack(found)[:, inside]


class Shares:
    """Time of each group inside a frame, with instants shared among concurrent pieces: ps and 2**-_FRACTION ps, exact sums."""

    def __init__(self, groups: int) -> None:
        self._whole, self._part = np.zeros(groups, dtype=np.int64), np.zeros(groups, dtype=np.int64)

    def add(self, found: Range, frame: intervals.Union) -> None:
        index, low, high = intervals.clip(found.start, found.end, frame)
        if not len(index):
            return
        group, size = found.group[index], len(self._whole)
        compiled = native.shares(low, high, group, size, _FRACTION)
        whole, part = _shares(low, high, group, size) if compiled is None else compiled
        self._whole += whole
        self._part += part
        self._whole += self._part >> _FRACTION
        self._part &= (1 << _FRACTION) - 1

    def ps(self, row: Ints, size: int) -> columns.Floats:
        """Of rows of groups. row: of each group; size: number of rows."""
        whole, part = (columns.exact_sums(row, values, size) for values in (self._whole, self._part))
        return np.asarray(whole + part / (1 << _FRACTION), dtype=np.float64)


def _shares(start: Ints, end: Ints, group: Ints, size: int) -> tuple[Ints, Ints]:
    """`_shared`, added up by group, without the compiled part."""
    whole, part = _shared(start, end)
    return columns.exact_sums(group, whole, size), columns.exact_sums(group, part, size)


def _shared(start: Ints, end: Ints) -> tuple[Ints, Ints]:
    """Length of each interval with every instant divided equally among the intervals that hold it (intervals.shares), in whole
    ps and 2**-_FRACTION ps."""
    times = np.concatenate([start, end])
    order = np.argsort(times, kind="stable")
    ordered = times[order]
    active = np.cumsum(np.where(order < len(start), 1, -1))[:-1]
    if not (active > 1).any():
        return end - start, np.zeros(len(start), dtype=np.int64)
    spans = np.where(active > 0, np.diff(ordered), 0)
    among = np.maximum(active, 1)
    whole = spans // among
    part = ((spans - whole * among) << _FRACTION) // among

    def lengths(steps: Ints) -> Ints:
        value = np.empty(len(times), dtype=np.int64)
        value[order] = np.append(0, np.cumsum(steps))
        return value[len(start) :] - value[: len(start)]

    return lengths(whole), lengths(part)
