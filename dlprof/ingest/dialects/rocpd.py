"""rocprofv3's rocpd databases (schema 3): kernels, copies, HIP and HSA calls, ROCTX ranges.

Times are ns of the machine's own clock. What was called and what ran because of it share the stack id of their events, within a
process. A file may hold several runs, each in tables of its own with a suffix. Tables: rocprofiler-sdk-rocpd.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np

from dlprof.errors import TraceError
from dlprof.ingest.batch import LEVEL, NO_INT, Int32, Int64, RawBatch
from dlprof.ingest.dialects import kineto_names
from dlprof.ingest.dialects.rocm_names import copy_name
from dlprof.ingest.json.common_columns import keyed, text_codes
from dlprof.ingest.reader import Context
from dlprof.ingest.source import Source
from dlprof.ingest.sqlite.database import Database, opened
from dlprof.ingest.tables.rows import arguments, batch, coded, timed
from dlprof.plugin import Operator, Vocabulary

_DISPATCHES: Final = "rocpd_kernel_dispatch"
_REGIONS: Final = "rocpd_region"
_COPIES: Final = "rocpd_memory_copy"
_UNREAD: Final = ("rocpd_sample", "rocpd_memory_allocate", "rocpd_pmc_event")
_DETAILS: Final = (
    *("dispatch_id", "queue_id", "grid_size_x", "grid_size_y", "grid_size_z"),
    *("workgroup_size_x", "workgroup_size_y", "workgroup_size_z", "group_segment_size", "private_segment_size"),
)
"""Columns that are arguments."""
_NS_PER_DAY: Final = 86_400 * 10**9
_MARKERS: Final = "MARKER"
"""What the category of a ROCTX range begins with."""


class _Said(msgspec.Struct):
    """What the event of a ROCTX range holds."""

    message: str = ""


@dataclass(slots=True)
class _Run:
    """One run of a file.

    suffix: of the names of its tables
    base: ns that are taken from all times
    events, stacks, categories: ids of events, sorted; the stack and category of each
    gpus: number of each agent that is a GPU
    """

    database: Database
    ctx: Context
    suffix: str
    base: int = 0
    strings: dict[int, str] = field(default_factory=dict)
    kernels: dict[int, str] = field(default_factory=dict)
    gpus: dict[int, int] = field(default_factory=dict)
    processes: dict[int, int] = field(default_factory=dict)
    threads: dict[int, tuple[str, int]] = field(default_factory=dict)
    streams: dict[int, str] = field(default_factory=dict)
    events: Int64 = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    stacks: Int64 = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    categories: Int64 = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def read(self) -> Iterator[RawBatch]:
        """The run's tables one after another: calls before what they launched."""
        self._look_up()
        yield from self._regions()
        yield from self._dispatches()
        yield from self._copies()

    def _look_up(self) -> None:
        """The small tables, and what the events say of the rows that refer to them."""
        table, rows = self._table, self.database.rows
        self.strings = self.database.texts(table("rocpd_string"), "id", "string")
        self.streams = self.database.texts(table("rocpd_info_stream"), "id", "name")
        for at, name, shown in rows(table("rocpd_info_kernel_symbol"), ("id", "kernel_name", "display_name")):
            self.kernels[at] = next((text for text in (shown, name) if isinstance(text, str)), f"kernel #{at}")
        for at, kind, number in rows(table("rocpd_info_agent"), ("id", "type", "type_index")):
            if kind == "GPU" and isinstance(at, int):
                self.gpus[at] = number if isinstance(number, int) else len(self.gpus)
        self.processes = dict(rows(table("rocpd_info_process"), ("id", "pid")))
        for at, number, name in rows(table("rocpd_info_thread"), ("id", "tid", "name")):
            self.threads[at] = (name if isinstance(name, str) and name else f"thread {number}", number)
        hosts = {name for (name,) in rows(table("rocpd_info_node"), ("hostname",)) if isinstance(name, str)}
        if len(hosts) == 1:
            self.ctx.host = hosts.pop()
        found = list(self.database.numbers(table("rocpd_event"), ("id", "stack_id", "category_id")))
        if found:
            columns = [np.concatenate([piece[name] for piece in found]) for name in ("id", "stack_id", "category_id")]
            order = np.argsort(columns[0], kind="stable")
            self.events, self.stacks, self.categories = (column[order] for column in columns)

    def _timed(self, rows: dict[str, Int64]) -> dict[str, Int64]:
        """Rows with a start and an end, from the base on."""
        kept = timed(self.ctx, rows)
        return {**kept, "start": kept["start"] - self.base, "end": kept["end"] - self.base}

    def _table(self, name: str) -> str:
        return name + self.suffix

    # --- what the host did

    def _regions(self) -> Iterator[RawBatch]:
        columns = ("start", "end", "pid", "tid", "name_id", "event_id")
        messages = self._messages()
        for rows in self.database.numbers(self._table(_REGIONS), columns):
            kept = self._timed(rows)
            if not len(kept["start"]):
                continue
            stack, category = self._of_events(kept["event_id"])
            marks = np.isin(category, [at for at, text in self.strings.items() if text.startswith(_MARKERS)])
            names = [
                messages.get(event) or self._string(at) if mark else self._string(at)
                for at, event, mark in zip(
                    kept["name_id"].tolist(), kept["event_id"].tolist(), marks.tolist(), strict=True
                )
            ]
            lookups = [
                kineto_names.ANNOTATION + name if mark else None
                for name, mark in zip(names, marks.tolist(), strict=True)
            ]
            yield batch(
                self.ctx,
                kept,
                track=keyed(list(zip(kept["pid"].tolist(), kept["tid"].tolist(), strict=True)), self._thread),
                name=text_codes(self.ctx.pool("name"), names),
                lookup=text_codes(self.ctx.pool("lookup"), lookups),
                level=np.where(marks, LEVEL["marker"], LEVEL["api"]).astype(np.int8),
                category=coded(self.ctx.pool("category"), category, self._string),
                correlation=np.where(marks, NO_INT, stack),
            )

    def _messages(self) -> dict[int, str]:
        """What ROCTX ranges say, by their events."""
        marks = np.isin(self.categories, [at for at, text in self.strings.items() if text.startswith(_MARKERS)])
        wanted = set(self.events[marks].tolist())
        found = {}
        for event, told in self.database.rows(self._table("rocpd_event"), ("id", "extdata")) if wanted else ():
            if event in wanted and isinstance(told, str | bytes):
                try:
                    found[event] = msgspec.json.decode(told, type=_Said).message
                except (msgspec.DecodeError, RecursionError):
                    self.ctx.anomalies.count("json_odd_type")
        return found

    def _thread(self, process: int, thread: int) -> int:
        name, number = self.threads.get(thread, (f"thread {thread}", thread))
        owner = self.processes.get(process, process)
        return self.ctx.track("host", name, f"{owner}/{number}", process=owner)

    # --- what ran on devices

    def _dispatches(self) -> Iterator[RawBatch]:
        columns = ("start", "end", "pid", "agent_id", "kernel_id", "stream_id", "event_id", *_DETAILS)
        for rows in self.database.numbers(self._table(_DISPATCHES), columns):
            kept = self._timed(rows)
            if len(kept["start"]):
                yield batch(
                    self.ctx,
                    kept,
                    track=self._on_streams(kept, kept["agent_id"]),
                    name=coded(self.ctx.pool("name"), kept["kernel_id"], self._kernel),
                    kernel=coded(self.ctx.pool("kernel"), kept["kernel_id"], self._kernel),
                    level=np.full(len(kept["start"]), LEVEL["kernel"], dtype=np.int8),
                    correlation=self._of_events(kept["event_id"])[0],
                    args=arguments(self.ctx, kept, _DETAILS),
                )

    def _copies(self) -> Iterator[RawBatch]:
        columns = ("start", "end", "pid", "name_id", "dst_agent_id", "src_agent_id", "size", "stream_id", "event_id")
        for rows in self.database.numbers(self._table(_COPIES), columns):
            kept = self._timed(rows)
            if len(kept["start"]):
                to_gpu = np.isin(kept["dst_agent_id"], list(self.gpus))
                yield batch(
                    self.ctx,
                    kept,
                    track=self._on_streams(kept, np.where(to_gpu, kept["dst_agent_id"], kept["src_agent_id"])),
                    name=coded(self.ctx.pool("name"), kept["name_id"], self._copy),
                    lookup=np.full(len(kept["start"]), self.ctx.pool("lookup")["gpu_memcpy"], dtype=np.int32),
                    level=np.full(len(kept["start"]), LEVEL["copy"], dtype=np.int8),
                    correlation=self._of_events(kept["event_id"])[0],
                    bytes=kept["size"],
                )

    def _on_streams(self, rows: dict[str, Int64], agent: Int64) -> Int32:
        keys = zip(rows["pid"].tolist(), agent.tolist(), rows["stream_id"].tolist(), strict=True)
        return keyed(list(keys), self._stream)

    def _stream(self, process: int, agent: int, stream: int) -> int:
        number, owner = self.gpus.get(agent, 0), self.processes.get(process, process)
        named = self.streams.get(stream) or ("stream" if stream == NO_INT else f"stream {stream}")
        return self.ctx.track(f"gpu:{number}", named, f"{owner}/{stream}", on_device=True, process=f"{number}/{owner}")

    # --- names and ids

    def _of_events(self, ids: Int64) -> tuple[Int64, Int64]:
        """Stack id and category of the events; NO_INT of one that is not there."""
        if not len(self.events):
            return np.full(len(ids), NO_INT), np.full(len(ids), NO_INT)
        at = np.minimum(np.searchsorted(self.events, ids), len(self.events) - 1)
        there = self.events[at] == ids
        stack = np.where(there & (self.stacks[at] != 0), self.stacks[at], NO_INT)
        return stack, np.where(there, self.categories[at], NO_INT)

    def _string(self, at: int) -> str:
        return self.strings.get(at, f"string #{at}" if at != NO_INT else "unnamed")

    def _kernel(self, at: int) -> str:
        return self.kernels.get(at, f"kernel #{at}" if at != NO_INT else "unnamed")

    def _copy(self, at: int) -> str:
        return copy_name(self._string(at))


def _base(database: Database) -> int:
    """The whole days that the machine was up when recording began: its clock may be months old, and picoseconds hold 106 days."""
    first = []
    for table in database.tables:
        if table.startswith((_REGIONS, _DISPATCHES, _COPIES)):
            starts = next(database.numbers(table, ("start",)), {"start": np.zeros(0, dtype=np.int64)})["start"]
            first.extend(starts[starts > 0][:1].tolist())
    return min(first, default=0) // _NS_PER_DAY * _NS_PER_DAY


class RocpdReader:
    """Reads rocpd."""

    producer = "rocprofv3"

    def read(self, source: Source, ctx: Context) -> Iterator[RawBatch]:
        """See `reader.Reader`."""
        ctx.nested = True
        with opened(source, ctx) as database:
            base = _base(database)
            suffixes = [name.removeprefix(_REGIONS) for name in database.tables if name.startswith(_REGIONS)]
            for suffix in suffixes:
                if "start" not in database.tables[_REGIONS + suffix]:
                    raise TraceError(
                        f"{ctx.label}: a rocpd database of a schema that dlprof does not read: its regions have no start",
                        hint="convert it with rocpd's own tools (rocpd convert -f pftrace), or record with rocprofv3 of ROCm 7",
                    )
                yield from _Run(database, ctx, suffix, base).read()
            unread = {
                name: count for name in database.tables if name.startswith(_UNREAD) and (count := database.count(name))
            }
            if unread:
                told = ", ".join(f"{name} ({count} rows)" for name, count in unread.items())
                ctx.completeness["tables"] = f"not read, and in no sum: {told}"

    def operator(self, name: str, vocabulary: Vocabulary) -> Operator | None:
        """See `reader.Reader`: ROCTX ranges have the names that PyTorch's profiler gives its own."""
        return kineto_names.operator(name, vocabulary)


READER: Final = RocpdReader()
