"""What a gate can show on this machine: which slow-downs it tells from the allowed one, how surely and in what time."""

from __future__ import annotations

from dlprof import stats
from dlprof.units import format_change, format_minutes


def words(allowed: float, sd: float, trial_s: float, alpha: float = stats.LOOK_ALPHA) -> str:
    """`at 5 %: fails a true +10.2 % and passes a true 0 % with 80 % in 14 trials, about 4m (SD between trials .04)`.

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
