"""Where a sample lies: Hodges-Lehmann, Student's t, exact sign flips."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Floats = NDArray[np.float64]

_EXACT_FLIPS: Final = 40  # two halves of 2^20 sums each; beyond it, Monte-Carlo
_MONTE_CARLO: Final = 100_000


def finite(values: ArrayLike) -> Floats:
    """`values` as a float64 vector (n,). Raises `ValueError` when it is not one-dimensional."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"expected a vector, got shape {array.shape}")
    return array


def t_bounds(values: ArrayLike, alpha: float) -> tuple[float, float]:
    """Two-sided (1 − alpha) Student interval of the mean of `values` (n,), n ≥ 2.

    Assumes independent values of one normal distribution. For values that are symmetric, as a log-ratio of two equal
    sides is, heavier tails make it conservative rather than wrong.
    """
    x = finite(values)
    half = t_quantile(1 - alpha / 2, x.size - 1) * float(x.std(ddof=1)) / math.sqrt(x.size)
    return float(x.mean()) - half, float(x.mean()) + half


def t_quantile(probability: float, df: float) -> float:
    """Quantile of Student's t. scipy.special, because importing scipy.stats costs half a second."""
    return float(special.stdtrit(df, probability))


def t_pvalue(values: ArrayLike) -> float | None:
    """Two-sided p of a one-sample t test of mean 0; None (no evidence) where n < 2 or the values do not vary."""
    x = finite(values)
    if x.size < 2 or not varies(x):
        return None
    t = float(x.mean()) / (float(x.std(ddof=1)) / math.sqrt(x.size))
    return float(2 * special.stdtr(x.size - 1, -abs(t)))


def varies(x: Floats) -> bool:
    """Whether a finite sample varies by more than rounding; a sample that does not is broken, not precise."""
    spread = float(np.ptp(x)) if x.size else 0.0
    return spread > 1e-12 * max(1.0, float(np.abs(x).max(initial=0.0)))


def signflip_pvalue(values: ArrayLike, seed: int = 0) -> float | None:
    """Two-sided p of the sign-flip test on the sum of `values` (n,); None for n = 0.

    Under the null hypothesis each trial's log-ratio is as likely to carry the other sign (A and B exchangeable within a
    trial), so all 2^n sign patterns are equally likely. No distribution is assumed. Exact for n ≤ 40: the sums of both
    halves are enumerated and their pairs counted by binary search: all 2^n patterns at the cost of 2^(n/2).
    Beyond that 100 000 random patterns with a fixed seed, (hits + 1) / (patterns + 1). Smallest possible p: 2^(1−n).
    """
    x = finite(values)
    if x.size == 0:
        return None
    observed = abs(float(x.sum()))
    slack = 1e-12 * float(np.abs(x).sum())
    if x.size > _EXACT_FLIPS:
        signs = np.random.default_rng(seed).choice((-1.0, 1.0), size=(_MONTE_CARLO, x.size))
        hits = int((np.abs(signs @ x) >= observed - slack).sum())
        return (hits + 1) / (_MONTE_CARLO + 1)
    left, right = _all_sums(x[: x.size // 2]), np.sort(_all_sums(x[x.size // 2 :]))
    above = right.size - np.searchsorted(right, observed - slack - left, side="left")
    below = np.searchsorted(right, -(observed - slack) - left, side="right")
    patterns = left.size * right.size
    return min(1.0, float(above.sum() + below.sum()) / patterns)


def _all_sums(x: Floats) -> Floats:
    """Sums of `x` under all 2^n sign patterns."""
    sums = np.zeros(1)
    for value in x:
        sums = np.concatenate((sums - value, sums + value))
    return sums


def hodges_lehmann(values: ArrayLike) -> float:
    """Median of the averages (x_i + x_j)/2, i ≤ j, of `values` (n,); NaN for n = 0. O(n²) memory.

    Breakdown point 29 %, efficiency 95 % of the mean's on normal data (Hodges & Lehmann 1963).
    """
    x = finite(values)
    i, j = np.triu_indices(x.size)
    return float(np.median((x[i] + x[j]) / 2)) if x.size else math.nan
