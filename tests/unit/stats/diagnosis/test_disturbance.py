"""Disturbances: said beside the verdict, never removed from it."""

import numpy as np
import pytest

from dlprof import stats


def trials(n=8, seed=0, disturb=None, first_costs=0.0):
    rng = np.random.default_rng(seed)
    found = []
    for i in range(n):
        a, b = (1e7 * np.exp(0.05 * rng.normal(size=(40, 3))) for _ in "ab")
        b_first = rng.permutation(np.arange(40) % 2 == 0)
        a[~b_first] *= 1 + first_costs
        b[b_first] *= 1 + first_costs
        if disturb is not None and i == 3:
            a, b = disturb(a, b)
        found.append(stats.trial_log_ratio(a, b, b_first))
    return found


def test_calm_trials_raise_no_flag():
    assert stats.disturbances(trials()) == ()
    assert stats.compare_trials(trials()).warnings == ()


def second_half(a, b):
    slow = np.where(np.arange(40) < 20, 1.0, 2.0)[:, np.newaxis]
    return a * slow, b * slow


@pytest.mark.parametrize(
    ("disturb", "kind"),
    [
        (lambda a, b: (1.6 * a, 1.6 * b), "level"),
        (second_half, "shift"),
        (lambda a, b: (a * np.exp(0.5 * np.sin(np.arange(40.0) * 2.4))[:, np.newaxis], b), "noise"),
        (lambda a, b: (a, 1.3 * b), "stray"),
    ],
)
def test_each_disturbance_is_named_with_its_trial(disturb, kind):
    flags = stats.disturbances(trials(disturb=disturb))
    assert (3, kind) in {(flag.trial, flag.kind) for flag in flags}
    assert {flag.trial for flag in flags} == {3}
    assert all(flag.sentence.startswith("trial 4: ") for flag in flags)


def test_a_disturbed_trial_still_counts():
    result = stats.compare_trials(trials(disturb=lambda a, b: (1.6 * a, 1.6 * b)))
    assert result.trials == 8
    assert any("by their timings some trials stand out: trial 4" in warning for warning in result.warnings)


def test_an_order_effect_over_the_trials_is_a_warning():
    result = stats.compare_trials(trials(first_costs=0.1))
    assert any(warning.startswith("order effect: running first costs a side +") for warning in result.warnings)


def test_lost_rounds_are_counted_over_the_trials():
    def lose(a, b):
        a[:5] = np.nan
        return a, b

    warnings = stats.compare_trials(trials(disturb=lose)).warnings
    assert "5 of 320 rounds lost: no positive time on both sides" in warnings


def test_trials_without_a_ratio_raise_no_flag_of_their_own():
    nothing = stats.trial_log_ratio(np.full((9, 1), np.nan), np.ones((9, 1)))
    assert stats.disturbances([nothing] * 7) == ()


def test_autocorrelation_needs_eight_varying_values():
    assert stats.autocorrelation([1, 2, 3]).p is None
    assert stats.autocorrelation(np.ones(20)).r is None
    assert stats.autocorrelation(np.arange(20.0)).p < 0.01


def test_independent_values_are_called_dependent_as_rarely_as_alpha():
    p = [stats.autocorrelation(x).p for x in np.random.default_rng(0).normal(size=(200, 12))]
    assert np.mean(np.array(p) < 0.05) <= 0.11


def test_a_ratio_within_five_percent_of_the_others_is_no_stray_however_well_those_agree():
    rng = np.random.default_rng(1)
    order = np.arange(40) % 2 == 0

    def trial(ratio):
        a, b = (1e7 * np.exp(0.001 * rng.normal(size=(40, 3))) for _ in "ab")
        return stats.trial_log_ratio(a, ratio * b, order)

    assert stats.disturbances([trial(ratio) for ratio in (1.0, 1.001, 0.999, 1.03, 1.0, 1.001)]) == ()
    (found,) = stats.disturbances([trial(ratio) for ratio in (1.0, 1.001, 0.999, 1.07, 1.0, 1.001)])
    assert (found.trial, found.kind) == (3, "stray")
