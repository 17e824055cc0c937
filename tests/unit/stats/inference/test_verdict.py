"""The verdict: what it claims, when it refuses, and that it is the same seen from the other side."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as reference

from dlprof import stats
from dlprof.stats.sample.allowance import SECOND_SPEED, bounds, unmet, widening

MIRROR = {"faster": "slower", "slower": "faster"}

log_ratios = st.lists(st.floats(-2, 2), min_size=2, max_size=25)
samples = st.builds(
    lambda seed, n, mean, sd: np.random.default_rng(seed).normal(mean, sd, n),
    st.integers(0, 2**32),
    st.integers(6, 25),
    st.sampled_from([0.0, 0.01, 0.05, -0.05, 0.3]),
    st.sampled_from([0.005, 0.05, 0.3]),
)


def test_the_interval_is_students_with_the_allowance_and_p_belongs_to_it():
    x = np.array([0.05, 0.12, 0.02, 0.16, 0.03, 0.11, 0.07])  # wide enough for a speed not met
    result = stats.compare(x)
    low, high = reference.ttest_1samp(x, 0).confidence_interval(0.95)
    wider_low, wider_high = (float(factor) for factor in widening(x))
    assert result.estimate == pytest.approx(math.exp(x.mean()))
    assert math.log(result.low) == pytest.approx(x.mean() - wider_low * (x.mean() - low))
    assert math.log(result.high) == pytest.approx(x.mean() + wider_high * (high - x.mean()))
    assert stats.compare(x, alpha=result.p * 1.001).low > 1
    assert stats.compare(x, alpha=result.p * 0.999).low < 1
    assert (result.trials, result.confidence) == (7, 0.95)


def test_the_allowance_grows_with_what_the_trials_show():
    alternating = np.tile([-1.0, 1.0], 10)
    assert widening(alternating) == pytest.approx((1.0, 1.0))
    assert widening(np.sort(alternating))[0] == pytest.approx(2.0)  # the most: an autocorrelation of .6
    skewed = np.array([0, 0.1, -0.1, 0.05, -0.05, 0.1, -0.1, 3.0])
    low, high = widening(skewed)
    assert high > low * 1.5
    low, high = widening(-skewed)
    assert low > high * 1.5


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([0.20, 0.22, 0.18, 0.21, 0.19, 0.20], "slower"),
        ([-0.20, -0.22, -0.18, -0.21, -0.19, -0.20], "faster"),
        ([0.024, 0.026, 0.022, 0.025, 0.023, 0.024] * 3, "negligible"),
        ([0.010, -0.012, 0.008, -0.011, 0.009, -0.002], "equivalent"),
        ([0.20, -0.22, 0.18, -0.21, 0.19, -0.02], "inconclusive"),
    ],
)
def test_each_verdict_has_its_example(values, verdict):
    assert stats.compare(values).verdict == verdict


def test_a_difference_that_pokes_out_of_the_margin_is_not_negligible():
    x = np.array([0.024, 0.026, 0.025, 0.027, 0.023, 0.025] * 3)
    assert stats.compare(x, margin=0.05).verdict == "negligible"
    assert stats.compare(x, margin=0.03).verdict == "slower"


def test_equivalence_is_two_one_sided_tests_at_alpha():
    x = np.array([0.03, -0.04, 0.05, -0.05, 0.03, 0.04, -0.03])
    delta = math.log1p(0.06)
    inside = [a for a in np.linspace(0.001, 0.2, 200) if -delta < bounds(x, 2 * a)[0] and bounds(x, 2 * a)[1] < delta]
    assert stats.compare(x, margin=0.06, alpha=inside[0]).verdict == "equivalent"
    assert stats.compare(x, margin=0.06, alpha=inside[0] - 0.001).verdict == "inconclusive"


def test_no_interval_is_narrower_than_a_second_speed_that_no_trial_met_may_move_the_mean():
    calm = np.array([0.030, 0.031, 0.029, 0.030, 0.0305, 0.0295])
    six, twelve = stats.compare(calm), stats.compare(np.tile(calm, 2))
    # 2 processes in 5 at another speed, 10 % off, are missed by six trials in .6^6 = 4.7 %: too often to be left out
    assert math.log(six.estimate / six.low) == pytest.approx(unmet(6, 0.05))
    assert 0.38 < unmet(6, 0.05) / SECOND_SPEED < 0.42
    assert (six.verdict, twelve.verdict) == ("inconclusive", "slower"), "twelve trials would have met such a speed"
    assert any("a second speed, up to 10 % off, that none of the 6 trials met" in text for text in six.warnings)
    assert twelve.warnings == ()
    assert twelve.p < 0.05 < six.p
    assert 6 + six.more_trials <= 12
    assert stats.compare(calm, alpha=six.p * 1.001).low > 1 > stats.compare(calm, alpha=six.p * 0.999).low


def test_a_difference_larger_than_a_second_speed_is_called_as_soon_as_before():
    assert stats.compare([0.20, 0.201, 0.199, 0.20, 0.2005, 0.1995]).verdict == "slower"
    assert stats.compare([0.05, 0.051, 0.049, 0.05, 0.0505, 0.0495], adaptive=True).verdict == "slower"


def test_one_trial_gives_an_estimate_and_nothing_else():
    result = stats.compare([0.7])
    assert result.estimate == pytest.approx(math.exp(0.7))
    assert (result.low, result.high, result.p, result.verdict) == (None, None, None, "inconclusive")
    assert result.warnings == ("one trial: no interval",)
    assert result.more_trials == 5


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_fewer_than_six_trials_give_an_interval_but_no_verdict(n):
    result = stats.compare(1.0 + 0.001 * np.arange(n))
    assert result.low is not None
    assert result.low > 1
    assert result.verdict == "inconclusive"
    assert result.more_trials >= 6 - n
    assert f"need ≥ 6 trials for a verdict, have {n}" in result.warnings


@pytest.mark.parametrize(
    "values",
    [
        [],
        [math.nan] * 8,
        [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, math.nan],
        [0.5] * 8,
        [0.1 + 0.2] * 4 + [0.3] * 4,
        [-math.inf, 1, 1.1, 1.2, 1.1, 1.0],
        [1e300, 1.1e300, 1e300, 1.2e300, 1e300, 1e300],
    ],
)
def test_broken_input_is_no_evidence(values):
    result = stats.compare(values)
    assert result.verdict == "inconclusive"
    assert not result.significant
    assert (result.low, result.high, result.p) == (None, None, None)
    assert result.warnings[0].startswith("no evidence")


@pytest.mark.parametrize("options", [{"margin": 0}, {"margin": 1.0}, {"alpha": 0}, {"alpha": 0.5}])
def test_a_senseless_margin_or_alpha_is_refused(options):
    with pytest.raises(ValueError, match="must lie between"):
        stats.compare([0.1, 0.2, 0.3], **options)


def test_adaptive_reports_the_per_look_level():
    x = np.random.default_rng(0).normal(0, 0.1, 8)
    assert stats.compare(x, adaptive=True).confidence == 0.995
    assert stats.compare([*x, 0.1, 0.0], adaptive=True).confidence == 0.99
    assert stats.compare(x[:4], adaptive=True).confidence == 0.985
    assert stats.compare(x).confidence == 0.95


@settings(deadline=None)
@given(log_ratios)
def test_the_interval_holds_the_estimate_and_a_verdict_follows_from_it(values):
    result = stats.compare(values)
    if result.low is None:
        assert result.verdict == "inconclusive"
        return
    assert result.low <= result.estimate <= result.high
    if result.verdict == "faster":
        assert result.high < 1
    if result.verdict == "slower":
        assert result.low > 1
    if result.verdict == "negligible":
        assert result.low > 1 or result.high < 1
        assert result.low > 1 / 1.05
        assert result.high < 1.05
    assert (result.more_trials is None) == (result.verdict != "inconclusive")


@settings(deadline=None)
@given(samples)
def test_swapping_the_sides_mirrors_verdict_and_interval(x):
    forth, back = stats.compare(x), stats.compare(-x)
    assert back.verdict == MIRROR.get(forth.verdict, forth.verdict)
    assert back.estimate == pytest.approx(1 / forth.estimate)
    assert (back.low, back.high) == pytest.approx((1 / forth.high, 1 / forth.low))
    assert back.p == pytest.approx(forth.p)
    assert back.p_signflip == forth.p_signflip
    assert back.more_trials == forth.more_trials


def test_a_against_itself_is_called_different_no_more_often_than_alpha():
    rng = np.random.default_rng(7)
    for draw in (rng.normal, lambda size: rng.standard_t(3, size), lambda size: rng.laplace(size=size)):
        results = [stats.compare(0.05 * x) for x in draw(size=(400, 8))]
        assert sum(r.significant for r in results) <= 35  # 20 expected, SD 4.4


def test_more_trials_is_what_the_power_at_the_margin_asks_for():
    x = np.random.default_rng(3).normal(0.0, 0.1, 6)
    result = stats.compare(x)
    assert result.verdict == "inconclusive"
    assert result.more_trials == stats.needed_trials(result.sd, 0.05) - 6


@pytest.mark.parametrize(
    ("values", "alpha"),
    [
        (
            [0.10, 0.11, 0.12, 0.09, 0.10, 0.13, 0.11, 5.0],
            0.05,
        ),  # all of one sign, yet the t test is lost to the spread
        ([0.10, 0.11, 0.12, 0.09, 0.10, 0.13, -0.09, 0.11, 0.10], 0.02),
    ],
)
def test_a_sign_flip_test_that_contradicts_the_t_test_is_a_warning(values, alpha):
    result = stats.compare(values, alpha=alpha)
    assert (result.p < alpha) != (result.p_signflip <= alpha)
    assert any("disagree" in warning for warning in result.warnings)
    calm = stats.compare([0.10, 0.11, 0.12, 0.09, 0.10, 0.13, 0.11, 0.10], alpha=alpha)
    assert calm.warnings == ()


def test_where_the_sign_flip_test_cannot_reject_it_does_not_contradict():
    result = stats.compare([0.2, 0.22, 0.18, 0.21, 0.19, 0.2], adaptive=True)  # smallest p with 6: .031 > .010
    assert result.p < 0.010 < result.p_signflip
    assert result.warnings == ()


def test_trials_that_resemble_their_neighbours_are_a_warning():
    x = np.repeat([0.0, 0.1, 0.02, 0.12, 0.01], 5) + 0.001 * np.random.default_rng(0).normal(size=25)
    assert any("autocorrelation" in warning for warning in stats.compare(x).warnings)
    assert stats.compare(np.random.default_rng(1).permutation(x)).warnings == ()
