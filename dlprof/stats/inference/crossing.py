"""From which size on the other side is faster: the zero of the log-ratio curve, with its confidence set."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import ArrayLike

from dlprof.stats.result import FIXED_ALPHA, MIN_TRIALS, Crossover
from dlprof.stats.sample.location import Floats, t_quantile


def crossover(sizes: ArrayLike, log_ratios: ArrayLike, *, alpha: float = FIXED_ALPHA) -> Crossover:
    """Where ln(time B ÷ time A) changes sign along `sizes`.

    sizes: (s,) positive, in any order; log_ratios: (trials, s), one row per trial (all sizes measured in each).
    Between neighbouring sizes the log-ratio is interpolated linearly in ln(size), trial by trial.

    That there is a crossover is claimed only where A is faster at some size and B at another, each by a t test over
    trials at alpha ÷ s (Bonferroni), and the signs of the sizes so shown change exactly once. Its interval: the sizes
    between those two at which a t test at alpha does not reject a ratio of 1 (the test inverted, as in Fieller
    1954): valid without each trial having a crossing of its own, which the percentile of per-trial crossings needs.
    Raises `ValueError` on shapes that do not fit or sizes that are not positive and distinct.
    """
    grid, ratios = _checked(sizes, log_ratios)
    trials = len(ratios)
    if trials < MIN_TRIALS:
        return _none(alpha, trials, f"need ≥ {MIN_TRIALS} trials, have {trials}")
    if not np.isfinite(ratios).all():
        return _none(alpha, trials, "no evidence: some trials gave no usable ratio")
    mean, error = ratios.mean(axis=0), ratios.std(axis=0, ddof=1) / math.sqrt(trials)
    sure = t_quantile(1 - alpha / (2 * grid.size), trials - 1)
    shown = np.where(np.abs(mean) > sure * error, np.sign(mean), 0.0)
    shown[error == 0] = 0.0
    places = np.flatnonzero(shown)
    changes = np.flatnonzero(np.diff(shown[places]))
    if changes.size != 1:
        return _none(alpha, trials, _why_not(shown, changes.size))
    first, last = int(places[changes[0]]), int(places[changes[0] + 1])
    low, high = _accepted(grid, ratios, first, last, t_quantile(1 - alpha / 2, trials - 1))
    below = "b" if shown[first] < 0 else "a"
    size = _crossing(grid, mean, first, last)
    return Crossover(math.exp(size), math.exp(low), math.exp(high), 1 - alpha, trials, below, "the sign changes once")


def _checked(sizes: ArrayLike, log_ratios: ArrayLike) -> tuple[Floats, Floats]:
    raw, ratios = np.asarray(sizes, dtype=np.float64), np.asarray(log_ratios, dtype=np.float64)
    if raw.ndim != 1 or ratios.ndim != 2 or ratios.shape[1] != raw.size:
        raise ValueError(f"expected sizes (s,) and log_ratios (trials, s), got {raw.shape} and {ratios.shape}")
    if not (np.isfinite(raw).all() and (raw > 0).all() and np.unique(raw).size == raw.size):
        raise ValueError("sizes must be positive, finite and distinct")
    order = np.argsort(raw)
    return np.log(raw[order]), ratios[:, order]


def _none(alpha: float, trials: int, why: str) -> Crossover:
    return Crossover(None, None, None, 1 - alpha, trials, None, why)


def _why_not(shown: Floats, changes: int) -> str:
    if changes > 1:
        return f"the faster side changes {changes} times along the sizes"
    if (shown < 0).any():
        return "B is faster wherever a difference is shown"
    if (shown > 0).any():
        return "A is faster wherever a difference is shown"
    return "no difference is shown at any size"


def _crossing(grid: Floats, mean: Floats, first: int, last: int) -> float:
    """Zero of the mean curve between two grid points of opposite sign; the middle one of an odd number of zeros."""
    zeros = []
    for i in range(first, last):
        y0, y1 = mean[i], mean[i + 1]
        if (y0 < 0) != (y1 < 0):
            zeros.append(float(grid[i] + (grid[i + 1] - grid[i]) * y0 / (y0 - y1)))
    return zeros[len(zeros) // 2]


def _accepted(grid: Floats, ratios: Floats, first: int, last: int, critical: float) -> tuple[float, float]:
    """First and last ln(size) in [first, last] at which the interpolated mean lies within ±critical standard errors.

    Within a segment the interpolated value of each trial is y0 + w·d, so mean² − t²·variance/n is a quadratic in w, and
    the accepted part ends at its roots or at the segment's ends.
    """
    trials, ends = len(ratios), []
    for i in range(first, last):
        y0, d = ratios[:, i], ratios[:, i + 1] - ratios[:, i]
        cov = np.cov(y0, d) * critical**2 / trials
        m0, md = float(y0.mean()), float(d.mean())
        poly = np.array([md**2 - cov[1, 1], 2 * (m0 * md - cov[0, 1]), m0**2 - cov[0, 0]])
        roots = np.roots(poly)
        inside = roots.real[(np.abs(roots.imag) < 1e-12) & (roots.real > 0) & (roots.real < 1)]
        marks = np.concatenate(([0.0], np.sort(inside), [1.0]))
        for left, right in itertools.pairwise(marks):
            if np.polyval(poly, (left + right) / 2) <= 0:
                ends += [grid[i] + left * (grid[i + 1] - grid[i]), grid[i] + right * (grid[i + 1] - grid[i])]
    return float(min(ends)), float(max(ends))
