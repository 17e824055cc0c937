"""What simulated comparisons came to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

FIRST_SIGNIFICANT = 2


@dataclass(frozen=True)
class Cell:
    """What comparisons of one world, scale, effect and margin came to, as shares. different: called so; wrong: called so with
    an interval that misses the truth, which without a true difference is the same; covered: of the intervals at the stop."""

    different: float
    wrong: float
    covered: float
    trials: float
    equivalent: float
    comparisons: int

    @property
    def limit(self) -> float:
        """One-sided 95 % upper limit of `wrong` (Clopper-Pearson)."""
        hits = round(self.wrong * self.comparisons)
        return float(special.betaincinv(hits + 1, self.comparisons - hits, 0.95)) if hits < self.comparisons else 1.0


def cell_of(code: np.ndarray, covered: np.ndarray, used: np.ndarray) -> Cell:
    called = code >= FIRST_SIGNIFICANT
    shares = (part.mean() for part in (called, called & ~covered, covered, used, code == 1))
    return Cell(*(float(share) for share in shares), len(code))
