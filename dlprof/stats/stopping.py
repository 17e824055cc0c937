"""What the stopping rule does to errors, coverage and cost: `decide` on simulated normal trials, many at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlprof.stats.adaptive import look_schedule
from dlprof.stats.location import Floats, t_quantile
from dlprof.stats.result import LOOK_ALPHA, Verdict

_VERDICTS: tuple[Verdict, ...] = ("inconclusive", "equivalent", "negligible", "faster", "slower")


@dataclass(frozen=True, slots=True)
class StoppingErrors:
    """Shares of `runs` simulated comparisons. coverage: the reported interval holds the truth; trials: mean at stop."""

    verdicts: dict[Verdict, float]
    coverage: float
    trials: float
    runs: int

    @property
    def significant(self) -> float:
        """Share that calls a difference: with no true effect, the overall false-positive rate."""
        return self.verdicts["faster"] + self.verdicts["slower"] + self.verdicts["negligible"]


def simulate_stopping(
    *,
    sd: float,
    effect: float = 0.0,
    looks: Sequence[int] | None = None,
    alpha: float = LOOK_ALPHA,
    margin: float = 0.05,
    precision: float | None = None,
    runs: int = 40_000,
    seed: int = 1,
) -> StoppingErrors:
    """The rule of `decide`, run on independent normal log-ratios with mean ln(1 + effect) and the given sd.

    The rules are written a second time, on arrays; tests/unit/stats hold the two against each other run by run.
    """
    schedule = tuple(looks) if looks is not None else look_schedule()
    shift, delta = math.log1p(effect), math.log1p(margin)
    draws = np.random.default_rng(seed).normal(shift, sd, size=(runs, schedule[-1]))
    verdict, covered, stopped = stop_each(draws, schedule, alpha, delta, precision, shift)
    shares = {name: float((verdict == code).mean()) for code, name in enumerate(_VERDICTS)}
    return StoppingErrors(shares, float(covered.mean()), float(stopped.mean()), runs)


def stop_each(
    draws: Floats,
    looks: Sequence[int],
    alpha: float,
    delta: float,
    precision: float | None = None,
    truth: float = 0.0,
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
    """Where each row of `draws` (runs, last look) stops; delta: ln(1 + margin); truth: the true log-ratio.

    Three arrays (runs,): code of the verdict (index into inconclusive, equivalent, negligible, faster, slower), whether
    the interval at the stop holds `truth`, number of trials at the stop.
    """
    runs, alive = len(draws), np.arange(len(draws))
    verdict, covered = np.zeros(runs, dtype=np.int64), np.zeros(runs, dtype=bool)
    stopped = np.zeros(runs, dtype=np.int64)
    centre = float(draws.mean())  # running sums of centred values lose no digits to a large common ratio
    sums, squares = np.cumsum(draws - centre, axis=1), np.cumsum((draws - centre) ** 2, axis=1)
    for n in looks:
        total = sums[alive, n - 1]
        mean = centre + total / n
        error = np.sqrt(np.maximum(squares[alive, n - 1] - total**2 / n, 0.0) / ((n - 1) * n))
        half = t_quantile(1 - alpha / 2, n - 1) * error
        shown = np.abs(mean) > half
        small = np.abs(mean) + half < delta
        same = ~shown & (np.abs(mean) + t_quantile(1 - alpha, n - 1) * error < delta)
        code = np.select([shown & small, shown & (mean < 0), shown, same], [2, 3, 4, 1], default=0)
        enough = (code > 0) if precision is None else (np.expm1(half) <= precision)
        now = enough | (n == looks[-1])
        rows = alive[now]
        verdict[rows], covered[rows], stopped[rows] = code[now], (np.abs(mean - truth) <= half)[now], n
        alive = alive[~now]
    return verdict, covered, stopped
