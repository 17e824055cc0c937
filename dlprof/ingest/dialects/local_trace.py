"""`local.trace` of TensorFlow 2.0 and 2.1: a protobuf of devices (field 1) and events (field 4) on their threads.

TraceEvent: 1 device, 2 resource (thread or stream), 3 name, 9 timestamp_ps, 10 duration_ps, 11 args (map). Times are whole
microseconds in that release, so many durations are 0.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from dlprof.ingest.batch import LEVEL, Int32, Int64, RawBatch
from dlprof.ingest.protobuf.event_windows import EVENT_TAG, Frame, by_tag, sizes, skip_unknown, windows
from dlprof.ingest.protobuf.space import ByteFile
from dlprof.ingest.protobuf.valid_times import in_range, moved
from dlprof.ingest.protobuf.wire import BYTES, VARINT, Malformed, Window, fields
from dlprof.ingest.reader import Context
from dlprof.ingest.source import Source
from dlprof.ingest.xplane.plane_names import OpName, host_op, is_copy
from dlprof.names import is_marker, restored
from dlprof.plugin import Operator, Vocabulary
from dlprof.units import PS_PER_NS

_NAME_TAG: Final = 0x1A
_ARG_TAG: Final = 0x5A
_NUMBER_TAGS: Final = (0x08, 0x10, 0x48, 0x50)
_ON_DEVICE: Final = "device="
_GPU: Final = re.compile(r"(?i).*/(?:device:)?gpu:(\d+)")


@dataclass(frozen=True, slots=True)
class _Events:
    """A window of events.

    name_*: extents of the names in the window
    args: rows of (event, start, end), extents in the window
    others: shape (n,)
    """

    window: Window
    device: Int64
    resource: Int64
    start_ps: Int64
    duration_ps: Int64
    name_start: Int64
    name_end: Int64
    args: list[tuple[int, int, int]]
    unknown_fields: int


@dataclass(slots=True)
class _Device:
    name: str = ""
    resources: dict[int, str] = field(default_factory=dict)


def _parse(window: Window, start: Int64, end: Int64) -> _Events:
    """The TraceEvents with bodies [start, end). Raises `Malformed` with an offset in the window."""
    count = len(start)
    columns = {tag: np.zeros(count, dtype=np.int64) for tag in _NUMBER_TAGS}
    name_start, name_end = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    args: list[tuple[int, int, int]] = []
    unknown = 0
    frame = Frame(start, end)
    while len(frame.rows):
        tag, value, after = window.field(frame.at)
        for code, here in by_tag(tag):
            rows = frame.rows[here]
            if code in columns:
                columns[code][rows] = value[here].view(np.int64)
            elif code in (_NAME_TAG, _ARG_TAG):
                body = after[here].copy()
                after[here] = body + sizes(value[here], frame.at[here])
                if code == _NAME_TAG:
                    name_start[rows], name_end[rows] = body, after[here]
                else:
                    args.extend(zip(rows.tolist(), body.tolist(), after[here].tolist(), strict=True))
            else:
                unknown += skip_unknown(window, frame, here, after)
        frame.advance(after, "an event")
    device, resource, at, length = (columns[tag] for tag in _NUMBER_TAGS)
    return _Events(window, device, resource, at, length, name_start, name_end, args, unknown)


def _kind(name: str, on_device: bool, args: Mapping[str, str]) -> tuple[int, str | None, str | None, str | None]:
    """(level, operator path, operator type, kernel) of an event.

    Its name is the bare type in these releases. 2.1 writes `scope/op:Type` as the argument `long name`; in 2.0 a label that
    names the device it ran on tells an operator, for the executor writes that for operators only.
    """
    if on_device:
        return LEVEL["copy" if is_copy(name) else "kernel"], None, None, name
    if is_marker(name):
        return LEVEL["marker"], None, None, None
    executed = _ON_DEVICE in args.get("label", "")
    operator = host_op(args.get("long name", name)) or (OpName("", name) if executed else None)
    if operator is None:
        return LEVEL["api"], None, None, None
    return LEVEL["op"], operator.path or None, operator.type, operator.type


class LocalTraceReader:
    """Reads local.trace files."""

    producer = "tensorflow"

    def read(self, source: Source, ctx: Context) -> Iterator[RawBatch]:
        """See `reader.Reader`."""
        with source.open_seekable() as raw:
            yield from _FileReader(ByteFile(raw), ctx).read()

    def operator(self, name: str, vocabulary: Vocabulary) -> Operator | None:
        """See `reader.Reader`."""
        return vocabulary.get(name)


READER: Final = LocalTraceReader()


class _FileReader:
    """Reads one file; devices are written before events."""

    def __init__(self, file: ByteFile, ctx: Context) -> None:
        self._file = file
        self._ctx = ctx
        self._devices: dict[int, _Device] = {}

    def read(self) -> Iterator[RawBatch]:
        at = 0
        try:
            while at < self._file.size:
                if self._file.at(at, 1) == bytes([EVENT_TAG]):
                    run = windows(self._file, at, self._file.size, _parse)
                    while True:
                        try:
                            events = next(run)
                        except StopIteration as stop:
                            at = stop.value
                            break
                        yield in_range(self._batch(events), self._ctx.anomalies)
                    continue
                part = next(self._file.walk(at, self._file.size))
                if part.number == 1 and part.wire == BYTES:
                    self._device(self._file.content(part), part.start)
                at = part.end
        except Malformed as error:
            self._ctx.damage(error.offset, error.expected, lost=self._file.size - error.offset)

    def _device(self, data: bytes, base: int) -> None:
        try:
            key, device = 0, _Device()
            for entry in fields(data, 0, len(data)):
                if entry.number == 1 and entry.wire == VARINT:
                    key = entry.value
                elif entry.number == 2 and entry.wire == BYTES:
                    device = self._parse_device(data, entry.start, entry.end)
            self._devices[key] = device
        except Malformed as error:
            raise Malformed(base + error.offset, error.expected) from None

    def _parse_device(self, data: bytes, start: int, end: int) -> _Device:
        device = _Device()
        for part in fields(data, start, end):
            if part.number == 1 and part.wire == BYTES:
                device.name = self._text(data[part.start : part.end])
            elif part.number == 3 and part.wire == BYTES:
                entry = list(fields(data, part.start, part.end))
                key = next((f.value for f in entry if f.number == 1), 0)
                for message in (f for f in entry if f.number == 2 and f.wire == BYTES):
                    for inner in fields(data, message.start, message.end):
                        if inner.number == 1 and inner.wire == BYTES:
                            device.resources[key] = self._text(data[inner.start : inner.end])
        return device

    def _batch(self, events: _Events) -> RawBatch:
        ctx, data = self._ctx, events.window.data
        ctx.anomalies.count("unknown_field", events.unknown_fields)
        texts = [data[a:b] for a, b in zip(events.name_start.tolist(), events.name_end.tolist(), strict=True)]
        names = {raw: restored(self._text(raw)) for raw in set(texts)}
        rows = [names[raw] for raw in texts]
        tracks, on_device = self._tracks(events)
        args = self._args(events)
        known: list[dict[str, str]] = args or [{}] * len(rows)
        kinds = [_kind(name, gpu, each) for name, gpu, each in zip(rows, on_device.tolist(), known, strict=True)]
        pools = {column: ctx.pool(column) for column in ("op_path", "lookup", "kernel")}
        return RawBatch(
            track=tracks,
            name=ctx.pool("name").encode(rows),
            start_ps=self._start(events),
            duration_ps=np.maximum(events.duration_ps, 0),
            level=np.array([kind[0] for kind in kinds], dtype=np.int8),
            op_path=pools["op_path"].encode(kind[1] for kind in kinds),
            lookup=pools["lookup"].encode(kind[2] for kind in kinds),
            kernel=pools["kernel"].encode(kind[3] for kind in kinds),
            args=[json.dumps(each, ensure_ascii=False) if each else None for each in args] if args else None,
        )

    def _start(self, events: _Events) -> Int64:
        """Starts relative to the file's first window: the file counts from the profile's start or from 1970."""
        if self._ctx.origin_ns is None and len(events.start_ps):
            low = int(events.start_ps.min()) // PS_PER_NS
            if low > 10**15:
                self._ctx.origin_ns = low
        return moved(events.start_ps, [-(self._ctx.origin_ns or 0)], [len(events.start_ps)])

    def _tracks(self, events: _Events) -> tuple[Int32, npt.NDArray[np.bool_]]:
        pairs, inverse = np.unique(np.stack([events.device, events.resource]), axis=1, return_inverse=True)
        codes, on_device = [], []
        accelerated = any(_GPU.match(device.name) for device in self._devices.values())
        for device_id, resource_id in pairs.T.tolist():
            device = self._devices.get(device_id, _Device())
            stream = device.resources.get(resource_id) or f"thread {resource_id}"
            gpu = _GPU.match(device.name)
            name = f"gpu:{gpu[1]}" if gpu else "host" if accelerated else "cpu:0"
            codes.append(self._ctx.track(name, stream, f"{device_id}/{resource_id}", on_device=gpu is not None))
            on_device.append(gpu is not None)
        inverse = inverse.reshape(-1)
        return np.array(codes, dtype=np.int32)[inverse], np.array(on_device, dtype=bool)[inverse]

    def _args(self, events: _Events) -> list[dict[str, str]]:
        """The arguments of each event; empty where no event has any."""
        if not events.args:
            return []
        found: dict[int, dict[str, str]] = {}
        data = events.window.data
        for row, start, end in events.args:
            texts = {part.number: self._text(data[part.start : part.end]) for part in fields(data, start, end)}
            found.setdefault(row, {})[texts.get(1, "")] = texts.get(2, "")
        return [found.get(row, {}) for row in range(len(events.device))]

    def _text(self, raw: bytes) -> str:
        try:
            return raw.decode()
        except UnicodeDecodeError:
            self._ctx.anomalies.count("text_not_utf8")
            return raw.decode(errors="replace")
