"""What the statistics hand out: frozen values that carry their n, interval, method and warnings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from dlprof.names import SideLetter

Verdict = Literal["faster", "slower", "equivalent", "negligible", "inconclusive"]

MIN_TRIALS: Final = 6
"""Fewest trials for a verdict: with 5, an exact sign-flip test cannot go below p = 2/32 = .0625."""

FIRST_LOOK: Final = 4
"""Trials at the first look of an adaptive comparison, where only a large effect may be called."""

LARGE: Final = 1.25
"""Ratio (or its reciprocal) from which an effect is large. Below it four trials decide nothing: all four of one sign is no
rarity (1 in 8), and one side's processes that run at two speeds look like a difference for so long."""

FIXED_ALPHA: Final = 0.05
LOOK_ALPHA: Final = 0.010
"""Error level of the looks from 10 trials on; see `look_alpha`."""

AGREE_ALPHA: Final = 0.05
"""Level at which the exact sign-flip test has to agree before an adaptive comparison of six trials or more is decided."""


def look_alpha(n: int) -> float:
    """Error level of the look at `n` trials of an adaptive comparison (benchmarks/simulate.py shows what they add up to)."""
    if n < MIN_TRIALS:
        return 0.015
    return 0.005 if n < 10 else LOOK_ALPHA


POWER: Final = 0.80


@dataclass(frozen=True, slots=True)
class Result:
    """Time of B ÷ time of A over trials, with what may be concluded from it.

    estimate, low, high: ratios (1 = no difference; below 1 = B is faster); low and high are None where there is no
        interval
    confidence: level of [low, high], 1 − alpha
    p: of the test that belongs to the interval
    p_signflip: exact sign-flip test; None = the test could not run, which is no evidence
    sd: standard deviation of the log-ratio between trials
    margin: the relative difference called negligible
    more_trials: how many further trials would probably decide, when inconclusive
    detectable: relative slow-down that this many trials with this sd find with 80 % power
    verdict: of B seen from A
    """

    estimate: float | None
    low: float | None
    high: float | None
    confidence: float
    trials: int
    method: str
    p: float | None
    p_signflip: float | None
    sd: float | None
    verdict: Verdict
    margin: float
    more_trials: int | None
    detectable: float | None
    warnings: tuple[str, ...]

    @property
    def alpha(self) -> float:
        """Error level of the interval and the tests."""
        return round(1.0 - self.confidence, 12)

    @property
    def significant(self) -> bool:
        """Whether the interval shows a difference, of whatever size."""
        return self.verdict in ("faster", "slower", "negligible")


@dataclass(frozen=True, slots=True)
class Crossover:
    """The size at which the faster side changes.

    size: None where none is shown, as are low and high; `why` says why
    low, high: confidence set of the size
    faster_below: the side that is faster at small sizes, a | b
    """

    size: float | None
    low: float | None
    high: float | None
    confidence: float
    trials: int
    faster_below: str | None
    why: str


@dataclass(frozen=True, slots=True)
class Drift:
    """One side's time changes as its process runs, which the other side's does not do alike.

    side: a | b
    per_iteration: relative change from one iteration to the next, mean over trials; of the ratio where against_other
    low, high: its interval at .99
    whole: relative change from the first round to the last
    against_other: only the ratio of the two sides is known to change: the machine's own drift, or noise, hides which side does
    """

    side: SideLetter
    per_iteration: float
    low: float
    high: float
    whole: float
    against_other: bool = False
