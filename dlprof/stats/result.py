"""What the statistics hand out: frozen values that carry their n, interval, method and warnings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Verdict = Literal["faster", "slower", "equivalent", "negligible", "inconclusive"]

MIN_TRIALS: Final = 6
"""Fewest trials for a verdict: with 5, an exact sign-flip test cannot go below p = 2/32 = .0625."""

FIXED_ALPHA: Final = 0.05
LOOK_ALPHA: Final = 0.010
"""Error level of each look of an adaptive comparison; over the looks 6, 8, …, 30 it adds up to about .049."""

POWER: Final = 0.80


@dataclass(frozen=True, slots=True)
class Result:
    """Time of B ÷ time of A over trials, with what may be concluded from it.

    estimate, low, high: ratios (1 = no difference; below 1 = B is faster); low and high are None where there is no
    interval. confidence: level of [low, high], 1 − alpha. p: two-sided t test; p_signflip: exact sign-flip test; None =
    the test could not run, which is no evidence. sd: standard deviation of the log-ratio between trials. margin: the
    relative difference called negligible. more_trials: how many further trials would probably decide, when
    inconclusive. detectable: relative slow-down that this many trials with this sd find with 80 % power. verdict: of B
    seen from A.
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
