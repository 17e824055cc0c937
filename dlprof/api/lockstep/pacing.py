"""When a comparison goes on and when it stops, decided after each trial; and how to say so."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from dlprof import stats
from dlprof.analysis.model import Gate, GatedItem
from dlprof.analysis.timing import gates
from dlprof.analysis.timing.beside import Beside
from dlprof.analysis.timing.verdicts import headline_of
from dlprof.api.lockstep import gate_power, items
from dlprof.api.lockstep.plan import FAMILY_TRIALS, OP_ROUNDS, plan_of
from dlprof.api.lockstep.rounds import Rounds, rounds_in
from dlprof.api.options import Design
from dlprof.capture.workers.trial import Plan, Trial
from dlprof.names import SIDES, Pair
from dlprof.units import counted
from dlprof.workload import Workload

Ratios = Mapping[str, Mapping[Pair, Sequence[stats.TrialRatio]]]
"""Item → pair of sides → the ratio of each trial."""

TRIAL_ESTIMATE_S: Final = 20.0
"""Of two sides."""

OVERDRAFT: Final = 4.0
"""A family finishes its six trials until this multiple of the budget is spent: five of six would decide nothing."""


@dataclass(slots=True)
class Pacing:
    """The decision after each trial.

    Of more than two sides every pair is to be decided, each at a level at which all hold together (`stats.pair_alpha`).

    One item: looks at 4, 6, 8, …, 30 trials (stats.decide); a budget that the first trial shows to hold fewer than four ends
    there, and says what it takes. A family of items (an op workload) is judged together by
    Benjamini-Hochberg, which needs a number of trials that does not depend on the ratios: as many as fit into the
    budget by the duration of the first, from six to ten. With a precision it goes on until every item has it; with a gate
    until every item is shown to be above it or not (`stats.gate`), whatever the verdict.

    beside: what else the trials told so far, which the gate may judge too
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
    beside: Mapping[str, Beside] = field(default_factory=dict)
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

    @property
    def most(self) -> int:
        """Trials at most."""
        few = self.family and not self.options.precision
        return self.options.trials or (FAMILY_TRIALS if few else stats.look_schedule()[-1])

    def plan(self) -> Plan:
        """The schedule's plan."""
        return plan_of(self.workload, trials=self.most, seed=self.options.random_seed, budget_s=self.options.budget_s)

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
            self._tell_power(n, ratios, stats.FIXED_ALPHA)
            return True
        if self.options.precision is not None or not self.family:
            return self._look(n, trial, ratios)
        return self._family(n, trial)

    def learn(self, trials: Sequence[Trial], measured: Ratios) -> None:
        """What a finished trial says of the rounds of those to come: by the pair whose ratio varies most."""
        if self.rounds is None or not measured:
            return
        if self.rounds.learn(trials, _noisiest(measured)):
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
            self.say(
                f"  {counted(len(trial.group_rounds), 'group')} of items, {_rounds(trial)}; {wanted} trials in all"
            )
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
        if self.options.gate is not None and self.options.precision is None:
            return self._gate_look(n, trial, ratios, self.options.gate)
        decisions = [
            stats.decide(_logs(chosen), precision=self.options.precision, margin=self.options.margin, sides=self.sides)
            for of in (ratios.values() if self.family else [ratios[headline_of(ratios)]])
            for chosen in of.values()
        ]
        if all(decision.stop for decision in decisions):
            why = f"all pairs are decided after {n} trials"
            self.say(f"  stopping: {decisions[0].why if self.sides == 2 or not decisions[0].next_look else why}")
            return False
        return self._holds_next(n, trial)

    def _gate_look(self, n: int, trial: Trial, ratios: Ratios, allowed: float) -> bool:
        """Whether another trial is wanted for a gate. It is judged at the looks of any adaptive comparison."""
        looks = stats.look_schedule()
        found = [
            gates.judge(of, allowed, adaptive=True, sides=self.sides, others=self.beside, limits=self.options.limits)
            for of in _by_pair(ratios, with_side=SIDES[0]).values()
        ]
        self._tell_power(n, ratios, stats.LOOK_ALPHA)
        # One side that is too slow is the answer, whatever the others are.
        decided = any(one.state == "failed" for one in found) or all(one.state == "passed" for one in found)
        if n in looks and decided:
            self.say(f"  stopping: the gate is decided after {n} trials")
            return False
        if n >= looks[-1]:
            self.say(f"  stopping: {n} trials: the last look")
            return False
        self.more = max((one.more_trials or 0 for one in found), default=0)
        if n == stats.MIN_TRIALS and self.sides == 2 and (why := self._out_of_reach(ratios, found[0])):
            self.ended = why
            self.say(f"warning: {why}")
            return False
        return self._holds_next(n, trial)

    def _tell_power(self, n: int, ratios: Ratios, alpha: float) -> None:
        """What the gate can tell apart here, once that is known. Of a family each item has a power of its own."""
        if self.options.gate is None or self.family or n != stats.MIN_TRIALS:
            return
        sd, trial_s = _spread(_noisiest(ratios)), statistics.mean(self.durations)
        self.say(f"  {gate_power.words(self.options.gate, sd, trial_s, alpha)}")

    def _out_of_reach(self, ratios: Ratios, found: Gate) -> str:
        """Why no item that is still open will be decided, '' where one may."""
        left_s, trial_s = self.deadline - time.monotonic(), statistics.mean(self.durations)
        whys = [
            gate_power.out_of_reach(self._logs_of(one, ratios), one.limit(found), left_s, trial_s)
            for one in found.items
            if one.state == "undecided"
        ]
        return whys[0] if whys and all(whys) else ""

    def _logs_of(self, item: GatedItem, ratios: Ratios) -> Sequence[float]:
        """An item's log-ratios, of a comparison of two sides."""
        if item.item in ratios:
            return _logs(next(iter(ratios[item.item].values())))
        return self.beside[item.item].log_ratios if item.item in self.beside else ()

    def _holds_next(self, n: int, trial: Trial) -> bool:
        """Whether the budget reaches the next look; says so where it does not."""
        left = self.deadline - time.monotonic()
        if n == 1 and not self._holds_looks(trial, left):
            return False
        # A look is planned at even numbers: stop between looks only when the budget cannot reach the next.
        to_next = next((look for look in stats.look_schedule() if look > n), n + 1) - n
        if n >= stats.MIN_TRIALS and left < trial.wall_s * to_next and n in stats.look_schedule():
            on = "" if self.sides == 2 else " on every pair"
            return self._end(f"spent after {n} trials without a verdict{on}")
        if n < stats.MIN_TRIALS and left < 0:
            return self._end(f"too small for {stats.MIN_TRIALS} trials")
        return True

    def _holds_looks(self, trial: Trial, left_s: float) -> bool:
        """After the first trial, whose cost is known: whether the budget holds the first look, saying what six trials take."""
        trial_s = trial.wall_s
        fit = 1 + max(int(left_s / trial_s), 0)
        if fit >= stats.MIN_TRIALS:
            return True
        six = math.ceil(self._time_s - left_s + (stats.MIN_TRIALS - 1) * trial_s)
        fewest = " with the fewest rounds" if trial.rounds <= stats.FEWEST_ROUNDS else ""
        needed = f"a trial takes {trial_s:.0f} s{fewest}, so {stats.MIN_TRIALS} take --budget {six}s"
        if fit >= stats.FIRST_LOOK:
            self.warn(f"the budget holds {fit} trials, which show a difference of 25 % or more only: {needed}")
            return True
        self.too_small = True
        untraced = "" if trial.windows else "; nothing is traced"
        return self._end(f"too small for a verdict: {needed}{untraced}")

    def _say_trial(self, n: int, trial: Trial, ratios: Ratios) -> None:
        if len(ratios) > 1 and self.family:
            self.standing = f"{n} of {self._wanted(n, self.durations[0])} trials done"
            self.say(f"  trial {n}: {len(ratios)} items ({_rounds(trial)}, {trial.wall_s:.0f} s)")
            return
        self.standing = self._standing(ratios)
        self.say(f"  trial {n}: {self.standing} ({_rounds(trial)}, {trial.wall_s:.0f} s)")

    def _standing(self, ratios: Ratios) -> str:
        """The headline's ratio and interval so far, and what it would take; of several pairs how many are decided."""
        of = ratios[headline_of(ratios)] if ratios else {}
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
        return f"{text}, about {counted(self.more, 'more trial')} to a verdict" if self.more else text

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
        return f"{text}, about {counted(self.more, 'more trial')} to all verdicts" if self.more else text


def _logs(trials: Sequence[stats.TrialRatio]) -> list[float]:
    return [trial.log_ratio for trial in trials]


def _spread(trials: Sequence[stats.TrialRatio]) -> float:
    """How much a pair's log-ratio varies over its trials; 0 where that is not known."""
    found = [trial.log_ratio for trial in trials if math.isfinite(trial.log_ratio)]
    return statistics.stdev(found) if len(found) > 1 else 0.0


def _noisiest(ratios: Ratios) -> Sequence[stats.TrialRatio]:
    """The headline's trials of the pair whose ratio varies most."""
    return max(ratios[headline_of(ratios)].values(), key=_spread)


def _by_pair(ratios: Ratios, *, with_side: str) -> dict[Pair, dict[str, Sequence[stats.TrialRatio]]]:
    """Pair of that side → item → the ratio of each trial."""
    found: dict[Pair, dict[str, Sequence[stats.TrialRatio]]] = {}
    for item, of in ratios.items():
        for pair, trials in of.items():
            if pair[0] == with_side:
                found.setdefault(pair, {})[item] = trials
    return found


def _rounds(trial: Trial) -> str:
    least, most = min(trial.group_rounds), max(trial.group_rounds)
    return f"{least} rounds" if least == most else f"{least} to {most} rounds"
