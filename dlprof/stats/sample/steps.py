"""A mean over the steps of one recording, whose neighbours resemble each other: means of blocks of steps, and their interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from dlprof.stats.result import MIN_TRIALS
from dlprof.stats.sample.allowance import bounds, neighbours
from dlprof.stats.sample.location import Floats, finite, t_quantile

MOST_BLOCKS: Final = 20
"""Into which steps are gathered: longer blocks resemble each other less, and twenty are enough for Student's t."""

TRIMMED: Final = 0.2
"""Share of the blocks that `typical` leaves out at each end (Tukey and McLaughlin 1963)."""


@dataclass(frozen=True, slots=True)
class OverSteps:
    """Mean of a quantity over the steps of one recording (`over_steps`), or its trimmed mean (`typical`), with its interval.

    low, high: None with fewer than six steps
    confidence: of the interval
    blocks: of neighbouring steps, whose means the interval is made of
    """

    mean: float
    low: float | None
    high: float | None
    confidence: float
    steps: int
    blocks: int


def over_steps(values: ArrayLike, alpha: float) -> OverSteps:
    """The mean of `values` (n,), one a step in order of time, n ≥ 1, and its two-sided (1 − alpha) interval.

    Steps of one process are no independent draws: what slows one (a throttled clock, another's job) slows the next. They are
    gathered into at most MOST_BLOCKS blocks of equal length, whose means are taken as `allowance.bounds` takes trials: Student's
    interval, wider for the autocorrelation that it assumes and finds. Steps that fill no block are at the end and count in
    the mean alone. It is an interval over the steps of this recording: another start of the job is another draw, of which
    it says nothing.
    """
    x = finite(values)
    means = _blocks(x)
    mean = float(x.mean())
    if means.size < MIN_TRIALS:
        return OverSteps(mean, None, None, 1 - alpha, x.size, means.size)
    low, high = bounds(means, alpha)
    shift = mean - float(means.mean())
    return OverSteps(mean, float(low) + shift, float(high) + shift, 1 - alpha, x.size, means.size)


def typical(values: ArrayLike, alpha: float) -> OverSteps:
    """`values` (n,) in a typical step: the mean of their blocks without the TRIMMED share at each end, and its interval.

    A step in which the machine did something else moves the mean, and widens its interval until it says nothing. Here such a
    step, if there are few, has the weight of the next one: Tukey and McLaughlin's interval of the trimmed mean, from the
    deviation of the winsorised blocks, with Student's t of the h − 1 degrees of those h that are left, widened for the
    autocorrelation that `allowance` assumes and finds. No interval with fewer than six steps.
    """
    x = finite(values)
    means = _blocks(x)
    out = int(TRIMMED * means.size)
    ordered = np.sort(means)
    mean = float(ordered[out : means.size - out].mean())
    if means.size < MIN_TRIALS:
        return OverSteps(mean, None, None, 1 - alpha, x.size, means.size)
    kept = np.clip(means, ordered[out], ordered[means.size - out - 1])
    left = means.size - 2 * out
    error = float(kept.std(ddof=1)) * math.sqrt((means.size - 1) / (left * (left - 1)))
    half = t_quantile(1 - alpha / 2, left - 1) * error * float(neighbours(kept))
    return OverSteps(mean, mean - half, mean + half, 1 - alpha, x.size, means.size)


def _blocks(x: Floats) -> Floats:
    """Means of blocks of neighbouring steps, at most MOST_BLOCKS; what fills no block at the end is in none."""
    length = max(-(-x.size // MOST_BLOCKS), 1)
    blocks = x.size // length
    found: Floats = x[: blocks * length].reshape(blocks, length).mean(axis=1)
    return found


def confident(alpha: float, places: int) -> float:
    """The error level of each of several places' intervals, so that all of them hold together (Bonferroni)."""
    return alpha / max(places, 1)


def median_of_others(
    values: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """For each of (places, n) the median of the other places' values; of one place alone, its own."""
    places = values.shape[0]
    if places < 2:
        return values.copy()
    order = np.argsort(values, axis=0, kind="stable")
    ordered = np.take_along_axis(values, order, axis=0)
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.broadcast_to(np.arange(places)[:, None], order.shape), axis=0)
    middle = [(places - 2) // 2, (places - 1) // 2]  # of the others, in their order
    found = [np.take_along_axis(ordered, at + (rank <= at), axis=0) for at in middle]
    return (found[0] + found[1]) / 2


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean of B less mean of A, with its interval where both have one."""

    value: float
    low: float | None
    high: float | None


def difference(a: OverSteps, b: OverSteps) -> Difference:
    """B less A, of two recordings or other samples that have nothing in common: the interval that both intervals give (the
    method of variance estimates recovery; Zou and Donner, Stat. Med. 27, 2008), at the confidence that each of them has."""
    value = b.mean - a.mean
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return Difference(value, None, None)
    low = value - math.hypot(b.mean - b.low, a.high - a.mean)
    return Difference(value, low, value + math.hypot(b.high - b.mean, a.mean - a.low))
