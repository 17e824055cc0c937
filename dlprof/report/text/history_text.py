"""A history as terminal text: the figure of each revision, and where its level changed; and what is kept, as a list."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from dlprof.analysis.history import Entry, History, Point, Step
from dlprof.report.text.layout import Column, heading, paint, paragraph, table
from dlprof.report.text.verdict import item_words, percent
from dlprof.units import format_bytes, format_ns

NO_JUDGE: Final = (
    "A look back and no gate: each revision was measured at another time. Whether the newest is too slow is for `dlprof gate`, "
    "which runs it beside its base."
)

_BAR: Final = 21
"""Cells of the little plot in each row."""


def text(found: History, *, colour: bool = False) -> str:
    """The whole report."""
    lines = [paint(line, "head", on=colour) for line in paragraph(title(found))]
    for step in found.steps:
        shade = "bad" if step.ratio > 1 else "good"
        lines += [paint(line, shade, on=colour) for line in paragraph(step_words(step))]  # type: ignore[arg-type]
    if not found.steps:
        lines += paragraph("No change of level is told.")
    lines += ["", *_table(found, colour), ""]
    lines += paragraph(f"Machine: {found.machine}.")
    for note in found.notes:
        lines += paragraph(note, first="  ! ")
    return "\n".join([*lines, *paragraph(NO_JUDGE)]) + "\n"


def title(found: History) -> str:
    """`train: training step, ratio to main at 1a2b3c4d5e6f, 12 revisions.`"""
    count = f"{len(found.points)} revision{'' if len(found.points) == 1 else 's'}"
    what = f"ratio to {found.base}" if found.metric == "ratio" else "of the revision itself"
    return f"{found.name}: {item_words(found.item)}, {what}, {count}."


def step_words(step: Step) -> str:
    """`From 1a2b3c on it is slower than before (9f8e7d): +10.0 % [+7.7 %, +12.3 %] (p = .0003).`"""
    way = "more" if step.ratio > 1 else "less"
    interval = f"{percent(step.ratio)} [{percent(step.low)}, {percent(step.high)}]"
    p = f"{step.p:.5f}".rstrip("0").removeprefix("0")
    return f"From {step.revision} on it takes {way} than up to {step.before}: {interval} (p = {p})."


def figure(value: float, unit: str) -> str:
    """A value of the history's unit; a ratio without one as its change from 1."""
    if not unit:
        return percent(value)
    return format_bytes(value) if unit == "B" else format_ns(value * 1e9 if unit == "s" else value)


def kept(entries: Sequence[Entry], *, colour: bool = False) -> str:
    """What `dlprof baseline show` says: every entry, oldest first."""
    columns = [
        Column("Of", 16, right=False),
        Column("Revision", 14, right=False),
        Column("Found", 15, right=False),
        Column("What", 32, right=False),
    ]
    rows = [
        (
            one.when[:16].replace("T", " "),
            one.revision,
            (f"gate {one.gate}" if one.gate else one.verdict).replace("_", " ") or "calibration",
            one.title or one.head,
        )
        for one in entries
    ]
    bases = dict.fromkeys(one.base for one in entries if one.kind == "comparison")
    lines = [*table(columns, rows), *heading("Against", colour=colour)]
    for base in bases:
        lines += paragraph(base, first="  ")
    return "\n".join(lines) + "\n"


def _table(found: History, colour: bool) -> list[str]:
    first = {step.at for step in found.steps}
    ends = _ends(found.points)
    columns = [
        Column("Revision", 14, right=False),
        Column("Of", 10, right=False),
        Column("Ratio − 1" if found.metric == "ratio" else "Typical", 10),
        Column("95 % interval", 21),
        Column("", _BAR, right=False),
    ]
    lines = table(columns, [_row(point, found.unit, ends) for point in found.points])
    return [paint(line, "warn", on=colour) if at in first else line for at, line in enumerate(lines, start=-2)]


def _row(point: Point, unit: str, ends: tuple[float, float]) -> tuple[str, ...]:
    interval = (
        "one trial"
        if point.low is None or point.high is None
        else f"[{figure(point.low, unit)}, {figure(point.high, unit)}]"
    )
    return (point.revision, point.when[:10], figure(point.value, unit), interval, _bar(point, ends))


def _ends(points: Sequence[Point]) -> tuple[float, float]:
    """Logarithms between which the little plot lies."""
    logs = [math.log(end) for one in points for end in (one.low or one.value, one.high or one.value)]
    return min(logs, default=0.0), max(logs, default=0.0)


def _bar(point: Point, ends: tuple[float, float]) -> str:
    """`  ──●───`"""
    low, high = ends
    if high <= low:
        return "●".center(_BAR).rstrip()

    def at(value: float) -> int:
        return round((math.log(value) - low) / (high - low) * (_BAR - 1))

    cells = [" "] * _BAR
    for cell in range(at(point.low or point.value), at(point.high or point.value) + 1):
        cells[cell] = "─"
    cells[at(point.value)] = "●"
    return "".join(cells).rstrip()
