"""A study as text: its plan before anything runs, and how its cells went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from dlprof.report.text.layout import Colour, Column, heading, paint, paragraph, table
from dlprof.study import CellRecord, StudyRecord
from dlprof.units import format_ns

_PLANNED: Final = (Column("About", 12),)
_RAN: Final = (Column("State", 14, right=False), Column("Verdict", 14, right=False), Column("Took", 10))
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
    lines = _table(_PLANNED, [(_time(cell.estimate_s), cell.id) for cell, _ in cells])
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
    """A table of the cells: state, verdict and time; then what each found, or why it found nothing."""
    rows = [
        (
            _words(cell.status),
            _words(cell.verdict or ""),
            "" if cell.seconds is None else _time(cell.seconds),
            cell.id,
        )
        for cell in study.cells
    ]
    lines = [*paragraph(study.title), "", *_table(_RAN, rows)]
    for cell in study.cells:
        lines += _told(cell, colour)
    count = Counter(cell.status for cell in study.cells)
    counted = ", ".join(f"{number} {_words(status)}" for status, number in count.items())
    return "\n".join([*lines, "", *paragraph(f"{counted}: {folder}")]) + "\n"


def _table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table whose last column, the ids, is as wide as it must be: an id that is cut cannot be used."""
    return table([*columns, Column("Cell", max(len(row[-1]) for row in rows), right=False)], rows)


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
    return f"{seconds:.1f} s" if seconds < 120 else format_ns(seconds * 1e9)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
