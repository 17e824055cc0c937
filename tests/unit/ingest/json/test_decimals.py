"""Times of JSON traces are exact to the picosecond, whatever their form."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlprof.ingest.json.decimals import LIMIT_US, MISSING, picoseconds

_DECIMAL = st.decimals(-LIMIT_US, LIMIT_US, allow_nan=False, allow_infinity=False, places=6)


def _raw(*texts: str) -> list[msgspec.Raw]:
    return msgspec.json.decode("[" + ",".join(texts) + "]", type=list[msgspec.Raw])


def test_epoch_microseconds_with_nanoseconds_survive_as_text_but_not_as_a_double() -> None:
    text, origin = "1751410836123456.789", 1751410836000000
    exact = 123456789000
    assert picoseconds(_raw(text), origin).tolist() == [exact]
    as_double = (float(text) - origin) * 1e6
    assert abs(as_double - exact) >= 20_000  # a double there is a multiple of 0.25 µs, off by more than 20 ns
    assert picoseconds([text], origin).tolist() == [exact]


@given(st.lists(_DECIMAL, min_size=1, max_size=20), st.integers(-LIMIT_US, LIMIT_US) | st.integers(-100, 100))
def test_plain_decimals_of_up_to_six_places_are_exact(values: list[Decimal], origin: int) -> None:
    kept = [value for value in values if abs(value - origin) <= LIMIT_US]
    texts = [format(value, "f") for value in kept]
    assert picoseconds(_raw(*texts), origin).tolist() == [int((value - origin) * 10**6) for value in kept]


@given(st.lists(st.integers(-(2**70), 2**70), min_size=1, max_size=20), st.integers(-(2**60), 2**60))
def test_integers_are_exact_or_missing(values: list[int], origin: int) -> None:
    expected = [(v - origin) * 10**6 if abs(v - origin) <= LIMIT_US else MISSING for v in values]
    assert picoseconds(values, origin).tolist() == expected
    assert picoseconds(_raw(*map(str, values)), origin).tolist() == expected


@given(st.lists(st.integers(0, 2**31 * 10**6 - 1), min_size=1, max_size=20))
def test_doubles_below_36_minutes_give_back_every_picosecond(values: list[int]) -> None:
    times = [float(f"{value // 10**6}.{value % 10**6:06}") for value in values]
    assert picoseconds(times, 0).tolist() == values


@pytest.mark.parametrize(
    ("text", "ps"),
    [
        ("1.5", 1_500_000), ("-0.25", -250_000), ("1e3", 10**9), ("9.9999999999999995e-07", 1), ("0.0000004", 0),
        ("0.0000006", 1), ("12345.6789012", 12_345_678_901), ('"7.5"', 7_500_000), ('"7.5 us"', MISSING), ("null", MISSING),
        ("1e400", MISSING), ("1e99999999999", MISSING), ("true", MISSING), ("[1]", MISSING), ("-0", 0), ("0", 0),
    ],
)  # fmt: skip
def test_forms_of_numbers(text: str, ps: int) -> None:
    assert picoseconds(_raw(text), 0).tolist() == [ps]
    assert picoseconds(_raw("1.25", text, "3"), 0).tolist() == [1_250_000, ps, 3_000_000]


def test_values_of_several_types_in_one_column_are_read_one_by_one() -> None:
    assert picoseconds([1, 2.5, "3", None, float("nan"), float("inf")], 0).tolist() == [
        1_000_000, 2_500_000, 3_000_000, MISSING, MISSING, MISSING,
    ]  # fmt: skip
    assert picoseconds([], 0).dtype == np.int64


@given(
    st.lists(st.tuples(st.integers(0, 10**18), st.integers(0, 6)), min_size=1, max_size=20),
    st.sampled_from([0, 1, 10**12, 1_751_410_836_000_000, 2**56, 2**70, -(10**15)]),
)
def test_columns_of_mixed_lengths_are_exact_for_any_origin(parts: list[tuple[int, int]], origin: int) -> None:
    values = [Decimal(digits).scaleb(-places) for digits, places in parts]
    expected = [int((v - origin) * 10**6) if abs(v - origin) <= LIMIT_US else MISSING for v in values]
    assert picoseconds(_raw(*(format(value, "f") for value in values)), origin).tolist() == expected
