"""The crossover: found with an interval that covers, refused with a reason."""

import numpy as np
import pytest

from dlprof import stats

SIZES = np.array([50, 150, 250, 350, 450, 550])


def sweep(seed, slope=-0.5, at=270.0, trials=8, sd=0.05):
    """Log-ratios (trials, sizes) falling through 0 at `at`; the trial's own luck shifts the whole curve."""
    rng = np.random.default_rng(seed)
    curve = slope * (np.log(SIZES) - np.log(at))
    return curve + sd * rng.normal(size=(trials, 1)) + sd * rng.normal(size=(trials, SIZES.size))


def test_a_crossover_is_found_between_the_sizes_that_differ():
    found = stats.crossover(SIZES, sweep(1))
    assert found.low < found.size < found.high
    assert found.size == pytest.approx(270, rel=0.2)
    assert (found.faster_below, found.trials, found.confidence) == ("a", 8, 0.95)


def test_without_noise_between_trials_the_crossing_is_where_the_line_cuts_zero():
    line = np.array([1.0, 0.5, -0.5])[np.newaxis] + 1e-6 * np.random.default_rng(0).normal(size=(6, 3))
    found = stats.crossover([10, 100, 1000], line)
    assert found.size == pytest.approx(10**2.5, rel=1e-4)
    assert (found.low, found.high) == pytest.approx((10**2.5, 10**2.5), rel=1e-4)


def test_the_interval_covers_the_true_size_as_often_as_it_says():
    # 250 is a grid point, where the interpolated curve is the true one
    found = [stats.crossover(SIZES, sweep(seed, at=250.0)) for seed in range(1000)]
    assert all(c.size is not None for c in found)
    covered = np.mean([c.low <= 250 <= c.high for c in found])
    assert covered == pytest.approx(0.95, abs=0.03)


def test_swapping_the_sides_moves_nothing_but_the_name():
    forth, back = stats.crossover(SIZES, sweep(2)), stats.crossover(SIZES, -sweep(2))
    assert (back.low, back.size, back.high) == pytest.approx((forth.low, forth.size, forth.high))
    assert (forth.faster_below, back.faster_below) == ("a", "b")


def test_the_order_of_the_sizes_does_not_matter():
    order = [3, 0, 5, 1, 4, 2]
    assert stats.crossover(SIZES[order], sweep(2)[:, order]) == stats.crossover(SIZES, sweep(2))


def test_noise_alone_shows_no_crossover():
    found = [stats.crossover(SIZES, sweep(seed, slope=0.0)) for seed in range(400)]
    assert sum(c.size is not None for c in found) <= 4


@pytest.mark.parametrize(
    ("log_ratios", "why"),
    [
        (0.9 + sweep(1), "A is faster wherever a difference is shown"),
        (-0.9 + sweep(1), "B is faster wherever a difference is shown"),
        (sweep(1, slope=0.0), "no difference is shown at any size"),
        (sweep(1, trials=5), "need ≥ 6 trials, have 5"),
        (np.where(np.arange(6) == 2, np.nan, sweep(1)), "no evidence: some trials gave no usable ratio"),
        (np.array([1, -1, 1, -1, 1, -1]) + 0.1 * sweep(1), "the faster side changes 5 times along the sizes"),
        (np.tile([1.0, 1, 1, -1, -1, -1], (8, 1)), "no difference is shown at any size"),
    ],
)
def test_where_there_is_none_it_says_why(log_ratios, why):
    found = stats.crossover(SIZES, log_ratios)
    assert (found.size, found.low, found.high) == (None, None, None)
    assert found.why == why


@pytest.mark.parametrize("sizes", [[0, 1, 2, 3, 4, 5], [1, 1, 2, 3, 4, 5], [1, 2, 3]])
def test_senseless_sizes_are_refused(sizes):
    with pytest.raises(ValueError, match="sizes"):
        stats.crossover(sizes, sweep(1))
