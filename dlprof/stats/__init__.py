"""Arrays in, intervals and verdicts out: the statistics of dlprof, no I/O (what and why: docs/statistics.md)."""

from dlprof.stats.adaptive import Decision, decide, half_width, look_schedule
from dlprof.stats.diagnose import Autocorrelation, autocorrelation
from dlprof.stats.location import Interval, hodges_lehmann, median_interval, signflip_pvalue
from dlprof.stats.multiple import Adjusted, benjamini_hochberg
from dlprof.stats.power import detectable_effect, needed_trials, power
from dlprof.stats.result import FIXED_ALPHA, LOOK_ALPHA, MIN_TRIALS, Result, Verdict
from dlprof.stats.trial import SideTime, TrialRatio, side_time, trial_log_ratio, trial_ratios
from dlprof.stats.verdict import compare
from dlprof.stats.warmup import WarmUp, steady_from, warm_up

__all__ = [
    "FIXED_ALPHA",
    "LOOK_ALPHA",
    "MIN_TRIALS",
    "Adjusted",
    "Autocorrelation",
    "Decision",
    "Interval",
    "Result",
    "SideTime",
    "TrialRatio",
    "Verdict",
    "WarmUp",
    "autocorrelation",
    "benjamini_hochberg",
    "compare",
    "decide",
    "detectable_effect",
    "half_width",
    "hodges_lehmann",
    "look_schedule",
    "median_interval",
    "needed_trials",
    "power",
    "side_time",
    "signflip_pvalue",
    "steady_from",
    "trial_log_ratio",
    "trial_ratios",
    "warm_up",
]
