"""Reads TensorFlow's chrome traces: `trace.json` of TF 2.2–2.10 and the RunMetadata timelines of TF 1."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from dlprof.ingest.batch import LEVEL, NO_INT, NO_TEXT, Int32, Int64, RawBatch
from dlprof.ingest.dialects.tf_timeline import TimelineDialect
from dlprof.ingest.json.common_columns import argument_texts, category_codes, keyed, name_codes
from dlprof.ingest.json.elements import Event
from dlprof.ingest.json.walk import ChromeFile, Dialect, Mask, Phases
from dlprof.ingest.protobuf.plane_names import annotation, device, host_op, is_copy, is_derived
from dlprof.ingest.reader import Context
from dlprof.ingest.source import Source
from dlprof.names import is_marker
from dlprof.plugin import Operator, Vocabulary

CAP: Final = 1_000_000
"""TensorFlow keeps the earliest million events of a trace.json and drops the rest without a word."""


class _Args(msgspec.Struct, gc=False):
    """Arguments of a GPU event; TensorFlow writes all of them as text."""

    correlation_id: str | int | None = None
    annotation: str | None = None
    level0: str | None = msgspec.field(default=None, name="level 0")
    tf_op: str | None = None

    def operator(self) -> str | None:
        return self.tf_op or self.annotation or self.level0


@dataclass(slots=True)
class TraceJsonDialect(Dialect):
    """A trace.json (json.walk.Dialect). seen: events so far."""

    tracks: dict[tuple[Any, Any], int] = field(default_factory=dict)
    seen: int = 0

    def dropped(self, events: Sequence[Event], ph: npt.NDArray[np.uint8]) -> Mask | None:
        """Rows of derived lines, which repeat the time of the streams."""
        self.seen += int((ph == ord("X")).sum())
        derived = keyed([(event.pid, event.tid) for event in events], self._is_derived).astype(bool)
        derived &= ph == ord("X")
        self.ctx.anomalies.count("derived_line_events", int(derived.sum()))
        return derived

    def _is_derived(self, process: Any, thread: Any) -> bool:
        place = device(self.names.processes.get(process, ""))
        return place is not None and is_derived(place[0], self.names.threads.get((process, thread), ""))

    def batch(self, rows: list[Event], ph: Phases, start: Int64, duration: Int64) -> RawBatch:  # noqa: ARG002
        """Columns of a chunk. ph: TensorFlow writes nothing but complete events."""
        on_device = keyed([(event.pid,) for event in rows], self._on_device).astype(bool)
        args = [_args(event) if there else None for event, there in zip(rows, on_device, strict=True)]
        path, lookup, level = (np.full(len(rows), NO_TEXT, dtype=np.int32) for _ in range(3))
        pool = self.ctx.pool
        for index, (event, arg) in enumerate(zip(rows, args, strict=True)):
            if arg is not None:
                level[index] = LEVEL["copy" if is_copy(event.name) else "kernel"]
                operator = annotation(found) if (found := arg.operator()) else None
            else:
                operator = host_op(event.name)
                level[index] = LEVEL["op" if operator else "marker" if is_marker(event.name) else "api"]
            if operator is not None:
                path[index] = pool("op_path")[operator.path]
                lookup[index] = pool("lookup")[operator.type or event.name]
        return RawBatch(
            track=keyed([(event.pid, event.tid) for event in rows], self._track),
            name=name_codes(self.ctx, rows),
            start_ps=start,
            duration_ps=duration,
            level=level.astype(np.int8),
            lookup=lookup,
            op_path=path,
            kernel=self._kernels(rows, lookup, level),
            category=category_codes(self.ctx, rows),
            correlation=np.array([_correlation(arg) for arg in args], dtype=np.int64),
            args=argument_texts(rows),
        )

    def _kernels(self, rows: list[Event], lookup: Int32, level: Int32) -> Int32:
        """On a device the event's name, on a host the operator's type."""
        types = self.ctx.pool("lookup").values_list
        names = [
            event.name if kind == LEVEL["kernel"] else types[code] if kind == LEVEL["op"] else None
            for event, code, kind in zip(rows, lookup.tolist(), level.tolist(), strict=True)
        ]
        return self.ctx.pool("kernel").encode(names)

    def _on_device(self, process: Any) -> bool:
        return device(self.names.processes.get(process, "")) is not None

    def _track(self, process: Any, thread: Any) -> int:
        code = self.tracks.get((process, thread))
        if code is None:
            stream = self.names.threads.get((process, thread)) or str(thread)
            place = device(self.names.processes.get(process, ""))
            accelerated = any(device(name) for name in self.names.processes.values())
            where = f"{place[0]}:{place[1]}" if place else "host" if accelerated else "cpu:0"
            code = self.ctx.track(where, stream, f"{process}/{thread}", on_device=place is not None)
            self.tracks[process, thread] = code
        return code

    def finish(self) -> None:
        """Says where the cap was hit."""
        if self.seen >= CAP:
            self.ctx.completeness["cap"] = (
                f"TensorFlow keeps the earliest {CAP} events of a trace.json and this one is full: later steps are missing"
            )


def _args(event: Event) -> _Args:
    try:
        return msgspec.json.decode(event.args, type=_Args)
    except msgspec.DecodeError:
        return _Args()


def _correlation(args: _Args | None) -> int:
    value = args.correlation_id if args else None
    try:
        return NO_INT if value is None else int(value)
    except ValueError:
        return NO_INT


class TraceJsonReader:
    """Reader of kind tf-trace-json (reader.Reader)."""

    producer = "tensorflow"

    def read(self, source: Source, ctx: Context) -> Iterator[RawBatch]:
        """Streams the host events, operators, kernels and copies of one trace.json."""
        yield from ChromeFile(source, TraceJsonDialect(ctx)).batches()

    def operator(self, name: str, vocabulary: Vocabulary) -> Operator | None:
        """The meaning of an operator type."""
        return vocabulary.get(name)


class TimelineReader:
    """Reader of kind tf1-timeline (reader.Reader)."""

    producer = "tensorflow"

    def read(self, source: Source, ctx: Context) -> Iterator[RawBatch]:
        """Streams the operators and GPU work of one TF 1 timeline."""
        yield from ChromeFile(source, TimelineDialect(ctx)).batches()

    def operator(self, name: str, vocabulary: Vocabulary) -> Operator | None:
        """The meaning of an operator type."""
        return vocabulary.get(name)


READER: Final = TraceJsonReader()
TIMELINE_READER: Final = TimelineReader()
