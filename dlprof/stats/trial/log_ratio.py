"""From the iterations of a lockstep trial to one log-ratio: burst medians, differences per round, Hodges-Lehmann."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlprof.stats.sample.autocorrelation import Autocorrelation, autocorrelation
from dlprof.stats.sample.location import Floats, hodges_lehmann
from dlprof.stats.trial.warmup import level_shift
from dlprof.units import format_share

FEWEST_ROUNDS: Final = 8
_TRIMMED: Final = 0.2
ORDER_EFFECT_LIMIT: Final = 0.05
"""Log difference between going first and second beyond which a trial says so."""


@dataclass(frozen=True, slots=True)
class TrialRatio:
    """One trial: ln(time B ÷ time A) and what the trial tells of itself.

    log_ratio: NaN when no round is usable
    rounds: usable ones
    rounds_lost: those without a positive, finite time on both sides
    sd_rounds: of the log-ratio between rounds; no basis of an interval, since the rounds share one pair of processes
    order_effect: half the difference between the rounds in which B ran first and those in which A did (log scale); None where
        the order is unknown or one-sided
    level_shift: largest change of level that both sides shared during the trial (log scale): the machine, not the work
    autocorrelation: of the rounds' log-ratios
    a_ns, b_ns: median time of a unit of work
    log_mean_ratio: ln(mean time of B ÷ mean time of A) over all kept iterations, which rare slow ones move
    drift_a, drift_b: slope of the side's log time, per iteration; NaN below 8 rounds
    iterations: of a side, from its first round to its last
    error: standard error of log_ratio as its rounds show it (`_error`): how many rounds are worth their time
    """

    log_ratio: float
    rounds: int
    rounds_lost: int
    sd_rounds: float | None
    order_effect: float | None
    level_shift: float
    autocorrelation: Autocorrelation
    a_ns: float
    b_ns: float
    warnings: tuple[str, ...]
    log_mean_ratio: float = math.nan
    drift_a: float = math.nan
    drift_b: float = math.nan
    iterations: int = 0
    error: float | None = None


def trial_log_ratio(a: ArrayLike, b: ArrayLike, b_first: ArrayLike | None = None) -> TrialRatio:
    """The log-ratio of one trial.

    a, b: (rounds, iterations) wall time of one unit of work, any one time unit; NaN marks an iteration that is not kept
    (the first of a burst), and the two may differ in iterations. b_first: (rounds,) bool, whether B's burst came first.
    Zero, negative and infinite times are unusable; a round that has lost either side is counted in `rounds_lost`.

    Median of the log times of each burst, B − A per round, Hodges-Lehmann over rounds (see docs/statistics.md).
    Raises `ValueError` when the shapes do not fit.
    """
    times_a, times_b = _matrix(a), _matrix(b)
    if len(times_a) != len(times_b):
        raise ValueError(f"A has {len(times_a)} rounds and B has {len(times_b)}")
    bursts_a, bursts_b = _burst_medians(times_a), _burst_medians(times_b)
    difference = bursts_b - bursts_a
    usable = np.isfinite(difference)
    kept: Floats = difference[usable]
    order = _order_effect(difference, usable, b_first)
    dependence = autocorrelation(kept)
    return TrialRatio(
        log_ratio=hodges_lehmann(kept),
        rounds=kept.size,
        rounds_lost=difference.size - kept.size,
        sd_rounds=float(kept.std(ddof=1)) if kept.size > 1 else None,
        order_effect=order,
        level_shift=level_shift((bursts_a[usable] + bursts_b[usable]) / 2),
        autocorrelation=dependence,
        a_ns=_exp_median(bursts_a[usable]),
        b_ns=_exp_median(bursts_b[usable]),
        warnings=_warnings(kept, difference.size, order),
        log_mean_ratio=_log_mean(times_b[usable]) - _log_mean(times_a[usable]),
        drift_a=_slope(bursts_a, usable) / times_a.shape[1],
        drift_b=_slope(bursts_b, usable) / times_b.shape[1],
        iterations=difference.size * max(times_a.shape[1], times_b.shape[1]),
        error=_error(kept),
    )


def _matrix(times: ArrayLike) -> Floats:
    array = np.asarray(times, dtype=np.float64)
    if array.ndim == 1:
        array = array[:, np.newaxis]
    if array.ndim != 2:
        raise ValueError(f"expected (rounds, iterations), got shape {array.shape}")
    return array


def _burst_medians(times: Floats) -> Floats:
    """Median log time per round (rounds,); NaN where a burst has no usable iteration."""
    usable = np.isfinite(times) & (times > 0)
    logs = np.log(times, out=np.full(times.shape, np.nan), where=usable)
    medians = np.full(len(times), np.nan)
    some = usable.any(axis=1)
    if some.any():
        logs, usable = logs[some][:, usable.any(axis=0)], usable[some][:, usable.any(axis=0)]
        # The same median; NumPy's own takes a tenth of the time where no burst has lost an iteration.
        medians[some] = np.median(logs, axis=1) if usable.all() else np.nanmedian(logs, axis=1)
    return medians


def _log_mean(times: Floats) -> float:
    """ln of the mean of all usable times; NaN without one."""
    usable = times[np.isfinite(times) & (times > 0)]
    return math.log(float(usable.mean())) if usable.size else math.nan


def _error(kept: Floats) -> float | None:
    """Standard error of the Hodges-Lehmann estimate of independent values; None below 2.

    That of a mean trimmed by a fifth at either end, from the winsorised variance (Tukey & McLaughlin 1963): within 15 % of the
    estimate's own variance for 8 to 20 values, normal or with the tails of Student's t with 2 degrees of freedom, where the
    sample variance is several times too large.
    """
    if kept.size < 2:
        return None
    cut = int(_TRIMMED * kept.size)
    ordered = np.sort(kept)
    ends = np.clip(ordered, ordered[cut], ordered[-1 - cut])
    return float(ends.std(ddof=1)) / ((1 - 2 * cut / kept.size) * math.sqrt(kept.size))


def _slope(bursts: Floats, usable: NDArray[np.bool_]) -> float:
    """Least-squares slope of the bursts' log times over rounds; NaN where fewer than FEWEST_ROUNDS are usable."""
    at = np.flatnonzero(usable).astype(np.float64)
    if at.size < FEWEST_ROUNDS:
        return math.nan
    centred = at - at.mean()
    return float((centred * bursts[usable]).sum() / (centred**2).sum())


def _order_effect(difference: Floats, usable: NDArray[np.bool_], b_first: ArrayLike | None) -> float | None:
    """Half of (B − A when B is first) − (B − A when A is first): what going first costs a side, log scale."""
    if b_first is None:
        return None
    first = np.asarray(b_first, dtype=bool)
    if first.shape != difference.shape:
        raise ValueError(f"b_first has shape {first.shape}, expected {difference.shape}")
    when_b, when_a = difference[usable & first], difference[usable & ~first]
    if when_b.size < 2 or when_a.size < 2:
        return None
    return float(np.median(when_b) - np.median(when_a)) / 2


def _exp_median(logs: Floats) -> float:
    return math.exp(float(np.median(logs))) if logs.size else math.nan


def _warnings(kept: Floats, given: int, order: float | None) -> tuple[str, ...]:
    found = []
    if kept.size == 0:
        found.append("no usable round: the trial gives no ratio")
    elif kept.size < FEWEST_ROUNDS:
        found.append(f"only {kept.size} usable rounds (≥ {FEWEST_ROUNDS} wanted)")
    if 0 < kept.size < given:
        found.append(f"{given - kept.size} of {given} rounds lost: no positive time on both sides")
    if order is not None and abs(order) > max(ORDER_EFFECT_LIMIT, _order_noise(kept)):
        found.append(
            f"order effect: the side that runs first takes {format_share(math.expm1(order), 1, signed=True)} "
            "(balanced order cancels it)"
        )
    return tuple(found)


def _order_noise(kept: Floats) -> float:
    """3.3 standard errors (p about .001) of `_order_effect` where order has none: half a difference of two medians of
    half the rounds each; 1.2533 is the median's standard error in units of the mean's, 1.4826 × MAD a robust SD."""
    spread = 1.4826 * float(np.median(np.abs(kept - np.median(kept))))
    return 3.3 * 1.2533 * spread / math.sqrt(kept.size)


def trial_ratios(
    trial: ArrayLike,
    round_index: ArrayLike,
    is_b: ArrayLike,
    position: ArrayLike,
    kept: ArrayLike,
    unit_ns: ArrayLike,
) -> dict[int, TrialRatio]:
    """`trial_log_ratio` of every trial in long columns (n,): the timed stage of ONE item of schema.TIMINGS.

    unit_ns = wall_ns ÷ units. Trials in ascending order of their number. A trial that misses one side comes back with
    a NaN log-ratio and a warning, so that the comparison says "no evidence" instead of forgetting it.
    """
    trials = np.asarray(trial)
    rounds, sides = np.asarray(round_index), np.asarray(is_b, dtype=bool)
    places, keep = np.asarray(position), np.asarray(kept, dtype=bool)
    times = np.where(keep, np.asarray(unit_ns, dtype=np.float64), np.nan)
    found = {}
    for number in np.unique(trials):
        mine = trials == number
        labels, row = np.unique(rounds[mine], return_inverse=True)
        side, value, place = sides[mine], times[mine], places[mine]
        first = np.zeros(labels.size, dtype=bool)
        first[row[side & (place == 0)]] = True
        matrices = [_spread(row[which], value[which], labels.size) for which in (~side, side)]
        found[int(number)] = _remembered(matrices[0], matrices[1], first)
    return found


_found: dict[bytes, TrialRatio] = {}
_MOST_FOUND: Final = 50_000


def _remembered(a: Floats, b: Floats, b_first: NDArray[np.bool_]) -> TrialRatio:
    """`trial_log_ratio`, computed once for the same times: verdicts, sweeps, figures and each look at the trials ask for it."""
    key = hashlib.blake2b(repr((a.shape, b.shape)).encode())
    for array in (a, b, b_first):
        key.update(np.ascontiguousarray(array).data)
    digest = key.digest()
    if digest not in _found:
        if len(_found) >= _MOST_FOUND:
            _found.clear()
        _found[digest] = trial_log_ratio(a, b, b_first)
    return _found[digest]


def _spread(row: NDArray[np.intp], value: Floats, rounds: int) -> Floats:
    """Values of one side, in order, as (rounds, longest burst), padded with NaN."""
    order = np.argsort(row, kind="stable")
    row, value = row[order], value[order]
    counts = np.bincount(row, minlength=rounds)
    column = np.arange(row.size) - np.repeat(np.cumsum(counts) - counts, counts)
    matrix = np.full((rounds, max(int(counts.max(initial=0)), 1)), np.nan)
    matrix[row, column] = value
    return matrix
