"""Traced replicates side by side: paired differences per row of a kernel table, with intervals only from six on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from dlprof.stats.location import Floats, finite, signflip_pvalue, t_quantile
from dlprof.stats.multiple import benjamini_hochberg
from dlprof.stats.result import FIXED_ALPHA, MIN_TRIALS


@dataclass(frozen=True, slots=True)
class ReplicateDifference:
    """B − A of one row over k traced replicates, in the unit given. low, high, p are None below six (no evidence)."""

    a: float
    b: float
    delta: float
    low: float | None
    high: float | None
    confidence: float
    p: float | None
    p_signflip: float | None
    replicates: int
    method: str
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReplicateTable:
    """B − A of m rows over k traced replicates; all arrays (m,), in the unit given; NaN = no interval or no evidence.

    q: Benjamini-Hochberg over the rows that could be tested; significant: q ≤ level. The intervals hold row by row at
    `confidence`; only q speaks for the table as a whole, so a row may exclude 0 and still not be significant.
    """

    a: Floats
    b: Floats
    delta: Floats
    low: Floats
    high: Floats
    p: Floats
    q: Floats
    significant: NDArray[np.bool_]
    confidence: float
    level: float
    replicates: int
    tested: int
    untested: int
    method: str
    warnings: tuple[str, ...]


def compare_replicate_rows(
    a: ArrayLike, b: ArrayLike, *, alpha: float = FIXED_ALPHA, level: float = 0.05
) -> ReplicateTable:
    """Every row of a kernel table, A against B.

    a, b: (k, m) total time of row j in replicate i (0 where the row does not occur), replicate i of both sides traced
    next to each other, so that the machine's drift cancels in the pair; surplus replicates of one side are left out and
    counted in a warning. Student t over the paired differences, on the linear scale because a row may be absent (0).
    Fewer than six pairs, a non-finite value or differences that do not vary: no interval, no p. Raises `ValueError`
    when the two do not have the same rows.
    """
    left, right = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[1]:
        raise ValueError(f"expected (replicates, rows) with the same rows, got {left.shape} and {right.shape}")
    k = min(len(left), len(right))
    difference: Floats = right[:k] - left[:k]
    low, high, p = _t_columns(difference, alpha)
    adjusted = benjamini_hochberg(p, level)
    return ReplicateTable(
        a=_column_means(left[:k]),
        b=_column_means(right[:k]),
        delta=_column_means(difference),
        low=low,
        high=high,
        p=p,
        q=adjusted.q,
        significant=adjusted.significant,
        confidence=1 - alpha,
        level=level,
        replicates=k,
        tested=adjusted.tested,
        untested=adjusted.untested,
        method=f"Student t over {k} paired replicates, Benjamini-Hochberg over {adjusted.tested} rows",
        warnings=_warnings(k, abs(len(left) - len(right))),
    )


def compare_replicates(a_values: ArrayLike, b_values: ArrayLike, *, alpha: float = FIXED_ALPHA) -> ReplicateDifference:
    """One row: a_values (k_a,), b_values (k_b,), paired by index; see `compare_replicate_rows`."""
    a, b = finite(a_values), finite(b_values)
    table = compare_replicate_rows(a[:, np.newaxis], b[:, np.newaxis], alpha=alpha)
    p = _known(table.p[0])
    return ReplicateDifference(
        a=float(table.a[0]),
        b=float(table.b[0]),
        delta=float(table.delta[0]),
        low=_known(table.low[0]),
        high=_known(table.high[0]),
        confidence=table.confidence,
        p=p,
        p_signflip=None if p is None else signflip_pvalue(b[: table.replicates] - a[: table.replicates]),
        replicates=table.replicates,
        method=f"Student t over {table.replicates} paired replicates",
        warnings=table.warnings,
    )


def _column_means(values: Floats) -> Floats:
    means: Floats = values.mean(axis=0) if len(values) else np.full(values.shape[1], np.nan)
    return means


def _t_columns(difference: Floats, alpha: float) -> tuple[Floats, Floats, Floats]:
    """Interval ends and p per column of (k, m); NaN where there is no evidence."""
    k, m = difference.shape
    low, high, p = np.full(m, np.nan), np.full(m, np.nan), np.full(m, np.nan)
    if k < MIN_TRIALS:
        return low, high, p
    largest = np.abs(difference).max(axis=0)  # NaN and infinity pass through it and fail both tests below
    usable = np.isfinite(largest)
    usable &= np.ptp(np.where(usable, difference, 0.0), axis=0) > 1e-12 * np.where(usable, largest, 0.0)
    some = difference[:, usable]
    mean, error = some.mean(axis=0), some.std(axis=0, ddof=1) / math.sqrt(k)
    half = t_quantile(1 - alpha / 2, k - 1) * error
    low[usable], high[usable] = mean - half, mean + half
    p[usable] = 2 * special.stdtr(k - 1, -np.abs(mean / error))
    return low, high, p


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _warnings(k: int, unpaired: int) -> tuple[str, ...]:
    found = []
    if k < MIN_TRIALS:
        found.append(f"{k} traced replicate(s) a side: sums without intervals (need ≥ {MIN_TRIALS})")
    if unpaired:
        found.append(f"{unpaired} replicate(s) without a partner on the other side left out")
    return tuple(found)
