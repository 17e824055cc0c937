"""One `show` table as text: key columns on the left, counts and times on the right."""

from __future__ import annotations

from typing import Final

from dlprof.analysis.of_one_trace import View
from dlprof.report.text import noticed_text
from dlprof.report.text.layout import Column, cells, heading, paragraph, shortened_path, table, visible, width
from dlprof.units import NS_PER_MS, format_ns

_TIMES: Final = {
    "step_ns": "Step ms",
    "total_ns": "Total ms",
    "self_ns": "Self ms",
    "wall_ns": "Wall ms",
    "busy_ns": "Busy ms",
    "span_ns": "Span ms",
}
_PATHS: Final = frozenset({"layer", "source_line"})
"""Keys that lose their beginning where there is no room, for their end tells them apart."""
_NUMBER: Final = 10
_COUNT: Final = 8
_CALLS: Final = 6
_SHARE: Final = 6


def view(found: View, *, colour: bool = False, rows: int | None = None) -> str:
    """One table of `dlprof show` as text, with what the trace says of its completeness."""
    out = lines(found, colour=colour, limit=rows)
    out += ["", *paragraph(noticed_text.complete_words(found.completeness))]
    for name, detail in found.completeness.details.items():
        if detail in found.completeness.statement:
            continue
        out += paragraph(f"{name}: {detail}", first="  ")
    return "\n".join(out + noticed_text.anomalies(found.anomalies, colour)) + "\n"


def lines(found: View, *, colour: bool, limit: int | None) -> list[str]:
    """Heading and table; `limit` rows, the rest counted in a line of its own."""
    side = " (the host's side)" if found.where == "host" else ""
    title = heading(f"By {found.by}{side}", colour=colour)[1:]
    if not found.table.num_rows:
        said = _outside(found) or found.empty or "No executed work was recorded."
        return [*title, *paragraph(said, first="  "), *(line for text in _elsewhere(found) for line in paragraph(text))]
    measures = _measures(found)
    shown = found.table if limit is None else found.table.slice(0, limit)
    rows = shown.to_pylist()
    keys = [[_key(row[name]) for name in found.keys] for row in rows]
    columns = _key_columns(found.keys, keys, width() - sum(column.width + 1 for _, column in measures))
    fitted = [_fitted(found.keys, key, columns) for key in keys]
    body = [key + [_cell(name, row[name]) for name, _ in measures] for key, row in zip(fitted, rows, strict=True)]
    out = title + table([*columns, *(column for _, column in measures)], body)
    if shown.num_rows < found.table.num_rows:
        out.append(f"{found.table.num_rows - shown.num_rows} more rows")
    return out + _notes(found, columns, keys)


def plain(found: View, limit: int | None) -> tuple[list[str], int, list[list[str]]]:
    """Titles of the columns, how many of them are names rather than numbers, and the cells; nothing cut."""
    measures = _measures(found)
    rows = (found.table if limit is None else found.table.slice(0, limit)).to_pylist()
    body = [[_key(row[name]) for name in found.keys] + [_cell(name, row[name]) for name, _ in measures] for row in rows]
    titles = [name.replace("_", " ").capitalize() for name in found.keys]
    return [*titles, *(column.title for _, column in measures)], len(titles), body


def remarks(found: View) -> list[str]:
    """What is to be said of the table, whatever shows it: what it leaves out, or why it is empty."""
    if not found.table.num_rows:
        return [_outside(found) or found.empty or "No executed work was recorded.", *_elsewhere(found)]
    told = [_outside(found)] if found.outside and found.outside.count else []
    return [*told, *_workless(found), *_elsewhere(found), *unknown_words(found)]


def unknown_words(found: View) -> list[str]:
    """What is said of names that no vocabulary knows."""
    if "known" not in found.table.column_names:
        return []
    unknown = found.table["known"].to_pylist().count(False)
    if unknown and unknown == found.table.num_rows:
        # A plain span may be called Conv and be anything: its name alone makes it none.
        return [
            "None of these is read as an operator: a name is one only where the trace's format tells operators from other spans "
            "of host code, and dlprof's vocabulary has it. They stand as the trace has them."
        ]
    if unknown == 1:
        return ["1 of the operators is not in the vocabulary and stands under its raw name."]
    return [f"{unknown} of the operators are not in the vocabulary and stand under their raw names."] if unknown else []


def _workless(found: View) -> list[str]:
    """Steps that have no row."""
    if found.workless is None:
        return []
    one = found.workless.count == 1
    return [
        f"In {found.workless.count} marked step{'' if one else 's'} ({format_ns(found.workless.wall_ns)}) no work ran: "
        f"{'it has' if one else 'they have'} no row and {'is' if one else 'are'} in no median."
    ]


def _outside(found: View) -> str:
    """What of the work belongs to no step."""
    if found.outside is None or not found.outside.count:
        return ""
    count = found.outside.count
    what = f"{count} execution{'' if count == 1 else 's'} ({format_ns(found.outside.self_ns)})"
    if found.by != "step":
        return f"{what} of this belong{'s' if count == 1 else ''} to no step; Wall counts the time within steps alone."
    if not found.table.num_rows:
        return f"No step is marked in the trace: {what} belong{'s' if count == 1 else ''} to none."
    return (
        f"{what} of work belong{'s' if count == 1 else ''} to no step and stand{'s' if count == 1 else ''} in no row."
    )


def _elsewhere(found: View) -> list[str]:
    """What the other side of the trace holds, which this table does not show."""
    if found.elsewhere is None or not found.elsewhere.count:
        return []
    amount = f"{found.elsewhere.count} event{'' if found.elsewhere.count == 1 else 's'} ({format_ns(found.elsewhere.self_ns)})"
    if found.where == "host":
        return [f"The work of devices is not in this table: {amount}; --where work shows it."]
    return [f"The host's side is not in this table: {amount} of self time; --where host shows it."]


def _measures(found: View) -> list[tuple[str, Column]]:
    names = [name for name in found.table.column_names if name not in found.keys]
    measures = [("count", Column("Count", _COUNT))] if "count" in names else []
    if "calls" in names and found.table["calls"].to_pylist() != found.table["count"].to_pylist():
        measures.append(("calls", Column("Calls", _CALLS)))
    wide = "busy_ns" in names or found.by == "kernel"
    for name, title in _TIMES.items():
        if name in names and not (wide and name == "wall_ns"):
            measures.append((name, Column(title, _NUMBER)))
    if "share" in names:
        measures.append(("share", Column("Share", _SHARE)))
    return measures


def _key_columns(names: tuple[str, ...], keys: list[list[str]], room: int) -> list[Column]:
    """As wide as their longest entry; the longest column gives way where they do not fit."""
    widths = [
        max(cells(visible(text)) for text in [name, *column])
        for name, column in zip(names, zip(*keys, strict=True), strict=True)
    ]
    while sum(widths) + len(widths) - 1 > room and max(widths) > 4:
        widths[widths.index(max(widths))] -= 1
    titles = (name.replace("_", " ").capitalize() for name in names)
    return [Column(title, width, right=False) for title, width in zip(titles, widths, strict=True)]


def _fitted(names: tuple[str, ...], key: list[str], columns: list[Column]) -> list[str]:
    return [
        shortened_path(text, column.width) if name in _PATHS else text
        for name, text, column in zip(names, key, columns, strict=False)
    ]


def _key(value: object) -> str:
    return "–" if value is None else str(value)


def _cell(name: str, value: float | int | None) -> str:
    if value is None:
        return "–"
    if name in ("count", "calls"):
        return str(value)
    if name == "share":
        return "100 %" if value >= 0.9995 else f"{value * 100:.1f} %"
    return f"{value / NS_PER_MS:.3f}"


def _notes(found: View, columns: list[Column], keys: list[list[str]]) -> list[str]:
    walled = any(name == "wall_ns" for name, _ in _measures(found))
    notes = [_outside(found)] if found.outside and found.outside.count and (found.by == "step" or walled) else []
    notes += [*_workless(found), *_elsewhere(found)]
    if any(cells(visible(text)) > column.width for key in keys for text, column in zip(key, columns, strict=True)):
        notes.append("Names with … are cut here; --format json and csv hold them whole.")
    notes += unknown_words(found)
    return [line for note in notes for line in paragraph(note)]
