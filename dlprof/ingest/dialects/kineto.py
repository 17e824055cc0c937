"""Reads PyTorch profiler (Kineto) traces: the schema of 2020–21 (also as an array), the one since, of any accelerator;
msprof's trace view of Ascend devices; the export of the legacy autograd profiler.

Joins: a kernel's `correlation` is that of the runtime call that launched it, its `External id` the operator around the call.
What a category means is a table (`kineto_categories`); what a name means is `kineto_names`.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any, ClassVar, Final

import msgspec
import numpy as np
import numpy.typing as npt

from dlprof.ingest.batch import LEVEL, NO_INT, NO_TEXT, Int32, Int64, Pool, RawBatch
from dlprof.ingest.dialects import kineto_ascend, kineto_frames, kineto_names
from dlprof.ingest.dialects.kineto_args import NONE, Args, Memory, Task, decode_args, decoded, number, text
from dlprof.ingest.dialects.kineto_categories import (
    ANNOTATION,
    CATEGORIES,
    FRAME,
    LEGACY,
    MEMORY_DEVICES,
    Category,
)
from dlprof.ingest.dialects.kineto_head import facts, has_device_events, host_of, process_of, rank_of
from dlprof.ingest.dialects.kineto_unknown import Unknown
from dlprof.ingest.json.common_columns import argument_texts, category_codes, keyed, name_codes, raw_codes, text_codes
from dlprof.ingest.json.elements import Event
from dlprof.ingest.json.walk import INSTANT, ChromeFile, Dialect, Mask, Phases
from dlprof.ingest.reader import Context
from dlprof.ingest.source import Source
from dlprof.plugin import Operator, Vocabulary

HOST: Final = "host"
CPU: Final = "cpu:0"
MEMORY: Final = "[memory]"
COLLECTIVE: Final = "record_param_comms"

_NOT_KNOWN: Final = Category("", "told")
"""A category that is in no table: on a device where its arguments name one; op if the vocabulary knows the name, else api."""
_BARE: Final = Category("")
"""An event without a category."""


@dataclass(slots=True)
class KinetoDialect(Dialect):
    """What Kineto's events mean (json.walk.Dialect).

    host: device of the CPU threads
    unknown: what was not understood
    """

    reach_us: ClassVar[int] = 86_400 * 10**6
    host: str = HOST
    tracks: dict[tuple[Any, ...], int] = field(default_factory=dict)
    kinds: list[Category] = field(default_factory=list)
    unknown: Unknown = field(default_factory=Unknown)
    derived: int = 0

    def dropped(self, events: Sequence[Event], ph: Phases) -> Mask | None:
        """What repeats the time of others in msprof's trace view."""
        repeated = kineto_ascend.repeating(events, self.names)
        if repeated is not None:
            self.derived += int((repeated & (ph == ord("X"))).sum())
        return repeated

    def batch(self, rows: list[Event], ph: Phases, start: Int64, duration: Int64) -> RawBatch:
        """Columns of a chunk."""
        args = decode_args(rows, self.ctx)
        name = name_codes(self.ctx, rows)
        category = category_codes(self.ctx, rows)
        kind = self._kinds(rows, category)
        placed = self._placed(kind, args)
        level = self._levels(name, kind, placed, ph)
        self.unknown.add(category, self._are(kind, lambda one: one is _NOT_KNOWN), duration)
        lookup = self._lookups(rows, name, kind)
        track = self._tracks(rows, args, kind, placed)
        correlation = _numbers([a.correlation for a in args])
        correlation[~placed & self._launches_nothing(kind, level)] = NO_INT
        self._ascend(rows, kind, level, correlation)
        value = self._memory(rows, level, track)
        is_op = level == LEVEL["op"]
        ops = list(compress(args, is_op))
        return RawBatch(
            track=track,
            name=name,
            start_ps=start,
            duration_ps=duration,
            level=level,
            lookup=lookup,
            category=category,
            kernel=self._kernels(rows, level),
            layer=self._modules(args),
            source_line=self._lines(rows, args, kind),
            shape=self._described("shape", is_op, [a.dims_old if a.dims is NONE else a.dims for a in ops]),
            dtype=self._described("dtype", is_op, [a.types for a in ops]),
            correlation=correlation,
            link=self._links(args, level),
            pair=_pairs(args),
            bytes=_numbers([a.size if a.bytes is None else a.bytes for a in args]),
            flops=_numbers([a.flops for a in args]),
            value=value,
            args=argument_texts(rows),
        )

    # --- what an event is

    def _kinds(self, rows: Sequence[Event], category: Int32) -> Int32:
        """Index into `kinds` of each row: by category; without one, by process."""
        known = [self._index(CATEGORIES.get(text, _NOT_KNOWN)) for text in self.ctx.pool("category").values_list]
        kind = np.array([*known, self._index(_BARE)], dtype=np.int32)[category]
        bare = category == NO_TEXT
        if bare.any():
            kind[bare] = keyed([(event.pid,) for event in compress(rows, bare)], self._of_process)
        return kind

    def _of_process(self, process: Any) -> int:
        named = self.names.processes.get(process, "")
        return self._index(kineto_ascend.PROCESSES.get(named) or LEGACY.get(str(process)) or _BARE)

    def _index(self, kind: Category) -> int:
        for index, known in enumerate(self.kinds):
            if known is kind:
                return index
        self.kinds.append(kind)
        return len(self.kinds) - 1

    def _are(self, kind: Int32, asked: Any) -> Mask:
        """Rows whose kind is as asked; `asked` is called once per kind."""
        return np.array([bool(asked(one)) for one in self.kinds], dtype=bool)[kind]

    def _placed(self, kind: Int32, args: Sequence[Args]) -> Mask:
        """Rows that ran on a device."""
        placed = self._are(kind, lambda one: one.place == "device")
        told = self._are(kind, lambda one: one.place == "told")
        if told.any():
            placed[told] = [a.device is not None for a in compress(args, told)]
        return placed

    def _levels(self, name: Int32, kind: Int32, placed: Mask, ph: Phases) -> npt.NDArray[np.int8]:
        """By kind, but for instants and counters, which are so whatever their category."""
        level = np.array([LEVEL[one.level] if one.level else NO_TEXT for one in self.kinds], dtype=np.int8)[kind]
        told = self._are(kind, lambda one: one.place == "told")
        level[told & ~placed & (level == LEVEL["kernel"])] = LEVEL["api"]
        # Whether this is work, or repeats the time of other work, is not known: it stays out of all sums and is said.
        level[told & placed & (level == NO_TEXT)] = LEVEL["marker"]
        instant = INSTANT[ph]
        level[instant] = LEVEL["marker"]
        memory = self.ctx.pool("name").get(MEMORY, NO_TEXT)
        level[(ph == ord("C")) | (instant & (name == memory) & (memory != NO_TEXT))] = LEVEL["counter"]
        return level

    def _launches_nothing(self, kind: Int32, level: npt.NDArray[np.int8]) -> Mask:
        """Rows whose correlation id, where they bear one, is not that of work that they launched."""
        frames = self._are(kind, lambda one: not one.launches)
        found: Mask = frames | np.isin(level, [LEVEL["marker"], LEVEL["counter"], LEVEL["sync"]])
        return found

    def _lookups(self, rows: Sequence[Event], name: Int32, kind: Int32) -> Int32:
        """What the vocabulary is asked for instead of the name: copies by category, user annotations as what they are, a
        collective by what it says it does."""
        pool = self.ctx.pool("lookup")
        table = [NO_TEXT if one.lookup is None else pool[one.lookup] for one in self.kinds]
        lookup = np.array(table, dtype=np.int32)[kind]
        noted = self._are(kind, lambda one: one is ANNOTATION)
        if noted.any():
            marks = [kineto_names.ANNOTATION + event.name for event in compress(rows, noted)]
            lookup[noted] = text_codes(pool, marks)
        comms = name == self.ctx.pool("name").get(COLLECTIVE, -2)
        if comms.any():
            told = [decoded(Task, event.args).collective for event in compress(rows, comms)]
            lookup[comms] = text_codes(pool, [None if word is None else f"{COLLECTIVE}:{word}" for word in told])
        sent = self._are(kind, lambda one: one is kineto_ascend.COLLECTIVES)
        if sent.any():
            lookup[sent] = text_codes(pool, [f"{COLLECTIVE}:{event.name}" for event in compress(rows, sent)])
        return lookup

    # --- where it ran

    def _tracks(self, rows: list[Event], args: Sequence[Args], kind: Int32, placed: Mask) -> Int32:
        track = np.empty(len(rows), dtype=np.int32)
        if placed.any():
            track[placed] = keyed(
                [
                    (index, event.pid, event.tid, a.device, a.stream)
                    for event, a, index in zip(
                        compress(rows, placed), compress(args, placed), kind[placed].tolist(), strict=True
                    )
                ],
                self._stream,
            )
        threads = list(compress(rows, ~placed)) if placed.any() else rows
        track[~placed] = keyed(
            list(zip([event.pid for event in threads], [event.tid for event in threads], strict=True)), self._thread
        )
        return track

    def _stream(self, index: int, pid: Any, tid: Any, device: Any, stream: Any) -> int:
        """The track of a stream. A device is one of its process: merged files give each rank's rows a pid of their own."""
        kind = self.kinds[index]
        if kind.origin == "ascend":
            device, stream = kineto_ascend.npu(pid, self.names), tid
            stream = self.names.threads.get((pid, tid), tid) if kind is kineto_ascend.COLLECTIVES else tid
        elif kind.origin == "legacy":
            device, stream = tid, 0
        device = kineto_names.last_number(str(pid)) if device is None else device
        owner = "" if str(pid) in (str(device), "") or kind.origin != "kineto" else pid
        stream = str(tid if stream is None else stream).removeprefix("stream ").strip()
        key = (True, kind.family, str(device), stream, str(owner))
        if key not in self.tracks:
            number = kineto_names.last_number(str(device))
            named = stream if kind is kineto_ascend.COLLECTIVES else f"stream {stream}"
            self.tracks[key] = self.ctx.track(
                f"{kind.family}:{number}", named, stream, on_device=True, process=f"{device}/{owner}"
            )
        return self.tracks[key]

    def _thread(self, process: Any, thread: Any) -> int:
        key = (False, str(process), str(thread))
        if key not in self.tracks:
            name = self.names.threads.get((process, thread)) or str(thread)
            # msprof writes the calls that a thread makes to CANN under a process of their own: they nest in its operators.
            ascend = self.names.processes.get(process) in kineto_ascend.PROCESSES
            owner = "" if ascend else process
            self.tracks[key] = self.ctx.track(self.host, name, f"{owner}/{thread}", process=owner)
        return self.tracks[key]

    def _ascend(self, rows: Sequence[Event], kind: Int32, level: npt.NDArray[np.int8], correlation: Int64) -> None:
        """Levels and connections of msprof's rows, in place."""
        for row in np.flatnonzero(self._are(kind, lambda one: one.origin == "ascend")).tolist():
            task = decoded(Task, rows[row].args)
            correlation[row] = number(task.connection)
            told = kineto_ascend.level(task.task)
            if level[row] == LEVEL["kernel"] and told is not None:
                level[row] = LEVEL[told]

    def _memory(self, rows: Sequence[Event], level: npt.NDArray[np.int8], track: Int32) -> npt.NDArray[np.float64]:
        """Allocated bytes after each allocation, where the trace tells; the row moves to the device whose memory it is."""
        value = np.full(len(rows), np.nan)
        for row in np.flatnonzero(level == LEVEL["counter"]).tolist():
            memory = decoded(Memory, rows[row].args)
            total = memory.allocated if isinstance(memory.allocated, float) else number(memory.allocated)
            if total != NO_INT:
                value[row] = total
            if rows[row].name != MEMORY:
                continue
            kind, place = number(memory.kind), number(memory.device)
            if kind < 0:
                self.ctx.anomalies.count("json_odd_type")
                continue
            key = (MEMORY, kind, place, str(rows[row].pid))
            if key not in self.tracks:
                family = MEMORY_DEVICES.get(kind, f"device-type-{kind}")
                device = self.host if family == "cpu" else f"{family}:{max(place, 0)}"
                self.tracks[key] = self.ctx.track(device, "memory", "memory", process=rows[row].pid)
            track[row] = self.tracks[key]
        return value

    # --- columns

    def _kernels(self, rows: list[Event], level: npt.NDArray[np.int8]) -> Int32:
        """A kernel's name; on a machine without an accelerator, the operator's."""
        named = (level == LEVEL["kernel"]) | ((level == LEVEL["op"]) if self.host == CPU else False)
        codes = np.full(len(rows), NO_TEXT, dtype=np.int32)
        codes[named] = text_codes(self.ctx.pool("kernel"), [event.name for event in compress(rows, named)])
        return codes

    def _modules(self, args: Sequence[Args]) -> Int32 | None:
        """The layer that the module hierarchy names (with_modules), None where no row has one."""
        texts = [a.modules for a in args]
        if not any(texts):
            return None
        return text_codes(self.ctx.pool("layer"), [kineto_names.module_path(text) for text in texts])

    def _lines(self, rows: Sequence[Event], args: Sequence[Args], kind: Int32) -> Int32 | None:
        """The line of the program that a Python frame is of, or that an operator was called from; None where no row has one."""
        frames = self._are(kind, lambda one: one is FRAME)
        texts = [a.stack for a in args]
        if not frames.any() and not any(texts):
            return None
        pool = self.ctx.pool("source_line")
        codes = _coded(texts, kineto_frames.called_from, pool)
        codes[frames] = _coded([event.name for event in compress(rows, frames)], kineto_frames.line, pool)
        return codes

    def _described(self, column: str, is_op: Mask, raws: list[msgspec.Raw]) -> Int32:
        """raws: one for each operator."""
        codes = np.full(len(is_op), NO_TEXT, dtype=np.int32)
        codes[is_op] = raw_codes(self.ctx.pool(column), raws, text)
        return codes

    def _links(self, args: Sequence[Args], level: npt.NDArray[np.int8]) -> Int64:
        """External ids of operators and of what they launch; 0 is none."""
        link = _numbers([a.external_old if a.external == NO_INT else a.external for a in args])
        link[(link == 0) | (level == LEVEL["marker"]) | (level == LEVEL["counter"])] = NO_INT
        return link

    def finish(self) -> None:
        """Facts of the file."""
        self.ctx.anomalies.count("derived_line_events", self.derived)
        self.unknown.report(self.ctx)
        self.ctx.facts.update(facts(self.header))
        self.ctx.host = host_of(self.header, self.ctx.source)
        self.ctx.rank = rank_of(self.header, self.ctx.source)
        self.ctx.process = process_of(self.ctx.source)


def _coded(texts: Sequence[str | None], meaning: Callable[[str], str | None], pool: Pool) -> Int32:
    """Codes of what texts mean, each distinct one asked once; NO_TEXT for none."""
    found = {text: None if text is None else meaning(text) for text in set(texts)}
    return text_codes(pool, [found[text] for text in texts])


def _pairs(args: Sequence[Args]) -> Int64 | None:
    """Autograd's sequence number, counted from 1, which an operator shares with its gradient; negative on the gradient."""
    numbers = _numbers([a.sequence for a in args])
    some = numbers >= 0
    if not some.any():
        return None
    backward = np.fromiter((bool(a.forward_thread) for a in args), dtype=bool, count=len(args))
    return np.where(some, np.where(backward, -numbers - 1, numbers + 1), NO_INT)


def _numbers(values: list[Any]) -> Int64:
    """int64 with NO_INT where there is none (or one that does not fit)."""
    try:
        # The standard library's array takes a list in half the time that NumPy does.
        return np.frombuffer(array("q", values), dtype=np.int64)
    except (OverflowError, TypeError):
        return np.array([number(value) for value in values], dtype=np.int64)


class KinetoReader:
    """Reader of kind kineto (reader.Reader)."""

    producer = "pytorch"

    def read(self, source: Source, ctx: Context) -> Iterator[RawBatch]:
        """Streams operators, runtime calls, kernels, copies, annotations and memory counters of one file."""
        ctx.nested = True
        host = HOST if has_device_events(source) else CPU
        yield from ChromeFile(source, KinetoDialect(ctx, host=host)).batches()

    def operator(self, name: str, vocabulary: Vocabulary) -> Operator | None:
        """The meaning of an operator name; autograd's wrappers, collectives, modules and Triton's fused kernels included."""
        return kineto_names.operator(name, vocabulary)


READER: Final = KinetoReader()
