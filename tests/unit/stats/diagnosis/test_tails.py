"""Tails and drift: what a typical ratio hides is told beside it."""

import numpy as np
import pytest

from dlprof import stats


def trial(seed, *, slow_share=0.0, decay=0.0, shared=0.0, rounds=40):
    """Bursts of three with 3 % noise. slow_share: of B's calls that take 20 times as long; decay: ln of B's change over the
    trial; shared: of both sides'."""
    rng = np.random.default_rng(seed)
    line = np.linspace(0, 1, rounds)[:, np.newaxis]
    a, b = (np.exp(shared * line + 0.03 * rng.normal(size=(rounds, 3))) for _ in "ab")
    b = b * np.exp(decay * line) * np.where(rng.random((rounds, 3)) < slow_share, 20.0, 1.0)
    a[:, 0] = b[:, 0] = np.nan
    return stats.trial_log_ratio(a, b)


def test_rare_slow_calls_show_in_the_ratio_of_means_alone():
    trials = [trial(seed, slow_share=0.05) for seed in range(12)]
    typical = stats.compare([t.log_ratio for t in trials]).estimate
    mean = stats.mean_ratio(trials, 0.05)
    assert typical < 1.12
    assert mean.estimate == pytest.approx(1.95, abs=0.15)
    assert mean.low < 1.95 < mean.high
    assert mean.trials == 12


def test_without_tails_both_ratios_agree():
    trials = [trial(seed) for seed in range(8)]
    assert stats.mean_ratio(trials, 0.05).estimate == pytest.approx(1.0, abs=0.01)


def test_a_side_that_gets_slower_as_it_runs_is_named_with_its_rate():
    (found,) = stats.drifts([trial(seed, decay=0.24) for seed in range(6)])
    assert found.side == "b"
    assert found.per_iteration == pytest.approx(0.24 / 120, rel=0.1)
    assert found.low < 0.002 < found.high
    assert found.whole == pytest.approx(np.expm1(0.24), rel=0.1)


def test_where_the_machine_drifts_by_more_the_drift_is_of_b_against_a():
    """Each side alone goes up or down with the machine; their ratio grows by a quarter in every trial."""
    (found,) = stats.drifts([trial(seed, decay=0.24, shared=(-1) ** seed * 0.5) for seed in range(6)])
    assert (found.side, found.against_other) == ("b", True)
    assert found.whole == pytest.approx(np.expm1(0.24), rel=0.1)
    assert found.low < 0.002 < found.high
    (found,) = stats.drifts([trial(seed, decay=0.24) for seed in range(6)])
    assert not found.against_other


def test_a_drift_of_the_machine_that_both_sides_share_is_not_a_side_s_drift():
    assert stats.drifts([trial(seed, shared=0.3) for seed in range(6)]) == ()


def test_steady_sides_and_few_trials_have_no_drift():
    assert stats.drifts([trial(seed, decay=0.5) for seed in range(3)]) == ()
    named = [len(stats.drifts([trial(50 * n + seed) for seed in range(6)])) for n in range(40)]
    assert sum(named) == 0


def test_no_trial_has_no_ratio_of_means():
    assert stats.mean_ratio([], 0.05) is None
    lost = stats.trial_log_ratio(np.full((8, 3), np.nan), np.ones((8, 3)))
    assert stats.mean_ratio([lost], 0.05) is None
    assert stats.drifts([lost] * 6) == ()
