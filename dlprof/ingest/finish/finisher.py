"""The finishing pass: raw batches in, schema.EVENTS batches out, one track after another, each sorted by start.

Raw batches are spilled (`spill.py`) because three things are known only at the end of the input: when a step's marker
ended, which API call launched a kernel that was written before it, and which names there are. Host tracks are finished before
device tracks, so that every launch has its id when the kernel that points at it is written. A track larger than a span is
finished span by span in time order; events still open at a span's end are carried over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dlprof.ingest.anomalies import Anomalies
from dlprof.ingest.background import Background
from dlprof.ingest.batch import LEVEL, NO_INT, NO_TEXT, Int64, Pools, RawBatch, Track, arrow
from dlprof.ingest.finish import enclosing, nesting
from dlprof.ingest.finish.launches import NO_EVENT, Launches
from dlprof.ingest.finish.markers import MarkerLog, Windows
from dlprof.ingest.finish.meaning import Meaning, Meanings
from dlprof.ingest.finish.output import Output, Where
from dlprof.ingest.finish.spill import DEFAULTS, Columns, Span, Spill
from dlprof.plugin import Operator

_NESTED_KEYS = ("start_ps", "duration_ps")


@dataclass(frozen=True, slots=True)
class _Open:
    """Events that reach beyond the span they start in: ps, ids, and whether each is an operator."""

    start: Int64
    end: Int64
    id: Int64
    is_op: npt.NDArray[np.bool_]

    @staticmethod
    def none() -> _Open:
        empty = np.empty(0, dtype=np.int64)
        return _Open(empty, empty, empty, np.empty(0, dtype=bool))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file was recorded: host, rank (None: the file does not tell)."""

    host: str | None = None
    rank: int | None = None


class Finisher:
    """Takes raw batches with `add`, writes finished ones with `finish`."""

    def __init__(self, pools: Pools, anomalies: Anomalies, background: Background | None = None) -> None:
        self._background = background or Background(overlap=False)
        self._pools = pools
        self._anomalies = anomalies
        self._spill = Spill()
        self._markers = MarkerLog(pools.text["name"].values_list, pools.tracks)
        self._launches: dict[str, Launches] = {}
        self._windows: dict[str, Windows] = {}
        self.first_start: dict[str, int] = {}
        self.last_start: dict[str, int] = {}

    def add(self, batch: RawBatch, source: str) -> None:
        """Takes a batch of one file."""
        if not len(batch):
            return
        self._markers.look(batch, source)
        low = int(batch.start_ps.min())
        self.first_start[source] = min(low, self.first_start.get(source, low))
        high = int(batch.start_ps.max())
        self.last_start[source] = max(high, self.last_start.get(source, high))
        self._background.call(self._spill.add, batch)

    def close(self) -> None:
        """Frees the temporary file."""
        self._spill.close()

    def finish(
        self,
        resolve: Callable[[str], Operator | None],
        shift_ps: Mapping[str, int],
        sink: Callable[[pa.RecordBatch], None],
        places: Mapping[str, Place] | None = None,
    ) -> int:
        """Writes all events; returns their number.

        shift_ps: added to the times of each file to reach the common origin. places: where each file was recorded.
        """
        self._background.drain()
        meaning = Meaning(self._pools, resolve)
        output = Output(self._pools, meaning, self._markers.items, lambda batch: self._background.call(sink, batch))
        tracks = sorted(self._spill.tracks(), key=lambda code: (self._pools.tracks[code].on_device, code))
        for number, code in enumerate(tracks):
            track = self._pools.tracks[code]
            place = (places or {}).get(track.source, Place())
            where = Where(
                track=track,
                number=number,
                host=place.host if track.host is None else track.host,
                rank=place.rank if track.rank is None else track.rank,
                shift_ps=shift_ps[track.source],
            )
            self._finish_track(code, where, meaning, output)
        output.flush()
        self._background.drain()
        return output.events

    def _finish_track(self, code: int, where: Where, meaning: Meaning, output: Output) -> None:
        track = where.track
        spans = self._spill.spans(code)
        late = self._late_children(code, spans) if len(spans) > 1 and not track.on_device else None
        carried = _Open.none()
        done = 0
        for rows in self._background.ahead(self._sorted(code, span) for span in spans):
            count = len(rows["start_ps"])
            meanings = meaning.of(rows)
            self._anomalies.count("unknown_operator", meanings.unknown)
            ids = np.arange(output.events, output.events + count, dtype=np.int64)
            if track.on_device:
                self_ps, launch = rows["duration_ps"], self._resolve(track, rows, meanings)
                parent = np.full(count, NO_EVENT, dtype=np.int64)
            else:
                self_ps, parent, carried = self._nest(track, rows, meanings, ids, carried)
                if late is not None:
                    first, behind = np.searchsorted(late[0], [done, done + count])
                    self_ps[late[0][first:behind] - done] -= late[1][first:behind]
                launch = np.full(count, NO_EVENT, dtype=np.int64)
            done += count
            step, item = self._steps(track, rows)
            phase = self._phases(code, rows, meanings)
            output.write(where, ids, rows, meanings, self_ps, step, item, phase, launch, parent)

    def _sorted(self, code: int, span: Span) -> Columns:
        """The rows of a span sorted for nesting; `args` is left in under its name as an Arrow array or absent."""
        pieces = self._spill.pick(code, span)
        rows = self._spill.read(pieces, tuple(DEFAULTS))
        start = rows["start_ps"].astype(np.int64, copy=False)
        order = nesting.order(start, start + rows["duration_ps"])
        if not (np.diff(order) == 1).all():
            rows = {name: values[order] for name, values in rows.items()}
            rows["order"] = order
        args = self._spill.read_args(pieces)
        if args is not None:
            rows["args"] = args.take(arrow(order)) if "order" in rows else args
        return rows

    def _late_children(self, code: int, spans: list[Span]) -> tuple[Int64, Int64]:
        """Events, by their place in the sorted track, that have children in later spans, and the time of those."""
        parents, times = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
        carried = _Open.none()
        done = 0
        for span in spans:
            rows = self._spill.read(self._spill.pick(code, span), _NESTED_KEYS)
            start, duration = (rows[name].astype(np.int64, copy=False) for name in _NESTED_KEYS)
            order = nesting.order(start, start + duration)
            start, duration = start[order], duration[order]
            ids = np.arange(done, done + len(start), dtype=np.int64)
            every = _join(carried, start, start + duration, ids, np.zeros(len(start), dtype=bool))
            if head := len(carried.start):
                # No row that begins after all of these have ended lies in one of them.
                behind = head + int(start.searchsorted(carried.end.max(), side="right"))
                inner = nesting.parents(every.start[:behind], every.end[:behind])[head:]
                from_before = np.flatnonzero((inner >= 0) & (inner < head))
                found, time = _summed(every.id[inner[from_before]], duration[from_before])
                parents.append(found)
                times.append(time)
            done += len(start)
            carried = _still_open(every, start)
        return _summed(np.concatenate(parents), np.concatenate(times))

    def _nest(
        self, track: Track, rows: Columns, meanings: Meanings, ids: Int64, carried: _Open
    ) -> tuple[Int64, Int64, _Open]:
        """Self time of the rows (children in this span only), id of the operator around each and what stays open; notes
        launches on the way."""
        start, duration = (rows[name].astype(np.int64, copy=False) for name in _NESTED_KEYS)
        every = _join(carried, start, start + duration, ids, meanings.level == LEVEL["op"])
        parent = nesting.parents(every.start, every.end)
        head = len(carried.start)
        lengths = np.concatenate([np.zeros(head, dtype=np.int64), duration])
        self_ps = duration - nesting.child_time(parent, lengths)[head:]
        self._anomalies.count("partial_overlap", nesting.partial_overlaps(every.start, every.end))

        above = enclosing.nearest(parent, every.is_op)[head:]
        operator = np.where(above >= 0, every.id[above], NO_EVENT)
        launches = self._launches.setdefault(track.source, Launches())
        launches.add(ids, meanings.level, _int64(rows["correlation"]), _int64(rows["link"]), start, operator)
        return self_ps, operator, _still_open(every, start)

    def _resolve(self, track: Track, rows: Columns, meanings: Meanings) -> Int64:
        launches = self._launches.setdefault(track.source, Launches())
        launch = launches.resolve(_int64(rows["correlation"]), _int64(rows["link"]))
        work = (meanings.level == LEVEL["kernel"]) | (meanings.level == LEVEL["copy"])
        self._anomalies.count("orphan_kernel", int(np.count_nonzero(work & (launch == NO_EVENT))))
        early = launches.too_early(_int64(rows["correlation"])[work], _int64(rows["start_ps"])[work])
        self._anomalies.count("kernel_before_launch", early)
        return np.where(work, launch, NO_EVENT)

    def _steps(self, track: Track, rows: Columns) -> tuple[Int64, Int64]:
        """Step number (NO_INT = unassigned) and item code (NO_TEXT = none) of each row."""
        windows = self._windows.get(track.source)
        if windows is None:
            windows, overlapping = self._markers.windows(track.source)
            self._anomalies.count("overlapping_step_markers", overlapping)
            self._windows[track.source] = windows
        start, told = _int64(rows["start_ps"]), _int64(rows["step"])
        end = start + _int64(rows["duration_ps"])
        if track.on_device and not windows.awaited:
            launches = self._launches.setdefault(track.source, Launches())
            start, end = launches.called(_int64(rows["correlation"]), start, end)
        index = windows.containing(start, end)
        if not len(windows.start):
            return told, index
        inside = (index >= 0) & (told == NO_INT)
        return np.where(inside, windows.number[index], told), np.where(index >= 0, windows.item[index], NO_TEXT)

    def _phases(self, code: int, rows: Columns, meanings: Meanings) -> npt.NDArray[np.int32]:
        """Phase of each row; a host-phase marker gives its own to what runs inside it on its own thread and has none.

        Only there: an operator elsewhere may belong to work that was queued in an earlier phase.
        """
        spans = sorted(self._markers.phases.get(code, []))
        if not spans:
            return meanings.phase
        table = np.array(spans, dtype=np.int64)
        start = _int64(rows["start_ps"])
        index = np.searchsorted(table[:, 0], start, side="right") - 1
        inside = (index >= 0) & (start + _int64(rows["duration_ps"]) <= table[index, 1])
        free = (meanings.phase == NO_TEXT) & (meanings.level != LEVEL["marker"])
        return np.where(inside & free, table[index, 2], meanings.phase).astype(np.int32)


def _int64(values: npt.NDArray[Any]) -> Int64:
    return values.astype(np.int64, copy=False)


def _join(carried: _Open, start: Int64, end: Int64, ids: Int64, is_op: npt.NDArray[np.bool_]) -> _Open:
    if not len(carried.start):
        return _Open(start, end, ids, is_op)
    return _Open(
        np.concatenate((carried.start, start)),
        np.concatenate((carried.end, end)),
        np.concatenate((carried.id, ids)),
        np.concatenate((carried.is_op, is_op)),
    )


def _summed(ids: Int64, times: Int64) -> tuple[Int64, Int64]:
    """Distinct ids in order, and the sum of the times of each."""
    distinct, inverse = np.unique(ids, return_inverse=True)
    total = np.zeros(len(distinct), dtype=np.int64)
    np.add.at(total, inverse, times)
    return distinct, total


def _still_open(every: _Open, start: Int64) -> _Open:
    """Events that may enclose something after the last start of this span."""
    if not len(start):
        return every
    rows = np.flatnonzero(every.end >= start[-1])
    return _Open(every.start[rows], every.end[rows], every.id[rows], every.is_op[rows])
