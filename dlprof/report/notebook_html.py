"""What a notebook shows of a capture, a view, a study or rows: small tables without style of their own, everything escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from dlprof.analysis.model import View
from dlprof.report.text.verdict import percent
from dlprof.study import StudyRecord
from dlprof.units import NS_PER_MS

MOST: Final = 20
"""Rows that are shown."""


def rows(found: Sequence[Mapping[str, Any]]) -> str:
    """Rows with their columns."""
    if not found:
        return "<p>No rows.</p>"
    names = list(dict.fromkeys(name for row in found for name in row))
    return _table(names, [[_cell(row.get(name)) for name in names] for row in found[:MOST]]) + _more(len(found))


def view(found: View) -> str:
    """A breakdown: times in milliseconds."""
    names = [name for name in found.table.column_names if name != "known"]
    shown = found.table.slice(0, MOST).to_pylist()
    titles = [f"{name.removesuffix('_ns')} ms" if name.endswith("_ns") else name for name in names]
    body = [[_measure(name, row[name]) for name in names] for row in shown]
    said = found.empty or found.completeness.statement
    table = _table(titles, body) + _more(found.table.num_rows)
    return f"<p><strong>By {escape(found.by)}</strong></p>{table}<p>{escape(said)}</p>"


def capture(title: str, facts: Mapping[str, object], found: View) -> str:
    """A capture: what it is, and its time by operator."""
    listed = " · ".join(f"{escape(name)}: {escape(str(value))}" for name, value in facts.items())
    return f"<p><strong>{escape(title)}</strong><br>{listed}</p>{view(found)}"


def study(found: StudyRecord) -> str:
    """A study: its cells with state, verdict and what each found."""
    body = [[cell.id, cell.status, cell.verdict or "", cell.sentence or ""] for cell in found.cells[:MOST]]
    table = _table(["cell", "status", "verdict", "found"], body)
    return f"<p><strong>{escape(found.title)}</strong></p>{table}{_more(len(found.cells))}"


def _table(names: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    lines = "".join(f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in body)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


def _more(count: int) -> str:
    return f"<p>… {count - MOST} more rows</p>" if count > MOST else ""


def _measure(name: str, value: Any) -> str:
    if value is not None and name.endswith("_ns"):
        return f"{value / NS_PER_MS:.3f}"
    if value is not None and name == "share":
        return percent(1 + value).lstrip("+")
    return _cell(value)


def _cell(value: Any) -> str:
    return "–" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
