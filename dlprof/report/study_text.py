"""A study as text: its plan before anything runs, and how its cells went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from dlprof.report.layout import Colour, Column, heading, paint, paragraph, table
from dlprof.study import CellRecord, StudyRecord
from dlprof.units import format_ns

_PLANNED: Final = (Column("About", 12), Column("Cell", 66, right=False))
_RAN: Final = (Column("State", 14, right=False), Column("Took", 12), Column("Cell", 52, right=False))
_COLOURS: Final[Mapping[str, Colour]] = {
    "done": "good",
    "failed": "bad",
    "not_comparable": "warn",
    "interrupted": "warn",
}


def plan(
    cells: Sequence[tuple[CellRecord, str]], environments: Mapping[str, bool], estimate_s: float, *, colour: bool
) -> str:
    """cells: with what stands against each on this machine. environments: name → whether it is there."""
    lines = table(_PLANNED, [(_time(cell.estimate_s), cell.id) for cell, _ in cells])
    for cell, hindrance in cells:
        if hindrance:
            lines += paragraph(f"{cell.id} cannot run here: {hindrance}", first="  ! ")
    lines += heading(f"{len(cells)} cells, about {_time(estimate_s)}", colour=colour)
    there = [name for name, made in environments.items() if made]
    lines += paragraph(f"environments that are there: {_listed(there)}", first="  ", rest="    ")
    missing = [name for name, made in environments.items() if not made]
    lines += paragraph(f"environments to be made: {_listed(missing)}", first="  ", rest="    ")
    lines += paragraph("times are guesses until a cell of an experiment has run", first="  ")
    return "\n".join(lines) + "\n"


def summary(study: StudyRecord, folder: str, *, colour: bool) -> str:
    """A table of the cells: state and time; then what each found, or why it found nothing."""
    rows = [(_words(cell.status), "" if cell.seconds is None else _time(cell.seconds), cell.id) for cell in study.cells]
    lines = [*paragraph(study.title), "", *table(_RAN, rows)]
    for cell in study.cells:
        lines += _told(cell, colour)
    count = Counter(cell.status for cell in study.cells)
    counted = ", ".join(f"{number} {_words(status)}" for status, number in count.items())
    return "\n".join([*lines, "", *paragraph(f"{counted}: {folder}")]) + "\n"


def _told(cell: CellRecord, colour: bool) -> list[str]:
    told = cell.error.message if cell.error else cell.sentence
    if not told:
        return []
    lines = ["", paint(cell.id, _COLOURS.get(cell.status, "head"), on=colour)]
    for line in told.splitlines():
        lines += paragraph(line.strip(), first="  ")
    if cell.error and cell.error.hint:
        lines += paragraph(f"hint: {cell.error.hint}", first="  ")
    return lines


def _words(status: str) -> str:
    return status.replace("_", " ")


def _time(seconds: float) -> str:
    return format_ns(round(seconds, 1) * 1e9)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
