"""How often `dlprof history` tells a change of level that is none, and how soon it tells one that is: simulated histories.

    python3 benchmarks/simulate_history.py collect --histories 200
    python3 benchmarks/simulate_history.py report --into docs/history.md

`collect` may be stopped at any time: a batch of histories that has ended is a line of benchmarks/data/history-simulated.jsonl,
and is not made again. A history is drawn from the seed, its world and its number alone.

A history of 100 revisions is read after each of them from the sixth on, as people do. The test is dlprof's own
(stats.level_changes); the values are drawn instead of measured.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Final

import kept
import marked
import numpy as np
from numpy.typing import NDArray

from dlprof import stats
from dlprof.stats.design.calibration import exact_rate

REVISIONS: Final = 100
FIRST: Final = 6
BATCH: Final = 10
"""Histories that are kept together."""
FILE: Final = kept.DATA / "history-simulated.jsonl"
BEGIN, END = "<!-- simulated histories: begin -->", "<!-- simulated histories: end -->"
Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator], Floats]


def normal(sd: float) -> Draw:
    return lambda g: g.normal(0, sd, REVISIONS)


def student(sd: float) -> Draw:
    """Three degrees of freedom."""
    return lambda g: sd * g.standard_t(3, REVISIONS) / math.sqrt(3)


def unequal(least: float, most: float) -> Draw:
    """Revisions that were measured with few trials and with many."""
    return lambda g: g.normal(0, np.exp(g.uniform(math.log(least), math.log(most), REVISIONS)))


def bad_days(sd: float, share: float, size: float) -> Draw:
    return lambda g: g.normal(0, sd, REVISIONS) + math.log1p(size) * (g.random(REVISIONS) < share)


def alike(sd: float, r: float) -> Draw:
    """Neighbours resemble each other: the machine is in a state for some revisions."""

    def draw(g: np.random.Generator) -> Floats:
        own, found = g.normal(0, sd, REVISIONS), np.empty(REVISIONS)
        found[0] = own[0]
        for at in range(1, REVISIONS):
            found[at] = r * found[at - 1] + math.sqrt(1 - r * r) * own[at]
        return found

    return draw


@dataclass(frozen=True)
class World:
    """How revisions vary, and the change at revision `at` (counted from 0), 0 for none."""

    name: str
    draw: Draw
    change: float = 0.0
    at: int = 60


WORLDS: Final = (
    World("no change, SD .03", normal(0.03)),
    World("no change, heavy tails", student(0.03)),
    World("no change, SDs from .01 to .1", unequal(0.01, 0.1)),
    World("no change, one bad day in 20 (+30 %)", bad_days(0.03, 0.05, 0.3)),
    World("no change, neighbours alike (r = .3)", alike(0.03, 0.3)),
    World("no change, neighbours alike (r = .5)", alike(0.03, 0.5)),
    World("no change, neighbours much alike (r = .8)", alike(0.03, 0.8)),
    World("+5 % at the 61st, SD .03", normal(0.03), 0.05),
    World("+10 % at the 61st, SD .03", normal(0.03), 0.1),
    World("+10 % at the 61st, SD .05", normal(0.05), 0.1),
    World("+10 % at the 61st, heavy tails", student(0.03), 0.1),
    World("+10 % at the 61st, neighbours alike (r = .3), SD .03", alike(0.03, 0.3), 0.1),
)


@dataclass(frozen=True)
class Told:
    """What the readings of one history told.

    ever, last: whether one of them, and the last one, told a change that is none
    after: revisions from the change until it was told; -1 where it was not
    off: revisions between its place and the one that was told first
    """

    ever: bool
    last: bool
    after: int = -1
    off: int = 0


def history(world: World, g: np.random.Generator) -> Told:
    """One history, read again after each revision."""
    values = world.draw(g)
    values[world.at :] += math.log1p(world.change)
    ever, last, after, off = False, False, -1, 0
    for length in range(FIRST, REVISIONS + 1):
        changes = stats.level_changes(values[:length])
        true_ones = [change for change in changes if world.change and abs(change.at - world.at) <= 3]
        last = len(changes) > len(true_ones)
        ever |= last
        if true_ones and after < 0:
            after, off = length - world.at, abs(true_ones[0].at - world.at)
    return Told(ever, last, after, off)


def collect(histories: int, seed: int, worlds: Sequence[str]) -> None:
    """Batches that are missing, until each world has so many histories of this seed."""

    def told(at: int, first: int) -> list[list[int]]:
        made = [history(WORLDS[at], np.random.default_rng((seed, at, one))) for one in range(first, first + BATCH)]
        return [[int(value) for value in astuple(one)] for one in made]

    kept.batches(FILE, [world.name for world in WORLDS], worlds, histories, seed, BATCH, told)


def rows(seed: int) -> Iterator[tuple[str, ...]]:
    """Of the worlds of which there are histories."""
    for world in WORLDS:
        made = [one for one in kept.read(FILE) if one["seed"] == seed and one["world"] == world.name]
        if told := [Told(*one) for batch in made for one in batch["told"]]:
            yield _row(world, told)


def _row(world: World, told: Sequence[Told]) -> tuple[str, ...]:
    whole, last = (
        exact_rate(sum(getattr(one, what) for one in told), len(told), len(told)) for what in ("ever", "last")
    )
    found = [one for one in told if one.after >= 0]
    delays = [one.after for one in found]
    return (
        world.name,
        f"{last.rate:.1%} [{last.low:.1%}, {last.high:.1%}]",
        f"{whole.rate:.1%} [{whole.low:.1%}, {whole.high:.1%}]",
        f"{len(found) / len(told):.1%}" if world.change else "",
        f"{np.median(delays):.0f} (90 %: {np.quantile(delays, 0.9):.0f})" if found else "",
        f"{np.mean([one.off == 0 for one in found]):.0%}" if found else "",
    )


def table(seed: int) -> str:
    titles = (
        "world",
        "false at the last reading [95 %]",
        "false at any of 95 readings [95 %]",
        "found",
        "revisions until then, median",
        "right revision",
    )
    return marked.table(titles, rows(seed))


def put(document: Path, made: str) -> None:
    """The table into the document; rows of worlds of which no history is kept stay as they are there."""
    before = document.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0].strip().splitlines()
    rows = {line.split(" | ")[0]: line for line in [*before, *marked.percents(made).splitlines()]}
    names = [f"| {world.name}" for world in WORLDS]
    heads = [line for first, line in rows.items() if first not in names]
    marked.put(document, BEGIN, END, "\n".join([*heads, *(rows[name] for name in names if name in rows)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    collecting, reporting = verbs.add_parser("collect"), verbs.add_parser("report")
    for verb in (collecting, reporting):
        verb.add_argument("--seed", type=int, default=1)
    collecting.add_argument("--histories", type=int, default=200, help=f"of each world, by {BATCH}")
    collecting.add_argument(
        "--worlds", nargs="+", default=[""], help="only those with one of these in their names: 'heavy tails'"
    )
    reporting.add_argument("--into", type=Path, help="also put the table between the markers of this document")
    arguments = parser.parse_args()
    if arguments.verb == "collect":
        collect(arguments.histories, arguments.seed, arguments.worlds)
        return
    print(table(arguments.seed))
    if arguments.into is not None:
        put(arguments.into, table(arguments.seed))


if __name__ == "__main__":
    main()
