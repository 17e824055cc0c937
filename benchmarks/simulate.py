"""How often the rule errs where the noise is nasty: simulated comparisons, whose truth is known, decided by dlprof's rule.

    python3 benchmarks/simulate.py                              (about three minutes on one core)
    python3 benchmarks/simulate.py --into docs/statistics.md    puts the tables between the document's markers

A world makes log-ratios of trials; it shares no code with dlprof. Decisions are `dlprof.stats.stop_each`, which the tests
hold to `decide`, what `dlprof compare` calls. Beside it the rule before: Student's t at .01 at 6, 8, …, 30 trials, written
here. Needs dlprof importable.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import special

from dlprof import stats
from dlprof.stats.allowance import widening

BEGIN, END = "<!-- simulation: begin -->", "<!-- simulation: end -->"
LAST = 30
MARGIN = 0.05
NO_MARGIN = 1e-4  # nothing can be equivalent: every look is one more chance of a false alarm
SCALES = (0.035, 0.05, 0.107, 0.25)
EFFECTS = (0.03, 0.05, 0.10, 0.30, 1.00)
FIRST_SIGNIFICANT = 2
Noise = Callable[[np.random.Generator, float, int], np.ndarray]


@dataclass(frozen=True)
class World:
    """Noise of mean 0 (comparisons, LAST): make(generator, scale, comparisons). scales: its standard deviations, or those
    of the noise around two speeds. beyond: outside what the rule promises."""

    name: str
    make: Noise
    scales: Sequence[float] = SCALES
    beyond: bool = False


@dataclass(frozen=True)
class Cell:
    """What comparisons of one world, scale, effect and margin came to, as shares. different: called so; wrong: called so with
    an interval that misses the truth, which without a true difference is the same; covered: of the intervals at the stop."""

    different: float
    wrong: float
    covered: float
    trials: float
    equivalent: float
    comparisons: int

    @property
    def limit(self) -> float:
        """One-sided 95 % upper limit of `wrong` (Clopper-Pearson)."""
        hits = round(self.wrong * self.comparisons)
        return float(special.betaincinv(hits + 1, self.comparisons - hits, 0.95)) if hits < self.comparisons else 1.0


def normal(g: np.random.Generator, sd: float, m: int) -> np.ndarray:
    return g.normal(0, sd, (m, LAST))


def student3(g: np.random.Generator, sd: float, m: int) -> np.ndarray:
    return g.standard_t(3, (m, LAST)) * sd / math.sqrt(3)


def lognormal(sides: int) -> Noise:
    """Luck of one side only, or of both: exp of a normal of SD .5 (skewness 1.75 on one side)."""

    def make(g: np.random.Generator, sd: float, m: int) -> np.ndarray:
        luck = [np.exp(g.normal(0, 0.5, (m, LAST))) - math.exp(0.125) for _ in range(sides)]
        whole = luck[0] if sides == 1 else luck[1] - luck[0]
        return whole * sd / math.sqrt(sides * math.exp(0.25) * (math.exp(0.25) - 1))

    return make


def exponential(g: np.random.Generator, sd: float, m: int) -> np.ndarray:
    return (g.exponential(1, (m, LAST)) - 1) * sd


def speeds(gap: float, share: float, sides: int) -> Noise:
    """Processes in two speeds, ln(1 + gap) apart; `share` of them slow; normal noise of SD `scale` around."""

    def make(g: np.random.Generator, sd: float, m: int) -> np.ndarray:
        b = (g.random((m, LAST)) < share) - share
        a = (g.random((m, LAST)) < share) - share if sides == 2 else 0.0
        return (b - a) * math.log1p(gap) + g.normal(0, sd, (m, LAST))

    return make


def contaminated(g: np.random.Generator, sd: float, m: int) -> np.ndarray:
    return g.normal(0, sd, (m, LAST)) * np.where(g.random((m, LAST)) < 0.1, 5.0, 1.0)


def autocorrelated(rho: float) -> Noise:
    def make(g: np.random.Generator, sd: float, m: int) -> np.ndarray:
        fresh, x = g.normal(size=(m, LAST)), np.empty((m, LAST))
        x[:, 0] = fresh[:, 0]
        for i in range(1, LAST):
            x[:, i] = rho * x[:, i - 1] + math.sqrt(1 - rho**2) * fresh[:, i]
        return x * sd

    return make


def growing(g: np.random.Generator, sd: float, m: int) -> np.ndarray:
    """The noise grows threefold, or shrinks to a third, over the session."""
    steps = np.linspace(0, math.log(3), LAST) * g.choice((-1.0, 1.0), (m, 1))
    return g.normal(0, sd, (m, LAST)) * np.exp(steps)


def unequal(g: np.random.Generator, sd: float, m: int) -> np.ndarray:
    """One side's noise is normal, the other's three times as large and of Student's t with 3 degrees of freedom."""
    return g.normal(0, sd / math.sqrt(10), (m, LAST)) + 3 / math.sqrt(10) * student3(g, sd, m)


def drifting(g: np.random.Generator, sd: float, m: int) -> np.ndarray:
    """The ratio itself drifts, by two SDs over 30 trials; see `truth_of`."""
    return g.normal(0, sd, (m, LAST)) + _line(sd)


def _line(sd: float) -> np.ndarray:
    return np.linspace(-1, 1, LAST) * sd


def truth_of(world: World, scale: float) -> float | np.ndarray:
    """The true log-ratio without a difference: 0, or where it drifts its mean over the trials so far."""
    return np.cumsum(_line(scale)) / np.arange(1, LAST + 1) if world.make is drifting else 0.0


TIGHT = (0.01, 0.025, 0.05)
WORLDS = (
    World("normal", normal),
    World("heavy tails: Student t, 3 degrees of freedom", student3),
    World("one trial in ten 5 times as noisy", contaminated),
    World("noise grows or shrinks threefold", growing),
    World("unequal variances, the larger one heavy-tailed", unequal),
    World("the ratio drifts by two SDs over 30 trials", drifting),
    World("skewed luck of both sides: lognormal", lognormal(2)),
    World("skewed luck of one side: lognormal", lognormal(1)),
    World("skewed luck of one side: exponential", exponential),
    World("two speeds 10 % apart, half and half, one side", speeds(0.10, 0.5, 1), TIGHT),
    World("two speeds 10 % apart, half and half, both sides", speeds(0.10, 0.5, 2), TIGHT),
    World("two speeds 39 % apart, half and half, one side", speeds(0.39, 0.5, 1), TIGHT),
    World("two speeds 39 % apart, half and half, both sides", speeds(0.39, 0.5, 2), TIGHT),
    World("two speeds 39 % apart, 1 in 4 slow, both sides", speeds(0.39, 0.25, 2), TIGHT),
    World("two speeds 39 % apart, 1 in 10 slow, both sides", speeds(0.39, 0.10, 2), TIGHT),
    World("two speeds 10 % apart, 1 in 4 slow, one side", speeds(0.10, 0.25, 1), (0.05, 0.107)),
    World("two speeds 10 % apart, 1 in 10 slow, one side", speeds(0.10, 0.10, 1), (0.05, 0.107)),
    World("autocorrelation .1", autocorrelated(0.1)),
    World("autocorrelation .3", autocorrelated(0.3)),
    World("autocorrelation .5", autocorrelated(0.5), beyond=True),
    World("two speeds 39 % apart, 1 in 4 slow, one side", speeds(0.39, 0.25, 1), TIGHT, beyond=True),
    World("two speeds 39 % apart, 1 in 10 slow, one side", speeds(0.39, 0.10, 1), TIGHT, beyond=True),
    World("two speeds twofold apart, half and half, one side", speeds(1.0, 0.5, 1), TIGHT, beyond=True),
)


def noise(world: World, scale: float, comparisons: int, seed: int = 0) -> np.ndarray:
    """The same draws for every rule and effect."""
    key = [seed, sum(world.name.encode()), round(scale * 1e4)]
    return world.make(np.random.default_rng(np.random.SeedSequence(key)), scale, comparisons)


def decided(draws: np.ndarray, truth: float | np.ndarray, margin: float, fixed: int | None = None) -> Cell:
    """By dlprof's rule: its looks, or a fixed number of trials at .05."""
    looks = stats.look_schedule() if fixed is None else (fixed,)
    alpha = None if fixed is None else stats.FIXED_ALPHA
    return _cell(*stats.stop_each(draws, looks, alpha, math.log1p(margin), truth=truth))


def before(draws: np.ndarray, truth: float | np.ndarray, margin: float) -> Cell:
    """By the rule before: Student's t at .01 at 6, 8, …, 30 trials."""
    delta, alive = math.log1p(margin), np.arange(len(draws))
    true = np.broadcast_to(np.asarray(truth, dtype=float), draws.shape)
    code, covered, used = (np.zeros(len(draws), dtype) for dtype in (np.int64, bool, np.int64))
    for n in range(6, LAST + 1, 2):
        x = draws[alive, :n]
        mean, error = x.mean(axis=1), x.std(axis=1, ddof=1) / math.sqrt(n)
        half, inner = (float(special.stdtrit(n - 1, q)) * error for q in (0.995, 0.99))
        shown, same = np.abs(mean) > half, np.abs(mean) + inner < delta
        found = np.where(shown, np.where(mean < 0, 3, 4), np.where(same, 1, 0))
        now = (found > 0) | (n == LAST)
        rows = alive[now]
        code[rows], covered[rows], used[rows] = found[now], (np.abs(mean - true[alive, n - 1]) <= half)[now], n
        alive = alive[~now]
    return _cell(code, covered, used)


def _cell(code: np.ndarray, covered: np.ndarray, used: np.ndarray) -> Cell:
    called = code >= FIRST_SIGNIFICANT
    shares = (part.mean() for part in (called, called & ~covered, covered, used, code == 1))
    return Cell(*(float(share) for share in shares), len(code))


def any_false(world: World, n: int, comparisons: int, items: int = 9) -> float:
    """Share of families with at least one difference after Benjamini-Hochberg where nothing differs: `items` items, n
    trials, half of the variance shared by the items of a trial."""
    shared = noise(world, 0.05, comparisons, seed=1)[:, :n]
    own = [noise(world, 0.05, comparisons, seed=2 + i)[:, :n] for i in range(items)]
    p = np.stack([_p((shared + mine) / math.sqrt(2)) for mine in own], axis=1)
    ranked = np.sort(p, axis=1) <= 0.05 * np.arange(1, items + 1) / items
    return float(ranked.any(axis=1).mean())


def _p(x: np.ndarray) -> np.ndarray:
    n, mean = x.shape[1], x.mean(axis=1)
    low, high = widening(x)
    error = x.std(axis=1, ddof=1) / math.sqrt(n) * np.where(mean > 0, low, high)
    return 2 * special.stdtr(n - 1, -np.abs(mean / error))


def worst(world: World, comparisons: int) -> tuple[Cell, Cell, Cell]:
    """Where nothing differs, over its scales and both margins: the cell with most false differences, the one whose intervals
    cover least, and the worst of the rule before."""
    cells, old = [], []
    for scale in world.scales:
        draws, truth = noise(world, scale, comparisons), truth_of(world, scale)
        for margin in (MARGIN, NO_MARGIN):
            cells.append(decided(draws, truth, margin))
            old.append(before(draws, truth, margin))
    return (
        max(cells, key=lambda c: c.wrong),
        min(cells, key=lambda c: c.covered),
        max(old, key=lambda c: c.wrong),
    )


def nulls(comparisons: int, *, beyond: bool) -> Iterator[tuple[str, ...]]:
    """Rows: world, false differences and their limit, least coverage without and (a quarter as many comparisons) with a true
    difference of 3 to 100 %, the rule before."""
    for world in (w for w in WORLDS if w.beyond == beyond):
        most, least, old = worst(world, comparisons)
        with_effect = min(
            decided(
                noise(world, scale, comparisons // 4) + math.log1p(e), truth_of(world, scale) + math.log1p(e), MARGIN
            ).covered
            for scale in world.scales
            for e in EFFECTS
        )
        yield (world.name, f"{most.wrong:.1%}", f"{most.limit:.1%}", f"{least.covered:.1%}", f"{with_effect:.1%}",
               f"{old.wrong:.1%}", f"{old.covered:.1%}")  # fmt: skip


def powers(comparisons: int) -> Iterator[tuple[str, ...]]:
    """Rows: SD and true difference; share called different and mean trials, of the rule and of the one before."""
    for sd in (0.035, 0.05, 0.107):
        draws = noise(WORLDS[0], sd, comparisons)
        for e in (0.0, *EFFECTS):
            now, old = (rule(draws + math.log1p(e), math.log1p(e), MARGIN) for rule in (decided, before))
            yield (f"{sd:.3f}", f"+{e:.0%}" if e else "none", f"{now.different:.0%}", f"{now.trials:.1f}",
                   f"{old.different:.0%}", f"{old.trials:.1f}", f"{now.equivalent:.1%}")  # fmt: skip


def fixed(comparisons: int) -> Iterator[tuple[str, ...]]:
    """Rows: world; false differences of a fixed number of trials, and P(any false) of a family of 9 items."""
    for world in (w for w in WORLDS if not w.beyond):
        draws = [noise(world, scale, comparisons) for scale in world.scales]
        true = [truth_of(world, scale) for scale in world.scales]
        alone = [
            max(decided(x, t, NO_MARGIN, n).wrong for x, t in zip(draws, true, strict=True)) for n in (6, 10, 14, 20)
        ]
        family = ["–" if world.make is drifting else f"{any_false(world, n, comparisons):.1%}" for n in (6, 10)]
        yield (world.name, *(f"{rate:.1%}" for rate in alone), *family)


def planned(comparisons: int) -> Iterator[tuple[str, ...]]:
    """Rows: the power that a fixed number of trials was planned to have, and has, at an SD of .05."""
    for n in (6, 10, 14, 20, 30):
        effect = stats.detectable_effect(n, 0.05)
        assert effect is not None
        draws = noise(WORLDS[0], 0.05, comparisons)[:, :n] + math.log1p(effect)
        yield (f"{n}", f"{effect:.1%}", f"{decided(draws, 0.0, NO_MARGIN, n).different:.0%}")


def _table(titles: Sequence[str], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(titles)} |", f"|{' --- |' * len(titles)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def text(comparisons: int) -> str:
    """All tables as Markdown."""
    world = ("world", "false differences", "95 % limit", "covered", "covered, with a difference",
             "rule before: false", "covered")  # fmt: skip
    power = (
        "SD",
        "true difference",
        "called different",
        "trials",
        "rule before: called",
        "trials",
        "called equivalent",
    )
    alone = ("world", "6 trials", "10", "14", "20", "family of 9, 6 trials", "10 trials")
    parts = (
        (f"Adaptive, nothing differs: the worst over scales and margins, {comparisons} comparisons a cell",
         _table(world, nulls(comparisons, beyond=False))),
        ("Adaptive, worlds that the rule does not promise for", _table(world, nulls(comparisons, beyond=True))),
        ("Adaptive, normal noise, margin 5 %", _table(power, powers(comparisons))),
        ("A fixed number of trials at .05, nothing differs, the worst over scales", _table(alone, fixed(comparisons))),
        ("Planned and found: the slow-down planned for 80 % power, fixed number of trials, SD .05",
         _table(("trials", "slow-down", "found"), planned(comparisons))),
    )  # fmt: skip
    return "\n\n".join(f"#### {title}\n\n{body}" for title, body in parts) + "\n"


def into(document: Path, tables: str) -> None:
    """Put the tables between the document's markers. Raises `ValueError` where it has none."""
    head, begin, rest = document.read_text(encoding="utf-8").partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{document}: has no {BEGIN} … {END}")
    document.write_text(f"{head}{BEGIN}\n\n{tables}\n{END}{tail}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comparisons", type=int, default=20_000, help="a cell (default 20000)")
    parser.add_argument("--into", type=Path, help="a document with the markers, whose tables are replaced")
    arguments = parser.parse_args()
    tables = text(arguments.comparisons)
    print(tables)
    if arguments.into:
        into(arguments.into, tables)


if __name__ == "__main__":
    main()
