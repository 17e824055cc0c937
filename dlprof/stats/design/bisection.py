"""Which of many revisions made it slower: where to look next, and how sure that is, after trials at some of them.

Revisions stand in a row, 0 (good) to n (bad). A trial at revision j is one log-ratio of j against 0. One change at k means: all
before k are as fast as 0, and all from k on take e^Δ times as long; Δ and the spread of trials are not known. Up to two changes
are weighed against each other, so that one of two is not taken for the only one. A change too small to be of interest is none
(`least_change`): without that bound trials would go on for whether a second one of a percent is there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from dlprof.stats.sample.location import Floats

Places = NDArray[np.int64]

TWO_CHANGES: Final = 0.2
"""Prior probability of two changes; the places are equally likely beforehand."""

ANOTHER: Final = 0.95
"""The same once a change was found and confirmed that is too small for the difference of the ends."""

LEFT_OVER: Final = 0.05
"""p of `left_over` below which it is looked for another change; the trials then say whether there is one."""

ONE_ALONE: Final = 0.002
"""Probability of a second change of interest below which there is none. .01, a twentieth of `TWO_CHANGES`, took one of two
changes for the only one in up to a tenth of simulated searches, for trials are few and their spread is not known."""

LEAST_TRIALS: Final = 4
"""Trials of the revision that a change came with below which it is not called the only one; comparisons begin with as many."""

TENTH: Final = 0.1
"""Share of the time that the bad end takes more than the good one below which a change is of no interest."""

HALF: Final = 0.5
"""Share of the ends' log-ratio from which a change is of interest also where it is within the margin: of two that make up a
difference that is of interest the larger one always is."""

_LEAST_PRIOR: Final = 1e-12

_LEAST_SD: Final = 1e-4
"""Spread below which trials are taken to be no more exact: a handful of equal ones is no proof."""


@dataclass(frozen=True, slots=True)
class Suspects:
    """What is known after the trials so far.

    first: (n + 1,) probability that the first change of interest came with each revision; sums to 1
    second: (n + 1,) the same of a second one, if there is one; sums to 1
    two: that there are two of interest
    pair: the likeliest places of two changes, of whatever size
    both: that they are these
    tried: (n + 1,) trials of each
    """

    first: Floats
    second: Floats
    two: float
    pair: tuple[int, int]
    both: float
    tried: Places

    def first_known(self, sure: float) -> int | None:
        """What the first change of interest came with, where that is known with probability `sure`; whether there is a second one
        may be open."""
        one = int(np.argmax(self.first))
        return one if self.first[one] >= sure else None

    def found(self, sure: float) -> tuple[int, ...] | None:
        """The revisions that changes came with, one or two, where they are known with probability `sure`, and how many there are
        as well; else None."""
        one = self.first_known(sure)
        if one is not None and self.two <= ONE_ALONE:
            return (one,) if self.tried[one] >= LEAST_TRIALS or self.two == 0 else None
        return self.pair if self.both >= sure else None

    def next_probe(self, testable: Sequence[int], sure: float) -> int:
        """The revision whose trial tells most: that by which the first change (where it is known: the second) has come with a
        probability nearest to one half. testable: revisions that can be run, in order.

        Whether there is a second one after the first is told for all places at once by what came with the first and by the last
        revision, and whether there is one before it by the revision before it: as long as there more likely is none, the one of
        these is tried that tells of the likelier, and has fewer trials.
        """
        one, last = self.first_known(sure), testable[-1]
        if one is not None and self.two < 0.5:
            if self.two <= ONE_ALONE:
                return one
            if self.second[: one + 1].sum() < 0.5:
                return one if self.tried[one] <= self.tried[last] else last
            return testable[max(testable.index(one) - 1, 0)]
        reached = np.cumsum(self.first if one is None else self.second)[np.asarray(testable)]
        return testable[int(np.argmin(np.abs(reached - 0.5)))]


def least_change(ends: Sequence[float], margin: float) -> float:
    """|log-ratio| from which a change is of interest: the margin, or half of the ends' difference where that is less; and at
    least a tenth of the time that the slower end takes more, wherever in the row it came.

    ends: log-ratios of the bad end against the good one; of none nothing is too small. margin: as a fraction, such as .05.
    """
    whole = abs(float(np.mean(ends))) if len(ends) else 0.0
    # A tenth of what is added, as the last change of the row: before any other it is a larger ratio.
    tenth = -math.log1p(TENTH * math.expm1(-whole))
    return max(min(math.log1p(margin), HALF * whole), tenth)


@dataclass(frozen=True, slots=True)
class _Blocks:
    """The places between neighbouring revisions that were tried, which no trial tells apart, and the trials at each one's begin.

    size: (b,) places of each; of the last, behind all trials, often none
    before: (b,) trials that a change in the block leaves as they are
    sums: (b,) of these
    squares: of all trials
    i, j: two blocks, in order, maybe the same
    """

    size: Floats
    before: Floats
    sums: Floats
    squares: float
    i: Places
    j: Places


def _blocks(trials: Mapping[int, Sequence[float]], last: int) -> _Blocks:
    tried = sorted(revision for revision, values in trials.items() if 1 <= revision <= last and len(values))
    ends = np.array([0, *tried, last], dtype=np.int64)
    size = np.diff(ends).astype(np.float64)
    found = [np.asarray(trials.get(int(one), ()), dtype=np.float64) for one in ends[:-1]]
    before: Floats = np.cumsum([float(one.size) for one in found])
    sums: Floats = np.cumsum([float(one.sum()) for one in found])
    i, j = np.triu_indices(size.size)
    return _Blocks(size, before, sums, float(sum(float((one**2).sum()) for one in found)), i, j)


def suspects(
    trials: Mapping[int, Sequence[float]], last: int, *, two: float = TWO_CHANGES, least: float = 0.0
) -> Suspects:
    """The posterior over the places of one or two changes in 1 … last.

    trials: revision → log-ratios against revision 0, each of a fresh pair of processes. two: prior probability of two changes.
    least: |log-ratio| from which a change is of interest. Normal noise of one unknown spread, with the likelihood integrated over
    it (so its tails are Student's); Schwarz's penalty for each unknown ratio.

    What no trial tells apart has one likelihood: the places between two neighbouring revisions that were tried are one block.
    So the cost is by the square of the revisions tried, whatever lies between them.
    """
    blocks = _blocks(trials, last)
    size, i, j, n = blocks.size, blocks.i, blocks.j, float(blocks.before[-1])
    pairs = np.where(i == j, size[i] * (size[i] - 1) / 2, size[i] * size[j])
    each: Places = np.arange(size.size, dtype=np.int64)
    one = _log_weight(blocks.squares - _explained(blocks, each, None), n, 1) - math.log(last)
    rest: Floats = blocks.squares - _explained(blocks, i, j) - _explained(blocks, j, None)
    both = _log_weight(rest, n, 2) - math.log(max(last * (last - 1) / 2, 1.0))
    one, both = one + math.log(max(1 - two, _LEAST_PRIOR)), both + math.log(max(two, _LEAST_PRIOR))
    peak = max(one[size > 0].max(initial=-math.inf), both[pairs > 0].max(initial=-math.inf))
    one, both = np.where(size > 0, np.exp(one - peak), 0.0), np.where(pairs > 0, np.exp(both - peak), 0.0)
    whole = float(one @ size + both @ pairs)
    small_first, small_second = _small(blocks, rest, least)
    of_interest = both * np.clip(1 - small_first - small_second, 0.0, None)
    # Of two changes of which one is too small the other is the only one.
    first = _places(size, i, j, one, both * (1 - small_first))[0] + _places(size, i, j, 0 * one, both * small_first)[1]
    second, two = _places(size, i, j, one, of_interest)[1], float(of_interest @ pairs)
    return Suspects(
        np.append(0.0, first / whole),
        np.append(0.0, second / two if two > 0 else np.arange(last) / max(last * (last - 1) / 2, 1.0)),
        two / whole,
        *_likeliest(size, i, j, both / whole, pairs),
        _tried(trials, last),
    )


def _tried(trials: Mapping[int, Sequence[float]], last: int) -> Places:
    counts = np.zeros(last + 1, dtype=np.int64)
    for revision, values in trials.items():
        counts[revision] = len(values)
    return counts


def _small(blocks: _Blocks, rest: Floats, least: float) -> tuple[Floats, Floats]:
    """Of each pair of blocks the probabilities that the first of two changes there, and the second, is within ±least: by
    Student's t about the differences of means, with the pair's own spread. None where no trial lies between the two."""
    none = np.zeros_like(rest)
    if least <= 0:
        return none, none
    i, j, n = blocks.i, blocks.j, float(blocks.before[-1])
    between, after = blocks.before[j] - blocks.before[i], n - blocks.before[j]
    known = (between > 0) & (after > 0)
    between, after, free = np.where(known, between, 1.0), np.where(known, after, 1.0), max(n - 2, 1.0)
    spread = np.sqrt(np.maximum(rest / free, _LEAST_SD**2))
    mean: Floats = (blocks.sums[j] - blocks.sums[i]) / between
    step: Floats = (blocks.sums[-1] - blocks.sums[j]) / after - mean
    small: list[Floats] = []
    for change, error in ((mean, spread / np.sqrt(between)), (step, spread * np.sqrt(1 / between + 1 / after))):
        within = special.stdtr(free, (least - change) / error) - special.stdtr(free, (-least - change) / error)
        small.append(np.where(known, within, 0.0))
    return small[0], small[1]


def _likeliest(size: Floats, i: Places, j: Places, both: Floats, pairs: Floats) -> tuple[tuple[int, int], float]:
    """The likeliest two places, and their probability."""
    at = int(np.argmax(np.where(pairs > 0, both, -1.0)))
    if pairs[at] <= 0:
        return (0, 0), 0.0
    begin = np.append(0, np.cumsum(size)).astype(np.int64)
    first, second = int(begin[i[at]]) + 1, int(begin[j[at]]) + 1
    return (first, second + int(i[at] == j[at])), float(both[at])


def _places(size: Floats, i: Places, j: Places, one: Floats, both: Floats) -> tuple[Floats, Floats]:
    """Weight of each place as the first (or only) change and as the second, from those of blocks and of pairs of them."""
    weights = np.zeros((size.size, size.size))
    weights[i, j] = both
    within = np.diag(weights)
    later, earlier = weights @ size - within * size, weights.T @ size - within * size
    count = size.astype(np.int64)
    at = np.concatenate([np.arange(each) for each in count]) if count.size else np.zeros(0)
    block = np.repeat(np.arange(size.size), count)
    first: Floats = one[block] + later[block] + within[block] * (size[block] - 1 - at)
    second: Floats = earlier[block] + within[block] * at
    return first, second


@dataclass(frozen=True, slots=True)
class Rest:
    """What the changes that were found leave of the ends' difference: as a log-ratio, with its standard error and Welch's degrees
    of freedom."""

    gap: float
    error: float
    free: float

    def interval(self, confidence: float) -> tuple[float, float]:
        """About `gap`."""
        half = float(special.stdtrit(self.free, (1 + confidence) / 2)) * self.error
        return self.gap - half, self.gap + half


def rest(ends: Sequence[float], explained: Sequence[Sequence[float]]) -> Rest | None:
    """What is left, of log-ratios as `left_over` takes them; None where a single one tells no spread."""
    samples = [np.asarray(one, dtype=np.float64) for one in (ends, *explained)]
    if any(one.size < 2 for one in samples):
        return None
    gap = float(samples[0].mean() - sum(one.mean() for one in samples[1:]))
    errors = [max(float(one.var(ddof=1)), _LEAST_SD**2) / one.size for one in samples]
    free = sum(errors) ** 2 / sum(error**2 / (one.size - 1) for error, one in zip(errors, samples, strict=True))
    return Rest(gap, math.sqrt(sum(errors)), free)


def left_over(ends: Sequence[float], explained: Sequence[Sequence[float]], *, least: float = 0.0) -> float:
    """p of no further change: whether the ends differ by what the changes that were found add up to (Welch's t test); 1 where
    what is left is within ±least with probability 1 − `LEFT_OVER`.

    ends: log-ratios of the bad end against the good one. explained: of each change, those of its revision against the one before.
    """
    left = rest(ends, explained)
    if left is None or special.stdtr(left.free, (abs(left.gap) - least) / left.error) < LEFT_OVER:
        return 1.0
    return float(2 * special.stdtr(left.free, -abs(left.gap) / left.error))


def _explained(blocks: _Blocks, start: Places, end: Places | None) -> Floats:
    """Σx²−Σ(x−mean)² of the trials that a change in block `start` changes and one in block `end` (None: no second) does not: what
    a mean of their own takes away."""
    before, sums = blocks.before, blocks.sums
    last, whole = (before[-1], sums[-1]) if end is None else (before[end], sums[end])
    count, total = last - before[start], whole - sums[start]
    explained: Floats = np.divide(total**2, count, out=np.zeros_like(total), where=count > 0)
    return explained


def _log_weight(rest: Floats, n: float, unknown: int) -> Floats:
    spread = np.maximum(rest / max(n, 1.0), _LEAST_SD**2)
    free = max(n - unknown, 1.0)
    weight: Floats = -0.5 * free * np.log(spread) - 0.5 * unknown * math.log(max(n, 1.0))
    return weight
