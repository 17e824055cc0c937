"""What the room gives, in one list."""

from dlprof.stats.design.adaptive import VERDICTS, Decision, decide, half_width, look_schedule, stop_each, stop_together
from dlprof.stats.design.calibration import (
    Calibration,
    Rate,
    Resampled,
    any_false_discovery,
    calibrate,
    consecutive,
    resample,
)
from dlprof.stats.design.rounds import MOST_ROUNDS, PRIOR, Components, best_rounds, components
from dlprof.stats.diagnosis.changes import CHANGE_LEVEL, SHORTEST, Change, level_changes
from dlprof.stats.diagnosis.disturbance import STANDS_OUT, Disturbance, compare_trials, disturbances, trial_warnings
from dlprof.stats.diagnosis.speeds import Speeds, two_speeds
from dlprof.stats.diagnosis.tails import MeanRatio, drifts, mean_ratio
from dlprof.stats.inference.crossing import crossover
from dlprof.stats.inference.gate import Gated, GateState, gate, gate_all
from dlprof.stats.inference.multiple import Adjusted, benjamini_hochberg, pair_alpha
from dlprof.stats.inference.planning import detectable_effect, least_sd, needed_trials, power
from dlprof.stats.inference.verdict import compare
from dlprof.stats.result import (
    FIRST_LOOK,
    FIXED_ALPHA,
    LARGE,
    LOOK_ALPHA,
    MIN_TRIALS,
    Crossover,
    Drift,
    Result,
    Verdict,
    look_alpha,
)
from dlprof.stats.sample.autocorrelation import Autocorrelation, autocorrelation
from dlprof.stats.sample.location import hodges_lehmann, signflip_pvalue
from dlprof.stats.trial.log_ratio import (
    FEWEST_ROUNDS,
    TrialRatio,
    trial_log_ratio,
    trial_ratios,
)
from dlprof.stats.trial.warmup import WarmUp, warm_up

__all__ = [
    "CHANGE_LEVEL",
    "FEWEST_ROUNDS",
    "FIRST_LOOK",
    "FIXED_ALPHA",
    "LARGE",
    "LOOK_ALPHA",
    "MIN_TRIALS",
    "MOST_ROUNDS",
    "PRIOR",
    "SHORTEST",
    "STANDS_OUT",
    "VERDICTS",
    "Adjusted",
    "Autocorrelation",
    "Calibration",
    "Change",
    "Components",
    "Crossover",
    "Decision",
    "Disturbance",
    "Drift",
    "GateState",
    "Gated",
    "MeanRatio",
    "Rate",
    "Resampled",
    "Result",
    "Speeds",
    "TrialRatio",
    "Verdict",
    "WarmUp",
    "any_false_discovery",
    "autocorrelation",
    "benjamini_hochberg",
    "best_rounds",
    "calibrate",
    "compare",
    "compare_trials",
    "components",
    "consecutive",
    "crossover",
    "decide",
    "detectable_effect",
    "disturbances",
    "drifts",
    "gate",
    "gate_all",
    "half_width",
    "hodges_lehmann",
    "least_sd",
    "level_changes",
    "look_alpha",
    "look_schedule",
    "mean_ratio",
    "needed_trials",
    "pair_alpha",
    "power",
    "resample",
    "signflip_pvalue",
    "stop_each",
    "stop_together",
    "trial_log_ratio",
    "trial_ratios",
    "trial_warnings",
    "two_speeds",
    "warm_up",
]
