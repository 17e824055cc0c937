"""How long a trial of two scripts is timed: as trials and rounds vary and cost, and no shorter than decides soonest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow.compute as pc
from paced_runs import trial

from dlprof import stats
from dlprof.analysis.timing import lockstep
from dlprof.api.lockstep.measured import Measured
from dlprof.api.lockstep.pacing import Pacing
from dlprof.api.lockstep.rounds import Rounds
from dlprof.api.script.options import ScriptCompare, workload_of
from dlprof.api.script.trials import LEAST_S, ScriptTrials
from dlprof.capture.script.command import Command
from dlprof.capture.workers.trial import Trial
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


def rounds_of(kind: ScriptTrials) -> Rounds:
    assert kind.rounds(kind.pacing.rounds) is kind.pacing.rounds
    assert kind.pacing.rounds is not None
    return kind.pacing.rounds


def longer(made: Trial) -> Trial:
    """The same with rounds of `ROUND_S`, 6 ms as they are made."""
    at = made.timings.column_names.index("wall_ns")
    walls = pc.multiply(made.timings["wall_ns"], round(ROUND_S / 0.006))
    return replace(made, timings=made.timings.set_column(at, made.timings.schema.field(at), walls))


def learned(kind: ScriptTrials, noise: float, count: int = 4) -> bool:
    """Whether trials of ten rounds of `ROUND_S` with this noise change the number."""
    done = [longer(trial(n, 0.0, noise=noise)) for n in range(count)]
    measured = [next(iter(lockstep.by_item(one.timings)["train_block"].values())) for one in done]
    rounds = rounds_of(kind)
    kind.pacing.learn(done, {"train_block": {("a", "b"): measured}})
    return rounds.now != done[-1].rounds


def test_a_trial_of_short_steps_is_timed_for_the_least_time_and_that_of_long_ones_by_the_rule() -> None:
    assert stats.best_rounds(stats.PRIOR, trial_s=2.4 + 2.0, round_s=ROUND_S) == 14
    rounds = rounds_of(trials_of())
    assert rounds(0, 2.4, ROUND_S) == rounds(1, 9.0, 2.0) == LEAST_S / ROUND_S, "fixed by the first trial"
    assert rounds_of(trials_of())(0, 2.4, 2.0) == stats.FEWEST_ROUNDS
    assert rounds_of(trials_of())(0, 2.4, 1e-5) == stats.MOST_ROUNDS


def test_no_trial_is_timed_for_more_than_a_sixth_of_the_budget() -> None:
    assert rounds_of(trials_of(budget_s=36.0))(0, 2.4, ROUND_S) == 12
    assert rounds_of(trials_of(budget_s=12.0))(0, 2.4, ROUND_S) == stats.FEWEST_ROUNDS


def test_noisy_rounds_are_timed_for_longer_from_the_first_look_on_and_quiet_ones_no_shorter() -> None:
    found = []
    for noise in (0.005, 0.8):
        kind = trials_of()
        assert not learned(kind, noise, count=3)
        assert learned(kind, noise)
        found.append(rounds_of(kind).now)
    assert LEAST_S - 0.01 <= found[0] * ROUND_S < LEAST_S + 3 * ROUND_S
    assert found[1] > found[0]


def test_a_fixed_number_of_trials_keeps_the_rounds_that_the_finished_ones_have() -> None:
    kind = trials_of(trials=8)
    assert rounds_of(kind)(0, 2.4, ROUND_S) == LEAST_S / ROUND_S
    assert not learned(kind, 0.8)
