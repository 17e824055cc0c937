"""Nesting of intervals: vectorised results against the plain definition."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dlprof.ingest.finish import nesting

intervals = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 30)), max_size=40)


def arrays(pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    start = np.array([s for s, _ in pairs], dtype=np.int64)
    end = start + np.array([d for _, d in pairs], dtype=np.int64)
    order = nesting.order(start, end)
    return (start, end) if order is None else (start[order], end[order])


def naive_parents(start: np.ndarray, end: np.ndarray) -> list[int]:
    """The latest-starting earlier interval that encloses each one."""
    return [
        max((j for j in range(i) if start[j] <= start[i] and end[i] <= end[j]), default=-1) for i in range(len(start))
    ]


@settings(deadline=None)
@given(intervals)
def test_the_parent_is_the_innermost_interval_that_encloses(pairs: list[tuple[int, int]]) -> None:
    start, end = arrays(pairs)
    assert nesting.parents(start, end)[0].tolist() == naive_parents(start, end)


@settings(deadline=None)
@given(intervals)
def test_intervals_are_sorted_so_that_what_encloses_comes_first(pairs: list[tuple[int, int]]) -> None:
    start, end = arrays(pairs)
    assert sorted(zip(start.tolist(), (-end).tolist(), strict=True)) == list(
        zip(start.tolist(), (-end).tolist(), strict=True)
    )


def test_child_time_counts_direct_children_only_and_stays_exact_beyond_two_to_the_53() -> None:
    start = np.array([0, 1, 2], dtype=np.int64)
    end = np.array([2**60, 2**59 + 1, 2**54 + 3], dtype=np.int64)
    parent, _ = nesting.parents(start, end)
    assert parent.tolist() == [-1, 0, 1]
    assert nesting.child_time(parent, end - start).tolist() == [2**59, 2**54 + 1, 0]


@settings(deadline=None)
@given(intervals)
@example([(0, 10), (5, 10), (20, 5), (21, 2)])
@example([(0, 177), (116, 1), (150, 30)])  # what ends last before it is not its neighbour
def test_events_that_begin_in_an_earlier_one_and_end_after_it_are_found(pairs: list[tuple[int, int]]) -> None:
    start, end = arrays(pairs)
    parent, across = nesting.parents(start, end)
    naive = [any(start[i] < end[j] < end[i] for j in range(parent[i] + 1, i)) for i in range(len(start))]
    assert across.tolist() == naive
