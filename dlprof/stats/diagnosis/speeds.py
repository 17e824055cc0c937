"""Two speeds: whether one side's processes fall into a fast and a slow group, with nothing between."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlprof.names import SIDES, SideLetter
from dlprof.stats.result import MIN_TRIALS
from dlprof.stats.sample.location import Floats, finite

APART: Final = math.log(1.10)
"""Two speeds closer than this are not worth a word."""

_LIMITS: Final = ((6, 67.0), (8, 34.0), (10, 22.5), (14, 14.5), (20, 9.8), (30, 7.9))
"""Trials, and how many times less the values must scatter around two levels than around one. Without two speeds
seven samples in a thousand reach it in the worst of uniform, normal, exponential and lognormal noise (benchmarks/simulate.py)."""

_SHARED: Final = 0.4


@dataclass(frozen=True, slots=True)
class Speeds:
    """One side's processes in two speeds. side: a | b. fast_ns, slow_ns: median over the trials of each group; fast, slow: which
    trials (0-based)."""

    side: SideLetter
    fast_ns: float
    slow_ns: float
    fast: tuple[int, ...]
    slow: tuple[int, ...]


def two_speeds(a_ns: ArrayLike, b_ns: ArrayLike) -> tuple[Speeds, ...]:
    """Sides in two speeds, from the time of a unit of work of both sides in each trial (n,), in the order run; n ≥ 6.

    The log times of a side, and its log-ratio to the other side (in which the machine's own changes cancel), are each split
    where the two parts scatter least around their means, each part of two trials and an eighth of them at least. Named is a
    side whose split leaves so little scatter as `_LIMITS` asks, whose speeds are 10 % apart, and whose other side does not
    change along (that would be the machine) by more than .4 of it. Where all trials of one speed came before all of the other
    something changed once; that is no property of processes, and is not named.
    """
    logs = _logs(a_ns, b_ns)
    if logs is None:
        return ()
    numbers, a, b = logs
    found: list[Speeds] = []
    sides = zip(SIDES, (a, b), (b, a), strict=True)
    for side, own, other in sides:
        for slow in _splits(own, own - other):
            apart, along = (float(x[slow].mean() - x[~slow].mean()) for x in (own, other))
            if apart >= APART and abs(along) <= _SHARED * apart and not _changed_once(slow):
                fast_ns, slow_ns = (math.exp(float(np.median(own[part]))) for part in (~slow, slow))
                groups = (tuple(int(n) for n in numbers[part]) for part in (~slow, slow))
                found.append(Speeds(side, fast_ns, slow_ns, *groups))
                break
    return tuple(found)


def _logs(a_ns: ArrayLike, b_ns: ArrayLike) -> tuple[NDArray[np.intp], Floats, Floats] | None:
    """Which trials have a time on both sides, and the logs of those; None below six."""
    a, b = finite(a_ns), finite(b_ns)
    usable = np.isfinite(a) & np.isfinite(b) & (a > 0) & (b > 0)
    numbers = np.flatnonzero(usable)
    if numbers.size < MIN_TRIALS:
        return None
    return numbers, np.log(a[usable]), np.log(b[usable])


def _splits(*series: Floats) -> Iterator[NDArray[np.bool_]]:
    """Of each series that has two levels, which values are of the upper one."""
    for x in series:
        n, order = x.size, np.argsort(x)
        k, ratio = best_split(x[order][np.newaxis])
        if ratio[0] >= limit(n):
            upper = np.zeros(n, dtype=bool)
            upper[order[int(k[0]) :]] = True
            yield upper


def best_split(ordered: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Of each row of (m, n), ascending: the number of values in the lower part for which squares around the two means are least,
    and squares around one mean ÷ those around two."""
    x = ordered - ordered.mean(axis=1, keepdims=True)
    m, n = x.shape
    least = max(2, math.ceil(n / 8))
    sums = np.cumsum(x, axis=1)
    whole = (x**2).sum(axis=1)
    sizes = np.arange(least, n - least + 1)
    lower = sums[:, sizes - 1]
    between = lower**2 / sizes + lower**2 / (n - sizes)  # all values sum to 0
    best = np.argmax(between, axis=1)
    left = np.maximum(whole - between[np.arange(m), best], 1e-12 * whole)
    return sizes[best], np.divide(whole, left, out=np.ones(m), where=left > 0)


def limit(n: int) -> float:
    """`_LIMITS` at n trials, between its rows by powers."""
    trials, values = (np.log([row[at] for row in _LIMITS]) for at in (0, 1))
    return math.exp(float(np.interp(math.log(n), trials, values)))


def _changed_once(slow: NDArray[np.bool_]) -> bool:
    return int((slow[1:] != slow[:-1]).sum()) == 1
