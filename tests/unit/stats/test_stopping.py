"""Adaptive stopping: when it looks, when it stops, and what that does to the errors."""

import numpy as np
import pytest

from dlprof import stats
from dlprof.stats.stopping import stop_each

SURE = [0.2, 0.22, 0.18, 0.21, 0.19, 0.2]
NAMES = ("inconclusive", "equivalent", "negligible", "faster", "slower")


def test_the_looks_are_at_6_8_up_to_30():
    assert stats.look_schedule() == (6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)
    assert stats.look_schedule(last=9) == (6, 8, 9)


@pytest.mark.parametrize("bad", [{"first": 5}, {"step": 0}, {"first": 8, "last": 6}])
def test_a_schedule_that_looks_too_early_or_never_is_refused(bad):
    with pytest.raises(ValueError, match="looks need"):
        stats.look_schedule(**bad)


def test_it_stops_at_a_verdict_but_only_at_a_look():
    assert stats.decide(SURE).stop
    assert stats.decide(SURE).why == "slower after 6 trials"
    between = stats.decide([*SURE, 0.2])
    assert not between.stop
    assert between.next_look == 8
    assert not stats.decide(SURE[:5]).stop
    assert stats.decide([]).next_look == 6


def test_it_goes_on_while_inconclusive_and_ends_at_the_last_look():
    noise = np.random.default_rng(0).normal(0, 1, 40)
    first = stats.decide(noise[:6])
    assert (first.stop, first.next_look) == (False, 8)
    last = stats.decide(noise[:30])
    assert last.stop
    assert last.why == "30 trials: the last look"
    assert stats.decide(noise).stop


def test_precision_goes_on_past_a_verdict_until_the_interval_is_narrow():
    wide = stats.decide(SURE, precision=0.001)
    assert not wide.stop
    assert wide.result.verdict == "slower"
    narrow = stats.decide(SURE, precision=0.05)
    assert narrow.stop
    assert stats.half_width(narrow.result) <= 0.05


def test_broken_trials_never_stop_early_and_never_decide():
    decision = stats.decide([*SURE[:5], float("nan")], precision=0.5)
    assert not decision.stop
    assert decision.result.verdict == "inconclusive"


@pytest.mark.parametrize("precision", [None, 0.04])
@pytest.mark.parametrize(("shift", "sd"), [(0.0, 0.05), (0.04, 0.03), (-0.1, 0.2)])
def test_the_simulated_rule_is_the_real_one(shift, sd, precision):
    draws = np.random.default_rng(11).normal(shift, sd, size=(30, 30))
    codes, covered, stopped = stop_each(draws, stats.look_schedule(), 0.01, np.log1p(0.05), precision, shift)
    for row, code, cover, n in zip(draws, codes, covered, stopped, strict=True):
        looks = iter(stats.look_schedule())
        decision = next(d for look in looks if (d := stats.decide(row[:look], precision=precision)).stop)
        assert decision.result.trials == n
        assert decision.result.verdict == NAMES[code]
        assert (decision.result.low <= np.exp(shift) <= decision.result.high) == cover


def test_the_per_look_level_keeps_the_overall_error_near_five_percent():
    # A margin that no interval fits into leaves 13 looks for a false alarm: the worst case.
    worst = stats.simulate_stopping(sd=1.0, margin=1e-6, runs=40_000)
    assert worst.significant == pytest.approx(0.0495, abs=0.004)
    assert worst.coverage >= 0.945
    naive = stats.simulate_stopping(sd=1.0, margin=1e-6, alpha=0.05, runs=40_000)
    assert naive.significant > 0.15


@pytest.mark.parametrize("sd", [0.02, 0.035, 0.05, 0.068])
def test_with_the_default_margin_errors_stay_below_five_percent(sd):
    null = stats.simulate_stopping(sd=sd, runs=20_000)
    assert null.significant <= 0.05
    assert null.coverage >= 0.95
    at_margin = stats.simulate_stopping(sd=sd, effect=0.05, runs=20_000)
    assert at_margin.verdicts["equivalent"] <= 0.045


def test_stopping_on_precision_keeps_errors_low_at_the_per_look_level_only():
    at_look = stats.simulate_stopping(sd=0.05, precision=0.03, runs=20_000)
    assert at_look.significant <= 0.025
    naive = stats.simulate_stopping(sd=0.05, precision=0.03, alpha=0.05, runs=20_000)
    assert naive.significant > 0.06
