"""How many rounds a trial has."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dlprof import stats
from dlprof.analysis import columns
from dlprof.capture.workers.trial import Trial
from dlprof.workload import Workload

AFTER_S: Final = 2.0
"""What follows the rounds in a trial (checks, a traced window), guessed before the first is done; then it is measured."""


@dataclass(slots=True)
class Rounds:
    """The number of rounds of a network's trials, fixed in advance: before the first trial, and at each look for the trials until
    the next one (docs/statistics.md: it depends on how finished trials vary and on what they cost, never on their mean).

    share_s: what a trial may take. effect: the difference that is to be found, as a share. looks: trial counts at which the
    number may change; none where the number of trials is fixed, and all then have as many as the first. least_s: seconds of
    rounds at least, where the share holds them.
    """

    share_s: float
    effect: float
    looks: Sequence[int] = ()
    after_s: float = AFTER_S
    least_s: float = 0.0
    now: int = 0

    def __call__(self, _: int, spent_s: float, round_s: float) -> int:
        """`schedule.RoundsOf`: the number in force; for the first trial by the prior and what its start has cost."""
        if not self.now:
            self.now = self._best(stats.PRIOR, spent_s + self.after_s, round_s)
        return self.now

    def learn(self, trials: Sequence[Trial], measured: Sequence[stats.TrialRatio]) -> bool:
        """After a trial; measured: the ratio of each so far. Whether the number of rounds has changed."""
        before = self.now = trials[-1].rounds
        if len(trials) in self.looks and before:
            rounds_s = [_rounds_s(trial) / trial.rounds for trial in trials if trial.rounds]
            beside_s = [trial.wall_s - _rounds_s(trial) for trial in trials if trial.rounds]
            noise = stats.components(measured)
            self.now = self._best(noise, statistics.median(beside_s), statistics.median(rounds_s))
        return self.now != before

    def _best(self, noise: stats.Components, beside_s: float, round_s: float) -> int:
        round_s = max(round_s, 1e-6)
        fit = int((self.share_s - beside_s) / round_s)
        most = min(max(fit, stats.FEWEST_ROUNDS), stats.MOST_ROUNDS)
        least = min(max(math.ceil(self.least_s / round_s), stats.FEWEST_ROUNDS), most)
        costs = {"trial_s": max(beside_s, 1e-3), "round_s": round_s}
        return stats.best_rounds(noise, **costs, effect=self.effect, least=least, most=most)


def _rounds_s(trial: Trial) -> float:
    """Seconds of work in the trial's rounds."""
    timed = columns.text(trial.timings, "stage").where("timed")
    return float(columns.integers(trial.timings, "wall_ns")[timed].sum()) / 1e9


def rounds_in(workload: Workload, budget_s: float, effect: float = 0.05, looks: Sequence[int] = ()) -> Rounds | None:
    """How many rounds a trial has, which may take a sixth of the budget; None for an op workload, whose plan says it."""
    return None if workload.kind == "op" else Rounds(budget_s / stats.MIN_TRIALS, effect, looks)
