"""How long a trial of two scripts is timed: as trials and rounds vary and cost, and no shorter than decides soonest."""

from __future__ import annotations

from pathlib import Path

from paced_runs import trial

from dlprof import stats
from dlprof.analysis.timing import lockstep
from dlprof.api.lockstep.measured import Measured
from dlprof.api.lockstep.pacing import Pacing
from dlprof.api.script.options import ScriptCompare, workload_of
from dlprof.api.script.trials import LEAST_S, ScriptTrials
from dlprof.capture.script.command import Command
from dlprof.cli.terminal import Progress

ROUND_S = 0.125
"""Of both sides, with steps that are shorter than an iteration."""


def trials_of(budget_s: float = 300.0, trials: int | None = None) -> ScriptTrials:
    asked = ScriptCompare(
        a=Command.parse("python train.py"), b=Command.parse("python train.py"), budget_s=budget_s, trials=trials,
        precision=None, margin=0.05, traces=0, gate=None, output=None,
    )  # fmt: skip
    pacing = Pacing(asked, workload_of("train"), lambda _: None, lambda _: None)
    return ScriptTrials(asked, pacing, Measured(), Path("scratch"), Progress(), lambda _: None)


def test_a_trial_is_timed_for_the_least_time_or_for_longer_where_the_rule_says_so() -> None:
    kind = trials_of()
    rounds = kind.rounds(kind.pacing.rounds)
    assert rounds is not None
    assert kind.pacing.rounds is not None
    assert rounds(0, 2.4, ROUND_S) == LEAST_S / ROUND_S
    assert kind.pacing.rounds.now == stats.best_rounds(stats.PRIOR, trial_s=2.4 + 2.0, round_s=ROUND_S) == 14
    kind.pacing.rounds.now = 40
    assert rounds(1, 2.4, ROUND_S) == 40


def test_the_least_time_is_filled_where_the_budget_holds_it() -> None:
    kind = trials_of()
    rounds = kind.rounds(kind.pacing.rounds)
    assert rounds is not None
    assert kind.pacing.rounds is not None
    kind.pacing.rounds.now = 8
    assert rounds(1, 2.4, 0.02) == LEAST_S / 0.02
    assert rounds(1, 2.4, 1e-5) == stats.MOST_ROUNDS
    assert rounds(1, 2.4, 2.0) == 8, "never fewer than the rule says"
    assert rounds(1, 50.0, ROUND_S) == 8, "a sixth of the budget is spent"


def test_noisy_rounds_are_timed_for_longer_from_the_first_look_on() -> None:
    found = []
    for noise in (0.005, 0.8):
        kind = trials_of()
        rounds = kind.rounds(kind.pacing.rounds)
        assert rounds is not None
        assert rounds(0, 2.4, ROUND_S) == 24
        done = [trial(n, 0.0, noise=noise) for n in range(4)]
        measured = [next(iter(lockstep.by_item(one.timings)["train_block"].values())) for one in done]
        kind.pacing.learn(done, {"train_block": {("a", "b"): measured}})
        found.append(rounds(4, 2.4, ROUND_S))
    assert found[0] == 24 < found[1]


def test_a_fixed_number_of_trials_keeps_the_rounds_that_the_finished_ones_have() -> None:
    kind = trials_of(trials=8)
    rounds = kind.rounds(kind.pacing.rounds)
    assert rounds is not None
    assert rounds(0, 2.4, ROUND_S) == 24
    done = [trial(n, 0.0, noise=0.4) for n in range(4)]
    measured = [next(iter(lockstep.by_item(one.timings)["train_block"].values())) for one in done]
    kind.pacing.learn(done, {"train_block": {("a", "b"): measured}})
    assert kind.pacing.rounds is not None
    assert kind.pacing.rounds(4, 2.4, ROUND_S) == done[-1].rounds
