"""Nsight Systems' reports as SQLite or Parquet (`nsys export`): kernels, copies, CUDA calls and NVTX ranges.

Times are ns from the session's start. A kernel has the correlation id of the call that launched it, within its process; process
and thread stand in one number (globalTid = … | process << 24 | thread). NVTX ranges of emit_nvtx are operators, others are
spans that the user named. Tables: docs.nvidia.com/nsight-systems, "SQLite Schema Reference".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from dlprof.ingest.batch import LEVEL, NO_INT, NO_TEXT, Int32, Int64, RawBatch
from dlprof.ingest.dialects import kineto_names
from dlprof.ingest.json.common_columns import keyed, text_codes
from dlprof.ingest.reader import Context
from dlprof.ingest.source import Source
from dlprof.ingest.sqlite.database import opened
from dlprof.ingest.tables.report import Tables
from dlprof.ingest.tables.rows import arguments, batch, coded, timed
from dlprof.plugin import Operator, Vocabulary

KERNELS: Final = "CUPTI_ACTIVITY_KIND_KERNEL"
GRAPHS: Final = "CUPTI_ACTIVITY_KIND_GRAPH_TRACE"
COPIES: Final = "CUPTI_ACTIVITY_KIND_MEMCPY"
SETS: Final = "CUPTI_ACTIVITY_KIND_MEMSET"
CALLS: Final = "CUPTI_ACTIVITY_KIND_RUNTIME"
RANGES: Final = "NVTX_EVENTS"
_OTHERS: Final = re.compile(
    r"CUPTI_ACTIVITY_KIND_\w+|OSRT_API|\w+_API|SCHED_EVENTS|COMPOSITE_EVENTS|GPU_METRICS|\w+_EVENTS?"
)
"""Tables of events; those that are not read are said."""
_WHERE: Final = ("start", "end", "deviceId", "streamId", "correlationId", "globalPid")
_DETAILS: Final = (
    *("contextId", "gridX", "gridY", "gridZ", "blockX", "blockY", "blockZ", "registersPerThread"),
    *("staticSharedMemory", "dynamicSharedMemory", "localMemoryPerThread", "graphNodeId", "srcKind", "dstKind"),
)
"""Columns that are arguments."""
_KINDS: Final = {
    1: "HtoD",
    2: "DtoH",
    3: "HtoA",
    4: "AtoH",
    5: "AtoA",
    6: "AtoD",
    7: "DtoA",
    8: "DtoD",
    9: "HtoH",
    10: "PtoP",
}
"""CUPTI's kinds of copies."""
_MARK: Final = 34
_PUSH_POP: Final = 59
_START_END: Final = 60
_VERSION: Final = re.compile(r"_v\d+$")
_OPERATOR: Final = re.compile(r"((?:\w+::)*\w+)(?:, (?:op_id|seq|sizes|input_op_ids) = .*)", re.DOTALL)
"""A range of torch.autograd.profiler.emit_nvtx: `aten::mm, op_id = 42, seq = 7, sizes = [[2, 3], [3, 4]]`."""
_THREAD_BITS: Final = 24
_LOW: Final = (1 << _THREAD_BITS) - 1


@dataclass(slots=True)
class _Report:
    """One report being read."""

    database: Tables
    ctx: Context
    strings: dict[int, str] = field(default_factory=dict)
    threads: dict[int, str] = field(default_factory=dict)
    operators: bool = False

    def read(self) -> Iterator[RawBatch]:
        """The tables one after another: calls before what they launched."""
        database, ctx = self.database, self.ctx
        self.strings = database.texts("StringIds", "id", "value")
        named = database.rows("ThreadNames", ("globalTid", "nameId"))
        self.threads = {thread: self.strings[name] for thread, name in named if name in self.strings}
        starts = [
            at for (at,) in database.rows("TARGET_INFO_SESSION_START_TIME", ("utcEpochNs",)) if isinstance(at, int)
        ]
        ctx.origin_ns = starts[0] if len(starts) == 1 else None
        self._facts()
        yield from self._ranges()
        yield from self._calls()
        yield from self._work(KERNELS, "kernel", ("demangledName", "shortName", "mangledName", "name"))
        yield from self._work(GRAPHS, "kernel", ("graphId",))
        yield from self._work(COPIES, "copy", ("copyKind", "bytes"))
        yield from self._work(SETS, "copy", ("bytes",))
        if self.operators:
            ctx.producer = "pytorch"
        self._say_unread()

    # --- what ran on devices

    def _work(self, table: str, level: str, more: Sequence[str]) -> Iterator[RawBatch]:
        details = [name for name in _DETAILS if name in self.database.tables.get(table, ())]
        for rows in self.database.numbers(table, (*_WHERE, *more, *details)):
            kept = timed(self.ctx, rows)
            count = len(kept["start"])
            if not count:
                continue
            name = self._names(table, kept, more)
            lookup = np.full(count, NO_TEXT, dtype=np.int32)
            if level == "copy":
                lookup[:] = self.ctx.pool("lookup")["gpu_memcpy" if table == COPIES else "gpu_memset"]
            texts = self.ctx.pool("name").values_list
            kernel = (
                text_codes(self.ctx.pool("kernel"), [texts[code] for code in name.tolist()])
                if level == "kernel"
                else None
            )
            keys = zip(kept["globalPid"].tolist(), kept["deviceId"].tolist(), kept["streamId"].tolist(), strict=True)
            yield batch(
                self.ctx,
                kept,
                track=keyed(list(keys), self._stream),
                name=name,
                level=np.full(count, LEVEL[level], dtype=np.int8),
                lookup=lookup,
                kernel=kernel,
                correlation=_launched(kept["correlationId"]),
                bytes=kept.get("bytes"),
                args=arguments(self.ctx, kept, details),
            )

    def _names(self, table: str, rows: dict[str, Int64], more: Sequence[str]) -> Int32:
        pool, count = self.ctx.pool("name"), len(rows["start"])
        if table == KERNELS:
            ids = np.full(count, NO_INT)
            for column in more:
                ids = np.where(np.isin(ids, list(self.strings)), ids, rows[column])
            return coded(self.ctx.pool("name"), ids, self._string)
        if table == GRAPHS:
            return coded(
                self.ctx.pool("name"), rows["graphId"], lambda at: f"CUDA graph {at}" if at != NO_INT else "CUDA graph"
            )
        if table == COPIES:
            return coded(
                self.ctx.pool("name"), rows["copyKind"], lambda at: f"Memcpy {_KINDS[at]}" if at in _KINDS else "Memcpy"
            )
        return np.full(count, pool["Memset"], dtype=np.int32)

    def _stream(self, process: int, device: int, stream: int) -> int:
        """The track of a stream."""
        number, owner = max(device, 0), "" if process == NO_INT else process >> _THREAD_BITS
        named = "stream" if stream == NO_INT else f"stream {stream}"
        return self.ctx.track(f"gpu:{number}", named, f"{owner}/{stream}", on_device=True, process=f"{number}/{owner}")

    # --- what the host did

    def _calls(self) -> Iterator[RawBatch]:
        for rows in self.database.numbers(CALLS, ("start", "end", "globalTid", "correlationId", "nameId")):
            kept = timed(self.ctx, rows)
            if len(kept["start"]):
                yield batch(
                    self.ctx,
                    kept,
                    track=self._on_threads(kept["globalTid"]),
                    name=coded(self.ctx.pool("name"), kept["nameId"], lambda at: _VERSION.sub("", self._string(at))),
                    level=np.full(len(kept["start"]), LEVEL["api"], dtype=np.int8),
                    correlation=_launched(kept["correlationId"]),
                )

    def _ranges(self) -> Iterator[RawBatch]:
        """NVTX: what it says is a text in the row, or one of StringIds."""
        columns = ("start", "end", "eventType", "globalTid", "textId")
        texts = self.database.rows(RANGES, ("text",))
        for rows in self.database.numbers(RANGES, columns):
            # Of a damaged column under --repair there may be fewer texts than rows.
            own = [next(texts, (None,))[0] for _ in range(len(rows["start"]))]
            said = [
                text if isinstance(text, str) else self.strings.get(at, "")
                for text, at in zip(own, rows["textId"].tolist(), strict=True)
            ]
            kind = rows["eventType"]
            mark = kind == _MARK
            rows["end"] = np.where(mark, rows["start"], rows["end"])
            spans = mark | (kind == _PUSH_POP) | (kind == _START_END)
            open_ = spans & ((rows["end"] == NO_INT) | (rows["end"] < 0))
            self.ctx.anomalies.count("unmatched_begin", int(open_.sum()))
            chosen = spans & ~open_
            rows = {name: values[chosen] for name, values in rows.items()}
            rows["row"] = np.flatnonzero(chosen)
            kept = timed(self.ctx, rows)
            if len(kept["start"]):
                yield self._said(kept, [said[at] for at in kept["row"].tolist()])

    def _said(self, rows: dict[str, Int64], texts: list[str]) -> RawBatch:
        """Ranges and marks: operators of PyTorch, and what users named."""
        found = {text: _OPERATOR.fullmatch(text) for text in set(texts)}
        names = [match[1] if (match := found[text]) else text for text in texts]
        is_op = np.array([found[text] is not None for text in texts])
        self.operators |= bool(is_op.any())
        lookups = [
            None if op else kineto_names.ANNOTATION + name for op, name in zip(is_op.tolist(), names, strict=True)
        ]
        pairs = zip(rows["globalTid"].tolist(), (rows["eventType"] == _START_END).tolist(), strict=True)
        return batch(
            self.ctx,
            rows,
            track=keyed(list(pairs), self._thread),
            name=text_codes(self.ctx.pool("name"), names),
            lookup=text_codes(self.ctx.pool("lookup"), lookups),
            level=np.where(is_op, LEVEL["op"], LEVEL["marker"]).astype(np.int8),
            category=np.full(len(texts), self.ctx.pool("category")["nvtx"], dtype=np.int32),
        )

    def _on_threads(self, threads: Int64) -> Int32:
        return keyed([(one, False) for one in threads.tolist()], self._thread)

    def _thread(self, thread: int, apart: bool) -> int:
        """The track of a thread; ranges that need not nest in anything (started and ended by number) have one of their own."""
        process, number = (thread >> _THREAD_BITS) & _LOW, thread & _LOW
        name = self.threads.get(thread) or f"thread {number}"
        key = f"{process}/{number}"
        if apart:
            return self.ctx.track("host", f"{name} · ranges", f"{key}/ranges", process=thread >> _THREAD_BITS)
        return self.ctx.track("host", name, key, process=thread >> _THREAD_BITS)

    # --- columns

    def _string(self, at: int) -> str:
        return self.strings.get(at, f"string #{at}" if at != NO_INT else "unnamed")

    # --- what is said of the report

    def _facts(self) -> None:
        env = dict(self.database.rows("TARGET_INFO_SYSTEM_ENV", ("name", "value")))
        if isinstance(host := env.get("Hostname"), str) and host:
            self.ctx.host = host
        made = dict(self.database.rows("META_DATA_EXPORT", ("name", "value")))
        for key, fact in (("EXPORT_SCHEMA_VERSION", "schema"), ("PRODUCT_VERSION", "profiler")):
            if isinstance(value := made.get(key), str):
                self.ctx.facts[fact] = value
        gpus = [name for (name,) in self.database.rows("TARGET_INFO_GPU", ("name",)) if isinstance(name, str)]
        if gpus:
            self.ctx.facts["gpus"] = gpus

    def _say_unread(self) -> None:
        """Tables of events that are not read, with how many rows each has; and warnings and errors of the profiler itself."""
        known = {KERNELS, GRAPHS, COPIES, SETS, CALLS, RANGES, "DIAGNOSTIC_EVENT"}
        held = {
            name: count
            for name in self.database.tables
            if _OTHERS.fullmatch(name) and name not in known and (count := self.database.count(name))
        }
        if held:
            told = ", ".join(f"{name} ({count} rows)" for name, count in held.items())
            self.ctx.completeness["tables"] = f"not read, and in no sum: {told}"
        said = [
            text
            for severity, text in self.database.rows("DIAGNOSTIC_EVENT", ("severity", "text"))
            if isinstance(severity, int) and severity > 1 and isinstance(text, str)
        ]
        if said:
            self.ctx.completeness["profiler"] = "; ".join(dict.fromkeys(said[:5]))


def _launched(ids: Int64) -> Int64:
    """Correlation ids; 0 is none. They count anew in each process, which the finishing pass tells apart (finish/ranks.py)."""
    return np.where(ids == 0, NO_INT, ids)


class NsysReader:
    """Reads Nsight Systems' SQLite, and the same tables as a folder of Parquet files."""

    producer = "nsys"

    def read(self, source: Source, ctx: Context) -> Iterator[RawBatch]:
        """See `reader.Reader`."""
        ctx.nested = True
        if source.path.is_dir():
            # Late: Arrow's Parquet takes as long to load as a small trace to read.
            from dlprof.ingest.parquet.tables import ParquetTables

            yield from _Report(ParquetTables(source.path, ctx), ctx).read()
            return
        with opened(source, ctx) as database:
            yield from _Report(database, ctx).read()

    def operator(self, name: str, vocabulary: Vocabulary) -> Operator | None:
        """See `reader.Reader`: NVTX ranges have the names that PyTorch's profiler gives its own."""
        return kineto_names.operator(name, vocabulary)


READER: Final = NsysReader()
