"""The critical path goes to whoever came last, unless the rank had something else to do; clocks are told by ends."""

from __future__ import annotations

import numpy as np

from dlprof.analysis.ranks import clocks, path
from dlprof.stats.sample.steps import median_of_others, over_steps


def array(*rows: list[int]) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.array(rows, dtype=np.int64)


def test_the_path_follows_the_last_arriver_through_a_collective_that_all_wait_for() -> None:
    start, until = array([20, 70]), array([80, 80])
    found = path.walk(start, start, until, start >= 0, np.array([0, 0]), np.array([100, 95]))
    pieces = zip(found.column.tolist(), found.start.tolist(), found.end.tolist(), found.kind.tolist(), strict=True)
    assert list(pieces) == [(0, 80, 100, path.LOCAL), (0, 70, 80, path.TRANSFER), (1, 0, 70, path.LOCAL)]


def test_a_collective_beside_compute_holds_up_nobody() -> None:
    start, end = array([20, 70]), array([80, 80])
    found = path.walk(start, end, end, start >= 0, np.array([0, 0]), np.array([100, 95]))
    assert (found.column.tolist(), found.start.tolist(), found.end.tolist()) == ([0], [0], [100])


def test_a_rank_without_a_collective_has_no_offset() -> None:
    end = array([100, 150, 0], [200, 250, 0])
    there = np.array([[True, True, False]] * 2)
    found = clocks.align(end - 10, end, there, [None, None, None], [0, 1, 2])
    assert (found.offset[1] - found.offset[0], found.names) == (50, ("rank 0", "rank 1", "rank 2"))


def test_the_median_of_others_leaves_the_rank_itself_out() -> None:
    assert median_of_others(np.array([[1.0], [2.0], [9.0]])).tolist() == [[5.5], [5.0], [1.5]]
    assert median_of_others(np.array([[1.0], [2.0]])).tolist() == [[2.0], [1.0]]


def test_steps_that_resemble_each_other_make_the_interval_wider() -> None:
    alternating, drifting = np.tile([0.0, 1.0], 10), np.repeat([0.0, 1.0], 10)
    one, other = over_steps(alternating, 0.05), over_steps(drifting, 0.05)
    assert one.mean == other.mean == 0.5
    assert one.low is not None
    assert other.low is not None
    assert other.low < one.low
    assert over_steps(alternating[:5], 0.05).low is None
