"""How often `dlprof history` tells a change of level that is none, and how soon it tells one that is: simulated histories.

    python3 benchmarks/simulate_history.py --histories 400 --into docs/history.md

A history of 100 revisions is read after each of them from the sixth on, as people do. The test is dlprof's own
(stats.level_changes); the values are drawn instead of measured.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from marked import put
from numpy.typing import NDArray

from dlprof import stats
from dlprof.stats.design.calibration import exact_rate

REVISIONS: Final = 100
FIRST: Final = 6
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


def row(world: World, histories: int, seed: Sequence[int]) -> tuple[str, ...]:
    false, single, delays, off = 0, 0, list[int](), list[int]()
    for one in range(histories):
        values = world.draw(np.random.default_rng((*seed, one)))
        values[world.at :] += math.log1p(world.change)
        told_falsely, found = False, False
        for length in range(FIRST, REVISIONS + 1):
            changes = stats.level_changes(values[:length])
            true_ones = [change for change in changes if world.change and abs(change.at - world.at) <= 3]
            told_falsely |= len(changes) > len(true_ones)
            if true_ones and not found:
                found = True
                delays.append(length - world.at)
                off.append(abs(true_ones[0].at - world.at))
        false += told_falsely
        single += len(changes) > len(true_ones)
    whole, last = exact_rate(false, histories, histories), exact_rate(single, histories, histories)
    shown = f"{len(delays) / histories:.1%}" if world.change else ""
    after = f"{np.median(delays):.0f} (90 %: {np.quantile(delays, 0.9):.0f})" if delays else ""
    return (
        world.name,
        f"{last.rate:.1%} [{last.low:.1%}, {last.high:.1%}]",
        f"{whole.rate:.1%} [{whole.low:.1%}, {whole.high:.1%}]",
        shown,
        after,
        f"{np.mean(np.array(off) == 0):.0%}" if off else "",
    )


def rows(histories: int, seed: int) -> Iterator[tuple[str, ...]]:
    for at, world in enumerate(WORLDS):
        found = row(world, histories, (seed, at))
        print(*found, sep=" | ", file=sys.stderr, flush=True)
        yield found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--histories", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--into", type=Path, help="also put the table between the markers of this document")
    arguments = parser.parse_args()
    titles = (
        "world",
        "false at the last reading [95 %]",
        "false at any of 95 readings [95 %]",
        "found",
        "revisions until then, median",
        "right revision",
    )
    lines = [titles, ("---",) * len(titles), *rows(arguments.histories, arguments.seed)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    print(table)
    if arguments.into is not None:
        put(arguments.into, BEGIN, END, table)


if __name__ == "__main__":
    main()
