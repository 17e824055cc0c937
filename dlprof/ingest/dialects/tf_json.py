"""Reads TensorFlow's and JAX's chrome traces: `trace.json` of TF 2.2–2.10 and JAX, and the RunMetadata timelines of TF 1.

A trace.json is made from the XPlane beside it and says less: it has no compiled modules, so that an instruction is called after
its name, and it counts in microseconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
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
from dlprof.ingest.protobuf.valid_times import in_range
from dlprof.ingest.reader import Context
from dlprof.ingest.source import Source
from dlprof.ingest.xplane.hlo_names import communication, hlo_operator, instruction, moving
from dlprof.ingest.xplane.plane_names import (
    NETWORK,
    STEPS,
    OpName,
    annotation,
    device,
    host_op,
    is_async,
    is_copy,
    is_derived,
    is_work,
    nests,
)
from dlprof.ingest.xplane.producers import is_jax, is_tensorflow
from dlprof.ingest.xplane.run_programs import called_program
from dlprof.ingest.xplane.run_steps import STEP_MARKER, RunSteps, is_launch
from dlprof.ingest.xplane.unknown_lines import UnknownLines
from dlprof.names import PREFIX
from dlprof.plugin import Operator, Vocabulary

CAP: Final = 1_000_000
"""TensorFlow keeps the earliest million events of a trace.json and drops the rest without a word."""
_TELLING: Final = re.compile(rb'"(?:hlo_op|step_num|run_id|group_id)"')
"""Arguments of a host event that say more than its name; others' are not decoded."""

_Number = str | int | float | None


class _Args(msgspec.Struct, gc=False):
    """Arguments of an event; TensorFlow writes all of them as text."""

    correlation_id: _Number = None
    annotation: str | None = None
    level0: str | None = msgspec.field(default=None, name="level 0")
    name: str | None = None
    tf_op: str | None = None
    hlo_op: str | None = None
    hlo_category: str | None = None
    hlo_module: str | None = None
    step_num: _Number = None
    run_id: _Number = None
    group_id: _Number = None
    device_duration_ps: _Number = None
    flops: _Number = None
    bytes_accessed: _Number = None

    def operator(self) -> str | None:
        """Path of the operator, from the best argument that names one (protobuf.stat_columns has the same)."""
        told = (self.tf_op, self.name, self.annotation, self.level0)
        return next((text for text in told if text and text != "XlaModule:"), None)


_NO_ARGS: Final = _Args()
_DERIVED, _ASYNC, _STEPS, _UNKNOWN = 1, 2, 3, 4
"""Lines of a device that hold no work of their own."""
_HOST: Final = -1
"""Code of a process that is no device; of a device its kind's place in `kinds`."""


@dataclass(frozen=True, slots=True)
class _Row:
    """What an event is, column by column; None where it has none."""

    level: int
    operator: OpName | None = None
    lookup: str | None = None
    kernel: str | None = None
    category: str | None = None


@dataclass(slots=True)
class TraceJsonDialect(Dialect):
    """What the events of a trace.json of TensorFlow or JAX mean (json.walk.Dialect).

    seen: events so far
    wrote: which frameworks' names were met
    unknown: lines of TPUs that hold nobody knows what
    modules: code of each compiled module's name
    rows, codes: what events are, each once, and the place in `rows` by what tells it
    """

    tracks: dict[tuple[Any, Any], int] = field(default_factory=dict)
    seen: int = 0
    steps: RunSteps = field(default_factory=RunSteps)
    modules: dict[str, int] = field(default_factory=dict)
    names_seen: dict[str, bool] = field(default_factory=dict)
    wrote: set[str] = field(default_factory=set)
    kinds: list[str] = field(default_factory=list)
    rows: list[_Row] = field(default_factory=list)
    codes: dict[tuple[Any, ...], int] = field(default_factory=dict)
    unknown: UnknownLines = field(default_factory=UnknownLines)

    def dropped(self, events: Sequence[Event], ph: npt.NDArray[np.uint8]) -> Mask | None:
        """Rows of derived lines, which repeat the time of the streams."""
        whole = ph == ord("X")
        self.seen += int(whole.sum())
        line = keyed([(event.pid, event.tid) for event in events], self._line)
        left_out = np.zeros(len(events), dtype=bool)
        for kind, anomaly in ((_DERIVED, "derived_line_events"), (_ASYNC, "async_line_events")):
            found = (line == kind) & whole
            self.ctx.anomalies.count(anomaly, int(found.sum()))
            left_out |= found
        steps = np.flatnonzero((line == _STEPS) & whole).tolist()
        unnumbered = [at for at in steps if _step_number(events[at]) == NO_INT]
        self.ctx.anomalies.count("derived_line_events", len(unnumbered))
        left_out[unnumbered] = True
        return left_out

    def _line(self, process: Any, thread: Any) -> int:
        """What a line of a device is; 0 for one that holds work, and for a thread of the host."""
        place, line = device(self.names.processes.get(process, "")), self.names.threads.get((process, thread), "")
        if place is None:
            return 0
        if STEPS.fullmatch(line):
            return _STEPS
        if is_derived(place[0], line) or is_async(line):
            return _DERIVED if is_derived(place[0], line) else _ASYNC
        if not nests(place[0]) or is_work(line):
            return 0
        beside = (name for (owner, _), name in self.names.threads.items() if owner == process)
        return _UNKNOWN if any(map(is_work, beside)) else 0

    def batch(self, rows: list[Event], ph: Phases, start: Int64, duration: Int64) -> RawBatch:  # noqa: ARG002
        """Columns of a chunk. ph: TensorFlow writes nothing but complete events."""
        kinds = keyed([(event.pid,) for event in rows], self._kind)
        on_device = kinds != _HOST
        args = [
            _args(event) if there or _TELLING.search(event.args) else _NO_ARGS
            for event, there in zip(rows, on_device.tolist(), strict=True)
        ]
        line = keyed([(event.pid, event.tid) for event in rows], self._line)
        marks, unknown = line == _STEPS, line == _UNKNOWN
        accelerated = self._accelerated()
        codes = np.fromiter(
            (
                self._code(event, arg, kind, accelerated)
                for event, arg, kind in zip(rows, args, kinds.tolist(), strict=True)
            ),
            dtype=np.int64,
            count=len(rows),
        )
        codes[marks] = self._known(("a step",), lambda: _Row(LEVEL["marker"], category=STEP_MARKER))
        codes[unknown] = self._known(("unknown",), lambda: _Row(LEVEL["marker"]))
        used, at = np.unique(codes, return_inverse=True)
        found = [self.rows[code] for code in used.tolist()]
        track = keyed([(event.pid, event.tid) for event in rows], self._track).astype(np.int32)
        names = name_codes(self.ctx, rows)
        named = self._names_that(lambda name: name.startswith(PREFIX), names)
        step = np.where(on_device | named, NO_INT, _numbers(args, "step_num"))
        for row in np.flatnonzero(marks).tolist():
            step[row] = _step_number(rows[row])
        own = _numbers(args, "device_duration_ps")
        duration = np.where(on_device & ~marks & (own >= 0), own, duration)
        for row in np.flatnonzero(unknown).tolist():
            name = self.names.threads.get((rows[row].pid, rows[row].tid), "")
            self.unknown.add(name or str(rows[row].tid), 1, int(duration[row]))
        pool = self.ctx.pool
        category = pool("category").encode(row.category for row in found)[at]
        return RawBatch(
            track=track,
            name=names,
            start_ps=start,
            duration_ps=duration,
            level=np.array([row.level for row in found], dtype=np.int8)[at],
            lookup=pool("lookup").encode(row.lookup for row in found)[at],
            op_path=pool("op_path").encode(row.operator.path if row.operator else None for row in found)[at],
            kernel=pool("kernel").encode(row.kernel for row in found)[at],
            category=np.where(category == NO_TEXT, category_codes(self.ctx, rows), category).astype(np.int32),
            correlation=_numbers(args, "correlation_id"),
            flops=_numbers(args, "flops"),
            bytes=_numbers(args, "bytes_accessed"),
            step=step,
            run=self._runs(names, args, track, start, duration, np.where(marks, NO_INT, step)),
            args=argument_texts(rows),
        )

    def _code(self, event: Event, args: _Args, kind: int, accelerated: bool) -> int:
        """The code of what an event is, worked out once for all that are alike in what tells it."""
        if args is _NO_ARGS:
            return self._known((kind, event.name), lambda: self._row(event, args, kind, accelerated))
        numbered = _number(args.step_num) != NO_INT
        told = (kind, event.name, args.operator(), args.hlo_op, args.hlo_category, numbered, accelerated)
        if args.hlo_op:
            self.wrote.add("xla")
        return self._known(told, lambda: self._row(event, args, kind, accelerated))

    def _known(self, told: tuple[Any, ...], row: Callable[[], _Row]) -> int:
        code = self.codes.get(told)
        if code is None:
            code = self.codes[told] = len(self.rows)
            self.rows.append(row())
        return code

    def _names_that(self, are: Callable[[str], bool], names: Int32) -> Mask:
        """Rows whose name is so; each name that the rows have is asked once."""
        texts = self.ctx.pool("name").values_list
        used, at = np.unique(names, return_inverse=True)
        return np.array([are(texts[code]) for code in used.tolist()], dtype=bool)[at]

    def _row(self, event: Event, args: _Args, kind: int, accelerated: bool) -> _Row:
        if args.operator():
            self.wrote.add("jax" if is_jax(args.operator() or "") else "tensorflow")
        if kind != _HOST:
            return self._device_row(event, args, self.kinds[kind])
        if event.name.startswith(PREFIX):
            return _Row(LEVEL["marker"])
        if _number(args.step_num) != NO_INT:
            return _Row(LEVEL["marker"], category=STEP_MARKER)
        operator = host_op(event.name)
        if operator is not None:
            lookup = operator.type or event.name
            return _Row(LEVEL["op"], operator, lookup, lookup)
        if args.hlo_op and not accelerated:
            base = instruction(args.hlo_op)
            return _Row(LEVEL["op"], lookup=base, kernel=base)
        return _Row(LEVEL["api"])

    def _device_row(self, event: Event, args: _Args, kind: str) -> _Row:
        copied = is_copy(event.name)
        level = LEVEL["copy" if copied else "kernel"]
        kernel = None if copied else event.name
        if kind == NETWORK:
            return _Row(level, None, communication(event.name), kernel)
        told = args.operator()
        moved = None if copied else moving(args.hlo_op, event.name, args.hlo_category)
        if told is not None:
            operator = annotation(told)
            return _Row(level, operator, moved or operator.type or event.name, kernel, args.hlo_category)
        named = moved or instruction(args.hlo_op or event.name) if args.hlo_op or nests(kind) else None
        return _Row(level, None, named, kernel, args.hlo_category)

    def _runs(self, names: Int32, args: list[_Args], track: Int32, start: Int64, duration: Int64, step: Int64) -> Int64:
        """The execution or group that each event is part of."""
        self.steps.note(track, start, duration, step, self._names_that(self._launches, names))
        self.steps.programs.note_calls(track, start, duration, self._calls(names))
        run = self.steps.coded(_numbers(args, "run_id"), start)
        if (run != NO_INT).any():
            self.steps.programs.note(run, track, start, self._modules([arg.hlo_module for arg in args]), None)
        group = self.steps.grouped(_numbers(args, "group_id"), step)
        return np.where(group == NO_INT, run, group)

    def _calls(self, names: Int32) -> Int32:
        """The module that each event calls by its name, NO_TEXT of what is no call."""
        texts = self.ctx.pool("name").values_list
        used, at = np.unique(names, return_inverse=True)
        return self._modules([called_program(texts[code]) for code in used.tolist()])[at]

    def _modules(self, names: Sequence[str | None]) -> Int32:
        """Codes of compiled modules, NO_TEXT for none."""
        known = self.modules
        codes = [NO_TEXT if name is None else known.setdefault(name, len(known)) for name in names]
        return np.array(codes, dtype=np.int32)

    def _launches(self, name: str) -> bool:
        known = self.names_seen.get(name)
        if known is None:
            known = self.names_seen[name] = is_launch(name)
            if is_jax(name):
                self.wrote.add("jax")
            elif is_tensorflow(name):
                self.wrote.add("tensorflow")
        return known

    def _kind(self, process: Any) -> int:
        place = device(self.names.processes.get(process, ""))
        if place is None:
            return _HOST
        if place[0] not in self.kinds:
            self.kinds.append(place[0])
        return self.kinds.index(place[0])

    def _accelerated(self) -> bool:
        return any(device(name) for name in self.names.processes.values())

    def _track(self, process: Any, thread: Any) -> int:
        code = self.tracks.get((process, thread))
        if code is None:
            stream = self.names.threads.get((process, thread)) or str(thread)
            place = device(self.names.processes.get(process, ""))
            where = f"{place[0]}:{place[1]}" if place else "host" if self._accelerated() else "cpu:0"
            on_device = place is not None
            code = self.ctx.track(
                where, stream, f"{process}/{thread}", on_device=on_device, nests=place is not None and nests(place[0])
            )
            self.tracks[process, thread] = code
        return code

    def finish(self) -> None:
        """Says who wrote the file, which step launched what, and where the cap was hit."""
        self.ctx.run_steps, self.ctx.run_launches = self.steps.table(), self.steps.launched()
        self.unknown.report(self.ctx)
        self.ctx.producer = next((name for name in ("jax", "tensorflow", "xla") if name in self.wrote), "xplane")
        if self.seen >= CAP:
            self.ctx.completeness["cap"] = (
                f"TensorFlow keeps the earliest {CAP} events of a trace.json and this one is full: later steps are missing"
            )


def _step_number(event: Event) -> int:
    """The number of a step of a device's own line: its argument's, else its name; NO_INT where neither is one."""
    told = _number(_args(event).step_num)
    name = event.name
    named = int(name) if name.isascii() and name.isdigit() and len(name) <= 18 else NO_INT
    return told if told >= 0 else named


def _args(event: Event) -> _Args:
    try:
        return msgspec.json.decode(event.args, type=_Args)
    except (msgspec.DecodeError, RecursionError):
        return _NO_ARGS


def _number(value: _Number) -> int:
    """An integer argument, NO_INT where it is none."""
    try:
        number = NO_INT if value is None else int(value)
    except (ValueError, OverflowError):
        return NO_INT
    return number if -(2**63) < number < 2**63 else NO_INT


def _numbers(args: list[_Args], name: str) -> Int64:
    found = np.full(len(args), NO_INT, dtype=np.int64)
    for row, each in enumerate(args):
        if each is not _NO_ARGS and (value := getattr(each, name)) is not None:
            found[row] = _number(value)
    return found


class TraceJsonReader:
    """Reader of kind tf-trace-json (reader.Reader)."""

    producer = "tensorflow"

    def read(self, source: Source, ctx: Context) -> Iterator[RawBatch]:
        """Streams the host events, operators, kernels and copies of one trace.json."""
        for batch in ChromeFile(source, TraceJsonDialect(ctx)).batches():
            yield in_range(batch, ctx.anomalies)

    def operator(self, name: str, vocabulary: Vocabulary) -> Operator | None:
        """The meaning of an operator type or of an instruction's name."""
        return vocabulary.get(name) or hlo_operator(name, vocabulary)


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
