"""Arrow columns as NumPy arrays: dictionary codes, integers with a stand-in for null, and groups of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dlprof.native import groups as native

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

NULL = -1
"""Stand-in for null in code and integer arrays; no column of the schema that is read here holds a real -1."""


class Text(msgspec.Struct, frozen=True):
    """A text column: `codes` (int64, NULL where null) index `values`."""

    codes: Ints
    values: list[str]

    def where(self, *wanted: str) -> Bools:
        """Rows that hold one of the wanted values."""
        return self.flags([value in wanted for value in self.values])

    def present(self) -> set[str]:
        """The values that rows hold."""
        return {value for value, count in self.counts().items() if count}

    def counts(self) -> dict[str, int]:
        """How many rows hold each value."""
        counts = np.bincount(self.codes + 1, minlength=len(self.values) + 1)[1:].tolist()
        return dict(zip(self.values, counts, strict=True))

    def flags(self, truth: Sequence[bool]) -> Bools:
        """Rows whose value has a true flag; `truth` has one flag per entry of `values`. Null rows are False."""
        return np.append(np.asarray(truth, dtype=bool), False)[self.codes]

    def decode(self, codes: Ints) -> list[str | None]:
        """Values of the codes; None for NULL."""
        return [None if code < 0 else self.values[code] for code in codes.tolist()]


class Pool:
    """The values of a text column by number, of as many batches as there are: equal values have one code in all of them."""

    def __init__(self) -> None:
        self.values: list[str] = []
        self._first: dict[str, int] = {}
        self._last: tuple[Any, tuple[int, ...], Ints | None] | None = None

    def text(self, column: Any) -> Text:
        """A column (plain or dictionary, in chunks) as codes and values."""
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        # Chunks may have dictionaries of their own, and one dictionary may hold a value twice: number the (few)
        # values anew.
        return Text(_one([self._codes(chunk) for chunk in column.chunks]), self.values)

    def _codes(self, chunk: Any) -> Ints:
        """The codes of a chunk: its indices where its dictionary is numbered as the values are."""
        numbers, indices = self._numbers(chunk.dictionary), _filled(chunk.indices)
        return indices.astype(np.int64) if numbers is None else numbers[indices]

    def _numbers(self, dictionary: Any) -> Ints | None:
        """The code of each value of a dictionary, and NULL; None where each is its place. Batches and chunks, one after another,
        mostly share one."""
        memory = tuple(0 if buffer is None else buffer.address for buffer in dictionary.buffers())
        place = (*memory, dictionary.offset, len(dictionary))
        if self._last is None or self._last[1] != place:
            values = dictionary.to_pylist()
            for value in values:
                if value is not None and value not in self._first:
                    self._first[value] = len(self.values)
                    self.values.append(value)
            numbers = [NULL if value is None else self._first[value] for value in values]
            alike = numbers == list(range(len(numbers)))
            # The dictionary is held, so that no other one can come to lie in its place.
            self._last = dictionary, place, None if alike else np.array([*numbers, NULL], dtype=np.int64)
        return self._last[2]


def text(table: pa.Table, name: str) -> Text:
    """A text column (plain or dictionary) as codes and values; equal values share one code."""
    return Pool().text(table.column(name))


def integers(table: pa.Table, name: str) -> Ints:
    """An integer column; NULL where null."""
    chunks: Any = table.column(name).chunks
    return np.asarray(_one([_filled(chunk) for chunk in chunks]), dtype=np.int64)


def _one(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate([np.zeros(0, dtype=np.int64), *parts])


def _filled(chunk: Any) -> NDArray[Any]:
    """The integers of an array, NULL where null. Arrow's fill_null takes four times as long, and as long to load as NumPy."""
    valid, data = chunk.buffers()
    if data is None or chunk.null_count == len(chunk):
        return np.full(len(chunk), NULL, dtype=np.int64)
    first, behind = chunk.offset, chunk.offset + len(chunk)
    kind = np.dtype(chunk.type.to_pandas_dtype())
    values = np.frombuffer(data, dtype=kind, count=behind)[first:]
    if not chunk.null_count:
        return values
    bits = np.unpackbits(np.frombuffer(valid, dtype=np.uint8), count=behind, bitorder="little")[first:]
    return np.where(bits, values, kind.type(NULL))


def distinct(codes: Ints) -> list[int]:
    """The codes, 0 or more, that occur."""
    found: list[int] = np.flatnonzero(np.bincount(codes)).tolist()
    return found


def constant(table: pa.Table, name: str) -> bool:
    """Whether all rows are seen at once to hold the same: nothing, or the one value of a dictionary."""
    column: Any = table.column(name)
    if column.null_count == len(column):
        return True
    return (
        not column.null_count
        and column.num_chunks == 1
        and pa.types.is_dictionary(column.type)
        and len(column.chunk(0).dictionary) == 1
    )


def nullable(values: Ints) -> Any:
    """An int64 array with null where NULL stands."""
    return numbers(values.astype(np.int64, copy=False), values == NULL)


def encode(text_column: Text) -> Any:
    """The inverse of `text`: a dictionary array of schema's text type."""
    codes = numbers(text_column.codes.astype(np.int32), text_column.codes < 0)
    return pa.DictionaryArray.from_arrays(codes, pa.array(text_column.values, pa.string()))


def numbers(values: NDArray[Any], null: Bools | None = None) -> Any:
    """An Arrow array of numbers, which shares their memory; null where `null` is true. For these pa.array would load numpy.ma,
    as long as reading 4 MB of trace."""
    values = np.ascontiguousarray(values)
    valid = None if null is None or not null.any() else pa.py_buffer(np.packbits(~null, bitorder="little").data)
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [valid, pa.py_buffer(values.data)])


class Groups(msgspec.Struct, frozen=True):
    """Rows grouped by equal keys.

    inverse: group of each row
    first: a row of each group
    size: number of groups
    """

    inverse: Ints
    first: Ints
    size: int

    def sum(self, values: Ints) -> Ints:
        """Exact int64 sum per group (float weights would round above 2**53 ps = 2.5 h)."""
        return exact_sums(self.inverse, values, self.size)

    def reach(self, start: Ints, end: Ints) -> tuple[Ints, Ints]:
        """The lowest start and the highest end per group."""
        compiled = native.reach(self.inverse, start, end, self.size)
        return self._reach(start, end) if compiled is None else compiled

    def _reach(self, start: Ints, end: Ints) -> tuple[Ints, Ints]:
        """`reach` without the compiled part."""
        low, high = np.full(self.size, np.iinfo(np.int64).max), np.full(self.size, np.iinfo(np.int64).min)
        np.minimum.at(low, self.inverse, start)
        np.maximum.at(high, self.inverse, end)
        return low, high

    def sum_float(self, values: Floats) -> Floats:
        """Float sum per group."""
        return np.bincount(self.inverse, weights=values, minlength=self.size).astype(np.float64)


_LOW: Final = (1 << 32) - 1
_EXACT_ROWS: Final = 1 << 20


def exact_sums(codes: Ints, values: Ints, size: int) -> Ints:
    """Sum of the int64 values of each code in [0, size), exact as far as int64 reaches."""
    compiled = native.add_up(codes, values, size)
    return _exact_sums(codes, values, size) if compiled is None else compiled


def _exact_sums(codes: Ints, values: Ints, size: int) -> Ints:
    """`exact_sums` without the compiled part.

    By halves of 32 bits, whose sums float64 holds exactly for two million rows at a time: np.bincount adds floats, and takes a
    fifth of the time of sorting the rows and adding them up group by group.
    """
    total = np.zeros(size, dtype=np.int64)
    for at in range(0, len(codes), _EXACT_ROWS):
        here, part = codes[at : at + _EXACT_ROWS], values[at : at + _EXACT_ROWS]
        low = np.bincount(here, weights=part & _LOW, minlength=size)
        high = np.bincount(here, weights=part >> 32, minlength=size)
        total += low.astype(np.int64) + (high.astype(np.int64) << 32)
    return total


def group(keys: Sequence[Ints]) -> Groups:
    """Group rows by equal tuples of integer keys (NULL is a key like any other)."""
    compiled = native.group(keys)
    return _group(keys) if compiled is None else Groups(*compiled, len(compiled[1]))


def _group(keys: Sequence[Ints]) -> Groups:
    """`group` without the compiled part."""
    combined, size = np.zeros(len(keys[0]), dtype=np.int64), 0
    for key in keys:
        codes, values = dense(key)
        # Compact after each key, so that the product of cardinalities cannot overflow.
        combined, size = dense(combined * max(values, 1) + codes)
    first = np.zeros(size, dtype=np.int64)
    first[combined[::-1]] = np.arange(len(combined))[::-1]
    return Groups(combined, first, size)


def dense(key: Ints) -> tuple[Ints, int]:
    """Keys as 0, 1, 2, … in order of value, and how many there are.

    By table where the range allows: np.unique hashes or sorts, which takes several times as long for codes.
    """
    if not len(key):
        return key, 0
    low = int(key.min())
    span = int(key.max()) - low + 1
    if span > max(4 * len(key), 1 << 16):
        values, codes = np.unique(key, return_inverse=True)
        return codes.astype(np.int64), len(values)
    present = np.zeros(span, dtype=bool)
    present[key - low] = True
    rank = np.cumsum(present) - 1
    return rank[key - low], int(rank[-1]) + 1
