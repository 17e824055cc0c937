"""Calibration: rates of known pools come out right, and their intervals know how many trials they rest on."""

import math

import numpy as np
import pytest
from scipy import stats as reference

from dlprof import stats
from dlprof.stats.design.calibration import exact_rate

POOL = np.random.default_rng(0).normal(0, 0.05, 300)


def test_a_normal_pool_errs_less_than_the_nominal_rate_by_its_allowance():
    fixed = stats.resample(POOL, (6,), 0.05, pools=20)
    assert 0.005 < fixed.significant.rate < 0.03
    assert fixed.covered.rate == pytest.approx(1 - fixed.significant.rate)
    assert (fixed.significant.trials, fixed.mean_trials) == (300, 6.0)


def test_an_adaptive_comparison_of_a_normal_pool_stays_below_five_percent():
    adaptive = stats.resample(POOL, stats.look_schedule(), None, pools=20)
    assert adaptive.significant.rate <= 0.05
    assert adaptive.covered.rate >= 0.95
    assert 4 < adaptive.mean_trials < 30


def test_relabelling_hides_a_bias_that_the_trials_as_they_ran_show():
    biased = POOL + 0.1
    assert stats.resample(biased, (6,), 0.05, pools=2).significant.rate < 0.07
    assert stats.consecutive(biased, (6,), 0.05).rate > 0.6
    found = stats.calibrate(biased, 20.0, comparisons=200)
    assert found.bias_low > 0


def test_power_is_the_share_of_slowed_comparisons_called_different():
    slowed = POOL - POOL.mean() + math.log(1.1)
    found = stats.resample(slowed, (6,), 0.05, relabel=False, truth=math.log(1.1), pools=20)
    assert found.significant.rate == pytest.approx(stats.power(6, POOL.std(ddof=1), 0.1), abs=0.1)
    assert found.covered.rate >= 0.96


def test_few_trials_give_wide_intervals_however_many_comparisons_are_drawn():
    slowed = np.random.default_rng(1).normal(0.05, 0.05, 400)
    options = {"relabel": False, "truth": 0.05, "pools": 60, "comparisons": 1000}
    few = stats.resample(slowed[:30], (6,), 0.05, **options).significant
    many = stats.resample(slowed, (6,), 0.05, **options).significant
    assert few.high - few.low > 2 * (many.high - many.low)


def test_consecutive_comparisons_use_each_trial_once_and_finish_what_they_begin():
    assert stats.consecutive(POOL[:23], (6,), 0.05).comparisons == 3
    assert stats.consecutive(POOL[:5], (6,), 0.05) is None
    adaptive = stats.consecutive(POOL, stats.look_schedule(), None)
    assert adaptive.trials <= 300
    assert stats.consecutive(POOL[:29], stats.look_schedule(), None) is None
    by_hand = sum(stats.compare(POOL[i : i + 6]).significant for i in range(0, 300, 6))
    assert stats.consecutive(POOL, (6,), 0.05).rate == by_hand / 50


@pytest.mark.parametrize(("hits", "of"), [(0, 50), (3, 50), (50, 50)])
def test_exact_rates_have_clopper_pearson_intervals(hits, of):
    expected = reference.binomtest(hits, of).proportion_ci(0.95, "exact")
    found = exact_rate(hits, of, of)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_tables_of_dependent_items_are_kept_below_five_percent_by_correction_only():
    rng = np.random.default_rng(2)
    matrix = rng.normal(0, 0.05, (200, 1)) + rng.normal(0, 0.05, (200, 22))
    corrected = stats.any_false_discovery(matrix, 6, comparisons=1000, pools=5)
    naive = stats.any_false_discovery(matrix, 6, corrected=False, comparisons=1000, pools=5)
    assert corrected.rate <= 0.07
    assert naive.rate > 0.2


def test_a_calibration_says_what_a_given_time_can_find():
    found = stats.calibrate(POOL[:60], trial_seconds=20.0, comparisons=300)
    assert found.trials == 60
    assert found.sd_low < 0.05 < found.sd_high
    minutes = dict(found.detectable)
    assert minutes[2.0] == pytest.approx(stats.detectable_effect(6, found.sd))
    assert minutes[60.0] == pytest.approx(stats.detectable_effect(180, found.sd))
    assert found.smallest_effect(6) == minutes[2.0]
    slow = stats.calibrate(POOL[:60], trial_seconds=60.0, comparisons=300)
    assert dict(slow.detectable)[5.0] is None


@pytest.mark.parametrize("bad", [np.zeros(20), np.array([np.nan] * 20), POOL[:11]])
def test_a_pool_that_cannot_calibrate_is_refused(bad):
    with pytest.raises(ValueError, match="trials"):
        stats.calibrate(bad, 20.0)
