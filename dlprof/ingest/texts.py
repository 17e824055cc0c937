"""Texts that hardly ever repeat (arguments), on their way between JSON, the spill file and Arrow: one copy a step."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dlprof.ingest.batch import Arrow, Int64, arrow
from dlprof.native import library

NULL: Final = -1
"""Length of a text that is missing."""

Lengths = npt.NDArray[np.int32]
_INT32_MAX: Final = 2**31 - 1
_EMPTY: Final = memoryview(b"")


class RawTexts(msgspec.Struct, frozen=True):
    """Texts as a decoder left them: UTF-8 in buffers; `missing` stands for no text wherever that very object occurs."""

    parts: Sequence[Any]
    missing: msgspec.Raw

    def __len__(self) -> int:
        return len(self.parts)


class Packed(msgspec.Struct, frozen=True):
    """Texts one behind the other in `data`, in the order of the rows; length NULL where a row has none."""

    lengths: Lengths
    data: memoryview

    def __len__(self) -> int:
        return len(self.lengths)

    def array(self) -> Arrow:
        """The same as an Arrow array."""
        return strings(self.lengths, np.frombuffer(self.data, dtype=np.uint8))


class Places(msgspec.Struct, frozen=True):
    """Texts anywhere in `data`: first byte of each, and its length, NULL where a row has none."""

    places: Int64
    lengths: Lengths
    data: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.lengths)

    def packed(self, order: Int64 | None = None) -> Packed:
        """The same in the given order, one behind the other."""
        functions = library.found().functions
        if functions is None:
            return self._in_python(order)
        places, lengths = (self.places, self.lengths) if order is None else (self.places[order], self.lengths[order])
        places, lengths = np.ascontiguousarray(places), np.ascontiguousarray(lengths)
        target = np.empty(int(np.maximum(lengths, 0).sum(dtype=np.int64)), dtype=np.uint8)
        arrays = (self.data, places, lengths, target)
        data, at, sizes, into = (int(array.__array_interface__["data"][0]) for array in arrays)
        if functions.dlprof_gather(data, len(self.data), at, sizes, len(lengths), into, len(target)):
            raise IndexError("a text that lies outside of its data")
        return Packed(lengths, target.data)

    def _in_python(self, order: Int64 | None) -> Packed:
        """Without the compiled part, which alone finds texts anywhere else, they lie in the order of the rows."""
        if order is None:
            return Packed(self.lengths, self.data.data)
        array = strings(self.lengths, self.data).cast(pa.large_string()).take(arrow(order))
        data = array.buffers()[2]
        return Packed(self.lengths[order], _EMPTY if data is None else memoryview(data))


Texts = Sequence[str | None] | RawTexts | Packed | Places | Arrow


def one_behind_other(lengths: Lengths, data: npt.NDArray[np.uint8]) -> Places:
    """Texts that lie in the order of the rows."""
    sizes = np.maximum(lengths, 0)
    return Places(np.cumsum(sizes, dtype=np.int64) - sizes, lengths, data)


def gathered(texts: Texts | None, order: Int64 | None) -> tuple[Lengths | None, memoryview]:
    """Length of each text (NULL for none) in the given order, and their bytes one behind the other; None where no row has any."""
    if texts is None:
        return None, _EMPTY
    if isinstance(texts, RawTexts):
        return _of_raw(texts, order)
    if isinstance(texts, Packed) and order is not None:
        texts = one_behind_other(texts.lengths, np.frombuffer(texts.data, dtype=np.uint8))
    if isinstance(texts, Places):
        texts = texts.packed(order)
    if isinstance(texts, Packed):
        return texts.lengths, texts.data
    array = _large(texts)
    if array.null_count == len(array):
        return None, _EMPTY
    if order is not None or array.null_count:
        # Taking also drops what may stand in the bytes of a null.
        array = array.take(arrow(np.arange(len(array)) if order is None else order))
    offsets = np.frombuffer(array.buffers()[1], dtype=np.int64)[array.offset : array.offset + len(array) + 1]
    lengths = np.diff(offsets).astype(np.int32)
    if array.null_count:
        lengths[array.is_null().to_numpy(zero_copy_only=False)] = NULL
    data = array.buffers()[2]
    return lengths, _EMPTY if data is None else memoryview(data)[int(offsets[0]) : int(offsets[-1])]


def strings(lengths: Lengths, data: npt.NDArray[np.uint8]) -> Arrow:
    """The Arrow array of texts that lie one behind the other in `data`."""
    null = lengths == NULL
    kind = pa.string() if len(data) <= _INT32_MAX else pa.large_string()
    offsets = np.zeros(len(lengths) + 1, dtype=np.int32 if len(data) <= _INT32_MAX else np.int64)
    np.cumsum(np.where(null, 0, lengths), out=offsets[1:])
    valid = pa.py_buffer(np.packbits(~null, bitorder="little").data) if null.any() else None
    return pa.Array.from_buffers(kind, len(lengths), [valid, pa.py_buffer(offsets.data), pa.py_buffer(data.data)])


def _of_raw(texts: RawTexts, order: Int64 | None) -> tuple[Lengths | None, memoryview]:
    parts = texts.parts
    if order is not None and len(order) > 1:
        parts = itemgetter(*order.tolist())(parts)
    lengths = np.fromiter(map(len, parts), dtype=np.int32, count=len(parts))
    short = np.flatnonzero(lengths == len(texts.missing)).tolist()
    missing = [row for row in short if parts[row] is texts.missing]
    if missing:
        if len(missing) == len(parts):
            return None, _EMPTY
        parts = [b"" if part is texts.missing else part for part in parts]
        lengths[missing] = NULL
    return lengths, memoryview(b"".join(parts))


def _large(texts: Sequence[str | None] | Arrow) -> Arrow:
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    if isinstance(texts, pa.Array):
        return texts.cast(pa.large_string())
    return pa.array(texts, pa.large_string())
