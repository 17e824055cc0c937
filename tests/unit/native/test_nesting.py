"""Nesting by the compiled part: on any intervals what NumPy finds."""

from __future__ import annotations

import numpy as np
import pytest

from dlprof.analysis import intervals
from dlprof.ingest.finish import enclosing, nesting, spill
from dlprof.native import library
from dlprof.native import nesting as native

pytestmark = pytest.mark.skipif(library.found().functions is None, reason="no C compiler when dlprof was installed")
INPUTS = 500


@pytest.fixture(autouse=True)
def compiled_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever reader the tests are run with."""
    monkeypatch.setenv(library.VARIABLE, "native")


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tracks of intervals that touch, overlap, hold each other, are of no length or the same; sorted, longest first."""
    draws = np.random.default_rng(seed)
    count, reach = int(draws.integers(0, 40)), int(draws.integers(1, 60))
    track, start = draws.integers(0, 3, count), draws.integers(0, reach, count)
    end = start + draws.integers(0, int(draws.integers(1, 30)), count)
    order = np.lexsort((-end, start, track))
    return track[order], start[order], end[order]


def test_parents_child_time_and_what_is_around_are_those_of_numpy():
    for seed in range(INPUTS):
        _, start, end = drawn(seed)
        order = nesting.order(start, end)
        order = np.arange(len(start)) if order is None else order
        start, end = start[order], end[order]
        parent, across = nesting._parents(start, end)
        found = native.parents(start, end)
        assert found is not None
        assert np.array_equal(found[0], parent)
        assert np.array_equal(found[1], across)
        assert np.array_equal(native.child_time(parent, end - start), nesting._child_time(parent, end - start))
        wanted = np.random.default_rng(seed).random(len(start)) < 0.4
        assert np.array_equal(native.nearest(parent, wanted), enclosing._nearest(parent, wanted))


def pieces(found: intervals.Leaves) -> list[tuple[int, int, int]]:
    return sorted(zip(*(one.tolist() for one in (found.owner, found.start, found.end)), strict=True))


def test_the_innermost_at_each_instant_is_that_of_numpy(monkeypatch):
    for seed in range(INPUTS):
        track, start, end = drawn(seed)
        mixed = np.random.default_rng(seed).permutation(len(start)) if seed % 2 else np.arange(len(start))
        track, start, end = track[mixed], start[mixed], end[mixed]
        found = intervals.leaves(track, start, end)
        assert pieces(found) == pieces(intervals._leaves(track, start, end))
        assert intervals.ordered(track[found.owner], found.start)
    monkeypatch.setenv(library.VARIABLE, "python")
    assert native.leaves(track, start, end) is None


def test_whether_intervals_are_in_order_is_what_numpy_says():
    in_order = 0
    for seed in range(INPUTS):
        track, start, end = drawn(seed)
        if seed % 3 == 0 and len(start):
            at = np.random.default_rng(seed).integers(0, len(start))
            start[at] -= 3
        assert intervals.ordered(track, start, end) == intervals._ordered(track, start, end)
        assert intervals.ordered(track, start) == intervals._ordered(track, start, None)
        assert native.in_order(None, start, end) in (nesting._in_order(start, end), (False, False))
        assert native.in_order(None, start, end)[0] == nesting._in_order(start, end)[0]
        rows = native.rows_in_order(track.astype(np.int32), start)
        assert rows == intervals._ordered(track, start, None)
        in_order += rows
    assert INPUTS / 3 < in_order < INPUTS


def test_rows_are_put_in_order_as_without_the_compiled_part(monkeypatch):
    for seed in range(INPUTS):
        track, start, _ = drawn(seed)
        mixed = np.random.default_rng(seed).permutation(len(start)) if seed % 2 else np.arange(len(start))
        track, start = track[mixed].astype(np.int32), start[mixed]
        orders = []
        for choice in library.CHOICES:
            monkeypatch.setenv(library.VARIABLE, choice)
            order = spill._order(track, start) if len(start) else None
            orders.append(list(range(len(start))) if order is None else order.tolist())
        assert orders[0] == orders[1]
