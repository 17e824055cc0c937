"""How long a comparison goes on: rounds of a trial, number of trials, when to stop; and how to say so."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from dlprof import stats
from dlprof.analysis import columns
from dlprof.analysis.timing.verdicts import HEADLINES
from dlprof.api.compare import items
from dlprof.api.options import Design
from dlprof.capture.workers.schedule import Enough, Plan, Trial, steady
from dlprof.names import Pair
from dlprof.workload import Workload

Ratios = Mapping[str, Mapping[Pair, Sequence[stats.TrialRatio]]]
"""Item → pair of sides → the ratio of each trial."""

TRIAL_ESTIMATE_S: Final = 20.0
"""Of two sides."""

START_ESTIMATE_S: Final = 15.0
"""Of a trial of two sides: starting the workers, first calls, warm-up."""

OP_ROUNDS: Final = (6, 40)
"""Rounds of an op workload's trial: at least, and as many as micro-operations want (docs/statistics.md)."""

OP_WARMUP: Final = (1, 13)
"""Iterations of an op before it is timed, at least (four more are needed to see a level) and at most. Each of them is
`count` calls, 50 unless asked otherwise, so that the least are 250 calls."""

ITEM_S: Final = 1.0
"""What one item of a family takes in a trial with few rounds: start, warm-up and rounds on both sides."""

FAMILY_TRIALS: Final = 10
"""Trials of a family of items at most: with the first six an effect of 10 % is found in four of five cases."""

OVERDRAFT: Final = 4.0
"""A family finishes its six trials until this multiple of the budget is spent: five of six would decide nothing."""

AFTER_S: Final = 2.0
"""What follows the rounds in a trial (checks, a traced window), guessed before the first is done; then it is measured."""


@dataclass(slots=True)
class Rounds:
    """The number of rounds of a network's trials, fixed in advance: before the first trial, and at each look for the trials until
    the next one (docs/statistics.md: it depends on how finished trials vary and on what they cost, never on their mean).

    share_s: what a trial may take. effect: the difference that is to be found, as a share. looks: trial counts at which the
    number may change; none where the number of trials is fixed, and all then have as many as the first.
    """

    share_s: float
    effect: float
    looks: Sequence[int] = ()
    after_s: float = AFTER_S
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
        return stats.best_rounds(noise, trial_s=max(beside_s, 1e-3), round_s=round_s, effect=self.effect, most=most)


def _rounds_s(trial: Trial) -> float:
    """Seconds of work in the trial's rounds."""
    timed = columns.text(trial.timings, "stage").where("timed")
    return float(columns.integers(trial.timings, "wall_ns")[timed].sum()) / 1e9


@dataclass(slots=True)
class Pacing:
    """The decision after each trial.

    Of more than two sides every pair is to be decided, each at a level at which all hold together (`stats.pair_alpha`).

    One item: looks at 4, 6, 8, …, 30 trials (stats.decide); a budget that the first trial shows to hold fewer than four ends
    there, and says what it takes. A family of items (an op workload) is judged together by
    Benjamini-Hochberg, which needs a number of trials that does not depend on the ratios: as many as fit into the
    budget by the duration of the first, from six to ten. With a precision it goes on until every item has it.
    """

    options: Design
    workload: Workload
    say: Callable[[str], None]
    warn: Callable[[str], None]
    deadline: float = 0.0
    ended: str = ""
    too_small: bool = False
    standing: str = ""
    more: int = 0
    began: float = 0.0
    durations: list[float] = field(default_factory=list)
    rounds: Rounds | None = field(init=False)

    def __post_init__(self) -> None:
        looks = stats.look_schedule() if self.adaptive else ()
        effect = self.options.precision or self.options.margin
        self.rounds = rounds_in(self.workload, self.options.budget_s, effect, looks)

    @property
    def family(self) -> bool:
        """Whether several items are judged as one family."""
        return items.count(self.workload) > 1

    @property
    def adaptive(self) -> bool:
        """Whether the ratios decide when to stop, so that intervals must be wider."""
        return self.options.trials is None and (not self.family or self.options.precision is not None)

    @property
    def estimate_s(self) -> float:
        """Duration of all trials, guessed before anything is known."""
        if self.family and self.options.trials is None:
            return self.options.budget_s
        whole = (self.options.trials or stats.MIN_TRIALS) * TRIAL_ESTIMATE_S * self.sides / 2
        return whole if self.options.trials else min(self.options.budget_s, whole)

    @property
    def sides(self) -> int:
        """How many sides there are."""
        return len(self.options.sides)

    def trials_within(self, seconds: float) -> int:
        """Trials that this comparison may make, if one takes so many seconds; a family makes six at least."""
        if self.options.trials is not None:
            return self.options.trials
        fit = int(self.options.budget_s / seconds)
        if self.family and not self.adaptive:
            return min(max(fit, stats.MIN_TRIALS), FAMILY_TRIALS)
        return max((look for look in stats.look_schedule() if look <= fit), default=fit)

    def plan(self) -> Plan:
        """The schedule's plan."""
        trials = self.options.trials or (
            FAMILY_TRIALS if self.family and not self.options.precision else stats.look_schedule()[-1]
        )
        return plan_of(self.workload, trials=trials, seed=self.options.random_seed, budget_s=self.options.budget_s)

    def start(self) -> None:
        """The budget begins to run: environments and data are there."""
        self.deadline = time.monotonic() + self._time_s

    @property
    def _time_s(self) -> float:
        """Time for the trials of this session."""
        return self.options.budget_s if self.options.time_s is None else self.options.time_s

    def _end(self, why: str) -> bool:
        """Ends the trials without a verdict, with a warning; goes with the comparison as its `ended`."""
        self.ended = f"the budget of {self._time_s:g} s is {why}"
        self.say(f"warning: {self.ended}")
        return False

    def go_on(self, trial: Trial, ratios: Ratios) -> bool:
        """Whether another trial is wanted, after `trial`; ratios: of all trials so far."""
        self.durations.append(trial.wall_s)
        n = len(self.durations)
        self._say_trial(n, trial, ratios)
        if self.options.trials is not None:
            return True
        if self.options.precision is not None or not self.family:
            return self._look(n, trial, ratios)
        return self._family(n, trial)

    def learn(self, trials: Sequence[Trial], measured: Ratios) -> None:
        """What a finished trial says of the rounds of those to come: by the pair whose ratio varies most."""
        if self.rounds is None or not measured:
            return
        noisiest = max(measured[_headline(measured)].values(), key=_spread)
        if self.rounds.learn(trials, noisiest):
            self.say(f"  {self.rounds.now} rounds a trial from here on, by what trials and rounds vary and cost")

    def left_s(self, n: int, fraction: float) -> float:
        """Seconds that the trials still need, `fraction` of trial n + 1 being done."""
        spent = time.monotonic() - self.began
        whole = self.durations[-1] if self.durations else spent / fraction
        left = max(whole - spent, 0.0) + (self._wanted(n, whole) - n - 1) * whole
        return min(left, self.deadline - time.monotonic()) if self.adaptive else left

    def _wanted(self, n: int, whole_s: float) -> int:
        if self.options.trials is not None:
            return self.options.trials
        if self.adaptive:
            looks = stats.look_schedule()
            return next((look for look in looks if look > n and look >= n + self.more), max(looks[-1], n + 1))
        return self.trials_within(max(whole_s, 1e-3))

    def _family(self, n: int, trial: Trial) -> bool:
        wanted = self._wanted(n, self.durations[0])
        if n == 1:
            self.say(f"  {len(trial.group_rounds)} groups of items, {_rounds(trial)}; {wanted} trials in all")
            if trial.rounds < OP_ROUNDS[1]:
                self.warn(
                    f"{trial.rounds} rounds a trial for some items where {OP_ROUNDS[1]} are better: "
                    "that is what fits into the budget; a longer --budget or fewer items gives more"
                )
        if n >= wanted:
            return False
        if n < stats.MIN_TRIALS and time.monotonic() > self.deadline + (OVERDRAFT - 1) * self._time_s:
            return self._end(f"too small for {stats.MIN_TRIALS} trials")
        return True

    def _look(self, n: int, trial: Trial, ratios: Ratios) -> bool:
        decisions = [
            stats.decide(_logs(chosen), precision=self.options.precision, margin=self.options.margin, sides=self.sides)
            for of in (ratios.values() if self.family else [ratios[_headline(ratios)]])
            for chosen in of.values()
        ]
        left = self.deadline - time.monotonic()
        if all(decision.stop for decision in decisions):
            why = f"all pairs are decided after {n} trials"
            self.say(f"  stopping: {decisions[0].why if self.sides == 2 or not decisions[0].next_look else why}")
            return False
        if n == 1 and not self._holds_looks(trial.wall_s, left):
            return False
        # A look is planned at even numbers: stop between looks only when the budget cannot reach the next.
        to_next = (decisions[0].next_look or n + 1) - n
        if n >= stats.MIN_TRIALS and left < trial.wall_s * to_next and n in stats.look_schedule():
            on = "" if self.sides == 2 else " on every pair"
            return self._end(f"spent after {n} trials without a verdict{on}")
        if n < stats.MIN_TRIALS and left < 0:
            return self._end(f"too small for {stats.MIN_TRIALS} trials")
        return True

    def _holds_looks(self, trial_s: float, left_s: float) -> bool:
        """After the first trial, whose cost is known: whether the budget holds the first look, saying what six trials take."""
        fit = 1 + max(int(left_s / trial_s), 0)
        if fit >= stats.MIN_TRIALS:
            return True
        six = math.ceil(stats.MIN_TRIALS * trial_s)
        needed = f"a trial takes {trial_s:.0f} s with the fewest rounds, so {stats.MIN_TRIALS} take --budget {six}s"
        if fit >= stats.FIRST_LOOK:
            self.warn(f"the budget holds {fit} trials, which show a difference of 25 % or more only: {needed}")
            return True
        self.too_small = True
        return self._end(f"too small for a verdict: {needed}; nothing is traced")

    def _say_trial(self, n: int, trial: Trial, ratios: Ratios) -> None:
        if len(ratios) > 1 and self.family:
            self.standing = f"{n} of {self._wanted(n, self.durations[0])} trials done"
            self.say(f"  trial {n}: {len(ratios)} items ({_rounds(trial)}, {trial.wall_s:.0f} s)")
            return
        self.standing = self._standing(ratios)
        self.say(f"  trial {n}: {self.standing} ({_rounds(trial)}, {trial.wall_s:.0f} s)")

    def _standing(self, ratios: Ratios) -> str:
        """The headline's ratio and interval so far, and what it would take; of several pairs how many are decided."""
        of = ratios[_headline(ratios)] if ratios else {}
        if self.sides > 2:
            return self._decided(of)
        chosen = _logs(next(iter(of.values()), []))
        result = stats.compare(chosen, margin=self.options.margin, adaptive=self.adaptive)
        if result.estimate is None:
            return "no ratio so far"
        n = len(chosen)
        known = n >= 3 and result.low is not None and result.high is not None
        text = f"ratio {result.estimate:.3f}{f' [{result.low:.3f}, {result.high:.3f}]' if known else ''} so far"
        if result.verdict != "inconclusive":
            return f"{text}, {result.verdict}"
        if not self.adaptive:
            return text
        if n < stats.FIRST_LOOK:
            return f"{text}, first look at {stats.FIRST_LOOK} trials"
        self.more = result.more_trials or 0
        return f"{text}, about {self.more} more trials to a verdict" if self.more else text

    def _decided(self, of: Mapping[Pair, Sequence[stats.TrialRatio]]) -> str:
        """`4 of 6 pairs decided`, and how many trials the others take."""
        results = [
            stats.compare(_logs(trials), margin=self.options.margin, adaptive=self.adaptive, sides=self.sides)
            for trials in of.values()
        ]
        decided = sum(result.verdict != "inconclusive" for result in results)
        text = f"{decided} of {len(results)} pairs decided"
        if not self.adaptive or decided == len(results):
            return text
        n = max((len(trials) for trials in of.values()), default=0)
        if n < stats.FIRST_LOOK:
            return f"{text}, first look at {stats.FIRST_LOOK} trials"
        self.more = max(result.more_trials or 0 for result in results if result.verdict == "inconclusive")
        return f"{text}, about {self.more} more trials to all verdicts" if self.more else text


def _logs(trials: Sequence[stats.TrialRatio]) -> list[float]:
    return [trial.log_ratio for trial in trials]


def _spread(trials: Sequence[stats.TrialRatio]) -> float:
    """How much a pair's log-ratio varies over its trials; 0 where that is not known."""
    found = [trial.log_ratio for trial in trials if math.isfinite(trial.log_ratio)]
    return statistics.stdev(found) if len(found) > 1 else 0.0


def rounds_in(workload: Workload, budget_s: float, effect: float = 0.05, looks: Sequence[int] = ()) -> Rounds | None:
    """How many rounds a trial has, which may take a sixth of the budget; None for an op workload, whose plan says it."""
    return None if workload.kind == "op" else Rounds(budget_s / stats.MIN_TRIALS, effect, looks)


def plan_of(workload: Workload, *, trials: int, seed: int, budget_s: float) -> Plan:
    """How trials of this workload run; for a network `Rounds` says the number of rounds. A trial of an op workload takes a sixth
    of the budget (also where the number of trials is fixed: of the default one), or 40 rounds if that is less."""
    if workload.kind != "op":
        return Plan(trials=trials, seed=seed, items=_items(workload))
    few, many = OP_ROUNDS
    share = budget_s / stats.MIN_TRIALS
    return Plan(
        trials=trials,
        seed=seed,
        grouping=items.grouping(workload),
        target_s=max(share - START_ESTIMATE_S, share / 2),
        min_rounds=few,
        max_rounds=many,
        warmup_floor=OP_WARMUP[0],
        warmup_cap=OP_WARMUP[1],
    )


def enough_of(workload: Workload) -> Enough:
    """When an item of this workload is warm: (its warm-up iterations' wall times in ns) → whether it is."""
    if workload.kind == "op":
        return lambda walls_ns: stats.warm_up(walls_ns, floor=OP_WARMUP[0]).steady
    return steady


def fitted(options: Design, workload: Workload) -> Workload:
    """The workload with as many sizes as six trials within the budget can hold; all with a fixed number of trials."""
    if options.trials is not None:
        return workload
    return items.thinned(workload, int(options.budget_s / stats.MIN_TRIALS / ITEM_S))


def _rounds(trial: Trial) -> str:
    least, most = min(trial.group_rounds), max(trial.group_rounds)
    return f"{least} rounds" if least == most else f"{least} to {most} rounds"


def _headline(ratios: Mapping[str, object]) -> str:
    return next((name for name in HEADLINES if name in ratios), next(iter(ratios)))


def _items(workload: Workload) -> tuple[str, ...] | None:
    """What is timed: of a network the task's own items, of other kinds all that the child offers."""
    if workload.kind != "network":
        return None
    return ("infer_block",) if workload.description.get("task") == "infer" else ("train_block", "train_step_sync")
