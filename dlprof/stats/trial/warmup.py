"""Where warm-up ends: changepoints of the iteration times, with a floor that no data can undercut."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from dlprof.stats.sample.location import Floats, finite

FLOOR: Final = 8
TOLERANCE: Final = 0.10
_SHORTEST: Final = 4
_PENALTY: Final = 12.0

Shape = Literal["flat", "warm-up", "slow-down", "no steady state", "too short"]


@dataclass(frozen=True, slots=True)
class WarmUp:
    """Where a series of iteration times becomes steady.

    index: first steady iteration, ≥ floor; n where there is none
    shape: flat (one level), warm-up (ends faster than it began), slow-down (ends slower), no steady state (the last level
        is shorter than `_SHORTEST` iterations past the floor) or too short
    segments: starts of the level stretches
    first_call_ratio: first iteration ÷ steady median; None without a steady state
    """

    index: int
    steady: bool
    shape: Shape
    segments: tuple[int, ...]
    first_call_ratio: float | None


def warm_up(durations: ArrayLike, *, floor: int = FLOOR, tolerance: float = TOLERANCE) -> WarmUp:
    """Where the times (n,) of one process's successive iterations become level.

    Log times go through a running median of three (a lone spike is a disturbance, not a level), then optimal
    partitioning into levels (Jackson et al. 2005) under squared error with penalty 12·σ²·ln n per changepoint and at
    least 4 iterations per level; σ as in `_noise`.
    Trailing levels within `tolerance` of the last one count as the same steady state (as Barrett et al. 2017 merge
    equivalent segments). Non-positive or non-finite times raise `ValueError`: a clock that goes back is not warm-up.
    """
    times = finite(durations)
    if times.size and not (np.isfinite(times).all() and (times > 0).all()):
        raise ValueError("iteration times must be positive and finite")
    n = times.size
    if n < max(floor, 1) + _SHORTEST:
        return WarmUp(n, False, "too short", (), None)
    logs = np.log(times)
    starts = _levels(_running_median(logs), _noise(logs))
    bounds = [*starts, n]
    centres = [float(np.median(logs[i:j])) for i, j in itertools.pairwise(bounds)]
    begin = len(centres) - 1
    while begin > 0 and abs(centres[begin - 1] - centres[-1]) <= math.log1p(tolerance):
        begin -= 1
    index = max(starts[begin], floor)
    if n - index < _SHORTEST:
        return WarmUp(n, False, "no steady state", tuple(starts), None)
    shape: Shape = "flat" if begin == 0 else ("warm-up" if centres[begin - 1] > centres[-1] else "slow-down")
    return WarmUp(index, True, shape, tuple(starts), float(times[0] / np.median(times[index:])))


def level_shift(logs: Floats) -> float:
    """Largest difference between two levels of a series of log times (n,); 0.0 where there is one level or n < 8."""
    if logs.size < 2 * _SHORTEST:
        return 0.0
    bounds = [*_levels(_running_median(logs), _noise(logs)), logs.size]
    centres = [float(np.median(logs[i:j])) for i, j in itertools.pairwise(bounds)]
    return max(centres) - min(centres)


def _running_median(x: Floats) -> Floats:
    inner = np.median(np.lib.stride_tricks.sliding_window_view(x, 3), axis=1)
    return np.concatenate((inner[:1], inner, inner[-1:]))


def _levels(x: Floats, scale: float) -> list[int]:
    """Starts of the levels of `x` (n,), exact O(n²) dynamic programme."""
    n = x.size
    if scale == 0:
        return _exact_levels(x)
    penalty = _PENALTY * scale**2 * math.log(n)
    ones, sums, squares = np.arange(n + 1), np.append(0, np.cumsum(x)), np.append(0, np.cumsum(x**2))
    best, previous = np.full(n + 1, np.inf), np.zeros(n + 1, dtype=np.int64)
    best[0] = -penalty
    for end in range(_SHORTEST, n + 1):
        begin = np.arange(0, end - _SHORTEST + 1)
        total = sums[end] - sums[begin]
        cost = squares[end] - squares[begin] - total**2 / (ones[end] - begin)
        value = best[begin] + cost + penalty
        chosen = int(np.argmin(value))
        best[end], previous[end] = value[chosen], chosen
    starts = []
    end = n
    while end > 0:
        end = int(previous[end])
        starts.append(end)
    return starts[::-1]


def _noise(x: Floats) -> float:
    """SD of one value within a level: the larger of two robust estimates, each consistent for normal noise.

    From successive differences (a level shift does not inflate it, positive autocorrelation shrinks it) and from the
    spread of the second half (which should be steady). Of the unsmoothed series: smoothing makes neighbours alike.
    """
    normal = float(special.ndtri(0.75))
    differences = float(np.median(np.abs(np.diff(x)))) / (math.sqrt(2) * normal)
    late = x[x.size // 2 :]
    return max(differences, float(np.median(np.abs(late - np.median(late)))) / normal)


def _exact_levels(x: Floats) -> list[int]:
    """Levels of a series of which half of all steps are exactly zero (a coarse clock): every change is a change."""
    return [0, *(int(i) + 1 for i in np.flatnonzero(np.diff(x) != 0))]
