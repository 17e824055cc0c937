"""Runs of two sides that have no partners: recorded at other times, each a process of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from dlprof.stats.inference.planning import needed_trials
from dlprof.stats.result import FIXED_ALPHA, MIN_TRIALS, Verdict
from dlprof.stats.sample.allowance import bounds, unmet
from dlprof.stats.sample.location import Floats, finite, varies

METHOD: Final = (
    "both sides' Student intervals over runs put together, log scale, with an allowance for dependence, skew and an "
    "unmet speed"
)
_EXACT: Final = 20_000
"""Ways to divide the runs among two sides that are all looked at; of more, so many are drawn with a fixed seed."""


@dataclass(frozen=True, slots=True)
class Unpaired:
    """Time of B ÷ time of A over runs without partners.

    estimate: ratio of geometric means; low, high: None with fewer than two runs a side
    p: of the permutation test of the difference of means: how many divisions of all runs among two sides of these sizes differ as
        much; None where nothing varies
    more: further runs of each side that would probably decide, when inconclusive; None where that is not known
    """

    estimate: float
    low: float | None
    high: float | None
    confidence: float
    a_runs: int
    b_runs: int
    method: str
    p: float | None
    verdict: Verdict
    margin: float
    more: int | None
    warnings: tuple[str, ...]


def compare_unpaired(a: ArrayLike, b: ArrayLike, *, margin: float = 0.05, alpha: float = FIXED_ALPHA) -> Unpaired:
    """What runs say of B against A. a, b: ln of the time of each run, in the order recorded where that is known; (n,), n ≥ 1.

    The interval is that of two independent means from the interval of each (method of variance estimates recovery; Zou and
    Donner 2008), each Student's with the allowances that trials get (`allowance.bounds`), and no narrower than what a second
    speed that no run met may hide (`allowance.unmet`). A verdict takes six runs a side, and for a difference the
    permutation test below alpha too. Verdicts mean what those of `compare` do.
    """
    x, y = finite(a), finite(b)
    if not x.size or not y.size:
        raise ValueError("a side without a run")
    delta = float(y.mean() - x.mean())
    few = min(x.size, y.size)
    if few < 2 or not (varies(x) and varies(y)):
        why = "one run of a side: no interval" if few < 2 else "no evidence: all runs of a side took the same time"
        return Unpaired(
            math.exp(delta), None, None, 1 - alpha, x.size, y.size, METHOD, None, "inconclusive", margin,
            max(MIN_TRIALS - few, 0) or None, (why,),
        )  # fmt: skip
    low, high = _interval(x, y, alpha)
    p = permutation_pvalue(x, y)
    verdict = _verdict(x, y, (low, high), alpha, margin)
    warnings: tuple[str, ...] = ()
    if verdict in ("faster", "slower", "negligible") and p >= alpha:
        verdict, warnings = "inconclusive", ("the interval shows a difference and the permutation test does not",)
    sd = math.hypot(float(x.std(ddof=1)), float(y.std(ddof=1)))
    more = max(needed_trials(sd, margin, alpha) - few, MIN_TRIALS - few, 1) if verdict == "inconclusive" else None
    return Unpaired(
        math.exp(delta), math.exp(low), math.exp(high), 1 - alpha, x.size, y.size, METHOD, p, verdict, margin, more, warnings
    )  # fmt: skip


def _interval(a: Floats, b: Floats, alpha: float) -> tuple[float, float]:
    delta, least = float(b.mean() - a.mean()), unmet(min(a.size, b.size), alpha)
    (a_low, a_high), (b_low, b_high) = bounds(a, alpha), bounds(b, alpha)
    below = math.hypot(float(b.mean() - b_low), float(a_high - a.mean()))
    above = math.hypot(float(b_high - b.mean()), float(a.mean() - a_low))
    return delta - max(below, least), delta + max(above, least)


def _verdict(a: Floats, b: Floats, ends: tuple[float, float], alpha: float, margin: float) -> Verdict:
    if min(a.size, b.size) < MIN_TRIALS:
        return "inconclusive"
    delta, (low, high) = math.log1p(margin), ends
    if low > 0 or high < 0:
        if -delta < low and high < delta:
            return "negligible"
        return "slower" if low > 0 else "faster"
    low, high = _interval(a, b, 2 * alpha)  # both one-sided tests at level alpha
    return "equivalent" if -delta < low and high < delta else "inconclusive"


def permutation_pvalue(a: Floats, b: Floats, seed: int = 0) -> float:
    """Two-sided p of the permutation test of the difference of means: exact where the divisions are few, else of 20 000 drawn."""
    both = np.concatenate([a, b])
    whole, observed = float(both.sum()), abs(float(a.mean() - b.mean()))
    slack = 1e-12 * float(np.abs(both).sum())
    if math.comb(both.size, a.size) <= _EXACT:
        chosen = np.array(list(combinations(range(both.size), a.size)))
        extra = 0
    else:
        rng = np.random.default_rng(seed)
        chosen = np.argsort(rng.random((_EXACT, both.size)), axis=1)[:, : a.size]
        extra = 1
    sums = both[chosen].sum(axis=1)
    found = np.abs(sums / a.size - (whole - sums) / b.size) >= observed - slack
    return (int(found.sum()) + extra) / (len(chosen) + extra)
