"""Locations and tests, held against scipy, brute force and simulation."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as reference

from dlprof import stats
from dlprof.stats.sample.allowance import PLANNED

values = st.lists(st.floats(-100, 100).map(lambda v: round(v, 6)), min_size=1, max_size=9)


@given(values)
def test_sign_flips_equal_brute_force(x):
    sums = [
        abs(sum(s * v for s, v in zip(signs, x, strict=True))) for signs in itertools.product((-1, 1), repeat=len(x))
    ]
    slack = 1e-12 * sum(map(abs, x))
    expected = sum(s >= abs(sum(x)) - slack for s in sums) / len(sums)
    assert stats.signflip_pvalue(x) == pytest.approx(expected)


def test_sign_flips_of_many_trials_agree_with_the_t_test():
    x = np.random.default_rng(0).normal(0.3, 1, 30)
    exact = stats.signflip_pvalue(x)
    assert exact == pytest.approx(reference.ttest_1samp(x, 0).pvalue, abs=0.01)
    sampled = stats.signflip_pvalue(np.concatenate((x, np.zeros(20))))  # 50 > 40: Monte-Carlo; zeros change nothing
    assert sampled == pytest.approx(exact, abs=0.005)


def test_five_trials_cannot_reach_five_percent_and_six_can():
    assert stats.signflip_pvalue(np.ones(5)) == 2 / 32
    assert stats.signflip_pvalue(np.ones(6)) == 2 / 64


def test_hodges_lehmann_of_a_known_sample():
    # Walsh averages of 1, 2, 6: 1, 1.5, 2, 3.5, 4, 6
    assert stats.hodges_lehmann([1, 2, 6]) == pytest.approx(2.75)


@given(values)
def test_hodges_lehmann_lies_within_the_sample_and_mirrors_with_it(x):
    found = stats.hodges_lehmann(x)
    assert min(x) <= found <= max(x)
    assert stats.hodges_lehmann([-v for v in x]) == pytest.approx(-found)


def test_hodges_lehmann_hardly_moves_with_a_quarter_of_strays():
    x = np.random.default_rng(5).normal(1.0, 0.1, 16)
    assert stats.hodges_lehmann(np.where(np.arange(16) < 4, 1e6, x)) == pytest.approx(1.0, abs=0.15)


def test_the_empty_sample_has_no_location():
    assert math.isnan(stats.hodges_lehmann([]))
    assert stats.signflip_pvalue([]) is None


@settings(deadline=None)
@given(st.integers(4, 40), st.floats(0.01, 0.5), st.floats(0.01, 0.5))
def test_power_grows_with_trials_and_the_detectable_effect_has_the_power_it_promises(n, sd, effect):
    # Where there is hardly any power the widened bound makes it less than the level, and it need not grow.
    assert stats.power(n, sd, effect) <= max(stats.power(n + 1, sd, effect) + 1e-9, 0.1)
    assert stats.power(n, sd, stats.detectable_effect(n, sd)) == pytest.approx(0.8, abs=1e-6)
    needed = stats.needed_trials(sd, effect)
    assert stats.power(needed, sd, effect) >= 0.8
    assert needed == 2 or stats.power(needed - 1, sd, effect) < 0.8


def test_power_is_that_of_a_t_test_with_a_wider_bound():
    n, sd, shift = 6, 0.068, math.log1p(0.1)
    draws = np.random.default_rng(1).normal(shift, sd, size=(20_000, n))
    t = draws.mean(axis=1) / (draws.std(axis=1, ddof=1) / math.sqrt(n))
    rejected = np.mean(np.abs(t) > PLANNED * reference.t(n - 1).ppf(0.975))
    assert stats.power(n, sd, 0.1) == pytest.approx(rejected, abs=0.01)


def test_power_is_near_what_the_test_in_use_rejects():
    for n in (8, 14, 20):
        effect = stats.detectable_effect(n, 0.05)
        draws = np.random.default_rng(n).normal(math.log1p(effect), 0.05, size=(4000, n))
        codes, _, _ = stats.stop_each(draws, (n,), 0.05, math.log1p(0.05))
        assert np.mean(codes >= 2) == pytest.approx(0.8, abs=0.07)


def test_needed_trials_agree_with_the_normal_formula_within_one():
    for sd, effect in ((0.05, 0.05), (0.1, 0.05), (0.068, 0.1)):
        n = stats.needed_trials(sd, effect)
        t = reference.t(n - 1)
        formula = math.ceil(((PLANNED * t.ppf(0.975) + t.ppf(0.8)) * sd / math.log1p(effect)) ** 2)
        assert abs(n - formula) <= 1


def test_impossible_plans_are_refused():
    with pytest.raises(ValueError, match="effect of zero"):
        stats.needed_trials(0.05, 0.0)
    with pytest.raises(ValueError, match="standard deviation"):
        stats.power(6, 0.0, 0.1)
    assert stats.detectable_effect(1, 0.05) is None
