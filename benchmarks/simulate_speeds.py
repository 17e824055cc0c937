"""How often sides are said to come in two speeds: where they do not, and where they do. Printed by simulate.py."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from simulate_worlds import autocorrelated, contaminated, exponential, growing, lognormal, normal, student3

from dlprof import stats
from dlprof.stats.diagnosis.speeds import best_split, limit

TRIALS = (6, 8, 10, 14, 20)
Sides = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]
"""Log times of A and B (comparisons, 30)."""


def _uniform(g: np.random.Generator, sd: float, m: int) -> np.ndarray:
    return (g.random((m, 30)) - 0.5) * math.sqrt(12) * sd


def own(make: Callable[[np.random.Generator, float, int], np.ndarray], a: float, b: float, drift: float = 0.0) -> Sides:
    """Each side's own noise of SD a and b, and a machine that both share, which drifts by so much in all."""

    def sides(g: np.random.Generator, m: int) -> tuple[np.ndarray, np.ndarray]:
        machine = g.normal(0, 0.03, (m, 30)) + np.linspace(0, drift, 30)
        return machine + make(g, a, m), machine + make(g, b, m)

    return sides


def stepped(g: np.random.Generator, m: int) -> tuple[np.ndarray, np.ndarray]:
    """A machine that is 1.4 times slower from some trial on, B 1.5 times."""
    since = np.arange(30) >= g.integers(1, 20, (m, 1))
    return g.normal(0, 0.03, (m, 30)) + since * math.log(1.4), g.normal(0, 0.03, (m, 30)) + since * math.log(1.5)


NULLS: dict[str, Sides] = {
    "normal": own(normal, 0.05, 0.05),
    "normal, B's noise four times A's": own(normal, 0.05, 0.2),
    "heavy tails: Student t, 3 degrees of freedom": own(student3, 0.1, 0.1),
    "one trial in ten 5 times as noisy": own(contaminated, 0.05, 0.05),
    "skewed: lognormal": own(lognormal(1), 0.1, 0.1),
    "skewed: exponential": own(exponential, 0.1, 0.1),
    "uniform": own(_uniform, 0.1, 0.1),
    "noise grows or shrinks threefold": own(growing, 0.1, 0.1),
    "autocorrelation .5": own(autocorrelated(0.5), 0.1, 0.1),
    "the machine drifts by 60 %": own(normal, 0.05, 0.05, drift=0.5),
    "the machine slows down once, one side by more": stepped,
}


def in_two(gap: float, share: float, spread: float) -> Sides:
    """B's processes in two speeds; both sides vary by `spread`, and share a machine that varies by 3 %."""

    def sides(g: np.random.Generator, m: int) -> tuple[np.ndarray, np.ndarray]:
        machine = g.normal(0, 0.03, (m, 30))
        slow = (g.random((m, 30)) < share) * math.log1p(gap)
        return machine + g.normal(0, spread, (m, 30)), machine + slow + g.normal(0, spread, (m, 30))

    return sides


def called(sides: Sides, n: int, comparisons: int) -> tuple[float, float]:
    """Share of comparisons of n trials in which any side, and in which B, is said to come in two speeds."""
    a, b = (x[:, :n] for x in sides(np.random.default_rng(n), comparisons))
    possible = np.zeros(comparisons, dtype=bool)
    for series in (a, b, b - a):  # most have no such split in any, which is fast to see
        possible |= best_split(np.sort(series, axis=1))[1] >= limit(n)
    found = [stats.two_speeds(np.exp(a[i]), np.exp(b[i])) for i in np.flatnonzero(possible)]
    return (
        sum(bool(one) for one in found) / comparisons,
        sum(any(side.side == "b" for side in one) for one in found) / comparisons,
    )


def nulls(comparisons: int) -> Iterator[tuple[str, ...]]:
    """Rows: noise; share of comparisons in which a side is called so though none is."""
    for name, sides in NULLS.items():
        yield (name, *(f"{called(sides, n, comparisons)[0]:.1%}" for n in TRIALS))


def powers(comparisons: int) -> Iterator[tuple[str, ...]]:
    """Rows: how far apart, share of slow processes, spread of processes of one speed; share of comparisons that see it."""
    for gap in (0.20, 0.39, 1.0):
        for share in (0.5, 0.25):
            for spread in (0.01, 0.02, 0.05):
                seen = (f"{called(in_two(gap, share, spread), n, comparisons)[1]:.0%}" for n in TRIALS)
                yield (f"{gap:.0%}", f"{share:.0%}", f"{spread:.0%}", *seen)


def tables(comparisons: int) -> Iterator[tuple[str, tuple[str, ...], Iterator[tuple[str, ...]]]]:
    """(title, column titles, rows) of each."""
    counts = ("6 trials", *(str(n) for n in TRIALS[1:]))
    yield (
        f"Said to come in two speeds though no side does, {comparisons} comparisons",
        ("noise", *counts),
        nulls(comparisons),
    )
    yield (
        "B's processes in two speeds, and said to be; beside 3 % that both sides share",
        ("apart", "slow", "spread", *counts),
        powers(comparisons // 4),
    )
