"""What a comparison of k sides at once costs beside comparisons of its pairs, at equal width of all intervals.

    python3 benchmarks/several_cost.py collect mlp --side tf --side mxnet --side torch --side jax -- --trials 20 --traces 0
    python3 benchmarks/several_cost.py report --into docs/statistics.md

`collect` runs `dlprof compare` once with all sides and once with each pair, all with the same options, a fixed --trials among
them. It may be stopped at any time: a comparison that has ended is a line of benchmarks/data/several-cost.jsonl, and those that
are missing are made. A comparison of n trials has the standard deviation s between trials and takes t seconds a trial, start of
the processes included, so an interval of half-width W (log) takes (c·s / W)² trials: c is Šidák's for all pairs together of the
one comparison, Bonferroni's for the pairs apart, both at a family-wise 95 %. What is told is the ratio of the seconds, which W
does not enter.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import kept
import marked
import numpy as np
from scipy import special

from dlprof import stats
from dlprof.analysis.timing import lockstep
from dlprof.analysis.timing.verdicts import HEADLINES
from dlprof.api.findings import pairs
from dlprof.names import LETTERS
from dlprof.store import Capture

FILE: Final = kept.DATA / "several-cost.jsonl"
BEGIN, END = "<!-- several cost: begin -->", "<!-- several cost: end -->"
DRAWS: Final = 2000
TITLES: Final = ("workload", "sides", "trials", "seconds a trial, all at once", "the pairs", "ratio", "SD at once", "SD apart",
                 "cost at equal width [95 %]", "by the widest pair", "CPU of others")  # fmt: skip


@dataclass(frozen=True)
class Trials:
    """log_ratios: (pairs, trials); seconds: of each trial."""

    log_ratios: np.ndarray
    seconds: np.ndarray

    @classmethod
    def of(cls, record: dict[str, Any]) -> Trials:
        return cls(np.array(record["log_ratios"]), np.array(record["seconds"]))

    def cost(self, alpha: float, rows: np.ndarray | None = None) -> np.ndarray:
        """Seconds × W² that each pair needs, which is what a whole comparison takes for it. rows: trials drawn again."""
        x, seconds = (self.log_ratios, self.seconds) if rows is None else (self.log_ratios[:, rows], self.seconds[rows])
        c = float(special.stdtrit(x.shape[1] - 1, 1 - alpha / 2))
        return (c * x.std(axis=1, ddof=1)) ** 2 * seconds.mean()

    def sd(self) -> float:
        """Between trials: the root mean square of the pairs."""
        return float(np.sqrt((self.log_ratios.std(axis=1, ddof=1) ** 2).mean()))


def collect(workload: str, sides: Sequence[str], options: Sequence[str]) -> None:
    """Comparisons that are missing."""
    for some in (list(sides), *(list(pair) for pair in combinations(sides, 2))):
        asked = {"workload": workload, "of": list(sides), "sides": some, "options": list(options)}
        if not any(one.items() >= asked.items() for one in kept.read(FILE)):
            kept.add(FILE, {**asked, **_compared(workload, some, options)})
            print(f"{workload}, {', '.join(some)}: {np.mean(kept.read(FILE)[-1]['seconds']):.1f} s a trial", flush=True)


def _compared(workload: str, sides: Sequence[str], options: Sequence[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        named = [word for side in sides for word in ("--side", side)]
        words = ["-m", "dlprof", "compare", workload, *named, *options, "-o", str(Path(scratch, "made"))]
        done = subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise SystemExit(done.returncode)
        capture = Capture.open(Path(scratch, "made"))
        trials = capture.manifest.trials
        return {
            "log_ratios": [_headline(capture, pair) for pair in combinations(LETTERS[: len(sides)], 2)],
            "seconds": [round(trial.wall_s, 3) for trial in trials],
            "others_cpu": float(np.median([trial.machine.other_cpu for trial in trials])),
        }


def _headline(capture: Capture, pair: tuple[str, str]) -> list[float]:
    items = lockstep.by_item(pairs.timings(capture.timings(), pair))
    item = next((name for name in HEADLINES if name in items), next(iter(items)))
    return [trial.log_ratio for trial in items[item].values()]


def rows() -> Iterator[Sequence[str]]:
    found: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for one in kept.read(FILE):
        found.setdefault((one["workload"], *one["of"], *one["options"]), []).append(one)
    for told in found.values():
        sides = told[0]["of"]
        whole = next((Trials.of(one) for one in told if one["sides"] == sides), None)
        apart = [Trials.of(one) for one in told if len(one["sides"]) == 2]
        if whole is None or len(apart) < math.comb(len(sides), 2):
            continue  # not all of them have ended
        mean, widest = _ratios(len(sides), whole, apart)
        drawn = [_ratios(len(sides), whole, apart, np.random.default_rng(seed))[0] for seed in range(DRAWS)]
        low, high = np.quantile(drawn, (0.025, 0.975))
        seconds = float(whole.seconds.mean()), float(sum(one.seconds.mean() for one in apart))
        yield (
            told[0]["workload"],
            ", ".join(sides),
            f"{whole.seconds.size} and {sum(one.seconds.size for one in apart)}",
            f"{seconds[0]:.2f}",
            f"{seconds[1]:.2f}",
            f"{seconds[0] / seconds[1]:.2f}",
            f"{whole.sd():.4f}",
            f"{math.sqrt(np.mean([one.sd() ** 2 for one in apart])):.4f}",
            f"{mean:.2f} [{low:.2f}, {high:.2f}]",
            f"{widest:.2f}",
            f"{np.median([one['others_cpu'] for one in told]):.0%}",
        )


def _ratios(
    k: int, whole: Trials, apart: Sequence[Trials], generator: np.random.Generator | None = None
) -> tuple[float, float]:
    """Seconds of all k at once over those of the pairs, by the mean and by the widest pair; generator: trials are drawn again."""
    sidak, bonferroni = stats.pair_alpha(stats.FIXED_ALPHA, k), stats.FIXED_ALPHA / len(apart)

    def again(trials: Trials) -> np.ndarray | None:
        n = trials.seconds.size
        return None if generator is None else generator.integers(0, n, n)

    together = whole.cost(sidak, again(whole))
    alone = sum(float(one.cost(bonferroni, again(one))[0]) for one in apart)
    return float(together.mean()) / alone, float(together.max()) / alone


def table() -> str:
    return marked.table(TITLES, rows())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    collecting, reporting = verbs.add_parser("collect"), verbs.add_parser("report")
    collecting.add_argument("workload")
    collecting.add_argument("--side", action="append", required=True)
    reporting.add_argument("--into", type=Path, help="also put the table between the markers of this document")
    words = sys.argv[1:]
    at = words.index("--") if "--" in words else len(words)
    arguments = parser.parse_args(words[:at])
    if arguments.verb == "collect":
        collect(arguments.workload, arguments.side, words[at + 1 :])
        return
    print(table())
    if arguments.into is not None:
        marked.put(arguments.into, BEGIN, END, table())


if __name__ == "__main__":
    main()
