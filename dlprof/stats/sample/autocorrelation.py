"""Whether successive values resemble each other: the autocorrelation at lag one, and its permutation test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from dlprof.stats.sample.location import Floats, finite, varies

_PERMUTATIONS: Final = 2000
_FEWEST: Final = 8


@dataclass(frozen=True, slots=True)
class Autocorrelation:
    """Lag-1 autocorrelation r of n values and its two-sided permutation p; None where n < 8 or nothing varies."""

    r: float | None
    p: float | None
    n: int


def autocorrelation(values: ArrayLike, seed: int = 0) -> Autocorrelation:
    """Lag-1 autocorrelation of `values` (n,) in the order measured, tested against 2000 seeded reorderings.

    Exchangeable values (the assumption of the interval over trials) have every order equally likely, so the permutation
    test is valid without normality. It finds only strong dependence in the dozens of trials that a comparison has.
    """
    x = finite(values)
    if x.size < _FEWEST or not np.isfinite(x).all() or not varies(x):
        return Autocorrelation(None, None, x.size)
    centred = x - x.mean()
    r = _lag1(centred)
    shuffled = np.random.default_rng(seed).permuted(np.tile(centred, (_PERMUTATIONS, 1)), axis=1)
    null = _lag1(shuffled)
    middle = float(np.mean(null))  # −1/n, not 0
    hits = int((np.abs(null - middle) >= abs(float(r) - middle) - 1e-12).sum())
    return Autocorrelation(float(r), (hits + 1) / (_PERMUTATIONS + 1), x.size)


def _lag1(centred: Floats) -> Floats:
    products: Floats = (centred[..., 1:] * centred[..., :-1]).sum(axis=-1) / (centred**2).sum(axis=-1)
    return products
