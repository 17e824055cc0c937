"""XPlane (`*.xplane.pb`) of TensorFlow and JAX: planes of lines of events, read without protobuf classes.

Times: event start = line.timestamp_ns + offset_ps / 1000, relative to the profile's start where the file tells it (plane
`Task Environment`), else absolute or relative as written. Derived lines repeat the time of others and are left out, counted.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from typing import Final

from dlprof.ingest.background import Background
from dlprof.ingest.batch import Int64, RawBatch
from dlprof.ingest.protobuf.event_windows import EVENT_TAG, WINDOW_BYTES, Events, parse, windows
from dlprof.ingest.protobuf.small_lines import Extent, Line, begun, groups, together
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

        for extents in groups(plane.lines):
            rows.new_line()
            try:
                read = self._together(extents, derived)
            except Malformed:
                for start, end in extents:
                    rows.new_line()
                    line = Line()
                    for events in self._kept(self._line(line, start, end)):
                        count = len(events.metadata_id)
                        if (left_out := derived(line)) is not None:
                            self._leave_out(left_out, count)
                        else:
                            yield rows.batch([line], [count], events, None)
            else:
                if read is not None:
                    yield rows.batch(*read)

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
            self._leave_out(derived(run.line) or "", len(run.starts))
        for raw in group.names:
            self._decode(raw)
        if events is None:
            return None
        rows = [len(run.starts) for run in kept]
        return [run.line for run in kept], rows, events, begun(kept)

    def _leave_out(self, anomaly: str, count: int) -> None:
        if anomaly:
            self._ctx.anomalies.count(anomaly, count)

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
