"""Pacing: what a budget holds is known after the first trial, and said then."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from paced_runs import compare_options, run_options, trial

from dlprof import stats
from dlprof.analysis.timing import lockstep
from dlprof.api.lockstep.pacing import Pacing
from dlprof.api.lockstep.rounds import Rounds, rounds_in
from dlprof.capture.workers.window import TracedSide
from dlprof.protocol import TracedSteps, TracedWindow


def pacing(budget_s: float, monkeypatch: pytest.MonkeyPatch, **options):
    """A comparison whose trials take 20 s each by a clock that is turned by hand; what it says; the clock."""
    clock = [0.0]
    monkeypatch.setattr("dlprof.api.lockstep.pacing.time.monotonic", lambda: clock[0])
    said: list[str] = []
    run = run_options()
    made = Pacing(compare_options(run, budget_s=budget_s, **options), run.resolve("tf"), said.append, said.append)
    made.start()
    return made, said, clock


def go(made: Pacing, clock: list[float], ratios: list[float]) -> bool:
    """Whether it goes on after each of these trials, until it does not."""
    for n in range(len(ratios)):
        clock[0] += 20.0
        done = [trial(at, ratio) for at, ratio in enumerate(ratios[: n + 1])]
        if not made.go_on(done[-1], {"train_block": {("a", "b"): measured(done)}}):
            return False
    return True


def test_a_budget_that_holds_no_look_ends_after_the_first_trial_with_what_it_would_take(monkeypatch):
    made, _, clock = pacing(40.0, monkeypatch)
    assert not go(made, clock, [0.3])
    assert made.too_small
    assert made.ended.startswith("the budget of 40 s is too small for a verdict")
    assert made.ended.endswith("so 6 take --budget 120s; nothing is traced")


def test_a_first_trial_that_had_its_traced_window_is_not_said_to_be_without_a_trace(monkeypatch):
    made, _, clock = pacing(40.0, monkeypatch)
    clock[0] += 20.0
    done = trial(0, 0.3)
    steps = TracedSteps(steps=8, synchronised=True)
    traced = TracedSide(Path("trial-1-a"), TracedWindow(artefacts=[], window=steps), steps.timed(9, []))
    done = replace(done, windows={"a": traced})
    assert not made.go_on(done, {"train_block": {("a", "b"): measured([done])}})
    assert made.ended.endswith("so 6 take --budget 120s")


def test_a_budget_for_four_trials_goes_on_to_the_first_look_and_says_what_that_can_show(monkeypatch):
    made, said, clock = pacing(90.0, monkeypatch)
    assert go(made, clock, [0.41])
    assert any("holds 4 trials, which show a difference of 25 % or more only" in text for text in said)
    assert not made.too_small


def test_what_went_by_beside_the_first_trial_counts_too(monkeypatch):
    """It said that the budget of 121 s holds five trials, and that six take 120 s."""
    made, said, clock = pacing(121.0, monkeypatch)
    clock[0] += 3.0
    assert go(made, clock, [0.41])
    assert any(
        "holds 5 trials" in text and text.endswith("a trial takes 20 s, so 6 take --budget 123s") for text in said
    )


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


def measured(trials) -> list[stats.TrialRatio]:
    return [next(iter(lockstep.by_item(one.timings)["train_block"].values())) for one in trials]


def test_the_first_trial_has_the_rounds_of_the_prior_by_what_its_start_has_cost_and_the_next_ones_as_many():
    rounds = Rounds(share_s=50.0, effect=0.05, looks=(4, 6), after_s=2.0)
    assert rounds(0, 6.1, 0.45) == 10
    assert rounds(1, 60.0, 0.001) == 10, "what a later trial takes to start changes nothing"
    assert Rounds(share_s=50.0, effect=0.05, after_s=0.0)(0, 6.1, 3.0) == 8


def test_a_trial_has_no_more_rounds_than_a_sixth_of_the_budget_holds_and_never_fewer_than_eight():
    """Start and what follows the rounds take five seconds of it."""
    assert rounds_in(run_options().resolve("tf"), 90.0)(0, 3.0, 0.03) == 32
    assert rounds_in(run_options().resolve("tf"), 36.0)(0, 3.0, 0.05) == 20
    assert rounds_in(run_options().resolve("tf"), 20.0)(0, 3.0, 0.05) == 8
    assert rounds_in(run_options(workload="ops").resolve("tf"), 90.0) is None


def test_rounds_change_at_a_look_only_and_by_what_the_finished_trials_vary_and_cost():
    calm, wild = ([trial(n, size * (-1) ** n, noise=0.05) for n in range(4)] for size in (1e-3, 0.3))
    found = []
    for trials in (calm, wild):
        rounds = Rounds(share_s=50.0, effect=0.05, looks=(4, 6), after_s=0.0)
        assert rounds(0, 20.0, 1.0) == 10
        for n in range(1, 4):
            assert not rounds.learn(trials[:n], measured(trials[:n]))
            assert rounds(n, 1.0, 1.0) == 10, "as many as its finished trials had"
        assert rounds.learn(trials, measured(trials))
        found.append(rounds(4, 1.0, 1.0))
    assert 10 < found[1] < found[0], "rounds cost little here; where processes differ they help less"
    fixed = Rounds(share_s=50.0, effect=0.05, after_s=0.0)
    assert not fixed.learn(wild, measured(wild))
    assert fixed(4, 1.0, 1.0) == 10


def go_of_three(made: Pacing, clock: list[float], ratios: dict[tuple[str, str], list[float]]) -> int:
    """Trials after which it stops; they hold log-ratios of three pairs."""
    count = len(next(iter(ratios.values())))
    for n in range(count):
        clock[0] += 20.0
        found = {pair: measured([trial(at, one) for at, one in enumerate(of[: n + 1])]) for pair, of in ratios.items()}
        if not made.go_on(trial(n, 0.0), {"train_block": found}):
            return n + 1
    return 0


def test_of_several_sides_it_goes_on_until_every_pair_is_decided(monkeypatch):
    wide = [0.69, 0.71, 0.68, 0.70, 0.69, 0.71]
    pairs = {("a", "b"): wide, ("a", "c"): [2 * one for one in wide], ("b", "c"): [0.3, -0.3, 0.29, -0.31, 0.3, -0.3]}
    made, said, clock = pacing(600.0, monkeypatch, more=("tf",))
    assert go_of_three(made, clock, pairs) == 0, "b and c are not told apart"
    assert any("2 of 3 pairs decided" in text for text in said)
    made, said, clock = pacing(600.0, monkeypatch, more=("tf",))
    assert go_of_three(made, clock, pairs | {("b", "c"): wide}) == 4
    assert any("stopping: all pairs are decided after 4 trials" in text for text in said)


def test_of_several_sides_the_pair_that_varies_most_says_how_many_rounds_there_are(monkeypatch):
    made, _, _ = pacing(600.0, monkeypatch, more=("tf",))
    calm, wild = ([trial(n, size * (-1) ** n, noise=0.05) for n in range(4)] for size in (1e-3, 0.3))
    ratios = {("a", "b"): measured(calm), ("a", "c"): measured(wild), ("b", "c"): measured(calm)}
    asked: list[list[stats.TrialRatio]] = []
    assert made.rounds is not None
    monkeypatch.setattr(Rounds, "learn", lambda self, trials, of: asked.append(of))
    made.learn(calm, {"train_block": ratios})
    assert asked == [measured(wild)]


def test_a_gate_goes_on_past_a_verdict_until_it_is_decided_itself(monkeypatch):
    """At +5 % B is slower beyond doubt after six trials; whether it is by more than the gate allows is another question."""
    noise = [0.004, -0.006, 0.001, 0.008, -0.003, 0.002]
    slower = [0.0496 + one for one in noise]
    made, said, clock = pacing(6000.0, monkeypatch)
    assert not go(made, clock, slower)
    made, said, clock = pacing(6000.0, monkeypatch, gate=0.05)
    assert go(made, clock, slower)
    assert any(text.startswith("  at 5 %: fails a true +10.3 % and passes a true 0 % with 80 % in") for text in said)
    made, said, clock = pacing(6000.0, monkeypatch, gate=0.12)
    assert not go(made, clock, slower)
    assert any("the gate is decided after 6 trials" in text for text in said)


def test_a_gate_of_several_items_ends_when_each_has_passed_or_one_has_failed(monkeypatch):
    noise = [0.004, -0.006, 0.001, 0.008, -0.003, 0.002]

    def goes_on(gate: float, *ratios: float) -> bool:
        made, _, clock = pacing(6000.0, monkeypatch, gate=gate)
        for n in range(6):
            clock[0] += 20.0
            items = {
                f"item{at}": {("a", "b"): measured([trial(k, ratio + noise[k]) for k in range(n + 1)])}
                for at, ratio in enumerate(ratios)
            }
            if not made.go_on(trial(n, ratios[0] + noise[n]), items):
                return False
        return True

    assert not goes_on(0.05, 0.0, 0.0)
    assert goes_on(0.05, 0.0, 0.049)
    assert not goes_on(0.05, 0.0, 0.3)


def test_a_gate_that_cannot_be_decided_here_is_given_up_after_six_trials_with_the_figures(monkeypatch):
    wide = [0.11, -0.09, 0.05, -0.12, 0.08, -0.04]
    made, said, clock = pacing(6000.0, monkeypatch, gate=0.01)
    assert not go(made, clock, wide)
    assert made.ended.startswith("a gate of 1 % is tighter than what can be seen here in the time: with the spread of")
    assert "30 trials decide a gate of" in made.ended
    assert f"warning: {made.ended}" in said
    made, said, clock = pacing(200.0, monkeypatch, gate=0.05)
    assert not go(made, clock, wide)
    assert "would decide this one" in made.ended, "the budget holds ten"
    made, _, clock = pacing(6000.0, monkeypatch, gate=0.20)
    assert go(made, clock, wide), "a wider one goes on"
    made, _, clock = pacing(6000.0, monkeypatch, gate=0.01)
    go(made, clock, [0.25 + one for one in wide])
    assert made.ended == "", "though tight, a large slow-down can be seen"


def test_a_gate_of_a_fixed_number_of_trials_says_what_it_can_show(monkeypatch):
    made, said, clock = pacing(6000.0, monkeypatch, gate=0.05, trials=8)
    assert go(made, clock, [0.01, -0.02, 0.015, -0.01, 0.02, 0.005])
    assert any(text.startswith("  at 5 %: fails a true +10.3 %") for text in said)
