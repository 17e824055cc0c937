"""One trial, one number: medians per burst, differences per round, Hodges-Lehmann over rounds."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dlprof import stats

bursts = arrays(np.float64, (9, 3), elements=st.floats(1e3, 1e9))


def lockstep(seed, ratio=1.0, rounds=40, drift=None):
    """Rounds of a noisy trial in which B takes `ratio` times A's time; drift multiplies both sides, round by round."""
    rng = np.random.default_rng(seed)
    level = 1e7 * (np.ones(rounds) if drift is None else drift)[:, np.newaxis]
    a, b = (level * np.exp(0.1 * rng.normal(size=(rounds, 3))) for _ in "ab")
    return a, ratio * b, rng.permutation(np.arange(rounds) % 2 == 0)


def test_the_ratio_of_constant_times_is_exact():
    trial = stats.trial_log_ratio(np.full((10, 3), 2e6), np.full((10, 3), 3e6))
    assert trial.log_ratio == pytest.approx(math.log(1.5))
    assert (trial.rounds, trial.rounds_lost, trial.sd_rounds) == (10, 0, 0.0)
    assert (trial.a_ns, trial.b_ns) == pytest.approx((2e6, 3e6))


def test_the_burst_median_is_of_log_times_and_ignores_what_is_not_kept():
    a = [[np.nan, 1.0, 4.0]] * 8  # even count: the median of the logs is the geometric middle, 2
    b = [[900.0, 2.0, 2.0]] * 8
    assert stats.trial_log_ratio(a, b).log_ratio == pytest.approx(0.0)


def test_a_few_spikes_do_not_move_the_ratio():
    a, b, _ = lockstep(1)
    calm = stats.trial_log_ratio(a, b).log_ratio
    b[3:8] *= 50
    assert stats.trial_log_ratio(a, b).log_ratio == pytest.approx(calm, abs=0.04)


def test_drift_that_both_sides_share_cancels_and_is_noticed():
    drift = np.where(np.arange(40) < 20, 1.0, 2.0)
    a, b, _ = lockstep(2, ratio=1.1, drift=drift)
    trial = stats.trial_log_ratio(a, b)
    assert trial.log_ratio == pytest.approx(math.log(1.1), abs=0.06)
    assert trial.level_shift == pytest.approx(math.log(2), abs=0.1)
    assert stats.trial_log_ratio(*lockstep(2)[:2]).level_shift == 0.0


@pytest.mark.parametrize("bad", [0.0, -5.0, np.inf, np.nan])
def test_a_round_without_a_positive_finite_time_on_both_sides_is_counted_not_used(bad):
    a, b = np.full((10, 2), 1e6), np.full((10, 2), 2e6)
    a[4] = bad
    trial = stats.trial_log_ratio(a, b)
    assert (trial.rounds, trial.rounds_lost) == (9, 1)
    assert trial.log_ratio == pytest.approx(math.log(2))
    assert any("1 of 10 rounds lost" in warning for warning in trial.warnings)


def test_a_trial_without_usable_rounds_is_nan_and_kills_the_verdict():
    trial = stats.trial_log_ratio(np.full((10, 2), np.nan), np.ones((10, 2)))
    assert math.isnan(trial.log_ratio)
    assert trial.warnings == ("no usable round: the trial gives no ratio",)
    good = [stats.trial_log_ratio(*lockstep(i, 1.5)[:2]) for i in range(7)]
    assert stats.compare_trials(good).verdict == "slower"
    assert stats.compare_trials([*good, trial]).verdict == "inconclusive"


def test_what_going_first_costs_is_estimated_and_cancels_in_a_balanced_order():
    a, b, b_first = lockstep(3, ratio=1.0, rounds=400)
    a[~b_first] *= 1.2
    b[b_first] *= 1.2
    trial = stats.trial_log_ratio(a, b, b_first)
    assert trial.order_effect == pytest.approx(math.log(1.2), abs=0.02)
    assert trial.log_ratio == pytest.approx(0.0, abs=0.03)
    assert any("order effect" in warning for warning in trial.warnings)
    assert stats.trial_log_ratio(a, b).order_effect is None


def test_noise_is_seldom_called_an_order_effect():
    noisy = [lockstep(seed, rounds=12) for seed in range(200)]
    warned = sum(stats.trial_log_ratio(a**3 / 1e14, b**3 / 1e14, first).warnings != () for a, b, first in noisy)
    assert warned <= 8


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="10 rounds"):
        stats.trial_log_ratio(np.ones((10, 2)), np.ones((9, 2)))
    with pytest.raises(ValueError, match="b_first"):
        stats.trial_log_ratio(np.ones((10, 2)), np.ones((10, 2)), [True])
    with pytest.raises(ValueError, match="iterations"):
        stats.trial_log_ratio(np.ones((2, 2, 2)), np.ones((2, 2, 2)))


@given(bursts, bursts)
def test_swapping_the_sides_changes_the_sign_only(a, b):
    assert stats.trial_log_ratio(b, a).log_ratio == pytest.approx(-stats.trial_log_ratio(a, b).log_ratio, abs=1e-9)


@given(bursts, bursts, st.floats(1e-3, 1e3))
def test_the_unit_of_time_does_not_matter(a, b, unit):
    assert stats.trial_log_ratio(a * unit, b * unit).log_ratio == pytest.approx(
        stats.trial_log_ratio(a, b).log_ratio, abs=1e-9
    )


@given(bursts)
def test_a_side_against_itself_is_exactly_even(a):
    assert stats.trial_log_ratio(a, a).log_ratio == 0.0


def long_columns(seeds):
    """The timed rows of schema.TIMINGS for some trials, shuffled, the first iteration of each burst not kept."""
    rows = []
    for trial, seed in seeds.items():
        a, b, b_first = lockstep(seed, rounds=12)
        for r, i in np.ndindex(a.shape):
            rows.append((trial, r, False, int(b_first[r]), i > 0, a[r, i]))
            rows.append((trial, r, True, int(not b_first[r]), i > 0, b[r, i]))
    return [np.array(column) for column in zip(*np.random.default_rng(0).permutation(rows), strict=True)]


def test_long_columns_give_the_same_as_matrices():
    found = stats.trial_ratios(*long_columns({4: 1, 2: 5}))
    assert list(found) == [2, 4]
    for trial, seed in ((2, 5), (4, 1)):
        a, b, b_first = lockstep(seed, rounds=12)
        direct = stats.trial_log_ratio(a[:, 1:], b[:, 1:], b_first)
        assert found[trial].log_ratio == pytest.approx(direct.log_ratio)
        assert found[trial].order_effect == pytest.approx(direct.order_effect)
        assert found[trial].a_ns == pytest.approx(direct.a_ns)


def test_a_trial_that_lost_a_side_is_kept_as_no_evidence():
    trial, round_index, is_b, position, kept, unit_ns = long_columns({1: 1, 2: 2})
    there = ~((trial == 2) & (is_b == 1))
    found = stats.trial_ratios(*(c[there] for c in (trial, round_index, is_b, position, kept, unit_ns)))
    assert math.isnan(found[2].log_ratio)
    assert not math.isnan(found[1].log_ratio)


def test_the_same_times_have_one_ratio_and_other_times_another():
    trial, round_index, is_b, position, kept, unit_ns = long_columns({0: 3})
    first = stats.trial_ratios(trial, round_index, is_b, position, kept, unit_ns)
    assert stats.trial_ratios(trial, round_index, is_b, position, kept, unit_ns)[0] is first[0], "computed once"
    slower = stats.trial_ratios(trial, round_index, is_b, position, kept, np.where(is_b, 2, 1) * unit_ns)
    assert slower[0].log_ratio == pytest.approx(first[0].log_ratio + np.log(2))
    turned = stats.trial_ratios(trial, round_index, is_b, 1 - np.asarray(position), kept, unit_ns)
    assert turned[0].order_effect == pytest.approx(-first[0].order_effect)


def test_the_median_of_a_burst_leaves_out_what_was_not_kept_and_what_was_lost():
    times = np.array([[np.nan, 1.0, 4.0, 2.0], [np.nan, 8.0, 8.0, 8.0], [np.nan] * 4])
    lost = times.copy()
    lost[0, 2] = np.nan
    for measured, expected in ((times, 2.0), (lost, np.sqrt(2.0))):
        trial = stats.trial_log_ratio(measured, np.ones((3, 4)))
        assert (trial.rounds, trial.rounds_lost) == (2, 1)
        assert trial.log_ratio == pytest.approx(-(np.log(expected) + np.log(8.0)) / 2)
