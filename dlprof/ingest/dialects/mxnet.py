"""Reads MXNet 1.x profiler files (profile.json), with the invalid shapes MXNet writes itself.

Every operator is written twice: B/E on the device and an async b/e twin on the pseudo-process "operator". B/E is the
truth (the profiler's own table of 2019 summed both); twins are dropped and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any, ClassVar, Final

import msgspec
import numpy as np
import numpy.typing as npt

from dlprof.ingest.batch import LEVEL, NO_TEXT, Int32, Int64, RawBatch
from dlprof.ingest.dialects.mxnet_names import HOST, TRANSFERS, backward_operator, bulk_operator, device_of
from dlprof.ingest.json.blocks import Block
from dlprof.ingest.json.common_columns import category_codes, counter_values, keyed, name_codes
from dlprof.ingest.json.elements import Event
from dlprof.ingest.json.walk import ChromeFile, Dialect, Mask, Phases
from dlprof.ingest.reader import Context
from dlprof.ingest.source import Source
from dlprof.plugin import Operator, Vocabulary

OPERATOR: Final = "operator"
OLD_OPERATOR: Final = "category"
"""Before 1.2 an operator's category is the word "category", and there is no async twin."""
C_API: Final = "MXNET_C_API"
_B, _E, _C = ord("b"), ord("e"), ord("C")
_Coded = Callable[[Mask, Sequence[str], Callable[..., int]], Int32]
"""A code for each chosen row by its texts of some columns, asked once for each distinct key."""


@dataclass(slots=True)
class MXNetDialect(Dialect):
    """What MXNet's events mean (json.walk.Dialect).

    twins, operators: counts of the file's two halves
    gpu_tracks: tracks of operators on GPUs, whose time is not the GPU's alone
    """

    mxnet: ClassVar[bool] = True
    block_arguments: ClassVar[bool | None] = False
    block_spans: ClassVar[bool] = True
    twins: int = 0
    operators: int = 0
    gpu_tracks: set[int] = field(default_factory=set)

    def dropped(self, events: Sequence[Event], ph: npt.NDArray[np.uint8]) -> Mask | None:
        """The async half of the operators."""
        twins: Mask = (ph == _B) | (ph == _E)
        twins[twins] = [event.cat == OPERATOR for event in compress(events, twins)]
        self.leave_out(ph[twins])
        return twins

    def block_dropped(self, block: Block) -> Mask:
        """The same of a block."""
        operators = [at for at, category in enumerate(block.texts("category")) if category == OPERATOR]
        twins: Mask = ((block.ph == _B) | (block.ph == _E)) & np.isin(block.ids["category"], operators)
        return twins

    def leave_out(self, ph: Phases) -> None:
        """Counts twins that are left out."""
        self.twins += int((ph == _B).sum())

    def batch(self, rows: list[Event], ph: Phases, start: Int64, duration: Int64) -> RawBatch:
        """Columns of a chunk."""
        held = {"pid": "pid", "tid": "tid", "name": "name", "category": "cat"}

        def coded(chosen: Mask, columns: Sequence[str], code: Callable[..., int]) -> Int32:
            of = list(compress(rows, chosen))
            keys = [[getattr(event, held[column]) for event in of] for column in columns]
            return keyed(list(zip(*keys, strict=True)), code)

        def counters() -> list[msgspec.Raw]:
            return [event.args for event in compress(rows, ph == _C)]

        name, category = name_codes(self.ctx, rows), category_codes(self.ctx, rows)
        return self._columns(name, category, ph, start, duration, counters, coded)

    def block_batch(self, block: Block, start: Int64, duration: Int64) -> RawBatch:
        """Columns of a block."""

        def counters() -> list[bytes]:
            return block.args(np.flatnonzero(block.ph == _C).tolist())

        name, category = (block.codes(of, self.ctx.pool(of).__getitem__) for of in ("name", "category"))
        return self._columns(name, category, block.ph, start, duration, counters, block.keyed)

    def _columns(
        self,
        name: Int32,
        category: Int32,
        ph: Phases,
        start: Int64,
        duration: Int64,
        counters: Callable[[], Sequence[bytes | msgspec.Raw]],
        coded: _Coded,
    ) -> RawBatch:
        """counters: their arguments, where they are asked for. coded: `Block.keyed`, or the same of events."""
        is_counter = ph == _C
        level = self._levels(name, category, is_counter)
        works = (level == LEVEL["op"]) | (level == LEVEL["copy"])
        self.operators += int(works.sum())
        value = None
        if self.ctx.wants("value"):
            value = np.full(len(name), np.nan)
            value[is_counter] = counter_values(counters())
        track = self._tracks(coded, is_counter)
        self.ctx.anomalies.count("mxnet_gpu_operator", int(np.isin(track[works], list(self.gpu_tracks)).sum()))
        return RawBatch(
            track=track,
            name=name,
            start_ps=start,
            duration_ps=duration,
            level=level,
            category=category,
            kernel=np.where(works, self._kernels(name[works])[name], NO_TEXT).astype(np.int32),
            value=value,
        )

    def _levels(self, name: Int32, category: Int32, is_counter: Mask) -> npt.NDArray[np.int8]:
        """An operator's level by its category; counters apart; a transfer by its name."""
        by_category = np.array([*map(_level, self.ctx.pool("category").values_list), LEVEL["marker"]], dtype=np.int8)
        level = by_category[category]
        transfers = [code for text in TRANSFERS if (code := self.ctx.pool("name").get(text)) is not None]
        if transfers:
            level[(level == LEVEL["op"]) & np.isin(name, transfers)] = LEVEL["copy"]
        level[is_counter] = LEVEL["counter"]
        return level

    def _kernels(self, used: Int32) -> Int32:
        """Name code → kernel code for the names in use: MXNet records operators, so the operator's name is what ran."""
        names, kernels = self.ctx.pool("name").values_list, self.ctx.pool("kernel")
        codes = np.full(len(names), NO_TEXT, dtype=np.int32)
        for code in np.unique(used).tolist():
            codes[code] = kernels[names[code]]
        return codes

    def _tracks(self, coded: _Coded, is_counter: Mask) -> Int32:
        """Tracks by process and thread; a process has one category only, which is part of its track. Counters by name."""
        track = np.empty(len(is_counter), dtype=np.int32)
        places: list[tuple[Any, Any, str | None]] = []

        def place_of(*key: Any) -> int:
            places.append(key)
            return len(places) - 1

        place = coded(~is_counter, ("pid", "tid", "category"), place_of)
        unnamed = np.array([self._is_unnamed(pid, category) for pid, _, category in places], dtype=bool)
        self.ctx.anomalies.count("mxnet_unnamed_device", int(unnamed[place].sum()))
        track[~is_counter] = np.array([self._track(*key) for key in places], dtype=np.int32)[place]
        track[is_counter] = coded(is_counter, ("name", "category"), self._counter_track)
        return track

    def _counter_track(self, name: str, category: str | None) -> int:
        """`Memory: gpu/0` counts on its device, all others on the host."""
        device = device_of(name.removeprefix("Memory: ")) or HOST
        return self.ctx.track(device, category or "counters", category)

    def _track(self, pid: Any, tid: Any, category: str | None) -> int:
        """Operators run on the device that names their process, all else on the host."""
        if category in (OPERATOR, OLD_OPERATOR):
            device = device_of(self.names.processes.get(pid))
            # Process id 0 is cpu/0 in every build; which others are CPUs depends on the machine that recorded.
            track = self.ctx.track(device or ("cpu:0" if pid == 0 else f"unnamed:{pid}"), str(tid), tid)
            if device and device.startswith("gpu"):
                self.gpu_tracks.add(track)
            return track
        return self.ctx.track(HOST, str(tid), tid)

    def _is_unnamed(self, pid: Any, category: str | None) -> bool:
        return category in (OPERATOR, OLD_OPERATOR) and device_of(self.names.processes.get(pid)) is None

    def finish(self) -> None:
        """Counts the twins and says where the halves differ."""
        self.ctx.anomalies.count("mxnet_async_duplicate", self.twins)
        if self.twins and self.twins != self.operators:
            self.ctx.completeness["mxnet_twins"] = (
                f"{self.operators} operators in the file's B/E half, {self.twins} in its async half: one is incomplete"
            )


def _level(category: str) -> int:
    if category in (OPERATOR, OLD_OPERATOR):
        return LEVEL["op"]
    return LEVEL["api"] if category == C_API else LEVEL["marker"]


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
