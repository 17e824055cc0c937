"""Warm-up: the floor always holds, real steps are found, noise and lone spikes are not taken for steps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlprof import stats


def series(levels, seed=0, noise=0.1):
    """Times with the given (count, factor) levels and log-normal noise."""
    log = np.concatenate([np.full(n, np.log(f)) for n, f in levels])
    return np.exp(log + noise * np.random.default_rng(seed).normal(size=log.size))


def test_level_times_are_steady_from_the_floor():
    found = stats.warm_up(series([(60, 1.0)]))
    assert (found.index, found.steady, found.shape) == (8, True, "flat")
    assert stats.warm_up(series([(60, 1.0)]), floor=3).index == 3


@pytest.mark.parametrize("n", [9, 11, 20])
@pytest.mark.parametrize("factor", [2.0, 20.0])
def test_a_slow_start_longer_than_the_floor_is_found(n, factor):
    for seed in range(20):
        found = stats.warm_up(series([(n, factor), (60 - n, 1.0)], seed))
        assert abs(found.index - n) <= 1
        assert found.shape == "warm-up"


def test_a_slow_first_call_is_reported_apart():
    found = stats.warm_up(series([(1, 29.0), (59, 1.0)], noise=0.02))
    assert found.index == 8
    assert found.first_call_ratio == pytest.approx(29, rel=0.1)


def test_a_process_that_becomes_slower_says_so():
    found = stats.warm_up(series([(20, 1.0), (40, 1.6)]))
    assert found.shape == "slow-down"
    assert abs(found.index - 20) <= 1


def test_levels_within_the_tolerance_are_one_steady_state():
    times = series([(30, 1.05), (30, 1.0)], noise=0.001)
    assert stats.warm_up(times).index == 8
    assert stats.warm_up(times, tolerance=0.01).index == 30


def test_a_lone_spike_is_not_a_level():
    times = series([(60, 1.0)])
    times[[15, 40, 59]] *= 30
    assert stats.warm_up(times).shape == "flat"


def test_noise_seldom_looks_like_warm_up_even_when_it_is_heavy_tailed_or_correlated():
    rng = np.random.default_rng(2)
    false = 0
    for _ in range(100):
        shocks = rng.standard_t(3, size=60)
        for i in range(1, 60):
            shocks[i] += 0.3 * shocks[i - 1]
        false += stats.warm_up(np.exp(0.1 * shocks)).index != 8
    assert false <= 6


@pytest.mark.parametrize("n", [0, 1, 8, 11])
def test_too_few_iterations_never_count_as_steady(n):
    found = stats.warm_up(np.ones(n))
    assert (found.index, found.steady, found.shape) == (n, False, "too short")


def test_times_that_still_change_at_the_end_are_not_steady():
    found = stats.warm_up([1.0] * 15 + [2.0] * 2)
    assert not found.steady
    assert found.index == 17


def test_a_coarse_clock_is_read_exactly():
    assert stats.warm_up([4.0] * 12 + [2.0] * 20).index == 12


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_impossible_times_are_refused(bad):
    with pytest.raises(ValueError, match="positive and finite"):
        stats.warm_up([1.0] * 20 + [bad])


@given(st.lists(st.floats(1.0, 1e9), max_size=60), st.integers(0, 20))
def test_the_answer_is_never_below_the_floor_nor_beyond_the_end(times, floor):
    index = stats.warm_up(times, floor=floor).index
    assert min(floor, len(times)) <= index <= len(times)
