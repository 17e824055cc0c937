"""How often the rule errs where the noise is nasty: simulated comparisons, whose truth is known, decided by dlprof's rule.

    python3 benchmarks/simulate.py                              (about twenty minutes on one core)
    python3 benchmarks/simulate.py --into docs/statistics.md    puts the tables between the document's markers

A world makes log-ratios of trials; it shares no code with dlprof. Decisions are `dlprof.stats.stop_each`, which the tests
hold to `decide`, what `dlprof compare` calls. Beside it the rule before: Student's t at .01 at 6, 8, …, 30 trials, written
here. Worlds are in simulate_worlds.py, the number of rounds of a trial in simulate_paced.py, two speeds in simulate_speeds.py.
Needs dlprof importable.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import marked
import numpy as np
import simulate_paced as paced
import simulate_speeds as speeds
from scipy import special
from simulate_cells import Cell, cell_of
from simulate_worlds import LAST, WORLDS, World, drifting, noise, truth_of

from dlprof import stats
from dlprof.stats.sample.allowance import unmet_pvalue, widening

BEGIN, END = "<!-- simulation: begin -->", "<!-- simulation: end -->"
MARGIN = 0.05
NO_MARGIN = 1e-4  # nothing can be equivalent: every look is one more chance of a false alarm
EFFECTS = (0.03, 0.05, 0.10, 0.30, 1.00)
SEEDS = (0, 100, 200)  # the first is that of all other tables


def decided(draws: np.ndarray, truth: float | np.ndarray, margin: float, fixed: int | None = None) -> Cell:
    """By dlprof's rule: its looks, or a fixed number of trials at .05."""
    looks = stats.look_schedule() if fixed is None else (fixed,)
    alpha = None if fixed is None else stats.FIXED_ALPHA
    return cell_of(*stats.stop_each(draws, looks, alpha, math.log1p(margin), truth=truth))


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
    return cell_of(code, covered, used)


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
    unmet = unmet_pvalue(mean, n, stats.FIXED_ALPHA, stats.FIXED_ALPHA)
    return np.maximum(2 * special.stdtr(n - 1, -np.abs(mean / error)), unmet)


def worst(world: World, comparisons: int, seed: int = 0) -> tuple[Cell, Cell, Cell]:
    """Where nothing differs, over its scales and both margins: the cell with most false differences, the one whose intervals
    cover least, and the worst of the rule before."""
    cells, old = [], []
    for scale in world.scales:
        draws, truth = noise(world, scale, comparisons, seed), truth_of(world, scale)
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


def redrawn(comparisons: int) -> Iterator[tuple[str, ...]]:
    """Rows: seed of the draws; of the worlds that the rule promises for, the one with most false differences, their share and its
    limit, and the one whose intervals cover least."""
    for seed in SEEDS:
        found = {world.name: worst(world, comparisons, seed) for world in WORLDS if not world.beyond}
        most = max(found, key=lambda name: found[name][0].wrong)
        least = min(found, key=lambda name: found[name][1].covered)
        yield (f"{seed}", most, f"{found[most][0].wrong:.1%}", f"{found[most][0].limit:.1%}", least,
               f"{found[least][1].covered:.1%}")  # fmt: skip


def powers(comparisons: int) -> Iterator[tuple[str, ...]]:
    """Rows: SD and true difference; share called different and mean trials, of the rule and of the one before."""
    for sd in (0.01, 0.035, 0.05, 0.107):
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
    again = ("seed", "most false differences in", "false differences", "95 % limit", "least covered in", "covered")
    alone = ("world", "6 trials", "10", "14", "20", "family of 9, 6 trials", "10 trials")
    parts = (
        (f"Adaptive, nothing differs: the worst over scales and margins, {comparisons} comparisons a cell",
         _table(world, nulls(comparisons, beyond=False))),
        ("Adaptive, worlds that the rule does not promise for", _table(world, nulls(comparisons, beyond=True))),
        ("Adaptive, nothing differs, drawn again: the worst world of the first table", _table(again, redrawn(comparisons))),
        ("Adaptive, normal noise, margin 5 %", _table(power, powers(comparisons))),
        ("A fixed number of trials at .05, nothing differs, the worst over scales", _table(alone, fixed(comparisons))),
        ("Planned and found: the slow-down planned for 80 % power, fixed number of trials, SD .05",
         _table(("trials", "slow-down", "found"), planned(comparisons))),
    )  # fmt: skip
    further = [
        (title, _table(titles, rows)) for more in (paced, speeds) for title, titles, rows in more.tables(comparisons)
    ]
    return "\n\n".join(f"#### {title}\n\n{body}" for title, body in (*parts, *further)) + "\n"


def into(document: Path, tables: str) -> None:
    """Put the tables between the document's markers. Raises `ValueError` where it has none."""
    marked.put(document, BEGIN, END, tables.rstrip("\n"))


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
