"""The lines of an XPlane's window, their events and what the events' stats say, read by the compiled part
(dlprof/native/xplane_lines.c, xplane_events.c, xplane_args.c).

What is not plain in every way is not read here: the answers are None, and the reader in Python takes the window.
"""

from __future__ import annotations

import ctypes
from collections.abc import Collection, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dlprof.ingest.batch import Int64
from dlprof.ingest.protobuf.wire import Uint64, Window
from dlprof.native.arrays import address

_SMALLEST_STAT: Final = 4
"""Bytes of a stat with a value: its tag and length, the value's tag and the value."""
_LARGEST: Final = 1 << 22
"""Bytes that room is made for, twice a window; larger ones are for single events, or for lengths that lie."""

_NO_ROOM: Final = -2
_FIRST_ROOM: Final = 4 << 20
"""Bytes of a window's arguments to begin with."""

Flags = npt.NDArray[np.bool_]
Kinds = npt.NDArray[np.uint8]


class _Call(ctypes.Structure):
    """`struct window` of xplane_events.c."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("size", ctypes.c_int64),
        ("starts", ctypes.c_void_p),
        ("ends", ctypes.c_void_p),
        ("count", ctypes.c_int64),
        ("metadata_id", ctypes.c_void_p),
        ("offset_ps", ctypes.c_void_p),
        ("duration_ps", ctypes.c_void_p),
        ("occurrences", ctypes.c_void_p),
        ("aggregated", ctypes.c_void_p),
        ("capacity", ctypes.c_int64),
        ("stat_event", ctypes.c_void_p),
        ("stat_id", ctypes.c_void_p),
        ("stat_kind", ctypes.c_void_p),
        ("stat_value", ctypes.c_void_p),
        ("stat_at", ctypes.c_void_p),
        ("wanted", ctypes.c_void_p),
        ("ids", ctypes.c_int64),
        ("stats", ctypes.c_int64),
        ("odd", ctypes.c_int64),
    )


def events(
    library: ctypes.CDLL, window: Window, start: Int64, end: Int64, wanted: Flags | None = None
) -> tuple[tuple[Int64, Int64, Int64, Int64, Flags], tuple[Int64, Int64, Kinds, Uint64, Int64]] | None:
    """Of the events with bodies [start, end): (metadata id, offset, duration, occurrences, aggregated), and (event, id, kind,
    value, place) of their stats; None where a field is not plain.

    wanted: of each id whether its stats are noted, None for all; those of others are where one has a text beyond ASCII
    """
    start, end = np.ascontiguousarray(start, dtype=np.int64), np.ascontiguousarray(end, dtype=np.int64)
    count = len(start)
    room = min(int((end - start).sum()), _LARGEST) // _SMALLEST_STAT + 1
    numbers = np.empty((4, count), dtype=np.int64)
    aggregated = np.empty(count, dtype=np.bool_)
    event, stat, at = (np.empty(room, dtype=np.int64) for _ in range(3))
    kinds, values = np.empty(room, dtype=np.uint8), np.empty(room, dtype=np.uint64)
    call = _Call(
        data=address(window.unpadded),
        size=window.size,
        starts=address(start),
        ends=address(end),
        count=count,
        metadata_id=address(numbers[0]),
        offset_ps=address(numbers[1]),
        duration_ps=address(numbers[2]),
        occurrences=address(numbers[3]),
        aggregated=address(aggregated),
        capacity=room,
        stat_event=address(event),
        stat_id=address(stat),
        stat_at=address(at),
        stat_kind=address(kinds),
        stat_value=address(values),
        wanted=None if wanted is None else address(wanted),
        ids=0 if wanted is None else len(wanted),
    )
    if library.dlprof_read_xevents(ctypes.addressof(call)):
        return None
    if call.odd:
        return events(library, window, start, end)
    _cut(int(call.stats), event, stat, kinds, values, at)
    return (numbers[0], numbers[1], numbers[2], numbers[3], aggregated), (event, stat, kinds, values, at)


def _cut(size: int, *arrays: npt.NDArray[Any]) -> None:
    """Gives back the room behind the first values of arrays that nobody else holds yet, without a copy."""
    for array in arrays:
        array.resize(size, refcheck=False)


class _Lines(ctypes.Structure):
    """`struct lines` of xplane_lines.c."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("size", ctypes.c_int64),
        ("extents", ctypes.c_void_p),
        ("count", ctypes.c_int64),
        ("room", ctypes.c_int64),
        ("runs", ctypes.c_void_p),
        ("capacity", ctypes.c_int64),
        ("starts", ctypes.c_void_p),
        ("ends", ctypes.c_void_p),
        ("name_room", ctypes.c_int64),
        ("names", ctypes.c_void_p),
        ("run_count", ctypes.c_int64),
        ("events", ctypes.c_int64),
        ("name_count", ctypes.c_int64),
    )


def lines(library: ctypes.CDLL, window: Window, extents: Int64) -> tuple[Int64, tuple[Int64, Int64], Int64] | None:
    """Of the lines with extents (n, 2) in the window: runs of events, shape (6, runs): line, number of events, and what the line
    had said before them (id, timestamp, place and size of the name); bodies [start, end) of all events; place and size of each
    name (names, 2). None where a field is not plain."""
    extents = np.ascontiguousarray(extents, dtype=np.int64)
    capacity, room = min(window.size, _LARGEST) // 2 + 1, 2 * len(extents) + 16
    runs, names = np.empty((6, room), dtype=np.int64), np.empty((room, 2), dtype=np.int64)
    starts, ends = np.empty(capacity, dtype=np.int64), np.empty(capacity, dtype=np.int64)
    call = _Lines(
        data=address(window.unpadded),
        size=window.size,
        extents=address(extents),
        count=len(extents),
        room=room,
        runs=address(runs),
        capacity=capacity,
        starts=address(starts),
        ends=address(ends),
        name_room=room,
        names=address(names),
    )
    if library.dlprof_read_lines(ctypes.addressof(call)):
        return None
    _cut(int(call.events), starts, ends)
    return runs[:, : call.run_count], (starts, ends), names[: call.name_count]


class _Objects(ctypes.Structure):
    """`struct objects` of xplane_args.c."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("size", ctypes.c_int64),
        ("stats", ctypes.c_int64),
        ("stat_event", ctypes.c_void_p),
        ("stat_id", ctypes.c_void_p),
        ("stat_kind", ctypes.c_void_p),
        ("stat_value", ctypes.c_void_p),
        ("stat_at", ctypes.c_void_p),
        ("names", ctypes.c_int64),
        ("name_id", ctypes.c_void_p),
        ("name_end", ctypes.c_void_p),
        ("name_taken", ctypes.c_void_p),
        ("texts", ctypes.c_void_p),
        ("doubles", ctypes.c_int64),
        ("double_at", ctypes.c_void_p),
        ("double_text", ctypes.c_void_p),
        ("events", ctypes.c_int64),
        ("lengths", ctypes.c_void_p),
        ("capacity", ctypes.c_int64),
        ("target", ctypes.c_void_p),
        ("used", ctypes.c_int64),
    )


class Objects:
    """Writes the stats of a plane's events as JSON objects.

    names: what stats are called by id, as JSON strings. taken: ids of stats that are left out
    """

    def __init__(self, library: ctypes.CDLL, names: Mapping[int, bytes], taken: Collection[int]) -> None:
        self._library = library
        known = sorted(names)
        self._ids = np.array(known, dtype=np.int64)
        self._ends = np.cumsum([len(names[each]) for each in known], dtype=np.int64)
        self._taken = np.array([each in taken for each in known], dtype=np.bool_)
        self._texts = np.frombuffer(b"".join(names[each] for each in known) + b" ", dtype=np.uint8)
        self._room = _FIRST_ROOM

    def of(
        self,
        stats: tuple[Int64, Int64, Kinds, Uint64, Int64],
        window: Window,
        events: int,
        doubles: tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]],
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]] | None:
        """The size of each event's object, -1 for none, and the objects one behind the other; None where a text is not UTF-8.

        stats: event, id, kind, value and place. doubles: those among them as JSON, ends and bytes, with a first 0
        """
        stats_ = [np.ascontiguousarray(column) for column in stats]
        lengths = np.empty(events, dtype=np.int32)
        answer, made = _NO_ROOM, lengths[:0].view(np.uint8)
        call = _Objects(
            data=address(window.unpadded),
            size=window.size,
            stats=len(stats_[0]),
            stat_event=address(stats_[0]),
            stat_id=address(stats_[1]),
            stat_kind=address(stats_[2]),
            stat_value=address(stats_[3]),
            stat_at=address(stats_[4]),
            names=len(self._ids),
            name_id=address(self._ids),
            name_end=address(self._ends),
            name_taken=address(self._taken),
            texts=address(self._texts),
            doubles=len(doubles[0]) - 1,
            double_at=address(doubles[0]),
            double_text=address(doubles[1]),
            events=events,
            lengths=address(lengths),
        )
        while answer == _NO_ROOM:
            made = np.empty(self._room, dtype=np.uint8)
            call.capacity, call.target = self._room, address(made)
            answer = self._library.dlprof_render_stats(ctypes.addressof(call))
            if answer == _NO_ROOM:
                self._room *= 2
        return None if answer else (lengths, made[: call.used])


class Starts:
    """Where the events of runs in one stretch of bytes begin (chain.Chain.run). size: bytes of the longest run."""

    def __init__(self, library: ctypes.CDLL, view: npt.NDArray[np.uint8], size: int) -> None:
        self._library, self._view = library, view  # the view is held, since only its address is handed on
        self._starts = np.empty(min(size, _LARGEST) // 2 + 1, dtype=np.int64)
        self._stop = ctypes.c_int64()
        # Asking an array where it lies takes as long as reading a short run.
        self._at, self._out = address(view), (address(self._starts), len(self._starts), ctypes.addressof(self._stop))

    def run(self, at: int, end: int) -> tuple[Int64, int] | None:
        """The starts of the run from `at` on and where it stops; None where a length is not plain."""
        count = self._library.dlprof_event_starts(self._at, at, end, *self._out)
        return None if count < 0 else (self._starts[:count].copy(), self._stop.value)
