"""Arrow columns as NumPy arrays: dictionary codes, integers with a stand-in for null, and groups of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

NULL = -1
"""Stand-in for null in code and integer arrays; no column of the schema that is read here holds a real -1."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text column: `codes` (int64, NULL where null) index `values`."""

    codes: Ints
    values: list[str]

    def where(self, *wanted: str) -> Bools:
        """Rows that hold one of the wanted values."""
        hits = [code for code, value in enumerate(self.values) if value in wanted]
        return np.isin(self.codes, hits)

    def flags(self, truth: Sequence[bool]) -> Bools:
        """Rows whose value has a true flag; `truth` has one flag per entry of `values`. Null rows are False."""
        return np.append(np.asarray(truth, dtype=bool), False)[self.codes]

    def decode(self, codes: Ints) -> list[str | None]:
        """Values of the codes; None for NULL."""
        return [None if code < 0 else self.values[code] for code in codes.tolist()]


def text(table: pa.Table, name: str) -> Text:
    """A text column (plain or dictionary) as codes and values; equal values share one code."""
    column: Any = table.column(name)
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    # Chunks may have dictionaries of their own, and one dictionary may hold a value twice: number the (few)
    # values anew.
    first: dict[str, int] = {}
    parts = [np.zeros(0, dtype=np.int64)]
    for chunk in column.chunks:
        values = chunk.dictionary.to_pylist()
        numbers = [NULL if value is None else first.setdefault(value, len(first)) for value in values]
        indices = chunk.indices.cast(pa.int64()).fill_null(NULL).to_numpy(zero_copy_only=False)
        parts.append(np.array([*numbers, NULL], dtype=np.int64)[indices])
    return Text(np.concatenate(parts), list(first))


def integers(table: pa.Table, name: str) -> Ints:
    """An integer column; NULL where null."""
    column: Any = table.column(name)
    if column.null_count:
        column = column.fill_null(NULL)
    return np.asarray(column.to_numpy(), dtype=np.int64)


def nullable(values: Ints) -> Any:
    """An int64 array with null where NULL stands."""
    return pa.array(values, pa.int64(), mask=values == NULL)


def encode(text_column: Text) -> Any:
    """The inverse of `text`: a dictionary array of schema's text type."""
    codes: Any = pa.array(text_column.codes.astype(np.int32), mask=text_column.codes < 0)
    return pa.DictionaryArray.from_arrays(codes, pa.array(text_column.values, pa.string()))


@dataclass(frozen=True, slots=True)
class Groups:
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
        order = np.argsort(self.inverse, kind="stable")
        if not self.size:
            return np.zeros(0, dtype=np.int64)
        starts = np.searchsorted(self.inverse[order], np.arange(self.size))
        return np.asarray(np.add.reduceat(values[order], starts), dtype=np.int64)

    def sum_float(self, values: Floats) -> Floats:
        """Float sum per group."""
        return np.bincount(self.inverse, weights=values, minlength=self.size).astype(np.float64)


def group(keys: Sequence[Ints]) -> Groups:
    """Group rows by equal tuples of integer keys (NULL is a key like any other)."""
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
