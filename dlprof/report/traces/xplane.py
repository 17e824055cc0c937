"""XPlane (`*.xplane.pb`) of an event table, so that TensorBoard's profile plugin opens any framework's trace.

What the plugin needs to see operators (found with xprof 2.24): a plane `/host:CPU` with lines `tf_Compute/…`, whose events
are named `scope/op:Type`; those of a device carry the stat `tf_op`. A type must look like TensorFlow's own (a capital
letter or `_`, then letters, digits and `_`), else the operator gets no type; a scope must not start with `_`. So MXNet's
`elemwise_add` becomes the type `_elemwise_add`, and a bulk `Activation,Pooling` the type `Activation_Pooling`; the raw name
stays in the scope and in the stat `dlprof_name`. Step markers carry `step_num` and `_r`, by which the plugin groups events
into steps.
A TPU, its sparse cores and the network between slices have planes of their own, as in the traces that they write: the plugin
takes their steps from the line `Steps` and what is known of an operator from its event's metadata, where it tells operators
apart by `program_id` and `symbol_id`.
Field numbers: tsl/profiler/protobuf/xplane.proto.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dlprof.analysis import columns
from dlprof.analysis.trace import steps
from dlprof.ingest.xplane.plane_names import STEPS_STREAM, is_stream
from dlprof.names import Marker
from dlprof.report import lanes
from dlprof.report.traces.protobuf_wire import entry, integer, message
from dlprof.units import PS_PER_NS

_WORK: Final = ("op", "kernel", "copy")
_STEPS: Final = ("step", "profiler_step")
_NUMBER: Final = re.compile(r"_\d+$")
_TYPE: Final = re.compile(r"[A-Z_][A-Za-z0-9_]*")
_INSTRUCTION: Final = re.compile(r"%?([\w.-]+) = ")
"""A TPU's operator as XLA writes it, `%fusion.1 = f32[8]{0} fusion(…)`."""
_TPU_PLANES: Final = (
    (re.compile(r"tpu:(\d+)"), "/device:TPU:{}", "Steps"),
    (re.compile(r"sparsecore:(\d+)\.(\d+)"), "/device:TPU:{} SparseCore {}", "Sparse Core Steps"),
    (re.compile(r"megascale:(\d+)"), "/device:CUSTOM:Megascale Trace {}", "Steps"),
)
"""Devices of a TPU's trace: their plane, and its line of steps."""
_GPU_PLANE: Final = "/device:GPU:"
_PROGRAM: Final = 1
"""The program of a TPU's operators: the table keeps no number of it, and the plugin tells none apart that has no number."""
_TF_NAME: Final = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*:[A-Z_][A-Za-z0-9_]*")


class Event(NamedTuple):
    """What is written of an event: columns of schema.EVENTS, the number of the step that a marker spans, and that of the step
    whose part work is said to be, where no thread of the host tells it."""

    name: str
    level: str
    phase: str | None
    layer: str | None
    op: str | None
    op_path: str | None
    kernel: str | None
    device: str
    stream: str
    track: int
    start_ps: int
    duration_ps: int
    step: int | None
    correlation: int | None
    category: str | None = None
    flops: int | None = None
    bytes: int | None = None
    step_of_its_own: int | None = None
    group: int | None = None


@dataclass(slots=True)
class _Plane:
    """One plane under construction: its metadata, and its lines as bytes. Ids count from 1; 0 means unset.

    name: as XPlane writes it
    steps: its line of steps, where it has one of its own
    events: id of an event's metadata by its name and what else is known of it, as bytes
    """

    name: str
    steps: str | None = None
    lines: list[bytes] = field(default_factory=list)
    events: dict[tuple[str, bytes], int] = field(default_factory=dict)
    stats: dict[str, int] = field(default_factory=dict)

    def event(self, name: str, known: bytes = b"") -> int:
        return self.events.setdefault((name, known), len(self.events) + 1)

    def text(self, name: str, value: str, place: int = 4) -> bytes:
        """A stat that holds text. place: 4 in an event, 5 in its metadata."""
        return message(place, integer(1, self._stat(name)) + message(5, value))

    def number(self, name: str, value: int, place: int = 4) -> bytes:
        """A stat that holds an integer, as `text`."""
        return message(place, integer(1, self._stat(name)) + integer(4, value))

    def _stat(self, name: str) -> int:
        return self.stats.setdefault(name, len(self.stats) + 1)

    def encoded(self, number: int) -> bytes:
        """XPlane: id 1, name 2, lines 3, event_metadata 4, stat_metadata 5."""
        parts = [integer(1, number), message(2, self.name), *(message(3, line) for line in self.lines)]
        for (name, known), id_ in self.events.items():
            symbol = self.number("symbol_id", id_, 5) if known else b""
            parts.append(entry(4, id_, integer(1, id_) + message(2, name) + known + symbol))
        parts += [entry(5, id_, integer(1, id_) + message(2, name)) for name, id_ in self.stats.items()]
        return b"".join(parts)


def encode(events: pa.Table, hostname: str = "dlprof") -> bytes:
    """An XSpace. Counter samples have no place in one: their number stands in its `warnings`."""
    origin = (events.schema.metadata or {}).get(b"origin_ns") or b"0"
    samples = int(np.sum(np.asarray(events["level"].cast(pa.string())) == "counter"))
    planes: dict[str, _Plane] = {}
    for rows in _tracks(_with_steps(events)):
        made = _plane(rows[0])
        plane = planes.setdefault(made.name, made)
        for lane, members in _lanes(rows):
            plane.lines.append(_line(plane, members, int(origin), len(plane.lines) + 1, lane))
    space = [message(1, plane.encoded(number)) for number, plane in enumerate(planes.values(), start=1)]
    if samples:
        space.append(message(3, f"{samples} counter samples are not in this file: XPlane has no place for them"))
    return b"".join([*space, message(4, hostname)])


def _plane(first: Event) -> _Plane:
    """The plane of a line, told by its first event; what has no plane of its own is written as a host's."""
    for pattern, name, steps_line in _TPU_PLANES:
        if match := pattern.fullmatch(first.device):
            return _Plane(name.format(*match.groups()), steps_line)
    on_gpu = first.device.startswith("gpu:") and first.level in ("kernel", "copy")
    return _Plane(f"{_GPU_PLANE}{first.device[4:]}" if on_gpu else "/host:CPU")


def _with_steps(events: pa.Table) -> pa.Table:
    """The events with two more columns. `step_of_its_own`: the number of the step that a marker spans, null for all others.
    `group`: of work the place of its step, where devices alone tell the steps (the plugin then finds none of its work by itself).

    A marker's name tells it, else that the producer numbered a step: then the longest marker of the host in it spans it, and
    where the host marks none, the longest of the devices' own.
    """
    level, name = columns.text(events, "level"), columns.text(events, "name")
    step, duration = columns.integers(events, "step"), columns.integers(events, "duration_ps")
    markers = [Marker.parse(value) for value in name.values]
    told = [marker.number if marker and marker.kind in _STEPS else columns.NULL for marker in markers]
    device = columns.text(events, "device")
    host = level.where("marker") & device.flags([steps.is_host(value) for value in device.values])
    own, group = (np.full(events.num_rows, columns.NULL, dtype=np.int64) for _ in range(2))
    named = np.flatnonzero(host & name.flags([number != columns.NULL for number in told]))
    if len(named):
        own[named] = np.array(told, dtype=np.int64)[name.codes[named]]
    else:
        inside = np.flatnonzero(host & (step != columns.NULL))
        if not len(inside):
            inside = np.flatnonzero(steps.told_by_devices(events))
            group = np.where(level.where(*_WORK), _places(events), columns.NULL) if len(inside) else group
        order = inside[np.lexsort((-duration[inside], step[inside]))]
        longest = order[np.diff(step[order], prepend=np.int64(columns.NULL)) != 0] if len(order) else order
        own[longest] = step[longest]
    events = events.append_column("step_of_its_own", columns.nullable(own))
    return events.append_column("group", columns.nullable(group))


def _places(events: pa.Table) -> npt.NDArray[np.int64]:
    """The place of each event's step among the steps in order of time, by which the plugin numbers the groups that it finds."""
    numbers = columns.integers(steps.table(events), "step")
    step = columns.integers(events, "step")
    order = np.argsort(numbers, kind="stable")
    at = order[np.minimum(np.searchsorted(numbers[order], step), len(numbers) - 1)]
    return np.where(numbers[at] == step, at, columns.NULL).astype(np.int64)


def _tracks(events: pa.Table) -> Iterator[list[Event]]:
    """Events of each future line: a track's work apart from its markers and calls, in order of time, outer first."""
    level: list[Any] = events["level"].cast(pa.string()).to_pylist()
    kind = np.array([{"op": 0, "kernel": 0, "copy": 0, "counter": -1}.get(name, 1) for name in level], dtype=np.int64)
    key = np.where(kind < 0, -1, events["track"].to_numpy().astype(np.int64) * 2 + kind)
    order = np.lexsort((-events["duration_ps"].to_numpy(), events["start_ps"].to_numpy(), key))
    order = order[key[order] >= 0]
    bounds = np.flatnonzero(np.diff(key[order])) + 1
    for rows in np.split(order, bounds) if len(order) else []:
        chosen: Any = pa.array(rows)
        taken = events.select(list(Event._fields)).take(chosen)
        yield [Event(*values) for values in zip(*(column.to_pylist() for column in taken.columns), strict=True)]


def _lanes(rows: list[Event]) -> Iterator[tuple[int, list[Event]]]:
    """Lanes for a line: events that overlap without nesting."""
    times: list[npt.NDArray[np.int64]] = [
        np.array(values, dtype=np.int64)
        for values in ([row.start_ps for row in rows], [row.duration_ps for row in rows])
    ]
    lane = lanes.assign(times[0] - min(0, int(times[0].min())), times[1])
    for number in range(int(lane.max()) + 1):
        yield number, [rows[at] for at in np.flatnonzero(lane == number).tolist()]


def _line(plane: _Plane, rows: list[Event], origin_ns: int, number: int, lane: int) -> bytes:
    """XLine: id 1, name 2, timestamp_ns 3, events 4 (XEvent: metadata_id 1, offset_ps 2, duration_ps 3, stats 4)."""
    base_ns = rows[0].start_ps // PS_PER_NS
    work = rows[0].level in _WORK
    stream = rows[0].stream
    if plane.steps and stream == STEPS_STREAM and not work:
        stream = plane.steps
    if work and plane.name == "/host:CPU" and not stream.startswith("tf_"):
        stream = f"tf_Compute/{stream}"
    if work and plane.name.startswith(_GPU_PLANE) and not is_stream(stream):
        stream = _gpu_stream(stream, rows)
    parts = [integer(1, number), message(2, f"{stream} lane {lane + 1}" if lane else stream)]
    parts.append(integer(3, origin_ns + base_ns))
    known: dict[tuple[Any, ...], tuple[bytes, bytes]] = {}
    for row, (start, end) in zip(rows, _inside(rows), strict=True):
        told = (row.category, row.flops, row.bytes) if plane.steps else ()
        key = (
            row.name,
            row.op_path,
            row.phase,
            row.layer,
            row.step,
            row.correlation,
            row.step_of_its_own,
            row.group,
            *told,
        )
        if key not in known:
            known[key] = _of_tpu(plane, row) if plane.steps else _named(plane, row) if work else _marked(plane, row)
        head, stats = known[key]
        time = integer(2, start - base_ns * PS_PER_NS) + integer(3, end - start)
        parts.append(message(4, head + time + stats))
    return b"".join(parts)


def _gpu_stream(stream: str, rows: list[Event]) -> str:
    """A GPU's stream as TensorFlow and JAX name it, `Stream #7(Compute)`: lines of other names repeat streams in their traces."""
    number = re.search(r"\d+", stream)
    kinds = {"Memcpy" if row.level == "copy" else "Compute" for row in rows}
    return f"Stream #{number[0] if number else rows[0].track}({','.join(sorted(kinds))})"


def _inside(rows: list[Event]) -> Iterator[tuple[int, int]]:
    """Start and end of the events of a lane, ps, those inside another strictly so: by 1 ps where they touch its ends.

    The plugin takes two operators that end in the same instant for one, and drops the inner (xprof 2.24).
    """
    around: list[tuple[int, int, int]] = []
    for row in rows:
        start, end = row.start_ps, row.start_ps + row.duration_ps
        while around and around[-1][2] <= start:
            around.pop()
        low, high = start, end
        if around and end > start:
            low, high = max(start, around[-1][0] + 1), min(end, around[-1][1] - 1)
            low, high = (low, high) if high > low else (start, end)
        around.append((low, high, end))
        yield low, high


def _named(plane: _Plane, row: Event) -> tuple[bytes, bytes]:
    """Metadata id and stats of an operator event.

    On the host the operator stands in the event's name alone: of nested events with the stat `tf_op` the plugin keeps the
    innermost, and the outer operators lose their whole time (xprof 2.24).
    """
    name = operator_name(row.name, row.phase, row.layer, row.kernel)
    stats = plane.text("dlprof_name", row.name)
    if plane.name != "/host:CPU":
        stats += plane.text("tf_op", path_name(row.op_path) if row.op_path else name)
    if row.op:
        stats += plane.text("dlprof_op", row.op)
    if row.correlation is not None:
        stats += plane.number("correlation_id", row.correlation)
    if row.group is not None:
        stats += plane.number("group_id", row.group)
    return integer(1, plane.event(name)), stats


def _of_tpu(plane: _Plane, row: Event) -> tuple[bytes, bytes]:
    """Metadata id and stats of a TPU's operator or step: the plugin reads all of an operator from its metadata.

    A step goes by its number, and by nothing that makes it the root of a group: the plugin groups a TPU's work itself.
    """
    if row.level not in _WORK:
        return integer(1, plane.event(row.name if row.step is None else str(row.step))), b""
    instruction = _INSTRUCTION.match(row.name)
    known = message(4, instruction[1]) if instruction else b""
    known += plane.number("program_id", _PROGRAM, 5)
    told = {"tf_op": row.op_path and row.op_path + ":", "hlo_category": row.category}
    known += b"".join(plane.text(name, text, 5) for name, text in told.items() if text)
    sizes = {"flops": row.flops, "bytes_accessed": row.bytes}
    known += b"".join(plane.number(name, size, 5) for name, size in sizes.items() if size is not None)
    return integer(1, plane.event(row.name, known)), b""


def _marked(plane: _Plane, row: Event) -> tuple[bytes, bytes]:
    """Metadata id and stats of a marker or call; a step marker is the root of its step."""
    step = row.step_of_its_own
    stats = b"" if step is None else plane.number("step_num", step) + plane.number("_r", 1)
    if row.level == "api" and row.correlation is not None:
        stats += plane.number("correlation_id", row.correlation)
    name = row.name
    if step is None and (marker := Marker.parse(name)) and marker.kind in _STEPS:
        name = f"{row.device} {name}"  # a device's part of a step that the host marks: no step beside it
    # Without the colon: the plugin takes every `a:b` on a host line for an operator `a` of type `b`.
    return integer(1, plane.event("dlprof step" if step is not None else name.replace(":", " "))), stats


def path_name(path: str) -> str:
    """`scope/op:Type` of a kernel's operator path, by which the plugin groups kernels. The type is the path's last component
    without the number that makes it unique (`model/dense/MatMul_1` → MatMul); none where TensorFlow has no such type, as JAX
    writes its paths (`jit(f)/dot_general:`)."""
    kind = _NUMBER.sub("", path.rpartition("/")[2])
    return f"{path}:{kind if _TYPE.fullmatch(kind) else ''}"


def operator_name(name: str, phase: str | None, layer: str | None, kernel: str | None) -> str:
    """`scope/op:Type` of an operator event; a name that TensorFlow itself wrote stays as it is."""
    if _TF_NAME.fullmatch(name):
        return name
    scope = "/".join(_safe(part) for part in (phase or "op", layer, name) if part)
    kind = _safe(kernel or name)
    return f"{scope}:{kind if kind[:1].isupper() or kind.startswith('_') else '_' + kind}"


def _safe(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "_", text)
