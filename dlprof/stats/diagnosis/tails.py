"""What a typical ratio does not show: rare slow iterations (the ratio of means), and speeds that change during a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from dlprof.names import SIDES, SideLetter
from dlprof.stats.result import FIRST_LOOK, Drift
from dlprof.stats.sample.allowance import bounds, unmet
from dlprof.stats.sample.location import Floats, varies
from dlprof.stats.trial.log_ratio import TrialRatio

DRIFT_ALPHA: Final = 0.01
LEAST_DRIFT: Final = math.log(1.05)
"""Change from a trial's first round to its last, below which a drift is not worth a word."""


@dataclass(frozen=True, slots=True)
class MeanRatio:
    """Mean time of B ÷ mean time of A, the geometric mean over trials; low and high are None where there is no interval."""

    estimate: float
    low: float | None
    high: float | None
    confidence: float
    trials: int


def mean_ratio(trials: Sequence[TrialRatio], alpha: float, *, whole: float | None = None) -> MeanRatio | None:
    """The ratio of mean times, each trial's own (all kept iterations), with the interval over trials at 1 − alpha.

    Where five calls in a hundred take 20 times as long, this is what a user waits for, and the typical ratio beside it is
    what he sees most of the time. whole: error level of the comparison of which this is a look; alpha where it is none. None
    without a trial that has one.
    """
    logs = np.array([t.log_mean_ratio for t in trials], dtype=np.float64)
    logs = logs[np.isfinite(logs)]
    if not logs.size:
        return None
    low = high = None
    if logs.size > 1 and varies(logs):
        ends = bounds(logs, alpha, unmet(logs.size, whole or alpha))
        low, high = (math.exp(min(max(float(end), -700.0), 700.0)) for end in ends)
    return MeanRatio(math.exp(float(logs.mean())), low, high, 1 - alpha, int(logs.size))


def drifts(trials: Sequence[TrialRatio]) -> tuple[Drift, ...]:
    """Sides whose time drifts within their processes; needs four trials.

    Each trial has one slope a side (log time over rounds). There is a drift where the sides' slopes differ at .01 over the
    trials, for what both share is the machine's and cancels in the ratio, and where that amounts to 5 % over the rounds.
    A side is named where its own slope differs from 0 at .01 as well, the same way. Where neither does, the machine's drift
    being larger or the trials too few, B is named against A.
    """
    slopes = {s: np.array([getattr(t, f"drift_{s}") for t in trials], dtype=np.float64) for s in SIDES}
    known = np.isfinite(slopes["a"]) & np.isfinite(slopes["b"])
    if known.sum() < FIRST_LOOK:
        return ()
    a, b = (slopes[side][known] for side in SIDES)
    iterations = float(np.median([t.iterations for t, one in zip(trials, known, strict=True) if one]))
    if not _beyond(b - a):
        return ()
    alone = [
        _drift(side, own, iterations)
        for side, own, against in zip(SIDES, (a, b), (a - b, b - a), strict=True)
        if (own.mean() > 0) == (against.mean() > 0) and _beyond(own)
    ]
    found = alone or [_drift("b", b - a, iterations, against_other=True)]
    return tuple(drift for drift in found if abs(math.log1p(drift.whole)) >= LEAST_DRIFT)


def _drift(side: SideLetter, slopes: Floats, iterations: float, *, against_other: bool = False) -> Drift:
    mean = float(slopes.mean())
    low, high = (math.expm1(float(end)) for end in bounds(slopes, DRIFT_ALPHA))
    return Drift(side, math.expm1(mean), low, high, math.expm1(mean * iterations), against_other)


def _beyond(slopes: Floats) -> bool:
    """Whether the mean slope over trials differs from 0 at DRIFT_ALPHA."""
    if not varies(slopes):
        return bool(slopes.size and slopes[0] != 0)
    low, high = bounds(slopes, DRIFT_ALPHA)
    return bool(low > 0 or high < 0)
