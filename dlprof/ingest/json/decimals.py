"""Decimal texts of microseconds to exact int64 picoseconds, vectorised: a double loses digits of epoch times."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec
import numpy as np

from dlprof.ingest.batch import Int64
from dlprof.ingest.json.elements import DOUBLE_SAFE_US

PS_PER_US: Final = 1_000_000
LIMIT_US: Final = (2**63 - 1) // PS_PER_US
MISSING: Final = -(2**63)
"""A time that is absent, unreadable or further than 106 days (int64 ps) from the origin."""

_NEWLINE, _DOT = 10, 46
_PLAIN: Final = b"0123456789.\n-"
_FRACTION_DIGITS: Final = 6
_INT64_DIGITS: Final = 18
_INT64_SAFE: Final = 2**62


def picoseconds(values: Sequence[Any], origin_us: int, per_us: int = 1) -> Int64:
    """Times in microseconds (int, float, str or msgspec.Raw) as int64 ps relative to `origin_us`; MISSING where none.

    per_us: how many of the values' units are a microsecond (1000: they are nanoseconds).

    Exact for integers, for decimal text of up to six places (more are rounded to the ps), and for floats below 36 minutes.
    """
    if not values:
        return np.zeros(0, dtype=np.int64)
    if per_us != 1:
        return _one_by_one(values, origin_us, per_us)
    if isinstance(values[0], msgspec.Raw):
        fast = _from_text(values, origin_us)
        return _one_by_one(values, origin_us) if fast is None else fast
    try:
        whole = np.array(values)
    except (ValueError, OverflowError):
        return _one_by_one(values, origin_us)
    if whole.dtype == np.int64 and whole.min() > MISSING // 2 and abs(origin_us) < _INT64_SAFE:
        relative: Int64 = whole - origin_us
        return np.where(np.abs(relative) <= LIMIT_US, relative * PS_PER_US, MISSING)
    if whole.dtype == np.float64 and origin_us == 0 and np.abs(whole).max() < DOUBLE_SAFE_US:
        scaled: Int64 = np.rint(whole * PS_PER_US).astype(np.int64)
        return scaled
    return _one_by_one(values, origin_us)


def _from_text(values: Sequence[msgspec.Raw], origin_us: int) -> Int64 | None:
    """The fast way for plain decimals; None where a value is anything else."""
    try:
        text = b"\n".join(values)
    except TypeError:
        return None
    if text.translate(None, _PLAIN):
        return None
    mantissa = np.fromstring(text.translate(None, b"."), dtype=np.int64, sep="\n")
    if len(mantissa) != len(values):
        return None
    codes = np.frombuffer(text, dtype=np.uint8)
    ends = np.append(np.flatnonzero(codes == _NEWLINE), len(codes))
    starts = np.concatenate([[0], ends[:-1] + 1])
    dots = np.flatnonzero(codes == _DOT)
    item = np.searchsorted(ends, dots)
    places = np.zeros(len(values), dtype=np.int64)
    places[item] = ends[item] - dots - 1
    if (ends - starts).max() > _INT64_DIGITS or places.max() > _FRACTION_DIGITS or (np.diff(item) < 1).any():
        return None
    if codes[starts].max() == _DOT or (np.diff(starts) < 2).any():
        return None
    if abs(origin_us) * 10 ** int(places.max()) >= _INT64_SAFE:
        return None
    relative = mantissa - origin_us * 10**places
    limit = LIMIT_US * 10**places
    return np.where(np.abs(relative) <= limit, relative * 10 ** (_FRACTION_DIGITS - places), MISSING)


def _one_by_one(values: Sequence[Any], origin_us: int, per_us: int = 1) -> Int64:
    return np.fromiter((_exact(value, origin_us, per_us) for value in values), dtype=np.int64, count=len(values))


def _exact(value: Any, origin_us: int, per_us: int) -> int:
    if isinstance(value, msgspec.Raw):
        value = bytes(value).strip(b'" \t\r\n').decode()
    if value is None or isinstance(value, bool):
        return MISSING
    try:
        exact = (Decimal(repr(value)) if isinstance(value, float) else Decimal(value)) / per_us - origin_us
    except (ArithmeticError, ValueError, TypeError):
        return MISSING
    if not exact.is_finite() or abs(exact) > LIMIT_US:
        return MISSING
    return round(exact * PS_PER_US)
