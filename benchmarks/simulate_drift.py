"""How often a side is said to drift within its processes: where none does, and where one does by a known amount.

    python3 benchmarks/simulate_drift.py                              (some minutes on one core)
    python3 benchmarks/simulate_drift.py --into docs/statistics.md    puts the table between the document's markers

A trial is eight rounds of four iterations a side. Both sides share a machine that drifts by up to 20 % over the trial, either
way; each round has noise of its own on either side, each iteration .02 more. Judged by `dlprof.stats` as a comparison is.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

import marked
import numpy as np

from dlprof import stats
from dlprof.stats.diagnosis.tails import drifts

BEGIN, END = "<!-- drift: begin -->", "<!-- drift: end -->"
ROUNDS, ITERATIONS = 8, 4
TRIALS = (4, 6, 10, 20)
DRIFTS = (0.0, 0.05, 0.10, 0.30, 0.60)
NOISES = (0.02, 0.05, 0.15)


def trial(g: np.random.Generator, drift: float, noise: float) -> stats.TrialRatio:
    """One trial of which B becomes slower by `drift` from its first iteration to its last."""
    along = np.linspace(0, 1, ROUNDS * ITERATIONS).reshape(ROUNDS, ITERATIONS)
    machine = g.uniform(-0.2, 0.2) * along
    a, b = (
        machine + g.normal(0, noise, (ROUNDS, 1)) + g.normal(0, 0.02, (ROUNDS, ITERATIONS)) + own * along
        for own in (0.0, math.log1p(drift))
    )
    return stats.trial_log_ratio(np.exp(a), np.exp(b))


def told(drift: float, noise: float, comparisons: int) -> dict[str, list[float]]:
    """Shares of the comparisons after each number of trials: any drift said, B named, A named."""
    g = np.random.default_rng(round(1000 * drift + 100_000 * noise))
    counts = {what: [0] * len(TRIALS) for what in ("any", "b", "a")}
    for _ in range(comparisons):
        trials = [trial(g, drift, noise) for _ in range(TRIALS[-1])]
        for place, n in enumerate(TRIALS):
            found = drifts(trials[:n])
            counts["any"][place] += bool(found)
            for one in found:
                counts[one.side][place] += not one.against_other
    return {what: [count / comparisons for count in places] for what, places in counts.items()}


def rows(comparisons: int) -> Iterator[tuple[str, ...]]:
    """Noise of a round, drift of B, shares that say a drift after so many trials, the largest share that names B, and A."""
    for noise in NOISES:
        for drift in DRIFTS:
            shares = told(drift, noise, comparisons)
            yield (
                f"{noise:.2f}",
                f"{drift:+.0%}" if drift else "none",
                *(f"{share:.1%}" for share in shares["any"]),
                f"{shares['b'][-1]:.1%}",
                f"{max(shares['a']):.1%}",
            )


def table(comparisons: int) -> str:
    """Markdown."""
    said = (f"said, {n} trials" for n in TRIALS)
    head = ("noise of a round", "B drifts by", *said, f"B named, {TRIALS[-1]}", "A named, at most")
    lines = [head, ("---",) * len(head), *rows(comparisons)]
    made = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{comparisons} comparisons a row, of {ROUNDS} rounds of {ITERATIONS} iterations a trial.\n\n{made}"


def main() -> None:
    """Prints the table, or puts it into a document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comparisons", type=int, default=1000)
    parser.add_argument(
        "--into", type=Path, metavar="DOCUMENT", help="put the table between the markers of this document"
    )
    given = parser.parse_args()
    made = table(given.comparisons)
    if given.into is None:
        print(made)
        return
    marked.put(given.into, BEGIN, END, made)


if __name__ == "__main__":
    main()
