"""Arrays in, intervals and verdicts out: the statistics of dlprof, no I/O (what and why: docs/statistics.md)."""

from dlprof.stats.adaptive import Decision, decide, half_width, look_schedule
from dlprof.stats.calibration import Calibration, Rate, Resampled, any_false_discovery, calibrate, consecutive, resample
from dlprof.stats.crossing import Crossover, crossover
from dlprof.stats.diagnose import Autocorrelation, autocorrelation
from dlprof.stats.disturbance import Disturbance, compare_trials, disturbances, trial_warnings
from dlprof.stats.location import Interval, hodges_lehmann, median_interval, signflip_pvalue
from dlprof.stats.multiple import Adjusted, benjamini_hochberg
from dlprof.stats.planning import detectable_effect, needed_trials, power
from dlprof.stats.replicates import ReplicateDifference, ReplicateTable, compare_replicate_rows, compare_replicates
from dlprof.stats.result import FIXED_ALPHA, LOOK_ALPHA, MIN_TRIALS, Result, Verdict
from dlprof.stats.stopping import StoppingErrors, simulate_stopping
from dlprof.stats.trial import ORDER_EFFECT_LIMIT, SideTime, TrialRatio, side_time, trial_log_ratio, trial_ratios
from dlprof.stats.variance import Repetitions, VarianceComponents, best_repetitions, variance_components
from dlprof.stats.verdict import compare
from dlprof.stats.warmup import WarmUp, steady_from, warm_up

__all__ = [
    "FIXED_ALPHA",
    "LOOK_ALPHA",
    "MIN_TRIALS",
    "ORDER_EFFECT_LIMIT",
    "Adjusted",
    "Autocorrelation",
    "Calibration",
    "Crossover",
    "Decision",
    "Disturbance",
    "Interval",
    "Rate",
    "Repetitions",
    "ReplicateDifference",
    "ReplicateTable",
    "Resampled",
    "Result",
    "SideTime",
    "StoppingErrors",
    "TrialRatio",
    "VarianceComponents",
    "Verdict",
    "WarmUp",
    "any_false_discovery",
    "autocorrelation",
    "benjamini_hochberg",
    "best_repetitions",
    "calibrate",
    "compare",
    "compare_replicate_rows",
    "compare_replicates",
    "compare_trials",
    "consecutive",
    "crossover",
    "decide",
    "detectable_effect",
    "disturbances",
    "half_width",
    "hodges_lehmann",
    "look_schedule",
    "median_interval",
    "needed_trials",
    "power",
    "resample",
    "side_time",
    "signflip_pvalue",
    "simulate_stopping",
    "steady_from",
    "trial_log_ratio",
    "trial_ratios",
    "trial_warnings",
    "variance_components",
    "warm_up",
]
