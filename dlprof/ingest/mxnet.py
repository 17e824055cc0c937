"""Reads MXNet 1.x profiler files (profile.json), with the invalid shapes MXNet writes itself.

Every operator is written twice: B/E on the device and an async b/e twin on the pseudo-process "operator". B/E is the
truth (the profiler's own table of 2019 summed both); twins are dropped and counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from dlprof.ingest.batch import LEVEL, NO_TEXT, TARGET_ROWS, Int64, RawBatch
from dlprof.ingest.json_columns import EPOCH_US, MISSING, Codes, phases, picoseconds
from dlprof.ingest.json_elements import Event, metadata_name
from dlprof.ingest.json_stream import JsonStream
from dlprof.ingest.mxnet_names import HOST, TRANSFERS, backward_operator, bulk_operator, device_of
from dlprof.ingest.pairing import CLOSERS, OPENERS, Pairer
from dlprof.ingest.reader import Context
from dlprof.ingest.source import Source
from dlprof.plugin import Operator, Vocabulary

OPERATOR: Final = "operator"
OLD_OPERATOR: Final = "category"
"""Before 1.2 an operator's category is the word "category", and there is no async twin."""
C_API: Final = "MXNET_C_API"
_M: Final = ord("M")
_READ: Final = np.isin(np.arange(256), np.frombuffer(b"BEbe()Cn", dtype=np.uint8))


@dataclass(slots=True)
class _File:
    """State of one file: names of process ids, tracks by (process, thread), counts of both halves of the operators."""

    ctx: Context
    pairer: Pairer
    processes: dict[Any, str] = field(default_factory=dict)
    tracks: dict[tuple[Any, Any], int] = field(default_factory=dict)
    origin_us: int | None = None
    twins: int = 0
    operators: int = 0

    def batches(self, chunks: Iterator[list[Event]]) -> Iterator[RawBatch]:
        for events in chunks:
            ph = phases(events)
            self._learn_processes(events, ph)
            self._set_origin(events, ph)
            keep = _READ[ph]
            self.ctx.anomalies.count("json_empty_element", sum(not event.ph for event in events))
            self.ctx.anomalies.count("unread_phase", int((~keep & (ph != _M) & (ph != 0)).sum()))
            keep &= ~np.fromiter((self._is_twin(event) for event in events), dtype=bool, count=len(events))
            kept = list(compress(events, keep))
            for start in range(0, len(kept), TARGET_ROWS):
                part = kept[start : start + TARGET_ROWS]
                batch = self._batch(part, ph[keep][start : start + TARGET_ROWS])
                if len(batch):
                    yield batch
        self._finish()

    def _is_twin(self, event: Event) -> bool:
        if event.cat != OPERATOR or event.ph not in ("b", "e"):
            return False
        self.twins += event.ph == "b"
        return True

    def _learn_processes(self, events: Sequence[Event], ph: npt.NDArray[np.uint8]) -> None:
        for event in compress(events, ph == _M):
            if event.name == "process_name":
                name = metadata_name(event)
                if name is None:
                    self.ctx.anomalies.count("json_bad_metadata")
                else:
                    self.processes[event.pid] = name

    def _set_origin(self, events: Sequence[Event], ph: npt.NDArray[np.uint8]) -> None:
        if self.origin_us is not None:
            return
        first = next((e.ts for e in compress(events, ph != _M) if isinstance(e.ts, int)), None)
        if first is None:
            return
        self.origin_us = first if first > EPOCH_US else 0
        self.ctx.origin_ns = self.origin_us * 1000 if self.origin_us else None

    def _batch(self, events: list[Event], ph: npt.NDArray[np.uint8]) -> RawBatch:
        spanning = np.isin(ph, OPENERS) | np.isin(ph, CLOSERS)
        opened, closed = self.pairer.pair(list(compress(events, spanning)), ph[spanning])
        single = list(compress(events, ~spanning))
        origin = self.origin_us or 0
        start = picoseconds([event.ts for event in opened], origin)
        end = picoseconds([event.ts for event in closed], origin)
        alone = picoseconds([event.ts for event in single], origin)
        timed = np.concatenate([(start != MISSING) & (end != MISSING), alone != MISSING])
        self.ctx.anomalies.count("time_out_of_range", int((~timed).sum()))
        self.ctx.anomalies.count("negative_duration", int((end < start)[timed[: len(start)]].sum()))
        rows = [*opened, *single]
        return self._columns(
            list(compress(rows, timed)),
            np.concatenate([start, alone])[timed],
            np.concatenate([np.maximum(end - start, 0), np.zeros(len(alone), dtype=np.int64)])[timed],
        )

    def _columns(self, rows: list[Event], start: Int64, duration: Int64) -> RawBatch:
        count, pool = len(rows), self.ctx.pool
        names = [event.name for event in rows]
        kinds = Codes()
        kind = kinds.encode(((event.cat, event.ph, event.name in TRANSFERS) for event in rows), count)
        level = np.array([_level(*key) for key in kinds.keys_list], dtype=np.int8)[kind]
        places = Codes()
        place = places.encode(
            ((event.pid, event.tid, event.cat, event.name if event.ph == "C" else "") for event in rows), count
        )
        track = np.array([self._track(*key) for key in places.keys_list], dtype=np.int32)[place]
        unnamed = np.array([self._is_unnamed(key) for key in places.keys_list], dtype=bool)
        self.ctx.anomalies.count("mxnet_unnamed_device", int(unnamed[place].sum()))
        name = np.fromiter(map(pool("name").__getitem__, names), dtype=np.int32, count=count)
        category = pool("category").encode([event.cat for event in rows])
        works = (level == LEVEL["op"]) | (level == LEVEL["copy"])
        self.operators += int(works.sum())
        kernel = np.full(count, NO_TEXT, dtype=np.int32)
        kernel[works] = pool("kernel").encode(compress(names, works))
        value = np.full(count, np.nan)
        counters = level == LEVEL["counter"]
        value[counters] = [_value(event) for event in compress(rows, counters)]
        return RawBatch(
            track=track,
            name=name,
            start_ps=start,
            duration_ps=duration,
            level=level,
            category=category,
            kernel=kernel,
            value=value,
        )

    def _track(self, pid: Any, tid: Any, category: str | None, counter: str) -> int:
        """Operators run on the device that names their process, all else on the host; a counter where it counts."""
        if category in (OPERATOR, OLD_OPERATOR):
            device = device_of(self.processes.get(pid))
            # Process id 0 is cpu/0 in every build; which others are CPUs depends on the machine that recorded.
            return self.ctx.track(device or ("cpu:0" if pid == 0 else f"unnamed:{pid}"), str(tid), tid)
        if counter:
            return self.ctx.track(device_of(counter.removeprefix("Memory: ")) or HOST, category or "counters", category)
        return self.ctx.track(HOST, str(tid), tid)

    def _is_unnamed(self, place: tuple[Any, Any, str | None, str]) -> bool:
        return place[2] in (OPERATOR, OLD_OPERATOR) and device_of(self.processes.get(place[0])) is None

    def _finish(self) -> None:
        self.pairer.finish()
        self.ctx.anomalies.count("mxnet_async_duplicate", self.twins)
        if self.twins and self.twins != self.operators:
            self.ctx.completeness["mxnet_twins"] = (
                f"{self.operators} operators in the file's B/E half, {self.twins} in its async half: one is incomplete"
            )


def _level(category: str | None, ph: str, transfer: bool) -> int:
    if ph == "C":
        return LEVEL["counter"]
    if category in (OPERATOR, OLD_OPERATOR):
        return LEVEL["copy"] if transfer else LEVEL["op"]
    return LEVEL["api"] if category == C_API else LEVEL["marker"]


def _value(event: Event) -> float:
    """A counter's value; NaN where there is none."""
    try:
        values = msgspec.json.decode(event.args, type=dict[str, float], strict=False)
    except msgspec.DecodeError:
        return float("nan")
    return next(iter(values.values()), float("nan"))


class MXNetReader:
    """Reader of kind mxnet-profile (reader.Reader)."""

    producer = "mxnet"

    def read(self, source: Source, ctx: Context) -> Iterator[RawBatch]:
        """Streams operators, API calls, markers and counters of one profile.json."""
        stream = JsonStream(source, ctx, mxnet=True)
        yield from _File(ctx, Pairer(ctx)).batches(stream.chunks())

    def operator(self, name: str, vocabulary: Vocabulary) -> Operator | None:
        """The meaning of an operator name; a bulk (`a,b,c`) is one operator Bulk that lists what it fuses."""
        return vocabulary.get(name) or bulk_operator(name, vocabulary) or backward_operator(name, vocabulary)


READER: Final = MXNetReader()
