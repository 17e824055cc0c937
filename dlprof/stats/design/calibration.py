"""How far verdicts can be trusted on this machine: rates measured on trials of a side against itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from dlprof.stats.design.adaptive import look_schedule, stop_each
from dlprof.stats.inference.planning import detectable_effect
from dlprof.stats.result import FIXED_ALPHA, MIN_TRIALS
from dlprof.stats.sample.allowance import unmet_pvalue, widening
from dlprof.stats.sample.location import Floats, finite, t_bounds

MINUTES: Final = (2.0, 5.0, 10.0, 20.0, 60.0)
_FIRST_SIGNIFICANT: Final = 2  # codes of stop_each: 0 inconclusive, 1 equivalent, then the differences


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of comparisons with its 95 % interval, and how many distinct real trials lie behind it."""

    rate: float
    low: float
    high: float
    comparisons: int
    trials: int


@dataclass(frozen=True, slots=True)
class Resampled:
    """Rates over comparisons drawn from a pool of trials; their intervals are a cluster bootstrap over the trials."""

    significant: Rate
    covered: Rate
    mean_trials: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """What A against A says of a machine and workload.

    bias: mean log-ratio of all trials as they ran (unrelabelled), with its 95 % interval; 0 should lie inside
    sd: standard deviation between trials, log scale, with its 95 % chi-square interval
    real_*: disjoint comparisons of consecutive trials as they ran; None with too few trials
    fixed, adaptive: designs of 6 trials at α = .05 and of 4, 6, …, 30 trials, resampled and relabelled
    detectable: (minutes, relative slow-down found with 80 % power by a fixed number of trials that fit); None where fewer
        than six fit
    """

    trials: int
    trial_seconds: float
    bias: float
    bias_low: float
    bias_high: float
    sd: float
    sd_low: float
    sd_high: float
    real_fixed: Rate | None
    real_adaptive: Rate | None
    fixed: Resampled
    adaptive: Resampled
    detectable: tuple[tuple[float, float | None], ...]

    def smallest_effect(self, trials: int, alpha: float = FIXED_ALPHA) -> float | None:
        """Relative slow-down that so many trials find with 80 % power here: a tighter gate cannot be decided by them.

        alpha: the level of the last look of an adaptive comparison, or of a fixed number of trials.
        """
        return detectable_effect(trials, self.sd, alpha, whole=FIXED_ALPHA)


def calibrate(
    log_ratios: ArrayLike, trial_seconds: float, *, margin: float = 0.05, comparisons: int = 10_000, seed: int = 0
) -> Calibration:
    """The calibration of one item from its A/A trials (n,), in the order run; n ≥ 12, better hundreds.

    trial_seconds: wall time of a trial, start of the processes included. Raises `ValueError` for fewer than 12 trials,
    a non-finite log-ratio (the caller decides what a failed trial means, and says so) or trials that do not vary.
    """
    x = _pool(log_ratios, 2 * MIN_TRIALS)
    low, high = t_bounds(x, FIXED_ALPHA)
    sd = float(x.std(ddof=1))
    df = x.size - 1
    delta = math.log1p(margin)
    return Calibration(
        trials=x.size,
        trial_seconds=trial_seconds,
        bias=float(x.mean()),
        bias_low=low,
        bias_high=high,
        sd=sd,
        sd_low=sd * math.sqrt(df / float(special.chdtri(df, 0.025))),
        sd_high=sd * math.sqrt(df / float(special.chdtri(df, 0.975))),
        real_fixed=consecutive(x, (MIN_TRIALS,), FIXED_ALPHA, margin=margin),
        real_adaptive=consecutive(x, look_schedule(), None, margin=margin),
        fixed=resample(x, (MIN_TRIALS,), FIXED_ALPHA, delta=delta, comparisons=comparisons, seed=seed),
        adaptive=resample(x, look_schedule(), None, delta=delta, comparisons=comparisons, seed=seed),
        detectable=tuple((m, _detectable(m, trial_seconds, sd)) for m in MINUTES),
    )


def _pool(log_ratios: ArrayLike, fewest: int) -> Floats:
    x = finite(log_ratios)
    if x.size < fewest:
        raise ValueError(f"need ≥ {fewest} trials, have {x.size}")
    if not np.isfinite(x).all() or np.ptp(x) == 0:
        raise ValueError("the trials must be finite and vary")
    return x


def _detectable(minutes: float, trial_seconds: float, sd: float) -> float | None:
    n = int(minutes * 60 / trial_seconds)
    return detectable_effect(n, sd) if n >= MIN_TRIALS else None


def consecutive(
    log_ratios: ArrayLike, looks: Sequence[int], alpha: float | None, *, margin: float = 0.05
) -> Rate | None:
    """Share called different among disjoint comparisons of consecutive trials (n,), exactly as they ran.

    Nothing is relabelled or reused, so the comparisons are independent and the interval is Clopper-Pearson's. A new
    comparison begins only where trials enough for its last look are left (else those that stop early would be counted
    and those that go on would not). None where there are too few trials for one.
    """
    x = finite(log_ratios)
    hits = comparisons = start = 0
    while x.size - start >= looks[-1]:
        code, _, used = stop_each(x[np.newaxis, start : start + looks[-1]], looks, alpha, math.log1p(margin))
        hits += int(code[0] >= _FIRST_SIGNIFICANT)
        comparisons += 1
        start += int(used[0])
    return exact_rate(hits, comparisons, start) if comparisons else None


def exact_rate(hits: int, comparisons: int, trials: int) -> Rate:
    """`hits` of `comparisons` independent ones, with the Clopper-Pearson 95 % interval."""
    low = float(special.betaincinv(hits, comparisons - hits + 1, 0.025)) if hits else 0.0
    high = float(special.betaincinv(hits + 1, comparisons - hits, 0.975)) if hits < comparisons else 1.0
    return Rate(hits / comparisons, low, high, comparisons, trials)


def resample(
    log_ratios: ArrayLike,
    looks: Sequence[int],
    alpha: float | None,
    *,
    relabel: bool = True,
    truth: float = 0.0,
    delta: float = math.log(1.05),
    comparisons: int = 10_000,
    pools: int = 200,
    seed: int = 0,
) -> Resampled:
    """Rates of comparisons drawn with replacement from a pool of trials (n,).

    looks, alpha: one number and its level for a fixed design; the schedule and None for an adaptive one. relabel: give
    each drawn trial a random sign, which forces a symmetric null; without it the pool's own mean acts, and `truth` says
    what the interval should cover.
    The comparisons share trials, so their number says little: the intervals are percentiles over `pools` bootstrap pools
    of whole trials (the cluster), each with a fifth as many comparisons of its own (which widens them a little).
    """
    x = _pool(log_ratios, 2)
    generator = np.random.default_rng(seed)

    def once(pool: Floats, count: int) -> tuple[float, float, float]:
        draws: Floats = pool[generator.integers(0, pool.size, (count, looks[-1]))]
        if relabel:
            draws = draws * generator.choice((-1.0, 1.0), draws.shape)
        code, covered, used = stop_each(draws, looks, alpha, delta, truth=truth)
        return float((code >= _FIRST_SIGNIFICANT).mean()), float(covered.mean()), float(used.mean())

    significant, covered, used = once(x, comparisons)
    some = max(comparisons // 5, 200)
    repeats = np.array([once(x[generator.integers(0, x.size, x.size)], some)[:2] for _ in range(pools)])
    low, high = np.percentile(repeats, (2.5, 97.5), axis=0)
    return Resampled(
        Rate(significant, float(low[0]), float(high[0]), comparisons, x.size),
        Rate(covered, float(low[1]), float(high[1]), comparisons, x.size),
        used,
    )


def any_false_discovery(
    log_ratios: ArrayLike,
    n: int,
    *,
    level: float = 0.05,
    corrected: bool = True,
    comparisons: int = 2000,
    pools: int = 100,
    seed: int = 0,
) -> Rate:
    """Share of tables of m items with at least one "difference", from A/A trials (trials, m): a trial is drawn whole.

    corrected: Benjamini-Hochberg at `level` over the items; otherwise each item is tested at `level` by itself. The
    items of a trial keep their dependence. The interval is the cluster bootstrap of `resample`.
    """
    matrix = np.asarray(log_ratios, dtype=np.float64)
    if matrix.ndim != 2 or len(matrix) < 2 or not np.isfinite(matrix).all():
        raise ValueError(f"expected finite (trials, items), got shape {matrix.shape}")
    generator = np.random.default_rng(seed)
    thresholds = level * np.arange(1, matrix.shape[1] + 1) / matrix.shape[1] if corrected else level

    def once(pool: NDArray[np.float64]) -> float:
        draws = pool[generator.integers(0, len(pool), (comparisons, n))]
        draws = draws * generator.choice((-1.0, 1.0), (comparisons, n, 1))
        mean = draws.mean(axis=1)
        low, high = widening(np.moveaxis(draws, 1, -1))
        error = draws.std(axis=1, ddof=1) / math.sqrt(n) * np.where(mean > 0, low, high)
        t = np.divide(mean, error, out=np.zeros_like(error), where=error > 0)
        met = 2 * special.stdtr(n - 1, -np.abs(t))
        p = np.sort(np.maximum(met, unmet_pvalue(mean, n, level, level)), axis=1)
        return float((p <= thresholds).any(axis=1).mean())

    repeats = [once(matrix[generator.integers(0, len(matrix), len(matrix))]) for _ in range(pools)]
    low, high = np.percentile(repeats, (2.5, 97.5))
    return Rate(once(matrix), float(low), float(high), comparisons, len(matrix))
