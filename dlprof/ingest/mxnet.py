"""Reads MXNet 1.x profiler files (profile.json), with the invalid shapes MXNet writes itself.

Every operator is written twice: B/E on the device and an async b/e twin on the pseudo-process "operator". B/E is the
truth (the profiler's own table of 2019 summed both); twins are dropped and counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any, ClassVar, Final

import msgspec
import numpy as np
import numpy.typing as npt

from dlprof.ingest.batch import LEVEL, NO_TEXT, Int32, Int64, RawBatch
from dlprof.ingest.chrome_file import ChromeFile, Dialect, Mask
from dlprof.ingest.json_columns import Codes
from dlprof.ingest.json_elements import Event
from dlprof.ingest.mxnet_names import HOST, TRANSFERS, backward_operator, bulk_operator, device_of
from dlprof.ingest.reader import Context
from dlprof.ingest.source import Source
from dlprof.plugin import Operator, Vocabulary

OPERATOR: Final = "operator"
OLD_OPERATOR: Final = "category"
"""Before 1.2 an operator's category is the word "category", and there is no async twin."""
C_API: Final = "MXNET_C_API"
_B: Final = ord("b")


@dataclass(slots=True)
class MXNetDialect(Dialect):
    """What MXNet's events mean (chrome_file.Dialect). twins, operators: counts of the file's two halves."""

    mxnet: ClassVar[bool] = True
    twins: int = 0
    operators: int = 0

    def dropped(self, events: Sequence[Event], ph: npt.NDArray[np.uint8]) -> Mask | None:
        """The async half of the operators."""
        twins: Mask = (ph == _B) | (ph == ord("e"))
        twins[twins] = [event.cat == OPERATOR for event in compress(events, twins)]
        self.twins += int((ph[twins] == _B).sum())
        return twins

    def batch(self, rows: list[Event], start: Int64, duration: Int64) -> RawBatch:
        """Columns of a chunk."""
        count, pool = len(rows), self.ctx.pool
        names = [event.name for event in rows]
        kinds = Codes()
        kind = kinds.encode([(event.cat, event.ph, event.name in TRANSFERS) for event in rows], count)
        level = np.array([_level(*key) for key in kinds.keys_list], dtype=np.int8)[kind]
        works = (level == LEVEL["op"]) | (level == LEVEL["copy"])
        self.operators += int(works.sum())
        kernel = np.full(count, NO_TEXT, dtype=np.int32)
        kernel[works] = pool("kernel").encode(compress(names, works))
        counters = level == LEVEL["counter"]
        value = np.full(count, np.nan)
        value[counters] = [_value(event) for event in compress(rows, counters)]
        return RawBatch(
            track=self._tracks(rows),
            name=np.fromiter(map(pool("name").__getitem__, names), dtype=np.int32, count=count),
            start_ps=start,
            duration_ps=duration,
            level=level,
            category=pool("category").encode([event.cat for event in rows]),
            kernel=kernel,
            value=value,
        )

    def _tracks(self, rows: list[Event]) -> Int32:
        places = Codes()
        counter = [event.name if event.ph == "C" else "" for event in rows]
        keys = [(event.pid, event.tid, event.cat, name) for event, name in zip(rows, counter, strict=True)]
        place = places.encode(keys, len(rows))
        unnamed = np.array([self._is_unnamed(key) for key in places.keys_list], dtype=bool)
        self.ctx.anomalies.count("mxnet_unnamed_device", int(unnamed[place].sum()))
        return np.array([self._track(*key) for key in places.keys_list], dtype=np.int32)[place]

    def _track(self, pid: Any, tid: Any, category: str | None, counter: str) -> int:
        """Operators run on the device that names their process, all else on the host; a counter where it counts."""
        if category in (OPERATOR, OLD_OPERATOR):
            device = device_of(self.names.processes.get(pid))
            # Process id 0 is cpu/0 in every build; which others are CPUs depends on the machine that recorded.
            return self.ctx.track(device or ("cpu:0" if pid == 0 else f"unnamed:{pid}"), str(tid), tid)
        if counter:
            return self.ctx.track(device_of(counter.removeprefix("Memory: ")) or HOST, category or "counters", category)
        return self.ctx.track(HOST, str(tid), tid)

    def _is_unnamed(self, place: tuple[Any, Any, str | None, str]) -> bool:
        return place[2] in (OPERATOR, OLD_OPERATOR) and device_of(self.names.processes.get(place[0])) is None

    def finish(self) -> None:
        """Counts the twins and says where the halves differ."""
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
        yield from ChromeFile(source, MXNetDialect(ctx)).batches()

    def operator(self, name: str, vocabulary: Vocabulary) -> Operator | None:
        """The meaning of an operator name; a bulk (`a,b,c`) is one operator Bulk that lists what it fuses."""
        return vocabulary.get(name) or bulk_operator(name, vocabulary) or backward_operator(name, vocabulary)


READER: Final = MXNetReader()
