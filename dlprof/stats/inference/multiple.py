"""Many tests at once: Benjamini-Hochberg over a table, where a test that could not run is no evidence; all pairs of sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlprof.stats.sample.location import Floats, finite


@dataclass(frozen=True, slots=True)
class Adjusted:
    """p-values adjusted for their number.

    q: (m,) adjusted p-values, NaN where the test could not run
    significant: (m,) q ≤ level, never for NaN
    tested, untested: how many p-values there were and how many were missing
    """

    q: Floats
    significant: NDArray[np.bool_]
    level: float
    tested: int
    untested: int


def benjamini_hochberg(p: ArrayLike, level: float = 0.05) -> Adjusted:
    """Adjusted p-values of `p` (m,) that control the expected share of false discoveries at `level`.

    NaN (or None) marks a test that could not run: it is not counted among the m and never significant. Valid for
    independent tests and for positively dependent ones (Benjamini & Hochberg 1995; Benjamini & Yekutieli 2001), as
    rows measured in the same trials are. Where no row differs, P(any false discovery) ≤ level. Raises `ValueError` for
    a p outside [0, 1].
    """
    values = finite(p)
    ran = np.isfinite(values)
    tested: Floats = values[ran]
    if tested.size and (tested.min() < 0 or tested.max() > 1):
        raise ValueError("p-values must lie between 0 and 1")
    order = np.argsort(tested, kind="stable")[::-1]
    scaled = tested[order] * tested.size / np.arange(tested.size, 0, -1)
    adjusted = np.empty(tested.size)
    adjusted[order] = np.minimum.accumulate(np.minimum(scaled, 1.0))
    q = np.full(values.size, np.nan)
    q[ran] = adjusted
    significant = np.zeros(values.size, dtype=bool)
    significant[ran] = adjusted <= level
    return Adjusted(q, significant, level, int(tested.size), int(values.size - tested.size))


def pair_alpha(alpha: float, sides: int) -> float:
    """The level of each pair's interval, so that the intervals of all pairs of so many sides hold together at `alpha`.

    Šidák's level, alpha itself for two sides. It bounds the largest of the pairs' t statistics from above, each of which has
    its own standard deviation, whatever the sides share in a trial; docs/statistics.md ("More than two sides") says why no
    sharper bound is taken.
    """
    pairs = sides * (sides - 1) // 2
    return alpha if pairs < 2 else 1 - (1 - alpha) ** (1 / pairs)
