"""What a comparison of k sides at once costs beside comparisons of its pairs, at equal width of all intervals.

    python3 benchmarks/several_cost.py WORKLOAD --side S --side T … -o FOLDER [-- options of dlprof compare]

Runs `dlprof compare` once with all sides and once with each pair (with the same options, a fixed --trials among them), keeps
the directories in FOLDER, and takes those that are there already. A comparison of n trials has the standard deviation s
between trials and takes t seconds a trial, start of the processes included, so an interval of half-width W (log) takes
(c·s / W)² trials: c is Šidák's for all pairs together of the one comparison, Bonferroni's for the pairs apart, both at a
family-wise 95 %. What is printed is the ratio of the seconds, which W does not enter. Needs dlprof importable.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy import special

from dlprof import stats
from dlprof.analysis.timing import lockstep
from dlprof.analysis.timing.verdicts import HEADLINES
from dlprof.api.findings import pairs
from dlprof.names import LETTERS
from dlprof.store import Capture

DRAWS = 2000


@dataclass(frozen=True)
class Trials:
    """log_ratios: (pairs, trials); seconds: of each trial."""

    log_ratios: np.ndarray
    seconds: np.ndarray

    def cost(self, alpha: float, rows: np.ndarray | None = None) -> np.ndarray:
        """Seconds × W² that each pair needs, which is what a whole comparison takes for it. rows: trials drawn again."""
        x, seconds = (self.log_ratios, self.seconds) if rows is None else (self.log_ratios[:, rows], self.seconds[rows])
        c = float(special.stdtrit(x.shape[1] - 1, 1 - alpha / 2))
        return (c * x.std(axis=1, ddof=1)) ** 2 * seconds.mean()


def made(workload: str, sides: list[str], options: list[str], folder: Path) -> Trials:
    """The comparison of these sides; made where it is not there yet."""
    if not folder.exists():
        words = [
            "compare",
            workload,
            *(word for side in sides for word in ("--side", side)),
            *options,
            "-o",
            str(folder),
        ]
        print("dlprof", *words, file=sys.stderr)
        done = subprocess.run([sys.executable, "-m", "dlprof", *words], stdout=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise SystemExit(done.returncode)
    capture = Capture.open(folder)
    found = [_headline(capture, pair) for pair in combinations(LETTERS[: len(sides)], 2)]
    return Trials(np.array(found), np.array([trial.wall_s for trial in capture.manifest.trials]))


def _headline(capture: Capture, pair: tuple[str, str]) -> list[float]:
    items = lockstep.by_item(pairs.timings(capture.timings(), pair))
    item = next((name for name in HEADLINES if name in items), next(iter(items)))
    return [trial.log_ratio for trial in items[item].values()]


def _divided(words: list[str]) -> tuple[list[str], list[str]]:
    """The words before and after `--`."""
    at = words.index("--") if "--" in words else len(words)
    return words[:at], words[at + 1 :]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workload")
    parser.add_argument("--side", action="append", required=True, metavar="SIDE")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    own, options = _divided(sys.argv[1:])
    asked = parser.parse_args(own)
    asked.output.mkdir(exist_ok=True)
    k, every = len(asked.side), list(combinations(range(len(asked.side)), 2))
    whole = made(asked.workload, asked.side, options, asked.output / "all")
    apart = [
        made(asked.workload, [asked.side[a], asked.side[b]], options, asked.output / f"{LETTERS[a]}{LETTERS[b]}")
        for a, b in every
    ]
    sidak, bonferroni = stats.pair_alpha(stats.FIXED_ALPHA, k), stats.FIXED_ALPHA / len(every)

    def ratios(generator: np.random.Generator | None) -> tuple[float, float]:
        def rows(trials: Trials) -> np.ndarray | None:
            n = trials.seconds.size
            return None if generator is None else generator.integers(0, n, n)

        together = whole.cost(sidak, rows(whole))
        alone = sum(float(one.cost(bonferroni, rows(one))[0]) for one in apart)
        return float(together.mean()) / alone, float(together.max()) / alone

    mean, widest = ratios(None)
    drawn = np.array([ratios(np.random.default_rng(seed)) for seed in range(DRAWS)])
    low, high = np.quantile(drawn[:, 0], (0.025, 0.975))
    seconds = whole.seconds.mean(), sum(one.seconds.mean() for one in apart)
    sd = [float(np.sqrt((one.log_ratios.std(axis=1, ddof=1) ** 2).mean())) for one in (whole, *apart)]
    print(f"{k} sides, {whole.seconds.size} trials; {len(every)} pairs apart, {apart[0].seconds.size} trials each")
    print(
        f"seconds a trial: {seconds[0]:.2f} all at once, {seconds[1]:.2f} the pairs together: {seconds[0] / seconds[1]:.2f}"
    )
    print(
        f"SD between trials (root mean square of the pairs): {sd[0]:.4f} at once, {math.sqrt(np.square(sd[1:]).mean()):.4f} apart"
    )
    print(f"cost at equal width, all at once ÷ pairs apart: {mean:.2f} [{low:.2f}, {high:.2f}] (trials drawn again)")
    print(f"the same where the widest pair of all has to be as narrow as each pair apart: {widest:.2f}")


if __name__ == "__main__":
    main()
