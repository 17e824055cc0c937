"""How many rounds a trial should have."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dlprof import stats
from dlprof.stats.design.rounds import PRIOR_TRIALS, best_of_each
from dlprof.stats.trial.log_ratio import trial_log_ratio


def drawn(
    trials: int, rounds: int, between: float, within: float, seed: int = 0, rho: float = 0.0
) -> list[stats.TrialRatio]:
    """Trials whose log-ratio has an SD of `between` and each of whose rounds adds one of `within`, alike to its neighbour."""
    g = np.random.default_rng(seed)
    found = []
    for _ in range(trials):
        fresh, noise = g.normal(0, within, rounds), np.empty(rounds)
        noise[0] = fresh[0]
        for i in range(1, rounds):
            noise[i] = rho * noise[i - 1] + math.sqrt(1 - rho**2) * fresh[i]
        found.append(trial_log_ratio(np.ones(rounds), np.exp(g.normal(0, between) + noise)))
    return found


@pytest.mark.parametrize("rounds", [8, 10, 20])
@pytest.mark.parametrize("draw", [np.random.Generator.standard_normal, lambda g, n: g.standard_t(3, n)])
def test_the_error_of_a_trial_is_that_of_its_estimate_also_with_heavy_tails(rounds, draw):
    g = np.random.default_rng(1)
    trials = [trial_log_ratio(np.ones(rounds), np.exp(draw(g, rounds) / 10)) for _ in range(1500)]
    true = np.var([t.log_ratio for t in trials])
    assert 0.8 < np.mean([t.error**2 for t in trials]) / true < 1.2


def test_a_trial_of_one_round_has_no_error_and_says_nothing_of_the_noise():
    one = trial_log_ratio([1.0], [2.0])
    assert one.error is None
    assert stats.components([one]) == stats.PRIOR


def test_components_are_found_where_trials_are_many():
    found = stats.components(drawn(800, 12, 0.05, 0.2))
    assert math.sqrt(found.between) == pytest.approx(0.05, rel=0.15)
    assert math.sqrt(found.within) == pytest.approx(0.2, rel=0.1)
    assert found.trials == 800


def test_rounds_that_resemble_their_neighbours_count_as_fewer():
    found = stats.components(drawn(400, 40, 0.0, 0.2, rho=0.4))
    assert found.within == pytest.approx(0.04 * 1.4 / 0.6, rel=0.25)
    assert found.between < 0.03**2


def test_a_few_trials_weigh_against_the_prior_by_their_number_and_a_negative_variance_is_averaged_before_it_is_cut():
    trials = drawn(4, 10, 0.0, 0.2, seed=3)
    x = np.array([t.log_ratio for t in trials])
    found = stats.components(trials)
    left = x.var(ddof=1) - found.within / 10
    assert found.between == pytest.approx(max((PRIOR_TRIALS * stats.PRIOR.between + 3 * left) / (PRIOR_TRIALS + 3), 0))


def test_no_number_of_rounds_depends_on_which_side_is_faster_or_by_how_much():
    plain = drawn(6, 10, 0.05, 0.2)
    g = np.random.default_rng(0)
    moved = []
    for _ in range(6):
        noise = g.normal(0, 0.2, 10)
        moved.append(trial_log_ratio(np.full(10, 3.0), np.exp(1.0 + g.normal(0, 0.05) + noise)))
    a, b = stats.components(plain), stats.components(moved)
    assert (a.between, a.within) == (pytest.approx(b.between), pytest.approx(b.within))


@pytest.mark.parametrize(
    ("between", "within", "trial_s", "round_s", "rounds"),
    [
        (0.08, 0.20, 8.1, 0.45, 10),  # LeNet, start, warm-up and a traced window
        (0.08, 0.05, 8.1, 0.45, 8),  # trials differ, rounds do not: as few as a stable trial needs
        (0.08, 0.20, 20.0, 3.0, 8),  # rounds are dear
        (0.08, 0.20, 5.0, 0.03, 32),  # rounds cost next to nothing
    ],
)
def test_the_best_number_of_rounds(between, within, trial_s, round_s, rounds):
    noise = stats.Components(between**2, within**2, 10)
    assert stats.best_rounds(noise, trial_s=trial_s, round_s=round_s) == rounds


def test_where_many_trials_are_needed_it_is_the_optimum_of_kalibera_and_jones():
    for between, within, ratio in ((0.1, 0.5, 20), (0.2, 0.8, 50), (0.15, 1.0, 10)):
        noise = stats.Components(between**2, within**2, 10)
        optimum = math.sqrt(ratio * within**2 / between**2)
        assert abs(stats.best_rounds(noise, trial_s=ratio, round_s=1.0) - optimum) <= 2


def test_where_trials_do_not_differ_it_stays_below_what_six_trials_need():
    noise = stats.Components(0.0, 0.19**2, 10)
    many = stats.best_rounds(noise, trial_s=5.0, round_s=0.24)
    assert 30 <= many <= 50, "Kalibera and Jones would go on for ever"


def test_bounds_hold_and_a_cost_must_be_positive():
    noise = stats.Components(0.0, 1.0, 10)
    assert stats.best_rounds(noise, trial_s=5.0, round_s=0.001, most=25) == 24
    assert stats.best_rounds(noise, trial_s=5.0, round_s=9.0, least=9, most=9) == 10
    with pytest.raises(ValueError, match="must be positive"):
        stats.best_rounds(noise, trial_s=5.0, round_s=0.0)


def test_one_and_many_agree():
    g = np.random.default_rng(5)
    between, within = g.uniform(0, 0.1, 50) ** 2, g.uniform(0.01, 0.5, 50) ** 2
    each = best_of_each(between, within, 6.0, 0.4, 0.05, 8, 60)
    alone = [
        stats.best_rounds(stats.Components(b, w, 1), trial_s=6.0, round_s=0.4, most=60)
        for b, w in zip(between, within, strict=True)
    ]
    assert each.tolist() == alone
