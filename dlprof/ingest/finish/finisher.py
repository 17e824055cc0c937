"""The finishing pass: raw batches in, schema.EVENTS batches out, one track after another, each sorted by start.

Raw batches are spilled (`spill.py`) because three things are known only at the end of the input: when a step's marker
ended, which API call launched a kernel that was written before it, and which names there are. Host tracks are finished before
device tracks, so that every launch has its id when the kernel that points at it is written. A track larger than a span is
finished span by span in time order; events still open at a span's end are carried over.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dlprof.ingest.anomalies import Anomalies
from dlprof.ingest.background import Background
from dlprof.ingest.batch import LEVEL, NO_INT, NO_STEP, NO_TEXT, Arrow, Int32, Int64, Pools, RawBatch, Track
from dlprof.ingest.finish import nesting, ranks, threads
from dlprof.ingest.finish.groups import groups, set_apart, times
from dlprof.ingest.finish.launches import NO_EVENT, Launches
from dlprof.ingest.finish.levels import Levels
from dlprof.ingest.finish.markers import MarkerLog, Windows
from dlprof.ingest.finish.meaning import Meaning, Meanings
from dlprof.ingest.finish.output import Output, Where
from dlprof.ingest.finish.passing import Passing, Sums
from dlprof.ingest.finish.ranks import Ranks, natural
from dlprof.ingest.finish.spill import DEFAULTS, WHOLE, Columns, Span, Spill, taken
from dlprof.ingest.finish.streams import Overlaps, look, repeated
from dlprof.ingest.finish.threads import Around, int64
from dlprof.keyed import Scratch
from dlprof.plugin import Operator

_HANDED_OVER: Final = 4096
"""Rows from which on a batch is spilled by the other thread: handing it over costs a third of reading a plane of one row."""


class Place(msgspec.Struct, frozen=True):
    """Where a file was recorded, and what its reader knows of the whole of it.

    host, rank: None where the file does not tell
    nested: operators call operators (reader.Context.nested)
    run_steps, run_launches: which step launched each of its executions, and where (reader.Context.run_steps)
    """

    host: str | None = None
    rank: int | None = None
    nested: bool = False
    run_steps: Int64 | None = None
    run_launches: Int64 | None = None


class Ahead(msgspec.Struct, frozen=True):
    """What is known of events before the first of them is written.

    levels: those that occur. launched: whether any may have a `launch`, since there are rows of devices
    """

    levels: frozenset[str]
    launched: bool


class Finisher:
    """Takes raw batches with `add`, writes finished ones with `finish`.

    columns: those of schema.EVENTS to write; None: all
    """

    def __init__(
        self,
        pools: Pools,
        anomalies: Anomalies,
        background: Background | None = None,
        columns: Collection[str] | None = None,
    ) -> None:
        self._background = background or Background(overlap=False)
        self._pools = pools
        self._anomalies = anomalies
        self._columns = columns
        self._spill = Spill(columns)
        self._markers = MarkerLog(pools.text["name"].values_list, pools.tracks)
        self._levels = Levels()
        self._places: Mapping[str, Place] = {}
        self._ranks = Ranks()
        self._launches: dict[tuple[str, str], Launches] = {}
        self._scratch = Scratch()
        self._windows: dict[tuple[str, str], Windows] = {}
        self._launch_phases: dict[str, Int32] = {}
        self._passing = Passing(None, self._background.call, launched=True)
        self.statements: dict[str, dict[str, str]] = {}
        """By file: what is to be said of it, name → statement."""
        self._first: dict[str, int] = {}
        self.first_start: dict[str, int] = {}
        self.last_start: dict[str, int] = {}

    def add(self, batch: RawBatch, source: str) -> None:
        """Takes a batch of one file."""
        if not len(batch):
            return
        self._markers.look(batch, source)
        self._levels.look(batch, self._markers.marks)
        low = int(batch.start_ps.min())
        self._first.setdefault(source, len(self._first))
        self.first_start[source] = min(low, self.first_start.get(source, low))
        high = int(batch.start_ps.max())
        self.last_start[source] = max(high, self.last_start.get(source, high))
        hand_over = self._background.call if len(batch) >= _HANDED_OVER else self._background.at_once
        hand_over(self._spill.add, batch)

    def close(self) -> None:
        """Frees the temporary file."""
        self._spill.close()

    def finish(
        self,
        resolve: Callable[[str], Operator | None],
        shift_ps: Mapping[str, int],
        sink: Callable[[pa.RecordBatch], None],
        places: Mapping[str, Place] | None = None,
        ahead: Callable[[Ahead], Sums | None] | None = None,
    ) -> int:
        """Writes all events; returns their number.

        shift_ps: added to the times of each file to reach the common origin. places: where each file was recorded.
        ahead: told what is known of the events before the first of them; who only sums them up answers, and need not see all
        """
        self._background.drain()
        meaning = Meaning(self._pools, resolve, self._columns)
        devices = any(self._pools.tracks[code].on_device for code in self._spill.tracks())
        sums = None if ahead is None else ahead(Ahead(self._levels.found(meaning), devices))
        self._passing = Passing(sums, self._background.call, launched=devices)
        output = Output(
            self._pools, meaning, self._markers.items, lambda batch: self._background.call(sink, batch), self._columns
        )
        self._places = places or {}
        tracks = {code: self._pools.tracks[code] for code in self._spill.tracks()}
        self._ranks = ranks.find({c: t for c, t in tracks.items() if self._place(t).nested}, self._spill)
        self._anomalies.count("merged_ranks", len(self._ranks.rank))
        ordered = sorted(tracks, key=self._order)
        number = 0
        for codes in groups(((code, self._common(tracks[code])) for code in ordered), self._spill):
            where = [self._where(tracks[code], at, shift_ps) for at, code in enumerate(codes, number)]
            number += len(codes)
            if where[0].track.on_device:
                self._finish_streams(codes, where, meaning, output)
            else:
                self._finish_threads(codes, where, meaning, output)
        output.flush()
        self._background.drain()
        return output.events

    def _common(self, track: Track) -> tuple[object, ...]:
        """What tracks that are finished together share; of a device that tells its steps, the device."""
        steps = track.device if (track.source, track.device) in self._markers.on_devices else ""
        return (track.source, self._ranks.of(track), track.on_device, track.nests, steps)

    def _place(self, track: Track) -> Place:
        return self._places.get(track.source, Place())

    def _where(self, track: Track, number: int, shift_ps: Mapping[str, int]) -> Where:
        place, merged = self._place(track), self._ranks.number(track)
        rank = place.rank if merged is None else merged
        return Where(
            track=track,
            number=number,
            host=place.host if track.host is None else track.host,
            rank=rank if track.rank is None else track.rank,
            shift_ps=shift_ps[track.source],
        )

    def _order(self, code: int) -> tuple[object, ...]:
        """Threads before streams. Where operators nest, by what they hold rather than by where the file has them: a forward
        pass before its backward pass on another thread, streams by name."""
        track = self._pools.tracks[code]
        if not self._place(track).nested:
            return (track.on_device, code)
        begun = 0 if track.on_device else self._spill.begun(code)
        return (track.on_device, self._first[track.source], begun, natural(track.device), natural(track.stream), code)

    def _launches_of(self, track: Track) -> Launches:
        return self._launches.setdefault((track.source, self._ranks.of(track)), Launches(self._scratch))

    def _rows(self, codes: Sequence[int], nested: bool) -> Iterator[Columns]:
        """The rows of a track span by span, or of several at once."""
        spans = [WHOLE] if len(codes) > 1 else self._spill.spans(codes[0])
        return self._background.ahead(self._sorted(codes, span, nested) for span in spans)

    def _finish_threads(self, codes: Sequence[int], where: Sequence[Where], meaning: Meaning, output: Output) -> None:
        """Writes a host thread, or several small ones: nested, its launches noted."""
        track, launches = where[0].track, self._launches_of(where[0].track)
        nested = self._place(track).nested
        spans = self._spill.spans(codes[0])
        late = self._late_children(codes[0], spans)
        carried: threads.Open = {}
        done = 0
        for rows in self._rows(codes, nested):
            whole = len(rows["start_ps"])
            level, meanings, kept = meaning.level(rows), None, None
            if nested:
                rows, meanings, kept = self._once(rows, meaning.of(rows, level), meaning)
                level = meanings.level
            count = len(rows["start_ps"])
            ids = np.arange(output.events, output.events + count, dtype=np.int64)
            around = None if meanings is None else Around(meanings, meaning, launches.gradients)
            found = threads.nest(rows, level, ids, carried, around)
            self_ps, carried = found.self_ps, found.open
            self._anomalies.count("partial_overlap", found.overlapping)
            launches.add(ids, level, rows["correlation"], rows["link"], int64(rows["start_ps"]), found.parent)
            if found.meanings is not None and found.meanings.around is not None:
                meanings, correlation = found.meanings, rows["correlation"]
                launching = (level == LEVEL["op"]) | ((correlation != NO_INT) & (correlation != 0))
                launches.place(ids, launching, found.meanings.around, meanings.layer, meanings.line, found.root)
            if late is not None:
                first, behind = np.searchsorted(late[0], [done, done + whole])
                at = late[0][first:behind] - done
                np.subtract.at(self_ps, at if kept is None else np.cumsum(kept)[at] - 1, late[1][first:behind])
            done += whole
            output.events += count
            seen, parent = self._passing.seen(where, rows, level, self_ps), found.parent
            if seen is not None:
                rows, ids, level = taken(rows, seen, len(seen)), ids[seen], level[seen]
                self_ps, parent = self_ps[seen], parent[seen]
                meanings = None if meanings is None else meanings.of_rows(seen)
            meanings = meaning.of(rows, level, nested=False) if meanings is None else meanings
            self._anomalies.count("unknown_operator", meanings.unknown)
            step, item = self._steps(track, rows)
            phase = self._phases(codes, rows, meanings)
            none = np.full(len(ids), NO_EVENT, dtype=np.int64)
            output.write(where, ids, rows, meanings, self_ps, step, item, phase, none, parent)

    def _finish_streams(self, codes: Sequence[int], where: Sequence[Where], meaning: Meaning, output: Output) -> None:
        """Writes a device's stream, or several small ones: each row with its launch, and what it has from there."""
        track, nested = where[0].track, self._place(where[0].track).nested
        overlaps: dict[int, Overlaps] = {}
        inner = _Inner(track, self._late_children(codes[0], self._spill.spans(codes[0])) if track.nests else None)
        for rows in self._rows(codes, nested):
            meanings = meaning.of(rows)
            if nested:
                rows, meanings, _ = self._once(rows, meanings, meaning, devices=True)
                look(overlaps, rows, _is_work(meanings))
            count = len(rows["start_ps"])
            self._anomalies.count("unknown_operator", meanings.unknown)
            ids = np.arange(output.events, output.events + count, dtype=np.int64)
            launch = self._resolve(track, rows, meanings)
            if nested:
                meanings = self._from_launch(track, meanings, launch)
            step, item = self._steps(track, rows)
            phase = self._phases(codes, rows, meanings)
            self_ps, parent = inner.of(rows, meanings, ids)
            output.events += count
            output.write(where, ids, rows, meanings, self_ps, step, item, phase, launch, parent)
        for at, found in overlaps.items():
            self._anomalies.count("stream_overlap", found.count)
            said, of = found.statement(self._pools.text["name"].values_list), where[at].track
            if said is not None:
                self.statements.setdefault(of.source, {})[f"overlap of {of.device} {of.stream}"] = said

    def _once(
        self, rows: Columns, meanings: Meanings, meaning: Meaning, *, devices: bool = False
    ) -> tuple[Columns, Meanings, npt.NDArray[np.bool_] | None]:
        """Without what the track holds twice, of the rows that may be compared; and which rows are left, None for all."""
        twice = repeated(rows, _is_work(meanings) if devices else _identified(rows, meanings))
        if not twice.any():
            return rows, meanings, None
        self._anomalies.count("duplicate_event", int(twice.sum()))
        kept = taken(rows, ~twice, int(np.count_nonzero(~twice)))
        if "args" in rows:
            args: Arrow = rows["args"]
            kept["args"] = args.filter(pa.array(~twice))
        return kept, meaning.of(kept), ~twice

    def _from_launch(self, track: Track, meanings: Meanings, launch: Int64) -> Meanings:
        """Phase, layer and line of device rows where their launch was made; one row of a call counts as its call."""
        launches = self._launches_of(track)
        phase, layer, line, root = launches.placed(launch)
        linked, calls = launch != NO_EVENT, meanings.calls.copy()
        calls[linked] = np.where(launches.first_of_call(root[linked], meanings.op[linked]), 1, 0)
        return meanings.replaced(
            phase=np.where((meanings.phase == NO_TEXT) & _is_work(meanings), phase, meanings.phase).astype(np.int32),
            layer=np.where(meanings.layer == NO_TEXT, layer, meanings.layer).astype(np.int32),
            line=np.where(meanings.line == NO_TEXT, line, meanings.line).astype(np.int32),
            calls=calls,
        )

    def _late_children(self, code: int, spans: Sequence[Span]) -> tuple[Int64, Int64] | None:
        """Events with children in later spans (threads.late_children); None where no event reaches over the end of its own."""
        if len(spans) < 2 or not self._spill.crossed(code, spans):
            return None
        return threads.late_children(spans, partial(self._times, code))

    def _times(self, code: int, span: Span) -> Columns:
        return self._spill.read(self._spill.pick(code, span), threads.TIMES)

    def _sorted(self, codes: Sequence[int], span: Span, nested: bool) -> Columns:
        """The rows of a span sorted for nesting; `args` is left in under its name as an Arrow array or absent."""
        picked = [self._spill.pick(code, span) for code in codes]
        pieces = [piece for each in picked for piece in each]
        rows = self._spill.read(pieces, tuple(DEFAULTS))
        if len(codes) > 1:
            set_apart(rows, [sum(behind - first for _, first, behind in each) for each in picked])
        start = times(rows)
        end = start + rows["duration_ps"]
        order = nesting.order(start, end, _outer_first(rows) if nested else None)
        if order is not None:
            rows = taken(rows, order, len(order))
            rows["order"] = order
        args = self._spill.read_args(pieces, rows.get("order"))
        if args is not None:
            rows["args"] = args
        return rows

    def _resolve(self, track: Track, rows: Columns, meanings: Meanings) -> Int64:
        launches = self._launches_of(track)
        launch = launches.resolve(int64(rows["correlation"]), int64(rows["link"]))
        work = _is_work(meanings)
        self._anomalies.count("orphan_kernel", int(np.count_nonzero(work & (launch == NO_EVENT))))
        early = launches.too_early(int64(rows["correlation"])[work], int64(rows["start_ps"])[work])
        self._anomalies.count("kernel_before_launch", early)
        return np.where(work, launch, NO_EVENT)

    def _steps(self, track: Track, rows: Columns) -> tuple[Int64, Int64]:
        """Step number (NO_INT = unassigned) and item code (NO_TEXT = none) of each row."""
        process = self._ranks.of(track)
        windows = self._windows.get((track.source, process))
        if windows is None:
            windows, overlapping = self._markers.windows(track.source, process)
            self._anomalies.count("overlapping_step_markers", overlapping)
            self._anomalies.count("repeated_step_numbers", windows.again)
            self._windows[track.source, process] = windows
        start, told = int64(rows["start_ps"]), int64(rows["step"])
        if track.on_device:
            told = self._markers.on_device(track, start, told)
        begun, end = start, start + int64(rows["duration_ps"])
        if track.on_device and not windows.awaited:
            launches = self._launches_of(track)
            start, end = launches.called(int64(rows["correlation"]), start, end)
            begun = np.where(start >= 0, start, begun)
        index = windows.containing(start, end)
        told, free = self._launched_by(track.source, rows, told)
        if not track.on_device or (track.source, track.device) not in self._markers.on_devices:
            told = windows.numbered(told, self._launched_at(track.source, rows, begun))
        if not len(windows.start):
            return told, index
        if windows.awaited:
            # The framework's own numbers (Keras counts its train steps from where fit began) are not those of dlprof's marks.
            told, free = np.full_like(told, NO_INT), np.ones_like(free)
        inside = (index >= 0) & free
        return np.where(inside, windows.number[index], told), np.where(index >= 0, windows.item[index], NO_TEXT)

    def _launched_by(self, source: str, rows: Columns, told: Int64) -> tuple[Int64, npt.NDArray[np.bool_]]:
        """Steps that are told, by the event or by its execution, and which rows are free to belong to the step they lie in."""
        table, run = self._places.get(source, Place()).run_steps, int64(rows["run"])
        if table is None or not len(table):
            return told, told == NO_INT
        step = np.where(run == NO_INT, NO_INT, table[np.where(run == NO_INT, 0, run)])
        told = np.where((told == NO_INT) & (step != NO_STEP), step, told)
        return told, (told == NO_INT) & (step != NO_STEP)

    def _launched_at(self, source: str, rows: Columns, begun: Int64) -> Int64:
        """When the execution of each row was launched; `begun` where that is not known."""
        launches, run = self._places.get(source, Place()).run_launches, int64(rows["run"])
        if launches is None or not launches.size:
            return begun
        at = np.where(run == NO_INT, 0, run)
        return np.where((run != NO_INT) & (launches[0][at] != NO_INT), launches[1][at], begun)

    def _phases(self, codes: Sequence[int], rows: Columns, meanings: Meanings) -> npt.NDArray[np.int32]:
        """Phase of each row; a host-phase marker gives its own to what has none and was launched inside it, or where no launch is
        known runs inside it on its own thread.

        Only there: an operator elsewhere may belong to work that was queued in an earlier phase.
        """
        free = (meanings.phase == NO_TEXT) & (meanings.level != LEVEL["marker"])
        if not self._markers.phases or not free.any():
            return meanings.phase
        phase, launched = self._phases_of_launches(self._pools.tracks[codes[0]].source, int64(rows["run"]))
        start = int64(rows["start_ps"])
        end = start + int64(rows["duration_ps"])
        for at, code in enumerate(codes):
            if code in self._markers.phases:
                here = ~launched & (rows["position"] == at if len(codes) > 1 else True)
                phase[here] = self._markers.phase_at(code, start[here], end[here])
        return np.where(free, phase, meanings.phase).astype(np.int32)

    def _phases_of_launches(self, source: str, run: Int64) -> tuple[Int32, npt.NDArray[np.bool_]]:
        """The phase in which the execution of each row was launched, NO_TEXT for none, and of which rows the launch is known."""
        launches = self._places.get(source, Place()).run_launches
        if launches is None or not launches.size:
            return np.full(len(run), NO_TEXT, dtype=np.int32), np.zeros(len(run), dtype=np.bool_)
        if source not in self._launch_phases:
            self._launch_phases[source] = self._markers.launch_phases(launches)
        at = np.where(run == NO_INT, 0, run)
        launched = (run != NO_INT) & (launches[0][at] != NO_INT)
        return np.where(launched, self._launch_phases[source][at], NO_TEXT).astype(np.int32), launched


class _Inner:
    """Self time and parents of an accelerator's track, span by span: of one whose events nest, else there are none."""

    def __init__(self, track: Track, late: tuple[Int64, Int64] | None) -> None:
        self._nests, self._late = track.nests, late
        self._open: threads.Open = {}
        self._done = 0

    def of(self, rows: Columns, meanings: Meanings, ids: Int64) -> tuple[Int64, Int64]:
        """(self_ps, id of the operator around or NO_EVENT) of each row."""
        count = len(ids)
        if not self._nests:
            return int64(rows["duration_ps"]), np.full(count, NO_EVENT, dtype=np.int64)
        found = threads.nest(rows, meanings.level, ids, self._open, None)
        self._open, self_ps = found.open, found.self_ps
        if self._late is not None:
            first, behind = np.searchsorted(self._late[0], [self._done, self._done + count])
            self_ps[self._late[0][first:behind] - self._done] -= self._late[1][first:behind]
        self._done += count
        return self_ps, found.parent


def _is_work(meanings: Meanings) -> npt.NDArray[np.bool_]:
    """Kernels and copies."""
    work: npt.NDArray[np.bool_] = (meanings.level == LEVEL["kernel"]) | (meanings.level == LEVEL["copy"])
    return work


def _identified(rows: Columns, meanings: Meanings) -> npt.NDArray[np.bool_]:
    """Operators and calls that bear an id of their own: only of these does the same once more say that it is the same."""
    operators = (meanings.level == LEVEL["op"]) & (rows["link"] != NO_INT)
    correlation = rows["correlation"]
    calls = (meanings.level == LEVEL["api"]) & (correlation != NO_INT) & (correlation != 0)
    found: npt.NDArray[np.bool_] = operators | calls
    return found


def _outer_first(rows: Columns) -> tuple[Int64, ...]:
    """Of rows that begin and end together, what is outside: spans and Python frames before operators before calls, and of
    operators those that were numbered first."""
    depth = np.full(len(LEVEL) + 1, 1, dtype=np.int64)
    depth[LEVEL["marker"]], depth[LEVEL["op"]], depth[LEVEL["api"]] = 0, 2, 3
    level = np.where(rows["correlation"] == NO_INT, np.minimum(depth[rows["level"]], 2), depth[rows["level"]])
    outer = np.where((rows["level"] == LEVEL["api"]) & (rows["correlation"] == NO_INT), 1, level)
    return int64(outer), int64(rows["link"]), int64(rows["name"])
