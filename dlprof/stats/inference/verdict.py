"""From one log-ratio per trial to a verdict: interval, cross-check, equivalence, and what it would take otherwise."""

from __future__ import annotations

import math
from typing import Final

from numpy.typing import ArrayLike
from scipy import special

from dlprof.stats.inference.multiple import pair_alpha
from dlprof.stats.inference.planning import detectable_effect, needed_trials
from dlprof.stats.result import (
    AGREE_ALPHA,
    FIRST_LOOK,
    FIXED_ALPHA,
    LARGE,
    MIN_TRIALS,
    Result,
    Verdict,
    look_alpha,
)
from dlprof.stats.sample.allowance import SECOND_SPEED, bounds, first_look, unmet, unmet_pvalue, widening
from dlprof.stats.sample.autocorrelation import autocorrelation
from dlprof.stats.sample.location import Floats, finite, signflip_pvalue, varies
from dlprof.units import format_share

METHOD: Final = "Student t over trials, log scale, with an allowance for dependence, skew and an unmet speed"
_LARGEST_LOG: Final = 60.0  # a ratio of 1e26 is a broken clock, not a measurement


def compare(
    log_ratios: ArrayLike,
    *,
    margin: float = 0.05,
    alpha: float | None = None,
    adaptive: bool = False,
    sides: int = 2,
    seed: int = 0,
) -> Result:
    """What the trials say of B against A.

    log_ratios: (n,) ln(time B ÷ time A), one per trial in the order run, each of its own pair of fresh processes (see
    `trial_log_ratio`). margin: relative difference that does not matter; the region is [1/(1+m), 1+m], so that swapping
    the sides mirrors the verdict. adaptive: this is one look among 4, 6, 8, …, 30 trials; alpha is then that look's
    (`look_alpha`), four trials may show a large effect, and the exact sign-flip test must agree. Otherwise alpha is .05.
    sides: this is one pair of so many sides, all pairs of which are to hold together at alpha (`pair_alpha`).

    Verdicts: faster or slower (interval beyond 1 and not inside the margin), negligible (beyond 1, inside the margin),
    equivalent (two one-sided tests: the 1 − 2·alpha interval inside the margin; Schuirmann 1987), else inconclusive.
    Fewer than 6 trials (but see adaptive), non-finite values or values that do not vary are no evidence: inconclusive, with
    a warning.
    Raises `ValueError` for a margin or alpha outside (0, 1).
    """
    given = finite(log_ratios)
    level = alpha if alpha is not None else (look_alpha(given.size) if adaptive else FIXED_ALPHA)
    level = pair_alpha(level, sides)
    whole = pair_alpha(FIXED_ALPHA, sides) if adaptive else level
    if not 0 < level < 0.5:
        raise ValueError(f"alpha must lie between 0 and .5, got {level}")
    if not 0 < margin < 1:
        raise ValueError(f"the margin must lie between 0 and 1, got {margin}")
    usable = given[abs(given) < _LARGEST_LOG]  # drops NaN and infinities as well
    if usable.size < given.size:
        lost = given.size - usable.size
        return _no_evidence(usable, given.size, level, margin, f"{lost} of {given.size} trials gave no usable ratio")
    if given.size == 0:
        return _no_evidence(given, 0, level, margin, "no trial")
    if given.size == 1:
        return _no_evidence(given, 1, level, margin, "one trial: no interval")
    if not varies(given):
        return _no_evidence(given, given.size, level, margin, f"all {given.size} trials gave the same ratio")
    return _judge(given, level, whole, margin, adaptive, seed)


def _no_evidence(usable: Floats, trials: int, alpha: float, margin: float, why: str) -> Result:
    return Result(
        estimate=math.exp(float(usable.mean())) if usable.size else None,
        low=None,
        high=None,
        confidence=1 - alpha,
        trials=trials,
        method=METHOD,
        p=None,
        p_signflip=None,
        sd=None,
        verdict="inconclusive",
        margin=margin,
        more_trials=max(MIN_TRIALS - trials, 0) or None,
        detectable=None,
        warnings=(why if why.startswith("one trial") else f"no evidence: {why}",),
    )


def _judge(x: Floats, alpha: float, whole: float, margin: float, adaptive: bool, seed: int) -> Result:
    """alpha: level of the interval; whole: of the comparison, of which this may be one look."""
    least = unmet(x.size, whole)
    low, high = bounds(x, alpha, least)
    sd = float(x.std(ddof=1))
    met, p_signflip = pvalue(x), signflip_pvalue(x, seed)
    p = None if met is None else max(met, float(unmet_pvalue(x.mean(), x.size, alpha, whole)))
    verdict = _verdict(x, alpha, least, margin)
    if adaptive and x.size < MIN_TRIALS:
        verdict = _early(x, float(low), float(high), margin)
        low, high = first_look(low, high, math.log1p(margin))
    disagree = _disagree(x.size, alpha, adaptive, p if adaptive else met, p_signflip)
    if adaptive and disagree:
        verdict = "inconclusive"
    return Result(
        estimate=math.exp(float(x.mean())),
        low=_exp(float(low)),
        high=_exp(float(high)),
        confidence=1 - alpha,
        trials=x.size,
        method=METHOD,
        p=p,
        p_signflip=p_signflip if x.size >= MIN_TRIALS else None,
        sd=sd,
        verdict=verdict,
        margin=margin,
        more_trials=_more_trials(x, sd, alpha, whole, margin) if verdict == "inconclusive" else None,
        detectable=_detectable(x.size, sd, alpha, whole),
        warnings=(*_warnings(x, verdict, disagree, met, p_signflip), *_unmet(x.size, alpha, verdict, met, p)),
    )


def pvalue(x: Floats) -> float | None:
    """Two-sided p of the test that `allowance.bounds` inverts without a least half-width: below alpha where that excludes 0."""
    if x.size < 2 or not varies(x):
        return None
    mean = float(x.mean())
    low, high = widening(x)
    error = float(x.std(ddof=1)) / math.sqrt(x.size) * float(low if mean > 0 else high)
    return float(2 * special.stdtr(x.size - 1, -abs(mean / error)))


def _exp(x: float) -> float:
    """e^x, capped where a hopelessly wide interval would overflow."""
    return math.exp(min(max(x, -700.0), 700.0))


def _detectable(n: int, sd: float, alpha: float, whole: float) -> float | None:
    effect = detectable_effect(n, sd, alpha, whole=whole) if sd < _LARGEST_LOG / 10 else None
    return effect if effect is not None and math.isfinite(effect) else None


def _verdict(x: Floats, alpha: float, least: float, margin: float) -> Verdict:
    if x.size < MIN_TRIALS:
        return "inconclusive"
    delta = math.log1p(margin)
    low, high = bounds(x, alpha, least)
    if low > 0 or high < 0:
        if -delta < low and high < delta:
            return "negligible"
        return "slower" if low > 0 else "faster"
    low, high = bounds(x, 2 * alpha, least)  # both one-sided tests at level alpha
    return "equivalent" if -delta < low and high < delta else "inconclusive"


def _early(x: Floats, low: float, high: float, margin: float) -> Verdict:
    """What the first look may say: a large effect whose whole interval lies beyond the margin, or nothing."""
    delta = math.log1p(margin)
    if x.size < FIRST_LOOK or abs(float(x.mean())) < math.log(LARGE):
        return "inconclusive"
    return "slower" if low > delta else "faster" if high < -delta else "inconclusive"


def _more_trials(x: Floats, sd: float, alpha: float, whole: float, margin: float) -> int:
    """Trials still missing for 80 % power at the margin; see docs/statistics.md, "How many more trials".

    The margin and not the observed effect is what is planned for: power at the observed effect restates the p-value
    (Hoenig & Heisey 2001). Once the margin is covered, only an effect between 0 and the margin keeps the verdict open,
    and the nearer of the two claims (a difference; equivalence) is planned for.
    """
    needed = needed_trials(sd, margin, alpha, whole=whole)
    if needed <= x.size:
        delta, seen = math.log1p(margin), abs(float(x.mean()))
        needed = needed_trials(sd, math.expm1(max(seen, delta - seen)), alpha, whole=whole)
    return max(needed - x.size, MIN_TRIALS - x.size, 1)


def _warnings(
    x: Floats, verdict: Verdict, disagree: bool, p: float | None, p_signflip: float | None
) -> tuple[str, ...]:
    found = []
    if x.size < MIN_TRIALS and verdict == "inconclusive":
        found.append(f"need ≥ {MIN_TRIALS} trials for a verdict, have {x.size}")
    elif disagree:
        found.append(f"the t test (p = {p:.2g}) and the exact sign-flip test (p = {p_signflip:.2g}) disagree")
    trend = autocorrelation(x)
    if trend.p is not None and trend.p < 0.01:
        found.append(
            f"successive trials resemble each other (autocorrelation {trend.r:+.2f}): the interval may be too narrow"
        )
    return tuple(found)


def _unmet(n: int, alpha: float, verdict: Verdict, met: float | None, p: float | None) -> tuple[str, ...]:
    """A warning where it is for a speed that no trial has met that a difference is not called."""
    if verdict != "inconclusive" or n < MIN_TRIALS or met is None or p is None or not met < alpha <= p:
        return ()
    return (
        f"the trials differ by more than their spread explains (p = {met:.2g}), but so they would if one side's processes had "
        f"a second speed, up to {format_share(math.expm1(SECOND_SPEED))} off, that none of the {n} trials met",
    )


def _disagree(n: int, alpha: float, adaptive: bool, p: float | None, p_signflip: float | None) -> bool:
    """Whether the exact test contradicts the t test, where it is able to reject at all (smallest p: 2^(1−n)).

    At a look only a difference that the exact test does not see (at .05) is a contradiction: the looks' own levels are
    stricter than what it can reach with few trials.
    """
    level = AGREE_ALPHA if adaptive else alpha
    if p is None or p_signflip is None or 2.0 ** (1 - n) > level:
        return False
    return p < alpha and p_signflip > level if adaptive else (p < alpha) != (p_signflip <= alpha)
