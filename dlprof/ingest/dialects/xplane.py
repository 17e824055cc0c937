"""XPlane (`*.xplane.pb`) of TensorFlow and JAX: planes of lines of events, read without protobuf classes.

Times: event start = line.timestamp_ns + offset_ps / 1000, relative to the profile's start where the file tells it (plane
`Task Environment`), else absolute or relative as written. Derived lines repeat the time of others and are left out, counted.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from dlprof.ingest.background import Background
from dlprof.ingest.batch import RawBatch
from dlprof.ingest.protobuf.compiled import Flags
from dlprof.ingest.protobuf.event_windows import EVENT_TAG, WINDOW_BYTES, Events, parse, windows
from dlprof.ingest.protobuf.small_lines import Extent, Group, Line, groups, together
from dlprof.ingest.protobuf.space import ByteFile, Plane, SkeletonReader, Space, Text
from dlprof.ingest.protobuf.wire import BYTES, VARINT, Malformed, signed
from dlprof.ingest.reader import Context, Damaged
from dlprof.ingest.source import Source
from dlprof.ingest.xplane.device_steps import DeviceSteps, collected, head, whole
from dlprof.ingest.xplane.header import note_header
from dlprof.ingest.xplane.hlo_columns import HloColumns
from dlprof.ingest.xplane.hlo_module import Modules
from dlprof.ingest.xplane.hlo_names import hlo_operator
from dlprof.ingest.xplane.plane_names import STEPS, device, is_async, is_derived, is_work, nests
from dlprof.ingest.xplane.rows import PlaneRows, Shared
from dlprof.plugin import Operator, Vocabulary


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
_MANY: Final = 4 * WINDOW_BYTES
"""Bytes of events from which on windows are read beside the making of rows."""


def _decoder(ctx: Context) -> Text:
    """UTF-8 to text; what is none is counted."""

    def decode(raw: bytes) -> str:
        try:
            return raw.decode()
        except UnicodeDecodeError:
            ctx.anomalies.count("text_not_utf8")
            return raw.decode(errors="replace")

    return decode


def _ahead(run: Generator[Events, None, int], size: int) -> Generator[Events, None, int]:
    """The same, but of a long run each window is parsed while the one before it is turned into rows."""
    if size < _MANY:
        return (yield from run)
    stopped_at = 0

    def noted() -> Iterator[Events]:
        nonlocal stopped_at
        stopped_at = yield from run

    with Background() as background:
        yield from background.ahead(noted())
    return stopped_at


@dataclass(frozen=True, slots=True)
class _Together:
    """Lines that were read in one window.

    left_out: for each run the anomaly under which it is left out, "" where it is not counted, None where it is not left out
    kept: the runs that are not
    events: of these; None where there are none
    """

    group: Group
    left_out: list[str | None]
    kept: Group
    events: Events | None


def _together(
    file: ByteFile, extents: list[Extent], derived: Callable[[Line], str | None], wanted: Flags | None
) -> _Together:
    """Lines that fit one window. wanted: see `parse`. Raises `Malformed` where a line has to be read by itself."""
    group = together(file, extents)
    reasons = [derived(line) for line in group.lines]
    kept = np.array([reason is None for reason in reasons], dtype=bool)
    rest = group
    if not kept.all():
        left, rest = group.only(~kept), group.only(kept)
        parse(left.window, left.starts, left.ends)
    events = parse(rest.window, rest.starts, rest.ends, wanted) if len(rest.lines) else None
    return _Together(group, reasons, rest, events)


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
        modules = Modules(file, space, lambda: ctx.anomalies.count("hlo_module_damaged"))
        accelerated = any(device(plane.name) and plane.lines for plane in space.planes)
        self._shared = Shared(ctx, self._decode, HloColumns(modules, ctx), accelerated)

    def read(self, damage: Malformed | None) -> Iterator[RawBatch]:
        """All batches; `damage`: what ended the skeleton early, raised after all that lies before it."""
        self._damage = damage
        self._damage_end = max((end for plane in self._space.planes for _, end in plane.lines), default=0)
        note_header(self._space, self._ctx)
        for plane in self._space.planes:
            yield from self._plane(plane)
        runs = self._shared.run_steps
        self._ctx.run_steps, self._ctx.run_launches = runs.table(), runs.launched()
        self._shared.unknown.report(self._ctx)
        if damage is not None:
            lost_from = damage.offset if self._lost_from is None else self._lost_from
            self._ctx.damage(damage.offset, damage.expected, lost=self._file.size - lost_from)

    def _plane(self, plane: Plane) -> Iterator[RawBatch]:
        if not plane.lines:
            return
        accelerator = device(plane.name)
        steps, one_works = None, False
        if accelerator is not None:
            heads = self._heads(plane)
            steps = self._device_steps(plane, heads)
            one_works = nests(accelerator[0]) and any(is_work(line.text) for line in heads)
        rows = PlaneRows(plane, self._shared, steps, one_works=one_works)
        if steps is not None and len(steps.start):
            yield rows.steps(steps)

        def derived(line: Line) -> str | None:
            """The anomaly under which a line's events are left out, "" where it has been read; None for one that is read."""
            if accelerator is None:
                return None
            if STEPS.fullmatch(line.text):
                return ""
            if is_derived(accelerator[0], line.text):
                return "derived_line_events"
            return "async_line_events" if is_async(line.text) else None

        for extents, read in self._groups(plane, derived, rows.wanted):
            rows.new_line()
            if read is None:
                yield from self._one_by_one(extents, derived, rows)
                continue
            for reason, count in zip(read.left_out, read.group.rows.tolist(), strict=True):
                self._leave_out(reason or "", count)
            for raw in read.group.names:
                self._decode(raw)
            if read.events is not None:
                yield rows.batch(read.kept.lines, read.kept.rows.tolist(), read.events, read.kept.number)

    def _groups(
        self, plane: Plane, derived: Callable[[Line], str | None], wanted: Flags | None
    ) -> Iterator[tuple[list[Extent], _Together | None]]:
        """The lines of a plane, as many as fit a window at a time: of many each window is read while the one before it is turned
        into rows. None where lines have to be read one by one."""

        def read() -> Iterator[tuple[list[Extent], _Together | None]]:
            for extents in groups(plane.lines):
                try:
                    found = _together(self._file, extents, derived, wanted)
                except Malformed:
                    found = None
                yield extents, found

        if plane.lines[-1][1] - plane.lines[0][0] < _MANY:
            yield from read()
            return
        with Background() as background:
            yield from background.ahead(read())

    def _one_by_one(
        self, extents: list[Extent], derived: Callable[[Line], str | None], rows: PlaneRows
    ) -> Iterator[RawBatch]:
        for start, end in extents:
            rows.new_line()
            line = Line()
            for events in self._kept(self._line(line, start, end, rows.wanted)):
                count = len(events.metadata_id)
                if (left_out := derived(line)) is not None:
                    self._leave_out(left_out, count)
                else:
                    yield rows.batch([line], [count], events)

    def _leave_out(self, anomaly: str, count: int) -> None:
        if anomaly:
            self._ctx.anomalies.count(anomaly, count)

    def _line(self, line: Line, start: int, end: int, wanted: Flags | None) -> Generator[Events, None, None]:
        at, read = start, partial(parse, wanted=wanted)
        try:
            while at < end:
                if self._file.at(at, 1) == bytes([EVENT_TAG]):
                    at = yield from _ahead(windows(self._file, at, end, read), end - at)
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

    def _heads(self, plane: Plane) -> list[Line]:
        """What each line says of itself before its events; of one that cannot be read what stands before the damage."""
        heads = []
        for start, end in plane.lines:
            heads.append(Line())
            with suppress(Malformed):
                head(self._file, start, end, heads[-1])
        return heads

    def _device_steps(self, plane: Plane, heads: list[Line]) -> DeviceSteps:
        """The steps that an accelerator's plane tells; what its line holds beside them is counted. A line that cannot be read
        tells none; it is damage when it is read."""
        pieces: list[tuple[int, Events]] = []
        for (start, end), line in zip(plane.lines, heads, strict=True):
            try:
                if STEPS.fullmatch(line.text):
                    pieces.extend((self._shared.base(line), events) for events in whole(self._file, start, end, line))
            except Malformed:
                continue
        steps = collected(plane, pieces)
        held = sum(len(events.metadata_id) for _, events in pieces)
        self._ctx.anomalies.count("derived_line_events", held - len(steps.start))
        return steps

    def _kept(self, reader: Generator[Events, None, None]) -> Iterator[Events]:
        """Events of a line; under --repair damage ends the line, not the file: the next line's place is known."""
        try:
            yield from reader
        except Damaged:
            return
