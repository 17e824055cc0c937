"""Reads PyTorch profiler (Kineto) traces: the schema of 2020–21 (also as an array), the one since, of any accelerator;
msprof's trace view of Ascend devices; the export of the legacy autograd profiler.

Joins: a kernel's `correlation` is that of the runtime call that launched it, its `External id` the operator around the call
(PyTorch 2.0 and 2.1 repeat the correlation id there).
What a category means is a table (`kineto_categories`); what a name means is `kineto_names`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from dlprof.ingest.batch import LEVEL, NO_INT, NO_TEXT, Int32, Int64, RawBatch
from dlprof.ingest.dialects import kineto_ascend, kineto_frames, kineto_names
from dlprof.ingest.dialects.kineto_args import Memory, Task, all_decoded, number, numbers, of_memory
from dlprof.ingest.dialects.kineto_categories import (
    ANNOTATION,
    CATEGORIES,
    FRAME,
    LEGACY,
    MEMORY_DEVICES,
    Category,
)
from dlprof.ingest.dialects.kineto_fields import BlockFields, EventFields, Fields
from dlprof.ingest.dialects.kineto_head import facts, has_device_events, host_of, process_of, rank_of
from dlprof.ingest.dialects.kineto_unknown import Unknown, Unrecorded
from dlprof.ingest.json.blocks import Block
from dlprof.ingest.json.common_columns import recoded, text_codes
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
    unrecorded: what was launched and is not in the file
    """

    reach_us: ClassVar[int] = 86_400 * 10**6
    block_arguments: ClassVar[bool | None] = True
    host: str = HOST
    tracks: dict[tuple[Any, ...], int] = field(default_factory=dict)
    kinds: list[Category] = field(default_factory=list)
    unknown: Unknown = field(default_factory=Unknown)
    unrecorded: Unrecorded = field(default_factory=Unrecorded)
    derived: int = 0

    def dropped(self, events: Sequence[Event], ph: Phases) -> Mask | None:
        """What repeats the time of others in msprof's trace view."""
        repeated = kineto_ascend.repeating(events, self.names)
        if repeated is not None:
            self.derived += int((repeated & (ph == ord("X"))).sum())
        return repeated

    def takes_blocks(self) -> bool:
        """Unless the file has processes of msprof: what its events are, their arguments tell one by one."""
        named = set(self.names.processes.values())
        return named.isdisjoint(kineto_ascend.PROCESSES) and named.isdisjoint(kineto_ascend.DERIVED)

    def batch(self, rows: list[Event], ph: Phases, start: Int64, duration: Int64) -> RawBatch:
        """Columns of a chunk."""
        return self._columns(EventFields(rows, self.ctx), ph, start, duration)

    def block_batch(self, block: Block, start: Int64, duration: Int64) -> RawBatch:
        """Columns of a block."""
        return self._columns(BlockFields(block, self.ctx), block.ph, start, duration)

    def _columns(self, rows: Fields, ph: Phases, start: Int64, duration: Int64) -> RawBatch:
        kind = self._kinds(rows)
        placed = self._placed(kind, rows)
        level = self._levels(rows.name, kind, placed, ph)
        self.unknown.add(rows.category, self._are(kind, lambda one: one is _NOT_KNOWN), duration)
        work = np.isin(level, [LEVEL["kernel"], LEVEL["copy"]])
        self.unrecorded.add(rows.name, level == LEVEL["api"], work, self.ctx.pool("name").values_list)
        lookup = self._lookups(rows, kind)
        track = self._tracks(rows, kind, placed)
        correlation = rows.numbers("correlation").copy()
        correlation[~placed & self._launches_nothing(kind, level)] = NO_INT
        self._ascend(rows, kind, level, correlation)
        value = self._memory(rows, level, track)
        is_op = level == LEVEL["op"]
        return RawBatch(
            track=track,
            name=rows.name,
            start_ps=start,
            duration_ps=duration,
            level=level,
            lookup=lookup,
            category=rows.category,
            kernel=self._kernels(rows.name, level),
            layer=rows.meant("modules", kineto_names.module_path, "layer"),
            source_line=self._lines(rows, kind) if self.ctx.wants("source_line") else None,
            shape=rows.described("shape", is_op),
            dtype=rows.described("dtype", is_op),
            correlation=correlation,
            link=self._links(rows, level),
            pair=_pairs(rows),
            bytes=rows.numbers("bytes"),
            flops=rows.numbers("flops"),
            value=value,
            args=rows.recorded(),
        )

    # --- what an event is

    def _kinds(self, rows: Fields) -> Int32:
        """Index into `kinds` of each row: by category; without one, by process."""
        known = [self._index(CATEGORIES.get(text, _NOT_KNOWN)) for text in self.ctx.pool("category").values_list]
        kind = np.array([*known, self._index(_BARE)], dtype=np.int32)[rows.category]
        bare = rows.category == NO_TEXT
        if bare.any():
            kind[bare] = rows.keyed(bare, ("pid",), self._of_process)
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

    def _placed(self, kind: Int32, rows: Fields) -> Mask:
        """Rows that ran on a device."""
        placed = self._are(kind, lambda one: one.place == "device")
        told = self._are(kind, lambda one: one.place == "told")
        if told.any():
            placed[told] = rows.on_device()[told]
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

    def _lookups(self, rows: Fields, kind: Int32) -> Int32:
        """What the vocabulary is asked for instead of the name: copies by category, user annotations as what they are, a
        collective by what it says it does."""
        pool, name = self.ctx.pool("lookup"), rows.name
        table = [NO_TEXT if one.lookup is None else pool[one.lookup] for one in self.kinds]
        lookup = np.array(table, dtype=np.int32)[kind]
        noted = self._are(kind, lambda one: one is ANNOTATION)
        if noted.any():
            lookup[noted] = self._renamed(name[noted], "lookup", lambda text: kineto_names.ANNOTATION + text)
        comms = name == self.ctx.pool("name").get(COLLECTIVE, -2)
        if comms.any():
            told = [task.collective for task in all_decoded(Task, rows.args(np.flatnonzero(comms).tolist()))]
            lookup[comms] = text_codes(pool, [None if word is None else f"{COLLECTIVE}:{word}" for word in told])
        sent = self._are(kind, lambda one: one is kineto_ascend.COLLECTIVES)
        if sent.any():
            lookup[sent] = self._renamed(name[sent], "lookup", lambda text: f"{COLLECTIVE}:{text}")
        return lookup

    def _renamed(self, name: Int32, pool: str, meaning: Callable[[str], str | None]) -> Int32:
        """Codes in a pool of what names mean, each distinct one asked once."""
        texts, into = self.ctx.pool("name").values_list, self.ctx.pool(pool)

        def code(at: int) -> int:
            found = meaning(texts[at])
            return NO_TEXT if found is None else into[found]

        return recoded(name, code)

    # --- where it ran

    def _tracks(self, rows: Fields, kind: Int32, placed: Mask) -> Int32:
        track = np.empty(len(rows), dtype=np.int32)
        if placed.any():
            track[placed] = rows.keyed(placed, ("pid", "tid", "device", "stream"), self._stream, kind)
        track[~placed] = rows.keyed(~placed, ("pid", "tid"), self._thread)
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

    def _ascend(self, rows: Fields, kind: Int32, level: npt.NDArray[np.int8], correlation: Int64) -> None:
        """Levels and connections of msprof's rows, in place."""
        own = np.flatnonzero(self._are(kind, lambda one: one.origin == "ascend")).tolist()
        for row, task in zip(own, all_decoded(Task, rows.args(own)), strict=True):
            correlation[row] = number(task.connection)
            told = kineto_ascend.level(task.task)
            if level[row] == LEVEL["kernel"] and told is not None:
                level[row] = LEVEL[told]

    def _memory(self, rows: Fields, level: npt.NDArray[np.int8], track: Int32) -> npt.NDArray[np.float64]:
        """Allocated bytes after each allocation, where the trace tells; the row moves to the device whose memory it is."""
        value = np.full(len(rows), np.nan)
        told = level == LEVEL["counter"]
        if not self.ctx.wants("value"):
            told &= rows.name == self.ctx.pool("name").get(MEMORY, -2)
        counters = np.flatnonzero(told)
        if not len(counters):
            return value
        if self.ctx.wants("value"):
            memories = all_decoded(Memory, rows.args(counters.tolist()))
            _allocated(value, counters, [memory.allocated for memory in memories])
            kinds, places = of_memory(memories)
        else:
            kinds, places = rows.memory(counters)
        allocation = rows.name[counters] == self.ctx.pool("name").get(MEMORY, -2)
        self.ctx.anomalies.count("json_odd_type", int((allocation & (kinds < 0)).sum()))
        allocation &= kinds >= 0
        told_kinds, kind_at = np.unique(kinds, return_inverse=True)
        told_places, place_at = np.unique(places, return_inverse=True)
        memory_at = np.zeros(len(rows), dtype=np.int32)
        memory_at[counters] = kind_at * len(told_places) + place_at
        moved = np.zeros(len(rows), dtype=bool)
        moved[counters[allocation]] = True

        def track_of(at: int, pid: Any) -> int:
            kind, place = divmod(at, len(told_places))
            return self._memory_of(int(told_kinds[kind]), int(told_places[place]), pid)

        track[moved] = rows.keyed(moved, ("pid",), track_of, memory_at)
        return value

    def _memory_of(self, kind: int, place: int, pid: Any) -> int:
        """The track of a device's memory."""
        key = (MEMORY, kind, place, str(pid))
        if key not in self.tracks:
            family = MEMORY_DEVICES.get(kind, f"device-type-{kind}")
            device = self.host if family == "cpu" else f"{family}:{max(place, 0)}"
            self.tracks[key] = self.ctx.track(device, "memory", "memory", process=pid)
        return self.tracks[key]

    # --- columns

    def _kernels(self, name: Int32, level: npt.NDArray[np.int8]) -> Int32:
        """A kernel's name; on a machine without an accelerator, the operator's."""
        named = (level == LEVEL["kernel"]) | ((level == LEVEL["op"]) if self.host == CPU else False)
        codes = np.full(len(name), NO_TEXT, dtype=np.int32)
        codes[named] = self._renamed(name[named], "kernel", str)
        return codes

    def _lines(self, rows: Fields, kind: Int32) -> Int32 | None:
        """The line of the program that a Python frame is of, or that an operator was called from; None where no row has one."""
        frames = self._are(kind, lambda one: one is FRAME)
        codes = rows.meant("stack", kineto_frames.called_from, "source_line")
        if codes is None and frames.any():
            codes = np.full(len(rows), NO_TEXT, dtype=np.int32)
        if codes is not None:
            codes[frames] = self._renamed(rows.name[frames], "source_line", kineto_frames.line)
        return codes

    def _links(self, rows: Fields, level: npt.NDArray[np.int8]) -> Int64:
        """External ids of operators and of what they launch; 0 is none."""
        link = rows.numbers("link").copy()
        link[(link == 0) | (level == LEVEL["marker"]) | (level == LEVEL["counter"])] = NO_INT
        return link

    def finish(self) -> None:
        """Facts of the file."""
        self.ctx.anomalies.count("derived_line_events", self.derived)
        self.unknown.report(self.ctx)
        self.unrecorded.report(self.ctx)
        self.ctx.facts.update(facts(self.header))
        self.ctx.host = host_of(self.header, self.ctx.source)
        self.ctx.rank = rank_of(self.header, self.ctx.source)
        self.ctx.process = process_of(self.ctx.source)


def _allocated(value: npt.NDArray[np.float64], counters: Int64, totals: list[Any]) -> None:
    """Writes the allocated bytes of rows."""
    whole = numbers(totals)
    value[counters] = np.where(whole == NO_INT, np.nan, whole)
    if float in set(map(type, totals)):
        fractions = [(row, total) for row, total in zip(counters, totals, strict=True) if isinstance(total, float)]
        value[[row for row, _ in fractions]] = [total for _, total in fractions]


def _pairs(rows: Fields) -> Int64 | None:
    """Autograd's sequence number, counted from 1, which an operator shares with its gradient; negative on the gradient."""
    sequence = rows.numbers("sequence")
    some = sequence >= 0
    if not some.any():
        return None
    return np.where(some, np.where(rows.forward(), -sequence - 1, sequence + 1), NO_INT)


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
