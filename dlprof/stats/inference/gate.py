"""A gate's question: does B take more than an allowed slow-down longer than A, of one item and of all together?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike

from dlprof.stats.inference.multiple import benjamini_hochberg, pair_alpha
from dlprof.stats.inference.planning import needed_trials
from dlprof.stats.inference.verdict import compare
from dlprof.stats.result import FIXED_ALPHA, MIN_TRIALS, Result, look_alpha
from dlprof.stats.sample.location import Floats, finite, varies

GateState = Literal["passed", "failed", "undecided"]

_NO_MARGIN: Final = 1e-9
"""A gate is one line and no band around it."""


@dataclass(frozen=True, slots=True)
class Gated:
    """What the trials say of one item.

    state: failed where the interval lies above the allowed slow-down, passed where its upper end does not, else undecided
    result: of the ratio to what is allowed (1 = exactly as slow as allowed), whose verdict is never equivalent or negligible
    p: one-sided, of a B that is no slower than allowed; None where the test could not run
    more_trials: how many further ones would probably decide, where undecided: 80 % power for a B that is as fast as A, or,
        where there are as many already, for the distance seen; None where nothing is known
    """

    state: GateState
    result: Result
    p: float | None
    more_trials: int | None


def gate(
    log_ratios: ArrayLike,
    allowed: float,
    *,
    alpha: float | None = None,
    adaptive: bool = False,
    sides: int = 2,
    counted: bool = False,
) -> Gated:
    """Whether B is more than `allowed` slower than A (0.05 = 5 %), by the interval and the tests of `compare`.

    log_ratios: (n,) ln(time of B ÷ time of A), one a trial. alpha, adaptive, sides: as of `compare`. Everything that is
    known of `compare` at a true ratio of 1 holds here at a true ratio of 1 + allowed: there it errs, in either direction
    together, as rarely. counted: the values come from counts, as of bytes, and may be the same in every trial: then
    `MIN_TRIALS` of them are what they are. Raises `ValueError` for a negative `allowed`.
    """
    if allowed < 0:
        raise ValueError(f"a gate allows a slow-down of 0 or more, got {allowed}")
    beyond = finite(log_ratios) - math.log1p(allowed)
    if counted and beyond.size >= MIN_TRIALS and np.isfinite(beyond).all() and not varies(beyond):
        return _always(beyond, alpha, adaptive=adaptive, sides=sides)
    result = compare(beyond, margin=_NO_MARGIN, alpha=alpha, adaptive=adaptive, sides=sides)
    state: GateState = {"slower": "failed", "faster": "passed"}.get(result.verdict, "undecided")  # type: ignore[assignment]
    p = None
    if result.p is not None and result.estimate is not None:
        p = result.p / 2 if result.estimate > 1 else 1 - result.p / 2
    whole = pair_alpha(FIXED_ALPHA, sides) if adaptive else result.alpha
    return Gated(state, result, p, _more_trials(result, allowed, whole) if state == "undecided" else None)


def _always(beyond: Floats, alpha: float | None, *, adaptive: bool, sides: int) -> Gated:
    """Where every trial gave the same value: no interval but the value itself."""
    level = pair_alpha(alpha or (look_alpha(beyond.size) if adaptive else FIXED_ALPHA), sides)
    value, above = math.exp(float(beyond[0])), bool(beyond[0] > _NO_MARGIN)
    result = Result(
        estimate=value,
        low=value,
        high=value,
        confidence=1 - level,
        trials=beyond.size,
        method="the same in every trial",
        p=0.0,
        p_signflip=None,
        sd=0.0,
        verdict="slower" if above else "faster",
        margin=_NO_MARGIN,
        more_trials=None,
        detectable=None,
        warnings=(),
    )
    return Gated("failed" if above else "passed", result, 0.0 if above else 1.0, None)


def gate_all(found: Sequence[Gated]) -> tuple[GateState, tuple[GateState, ...], tuple[float | None, ...]]:
    """The gate of several items: its state, each item's, and the q of each item's p (Benjamini-Hochberg).

    It has failed where one item has: an item that is above by itself and does not survive the correction for their number is
    undecided. It has passed where all have, for which nothing needs correction: all would have to be in luck at once
    (intersection-union test; Berger 1982).
    """
    if not found:
        return "undecided", (), ()
    level = found[0].result.alpha / 2
    adjusted = benjamini_hochberg([math.nan if one.p is None else one.p for one in found], level)
    states: list[GateState] = [
        "undecided" if one.state == "failed" and not holds else one.state
        for one, holds in zip(found, adjusted.significant, strict=True)
    ]
    q = tuple(None if math.isnan(value) else float(value) for value in np.asarray(adjusted.q))
    if "failed" in states:
        return "failed", tuple(states), q
    return ("passed" if all(state == "passed" for state in states) else "undecided"), tuple(states), q


def _more_trials(result: Result, allowed: float, whole: float) -> int | None:
    if result.sd is None or result.estimate is None or not result.sd > 0:
        return max(MIN_TRIALS - result.trials, 0) or None
    needed = needed_trials(result.sd, allowed, result.alpha, whole=whole) if allowed > 0 else result.trials
    seen = math.expm1(abs(math.log(result.estimate)))
    if needed <= result.trials and seen > 0:
        needed = needed_trials(result.sd, seen, result.alpha, whole=whole)
    return max(needed - result.trials, MIN_TRIALS - result.trials, 1)
