"""Two speeds of one side's processes: found where they are, and not where noise, tails or the machine look like them."""

from __future__ import annotations

import numpy as np
import pytest

from dlprof import stats
from dlprof.stats.diagnosis.speeds import best_split, limit


def times(seed: int, n: int, slow: tuple[int, ...] = (), spread: float = 0.02, shared: float = 0.0):
    """A's times, and B's of 9 ms, or 12.5 ms in the trials `slow`; both vary by `spread`, and together by `shared`."""
    g = np.random.default_rng(seed)
    machine = np.exp(g.normal(0, shared, n))
    a = 6e6 * machine * np.exp(g.normal(0, spread, n))
    b = np.where(np.isin(np.arange(n), slow), 12.5e6, 9.0e6) * machine * np.exp(g.normal(0, spread, n))
    return a, b


def test_two_speeds_of_one_side_are_named_with_their_trials_and_times():
    (found,) = stats.two_speeds(*times(1, 8, slow=(1, 4, 6), spread=0.01))
    assert found.side == "b"
    assert found.slow == (1, 4, 6)
    assert found.fast == (0, 2, 3, 5, 7)
    assert found.fast_ns == pytest.approx(9.0e6, rel=0.03)
    assert found.slow_ns == pytest.approx(12.5e6, rel=0.03)


def test_swapping_the_sides_swaps_the_answer():
    a, b = times(1, 8, slow=(1, 4, 6), spread=0.01)
    (there,), (back,) = stats.two_speeds(a, b), stats.two_speeds(b, a)
    assert (there.side, back.side) == ("b", "a")
    assert (there.slow, there.fast_ns) == (back.slow, back.fast_ns)


def test_they_are_found_in_the_ratio_where_the_machine_hides_them():
    a, b = times(3, 14, slow=(0, 3, 4, 9, 12), shared=0.1)
    (found,) = stats.two_speeds(a, b)
    assert found.slow == (0, 3, 4, 9, 12)
    other = 6e6 * np.exp(np.random.default_rng(0).normal(0, 0.1, 14))
    assert stats.two_speeds(other, b) == (), "of an A that did not run beside it they are hidden"


def test_both_sides_may_have_them():
    a, b = times(5, 12, slow=(2, 5, 6, 11), spread=0.01)
    a = np.where(np.isin(np.arange(12), (1, 5, 8, 10)), a * 1.5, a)
    found = stats.two_speeds(a, b)
    assert [one.side for one in found] == ["a", "b"]
    assert found[0].slow == (1, 5, 8, 10)


@pytest.mark.parametrize("n", [6, 10, 20, 30])
@pytest.mark.parametrize("tail", ["normal", "student", "exponential", "uniform"])
def test_noise_of_one_speed_is_seldom_called_two(n, tail):
    g = np.random.default_rng(n)
    draw = {
        "normal": lambda: g.normal(size=n),
        "student": lambda: g.standard_t(3, n),
        "exponential": lambda: g.exponential(size=n),
        "uniform": lambda: g.random(n),
    }[tail]
    called = sum(bool(stats.two_speeds(np.exp(0.1 * draw()), np.exp(0.1 * draw()))) for _ in range(600))
    assert called <= 12


def test_a_machine_that_gets_slower_is_not_two_speeds():
    g = np.random.default_rng(2)
    machine = np.where(np.isin(np.arange(12), (1, 4, 5, 9)), 1.5, 1.0)
    a, b = (level * machine * np.exp(g.normal(0, 0.01, 12)) for level in (6e6, 9e6))
    assert stats.two_speeds(a, b) == ()


def test_one_change_in_the_middle_is_not_two_speeds_nor_is_a_small_difference():
    assert stats.two_speeds(*times(1, 10, slow=(5, 6, 7, 8, 9), spread=0.005)) == ()
    a, b = times(1, 10, spread=0.001)
    assert stats.two_speeds(a, np.where(np.arange(10) % 3 == 0, b * 1.08, b)) == ()
    assert len(stats.two_speeds(a, np.where(np.arange(10) % 3 == 0, b * 1.12, b))) == 1


def test_fewer_than_six_trials_and_lost_ones_say_nothing_and_numbers_are_those_given():
    a, b = times(1, 8, slow=(1, 4, 6), spread=0.01)
    assert stats.two_speeds(a[:5], b[:5]) == ()
    b[0] = np.nan
    (found,) = stats.two_speeds(a, b)
    assert found.slow == (1, 4, 6)
    assert 0 not in found.fast


def test_the_best_split_is_that_of_all_splits():
    g = np.random.default_rng(7)
    rows = np.sort(g.normal(size=(20, 9)), axis=1)
    k, ratio = best_split(rows)
    for row, found, reduced in zip(rows, k, ratio, strict=True):
        left = {
            at: ((row[:at] - row[:at].mean()) ** 2).sum() + ((row[at:] - row[at:].mean()) ** 2).sum()
            for at in range(2, 8)
        }
        assert found == min(left, key=left.__getitem__)
        assert reduced == pytest.approx(((row - row.mean()) ** 2).sum() / left[found])


def test_limits_fall_with_the_number_of_trials():
    found = [limit(n) for n in (6, 7, 8, 12, 20, 30, 60)]
    assert found == sorted(found, reverse=True)
    assert found[-1] == pytest.approx(7.9)
