"""Worlds of noise between trials, whose truth is known; they share no code with dlprof."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

LAST = 30
SCALES = (0.035, 0.05, 0.107, 0.25)
Noise = Callable[[np.random.Generator, float, int], np.ndarray]


@dataclass(frozen=True)
class World:
    """Noise of mean 0 (comparisons, LAST): make(generator, scale, comparisons). scales: its standard deviations, or those
    of the noise around two speeds. beyond: outside what the rule promises."""

    name: str
    make: Noise
    scales: Sequence[float] = SCALES
    beyond: bool = False


def normal(g: np.random.Generator, sd: float, m: int) -> np.ndarray:
    return g.normal(0, sd, (m, LAST))


def student3(g: np.random.Generator, sd: float, m: int) -> np.ndarray:
    return g.standard_t(3, (m, LAST)) * sd / math.sqrt(3)


def lognormal(sides: int) -> Noise:
    """Luck of one side only, or of both: exp of a normal of SD .5 (skewness 1.75 on one side)."""

    def make(g: np.random.Generator, sd: float, m: int) -> np.ndarray:
        luck = [np.exp(g.normal(0, 0.5, (m, LAST))) - math.exp(0.125) for _ in range(sides)]
        whole = luck[0] if sides == 1 else luck[1] - luck[0]
        return whole * sd / math.sqrt(sides * math.exp(0.25) * (math.exp(0.25) - 1))

    return make


def exponential(g: np.random.Generator, sd: float, m: int) -> np.ndarray:
    return (g.exponential(1, (m, LAST)) - 1) * sd


def speeds(gap: float, share: float, sides: int) -> Noise:
    """Processes in two speeds, ln(1 + gap) apart; `share` of them slow; normal noise of SD `scale` around."""

    def make(g: np.random.Generator, sd: float, m: int) -> np.ndarray:
        b = (g.random((m, LAST)) < share) - share
        a = (g.random((m, LAST)) < share) - share if sides == 2 else 0.0
        return (b - a) * math.log1p(gap) + g.normal(0, sd, (m, LAST))

    return make


def contaminated(g: np.random.Generator, sd: float, m: int) -> np.ndarray:
    return g.normal(0, sd, (m, LAST)) * np.where(g.random((m, LAST)) < 0.1, 5.0, 1.0)


def autocorrelated(rho: float) -> Noise:
    def make(g: np.random.Generator, sd: float, m: int) -> np.ndarray:
        fresh, x = g.normal(size=(m, LAST)), np.empty((m, LAST))
        x[:, 0] = fresh[:, 0]
        for i in range(1, LAST):
            x[:, i] = rho * x[:, i - 1] + math.sqrt(1 - rho**2) * fresh[:, i]
        return x * sd

    return make


def growing(g: np.random.Generator, sd: float, m: int) -> np.ndarray:
    """The noise grows threefold, or shrinks to a third, over the session."""
    steps = np.linspace(0, math.log(3), LAST) * g.choice((-1.0, 1.0), (m, 1))
    return g.normal(0, sd, (m, LAST)) * np.exp(steps)


def unequal(g: np.random.Generator, sd: float, m: int) -> np.ndarray:
    """One side's noise is normal, the other's three times as large and of Student's t with 3 degrees of freedom."""
    return g.normal(0, sd / math.sqrt(10), (m, LAST)) + 3 / math.sqrt(10) * student3(g, sd, m)


def drifting(g: np.random.Generator, sd: float, m: int) -> np.ndarray:
    """The ratio itself drifts, by two SDs over 30 trials; see `truth_of`."""
    return g.normal(0, sd, (m, LAST)) + _line(sd)


def _line(sd: float) -> np.ndarray:
    return np.linspace(-1, 1, LAST) * sd


def truth_of(world: World, scale: float) -> float | np.ndarray:
    """The true log-ratio without a difference: 0, or where it drifts its mean over the trials so far."""
    return np.cumsum(_line(scale)) / np.arange(1, LAST + 1) if world.make is drifting else 0.0


TIGHT = (0.002, 0.01, 0.025, 0.05)
"""Of the noise around two speeds: from processes of one speed that are all alike to some that hide it."""
WORLDS = (
    World("normal", normal),
    World("heavy tails: Student t, 3 degrees of freedom", student3),
    World("one trial in ten 5 times as noisy", contaminated),
    World("noise grows or shrinks threefold", growing),
    World("unequal variances, the larger one heavy-tailed", unequal),
    World("the ratio drifts by two SDs over 30 trials", drifting),
    World("skewed luck of both sides: lognormal", lognormal(2)),
    World("skewed luck of one side: lognormal", lognormal(1)),
    World("skewed luck of one side: exponential", exponential),
    World("two speeds 10 % apart, half and half, one side", speeds(0.10, 0.5, 1), TIGHT),
    World("two speeds 10 % apart, half and half, both sides", speeds(0.10, 0.5, 2), TIGHT),
    World("two speeds 39 % apart, half and half, one side", speeds(0.39, 0.5, 1), TIGHT),
    World("two speeds 39 % apart, half and half, both sides", speeds(0.39, 0.5, 2), TIGHT),
    World("two speeds 39 % apart, 1 in 4 slow, both sides", speeds(0.39, 0.25, 2), TIGHT),
    World("two speeds 39 % apart, 1 in 10 slow, both sides", speeds(0.39, 0.10, 2), TIGHT),
    World("two speeds 10 % apart, 1 in 4 slow, one side", speeds(0.10, 0.25, 1), TIGHT),
    World("two speeds 10 % apart, 1 in 10 slow, one side", speeds(0.10, 0.10, 1), TIGHT),
    World("autocorrelation .1", autocorrelated(0.1)),
    World("autocorrelation .3", autocorrelated(0.3)),
    World("autocorrelation .5", autocorrelated(0.5), beyond=True),
    World("two speeds 20 % apart, 1 in 4 slow, one side", speeds(0.20, 0.25, 1), TIGHT, beyond=True),
    World("two speeds 39 % apart, 1 in 4 slow, one side", speeds(0.39, 0.25, 1), TIGHT, beyond=True),
    World("two speeds 39 % apart, 1 in 10 slow, one side", speeds(0.39, 0.10, 1), TIGHT, beyond=True),
    World("two speeds twofold apart, half and half, one side", speeds(1.0, 0.5, 1), TIGHT, beyond=True),
)


def noise(world: World, scale: float, comparisons: int, seed: int = 0) -> np.ndarray:
    """The same draws for every rule and effect."""
    key = [seed, sum(world.name.encode()), round(scale * 1e4)]
    return world.make(np.random.default_rng(np.random.SeedSequence(key)), scale, comparisons)
