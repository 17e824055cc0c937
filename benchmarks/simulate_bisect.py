"""How often `dlprof bisect` names the right revision, and in how many trials: simulated searches, over 64 revisions unless said.

    python3 benchmarks/simulate_bisect.py collect --searches 500 --seed 1
    python3 benchmarks/simulate_bisect.py collect --searches 500 --seed 2
    python3 benchmarks/simulate_bisect.py report --into docs/bisect.md

`collect` may be stopped at any time: a batch of searches that has ended is a line of benchmarks/data/bisect-simulated.jsonl, and
is not made again. Batches are made by turns of the worlds, so that each has as many. A search is drawn from the seed, its world
and its number alone. Thresholds of the search were chosen by searches of seed 1; seed 2 was drawn afterwards.

The search is dlprof's own (api.bisect.search); a trial is drawn instead of run. Before it comes the comparison of the ends (is
there a difference at all?), after it that of the neighbours (a wrong place is refused where the two do not differ), both by
dlprof's own rule for adaptive comparisons. Where what was found is too little for the difference of the ends, it is looked for
another change, as the command does (api.bisect.run). A change too small to be of interest (`least_change` of the true difference)
need not be named, and may be.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import kept
import marked
import numpy as np

from dlprof import stats
from dlprof.api.bisect.search import Search
from dlprof.stats.design.adaptive import VERDICTS, stop_each
from dlprof.stats.design.bisection import least_change
from dlprof.stats.design.calibration import exact_rate

LAST: Final = 64
MARGIN: Final = 0.05
"""The command's default."""
BATCH: Final = 25
"""Searches that are kept together."""
FILE: Final = kept.DATA / "bisect-simulated.jsonl"
BEGIN, END = "<!-- simulated searches: begin -->", "<!-- simulated searches: end -->"
Noise = Callable[[np.random.Generator], float]


def normal(sd: float) -> Noise:
    return lambda g: float(g.normal(0, sd))


def student(sd: float) -> Noise:
    """Three degrees of freedom."""
    return lambda g: float(sd * g.standard_t(3) / math.sqrt(3))


def two_speeds(gap: float, sd: float) -> Noise:
    """Either side's process is slow in one case of four."""
    return lambda g: float(math.log1p(gap) * (int(g.random() < 0.25) - int(g.random() < 0.25)) + g.normal(0, sd))


@dataclass(frozen=True)
class World:
    """What the slow-downs are and how trials vary.

    changes: the size of each, in order, as a fraction; none for no difference
    last: revisions after the good one
    """

    name: str
    noise: Noise
    changes: tuple[float, ...]
    last: int = LAST

    @property
    def of_interest(self) -> list[int]:
        """Those of the changes that must be named."""
        sizes = [math.log1p(size) for size in self.changes]
        least = least_change([sum(sizes)], MARGIN)
        return [at for at, size in enumerate(sizes) if abs(size) >= least]


WORLDS: Final = (
    World("+10 %, SD .03", normal(0.03), (0.1,)),
    World("+10 %, SD .05", normal(0.05), (0.1,)),
    World("+10 %, SD .08", normal(0.08), (0.1,)),
    World("+30 %, SD .05", normal(0.05), (0.3,)),
    World("+10 %, heavy tails, SD .05", student(0.05), (0.1,)),
    World("+10 %, processes in two speeds 10 % apart", two_speeds(0.1, 0.02), (0.1,)),
    World("twice +10 %, SD .03", normal(0.03), (0.1, 0.1)),
    World("twice +10 %, SD .05", normal(0.05), (0.1, 0.1)),
    World("+30 % and +10 %, SD .05", normal(0.05), (0.3, 0.1)),
    World("+10 % and +2 %, SD .03", normal(0.03), (0.1, 0.02)),
    World("+2 % and +10 %, SD .03", normal(0.03), (0.02, 0.1)),
    World("35 times and +3 %, 3 releases, SD .02", normal(0.02), (34.0, 0.03), 3),
    World("+30 % and +10 %, 3 releases, SD .05", normal(0.05), (0.3, 0.1), 3),
    World("nothing, SD .05", normal(0.05), ()),
    World("nothing, two speeds", two_speeds(0.1, 0.02), ()),
)


@dataclass(frozen=True)
class Told:
    """How one search ended. right: it names what is there, or says that there is nothing; wrong: it names anything else as all
    that there is, or says that there is nothing where there is something; neither: it is not known, or not all of it. trials:
    all."""

    right: bool
    wrong: bool
    trials: int

    def __str__(self) -> str:
        """As it is kept: r26 for right in 26 trials, w for wrong, n for not known."""
        return f"{'r' if self.right else 'w' if self.wrong else 'n'}{self.trials}"

    @classmethod
    def read(cls, text: str) -> Told:
        return cls(text[0] == "r", text[0] == "w", int(text[1:]))


def adaptive(draw: Callable[[], float]) -> tuple[list[float], str]:
    """A comparison that goes on until it has a verdict."""
    values: list[float] = []
    for look in stats.look_schedule():
        values += [draw() for _ in range(look - len(values))]
        code, _, _ = stop_each(np.array([values]), (look,), None, math.log1p(MARGIN))
        if code[0]:
            return values, VERDICTS[code[0]]
    return values, "inconclusive"


def search(world: World, g: np.random.Generator) -> Told:
    """One search."""
    places = sorted(int(one) for one in g.choice(np.arange(1, world.last + 1), len(world.changes), replace=False))
    height = np.zeros(world.last + 1)
    for place, size in zip(places, world.changes, strict=True):
        height[place:] += math.log1p(size)
    names = [str(at) for at in range(world.last + 1)]

    def draw(one: str) -> float:
        return height[int(one)] + world.noise(g)

    ends, verdict = adaptive(lambda: draw(names[-1]))
    if verdict not in ("slower", "faster"):
        equal = verdict in ("equivalent", "negligible")
        return Told(equal and not places, equal and bool(places), len(ends))
    made = Search(names, margin=MARGIN)
    for value in ends:
        made.add(names[-1], value)
    compared: dict[str, list[float]] = {}
    said: tuple[int, ...] = ()
    while True:
        made.go(draw)
        found = made.found() or ()
        shown = []
        for name in found:
            step = height[int(name)] - height[int(name) - 1]
            if name not in compared:
                compared[name], verdict = adaptive(lambda step=step: step + world.noise(g))
                if verdict not in ("slower", "faster", "negligible"):
                    break
            shown.append(compared[name])
        confirmed = bool(found) and len(shown) == len(found)
        whole = confirmed and made.makes_up(ends, shown)
        if whole:
            said = tuple(int(name) for name in found)
        if whole or not confirmed or len(found) > 1:
            break
        made.look_for_another()
    trials = made.made + sum(map(len, compared.values()))
    right = {places[at] for at in world.of_interest} <= set(said) <= set(places)
    return Told(bool(said) and right, bool(said) and not right, trials)


def collect(searches: int, seed: int, worlds: Sequence[str]) -> None:
    """Batches that are missing, until each world has so many searches of this seed."""

    def told(at: int, first: int) -> str:
        made = [search(WORLDS[at], np.random.default_rng((seed, at, one))) for one in range(first, first + BATCH)]
        return " ".join(map(str, made))

    kept.batches(FILE, [world.name for world in WORLDS], worlds, searches, seed, BATCH, told)


def found() -> dict[str, dict[int, list[Told]]]:
    """World → seed → its searches."""
    made: dict[str, dict[int, list[Told]]] = {world.name: {} for world in WORLDS}
    for one in kept.read(FILE):
        made[one["world"]].setdefault(one["seed"], []).extend(map(Told.read, one["told"].split()))
    return {name: dict(sorted(seeds.items())) for name, seeds in made.items()}


def rows() -> Iterator[Sequence[str]]:
    for name, seeds in found().items():
        for seed, told in seeds.items():
            right, wrong = (sum(getattr(one, what) for one in told) for what in ("right", "wrong"))
            rate = exact_rate(wrong, len(told), len(told))
            trials = sorted(one.trials for one in told)
            yield (
                name,
                f"{seed}",
                f"{len(told)}",
                f"{right / len(told):.1%}",
                f"{wrong / len(told):.1%} [{rate.low:.1%}, {rate.high:.1%}]",
                f"{1 - (right + wrong) / len(told):.1%}",
                f"{np.mean(trials):.0f}",
                f"{trials[int(0.9 * len(trials))]}",
            )


def table() -> str:
    titles = ("world", "seed", "searches", "right", "wrong [95 %]", "not known", "trials", "90th percentile")
    return marked.table(titles, rows())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    collecting, reporting = verbs.add_parser("collect"), verbs.add_parser("report")
    collecting.add_argument("--searches", type=int, default=500, help=f"of each world, by {BATCH}")
    collecting.add_argument("--seed", type=int, default=1)
    collecting.add_argument(
        "--worlds", nargs="+", default=[""], help="only those with one of these in their names: 'twice'"
    )
    reporting.add_argument("--into", type=Path, help="also put the table between the markers of this document")
    arguments = parser.parse_args()
    if arguments.verb == "collect":
        collect(arguments.searches, arguments.seed, arguments.worlds)
        return
    print(table())
    if arguments.into is not None:
        marked.put(arguments.into, BEGIN, END, table())


if __name__ == "__main__":
    main()
