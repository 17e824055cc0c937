"""Rows from an XPlane's events: what each is called, when it ran, of which step, and what it was."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dlprof.ingest.batch import LEVEL, NO_INT, NO_TEXT, Growing, Int32, Int64, RawBatch
from dlprof.ingest.protobuf.event_windows import Events
from dlprof.ingest.protobuf.small_lines import Line
from dlprof.ingest.protobuf.space import Plane, Text
from dlprof.ingest.protobuf.valid_times import in_range, moved
from dlprof.ingest.reader import Context
from dlprof.ingest.texts import Packed
from dlprof.ingest.xplane.device_steps import DeviceSteps
from dlprof.ingest.xplane.event_names import EventNames
from dlprof.ingest.xplane.hlo_columns import HloColumns
from dlprof.ingest.xplane.other_stats import Objects, all_ascii
from dlprof.ingest.xplane.plane_names import STEPS_STREAM, device, is_work, nests
from dlprof.ingest.xplane.run_steps import STEP_MARKER, RunSteps
from dlprof.ingest.xplane.stat_columns import Found, StatColumns, without
from dlprof.ingest.xplane.unknown_lines import UnknownLines
from dlprof.native.xplane_rows import Names, Rows, Runs, host_rows

_EPOCH_NS: Final = 10**17
"""A timestamp above this (1973) is Unix time; below it is relative to the start of the profile."""
_FAR_NS: Final = 7 * 10**18
"""A timestamp above this (2191) is no clock's, and must not be what all others are relative to."""
_MOST_EXECUTIONS: Final = 2**31


@dataclass(slots=True)
class Shared:
    """What the planes of a file share.

    text: bytes to text, counting what is not UTF-8
    hlo: what the compiled modules say of instructions
    accelerated: the file has an accelerator's plane, so that the host's threads launch work which does not run there
    run_steps: which step launched which execution
    unknown: lines of TPUs that hold nobody knows what
    """

    ctx: Context
    text: Text
    hlo: HloColumns
    accelerated: bool
    run_steps: RunSteps = field(default_factory=RunSteps)
    unknown: UnknownLines = field(default_factory=UnknownLines)
    _kernels: Growing = field(default_factory=lambda: Growing(NO_TEXT))
    _types: Growing = field(default_factory=lambda: Growing(NO_TEXT))

    def device_kernels(self) -> Int32:
        """Name code → kernel code: on a device the event's name is the kernel's."""
        kernels, names = self.ctx.pool("kernel"), self.ctx.pool("name").values_list
        self._kernels.extend([kernels[text] for text in names[len(self._kernels) :]])
        return self._kernels.array

    def host_kernels(self) -> Int32:
        """Lookup code → kernel code: on a host the operator's type."""
        kernels, types = self.ctx.pool("kernel"), self.ctx.pool("lookup").values_list
        self._types.extend([kernels[text] for text in types[len(self._types) :]])
        return self._types.array

    def base(self, line: Line) -> int:
        """A line's own zero, ns from the file's origin."""
        base = line.timestamp_ns
        if _EPOCH_NS < base < _FAR_NS:
            if self.ctx.origin_ns is None:
                self.ctx.origin_ns = base
            base -= self.ctx.origin_ns
        return base


class PlaneRows:
    """Turns the events of one plane into rows."""

    def __init__(
        self, plane: Plane, shared: Shared, device_steps: DeviceSteps | None, *, one_works: bool = False
    ) -> None:
        """device_steps: the steps that an accelerator's plane tells; None for a host's plane. one_works: the plane has a line
        that holds all work of the device (plane_names.is_work)."""
        self._device = device(plane.name)
        self._shared = shared
        self._ctx = shared.ctx
        self._names = EventNames.of(plane, shared.ctx, shared.hlo, on_device=self._device is not None)
        self._columns = StatColumns(plane, shared.ctx, shared.hlo, on_device=self._device is not None)
        self.wanted = None if shared.ctx.wants("args") else self._columns.wanted()
        """Of each stat's id whether it is read (event_windows.parse); None for all."""
        self._objects = Objects(plane.stat_names, shared.text, self._columns.roles)
        self._tracks: dict[tuple[bytes, int], int] = {}
        self._device_steps = device_steps
        self._one_works = one_works

    def new_line(self) -> None:
        """What comes next is of another line than what came before."""
        self._names.eager.new_line()

    def steps(self, steps: DeviceSteps) -> RawBatch:
        """The steps of the device's own line as markers."""
        kind, index = self._device or ("", 0)
        count, pool = len(steps.start), self._ctx.pool
        track = self._ctx.track(f"{kind}:{index}", STEPS_STREAM, STEPS_STREAM, on_device=True, nests=nests(kind))
        return in_range(
            RawBatch(
                track=np.full(count, track, dtype=np.int32),
                name=pool("name").encode(map(str, steps.number.tolist())),
                start_ps=steps.start,
                duration_ps=steps.end - steps.start,
                level=np.full(count, LEVEL["marker"], dtype=np.int8),
                category=np.full(count, pool("category")[STEP_MARKER], dtype=np.int32),
                step=steps.number,
            ),
            self._ctx.anomalies,
        )

    def batch(self, lines: list[Line], rows: list[int], events: Events, number: Int64 | None = None) -> RawBatch:
        """The events of one or more lines, each with its number of rows. number: of each of `lines` which line it is, in order,
        since one may be there in pieces; None for a single one."""
        ctx, columns = self._ctx, self._columns
        count = len(events.metadata_id)
        ctx.anomalies.count("unknown_field", events.unknown_fields)
        found = columns.read(events.stats, events.window.data, count)
        if self._device is not None:
            at, name = self._named(events)
            start, duration = self._times(lines, rows, events, found.duration)
            work = self._device_work(at, name, found)
            track, checked = self._tracks_of(lines, rows), False
        else:
            number = np.arange(len(lines)) if number is None else number
            base, duration, checked = self._threads(lines, rows, events, number)
            at, name, start, track = base.place, base.name, base.start_ps, base.track
            if found.step is not None:
                # TensorFlow's child marks through the same API; the names of dlprof's own markers say which of them are steps.
                marks = self._names.level[at] == LEVEL["marker"]
                found = replace(found, step=np.where(marks, NO_INT, found.step))
            work = self._host_work(base, found)
        step, run = found.step, None
        if self._device_steps is not None:
            step = self._device_steps.of(start)
        elif columns.runs:
            run = self._noted_run(at, track, start, duration, found)
        if self._one_works and (unknown := self._unknown(lines, rows, duration)).any():
            work["level"][unknown] = LEVEL["marker"]
            step = None if step is None else np.where(unknown, NO_INT, step)
        made = RawBatch(
            track=track,
            name=name,
            step=step,
            run=self._in_group(run, found),
            start_ps=start,
            duration_ps=duration,
            shape=found.shape,
            dtype=found.dtype,
            correlation=found.correlation,
            occurrences=self._occurrences(events) if events.aggregated.any() else None,
            args=self._args(events, count),
            **work,
        )
        return made if checked else in_range(made, ctx.anomalies)

    def _args(self, events: Events, count: int) -> Packed | None:
        """What no column takes. Where nobody asks for it, only texts that are not UTF-8 are looked at, which are counted."""
        if not self._ctx.wants("args"):
            rest = without(events.stats, self._columns.roles)
            return None if all_ascii(rest, events.window) else self._objects.render(rest, events.window, count)
        return self._objects.of(events.stats, events.window, count)

    def _unknown(self, lines: list[Line], rows: list[int], duration: Int64) -> npt.NDArray[np.bool_]:
        """Rows of lines that are not known, of a device of which another line holds all work; they are noted."""
        odd = [not is_work(line.text) for line in lines]
        ends = np.cumsum(rows)
        for line, count, end, unknown in zip(lines, rows, ends.tolist(), odd, strict=True):
            if unknown:
                self._shared.unknown.add(line.text, count, int(duration[end - count : end].sum()))
        return np.repeat(np.array(odd, dtype=bool), rows)

    def _occurrences(self, events: Events) -> Int64:
        """How many executions each event stands for."""
        odd = (events.occurrences < 0) | (events.occurrences >= _MOST_EXECUTIONS)
        self._ctx.anomalies.count("odd_occurrences", int(np.count_nonzero(odd)))
        return np.where(odd, 1, events.occurrences)

    def _noted_run(self, at: Int64, track: Int32, start: Int64, duration: Int64, found: Found) -> Int64 | None:
        """The execution that each event is part of; what tells which step launched it is noted."""
        runs = self._shared.run_steps
        runs.note(track, start, duration, found.step, self._names.launch[at])
        runs.programs.note_calls(track, start, duration, self._names.calls[at])
        if found.run is None:
            return None
        codes = runs.coded(found.run, start)
        if found.module is not None:
            runs.programs.note(codes, track, start, found.module, found.program)
        return codes

    def _in_group(self, run: Int64 | None, found: Found) -> Int64 | None:
        """The same, or where an event says the group it is in, that."""
        if found.group is None:
            return run
        group = self._shared.run_steps.grouped(found.group, found.step)
        return group if run is None else np.where(group == NO_INT, run, group)

    def _device_work(self, at: Int64, name: Int32, found: Found) -> dict[str, Any]:
        """What an accelerator's events are. Its own stats go before those of their name's metadata, and these before what the
        compiled module says, but for the operator: the module alone knows what a fusion holds."""
        names, shared, hlo = self._names, self._names.shared, self._shared.hlo
        level = names.level[at]
        level[found.is_copy] = LEVEL["copy"]
        op_path = shared.texts("op_path", at, found.op_path)
        lookup = shared.texts("lookup", at, found.lookup)
        lookup = np.where(lookup == NO_TEXT, names.lookup[at], lookup)
        lookup = np.where(names.moving[at] == NO_TEXT, lookup, names.moving[at])
        category, line = shared.texts("category", at, None), shared.texts("source_line", at, found.source_line)
        codes = shared.texts("hlo", at, found.hlo)
        if (codes != NO_TEXT).any():
            known = hlo.known(codes)
            lookup = np.where(known | hlo.moving(codes) | (lookup == NO_TEXT), hlo.column("lookup", codes), lookup)
            op_path = np.where(op_path == NO_TEXT, hlo.column("op_path", codes), op_path)
            category = np.where(category == NO_TEXT, hlo.column("category", codes), category)
            line = np.where(line == NO_TEXT, hlo.column("source_line", codes), line)
        return {
            "level": level,
            "lookup": lookup,
            "op_path": op_path,
            "category": category,
            "source_line": line,
            "kernel": self._shared.device_kernels()[name],
            "bytes": shared.numbers("bytes", at, found.bytes),
            "flops": shared.numbers("flops", at, found.flops),
        }

    def _threads(self, lines: list[Line], rows: list[int], events: Events, number: Int64) -> tuple[Rows, Int64, bool]:
        """What the names of a thread's events, their times and their lines say; how long they took; whether all these times are
        known to be in range."""
        names = self._names
        if names.places is not None:
            bases, tracks = [self._shared.base(line) for line in lines], [self._track(line) for line in lines]
            read = events.metadata_id, events.offset_ps, events.duration_ps
            tables = Names(
                *(len(names.ids), names.places, names.name, names.level, names.lookup, names.op_path),
                *(names.eager.tables(), LEVEL["op"]),
            )
            kernels = self._shared.host_kernels()
            compiled = host_rows(read, Runs(number, rows, bases, tracks), tables, kernels, names.eager.last)
            if compiled is not None:
                names.eager.last = compiled.last
                return compiled, events.duration_ps, True
        return *self._in_numpy(lines, rows, events, number), False

    def _in_numpy(self, lines: list[Line], rows: list[int], events: Events, number: Int64) -> tuple[Rows, Int64]:
        """`_threads` without the compiled part."""
        names = self._names
        at, name = self._named(events)
        start, duration = self._times(lines, rows, events, None)
        level, op_path, lookup = names.level[at], names.op_path[at], names.lookup[at]
        if names.eager.any:
            executions, executed = names.eager.types(at, _begun(number, rows))
            level[executions] = LEVEL["op"]
            lookup[executions] = executed
        kernel = self._shared.host_kernels()[lookup]
        return Rows(
            at, name, level, lookup, op_path, kernel, start, self._tracks_of(lines, rows), names.eager.last
        ), duration

    def _host_work(self, base: Rows, found: Found) -> dict[str, Any]:
        """What a thread's events are."""
        hlo = self._shared.hlo
        level, op_path, lookup, kernel = base.level, base.path, base.lookup, base.kernel
        category, line = None, None
        # On an accelerated host these are the API calls that launch the HLO's kernels, not the work itself.
        if found.hlo is not None and not self._shared.accelerated:
            ops = (found.hlo != NO_TEXT) & (level == LEVEL["api"])
            level[ops] = LEVEL["op"]
            codes = np.where(ops, found.hlo, NO_TEXT)
            told = hlo.column("op_path", codes)
            op_path = np.where(told != NO_TEXT, told, np.where(ops, found.op_path, op_path))
            lookup = np.where(ops, hlo.column("lookup", codes), lookup)
            kernel = np.where(ops, hlo.column("kernel", codes), kernel)
            category, line = hlo.column("category", codes), hlo.column("source_line", codes)
        if found.step is not None:
            marks = found.step != NO_INT
            level[marks] = LEVEL["marker"]
            none = np.full(len(level), NO_TEXT, dtype=np.int32) if category is None else category
            category = np.where(marks, self._ctx.pool("category")[STEP_MARKER], none).astype(np.int32)
        return {
            "level": level,
            "lookup": lookup,
            "op_path": op_path,
            "category": category,
            "source_line": line,
            "kernel": kernel,
            "bytes": found.bytes,
            "flops": found.flops,
        }

    def _named(self, events: Events) -> tuple[Int64, Int32]:
        """Position and name code of each event's name; one without metadata is named by its number."""
        names = self._names
        at, known = names.rows(events.metadata_id)
        name = names.name[at]
        if not known.all():
            missing = np.flatnonzero(~known)
            self._ctx.anomalies.count("unknown_event_metadata", len(missing))
            numbers = events.metadata_id[missing].tolist()
            name[missing] = self._ctx.pool("name").encode(f"event#{number}" for number in numbers)
        return at, name

    def _tracks_of(self, lines: list[Line], rows: list[int]) -> Int32:
        """The track of each event."""
        return np.repeat(np.array([self._track(line) for line in lines], dtype=np.int32), rows)

    def _track(self, line: Line) -> int:
        key = (line.name, line.id)
        code = self._tracks.get(key)
        if code is None:
            code = self._tracks[key] = self._track_of(line.text or f"line {line.id}", line.id)
        return code

    def _track_of(self, stream: str, key: int) -> int:
        if self._device is not None:
            kind, index = self._device
            return self._ctx.track(f"{kind}:{index}", stream, key, on_device=True, nests=nests(kind))
        return self._ctx.track("host" if self._shared.accelerated else "cpu:0", stream, key)

    def _times(self, lines: list[Line], rows: list[int], events: Events, own: Int64 | None) -> tuple[Int64, Int64]:
        """Start and duration. own: durations by the device's clock, where it tells them: those are the work's."""
        ctx = self._ctx
        duration = events.duration_ps if own is None else np.where(own == NO_INT, events.duration_ps, own)
        negative = duration < 0
        if negative.any():
            ctx.anomalies.count("negative_duration", int(np.count_nonzero(negative)))
            duration = np.where(negative, 0, duration)
        return moved(events.offset_ps, [self._shared.base(line) for line in lines], rows), duration


def _begun(number: Int64, rows: list[int]) -> Int64:
    """For each event the place of the first one of its line. number: of runs of events which line each is in, in order; rows:
    events of each."""
    counts = np.array(rows, dtype=np.int64)
    first = np.cumsum(counts) - counts
    return np.repeat(first[np.searchsorted(number, number)], counts)
