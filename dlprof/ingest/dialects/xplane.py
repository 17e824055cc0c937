"""XPlane (`*.xplane.pb`) of TensorFlow and JAX: planes of lines of events, read without protobuf classes.

Times: event start = line.timestamp_ns + offset_ps / 1000, relative to the profile's start where the file tells it (plane
`Task Environment`), else absolute or relative as written. Derived lines repeat the time of others and are left out, counted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dlprof.ingest.background import Background
from dlprof.ingest.batch import LEVEL, NO_INT, NO_TEXT, Int32, Int64, RawBatch
from dlprof.ingest.protobuf.device_steps import DeviceSteps, collected, head, whole
from dlprof.ingest.protobuf.eager_ops import EagerKernels
from dlprof.ingest.protobuf.event_metadata import SharedStats
from dlprof.ingest.protobuf.event_windows import EVENT_TAG, WINDOW_BYTES, Events, parse, windows
from dlprof.ingest.protobuf.hlo_columns import HloColumns
from dlprof.ingest.protobuf.hlo_module import Modules
from dlprof.ingest.protobuf.hlo_names import communication, hlo_operator
from dlprof.ingest.protobuf.other_stats import Quoter, render
from dlprof.ingest.protobuf.plane_names import NETWORK, STEPS, device, host_op, is_async, is_copy, is_derived, nests
from dlprof.ingest.protobuf.producers import producer
from dlprof.ingest.protobuf.run_steps import STEP_MARKER, RunSteps, is_launch
from dlprof.ingest.protobuf.small_lines import Extent, Line, begun, groups, together
from dlprof.ingest.protobuf.space import ByteFile, Plane, SkeletonReader, Space
from dlprof.ingest.protobuf.stat_columns import Found, StatColumns, without
from dlprof.ingest.protobuf.valid_times import in_range, moved
from dlprof.ingest.protobuf.wire import BYTES, VARINT, Malformed, signed
from dlprof.ingest.reader import Context, Damaged
from dlprof.ingest.source import Source
from dlprof.names import is_marker
from dlprof.plugin import Operator, Vocabulary

_EPOCH_NS: Final = 10**17
"""A timestamp above this (1973) is Unix time; below it is relative to the start of the profile."""
_DROPPED: Final = re.compile(r"(\d{1,18}) events dropped")
"""As CUPTI's collector tells it, in a warning: `7 events dropped because total device(activity) events reaches max;`."""


class XPlaneReader:
    """Reads XPlane files."""

    producer = "tensorflow"

    def read(self, source: Source, ctx: Context) -> Iterator[RawBatch]:
        """See `reader.Reader`."""
        with source.open_seekable() as file:
            bytes_ = ByteFile(file)
            skeleton = SkeletonReader(bytes_, _decoder(ctx))
            damage: Malformed | None = None
            try:
                skeleton.read()
            except Malformed as error:
                damage = error
                if not ctx.repair:
                    ctx.damage(error.offset, error.expected)
            yield from _SpaceReader(bytes_, skeleton.space, ctx).read(damage)

    def operator(self, name: str, vocabulary: Vocabulary) -> Operator | None:
        """See `reader.Reader`."""
        return vocabulary.get(name) or hlo_operator(name, vocabulary)


READER: Final = XPlaneReader()


def _decoder(ctx: Context):  # type: ignore[no-untyped-def]  # returns space.Text
    def decode(raw: bytes) -> str:
        try:
            return raw.decode()
        except UnicodeDecodeError:
            ctx.anomalies.count("text_not_utf8")
            return raw.decode(errors="replace")

    return decode


@dataclass(frozen=True, slots=True)
class _Names:
    """Per distinct event name of a plane, indexed by position in `ids` (sorted): pool codes and the level hint."""

    ids: Int64
    name: Int32
    lookup: Int32
    op_path: Int32
    level: npt.NDArray[np.int8]
    eager: EagerKernels
    shared: SharedStats
    launch: npt.NDArray[np.bool_]
    on_device: bool

    def rows(self, metadata_id: Int64) -> tuple[Int64, npt.NDArray[np.bool_]]:
        """(position of each id, whether it is known); an unknown id has position len(ids)."""
        if not len(self.ids):
            return np.zeros(len(metadata_id), dtype=np.int64), np.zeros(len(metadata_id), dtype=bool)
        at = np.minimum(np.searchsorted(self.ids, metadata_id), len(self.ids) - 1)
        known = self.ids[at] == metadata_id
        return np.where(known, at, len(self.ids)), known


def _ahead(run: Generator[Events, None, int], size: int) -> Generator[Events, None, int]:
    """The same, but of a long run each window is parsed while the one before it is turned into rows."""
    if size < 4 * WINDOW_BYTES:
        return (yield from run)
    stopped_at = 0

    def noted() -> Iterator[Events]:
        nonlocal stopped_at
        stopped_at = yield from run

    with Background() as background:
        yield from background.ahead(noted())
    return stopped_at


class _SpaceReader:
    """Turns the planes of one file into raw batches."""

    def __init__(self, file: ByteFile, space: Space, ctx: Context) -> None:
        self._file = file
        self._space = space
        self._ctx = ctx
        self._decode = _decoder(ctx)
        self._damage: Malformed | None = None
        self._damage_end = 0
        self._lost_from: int | None = None
        self._kernels: list[int] = []
        self._types: list[int] = []
        modules = Modules(file, space, lambda: ctx.anomalies.count("hlo_module_damaged"))
        self._hlo = HloColumns(modules, ctx)
        self._run_steps = RunSteps()
        self._accelerated = any(device(plane.name) and plane.lines for plane in space.planes)

    def read(self, damage: Malformed | None) -> Iterator[RawBatch]:
        """All batches; `damage`: what ended the skeleton early, raised after all that lies before it."""
        self._damage = damage
        self._damage_end = max((end for plane in self._space.planes for _, end in plane.lines), default=0)
        self._note_header()
        for plane in self._space.planes:
            yield from self._plane(plane)
        self._ctx.run_steps = self._run_steps.table()
        if damage is not None:
            lost_from = damage.offset if self._lost_from is None else self._lost_from
            self._ctx.damage(damage.offset, damage.expected, lost=self._file.size - lost_from)

    def _note_header(self) -> None:
        ctx, space = self._ctx, self._space
        ctx.anomalies.count("profiler_errors", len(space.errors))
        ctx.anomalies.count("profiler_warnings", len(space.warnings))
        dropped = _DROPPED.findall(" ".join((*space.errors, *space.warnings)))
        ctx.anomalies.count("profiler_dropped_events", sum(map(int, dropped)))
        ctx.anomalies.count("large_stat", space.large_stats)
        for word, texts in (("errors", space.errors), ("warnings", space.warnings)):
            if texts:
                ctx.completeness[f"profiler {word}"] = "; ".join(texts)
        if space.hostnames:
            ctx.facts["hostnames"] = list(space.hostnames)
        if len(space.hostnames) == 1:
            ctx.host = space.hostnames[0] or None
        for plane in space.planes:
            start = plane.value("profile_start_time") if plane.name == "Task Environment" else None
            if isinstance(start, int):
                ctx.origin_ns = start
                stop = plane.value("profile_stop_time")
                if isinstance(stop, int) and stop >= start:
                    ctx.facts["profile_ns"] = stop - start
            if plane.name == "/host:metadata" or "XlaModule" in plane.name:
                ctx.facts.setdefault("hlo_modules", len(plane.events))
        ctx.producer = producer(space)

    def _plane(self, plane: Plane) -> Iterator[RawBatch]:
        if not plane.lines:
            return
        accelerator = device(plane.name)
        names = self._names(plane, accelerator is not None)
        columns = StatColumns(plane, self._ctx, self._hlo, on_device=accelerator is not None)
        quoter = Quoter(plane.stat_names, self._decode)
        steps = self._device_steps(plane) if accelerator is not None else None

        def batch(lines: list[Line], rows: list[int], events: Events, begun: Int64 | None) -> RawBatch:
            made = self._batch(plane, lines, rows, events, names, columns, quoter, begun, steps)
            return in_range(made, self._ctx.anomalies)

        def derived(line: Line) -> str | None:
            """The anomaly under which a line's events are left out, None for one that is read."""
            if accelerator is None:
                return None
            if is_derived(accelerator[0], line.text):
                return "derived_line_events"
            return "async_line_events" if is_async(line.text) else None

        for extents in groups(plane.lines):
            names.eager.new_line()
            try:
                read = self._together(extents, derived)
            except Malformed:
                for start, end in extents:
                    names.eager.new_line()
                    line = Line()
                    for events in self._kept(self._line(line, start, end)):
                        count = len(events.metadata_id)
                        if (left_out := derived(line)) is not None:
                            self._ctx.anomalies.count(left_out, count)
                        else:
                            yield batch([line], [count], events, None)
            else:
                if read is not None:
                    yield batch(*read)

    def _together(
        self, extents: list[Extent], derived: Callable[[Line], str | None]
    ) -> tuple[list[Line], list[int], Events, Int64] | None:
        """Lines that fit one window: the line and number of the events of each run, the events, and where the line of each
        begins among them; None where there are none. Raises `Malformed` where a line has to be read by itself."""
        group = together(self._file, extents)
        kept = [run for run in group.runs if derived(run.line) is None]
        left = [run for run in group.runs if derived(run.line) is not None]
        if left:
            parse(group.window, *group.events(left))
        events = parse(group.window, *group.events(kept)) if kept else None
        for run in left:
            self._ctx.anomalies.count(derived(run.line) or "", len(run.starts))
        for raw in group.names:
            self._decode(raw)
        if events is None:
            return None
        rows = [len(run.starts) for run in kept]
        return [run.line for run in kept], rows, events, begun(kept)

    def _line(self, line: Line, start: int, end: int) -> Generator[Events, None, None]:
        at = start
        try:
            while at < end:
                if self._file.at(at, 1) == bytes([EVENT_TAG]):
                    at = yield from _ahead(windows(self._file, at, end, parse), end - at)
                    continue
                part = next(self._file.walk(at, end))
                if part.number == 1 and part.wire == VARINT:
                    line.id = signed(part.value)
                elif part.number == 3 and part.wire == VARINT:
                    line.timestamp_ns = signed(part.value)
                elif part.wire == BYTES and (part.number == 2 or (part.number == 11 and not line.name)):
                    line.name = self._file.content(part)
                    self._decode(line.name)
                at = part.end
        except Malformed as error:
            if self._damage is not None and end == self._damage_end:
                self._lost_from = error.offset  # the file's own damage, told once, at the end
                return
            self._ctx.damage(error.offset, error.expected, lost=end - error.offset)

    def _device_steps(self, plane: Plane) -> DeviceSteps:
        """The steps that an accelerator's plane tells. A line that cannot be read tells none; it is damage when it is read."""
        pieces: list[tuple[int, Events]] = []
        for start, end in plane.lines:
            line = Line()
            try:
                head(self._file, start, end, line)
                if STEPS.fullmatch(line.text):
                    pieces.extend((self._base(line), events) for events in whole(self._file, start, end, line))
            except Malformed:
                continue
        return collected(plane, pieces)

    def _kept(self, reader: Generator[Events, None, None]) -> Iterator[Events]:
        """Events of a line; under --repair damage ends the line, not the file: the next line's place is known."""
        try:
            yield from reader
        except Damaged:
            return

    def _names(self, plane: Plane, on_device: bool) -> _Names:
        ctx = self._ctx
        known = sorted(plane.events.items())
        name, lookup, path = (np.full(len(known) + 1, NO_TEXT, dtype=np.int32) for _ in range(3))
        level = np.full(len(known) + 1, LEVEL["kernel" if on_device else "api"], dtype=np.int8)
        for row, (_, meta) in enumerate(known):
            text = meta.name or meta.display_name
            name[row] = ctx.pool("name")[text]
            if on_device:
                if is_copy(text):
                    level[row] = LEVEL["copy"]
                continue
            if is_marker(text):
                level[row] = LEVEL["marker"]
            elif op := host_op(text):
                level[row] = LEVEL["op"]
                path[row] = ctx.pool("op_path")[op.path]
                lookup[row] = ctx.pool("lookup")[op.type or text]
        eager = EagerKernels([meta.name for _, meta in known], ctx.pool("lookup"))
        network = on_device and (device(plane.name) or ("",))[0] == NETWORK
        if network:
            lookup[:-1] = [ctx.pool("lookup")[communication(meta.name)] for _, meta in known]
        shared = SharedStats(plane, [meta for _, meta in known] if on_device else [], ctx, self._hlo)
        ids = np.array([key for key, _ in known], dtype=np.int64)
        launch = np.array([*(is_launch(meta.name) for _, meta in known), False], dtype=bool)
        return _Names(ids, name, lookup, path, level, eager, shared, launch, on_device)

    def _track(self, plane: Plane, line: Line) -> int:
        accelerator = device(plane.name)
        stream = line.text or f"line {line.id}"
        if accelerator is not None:
            kind, index = accelerator
            return self._ctx.track(f"{kind}:{index}", stream, line.id, on_device=True, nests=nests(kind))
        return self._ctx.track("host" if self._accelerated else "cpu:0", stream, line.id)

    def _batch(self, plane: Plane, lines: list[Line], rows: list[int], events: Events, names: _Names,
               columns: StatColumns, quoter: Quoter, begun: Int64 | None,
               device_steps: DeviceSteps | None) -> RawBatch:  # fmt: skip
        """The events of one or more lines, each with its number of rows. begun: see `EagerKernels.types`."""
        ctx = self._ctx
        count = len(events.metadata_id)
        ctx.anomalies.count("unknown_field", events.unknown_fields)
        at, name = self._named(names, events)
        rest = without(events.stats, columns.roles)
        found = columns.read(events.stats, events.window.data, count)
        if found.step is not None:
            # TensorFlow's child marks through the same API; the names of dlprof's own markers say which of them are steps.
            found = replace(found, step=np.where(names.level[at] == LEVEL["marker"], NO_INT, found.step))
        start, duration = self._times(lines, rows, events, found.duration)
        work = (
            self._device_work(names, at, name, found) if names.on_device else self._host_work(names, at, begun, found)
        )
        track = np.repeat(np.array([self._track(plane, line) for line in lines], dtype=np.int32), rows)
        step, run = found.step, None
        if device_steps is not None:
            step = device_steps.of(start)
        elif columns.runs:
            run = self._noted_run(names, at, track, start, duration, found)
        return RawBatch(
            track=track,
            name=name,
            step=step,
            run=self._in_group(run, found),
            start_ps=start,
            duration_ps=duration,
            shape=found.shape,
            dtype=found.dtype,
            correlation=found.correlation,
            occurrences=events.occurrences if events.aggregated.any() else None,
            args=render(rest, events.window.data, count, quoter),
            **work,
        )

    def _noted_run(
        self, names: _Names, at: Int64, track: Int32, start: Int64, duration: Int64, found: Found
    ) -> Int64 | None:
        """The execution that each event is part of; what tells which step launched it is noted."""
        self._run_steps.note(track, start, duration, found.step, names.launch[at])
        return None if found.run is None else self._run_steps.coded(found.run, start)

    def _in_group(self, run: Int64 | None, found: Found) -> Int64 | None:
        """The same, or where an event says the group it is in, that."""
        if found.group is None:
            return run
        group = self._run_steps.grouped(found.group, found.step)
        return group if run is None else np.where(group == NO_INT, run, group)

    def _device_work(self, names: _Names, at: Int64, name: Int32, found: Found) -> dict[str, Any]:
        """What an accelerator's events are. Its own stats go before those of their name's metadata, and these before what the
        compiled module says, but for the operator: the module alone knows what a fusion holds."""
        shared, hlo = names.shared, self._hlo
        level = names.level[at]
        level[found.is_copy] = LEVEL["copy"]
        op_path = shared.texts("op_path", at, found.op_path)
        lookup = shared.texts("lookup", at, found.lookup)
        lookup = np.where(lookup == NO_TEXT, names.lookup[at], lookup)
        category = shared.texts("category", at, None)
        codes = shared.texts("hlo", at, found.hlo)
        if (codes != NO_TEXT).any():
            known = hlo.known(codes)
            lookup = np.where(known | (lookup == NO_TEXT), hlo.column("lookup", codes), lookup)
            op_path = np.where(op_path == NO_TEXT, hlo.column("op_path", codes), op_path)
            category = np.where(category == NO_TEXT, hlo.column("category", codes), category)
        return {
            "level": level,
            "lookup": lookup,
            "op_path": op_path,
            "category": category,
            "kernel": self._kernel_codes()[name],
            "bytes": shared.numbers("bytes", at, found.bytes),
            "flops": shared.numbers("flops", at, found.flops),
        }

    def _host_work(self, names: _Names, at: Int64, begun: Int64 | None, found: Found) -> dict[str, Any]:
        """What a thread's events are."""
        level = names.level[at]
        op_path, lookup, category = names.op_path[at], names.lookup[at], None
        if names.eager.any:
            executed = names.eager.types(at, begun)
            level[executed != NO_TEXT] = LEVEL["op"]
            lookup = np.where(executed == NO_TEXT, lookup, executed)
        kernel = self._host_kernels(lookup)
        # On an accelerated host these are the API calls that launch the HLO's kernels, not the work itself.
        if found.hlo is not None and not self._accelerated:
            ops = (found.hlo != NO_TEXT) & (level == LEVEL["api"])
            level[ops] = LEVEL["op"]
            codes = np.where(ops, found.hlo, NO_TEXT)
            told = self._hlo.column("op_path", codes)
            op_path = np.where(told != NO_TEXT, told, np.where(ops, found.op_path, op_path))
            lookup = np.where(ops, self._hlo.column("lookup", codes), lookup)
            kernel = np.where(ops, self._hlo.column("kernel", codes), kernel)
            category = self._hlo.column("category", codes)
        if found.step is not None:
            marks = found.step != NO_INT
            level[marks] = LEVEL["marker"]
            none = np.full(len(at), NO_TEXT, dtype=np.int32) if category is None else category
            category = np.where(marks, self._ctx.pool("category")[STEP_MARKER], none).astype(np.int32)
        return {
            "level": level,
            "lookup": lookup,
            "op_path": op_path,
            "category": category,
            "kernel": kernel,
            "bytes": found.bytes,
            "flops": found.flops,
        }

    def _named(self, names: _Names, events: Events) -> tuple[Int64, Int32]:
        """Position and name code of each event's name; one without metadata is named by its number."""
        at, known = names.rows(events.metadata_id)
        name = names.name[at]
        if not known.all():
            missing = np.flatnonzero(~known)
            self._ctx.anomalies.count("unknown_event_metadata", len(missing))
            numbers = events.metadata_id[missing].tolist()
            name[missing] = self._ctx.pool("name").encode(f"event#{number}" for number in numbers)
        return at, name

    def _kernel_codes(self) -> Int32:
        """Name code → kernel code: on a device the event's name is the kernel's."""
        kernels, names = self._ctx.pool("kernel"), self._ctx.pool("name").values_list
        self._kernels.extend(kernels[text] for text in names[len(self._kernels) :])
        return np.array(self._kernels, dtype=np.int32)

    def _host_kernels(self, lookup: Int32) -> Int32:
        """Lookup code → kernel code: on a host the operator's type."""
        kernels, types = self._ctx.pool("kernel"), self._ctx.pool("lookup").values_list
        self._types.extend(kernels[text] for text in types[len(self._types) :])
        return np.array([*self._types, NO_TEXT], dtype=np.int32)[lookup]

    def _times(self, lines: list[Line], rows: list[int], events: Events, own: Int64 | None) -> tuple[Int64, Int64]:
        """Start and duration. own: durations by the device's clock, where it tells them: those are the work's."""
        ctx = self._ctx
        duration = events.duration_ps if own is None else np.where(own == NO_INT, events.duration_ps, own)
        negative = duration < 0
        if negative.any():
            ctx.anomalies.count("negative_duration", int(np.count_nonzero(negative)))
            duration = np.where(negative, 0, duration)
        return moved(events.offset_ps, [self._base(line) for line in lines], rows), duration

    def _base(self, line: Line) -> int:
        """A line's own zero, ns from the file's origin."""
        base = line.timestamp_ns
        if base > _EPOCH_NS:
            if self._ctx.origin_ns is None:
                self._ctx.origin_ns = base
            base -= self._ctx.origin_ns
        return base
