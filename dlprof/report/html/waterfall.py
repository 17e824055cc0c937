"""The waterfall: from A's time to B's, line by line, per step: what the figure and the page show, and the drawing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlprof.analysis.model import Comparison, Ledger
from dlprof.report import palette
from dlprof.report.html.figure import WIDTH, axes, ink, named_rows, plain_number, signed
from dlprof.report.html.figure import unit as figure_unit
from dlprof.report.text.breakdown_text import label
from dlprof.units import NS_PER_MS

LINES = 14


@dataclass(frozen=True, slots=True)
class Step:
    """One line: its name, the operator and phase that give it its colour, its part in the difference.

    low_ms, high_ms: 95 % interval of delta_ms, where there is one
    line: its place in the ledger, None where it is no line of a ledger
    """

    name: str
    op: str
    phase: str | None
    delta_ms: float
    low_ms: float | None = None
    high_ms: float | None = None
    line: int | None = None


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
        Step(
            line.name,
            line.name.split(" ")[0],
            _PHASE.get(line.kind),
            line.delta_ns / NS_PER_MS,
            None if line.low_ns is None else line.low_ns / NS_PER_MS,
            None if line.high_ns is None else line.high_ns / NS_PER_MS,
            at,
        )
        for at, line in enumerate(ledger.lines)
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


def draw(found: Waterfall, a: str, b: str) -> Figure:
    """From A's time to B's: bars to the left are time that B saves, bars to the right time that B adds."""
    names = [f"A: {a}", *(step.name for step in found.steps), f"B: {b}"]
    unit = figure_unit([found.start_ms * NS_PER_MS, found.end_ms * NS_PER_MS])
    scale = NS_PER_MS / unit.ns
    ends = scale * np.cumsum([found.start_ms, *(step.delta_ms for step in found.steps)])
    bounds = [
        [scale * (step.delta_ms if one is None else one) + before for one in (step.low_ms, step.high_ms)]
        for step, before in zip(found.steps, ends, strict=False)
    ]
    known = [*ends, *(end for pair in bounds for end in pair)]
    left = _axis_start(min(known), max(known))
    figure, (axis,) = axes(WIDTH, 0.9 + 0.27 * len(names))
    room = max(known) - left
    axis.set_xlim(min(left, min(known) - 0.08 * room), max(known) + 0.15 * room)
    for row, side, value in ((0, "a", found.start_ms), (len(names) - 1, "b", found.end_ms)):
        _whole(axis, row, side, left, scale * value)
        _beside(axis, f"{scale * value:.{unit.decimals}f}", scale * value, row)
    named_rows(axis, names)
    for row, (step, before, after, (low, high)) in enumerate(zip(found.steps, ends, ends[1:], bounds, strict=False), 1):
        saves = step.delta_ms < 0
        (bar,) = axis.barh(
            row,
            after - before,
            left=before,
            color=palette.LESS if saves else palette.MORE,
            hatch="" if saves else "....",
        )
        axis.plot([before, before], [row - 1, row], color="gray", linewidth=0.6)
        if step.low_ms is not None and step.high_ms is not None:
            axis.errorbar(
                [after], [row], xerr=[[after - low], [high - after]], color=ink(), capsize=2.5, linewidth=1, fmt="none"
            )
        _beside(axis, signed(scale * step.delta_ms, unit.decimals), max(before, after, high), row)
        if step.line is not None:
            bar.set_gid(f"line-{step.line}")
            axis.get_yticklabels()[row].set_gid(f"name-{step.line}")
    told = [unit.name]
    if left > 0:
        told[0] += (
            f" (the axis starts at {plain_number(left)} {unit.name}, not at 0: the bars of A and B are cut short)"
        )
    if any(step.low_ms is not None for step in found.steps):
        told.append("thin lines: 95 % interval of the difference")
    axis.set_xlabel(";\n".join(told))
    axis.set_title(
        f"{found.title}: {signed(scale * (found.end_ms - found.start_ms), unit.decimals)} {unit.name} from A to B"
    )
    return figure


def _axis_start(low: float, high: float) -> float:
    """0, or a round number before `low` where what lies below it would take over a third of the width."""
    if low <= high / 3:
        return 0.0
    span = max(high - low, 0.02 * high)
    step = 10.0 ** math.floor(math.log10(span / 2))
    return max(0.0, math.floor((low - 0.2 * span) / step) * step)


def _whole(axis: Axes, row: int, side: str, left: float, value: float) -> None:
    """The bar of a side's whole time; broken at its foot where the axis does not start at 0."""
    gap = 0.012 * (axis.get_xlim()[1] - axis.get_xlim()[0]) if left > 0 else 0.0
    pieces = [(left, gap), (left + 2 * gap, value - left - 2 * gap)] if gap else [(0.0, value)]
    for start, length in pieces:
        axis.barh(row, length, left=start, color=palette.SIDES[side], hatch=palette.HATCH[side])
    for start in (left + gap, left + 2 * gap) if gap else ():
        axis.plot([start - gap / 3, start + gap / 3], [row + 0.5, row - 0.5], color=ink(), linewidth=0.8)


def _beside(axis: Axes, text: str, value: float, row: int) -> None:
    axis.annotate(text, (value, row), (4, 0), textcoords="offset points", va="center", fontsize=8)
