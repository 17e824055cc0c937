"""The waterfall: from A's time to B's, line by line, in ms per step; what the figure, the page and the terminal show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dlprof.analysis.model import Comparison, Ledger
from dlprof.report.text.breakdown_text import label
from dlprof.units import NS_PER_MS

LINES = 14


@dataclass(frozen=True, slots=True)
class Step:
    """One line: its name, the operator and phase that give it its colour, its part in the difference."""

    name: str
    op: str
    phase: str | None
    delta_ms: float


@dataclass(frozen=True, slots=True)
class Waterfall:
    """start_ms + the steps' delta_ms = end_ms. title says of what: the step's wall time (ledger) or its operator time."""

    title: str
    start_ms: float
    end_ms: float
    steps: tuple[Step, ...]


def build(found: Comparison, lines: int = LINES) -> Waterfall | None:
    """None where the traces hold nothing. Lines beyond `lines` are summed into one that says how many they are."""
    if found.ledger is not None:
        return of_ledger(found.ledger, lines)
    if not found.rows:
        return None
    a, b = found.units("a"), found.units("b")
    steps = [
        Step(label(row), row.op, row.phase, ((row.b_ns or 0.0) / b - (row.a_ns or 0.0) / a) / NS_PER_MS)
        for row in found.rows
    ]
    start = sum(row.a_ns or 0.0 for row in found.rows) / a / NS_PER_MS
    end = sum(row.b_ns or 0.0 for row in found.rows) / b / NS_PER_MS
    what = "Operator time of a traced step" if found.basis == "step" else "Operator time of the trace"
    return Waterfall(what, start, end, folded(steps, lines))


def of_ledger(ledger: Ledger, lines: int) -> Waterfall:
    """The ledger's lines between the two walls: their differences sum to the gap exactly."""
    steps = [
        Step(line.name, line.name.split(" ")[0], _PHASE.get(line.kind), line.delta_ns / NS_PER_MS)
        for line in ledger.lines
    ]
    what = "Wall time of a traced step" if ledger.basis == "step" else "Wall time of the trace"
    chosen = _in_order(steps, folded(steps, lines))
    return Waterfall(what, ledger.a_wall_ns / NS_PER_MS, ledger.b_wall_ns / NS_PER_MS, chosen)


def _in_order(steps: Sequence[Step], chosen: Sequence[Step]) -> tuple[Step, ...]:
    """The chosen ones in the order of the ledger, which puts extra work before the waiting it causes; a sum of the rest last."""
    place = {id(step): at for at, step in enumerate(steps)}
    return tuple(sorted(chosen, key=lambda step: place.get(id(step), len(steps))))


_PHASE: Final = {
    "copy": "transfer",
    "communication": "communication",
    "concurrency": "concurrency",
    "sync": "sync",
    "dispatch": "dispatch",
    "launch": "gap",
    "unexplained": "unexplained",
}
"""What gives a line that is no operator its colour (palette.family)."""


def folded(steps: Sequence[Step], lines: int) -> tuple[Step, ...]:
    """Largest first; the smaller ones as one line, so that the sum stays whole."""
    ordered = sorted(steps, key=lambda step: (-abs(step.delta_ms), step.name))
    if len(ordered) <= lines:
        return tuple(ordered)
    rest = ordered[lines - 1 :]
    return (*ordered[: lines - 1], Step(f"{len(rest)} smaller lines", "", None, sum(step.delta_ms for step in rest)))
