"""The largest causes of a gap and what share of it they are: what a reader is told before any table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dlprof.analysis.model import Ledger, LedgerLine

MOST: Final = 3
SMALL: Final = 0.02
"""Part of the longer wall below which the gap is too small for shares of it to mean anything."""
TOLD: Final = 0.1
"""Part of the gap from which on unexplained time is told beside the causes."""
LEAST: Final = 0.02
"""Part of the largest cause from which on another is named beside it."""


@dataclass(frozen=True, slots=True)
class Causes:
    """The lines of a ledger that widen its gap most.

    largest: in the ledger's order, of the gap's sign
    unexplained: unexplained time, where it is a tenth of the gap or more
    share: of the gap, of each of these in this order; None where the gap is too small
    others: number of lines that are left
    others_ns: what those sum to; with those named it is the gap exactly
    against_ns: what of it goes the other way
    """

    gap_ns: int
    largest: tuple[LedgerLine, ...]
    unexplained: LedgerLine | None
    share: tuple[float, ...] | None
    others: int
    others_ns: int
    against_ns: int

    @property
    def named(self) -> tuple[LedgerLine, ...]:
        """What is told by name: the largest, then what is unexplained."""
        return self.largest if self.unexplained is None else (*self.largest, self.unexplained)


def of(ledger: Ledger, most: int = MOST) -> Causes:
    """What the ledger names first. A line whose interval includes zero is no cause, where lines have intervals."""
    gap = ledger.gap_ns
    chosen = telling([line for line in ledger.lines if _widens(line, gap)])[:most]
    unexplained = [
        line for line in ledger.lines if line.kind == "unexplained" and abs(line.delta_ns) >= TOLD * abs(gap)
    ]
    named = [*chosen, *unexplained]
    left = [line for line in ledger.lines if line not in named]
    small = abs(gap) < SMALL * max(ledger.a_wall_ns, ledger.b_wall_ns)
    return Causes(
        gap_ns=gap,
        largest=tuple(chosen),
        unexplained=unexplained[0] if unexplained else None,
        share=None if small or not gap else tuple(line.delta_ns / gap for line in named),
        others=len(left),
        others_ns=gap - sum(line.delta_ns for line in named),
        against_ns=sum(line.delta_ns for line in left if line.delta_ns * gap < 0),
    )


def telling(lines: Sequence[LedgerLine]) -> list[LedgerLine]:
    """Those of a size that says something beside the largest: an operator that surely takes 128 ns more is no cause of 15 ms."""
    largest = max((abs(line.delta_ns) for line in lines), default=0)
    return [line for line in lines if abs(line.delta_ns) >= LEAST * largest]


def _widens(line: LedgerLine, gap_ns: int) -> bool:
    if line.kind == "unexplained" or line.delta_ns * gap_ns <= 0:
        return False
    return line.low_ns is None or line.high_ns is None or line.low_ns * line.high_ns > 0
