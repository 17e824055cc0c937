"""When to stop: the looks of an adaptive comparison and the decision at each, of one comparison and of many at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlprof.stats.inference.multiple import pair_alpha
from dlprof.stats.inference.verdict import compare
from dlprof.stats.result import AGREE_ALPHA, FIRST_LOOK, FIXED_ALPHA, LARGE, MIN_TRIALS, Result, Verdict, look_alpha
from dlprof.stats.sample.allowance import factors, first_look, unmet
from dlprof.stats.sample.location import Floats, finite, signflip_pvalue, t_quantile
from dlprof.units import format_share

VERDICTS: Final[tuple[Verdict, ...]] = ("inconclusive", "equivalent", "negligible", "faster", "slower")
"""What the codes of `stop_each` stand for."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether to stop now, why, the comparison so far at the look's level, and the trial count of the next look."""

    stop: bool
    why: str
    result: Result
    next_look: int | None


def look_schedule(step: int = 2, last: int = 30) -> tuple[int, ...]:
    """Trial counts at which the data may be looked at: 4, 6, 8, …, 30. Raises `ValueError` on a bad one."""
    if step < 1 or last < MIN_TRIALS:
        raise ValueError(f"looks need step ≥ 1 and a last one at ≥ {MIN_TRIALS}, got {step}, {last}")
    looks = list(range(FIRST_LOOK, last + 1, step))
    return tuple(looks if looks[-1] == last else [*looks, last])


def decide(
    log_ratios: ArrayLike,
    looks: Sequence[int] | None = None,
    *,
    precision: float | None = None,
    margin: float = 0.05,
    sides: int = 2,
) -> Decision:
    """Whether the trials so far (n,) are enough.

    Stops only at a look, so that the error over all looks stays as simulated (benchmarks/simulate.py): at a verdict, or,
    with `precision`, as soon as six trials or more have an interval whose half-width is at most that fraction, and not
    before; at the last look in any case. The interval is that of the look's own level (`look_alpha`), because a 95 %
    interval after stopping covers less. sides: as of `compare`.
    """
    schedule = tuple(looks) if looks is not None else look_schedule()
    n = finite(log_ratios).size
    result = compare(log_ratios, margin=margin, adaptive=True, sides=sides)
    following = next((look for look in schedule if look > n), None)
    if n >= schedule[-1]:
        return Decision(True, f"{n} trials: the last look", result, None)
    if n not in schedule:
        return Decision(False, f"{n} trials: the next look is at {following}", result, following)
    if precision is not None:
        width = half_width(result)
        if width is not None and width <= precision and n >= MIN_TRIALS:
            return Decision(
                True,
                f"the interval is ±{format_share(width, 1)}, asked for ±{format_share(precision, 1)}",
                result,
                following,
            )
        so_far = "no interval" if width is None else f"±{format_share(width, 1)}"
        return Decision(False, f"{so_far} after {n} trials, asked for ±{format_share(precision, 1)}", result, following)
    if result.verdict != "inconclusive":
        return Decision(True, f"{result.verdict} after {n} trials", result, following)
    return Decision(False, f"inconclusive after {n} trials", result, following)


def half_width(result: Result) -> float | None:
    """Half of the interval's width as a relative change, √(high/low) − 1; None without an interval."""
    if result.low is None or result.high is None or result.low <= 0:
        return None
    return math.sqrt(result.high / result.low) - 1


def stop_each(
    draws: Floats,
    looks: Sequence[int],
    alpha: float | None,
    delta: float,
    precision: float | None = None,
    truth: ArrayLike = 0.0,
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
    """Where each row of `draws` (runs, last look) stops; delta: ln(1 + margin); truth: the true log-ratio, or (runs,
    last look) of the first n trials in column n − 1.

    alpha: None for `decide` (every look at its own level), a number for a fixed design, with one look. Three arrays
    (runs,): code of the verdict (index into VERDICTS), whether the interval at the stop holds `truth`, number of trials at
    the stop. The rules of `decide` and `compare` a second time, on arrays; tests hold the two against each other.
    """
    runs, alive = len(draws), np.arange(len(draws))
    verdict, covered = np.zeros(runs, dtype=np.int64), np.zeros(runs, dtype=bool)
    stopped = np.zeros(runs, dtype=np.int64)
    true = np.broadcast_to(np.asarray(truth, dtype=np.float64), draws.shape)
    sums = _Sums.of(draws)
    whole = FIXED_ALPHA if alpha is None else alpha
    for n in looks:
        level = look_alpha(n) if alpha is None else alpha
        so_far = sums.first(n, alive, unmet(n, whole))
        low, high = so_far.bounds(level)
        code = _codes(so_far, draws[alive, :n], level, delta, adaptive=alpha is None)
        if alpha is None and n < MIN_TRIALS:
            low, high = first_look(low, high, delta)
        narrow = precision is not None and n >= MIN_TRIALS
        enough = (code > 0) if precision is None else narrow & (np.expm1((high - low) / 2) <= (precision or 0.0))
        now = enough | (n == looks[-1])
        rows = alive[now]
        holds = (low <= true[alive, n - 1]) & (true[alive, n - 1] <= high)
        verdict[rows], covered[rows], stopped[rows] = code[now], holds[now], n
        alive = alive[~now]
    return verdict, covered, stopped


def stop_together(
    draws: Floats, looks: Sequence[int], delta: float, sides: int, truth: ArrayLike = 0.0, alpha: float | None = None
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
    """Where each run of `draws` (runs, pairs, last look) stops if it waits for a verdict on every pair of so many sides.

    truth: the pairs' true log-ratios (pairs,). alpha: as of `stop_each`, of all pairs together. Three arrays: code of each
    pair's verdict at the stop (runs, pairs; index into VERDICTS), whether its interval there holds the truth (runs, pairs), and
    the number of trials (runs,).
    """
    runs, pairs, _ = draws.shape
    alive = np.arange(runs)
    true = np.broadcast_to(np.asarray(truth, dtype=np.float64), pairs)
    verdict, covered = np.zeros((runs, pairs), dtype=np.int64), np.zeros((runs, pairs), dtype=bool)
    stopped = np.zeros(runs, dtype=np.int64)
    sums = [_Sums.of(draws[:, pair]) for pair in range(pairs)]
    whole = pair_alpha(FIXED_ALPHA if alpha is None else alpha, sides)
    for n in looks:
        level = pair_alpha(look_alpha(n) if alpha is None else alpha, sides)
        code, holds = np.empty((alive.size, pairs), dtype=np.int64), np.empty((alive.size, pairs), dtype=bool)
        for pair in range(pairs):
            so_far = sums[pair].first(n, alive, unmet(n, whole))
            low, high = so_far.bounds(level)
            code[:, pair] = _codes(so_far, draws[alive, pair, :n], level, delta, adaptive=alpha is None)
            if alpha is None and n < MIN_TRIALS:
                low, high = first_look(low, high, delta)
            holds[:, pair] = (low <= true[pair]) & (true[pair] <= high)
        now = (code > 0).all(axis=1) | (n == looks[-1])
        rows = alive[now]
        verdict[rows], covered[rows], stopped[rows] = code[now], holds[now], n
        alive = alive[~now]
    return verdict, covered, stopped


@dataclass(frozen=True, slots=True)
class _SoFar:
    """What n values a row come to: (runs,) mean, standard error, factors of `allowance.widening`; and the least half-width."""

    n: int
    least: float
    mean: Floats
    error: Floats
    low: Floats
    high: Floats

    def bounds(self, alpha: float) -> tuple[Floats, Floats]:
        """`allowance.bounds`."""
        half = t_quantile(1 - alpha / 2, self.n - 1) * self.error
        low, high = np.maximum(half * self.low, self.least), np.maximum(half * self.high, self.least)
        return self.mean - low, self.mean + high


@dataclass(frozen=True, slots=True)
class _Sums:
    """Running sums along the rows of `values` (runs, last), which are less `centre`, so that no digits are lost: of values,
    squares, cubes, and products of neighbours. They spare each look a pass over all that came before."""

    centre: float
    values: Floats
    ones: Floats
    squares: Floats
    cubes: Floats
    products: Floats

    @classmethod
    def of(cls, draws: Floats) -> _Sums:
        centre = float(draws.mean())
        x = draws - centre
        neighbours = np.zeros_like(x)
        neighbours[:, 1:] = x[:, 1:] * x[:, :-1]
        squares = x * x
        return cls(centre, x, *(np.cumsum(part, axis=1) for part in (x, squares, squares * x, neighbours)))

    def first(self, n: int, rows: NDArray[np.int64], least: float) -> _SoFar:
        """Of the first n values of some rows; least: `allowance.unmet` of them."""
        total, squared, cubed, products = (
            sums[rows, n - 1] for sums in (self.ones, self.squares, self.cubes, self.products)
        )
        mean = total / n
        squares = np.maximum(squared - n * mean**2, 0.0)
        cubes = cubed - 3 * mean * squared + 2 * n * mean**3
        ends = self.values[rows, 0] + self.values[rows, n - 1]
        lag = products - mean * (2 * total - ends) + (n - 1) * mean**2
        low, high = factors(n, squares, lag, cubes)
        return _SoFar(n, least, self.centre + mean, np.sqrt(squares / ((n - 1) * n)), low, high)


def _codes(so_far: _SoFar, x: Floats, alpha: float, delta: float, *, adaptive: bool) -> NDArray[np.int64]:
    """The verdict on each row of (runs, n), as an index into VERDICTS."""
    n = x.shape[1]
    low, high = so_far.bounds(alpha)
    beyond = (low > 0) | (high < 0)
    if n < MIN_TRIALS:
        large = np.abs(so_far.mean) >= math.log(LARGE)
        early = adaptive and n >= FIRST_LOOK
        return np.select([early & large & (low > delta), early & large & (high < -delta)], [4, 3], default=0)
    inner_low, inner_high = so_far.bounds(2 * alpha)
    same = ~beyond & (-delta < inner_low) & (inner_high < delta)
    if adaptive:
        beyond = beyond & _agrees(x, beyond)
    small = (-delta < low) & (high < delta)
    return np.select([beyond & small, beyond & (high < 0), beyond, same], [2, 3, 4, 1], default=0)


def _agrees(x: Floats, asked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether the exact sign-flip test rejects at AGREE_ALPHA, for the rows asked for; True elsewhere.

    Two bounds spare most enumerations: six values or more of one sign have p = 2^(1−n), and Hoeffding's inequality
    bounds p by 2·exp(−(Σx)²/(2·Σx²)).
    """
    total, squares = x.sum(axis=1), (x**2).sum(axis=1)
    one_sign = (x > 0).all(axis=1) | (x < 0).all(axis=1)
    bounded = 2 * np.exp(-(total**2) / (2 * np.maximum(squares, np.finfo(float).tiny))) <= AGREE_ALPHA
    agrees: NDArray[np.bool_] = ~asked | one_sign | bounded
    for row in np.flatnonzero(~agrees):
        p = signflip_pvalue(x[row])
        agrees[row] = p is not None and p <= AGREE_ALPHA
    return agrees
