"""Pacing: what a budget holds is known after the first trial, and said then."""

from __future__ import annotations

import pytest
from paced_runs import compare_options, run_options, trial

from dlprof.api.compare.plan import Pacing


def pacing(budget_s: float, monkeypatch: pytest.MonkeyPatch, **options):
    """A comparison whose trials take 20 s each by a clock that is turned by hand; what it says; the clock."""
    clock = [0.0]
    monkeypatch.setattr("dlprof.api.compare.plan.time.monotonic", lambda: clock[0])
    said: list[str] = []
    run = run_options()
    made = Pacing(compare_options(run, budget_s=budget_s, **options), run.resolve("tf"), said.append, said.append)
    made.start()
    return made, said, clock


def go(made: Pacing, clock: list[float], ratios: list[float]) -> bool:
    """Whether it goes on after each of these trials, until it does not."""
    for n in range(len(ratios)):
        clock[0] += 20.0
        if not made.go_on(trial(n, ratios[n]), {"train_block": ratios[: n + 1]}):
            return False
    return True


def test_a_budget_that_holds_no_look_ends_after_the_first_trial_with_what_it_would_take(monkeypatch):
    made, _, clock = pacing(40.0, monkeypatch)
    assert not go(made, clock, [0.3])
    assert made.too_small
    assert made.ended.startswith("the budget of 40 s is too small for a verdict")
    assert "so 6 take --budget 120s" in made.ended


def test_a_budget_for_four_trials_goes_on_to_the_first_look_and_says_what_that_can_show(monkeypatch):
    made, said, clock = pacing(90.0, monkeypatch)
    assert go(made, clock, [0.41])
    assert any("holds 4 trials, which show a difference of 25 % or more only" in text for text in said)
    assert not made.too_small


def test_four_trials_are_enough_for_twice_the_time_and_not_for_a_tenth_more(monkeypatch):
    made, said, clock = pacing(600.0, monkeypatch)
    assert not go(made, clock, [0.69, 0.71, 0.68, 0.70])
    assert any("stopping: slower after 4 trials" in text for text in said)
    made, _, clock = pacing(600.0, monkeypatch)
    assert go(made, clock, [0.10, 0.101, 0.099, 0.10])


def test_a_fixed_number_of_trials_is_not_paced_by_the_budget(monkeypatch):
    made, _, clock = pacing(40.0, monkeypatch, trials=6)
    assert go(made, clock, [0.3])
    assert not made.too_small
