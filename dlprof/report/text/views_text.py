"""One `show --view` as text (a table for each of its parts, the columns that matter most), JSON and CSV."""

from __future__ import annotations

from json import dumps
from typing import Any, Final

import pyarrow as pa

from dlprof.analysis.of_one_trace import Detail
from dlprof.report import csv as report_csv
from dlprof.report import json as report_json
from dlprof.report.text.layout import Column, cells, heading, paragraph, table, visible, width
from dlprof.units import format_bytes, format_ns

_LEFT_OUT: Final = frozenset({"id", "call_id", "reason", "start_ns", "p95_delay_ns", "min_ns", "compute_ns", "p05_ns"})
"""Columns that text has no room for; JSON and CSV hold all."""

_TITLES: Final = {
    "ns": "Time",
    "copy_only": "Copy only",
    "times_median": "× median",
    "most_queued": "Most",
    "median_queue": "Queue",
    "communication_ns": "Comm.",
    "communication_overlap_ns": "Comm. hidden",
    "communication_only": "Comm. only",
    "peak_ns": "At",
    "median_delay_ns": "Delay",
    "median_latency_ns": "Latency",
    "shorter_than_call": "< call",
    "allocations": "Allocs",
}
_SHARES: Final = frozenset({"share", "busy", "compute", "communication_only", "copy_only", "idle"})


def json(found: Detail) -> str:
    """All tables with all columns, in the terms of schemas/detail.schema.json."""
    head = {"schema_version": report_json.SCHEMA_VERSION, "kind": "detail", "view": found.view, "empty": found.empty}
    return (
        dumps({**head, "tables": report_json.plain(found.tables)}, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    )


def csv(found: Detail) -> str:
    """The tables one after another, each after a line `# title` where there are several."""
    several = len(found.tables) > 1
    return "".join((f"# {title}\n" if several else "") + report_csv.table(part) for title, part in found.tables.items())


def text(found: Detail, *, colour: bool = False, rows: int | None = None) -> str:
    """The tables as text."""
    return "\n".join(lines(found, colour=colour, limit=rows)) + "\n"


def plain(part: pa.Table, limit: int | None) -> tuple[list[str], list[bool], list[list[str]]]:
    """Titles of the columns that text shows, which of them are words rather than numbers, and the cells; nothing cut."""
    names = [name for name in part.column_names if name not in _LEFT_OUT | _told_elsewhere(part)]
    rows = (part if limit is None else part.slice(0, limit)).to_pylist()
    words = [pa.types.is_string(part.schema.field(name).type) for name in names]
    return [_title(name) for name in names], words, [[_cell(name, row[name]) for name in names] for row in rows]


def lines(found: Detail, *, colour: bool, limit: int | None) -> list[str]:
    """The parts, each under its title; `limit` rows of each, the rest counted."""
    out: list[str] = []
    if found.empty:
        return [heading(found.view.capitalize(), colour=colour)[1], *paragraph(found.empty, first="  ")]
    for title, part in found.tables.items():
        if part.num_rows:
            out += heading(f"{found.view.capitalize()}: {title}", colour=colour) + _part(part, limit) + _reasons(part)
    return out[1:]


def _part(part: pa.Table, limit: int | None) -> list[str]:
    titles, words, texts = plain(part, limit)
    out = table(_columns(titles, words, texts), texts)
    hidden = part.num_rows - len(texts)
    return [*out, f"{hidden} more rows"] if hidden else out


def _told_elsewhere(part: pa.Table) -> frozenset[str]:
    """Of the classes of a device's time: what is zero everywhere, or else the shares that would not fit beside the times."""
    if "communication_ns" not in part.column_names:
        return frozenset()
    times = ("communication_ns", "communication_overlap_ns")
    none = not any(part["communication_ns"].to_pylist())
    return frozenset((*times, "communication_only") if none else ("copy_only", "communication_only"))


def _columns(titles: list[str], words: list[bool], texts: list[list[str]]) -> list[Column]:
    """As wide as their longest entry; the widest text column gives way where they do not fit."""
    widths = [
        max(cells(visible(text)) for text in [title, *column])
        for title, column in zip(titles, zip(*texts, strict=True), strict=True)
    ]
    while sum(widths) + len(widths) - 1 > width():
        widest = max((at for at in range(len(titles)) if words[at]), key=lambda at: widths[at], default=None)
        if widest is None or widths[widest] <= 4:
            break
        widths[widest] -= 1
    return [Column(title, width, right=not word) for title, width, word in zip(titles, widths, words, strict=True)]


def _title(name: str) -> str:
    return _TITLES.get(name) or name.removesuffix("_ns").removesuffix("_bytes").replace("_", " ").capitalize()


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "–"
    if name in _SHARES:
        return f"{value * 100:.1f} %"
    if name == "ns" or name.endswith("_ns"):
        return format_ns(value)
    if name == "bytes" or name.endswith("_bytes"):
        return format_bytes(value)
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _reasons(part: pa.Table) -> list[str]:
    """What each cause means, once."""
    if "reason" not in part.column_names:
        return []
    meanings = dict(zip(part["cause"].to_pylist(), part["reason"].to_pylist(), strict=True))
    return [line for cause, reason in meanings.items() for line in paragraph(f"{cause}: {reason}", first="  ")]
