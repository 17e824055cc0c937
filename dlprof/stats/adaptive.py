"""When to stop: the looks of an adaptive comparison, the decision at each, and what the looks do to the error rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from numpy.typing import ArrayLike

from dlprof.stats.location import finite
from dlprof.stats.result import LOOK_ALPHA, MIN_TRIALS, Result
from dlprof.stats.verdict import compare


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether to stop now, why, the comparison so far at the per-look level, and the trial count of the next look."""

    stop: bool
    why: str
    result: Result
    next_look: int | None


def look_schedule(first: int = MIN_TRIALS, step: int = 2, last: int = 30) -> tuple[int, ...]:
    """Trial counts at which the data may be looked at: 6, 8, …, 30. Raises `ValueError` on a bad one."""
    if first < MIN_TRIALS or step < 1 or last < first:
        raise ValueError(f"looks need {MIN_TRIALS} ≤ first ≤ last and step ≥ 1, got {first}, {last}, {step}")
    looks = list(range(first, last + 1, step))
    return tuple(looks if looks[-1] == last else [*looks, last])


def decide(
    log_ratios: ArrayLike,
    looks: Sequence[int] | None = None,
    *,
    precision: float | None = None,
    margin: float = 0.05,
    alpha: float = LOOK_ALPHA,
) -> Decision:
    """Whether the trials so far (n,) are enough.

    Stops only at a look, so that the error over all looks stays as simulated (`overall_error`): at a verdict, or, with
    `precision`, as soon as the interval's half-width is at most that fraction, and not before; at the last look in any
    case. The interval is the per-look one (confidence .99), because a 95 % interval after stopping covers less.
    """
    schedule = tuple(looks) if looks is not None else look_schedule()
    n = finite(log_ratios).size
    result = compare(log_ratios, margin=margin, alpha=alpha)
    following = next((look for look in schedule if look > n), None)
    if n >= schedule[-1]:
        return Decision(True, f"{n} trials: the last look", result, None)
    if n not in schedule:
        return Decision(False, f"{n} trials: the next look is at {following}", result, following)
    if precision is not None:
        width = half_width(result)
        if width is not None and width <= precision:
            return Decision(True, f"the interval is ±{width:.1%}, asked for ±{precision:.1%}", result, following)
        so_far = "no interval" if width is None else f"±{width:.1%}"
        return Decision(False, f"{so_far} after {n} trials, asked for ±{precision:.1%}", result, following)
    if result.verdict != "inconclusive":
        return Decision(True, f"{result.verdict} after {n} trials", result, following)
    return Decision(False, f"inconclusive after {n} trials", result, following)


def half_width(result: Result) -> float | None:
    """Half of the interval's width as a relative change, √(high/low) − 1; None without an interval."""
    if result.low is None or result.high is None or result.low <= 0:
        return None
    return math.sqrt(result.high / result.low) - 1
