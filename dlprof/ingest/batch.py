"""What a reader emits: columns of events with strings as codes into pools that the whole run shares.

A reader never builds Arrow strings row by row. It interns each string once (`Pool`), registers each thread or stream once
(`Context.track`) and hands over NumPy columns; `finish/` then works on unique names instead of rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dlprof import schema

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Arrow: TypeAlias = Any
"""A pa.Array or pa.Scalar. Its stubs give every array of unknown element type one that no kernel accepts."""

NO_TEXT: Final = -1
"""Code of a missing string."""
NO_INT: Final = -(2**63)
"""A missing value in a nullable int64 column (correlation, link, bytes, flops)."""
NO_STEP: Final = NO_INT + 1
"""In Context.run_steps: launched, but outside all steps. NO_INT there: nothing tells; the step that it lies in decides."""
LEVEL: Final = {name: code for code, name in enumerate(schema.LEVELS)}
"""Code of each schema.LEVELS entry in the `level` column; NO_TEXT leaves it to the vocabulary: op if known, else api."""
TARGET_ROWS: Final = 131_072
"""Rows of a batch to aim for: 64k to 256k. Smaller is fine at the end of a file."""

POOLED: Final = ("name", "lookup", "category", "op_path", "kernel", "layer", "source_line", "shape", "dtype")
"""Text columns that hold codes of the pool of the same name."""
NULLABLE_INTS: Final = ("correlation", "link", "bytes", "flops", "step", "pair", "run")


def arrow(values: object, mask: npt.NDArray[np.bool_] | None = None) -> Arrow:
    """The Arrow array of a NumPy column, which it shares; rows where `mask` is true are null."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "iuf":
        values = np.ascontiguousarray(values)
        # pa.array does the same, but loads numpy.ma for it, which takes as long as reading 4 MB of trace.
        valid = None if mask is None else pa.py_buffer(np.packbits(~mask, bitorder="little").data)
        return pa.Array.from_buffers(_kind(values.dtype), len(values), [valid, pa.py_buffer(values.data)])
    return pa.array(values, mask=mask)  # type: ignore[call-overload]  # NumPy arrays of any element type


@cache
def _kind(dtype: np.dtype[Any]) -> pa.DataType:
    return pa.from_numpy_dtype(dtype)


class Pool(dict[str, int]):
    """Interned strings of one column: `pool[text]` is its code, made on first sight; `pool.values_list[code]` is the text.

    `__missing__` keeps the hit path inside C: `list(map(pool.__getitem__, texts))` costs about 40 ns a row.
    """

    def __init__(self) -> None:
        super().__init__()
        self.values_list: list[str] = []

    def __missing__(self, text: str) -> int:
        code = len(self.values_list)
        self[text] = code
        self.values_list.append(text)
        return code

    def encode(self, texts: Iterable[str | None]) -> Int32:
        """int32 codes, NO_TEXT where a text is None."""
        return np.fromiter((NO_TEXT if text is None else self[text] for text in texts), dtype=np.int32)


class Growing:
    """A number for each code of a pool, as an array that grows with the pool: one made anew for each plane of a file would cost
    as much as there are codes. missing: what the last place holds, which serves NO_TEXT."""

    def __init__(self, missing: int, dtype: npt.DTypeLike = np.int32) -> None:
        self._values = np.full(64, missing, dtype=dtype)
        self._missing = missing
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def extend(self, values: Sequence[int]) -> None:
        """The numbers of the next codes."""
        end = self._count + len(values)
        if end >= len(self._values):
            more = np.full(max(end + 1, len(self._values)), self._missing, dtype=self._values.dtype)
            self._values = np.concatenate([self._values, more])
        self._values[self._count : end] = values
        self._count = end

    @property
    def array(self) -> npt.NDArray[Any]:
        """The number of each code, and `missing`. Shape (codes + 1,)."""
        return self._values[: self._count + 1]


class RawBatch(msgspec.Struct, frozen=True):
    """Columns of n events; a column left None is empty in every row.

    Required, shape (n,): `track` int32 from Context.track; `name` int32 pool code; `start_ps` int64 relative to the
    file's Context.origin_ns; `duration_ps` int64, ≥ 0.
    `level` int8: LEVEL code, or NO_TEXT where the vocabulary decides.
    `lookup` int32 pool code: the raw operator name that the vocabulary is asked for, where it is not `name` itself
    (TensorFlow `forward/conv1/Conv2D:Conv2D` → lookup and kernel `Conv2D`, op_path `forward/conv1/Conv2D`).
    `category`, `op_path`, `kernel`, `layer`, `source_line`, `shape`, `dtype` int32 pool codes, stored as they are; `layer` only
    where the producer itself tells it, else it is derived from paths and nesting. `kernel`: the GPU kernel's name, or on a CPU
    the framework's own operator type. Where operators nest, a `source_line` is that of all inside that has none.
    `correlation` int64 (launch ↔ kernel). `link` int64: the producer's own id of an operator (Kineto `External id`): on a
    level-op event its own id, elsewhere the id of the op that launched it.
    `pair` int64: the number, above 0, that a forward operator and its gradient share; negative on the gradient.
    `step` int64: the number of the step that the producer itself wrote on the event; where none, step markers decide. An event
    of level marker with a step is such a marker.
    `run` int64: position in Context.run_steps of the execution that the event is part of, which knows the step that launched it,
    and in Context.run_launches, which knows where.
    `bytes`, `flops` int64; `value` float64, NaN = none; `occurrences` int64 (default 1).
    `args` (texts.Texts): JSON object of all further arguments per event, or None; not pooled, since it hardly ever repeats.
    """

    track: Int32
    name: Int32
    start_ps: Int64
    duration_ps: Int64
    level: npt.NDArray[np.int8] | None = None
    lookup: Int32 | None = None
    category: Int32 | None = None
    op_path: Int32 | None = None
    kernel: Int32 | None = None
    layer: Int32 | None = None
    source_line: Int32 | None = None
    shape: Int32 | None = None
    dtype: Int32 | None = None
    correlation: Int64 | None = None
    link: Int64 | None = None
    step: Int64 | None = None
    pair: Int64 | None = None
    run: Int64 | None = None
    bytes: Int64 | None = None
    flops: Int64 | None = None
    value: npt.NDArray[np.float64] | None = None
    occurrences: Int64 | None = None
    args: Any = None

    def __len__(self) -> int:
        return len(self.start_ps)


class Track(msgspec.Struct, frozen=True):
    """A thread or stream.

    device: cpu:0, gpu:4, tpu:0 or host
    key: the producer's own id, so that two threads of one name stay apart
    on_device: kernels of an accelerator, where overlap is real and nothing nests, unless `nests`
    host, rank: of this track alone, where one file holds several; else those of its file (reader.Context) hold
    process: whose thread it is, where a file may hold several processes whose ids repeat; of a device, what tells one process's
        device from another's
    nests: an accelerator's track on which events do nest: a TPU's loop holds its body's operators
    """

    source: str
    device: str
    stream: str
    key: str
    on_device: bool
    host: str | None = None
    rank: int | None = None
    process: str = ""
    nests: bool = False


class Pools(msgspec.Struct):
    """The strings and tracks that all files of a run share."""

    text: dict[str, Pool] = msgspec.field(default_factory=lambda: {name: Pool() for name in POOLED})
    tracks: list[Track] = msgspec.field(default_factory=list)
    track_codes: dict[Track, int] = msgspec.field(default_factory=dict)

    def track(self, track: Track) -> int:
        """The code of a track, made on first sight."""
        code = self.track_codes.get(track)
        if code is None:
            code = self.track_codes[track] = len(self.tracks)
            self.tracks.append(track)
        return code
