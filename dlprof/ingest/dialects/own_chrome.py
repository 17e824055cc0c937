"""Reads back what `dlprof export --to chrome` wrote of one capture: nothing is derived anew that the file states.

Level, operator, phase, layer, source line, step, calls and launch stand on each event; device, host, rank and track in the
metadata. Lanes of a track are one track again; self times follow from nesting, as they did when the capture was read. Of
counters the file has names and values alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any, Final

import msgspec
import numpy as np

from dlprof import schema
from dlprof.ingest.batch import LEVEL, NO_INT, NO_STEP, NO_TEXT, Int32, Int64, RawBatch
from dlprof.ingest.json.common_columns import counter_value, keyed, name_codes
from dlprof.ingest.json.elements import Event
from dlprof.ingest.json.walk import ChromeFile, Dialect, Mask, Phases
from dlprof.ingest.reader import Context
from dlprof.ingest.source import Source
from dlprof.plugin import Operator, Vocabulary

_STATED: Final = "dlprof!"
"""Set before what an event states of its operator, which stands in the place of a name to look up."""
_MOST: Final = 2**31
_MOST_CALLS: Final = 255
"""Calls that one execution stands for; it is 0 to 2 in all vocabularies, and products with executions must fit."""
_PRODUCER: Final = re.compile(r"[a-z][\w.+-]{0,39}", re.ASCII)


class _Stated(msgspec.Struct, gc=False):
    """What an event states (report.traces.chrome)."""

    id: int = NO_INT
    op: str = ""
    phase: str | None = None
    layer: str | None = None
    source_line: str | None = None
    fuses: str = ""
    kernel: str | None = None
    op_path: str | None = None
    shape: str | None = None
    dtype: str | None = None
    category: str | None = None
    step: int | None = None
    bytes: int = NO_INT
    flops: int = NO_INT
    correlation: int = NO_INT
    launch: int = NO_INT
    occurrences: int = 1
    calls: int | None = None
    recorded: str | None = None

    def operator(self) -> str:
        """The stated operator as one text (`OwnReader.operator`)."""
        each = 1 if self.calls is None else self.calls // max(self.occurrences, 1)
        phase = self.phase if self.phase in schema.PHASES else None
        return _STATED + json.dumps([self.op, phase, self.fuses, each if 0 <= each <= _MOST_CALLS else 1])

    def number(self) -> int | None:
        """The step, where it states one."""
        return None if self.step is None or not 0 <= self.step < _MOST else self.step


class _Owner(msgspec.Struct, gc=False):
    """What metadata state of a process and of a thread."""

    device: str = "host"
    host: str | None = None
    rank: int | None = None
    track: int | None = None
    stream: str = "counters"
    nests: bool = False


_DECODER: Final = msgspec.json.Decoder(list[_Stated])
_OPERATOR: Final = msgspec.json.Decoder(tuple[str, str | None, str, int])
_ONE: Final = msgspec.json.Decoder(_Stated)


@dataclass(slots=True)
class OwnDialect(Dialect):
    """What the events of a trace that dlprof exported mean (json.walk.Dialect).

    steps: number → place in Context.run_steps; the first place is of none
    """

    processes: dict[Any, _Owner] = field(default_factory=dict)
    threads: dict[tuple[Any, Any], _Owner] = field(default_factory=dict)
    steps: dict[int | None, int] = field(default_factory=lambda: {None: 0})

    def dropped(self, events: Sequence[Event], ph: Phases) -> Mask | None:
        """Nothing; takes what metadata state beside the names."""
        for event in compress(events, ph == ord("M")):
            try:
                owner = msgspec.json.decode(event.args, type=_Owner)
            except (msgspec.DecodeError, RecursionError):
                continue
            if event.name == "process_name":
                self.processes[event.pid] = owner
            elif event.name == "thread_name":
                self.threads[event.pid, event.tid] = owner
        return None

    def batch(self, rows: list[Event], ph: Phases, start: Int64, duration: Int64) -> RawBatch:
        """Columns of a chunk."""
        counters = ph == ord("C")
        stated = self._stated(rows, counters)
        level = np.array([LEVEL.get(event.cat or "", NO_TEXT) for event in rows], dtype=np.int8)
        level[counters] = LEVEL["counter"]
        value = np.full(len(rows), np.nan)
        value[counters] = [counter_value(event) for event in compress(rows, counters)]
        ids, launch = _ints([one.id for one in stated]), _ints([one.launch for one in stated])
        return RawBatch(
            track=keyed([(event.pid, event.tid) for event in rows], self._track),
            name=name_codes(self.ctx, rows),
            start_ps=start,
            duration_ps=duration,
            level=level,
            lookup=self._codes("lookup", [one.operator() for one in stated]),
            category=self._codes("category", [one.category for one in stated]),
            op_path=self._codes("op_path", [one.op_path for one in stated]),
            kernel=self._codes("kernel", [one.kernel for one in stated]),
            layer=self._codes("layer", [one.layer for one in stated]),
            source_line=self._codes("source_line", [one.source_line for one in stated]),
            shape=self._codes("shape", [one.shape for one in stated]),
            dtype=self._codes("dtype", [one.dtype for one in stated]),
            correlation=_ints([one.correlation for one in stated]),
            link=np.where(level == LEVEL["op"], ids, launch),
            run=_ints([self.steps.setdefault(one.number(), len(self.steps)) for one in stated]),
            bytes=_ints([one.bytes for one in stated]),
            flops=_ints([one.flops for one in stated]),
            value=value,
            occurrences=_ints([one.occurrences if 0 < one.occurrences < _MOST else 1 for one in stated]),
            args=[one.recorded for one in stated],
        )

    def _stated(self, rows: Sequence[Event], counters: Mask) -> list[_Stated]:
        args = [b"{}" if counter else event.args for event, counter in zip(rows, counters.tolist(), strict=True)]
        try:
            return _DECODER.decode(b"[" + b",".join(args) + b"]")
        except (msgspec.DecodeError, RecursionError):
            return [self._single(each) for each in args]

    def _single(self, args: Any) -> _Stated:
        try:
            return _ONE.decode(args)
        except (msgspec.DecodeError, RecursionError):
            self.ctx.anomalies.count("json_odd_type")
            return _Stated()

    def _codes(self, column: str, texts: list[str | None] | list[str]) -> Int32:
        return self.ctx.pool(column).encode(texts)

    def _track(self, process: Any, thread: Any) -> int:
        owner = self.processes.get(process, _Owner())
        lane = self.threads.get((process, thread), _Owner())
        key = f"{process}/{thread}" if lane.track is None else str(lane.track)
        rank = owner.rank if owner.rank is not None and 0 <= owner.rank < _MOST else None
        on_device = not owner.device.startswith(("host", "cpu:"))
        return self.ctx.track(
            owner.device, lane.stream, key, on_device=on_device, host=owner.host, rank=rank, nests=lane.nests
        )

    def finish(self) -> None:
        """The origin, the steps and who recorded the capture."""
        told = self.header.get("otherData")
        other = told if isinstance(told, dict) else {}
        origin = other.get("origin_ns")
        if isinstance(origin, int) and 0 < origin < 2**63:
            self.ctx.origin_ns = origin
        self.ctx.run_steps = np.array([NO_STEP if step is None else step for step in self.steps], dtype=np.int64)
        producer = other.get("producer")
        if isinstance(producer, str) and _PRODUCER.fullmatch(producer):
            self.ctx.producer = producer
        else:
            # Exports of dlprof 0.1 tell the producer by the first word of their title alone, a framework's label.
            named = str(other.get("title", "")).partition(" ")[0].lower()
            self.ctx.producer = named if named in self.ctx.producers else self.ctx.producer


def _ints(values: list[int]) -> Int64:
    try:
        return np.array(values, dtype=np.int64)
    except OverflowError:
        return np.array([value if -(2**63) <= value < 2**63 else NO_INT for value in values], dtype=np.int64)


class OwnReader:
    """Reader of kind dlprof-chrome (reader.Reader)."""

    producer = "chrome"

    def read(self, source: Source, ctx: Context) -> Iterator[RawBatch]:
        """Streams the events of one file."""
        yield from ChromeFile(source, OwnDialect(ctx)).batches()

    def operator(self, name: str, vocabulary: Vocabulary) -> Operator | None:  # noqa: ARG002
        """What the event stated; None for a name."""
        if not name.startswith(_STATED):
            return None
        try:
            op, phase, fuses, calls = _OPERATOR.decode(name.removeprefix(_STATED))
        except msgspec.DecodeError:
            return None  # another file's event, read in the same run, that merely begins so
        return Operator(op, phase, fuses=tuple(fuses.split(",")) if fuses else (), calls=calls)


READER: Final = OwnReader()
