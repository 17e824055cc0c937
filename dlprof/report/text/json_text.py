"""Arrow columns to columns of JSON text: a million events become JSON without a Python object for each."""

from __future__ import annotations

import json
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

pc: Any = pyarrow.compute  # its stubs lack overloads for a column with a constant
Text: TypeAlias = Any  # pa.LargeStringArray of JSON text

PS_PER_US = 1_000_000
SAFE_INTEGER = 2**53
"""Above this JavaScript merges neighbouring integers, so such a number is written as a string."""


def text(column: Any) -> Text:
    """A dictionary or string column as quoted JSON strings; nulls stay null. Each distinct value is escaped once."""
    array: Any = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    values = [
        None if value is None else json.dumps(value, ensure_ascii=False) for value in array.dictionary.to_pylist()
    ]
    return pa.array(values, type=pa.large_string()).take(array.indices)


def as_fields(column: Any) -> Text:
    """A column of JSON objects as they are, numbers from 2^53 on quoted; a text that is no object as `{"text": …}`."""
    array: Any = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    values = [None if value is None else _object(value) for value in array.dictionary.to_pylist()]
    return pa.array(values, type=pa.large_string()).take(array.indices)


def _object(recorded: str) -> str:
    try:
        found = json.loads(recorded, parse_int=_safe, parse_constant=str)
        if isinstance(found, dict):
            return json.dumps(found, allow_nan=False)
    except (ValueError, RecursionError):
        pass
    return json.dumps({"text": recorded})


def _safe(digits: str) -> int | str:
    """A whole number that JavaScript keeps, else its digits."""
    small = len(digits) <= len(str(SAFE_INTEGER)) and abs(int(digits)) < SAFE_INTEGER
    return int(digits) if small else digits


def integers(column: Any) -> Text:
    """An integer column as JSON numbers, quoted from 2^53 on; nulls stay null."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    digits = array.cast(pa.large_string())
    safe = pc.and_(pc.less(array, SAFE_INTEGER), pc.greater(array, -SAFE_INTEGER))
    return pc.if_else(safe, digits, join('"', digits, '"'))


def floats(column: Any) -> Text:
    """A float column as JSON numbers in Python's shortest form; NaN and infinities become null."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    values = (None if v is None or not np.isfinite(v) else repr(v) for v in array.to_pylist())
    return pa.array(list(values), type=pa.large_string())


def microseconds(ps: npt.NDArray[np.int64], decimals: int) -> Text:
    """Picoseconds (none negative) as decimal µs, exact: with 6 decimals always, with 3 where all are whole ns."""
    whole, rest = np.divmod(ps, PS_PER_US)
    digits = pa.array(rest // 10 ** (6 - decimals)).cast(pa.large_string())
    return join(pa.array(whole).cast(pa.large_string()), ".", pc.utf8_lpad(digits, decimals, "0"))


def join(*parts: Text | str) -> Text:
    """Element-wise concatenation of columns and constants; null where any part is null."""
    scalars = [pa.scalar(part, pa.large_string()) if isinstance(part, str) else part for part in parts]
    return pc.binary_join_element_wise(*scalars, pa.scalar("", pa.large_string()))


def optional(key: str, column: Text) -> Text:
    """`,"key":value` where the column has a value, else nothing: a member of an object that has one already."""
    return pc.fill_null(join(f",{json.dumps(key)}:", column), "")
