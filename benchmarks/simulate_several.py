"""How often a ranking of several sides errs where its truth is known, and what other ways of judging all pairs at once would do.

    python3 benchmarks/simulate_several.py                              (some minutes on one core)
    python3 benchmarks/simulate_several.py --into docs/statistics.md    puts the tables between the document's markers

A world makes log times of each side in each trial, in which what the sides share cancels; it shares no code with dlprof.
Decisions are `dlprof.stats.stop_together`, which the tests hold to `decide`. Beside it, written here: every pair at .05 with no
regard to the others, and Tukey's range test, whose one standard deviation is pooled over all pairs. Needs dlprof importable.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import marked
import numpy as np
import simulate_worlds as worlds
from scipy import special
from scipy import stats as scipy_stats

from dlprof import stats

BEGIN, END = "<!-- several: begin -->", "<!-- several: end -->"
NO_MARGIN = 1e-4  # nothing can be equivalent: every look is one more chance of a false alarm
SD = 0.05 / math.sqrt(2)  # of one side, so that a ratio has .05
FIRST_SIGNIFICANT = 2


@dataclass(frozen=True)
class World:
    """noise: one maker (generator, SD, runs) → (runs, LAST) a side, with its share of `SD`."""

    name: str
    noise: Sequence[tuple[Callable[[np.random.Generator, float, int], np.ndarray], float]]


def all_worlds(sides: int) -> list[World]:
    """What differs between the sides: how noisy they are, whether they have tails or two speeds."""
    normal, k = worlds.normal, sides
    skewed, exponential = worlds.lognormal(1), worlds.exponential
    two = worlds.speeds(0.39, 0.5, 1)
    return [
        World("normal, all alike", [(normal, 1.0)] * k),
        World("one side 5 times as noisy", [(normal, 1.0)] * (k - 1) + [(normal, 5.0)]),
        World("one side hardly noisy", [(normal, 0.1)] + [(normal, 1.0)] * (k - 1)),
        World("half of the sides 5 times as noisy", [(normal, 1.0)] * (k - k // 2) + [(normal, 5.0)] * (k // 2)),
        World("heavy tails: Student t, 3 degrees of freedom", [(worlds.student3, 1.0)] * k),
        World("one trial in ten 5 times as noisy", [(worlds.contaminated, 1.0)] * k),
        World("noise grows or shrinks threefold", [(worlds.growing, 1.0)] * k),
        World("skewed luck of all sides: lognormal", [(skewed, 1.0)] * k),
        World("skewed luck of one side: lognormal", [(normal, 0.2)] * (k - 1) + [(skewed, 1.0)]),
        World("skewed luck of one side: exponential", [(normal, 0.2)] * (k - 1) + [(exponential, 1.0)]),
        World("two speeds 39 % apart, half and half, one side", [(normal, 1.0)] * (k - 1) + [(two, 1.0)]),
        World("two speeds 39 % apart, half and half, all sides", [(two, 1.0)] * k),
        World("autocorrelation .3", [(worlds.autocorrelated(0.3), 1.0)] * k),
    ]


def drawn(world: World, runs: int, truth: Sequence[float], seed: int) -> np.ndarray:
    """Log-ratios (runs, pairs, LAST) of sides whose true log times are `truth`."""
    generator = np.random.default_rng(seed)
    times = np.stack(
        [true + make(generator, SD * share, runs) for (make, share), true in zip(world.noise, truth, strict=True)]
    )
    return np.stack([times[b] - times[a] for a, b in combinations(range(len(truth)), 2)], axis=1)


def differences(truth: Sequence[float]) -> np.ndarray:
    return np.array([truth[b] - truth[a] for a, b in combinations(range(len(truth)), 2)])


@dataclass(frozen=True)
class Found:
    """Shares of comparisons. wrong: a pair is called different the wrong way, or at all without a difference; covered: all
    intervals hold their truth; decided: every pair has a verdict."""

    wrong: float
    covered: float
    decided: float
    trials: float
    runs: int

    @property
    def limit(self) -> float:
        """One-sided 95 % upper limit of `wrong` (Clopper-Pearson)."""
        hits = round(self.wrong * self.runs)
        return float(special.betaincinv(hits + 1, self.runs - hits, 0.95)) if hits < self.runs else 1.0


def by_rule(draws: np.ndarray, truth: Sequence[float], margin: float, fixed: int | None = None) -> Found:
    """By dlprof's rule: its looks, or a fixed number of trials at .05, all pairs together."""
    looks = stats.look_schedule() if fixed is None else (fixed,)
    alpha = None if fixed is None else stats.FIXED_ALPHA
    true = differences(truth)
    code, covered, used = stats.stop_together(draws, looks, math.log1p(margin), len(truth), true, alpha)
    slower, faster = code == stats.VERDICTS.index("slower"), code == stats.VERDICTS.index("faster")
    small = code == stats.VERDICTS.index("negligible")
    wrong = (slower & (true <= 0)) | (faster & (true >= 0)) | (small & (true == 0))
    shares = (wrong.any(axis=1), covered.all(axis=1), (code > 0).all(axis=1), used)
    return Found(*(float(part.mean()) for part in shares), len(draws))


def each_alone(draws: np.ndarray, n: int) -> float:
    """Share of comparisons in which a pair is called different though none is: Student's t at .05 for each."""
    x = draws[:, :, :n]
    t = np.abs(x.mean(axis=2)) / (x.std(axis=2, ddof=1) / math.sqrt(n))
    return float((t > special.stdtrit(n - 1, 0.975)).any(axis=1).mean())


def tukey(draws: np.ndarray, sides: int, n: int) -> float:
    """The same by Tukey's range test for a block design: sides within trials, one pooled standard deviation."""
    x = draws[:, :, :n]
    residual = ((x - x.mean(axis=2, keepdims=True)) ** 2).sum(
        axis=(1, 2)
    ) / sides  # of all sides about their trial's mean
    freedom = (sides - 1) * (n - 1)
    error = np.sqrt(residual / freedom / n)
    limit = scipy_stats.studentized_range.ppf(0.95, sides, freedom)
    return float((np.abs(x.mean(axis=2)).max(axis=1) > limit * error).mean())


def largest_t(world: World, n: int, runs: int) -> float:
    """The .95 quantile of the largest of the pairs' t statistics, each with its own standard deviation."""
    x = drawn(world, runs, [0.0] * len(world.noise), seed=3)[:, :, :n]
    t = np.abs(x.mean(axis=2)) / (x.std(axis=2, ddof=1) / math.sqrt(n))
    return float(np.quantile(t.max(axis=1), 0.95))


def errors(sides: int, runs: int) -> Iterator[str]:
    yield f"\n#### {sides} sides, nothing differs: a pair is called different, {runs} comparisons a cell\n"
    yield (
        "| world | adaptive | 95 % limit | all intervals hold | 6 trials | 10 | 20 | each pair at .05, 10 trials | "
        "Tukey, 10 trials |"
    )
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    for world in all_worlds(sides):
        draws = drawn(world, runs, [0.0] * sides, seed=1)
        adaptive = max(
            (by_rule(draws, [0.0] * sides, margin) for margin in (NO_MARGIN, 0.05)), key=lambda found: found.wrong
        )
        fixed = [by_rule(draws, [0.0] * sides, NO_MARGIN, n).wrong for n in (6, 10, 20)]
        others = each_alone(draws, 10), tukey(draws, sides, 10)
        cells = [adaptive.wrong, adaptive.limit, adaptive.covered, *fixed, *others]
        yield f"| {world.name} | {' | '.join(f'{cell:.1%}' for cell in cells)} |"


def some_differ(runs: int) -> Iterator[str]:
    yield f"\n#### 4 sides, two alike, one 10 % and one 30 % slower; margin 5 %, {runs} comparisons a cell\n"
    yield "| world | wrong | 95 % limit | all intervals hold | all pairs decided | trials |"
    yield "| --- | --- | --- | --- | --- | --- |"
    truth = [0.0, 0.0, math.log(1.1), math.log(1.3)]
    for world in all_worlds(4):
        found = by_rule(drawn(world, runs, truth, seed=2), truth, 0.05)
        cells = [found.wrong, found.limit, found.covered, found.decided]
        yield f"| {world.name} | {' | '.join(f'{cell:.1%}' for cell in cells)} | {found.trials:.1f} |"


def critical(runs: int) -> Iterator[str]:
    yield "\n#### What an interval is wide: its half-width in standard errors at .95 for all pairs, independent normal trials\n"
    yield "| sides | trials | one pair alone | Šidák | largest t, all alike | largest t, one side 5 times as noisy | Tukey |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for sides in (3, 4, 6):
        named = {world.name: world for world in all_worlds(sides)}
        for n in (6, 10, 20):
            alone = float(special.stdtrit(n - 1, 0.975))
            sidak = float(special.stdtrit(n - 1, 1 - stats.pair_alpha(0.05, sides) / 2))
            largest = [largest_t(named[name], n, runs) for name in ("normal, all alike", "one side 5 times as noisy")]
            pooled = float(scipy_stats.studentized_range.ppf(0.95, sides, (sides - 1) * (n - 1))) / math.sqrt(2)
            cells = " | ".join(f"{cell:.2f}" for cell in (alone, sidak, *largest, pooled))
            yield f"| {sides} | {n} | {cells} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comparisons", type=int, default=10_000, metavar="N")
    parser.add_argument("--into", type=Path, metavar="FILE", help="a document with the markers")
    asked = parser.parse_args()
    lines = [*critical(asked.comparisons), *errors(3, asked.comparisons), *errors(4, asked.comparisons)]
    lines += [*errors(6, asked.comparisons // 4), *some_differ(asked.comparisons)]
    text = "\n".join(lines)
    print(text)
    if asked.into:
        marked.put(asked.into, BEGIN, END, text.strip("\n"))


if __name__ == "__main__":
    main()
