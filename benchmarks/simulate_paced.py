"""Rounds a trial by dlprof's rule beside twelve seconds of rounds, as before: errors, and the time until a difference is found.

A trial's log-ratio is what a fresh pair of processes adds (a world's noise) and the mean of its rounds. Costs are those of LeNet
on a shared virtual machine with two cores. Trials of the calibration collection are replayed likewise, cut to the rounds that
the rule would have made. The tables are printed by simulate.py.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import calibration_rates as rates
import numpy as np
from simulate_cells import FIRST_SIGNIFICANT, Cell, cell_of
from simulate_worlds import LAST, WORLDS, World, noise, truth_of

from dlprof import stats
from dlprof.analysis.timing import lockstep
from dlprof.stats.design.rounds import best_of_each, pooled

TRIALS = Path(__file__).parent / "data" / "calibration.parquet"
REPLAYED = ("lenet tf:graph", "lenet mxnet:hybrid", "lenet tf:graph loaded half the time")
ITEM, SYNC = "train_block", "train_step_sync"
BUDGET_S = 300.0
MARGIN, NO_MARGIN = 0.05, 1e-4
WITHIN = (0.05, 0.2, 0.5)
USUAL = 0.2
EFFECTS = (0.05, 0.10, 0.30)
NULL_TITLES = ("world", "false differences", "95 % limit", "covered", "covered, +10 %", "as before: false", "95 % limit",
               "covered")  # fmt: skip
Outcome = Callable[[int, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""(trial, rounds of each comparison) → log-ratio, and variance of one round as it is measured."""


@dataclass(frozen=True)
class Costs:
    """Seconds: start and warm-up of a trial, a round of both sides, a traced window in the trial, and, where traces have
    processes of their own, a pair of them; rounds of a trial at least, and by the rule before."""

    start_s: float = 6.1
    round_s: float = 0.45
    window_s: float = 2.0
    traced_pair_s: float = 6.9
    least_s: float = 0.0
    target_s: float = 12.0

    @property
    def least(self) -> int:
        """Rounds of every trial at least: those that fill `least_s`."""
        filling = math.ceil(self.least_s / self.round_s)
        return max(filling + filling % 2, stats.FEWEST_ROUNDS)

    @property
    def beside_s(self) -> float:
        """What a trial costs beside its rounds."""
        return self.start_s + self.window_s

    @property
    def before(self) -> int:
        """Rounds of every trial by the rule before: `target_s`, 10 at least."""
        wanted = int(self.target_s / self.round_s)
        return max(wanted + wanted % 2, 10)


LENET = Costs()


@dataclass(frozen=True)
class Paced:
    """Comparisons with their number of rounds: log-ratios, rounds and seconds so far, each (comparisons, LAST)."""

    draws: np.ndarray
    rounds: np.ndarray
    seconds: np.ndarray


def paced(outcome: Outcome, comparisons: int, costs: Costs, most: int = stats.MOST_ROUNDS) -> Paced:
    """By dlprof's rule: the number is fixed before the first trial and at each look, by what the trials so far vary."""
    draws, own, rounds = (np.zeros((comparisons, LAST)) for _ in range(3))
    least = min(costs.least, most)
    first = stats.best_rounds(stats.PRIOR, trial_s=costs.beside_s, round_s=costs.round_s, least=least, most=most)
    now, looks = np.full(comparisons, float(first)), stats.look_schedule()
    for at in range(LAST):
        if at in looks:
            noise_of = pooled(draws[:, :at], own[:, :at], rounds[:, :at])
            now = best_of_each(*noise_of, costs.beside_s, costs.round_s, MARGIN, least, most)
        rounds[:, at] = now
        draws[:, at], own[:, at] = outcome(at, now)
    return Paced(draws, rounds, np.cumsum(costs.beside_s + costs.round_s * rounds, axis=1))


def unpaced(outcome: Outcome, comparisons: int, costs: Costs, rounds: int) -> Paced:
    """As many rounds in every trial."""
    counts = np.full((comparisons, LAST), float(rounds))
    draws = np.stack([outcome(at, counts[:, at])[0] for at in range(LAST)], axis=1)
    return Paced(draws, counts, np.cumsum(costs.beside_s + costs.round_s * counts, axis=1))


def simulated(processes: np.ndarray, within: float, seed: int) -> Outcome:
    """Processes' luck (comparisons, LAST) and rounds of SD `within`, whose variance is measured with an error of its own."""

    def outcome(at: int, rounds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        g = np.random.default_rng([seed, at])
        degrees = np.maximum(0.6 * rounds - 1, 2)  # the trimmed ends tell nothing
        measured = within**2 * g.chisquare(degrees) / degrees
        return processes[:, at] + g.normal(0, within, len(processes)) / np.sqrt(rounds), measured

    return outcome


@dataclass(frozen=True)
class Ended:
    """What comparisons came to (Cell), and: mean seconds, mean rounds of the trials made, seconds ÷ share found, share found
    within BUDGET_S; apart: seconds where each trial's traces have processes of their own and no window."""

    cell: Cell
    seconds: float
    rounds: float
    each_s: float
    in_budget: float
    apart: float


def ended(made: Paced, truth: float | np.ndarray, margin: float, costs: Costs) -> Ended:
    """Decided by dlprof's looks."""
    code, covered, used = stats.stop_each(made.draws, stats.look_schedule(), None, math.log1p(margin), truth=truth)
    rows, at = np.arange(len(code)), used - 1
    seconds, found = made.seconds[rows, at], code >= FIRST_SIGNIFICANT
    trials = np.arange(LAST) <= at[:, np.newaxis]
    share = max(float(found.mean()), 1e-9)
    apart = float((seconds + used * (costs.traced_pair_s - costs.window_s)).mean())
    return Ended(
        cell=cell_of(code, covered, used),
        seconds=float(seconds.mean()),
        rounds=float(made.rounds[trials].mean()),
        each_s=float(seconds.mean()) / share,
        in_budget=float((found & (seconds <= BUDGET_S)).mean()),
        apart=apart,
    )


def both(outcome: Outcome, comparisons: int, costs: Costs, before: int, most: int) -> tuple[Paced, Paced]:
    """The same noise by the rule, and with as many rounds as before."""
    return paced(outcome, comparisons, costs, most), unpaced(outcome, comparisons, costs, before)


def nulls(comparisons: int, costs: Costs = LENET) -> Iterator[tuple[str, ...]]:
    """Rows: world; false differences, their limit and coverage, also with a difference, by the rule; the same as before."""
    for world in (w for w in WORLDS if not w.beyond):
        yield world.name, *_worst(world, comparisons, costs)


def _worst(world: World, comparisons: int, costs: Costs) -> tuple[str, ...]:
    """Over the scales between trials and three between rounds, of which as before one; margins as in simulate.py."""
    now, old, shifted = list[Cell](), list[Cell](), list[Cell]()
    shift = math.log1p(0.10)
    for scale in world.scales:
        processes, truth = noise(world, scale, comparisons), truth_of(world, scale)
        for within in WITHIN:
            made = paced(simulated(processes, within, 0), comparisons, costs)
            now.append(ended(made, truth, NO_MARGIN, costs).cell)
            if within == USUAL:
                now.append(ended(made, truth, MARGIN, costs).cell)
        few = simulated(processes[: comparisons // 4] + shift, USUAL, 0)
        shifted.append(ended(paced(few, comparisons // 4, costs), truth + shift, MARGIN, costs).cell)
        flat = unpaced(simulated(processes, USUAL, 0), comparisons, costs, costs.before)
        old.append(ended(flat, truth, NO_MARGIN, costs).cell)
    wrong, before = (max(cells, key=lambda c: c.wrong) for cells in (now, old))
    least = [min(c.covered for c in cells) for cells in (now, shifted, old)]
    return (f"{wrong.wrong:.1%}", f"{wrong.limit:.1%}", f"{least[0]:.1%}", f"{least[1]:.1%}", f"{before.wrong:.1%}",
            f"{before.limit:.1%}", f"{least[2]:.1%}")  # fmt: skip


def times(comparisons: int) -> Iterator[tuple[str, ...]]:
    """Rows: what trials and rounds vary, the difference; by the rule and as before: found, trials, rounds, seconds."""
    world = WORLDS[0]
    for between, within in ((0.08, 0.2), (0.08, 0.05), (0.05, 0.15), (0.03, 0.2), (0.107, 0.2)):
        for effect in EFFECTS:
            shift = math.log1p(effect)
            outcome = simulated(noise(world, between, comparisons) + shift, within, 0)
            pair = both(outcome, comparisons, LENET, LENET.before, stats.MOST_ROUNDS)
            yield (f"{between:.3f}", f"{within:.2f}", f"+{effect:.0%}", *_time_columns(pair, shift, LENET))


def _time_columns(pair: tuple[Paced, Paced], shift: float, costs: Costs) -> tuple[str, ...]:
    now, old = (ended(made, shift, MARGIN, costs) for made in pair)
    sides = [
        (f"{one.cell.different:.0%}", f"{one.cell.trials:.1f}", f"{one.rounds:.0f}", f"{one.seconds:.0f} s",
         f"{one.each_s:.0f} s", f"{one.in_budget:.0%}")
        for one in (now, old)
    ]  # fmt: skip
    apart = old.apart / max(old.cell.different, 1e-9)
    return (*sides[0], *sides[1], f"{now.each_s / old.each_s:.2f}", f"{now.each_s / apart:.2f}")


@dataclass(frozen=True)
class Stored:
    """Real trials of a side against itself: log-ratio and variance of one round, by number of rounds (trials, counts)."""

    ratios: np.ndarray
    own: np.ndarray
    counts: np.ndarray
    costs: Costs

    def drawn(self, comparisons: int, shift: float, seed: int) -> Outcome:
        """Trials drawn with replacement, each with a random sign, and `shift` added."""
        g = np.random.default_rng(seed)
        chosen = g.integers(0, len(self.ratios), (comparisons, LAST))
        signs = g.choice((-1.0, 1.0), (comparisons, LAST))

        def outcome(at: int, rounds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            column, row = np.searchsorted(self.counts, rounds), chosen[:, at]
            return signs[:, at] * self.ratios[row, column] + shift, self.own[row, column]

        return outcome


@functools.cache
def stored(cell: str) -> Stored:
    """The trials of a cell of the calibration collection, cut to 8, 10, … of their rounds."""
    (_, rows, facts) = next(found for found in rates.cells(TRIALS) if found[0] == cell)
    items, whole = rows["item"].to_numpy(zero_copy_only=False), rows["wall_ns"].to_numpy()
    trial, number = rows["trial"].to_numpy(), rows["round"].to_numpy()
    mine = np.isin(items, (ITEM, SYNC))
    last = int(number[mine].max()) + 1
    counts = np.arange(stats.FEWEST_ROUNDS, last + 1, 2)
    table = rows.filter(items == ITEM)
    cut = [lockstep.by_item(table.filter(table["round"].to_numpy() < count))[ITEM] for count in counts]
    numbers = sorted(cut[0])
    found = [[each[n] for each in cut] for n in numbers]
    rounds_s = np.array([whole[mine & (trial == n)].sum() / last / 1e9 for n in numbers])
    all_s = np.array([whole[trial == n].sum() / 1e9 for n in numbers])
    walls = np.array([facts[n]["wall_s"] for n in numbers])
    costs = Costs(start_s=float(np.median(walls - all_s)), round_s=float(np.median(rounds_s)))
    return Stored(
        ratios=np.array([[t.log_ratio for t in row] for row in found]),
        own=np.array([[t.error**2 * t.rounds for t in row] for row in found]),
        counts=counts,
        costs=costs,
    )


def replayed(comparisons: int) -> Iterator[tuple[str, ...]]:
    """Rows: cell and difference added; by the rule, and with all stored rounds: called different, trials, rounds, seconds."""
    for cell in REPLAYED:
        held = stored(cell)
        most = int(held.counts[-1])
        for effect in (0.0, 0.05, 0.10):
            shift = math.log1p(effect)
            pair = both(held.drawn(comparisons, shift, 0), comparisons, held.costs, most, most)
            told = _time_columns(pair, shift, held.costs)
            cells = [ended(made, shift, MARGIN, held.costs).cell for made in pair]
            covered = [f"{one.covered:.1%}" for one in cells]
            name = f"{cell}: {len(held.ratios)} trials, start {held.costs.start_s:.1f} s, a round {held.costs.round_s:.2f} s"
            ratio = told[12] if effect else "–"
            false = [f"{one.different:.1%}" for one in cells]
            yield (name, f"+{effect:.0%}" if effect else "none", false[0], covered[0], *told[1:4], false[1], covered[1],
                   *told[7:10], ratio)  # fmt: skip


def tables(comparisons: int) -> Iterator[tuple[str, tuple[str, ...], Iterator[tuple[str, ...]]]]:
    """(title, column titles, rows) of each."""
    yield (
        f"Rounds by the rule and {LENET.before} in each trial, as before; nothing differs: the worst over scales of both "
        f"noises and margins (as before: rounds of SD {USUAL:.2f} only), {comparisons // 2} comparisons a cell",
        NULL_TITLES,
        nulls(comparisons // 2),
    )
    side = ("found", "trials", "rounds", "seconds", "seconds ÷ found", "found in 5 min")
    yield (
        "Time to find a difference, margin 5 %, normal noise, LeNet's costs with a traced window in each trial",
        ("SD between trials", "SD of a round", "difference", *side, *(f"before: {name}" for name in side), "now ÷ before",
         "÷ before with traced processes apart"),
        times(comparisons),
    )  # fmt: skip
    side = ("called different", "covered", "trials", "rounds", "seconds")
    yield (
        "Stored trials of a side against itself, drawn with replacement; rounds by the rule and all that are stored, margin 5 %, "
        f"{comparisons} comparisons",
        ("cell", "difference added", *side, *(f"all rounds: {name}" for name in side), "time to find, now ÷ all"),
        replayed(comparisons),
    )
