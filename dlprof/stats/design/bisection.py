"""Which of many revisions made it slower: where to look next, and how sure that is, after trials at some of them.

Revisions stand in a row, 0 (good) to n (bad). A trial at revision j is one log-ratio of j against 0. One change at k means: all
before k are as fast as 0, and all from k on take e^Δ times as long; Δ and the spread of trials are not known. Up to two changes
are weighed against each other, so that one of two is not taken for the only one.
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

ONE_ALONE: Final = 0.01
"""Probability of a second change below which there is none."""

UNLIKELY: Final = TWO_CHANGES / 2
PATIENCE: Final = 12
"""After so many trials that were made for its sake a second change is given up where it has become less likely than that: in a
row of a few releases no number of trials brings it below `ONE_ALONE`."""

_LEAST_PRIOR: Final = 1e-12

_LEAST_SD: Final = 1e-4
"""Spread below which trials are taken to be no more exact: a handful of equal ones is no proof."""


@dataclass(frozen=True, slots=True)
class Suspects:
    """What is known after the trials so far.

    first: (n + 1,) probability that the first change came with each revision; sums to 1
    second: (n + 1,) the same of a second change, if there is one; sums to 1
    two: that there are two changes
    """

    first: Floats
    second: Floats
    two: float

    def found(self, sure: float, *, sought: int = 0) -> tuple[int, ...] | None:
        """The revisions that changes came with, one or two, where each is known with probability `sure`, and how many there are
        as well; else None. sought: trials that were made since the first was known, to find a second."""
        one, other = int(np.argmax(self.first)), int(np.argmax(self.second))
        if self.first[one] < sure:
            return None
        if self.two <= (ONE_ALONE if sought < PATIENCE else UNLIKELY):
            return (one,)
        return (one, other) if self.two >= sure and self.second[other] >= sure else None

    def next_probe(self, testable: Sequence[int], sure: float) -> int:
        """The revision whose trial tells most: that by which the first change (where it is known: the second) has come with a
        probability nearest to one half. testable: revisions that can be run, in order."""
        sought = self.first if self.first.max() < sure else self.second
        reached = np.cumsum(sought)[np.asarray(testable)]
        return testable[int(np.argmin(np.abs(reached - 0.5)))]


def suspects(trials: Mapping[int, Sequence[float]], last: int, *, two: float = TWO_CHANGES) -> Suspects:
    """The posterior over the places of one or two changes in 1 … last.

    trials: revision → log-ratios against revision 0, each of a fresh pair of processes. two: prior probability of two changes.
    Normal noise of one unknown spread, with the likelihood integrated over it (so its tails are Student's); Schwarz's penalty for
    each unknown ratio.

    What no trial tells apart has one likelihood: the places between two neighbouring revisions that were tried are one block.
    So the cost is by the square of the revisions tried, whatever lies between them.
    """
    tried = sorted(revision for revision, values in trials.items() if 1 <= revision <= last and len(values))
    ends = np.array([0, *tried, last], dtype=np.int64)
    size = np.diff(ends).astype(np.float64)  # places of each block; of the last, behind all trials, often none
    found = [np.asarray(trials.get(int(one), ()), dtype=np.float64) for one in ends[:-1]]
    before = np.cumsum([0.0, *(float(one.size) for one in found)])[
        1:
    ]  # trials that a change in the block leaves as they are
    sums = np.cumsum([0.0, *(float(one.sum()) for one in found)])[1:]
    squares, n = float(sum(float((one**2).sum()) for one in found)), float(before[-1])
    blocks: Places = np.arange(size.size, dtype=np.int64)
    i, j = np.triu_indices(size.size)
    pairs = np.where(i == j, size[i] * (size[i] - 1) / 2, size[i] * size[j])
    one = _log_weight(squares - _explained(sums, before, blocks, None), n, 1) - math.log(last)
    rest: Floats = squares - _explained(sums, before, i, j) - _explained(sums, before, j, None)
    both = _log_weight(rest, n, 2) - math.log(max(last * (last - 1) / 2, 1.0))
    one, both = one + math.log(max(1 - two, _LEAST_PRIOR)), both + math.log(max(two, _LEAST_PRIOR))
    peak = max(one[size > 0].max(initial=-math.inf), both[pairs > 0].max(initial=-math.inf))
    one, both = np.where(size > 0, np.exp(one - peak), 0.0), np.where(pairs > 0, np.exp(both - peak), 0.0)
    whole, of_two = float(one @ size + both @ pairs), float(both @ pairs)
    of_first, of_second = _places(size, one, both, i, j)
    if of_two > 0:
        second: Floats = of_second / of_two
    else:
        second = np.arange(last, dtype=np.float64) / max(last * (last - 1) / 2, 1.0)
    return Suspects(np.append(0.0, of_first / whole), np.append(0.0, second), of_two / whole)


def _places(size: Floats, one: Floats, both: Floats, i: Places, j: Places) -> tuple[Floats, Floats]:
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


def left_over(ends: Sequence[float], explained: Sequence[Sequence[float]]) -> float:
    """p of no further change: whether the ends differ by what the changes that were found add up to (Welch's t test).

    ends: log-ratios of the bad end against the good one. explained: of each change, those of its revision against the one before.
    """
    samples = [np.asarray(one, dtype=np.float64) for one in (ends, *explained)]
    if any(one.size < 2 for one in samples):
        return 1.0
    gap = float(samples[0].mean() - sum(one.mean() for one in samples[1:]))
    errors = [max(float(one.var(ddof=1)), _LEAST_SD**2) / one.size for one in samples]
    free = sum(errors) ** 2 / sum(error**2 / (one.size - 1) for error, one in zip(errors, samples, strict=True))
    return float(2 * special.stdtr(free, -abs(gap) / math.sqrt(sum(errors))))


def _explained(sums: Floats, before: Floats, start: Places, end: Places | None) -> Floats:
    """Σx²−Σ(x−mean)² of the trials that a change in block `start` changes and one in block `end` (None: no second) does not: what
    a mean of their own takes away."""
    last, whole = (before[-1], sums[-1]) if end is None else (before[end], sums[end])
    count, total = last - before[start], whole - sums[start]
    explained: Floats = np.divide(total**2, count, out=np.zeros_like(total), where=count > 0)
    return explained


def _log_weight(rest: Floats, n: float, unknown: int) -> Floats:
    spread = np.maximum(rest / max(n, 1.0), _LEAST_SD**2)
    free = max(n - unknown, 1.0)
    weight: Floats = -0.5 * free * np.log(spread) - 0.5 * unknown * math.log(max(n, 1.0))
    return weight
