"""What oneDNN said of its primitives, as text: the difference by reason, and the problems that weigh most."""

from __future__ import annotations

from typing import Final

from dlprof.analysis.facts import Primitive, Primitives
from dlprof.analysis.model import Comparison
from dlprof.report.text.layout import Column, heading, paragraph, table
from dlprof.units import NS_PER_MS, format_signed

TITLE: Final = "Deeper: what oneDNN says (short runs of their own)"
CAUTION: Final = "printing costs time and the runs are short: these figures rank reasons, no more"
ROWS: Final = 6

WORDS: Final = {
    "same implementation": "same primitive, other speed",
    "other implementation": "other algorithm",
    "only in A": "primitives of A only",
    "only in B": "primitives of B only",
    "reorder": "reorders (layout conversions)",
}
"""Reasons of analysis.primitives, as people read them."""


def by_reason(said: Primitives) -> list[tuple[str, float]]:
    """(reason in words, ms a step that B takes more), largest first."""
    pairs = sorted(said.by_reason_ns.items(), key=lambda pair: -abs(pair[1]))
    return [(WORDS.get(reason, reason), ns / NS_PER_MS) for reason, ns in pairs]


def problem(primitive: Primitive) -> str:
    """`convolution backward_data mb200_ic6…`."""
    return " ".join(part for part in (primitive.primitive, primitive.prop, primitive.problem) if part)


def implementations(primitive: Primitive) -> str:
    """`jit:avx512_core → x64:gemm:jit`, A's and B's, or the one that both take."""
    a, b = (one or "nothing" for one in (primitive.a_implementation, primitive.b_implementation))
    return a if a == b else f"{a} → {b}"


def milliseconds(primitive: Primitive) -> tuple[float | None, float | None]:
    """ms a step on A and B; None where a side does not run it."""
    a, b = primitive.a_ns, primitive.b_ns
    return (None if a is None else a / NS_PER_MS), (None if b is None else b / NS_PER_MS)


def lines(found: Comparison, *, colour: bool, limit: int = ROWS) -> list[str]:
    """Heading, sums by reason, the problems that differ most; where nothing was printed, that."""
    said = found.facts.primitives
    if said is None:
        return []
    out = heading(TITLE, colour=colour)
    if not said.primitives or said.absent:
        return out + paragraph(said.statement, first="  ")
    columns = [Column("reason", 60, right=False), Column("B−A ms", 9)]
    out += table(columns, [(name, format_signed(ms, 3)) for name, ms in by_reason(said)])
    for primitive in said.primitives[:limit]:
        out += paragraph(_sentence(primitive), first="  ", rest="    ")
    left = said.primitives[limit:]
    more = f"{len(left)} further primitives are in the JSON; " if left else ""
    return out + paragraph(f"{more}{CAUTION}.")


def _sentence(primitive: Primitive) -> str:
    a, b = ("–" if ms is None else f"{ms:.3f}" for ms in milliseconds(primitive))
    return f"{problem(primitive)}: {a} against {b} ms; {implementations(primitive)}"
