"""What went on around the trials: order effects, lost rounds and a disturbed machine, said beside the verdict."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from dlprof.stats.inference.verdict import compare
from dlprof.stats.result import MIN_TRIALS, Result
from dlprof.stats.sample.location import Floats, t_pvalue
from dlprof.stats.trial.log_ratio import TrialRatio
from dlprof.units import format_share

Kind = Literal["level", "shift", "noise", "stray"]

STANDS_OUT: Final = "by their timings some trials stand out"
"""How the warning of `disturbances` begins. What the machine did meanwhile is another measurement, with words of its own."""

_LEVEL: Final = math.log(1.25)
_NOISE: Final = 3.0
_STRAY: Final = 3.5
_LEAST_STRAY: Final = math.log(1.05)
"""Calm trials that agree within a percent have strays by their own measure too, in one comparison of seven: not worth a word."""
_NORMAL_MAD: Final = 1.4826
_ORDER_ALPHA: Final = 0.01


@dataclass(frozen=True, slots=True)
class Disturbance:
    """One trial that shows a disturbed machine.

    Nothing is removed for it: lockstep cancels what both sides share, and dropping trials after seeing them would bias the
    interval.

    trial: its number, from 0
    size: a factor on time (level, shift, stray) or on the usual noise (noise)
    """

    trial: int
    kind: Kind
    size: float
    sentence: str


def disturbances(trials: Sequence[TrialRatio]) -> tuple[Disturbance, ...]:
    """Trials that stand out, in order.

    level: both sides together ≥ 25 % off the median of the trials. shift: the shared level changed by ≥ 25 % within the
    trial. noise: rounds vary ≥ 3 times as much as in the median trial. stray (n ≥ 6): the log-ratio lies ≥ 3.5 robust
    standard deviations (1.4826 × MAD), and 5 % at least, off the median.
    """
    usable = [(i, t) for i, t in enumerate(trials) if math.isfinite(t.log_ratio)]
    if not usable:
        return ()
    levels = np.array([math.log(t.a_ns * t.b_ns) / 2 for _, t in usable])
    noise = np.array([t.sd_rounds if t.sd_rounds is not None else math.nan for _, t in usable])
    ratios = np.array([t.log_ratio for _, t in usable])
    usual = float(np.nanmedian(noise)) if np.isfinite(noise).any() else 0.0
    found: list[Disturbance] = []
    for row, (i, trial) in enumerate(usable):
        off = float(levels[row] - np.median(levels))
        if abs(off) >= _LEVEL:
            found.append(_flag(i, "level", math.exp(off), "both sides ran at {0:.2f} times their usual time"))
        if trial.level_shift >= _LEVEL:
            found.append(_flag(i, "shift", math.exp(trial.level_shift), "the machine's speed changed {0:.2f}-fold"))
        if usual > 0 and noise[row] >= _NOISE * usual:
            found.append(_flag(i, "noise", float(noise[row]) / usual, "the rounds vary {0:.1f} times as much as usual"))
    return tuple(sorted((*found, *_strays(ratios, [i for i, _ in usable])), key=lambda d: d.trial))


def _flag(trial: int, kind: Kind, size: float, text: str) -> Disturbance:
    return Disturbance(trial, kind, size, f"trial {trial + 1}: {text.format(size)}")


def _strays(ratios: Floats, index: Sequence[int]) -> list[Disturbance]:
    if ratios.size < MIN_TRIALS:
        return []
    off = ratios - np.median(ratios)
    scale = _NORMAL_MAD * float(np.median(np.abs(off)))
    if scale == 0:
        return []
    text = "its ratio is {0:.2f} times that of the median trial"
    least = max(_STRAY * scale, _LEAST_STRAY)
    return [_flag(i, "stray", math.exp(d), text) for i, d in zip(index, off, strict=True) if abs(d) >= least]


def compare_trials(
    trials: Iterable[TrialRatio],
    *,
    margin: float = 0.05,
    alpha: float | None = None,
    adaptive: bool = False,
    sides: int = 2,
) -> Result:
    """`compare` on the trials' log-ratios, with what the trials tell of themselves among the warnings."""
    given = list(trials)
    result = compare([t.log_ratio for t in given], margin=margin, alpha=alpha, adaptive=adaptive, sides=sides)
    return dataclasses.replace(result, warnings=(*result.warnings, *trial_warnings(given)))


def trial_warnings(trials: Sequence[TrialRatio]) -> tuple[str, ...]:
    """Lost rounds, an order effect over the trials, and disturbances, one sentence each."""
    found = []
    lost, given = sum(t.rounds_lost for t in trials), sum(t.rounds + t.rounds_lost for t in trials)
    if lost:
        found.append(f"{lost} of {given} rounds lost: no positive time on both sides")
    effects = np.array([t.order_effect for t in trials if t.order_effect is not None])
    p = t_pvalue(effects) if effects.size >= MIN_TRIALS else None
    if p is not None and p < _ORDER_ALPHA and abs(effects.mean()) > 0.01:
        cost = format_share(math.expm1(float(effects.mean())), 1, signed=True)
        found.append(f"order effect: running first costs a side {cost} (the balanced order cancels it)")
    flags = disturbances(trials)
    if flags:
        some = "; ".join(flag.sentence for flag in flags[:3])
        more = f"; and {len(flags) - 3} more" if len(flags) > 3 else ""
        found.append(f"{STANDS_OUT}: {some}{more}")
    return tuple(found)
