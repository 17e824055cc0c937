"""How much wider than Student's an interval over trials is: for neighbours that resemble each other, a tail, a speed not met."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from dlprof.stats.result import MIN_TRIALS
from dlprof.stats.sample.location import Floats, t_quantile

ASSUMED: Final = 0.27
"""Autocorrelation of successive trials that is assumed before the trials say anything; with so few they hardly can."""

PLANNED: Final = 1.42
"""The widening that planning counts on: with independent normal trials the test has the power of a Student test whose bound
is so much wider (benchmarks/simulate.py prints the power found beside the power planned)."""

UNSEEN: Final = math.log(1.2)
"""What a second speed of one side's processes may add that the trials of a first look have not met: half of 1.44."""

SECOND_SPEED: Final = math.log(1.10)
"""How far off the second speed of one side's processes may be that no trial has met, in the intervals of six trials or more."""

UNMET: Final = 0.8
"""Share of a comparison's error level that goes to a second speed that no trial has met."""

_LEARNT: Final = 0.6
_MOST: Final = 0.6
_TAIL: Final = 1.5


def widening(values: Floats) -> tuple[Floats, Floats]:
    """Factors on the lower and the upper half-width of a Student interval of the mean, along the last axis of (…, n).

    Autocorrelation ρ of the values makes their mean vary √((1 + ρ)/(1 − ρ)) times as much as independent values would. ρ
    is taken as .27, moved by .6 of what the sample shows beyond that (its lag-1 coefficient, + 1/n for its bias), within
    0 and .6: a few trials neither prove nor exclude a ρ of .3, so it is allowed for always. From six values on, the side
    of the longer tail gets 1 + 1.5·|skewness|/√n more, for a sample that has not seen the tail puts its mean too far from
    it. The constants come from benchmarks/simulate.py: the least that keeps every world there below 5 %.
    """
    centred = values - values.mean(axis=-1, keepdims=True)
    lag = (centred[..., 1:] * centred[..., :-1]).sum(axis=-1)
    return factors(values.shape[-1], (centred**2).sum(axis=-1), lag, (centred**3).sum(axis=-1))


def neighbours(values: Floats) -> Floats:
    """The part of `widening` that is for autocorrelation alone, along the last axis of (…, n)."""
    centred = values - values.mean(axis=-1, keepdims=True)
    return _correlated(values.shape[-1], (centred**2).sum(axis=-1), (centred[..., 1:] * centred[..., :-1]).sum(axis=-1))


def _correlated(n: int, squares: Floats, lag: Floats) -> Floats:
    r = np.divide(lag, squares, out=np.zeros_like(squares), where=squares > 0)
    rho = np.clip(ASSUMED + _LEARNT * (r + 1 / n), 0.0, _MOST)
    both: Floats = np.sqrt((1 + rho) / (1 - rho))
    return both


def factors(n: int, squares: Floats, lag: Floats, cubes: Floats) -> tuple[Floats, Floats]:
    """`widening` from the sums, over n values less their mean, of squares, of products of neighbours and of cubes."""
    both = _correlated(n, squares, lag)
    if n < MIN_TRIALS:
        return both, both
    skew = np.divide(cubes / n, (squares / n) ** 1.5, out=np.zeros_like(squares), where=squares > 0)
    tail = _TAIL * skew / math.sqrt(n)
    return both * (1 + np.maximum(-tail, 0)), both * (1 + np.maximum(tail, 0))


def unmet(n: int, whole: float) -> float:
    """What the mean of n trials may be off at most because no trial met the second speed of one side: a least half-width.

    A speed `SECOND_SPEED` off that a share q of the processes has moves the mean over all processes by q times that, and is
    met by none of n trials with probability (1 − q)ⁿ. Larger shares than the one for which that is `UNMET`·whole are not
    allowed for. whole: error level of the comparison, all looks together, since what no trial has met at a look was not met
    at the looks before either.
    """
    return float(SECOND_SPEED * (1 - (UNMET * whole) ** (1 / n)))


def unmet_pvalue(mean: Floats, n: int, level: float, whole: float) -> Floats:
    """p of the hypothesis that such a speed is all that there is: below `level` where |mean| is beyond `unmet`."""
    share = np.minimum(np.abs(mean) / SECOND_SPEED, 1.0)
    found: Floats = np.minimum((1 - share) ** n / UNMET * (level / whole), 1.0)
    return found


def bounds(values: Floats, alpha: float, least: float = 0.0) -> tuple[Floats, Floats]:
    """Two-sided (1 − alpha) interval of the mean along the last axis of (…, n), n ≥ 2: Student's, widened, each half of it
    no narrower than `least` (`unmet`, of log-ratios of trials)."""
    n = values.shape[-1]
    mean, error = values.mean(axis=-1), values.std(axis=-1, ddof=1) / math.sqrt(n)
    half = t_quantile(1 - alpha / 2, n - 1) * error
    low, high = widening(values)
    return mean - np.maximum(half * low, least), mean + np.maximum(half * high, least)


def first_look(low: Floats, high: Floats, delta: float) -> tuple[Floats, Floats]:
    """The interval of fewer than six trials at a look: `UNSEEN` wider on both sides, but not into the margin ±delta where it
    lay beyond it.

    Four trials of one side in two equally frequent speeds are all at the same speed in one case of eight, and then say
    nothing of the other: the mean over processes would lie outside in those.
    """
    wider_low = np.where(low > delta, np.maximum(low - UNSEEN, delta), low - UNSEEN)
    wider_high = np.where(high < -delta, np.minimum(high + UNSEEN, -delta), high + UNSEEN)
    return wider_low, wider_high
