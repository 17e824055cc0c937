"""Reads PyTorch profiler (Kineto) traces: the schema of 2020–21 (also as an array), the one since, NVIDIA and AMD forms.

Joins: a kernel's `correlation` is that of the runtime call that launched it, its `External id` the operator around the call.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from dlprof.ingest import kineto_names
from dlprof.ingest.batch import LEVEL, NO_INT, NO_TEXT, Int32, Int64, RawBatch
from dlprof.ingest.chrome_file import ChromeFile, Dialect, Mask
from dlprof.ingest.json_elements import Event
from dlprof.ingest.kineto_args import NONE, Args, decode_args, number, text
from dlprof.ingest.kineto_head import facts, has_device_events
from dlprof.ingest.reader import Context
from dlprof.ingest.rows import argument_texts, category_codes, keyed, name_codes, raw_codes, text_codes
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
    """What Kineto's events mean (chrome_file.Dialect). host: device of the CPU threads."""

    host: str = HOST
    tracks: dict[tuple[Any, ...], int] = field(default_factory=dict)

    def batch(self, rows: list[Event], start: Int64, duration: Int64) -> RawBatch:
        """Columns of a chunk."""
        args = decode_args(rows, self.ctx)
        level = keyed([(event.cat, event.ph, event.name == MEMORY) for event in rows], _level).astype(np.int8)
        is_op = level == LEVEL["op"]
        return RawBatch(
            track=self._tracks(rows, args),
            name=name_codes(self.ctx, rows),
            start_ps=start,
            duration_ps=duration,
            level=level,
            category=category_codes(self.ctx, rows),
            kernel=self._kernels(rows, level),
            shape=self._described("shape", is_op, [a.dims_old if a.dims is NONE else a.dims for a in args]),
            dtype=self._described("dtype", is_op, [a.types for a in args]),
            correlation=_numbers([a.correlation for a in args]),
            link=self._links(args, level),
            bytes=_numbers([a.bytes if a.bytes is not None else a.size for a in args]),
            flops=_numbers([a.flops for a in args]),
            value=_memory(args, level),
            args=argument_texts(rows),
        )

    def _tracks(self, rows: list[Event], args: Sequence[Args]) -> Int32:
        keys = [
            (True, event.pid if a.device is None else a.device, event.tid if a.stream is None else a.stream)
            if event.cat in ON_DEVICE
            else (False, event.pid, event.tid)
            for event, a in zip(rows, args, strict=True)
        ]
        return keyed(keys, self._track)

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
        codes = np.full(len(raws), NO_TEXT, dtype=np.int32)
        codes[is_op] = raw_codes(self.ctx.pool(column), list(compress(raws, is_op)), text)
        return codes

    def _links(self, args: Sequence[Args], level: npt.NDArray[np.int8]) -> Int64:
        """External ids of operators and of what they launch; 0 is none."""
        link = _numbers([a.external if a.external is not None else a.external_old for a in args])
        link[(link == 0) | (level == LEVEL["marker"]) | (level == LEVEL["counter"])] = NO_INT
        return link

    def finish(self) -> None:
        """Facts of the file."""
        self.ctx.facts.update(facts(self.header))


def _level(category: str | None, ph: str, memory: bool) -> int:
    if memory and ph in "iIC":
        return LEVEL["counter"]
    if ph == "C":
        return LEVEL["counter"]
    if ph in ("i", "I", "n", "R"):
        return LEVEL["marker"]
    level = LEVELS_BY_CATEGORY.get(category or "")
    return LEVEL[level] if level else NO_TEXT


def _numbers(values: list[Any]) -> Int64:
    """int64 with NO_INT where there is none (or one that does not fit)."""
    try:
        return np.array([NO_INT if value is None else value for value in values], dtype=np.int64)
    except (OverflowError, ValueError, TypeError):
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
