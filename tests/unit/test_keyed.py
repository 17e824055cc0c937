"""Rows found again by a key: what a dictionary would find, however they are cut into runs and wherever they lie."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlprof.keyed import Ints, Keyed, Scratch

_KEYS = st.lists(st.integers(-(2**62), 2**62) | st.integers(0, 40), max_size=30)


def ints(values: list[int]) -> Ints:
    return np.array(values, dtype=np.int64)


@given(st.lists(_KEYS, max_size=8), _KEYS, st.integers(1, 12), st.integers(0, 400), st.booleans())
def test_the_first_row_of_each_key_is_found_as_in_a_dictionary(
    pieces: list[list[int]], asked: list[int], run: int, limit: int, between: bool
) -> None:
    table, other, known = Keyed(scratch := Scratch(limit), run), Keyed(scratch, run), dict[int, int]()
    for at, keys in enumerate(pieces):
        rows = np.arange(len(keys)) + 100 * at
        table.add(ints(keys), {"row": rows, "half": (rows % 7).astype(np.int32)})
        other.add(ints(keys)[::2])
        for key, row in zip(keys, rows.tolist(), strict=True):
            known.setdefault(key, row)
        if between:
            assert table.find(ints(keys))[0].all()
    asked = asked + list(known)
    there, found = table.find(ints(asked))
    assert there.tolist() == [key in known for key in asked]
    assert bool(table) == bool(known)
    if known:
        assert found["row"].tolist() == [known.get(key, 0) for key in asked]
        assert found["half"].tolist() == [known.get(key, 0) % 7 for key in asked]
        assert found["half"].dtype == np.int32
    assert set(np.array(asked, dtype=np.int64)[other.find(ints(asked))[0]].tolist()) == {
        key for keys in pieces for key in keys[::2]
    }


@pytest.mark.parametrize("millions", [1, 4])
def test_memory_does_not_grow_with_the_rows(millions: int) -> None:
    table, size = Keyed(), 100_000
    tracemalloc.start()
    try:
        for first in range(0, millions * 1_000_000, size):
            keys = np.arange(first, first + size)[::-1] * 3
            table.add(keys, {"id": keys + 1})
        for first in range(0, millions * 1_000_000, size):
            keys = np.arange(3 * first, 3 * (first + size))
            there, found = table.find(keys)
            assert there.tolist() == (keys % 3 == 0).tolist()
            assert (found["id"][there] == keys[there] + 1).all()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 32 << 20
