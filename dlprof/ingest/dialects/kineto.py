"""Reads PyTorch profiler (Kineto) traces: the schema of 2020–21 (also as an array), the one since, NVIDIA and AMD forms.

Joins: a kernel's `correlation` is that of the runtime call that launched it, its `External id` the operator around the call.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from dlprof.ingest.batch import LEVEL, NO_INT, NO_TEXT, Int32, Int64, RawBatch
from dlprof.ingest.dialects import kineto_names
from dlprof.ingest.dialects.kineto_args import NONE, Args, decode_args, number, text
from dlprof.ingest.dialects.kineto_head import facts, has_device_events
from dlprof.ingest.json.common_columns import argument_texts, category_codes, keyed, name_codes, raw_codes, text_codes
from dlprof.ingest.json.elements import Event
from dlprof.ingest.json.walk import INSTANT, ChromeFile, Dialect, Mask, Phases
from dlprof.ingest.reader import Context
from dlprof.ingest.source import Source
from dlprof.plugin import Operator, Vocabulary

HOST: Final = "host"
CPU: Final = "cpu:0"

LEVELS_BY_CATEGORY: Final = {
    **dict.fromkeys(("cpu_op", "Operator", "operator"), "op"),
    **dict.fromkeys(("kernel", "Kernel"), "kernel"),
    **dict.fromkeys(("gpu_memcpy", "gpu_memset", "Memcpy", "Memset"), "copy"),
    **dict.fromkeys(("cuda_sync", "hip_sync", "xpu_sync"), "sync"),
    **dict.fromkeys(("user_annotation", "gpu_user_annotation", "Trace"), "marker"),
    **dict.fromkeys(
        (
            "cuda_runtime",
            "cuda_driver",
            "Runtime",
            "hip_runtime",
            "hip_driver",
            "xpu_runtime",
            "python_function",
            "overhead",
        ),
        "api",
    ),
}
"""Level of each Kineto category; one that is not here is an API call unless the vocabulary knows its name."""
ON_DEVICE: Final = frozenset(
    {"kernel", "Kernel", "gpu_memcpy", "gpu_memset", "Memcpy", "Memset", "gpu_user_annotation", "cuda_sync", "hip_sync"}
)
MEMORY: Final = "[memory]"


@dataclass(slots=True)
class KinetoDialect(Dialect):
    """What Kineto's events mean (json.walk.Dialect). host: device of the CPU threads."""

    host: str = HOST
    tracks: dict[tuple[Any, ...], int] = field(default_factory=dict)

    def batch(self, rows: list[Event], ph: Phases, start: Int64, duration: Int64) -> RawBatch:
        """Columns of a chunk."""
        args = decode_args(rows, self.ctx)
        name = name_codes(self.ctx, rows)
        category = category_codes(self.ctx, rows)
        level = self._levels(name, category, ph)
        is_op = level == LEVEL["op"]
        ops = list(compress(args, is_op))
        return RawBatch(
            track=self._tracks(rows, args, category),
            name=name,
            start_ps=start,
            duration_ps=duration,
            level=level,
            category=category,
            kernel=self._kernels(rows, level),
            shape=self._described("shape", is_op, [a.dims_old if a.dims is NONE else a.dims for a in ops]),
            dtype=self._described("dtype", is_op, [a.types for a in ops]),
            correlation=_numbers([a.correlation for a in args]),
            link=self._links(args, level),
            bytes=_numbers([a.size if a.bytes is None else a.bytes for a in args]),
            flops=_numbers([a.flops for a in args]),
            value=_memory(args, level),
            args=argument_texts(rows),
        )

    def _levels(self, name: Int32, category: Int32, ph: Phases) -> npt.NDArray[np.int8]:
        """By category, but for instants and counters, which are so whatever their category."""
        categories = self.ctx.pool("category").values_list
        level = np.array([*map(_level, categories), NO_TEXT], dtype=np.int8)[category]
        instant = INSTANT[ph]
        level[instant] = LEVEL["marker"]
        memory = self.ctx.pool("name").get(MEMORY, NO_TEXT)
        level[(ph == ord("C")) | (instant & (name == memory) & (memory != NO_TEXT))] = LEVEL["counter"]
        return level

    def _tracks(self, rows: list[Event], args: Sequence[Args], category: Int32) -> Int32:
        categories = self.ctx.pool("category").values_list
        on_device = np.array([*(text in ON_DEVICE for text in categories), False])[category]
        track = np.empty(len(rows), dtype=np.int32)
        placed = zip(compress(rows, on_device), compress(args, on_device), strict=True)
        track[on_device] = keyed(
            [(event.pid if a.device is None else a.device, event.tid if a.stream is None else a.stream)
             for event, a in placed],
            self._stream,
        )  # fmt: skip
        threads = list(compress(rows, ~on_device)) if on_device.any() else rows
        track[~on_device] = keyed(
            list(zip([event.pid for event in threads], [event.tid for event in threads], strict=True)), self._thread
        )
        return track

    def _stream(self, device: Any, stream: Any) -> int:
        return self._track(True, device, stream)

    def _thread(self, process: Any, thread: Any) -> int:
        return self._track(False, process, thread)

    def _track(self, on_device: bool, process: Any, thread: Any) -> int:
        key = (on_device, str(process), str(thread))
        code = self.tracks.get(key)
        if code is None:
            if on_device:
                stream = str(thread).removeprefix("stream ").strip()
                device = f"gpu:{process}" if str(process).isdigit() else f"gpu:{process or 0}"
                code = self.ctx.track(device, f"stream {stream}", stream, on_device=True)
            else:
                name = self.names.threads.get((process, thread)) or str(thread)
                code = self.ctx.track(self.host, name, f"{process}/{thread}")
            self.tracks[key] = code
        return code

    def _kernels(self, rows: list[Event], level: npt.NDArray[np.int8]) -> Int32:
        """A kernel's name; on a machine without an accelerator, the operator's."""
        named = (level == LEVEL["kernel"]) | ((level == LEVEL["op"]) if self.host == CPU else False)
        codes = np.full(len(rows), NO_TEXT, dtype=np.int32)
        codes[named] = text_codes(self.ctx.pool("kernel"), [event.name for event in compress(rows, named)])
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
        self.ctx.facts.update(facts(self.header))


def _level(category: str) -> int:
    level = LEVELS_BY_CATEGORY.get(category)
    return LEVEL[level] if level else NO_TEXT


def _numbers(values: list[Any]) -> Int64:
    """int64 with NO_INT where there is none (or one that does not fit)."""
    try:
        # The standard library's array takes a list in half the time that NumPy does.
        return np.frombuffer(array("q", values), dtype=np.int64)
    except (OverflowError, TypeError):
        return np.array([number(value) for value in values], dtype=np.int64)


def _memory(args: Sequence[Args], level: npt.NDArray[np.int8]) -> npt.NDArray[np.float64]:
    """Allocated bytes after each allocation, where the trace tells."""
    value = np.full(len(args), np.nan)
    counters = level == LEVEL["counter"]
    value[counters] = [np.nan if a.allocated is None else a.allocated for a in compress(args, counters)]
    return value


class KinetoReader:
    """Reader of kind kineto (reader.Reader)."""

    producer = "pytorch"

    def read(self, source: Source, ctx: Context) -> Iterator[RawBatch]:
        """Streams operators, runtime calls, kernels, copies, annotations and memory counters of one file."""
        host = HOST if has_device_events(source) else CPU
        yield from ChromeFile(source, KinetoDialect(ctx, host=host)).batches()

    def operator(self, name: str, vocabulary: Vocabulary) -> Operator | None:
        """The meaning of an operator name; autograd's wrappers and Triton's fused kernels included."""
        return kineto_names.operator(name, vocabulary)


READER: Final = KinetoReader()
