"""A mean over the steps of one recording, whose neighbours resemble each other: means of blocks of steps, and their interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from dlprof.stats.result import MIN_TRIALS
from dlprof.stats.sample.allowance import bounds
from dlprof.stats.sample.location import finite

MOST_BLOCKS: Final = 20
"""Into which steps are gathered: longer blocks resemble each other less, and twenty are enough for Student's t."""


@dataclass(frozen=True, slots=True)
class OverSteps:
    """Mean of a quantity over the steps of one recording, with its interval.

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
    length = max(-(-x.size // MOST_BLOCKS), 1)
    blocks = x.size // length
    mean = float(x.mean())
    if blocks < MIN_TRIALS:
        return OverSteps(mean, None, None, 1 - alpha, x.size, blocks)
    means = x[: blocks * length].reshape(blocks, length).mean(axis=1)
    low, high = bounds(means, alpha)
    shift = mean - float(means.mean())
    return OverSteps(mean, float(low) + shift, float(high) + shift, 1 - alpha, x.size, blocks)


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
