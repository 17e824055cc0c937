"""Where a series of log-ratios, one a revision, changes its level: permutation tests, whose false alarms are controlled.

Where revisions are independent measurements and nothing changes, any order of them is as likely as any other. The test statistic
is the largest standardised rank sum over all places (Pettitt 1979, with the variance of each place); its p comes from shuffled
series. Ranks, since one revision that was measured on a bad day is no change. Where neighbours resemble each other (the machine
stays in one state for some revisions) rank sums vary more than in shuffled series: they are divided by how much more, as the
series itself tells it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from dlprof.stats.sample.location import Floats, finite

CHANGE_LEVEL: Final = 0.002
"""p from which a change is told. A history is read after every revision, and each reading may err anew: at this level fewer than
one in twenty histories of 100 revisions without a change tells one at any of its readings (benchmarks/simulate_history.py)."""

SHORTEST: Final = 3
"""Revisions on each side of a change at least: what one or two show, a bad day shows too."""

_CONFIDENCE: Final = 0.95
_MOST: Final = 3999
"""Shuffled series at most."""

_ENOUGH: Final = 20
"""So many of them at least as extreme as the series itself, and p is known well enough (Besag & Clifford 1991)."""

_AT_ONCE: Final = 100

_MOST_ALIKE: Final = 0.9


@dataclass(frozen=True, slots=True)
class Change:
    """A change of level.

    at: position of the first value after it
    p: of no change in the stretch that it divides
    ratio: level after ÷ level before (means of the logarithms), with low and high, the 95 % interval of Welch's t. The place was
        chosen where the difference looks largest, so the interval is a little too sure
    """

    at: int
    p: float
    ratio: float
    low: float
    high: float


def level_changes(values: ArrayLike, *, level: float = CHANGE_LEVEL, seed: int = 0) -> tuple[Change, ...]:
    """The changes of level in a series, in its order; the same series always gives the same answer.

    values: (n,) logarithms, one a revision, oldest first. The stretch before a change and the one after it are searched in turn:
    only where a change was found, so that a series without any errs no oftener. Raises `ValueError` for values that are not
    finite.
    """
    given = finite(values)
    if not np.isfinite(given).all():
        raise ValueError("a history of values that are not finite")
    generator = np.random.default_rng((seed, given.size))
    places = _found(given, level, 1.0, generator)
    if places:
        places = _found(given, level, _spread_by_likeness(given, [at for at, _ in places]), generator)
    ends = [0, *(at for at, _ in places), given.size]
    return tuple(
        _change(given[ends[k] : ends[k + 1]], given[ends[k + 1] : ends[k + 2]], at, p)
        for k, (at, p) in enumerate(places)
    )


def _found(values: Floats, level: float, spread: float, generator: np.random.Generator) -> list[tuple[int, float]]:
    """(place, p) of each change, in their order; `spread` as `_spread_by_likeness` has it."""
    if values.size < 2 * SHORTEST:
        return []
    ranks = _ranks(values)
    seen = _statistics(ranks[None, :])[0]
    at = int(np.argmax(seen)) + SHORTEST
    p = _p(ranks, float(seen.max()) / spread, generator)
    if p > level:
        return []
    after = [(at + place, chance) for place, chance in _found(values[at:], level, spread, generator)]
    return [*_found(values[:at], level, spread, generator), (at, p), *after]


def _ranks(values: Floats) -> Floats:
    """From 1; equal values share the mean of their ranks."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Floats = (last - (counts - 1) / 2)[which]
    return ranks


def _statistics(ranks: Floats) -> Floats:
    """(m, n) series of ranks → (m, places) standardised distance of the rank sum before each place from its mean."""
    n = ranks.shape[1]
    before = np.arange(SHORTEST, n - SHORTEST + 1)
    sums = np.cumsum(ranks, axis=1)[:, before - 1]
    scale = np.sqrt(before * (n - before) * (n + 1) / 12)
    statistics: Floats = np.abs(sums - before * (n + 1) / 2) / scale
    return statistics


def _spread_by_likeness(values: Floats, places: Sequence[int]) -> float:
    """How many times as much sums over this series vary as those over independent values, at least 1: √((1 + r) ÷ (1 − r)).

    r is the correlation of neighbours' ranks (an autoregression of first order) in the stretches between these places, each about
    its mean. The estimate is too low in short series, the more so as places are chosen where they explain most: by about
    (1 + 4 × places) ÷ n, which is added.
    """
    ranks = _ranks(values)
    rest = np.concatenate([stretch - stretch.mean() for stretch in np.split(ranks, places)])
    squares = float(rest @ rest)
    if squares == 0:
        return 1.0
    r = float(rest[1:] @ rest[:-1]) / squares + (1 + 4 * len(places)) / ranks.size
    r = min(max(r, 0.0), _MOST_ALIKE)
    return math.sqrt((1 + r) / (1 - r))


def _p(ranks: Floats, seen: float, generator: np.random.Generator) -> float:
    """Share of shuffled series that are as extreme. It stops as soon as enough are, so that no change costs little."""
    as_extreme, made = 0, 0
    while made < _MOST:
        count = min(_AT_ONCE, _MOST - made)
        shuffled = generator.permuted(np.broadcast_to(ranks, (count, ranks.size)), axis=1)
        hits = _statistics(shuffled).max(axis=1) >= seen - 1e-9
        if as_extreme + int(hits.sum()) >= _ENOUGH:
            return _ENOUGH / (made + int(np.flatnonzero(np.cumsum(hits) + as_extreme >= _ENOUGH)[0]) + 1)
        as_extreme, made = as_extreme + int(hits.sum()), made + count
    return (as_extreme + 1) / (made + 1)


def _change(before: Floats, after: Floats, at: int, p: float) -> Change:
    shift = float(after.mean() - before.mean())
    errors = [float(one.var(ddof=1)) / one.size for one in (before, after)]
    whole = sum(errors)
    if whole == 0:
        return Change(at, p, math.exp(shift), math.exp(shift), math.exp(shift))
    free = whole**2 / sum(error**2 / (one.size - 1) for error, one in zip(errors, (before, after), strict=True))
    half = float(special.stdtrit(free, (1 + _CONFIDENCE) / 2)) * math.sqrt(whole)
    return Change(at, p, math.exp(shift), math.exp(shift - half), math.exp(shift + half))
