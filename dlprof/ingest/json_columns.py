"""Turns lists of chrome trace events into NumPy columns: times in exact picoseconds, strings and ids as codes."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from dlprof.ingest.batch import Int32, Int64
from dlprof.ingest.json_elements import Event

PS_PER_US: Final = 1_000_000
EPOCH_US: Final = 10**14
"""A time stamp above this (1973) is counted from the Unix epoch, not from the start of the trace."""
LIMIT_US: Final = (2**63 - 1) // PS_PER_US
_DOUBLE_SAFE_US: Final = 2.0**31
"""Below it a double tells two neighbouring picoseconds apart; above it only the decimal text does."""
MISSING: Final = -(2**63)


class Codes(dict[Hashable, int]):
    """Small consecutive numbers for any hashable values, made on first sight; `keys_list[code]` is the value."""

    def __init__(self) -> None:
        super().__init__()
        self.keys_list: list[Any] = []

    def __missing__(self, key: Hashable) -> int:
        code = len(self.keys_list)
        self[key] = code
        self.keys_list.append(key)
        return code

    def encode(self, values: Iterable[Hashable], count: int) -> Int32:
        return np.fromiter(map(self.__getitem__, values), dtype=np.int32, count=count)


def phases(events: Sequence[Event]) -> npt.NDArray[np.uint8]:
    """The `ph` letter of each event as its ASCII code; 0 where it is not one letter."""
    joined = "".join([event.ph for event in events])
    if len(joined) == len(events) and joined.isascii() and all(event.ph for event in events):
        return np.frombuffer(joined.encode(), dtype=np.uint8)
    return np.array([ord(e.ph) if len(e.ph) == 1 and e.ph.isascii() else 0 for e in events], dtype=np.uint8)


def needs_text(values: Iterable[object]) -> bool:
    """Whether doubles have lost digits that matter: a fraction of a microsecond on a time beyond half an hour."""
    return any(isinstance(value, float) and abs(value) >= _DOUBLE_SAFE_US for value in values)


def picoseconds(values: Sequence[Any], origin_us: int) -> Int64:
    """Times in microseconds (int, float, decimal text or msgspec.Raw) as int64 ps relative to `origin_us`, exact.

    MISSING where there is no number, or one that does not fit int64 ps (106 days) from the origin.
    """
    try:
        whole = np.array(values, dtype=None) if values else np.zeros(0, dtype=np.int64)
    except (ValueError, OverflowError):
        whole = np.zeros(0, dtype=object)
    if whole.dtype == np.int64:
        relative = whole - origin_us
        return np.where(np.abs(relative) <= LIMIT_US, relative * PS_PER_US, MISSING)
    if whole.dtype == np.float64 and np.abs(whole).max() < _DOUBLE_SAFE_US:
        scaled: Int64 = np.rint(whole * PS_PER_US).astype(np.int64) - origin_us * PS_PER_US
        return scaled
    return np.fromiter((_one(value, origin_us) for value in values), dtype=np.int64, count=len(values))


def _one(value: Any, origin_us: int) -> int:
    if isinstance(value, msgspec.Raw):
        value = bytes(value).strip(b'"').decode()
    if value is None or isinstance(value, bool):
        return MISSING
    if isinstance(value, int):
        relative = (value - origin_us) * PS_PER_US
        return relative if abs(relative) < 2**63 else MISSING
    try:
        exact = (Decimal(value) if isinstance(value, (float, str)) else Decimal(str(value))) - origin_us
        if not exact.is_finite() or abs(exact) > LIMIT_US:
            return MISSING
        return round(exact * PS_PER_US)
    except (InvalidOperation, ValueError):
        return MISSING
