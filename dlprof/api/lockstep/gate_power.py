"""What a gate can show on this machine: which slow-downs it tells from the allowed one, how surely and in what time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from dlprof import stats
from dlprof.api.options import Design
from dlprof.errors import UsageError
from dlprof.names import ENERGY, FIRST_STEP
from dlprof.units import format_change, format_minutes

_NO_SPREAD: Final = 1e-9
"""Standard deviation of trials that hardly vary: what is left is the least half-width of an interval (docs/statistics.md)."""

_VARYING: Final = (FIRST_STEP, ENERGY)
"""What is judged beside the steps and never the same in every trial, which memory and compilation may be."""


def check(asked: Design, most: int) -> None:
    """Raises `UsageError`, before anything runs, where a limit is tighter than `most` trials could show on any machine, however
    little they vary. A number of trials that is fixed and too small for any verdict is no matter of the limit."""
    trials = asked.trials or most
    if asked.gate is None or trials < stats.MIN_TRIALS:
        return
    tightest = stats.detectable_effect(trials, _NO_SPREAD, whole=stats.FIXED_ALPHA) or math.inf
    limits = {"a gate": asked.gate} | {
        f"a limit on {one}": asked.limits[one] for one in _VARYING if one in asked.limits
    }
    for what, allowed in limits.items():
        if allowed < tightest:
            needed = stats.needed_trials(_NO_SPREAD, allowed, whole=stats.FIXED_ALPHA)
            raise UsageError(
                f"{what} of {100 * allowed:g} % is tighter than {trials} trials can show on any machine, however little they "
                f"vary: they decide {100 * tightest:.2g} % at best",
                hint=f"a limit of {math.ceil(1000 * tightest) / 10:g}% or wider, or --trials {needed} at least",
            )


def words(allowed: float, sd: float, trial_s: float, alpha: float = stats.LOOK_ALPHA) -> str:
    """`at 5 %: fails a true +10.3 % and passes a true 0 % with 80 % in 14 trials, about 4m (SD between trials .04)`.

    allowed: the slow-down (0.05 = 5 %). sd: of the log-ratio between trials. trial_s: what one takes. alpha: of the looks, or
    of a fixed number of trials.
    """
    at = f"at {100 * allowed:g} %"
    if not sd > 0:
        return f"{at}: what this gate can show is not known, since the trials do not vary"
    needed = max(stats.needed_trials(sd, allowed, alpha, whole=stats.FIXED_ALPHA), stats.MIN_TRIALS)
    both = f"fails a true {format_change((1 + allowed) ** 2)} and passes a true 0 % with 80 % in {needed} trials"
    last = stats.look_schedule()[-1]
    beyond = f", more than the {last} of an adaptive comparison" if needed > last and alpha != stats.FIXED_ALPHA else ""
    return f"{at}: {both}{beyond}, about {format_minutes(needed * trial_s)} (SD between trials {sd:.3f})"


def out_of_reach(log_ratios: Sequence[float], allowed: float, left_s: float, trial_s: float) -> str:
    """Why the trials that are left would not decide an adaptive gate, '' where they may.

    log_ratios: of the trials so far. The spread of a few trials is itself uncertain: the gate is given up only where its lower
    95 % limit is too large, for a B that is as fast as A and for the distance from the gate that is seen.
    left_s: time that is left; trial_s: what a trial takes
    """
    made = len(log_ratios)
    result = stats.gate(log_ratios, allowed, adaptive=True).result
    if result.sd is None or result.estimate is None or not result.sd > 0:
        return ""
    effect = max(allowed, math.expm1(abs(math.log(result.estimate))))
    last = stats.look_schedule()[-1]
    fit = min(last, made + int(max(left_s, 0.0) / max(trial_s, 1e-9)))
    if _needed(stats.least_sd(result.sd, made), effect) <= fit:
        return ""
    needed = max(_needed(result.sd, allowed), made + 1)
    tightest = stats.detectable_effect(max(fit, made), result.sd, stats.LOOK_ALPHA, whole=stats.FIXED_ALPHA)
    decided = f"{max(fit, made)} trials decide a gate of {100 * (tightest or math.inf):.2g} % or wider"
    if needed <= last:
        remedy = f"--budget {format_minutes(needed * trial_s)} decides this one"
    else:
        fixed = stats.needed_trials(result.sd, allowed)
        remedy = f"--trials {fixed}, about {format_minutes(fixed * trial_s)}, would decide this one"
    return (
        f"a gate of {100 * allowed:g} % is tighter than what can be seen here in the time: with the spread of the first {made} "
        f"trials (SD {result.sd:.3f}) {decided}, and {remedy}"
    )


def _needed(sd: float, effect: float) -> int:
    return stats.needed_trials(sd, effect, stats.LOOK_ALPHA, whole=stats.FIXED_ALPHA)
