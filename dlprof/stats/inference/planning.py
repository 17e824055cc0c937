"""How many trials it takes: power, needed trials and detectable effect of the widened t test over trials."""

from __future__ import annotations

import functools
import math
from typing import Final

import numpy as np
from scipy import special

from dlprof.stats.result import FIXED_ALPHA, POWER
from dlprof.stats.sample.allowance import PLANNED, unmet
from dlprof.stats.sample.location import Floats, t_quantile

_MOST_TRIALS: Final = 1_000_000


def power(n: int, sd: float, effect: float, alpha: float = FIXED_ALPHA, *, whole: float | None = None) -> float:
    """Probability that a two-sided t test over `n` trials rejects when B takes `1 + effect` times A's time.

    sd: standard deviation between trials of the log-ratio. For independent normal log-ratios (non-central t), with the
    interval as much wider as `allowance.PLANNED`, and no narrower than `allowance.unmet`. whole: error level of the comparison
    of which this is a look; alpha where it is none. n < 2 → 0.
    """
    _check(sd, alpha)
    if n < 2:
        return 0.0
    return _power_log(n, sd, abs(math.log1p(effect)), alpha, whole or alpha)


def _power_log(n: int, sd: float, shift: float, alpha: float, whole: float) -> float:
    """P(|T| > critical) as the mean, over the chi distribution of the sample sd, of a normal probability.

    Quadrature in place of scipy's non-central t (`nctdtr`), which answers NaN for few degrees of freedom (seen: 1 and 2).
    """
    scale, weight = _sample_sds(n - 1)
    unit = math.sqrt(n) / sd
    centre = shift * unit
    bound = np.maximum(PLANNED * t_quantile(1 - alpha / 2, n - 1) * scale, unmet(n, whole) * unit)
    return float(weight @ (special.ndtr(centre - bound) + special.ndtr(-centre - bound)))


@functools.lru_cache(maxsize=256)
def _sample_sds(df: int) -> tuple[Floats, Floats]:
    """Gauss-Legendre nodes of (sample sd ÷ true sd) with `df` degrees of freedom, in probability, and their weights."""
    nodes, weights = _legendre()
    return np.sqrt(special.chdtri(df, (1 - nodes) / 2) / df), weights / 2


@functools.cache
def _legendre() -> tuple[Floats, Floats]:
    """400 nodes: 1e-7 against scipy where scipy answers; a tenth of a second to make, so once."""
    nodes, weights = np.polynomial.legendre.leggauss(400)
    return nodes, weights


def needed_trials(
    sd: float, effect: float, alpha: float = FIXED_ALPHA, target: float = POWER, *, whole: float | None = None
) -> int:
    """Fewest trials with which a relative effect is found with probability `target`; at least 2. whole: as of `power`.

    The exact form of ⌈((1.42·t₁₋α/₂ + t_target)·sd/δ)²⌉ with δ = ln(1 + effect), where that leaves the interval wide enough
    for a speed not met. Raises `ValueError` for effect = 0.
    """
    _check(sd, alpha)
    if math.log1p(effect) == 0:
        raise ValueError("no number of trials finds an effect of zero")
    low, high = 1, 2
    while power(high, sd, effect, alpha, whole=whole) < target:
        low, high = high, high * 2
        if high > _MOST_TRIALS:
            return _MOST_TRIALS
    while high - low > 1:
        middle = (low + high) // 2
        enough = power(middle, sd, effect, alpha, whole=whole) >= target
        low, high = (low, middle) if enough else (middle, high)
    return high


def detectable_effect(
    n: int, sd: float, alpha: float = FIXED_ALPHA, target: float = POWER, *, whole: float | None = None
) -> float | None:
    """Smallest relative slow-down that `n` trials find with probability `target`; None for n < 2. whole: as of `power`."""
    _check(sd, alpha)
    if n < 2:
        return None
    low, high = 0.0, sd
    while _power_log(n, sd, high, alpha, whole or alpha) < target:
        low, high = high, high * 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if _power_log(n, sd, middle, alpha, whole or alpha) >= target else (middle, high)
    return math.expm1(high)


def least_sd(sd: float, n: int, confidence: float = 0.95) -> float:
    """Lower limit of the standard deviation of which `n` normal values showed `sd`. Raises `ValueError` for n < 2."""
    if n < 2:
        raise ValueError(f"a spread takes two values, got {n}")
    return sd * math.sqrt((n - 1) / float(special.chdtri(n - 1, 1 - confidence)))


def _check(sd: float, alpha: float) -> None:
    if not (sd > 0 and math.isfinite(sd)):
        raise ValueError(f"the standard deviation between trials must be positive and finite, got {sd}")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1, got {alpha}")
