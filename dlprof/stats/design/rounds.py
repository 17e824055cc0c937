"""How many rounds a trial should have: from what trials and rounds each add to the noise, and from what each costs."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from dlprof.stats.inference.planning import detectable_effect
from dlprof.stats.result import FIXED_ALPHA, look_alpha
from dlprof.stats.sample.location import Floats
from dlprof.stats.trial.log_ratio import FEWEST_ROUNDS, TrialRatio

MOST_ROUNDS: Final = 200
PRIOR_TRIALS: Final = 3.0
"""Degrees of freedom of the prior. Four trials have as many, so that both weigh alike at the first look: four trials hardly tell
what varies between trials."""

_DEPENDENCE: Final = 0.6
_PLANNED: Final = (6, 8, 10, 12, 16, 22, 30, 60, 200)


@dataclass(frozen=True, slots=True)
class Components:
    """Where the variance of a trial's log-ratio comes from: between + within ÷ its number of rounds.

    between: what a fresh pair of processes adds. within: what one round adds, with its resemblance to its neighbours.
    trials: measured ones behind it, 0 = a prior
    """

    between: float
    within: float
    trials: int


PRIOR: Final = Components(between=0.08**2, within=0.20**2, trials=0)
"""Before anything is measured: LeNet in MXNet against TensorFlow on a shared virtual machine with two cores, fitted to standard
deviations of .119, .104, .100 and .088 with 5, 8, 12 and 24 rounds a trial."""


def components(trials: Sequence[TrialRatio]) -> Components:
    """What the trials so far say, together with `PRIOR`; trials without a usable ratio or error are left out.

    Rounds: the mean of the trials' squared errors times their rounds, times (1 + ρ)/(1 − ρ) for the mean lag-1
    autocorrelation ρ of their rounds. Trials: the variance of the log-ratios less what their rounds explain of it; it may
    come out negative, and is averaged with the prior (`PRIOR_TRIALS`) before it is cut off at 0.
    """
    usable = [t for t in trials if math.isfinite(t.log_ratio) and t.error is not None]
    if not usable:
        return PRIOR
    rounds = np.array([t.rounds for t in usable], dtype=np.float64)
    lags = [t.autocorrelation.r + 1 / t.rounds for t in usable if t.autocorrelation.r is not None]
    rho = min(max(float(np.mean(lags)), 0.0), _DEPENDENCE) if lags else 0.0
    own = np.array([t.error or 0.0 for t in usable]) ** 2 * rounds * (1 + rho) / (1 - rho)
    ratios = np.array([t.log_ratio for t in usable])
    between, within = pooled(ratios[np.newaxis], own[np.newaxis], rounds[np.newaxis])
    return Components(float(between[0]), float(within[0]), len(usable))


def pooled(ratios: Floats, own: Floats, rounds: Floats) -> tuple[Floats, Floats]:
    """Between and within, (m,), of m comparisons: their trials' log-ratios, variance of one round, and rounds, each (m, n)."""
    within = own.mean(axis=1)
    n = ratios.shape[1]
    if n < 2:
        return np.full(len(ratios), PRIOR.between), within
    left = ratios.var(axis=1, ddof=1) - within * (1 / rounds).mean(axis=1)
    between = (PRIOR_TRIALS * PRIOR.between + (n - 1) * left) / (PRIOR_TRIALS + n - 1)
    return np.maximum(between, 0.0), within


def best_rounds(
    noise: Components,
    *,
    trial_s: float,
    round_s: float,
    effect: float = 0.05,
    least: int = FEWEST_ROUNDS,
    most: int = MOST_ROUNDS,
) -> int:
    """Rounds a trial with which a difference of `effect` is found soonest; an even number, so that each side leads in half.

    trial_s: what a trial costs beside its rounds (starting both sides, warm-up, checks, a traced window); round_s: a round of
    both. Raises `ValueError` for a cost or an effect that is not positive.
    """
    if trial_s <= 0 or round_s <= 0 or effect <= 0:
        raise ValueError(f"costs and effect must be positive, got {trial_s}, {round_s}, {effect}")
    between, within = np.array([noise.between]), np.array([noise.within])
    return int(best_of_each(between, within, trial_s, round_s, effect, least, most)[0])


def best_of_each(
    between: Floats, within: Floats, trial_s: float, round_s: float, effect: float, least: int, most: int
) -> Floats:
    """`best_rounds` for each of (m,) comparisons.

    The number of trials n(r) that have 80 % power at `effect` times their cost is least at r rounds. As n grows with the
    variance between + within/r, that is the optimum of Kalibera & Jones (2013), √(trial_s ÷ round_s × within ÷ between),
    but for comparisons of few trials: fewer than six decide nothing, and the first ones count more than those after.
    """
    even = least + least % 2
    choices = np.arange(even, max(most - most % 2, even) + 1, 2, dtype=np.float64)
    deviation = np.sqrt(between[:, np.newaxis] + within[:, np.newaxis] / choices)
    cost = _trials_for(deviation / math.log1p(effect)) * (trial_s + round_s * choices)
    found: Floats = choices[np.argmin(cost, axis=1)]
    return found


def _trials_for(deviation: Floats) -> Floats:
    """Trials with 80 % power at an effect of 1 (log scale) at each standard deviation, at least six, as a real number."""
    known, trials = _table()
    inside: Floats = np.exp(np.interp(np.log(np.maximum(deviation, 1e-12)), np.log(known), np.log(trials)))
    return np.where(deviation > known[-1], trials[-1] * (deviation / known[-1]) ** 2, inside)


@functools.cache
def _table() -> tuple[Floats, Floats]:
    """Largest standard deviation at which n trials of an adaptive comparison have 80 % power at 1, and n."""
    effects = [detectable_effect(n, 1.0, look_alpha(n), whole=FIXED_ALPHA) or math.inf for n in _PLANNED]
    return 1 / np.log1p(np.array(effects)), np.array(_PLANNED, dtype=np.float64)
