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

from dlprof.stats.sample.location import Floats

Places = NDArray[np.int64]

TWO_CHANGES: Final = 0.2
"""Prior probability of two changes; the places are equally likely beforehand."""

ONE_ALONE: Final = 0.01
"""Probability of a second change below which there is none."""

UNLIKELY: Final = TWO_CHANGES / 2
PATIENCE: Final = 12
"""After so many trials that were made for its sake a second change is given up where it has become less likely than that: in a
row of a few releases no number of trials brings it below `ONE_ALONE`."""

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


def suspects(trials: Mapping[int, Sequence[float]], last: int) -> Suspects:
    """The posterior over the places of one or two changes in 1 … last.

    trials: revision → log-ratios against revision 0, each of a fresh pair of processes. Normal noise of one unknown spread,
    with the likelihood integrated over it (so its tails are Student's); Schwarz's penalty for each unknown ratio.
    """
    count, total, squares = np.zeros(last + 1), np.zeros(last + 1), 0.0
    for revision, values in trials.items():
        count[revision] += len(values)
        total[revision] += float(np.sum(values))
        squares += float(np.sum(np.square(values)))
    before, sums = np.concatenate(([0.0], np.cumsum(count))), np.concatenate(([0.0], np.cumsum(total)))
    n = float(before[-1])
    places: Places = np.arange(1, last + 1, dtype=np.int64)
    one = _log_weight(squares - _explained(sums, before, places, last + 1), n, 1) - math.log(last)
    one += math.log(1 - TWO_CHANGES)
    i, j = np.triu_indices(last, 1)
    first, second = places[i], places[j]
    rest: Floats = squares - _explained(sums, before, first, second) - _explained(sums, before, second, last + 1)
    two = _log_weight(rest, n, 2) - math.log(max(len(first), 1)) + math.log(TWO_CHANGES)
    peak = max(one.max(initial=-math.inf), two.max(initial=-math.inf))
    one, two = np.exp(one - peak), np.exp(two - peak)
    whole = one.sum() + two.sum()
    of_first, of_second = np.zeros(last + 1), np.zeros(last + 1)
    of_first[1:] = one / whole
    np.add.at(of_first, first, two / whole)
    np.add.at(of_second, second, two / two.sum() if two.sum() > 0 else 1 / max(len(two), 1))
    return Suspects(of_first, of_second, float(two.sum() / whole))


def _explained(sums: Floats, before: Floats, start: Places, end: Places | int) -> Floats:
    """Σx²−Σ(x−mean)² of the trials at revisions start … end − 1: what a mean of their own takes away."""
    count = before[end] - before[start]
    total = sums[end] - sums[start]
    explained: Floats = np.divide(total**2, count, out=np.zeros_like(total), where=count > 0)
    return explained


def _log_weight(rest: Floats, n: float, unknown: int) -> Floats:
    spread = np.maximum(rest / max(n, 1.0), _LEAST_SD**2)
    free = max(n - unknown, 1.0)
    weight: Floats = -0.5 * free * np.log(spread) - 0.5 * unknown * math.log(max(n, 1.0))
    return weight
