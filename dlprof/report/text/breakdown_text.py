"""The breakdown of A beside B as a table: largest difference first, small rows folded into one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dlprof.analysis.model import Comparison, Row
from dlprof.report.text.layout import Column, heading, paragraph, table
from dlprof.report.text.verdict import percent
from dlprof.units import NS_PER_MS, format_signed, in_one_unit

ROWS: Final = 20
LEVEL: Final = 0.05
"""False discovery rate at which a row counts as different."""

SMALL: Final = 0.002
"""A row whose share stays below this on both sides is folded even where there is room."""


@dataclass(frozen=True, slots=True)
class _Scale:
    """What a side's sums are divided by: its traced steps (1 where the whole traces are compared) and its summed op time."""

    steps: int
    total_ns: float

    def ms(self, ns: float | None) -> float:
        """Milliseconds a step."""
        return (ns or 0.0) / self.steps / NS_PER_MS

    def share(self, ns: float | None) -> float:
        """Fraction of the side's op time."""
        return (ns or 0.0) / self.total_ns if self.total_ns > 0 else 0.0

    def calls(self, count: int) -> str:
        """Calls a step: whole where they are the same in each step."""
        return str(count // self.steps) if count % self.steps == 0 else f"{count / self.steps:.1f}"


def lines(found: Comparison, *, colour: bool, limit: int = ROWS) -> list[str]:
    """Heading, table, totals and a legend; says so where there is nothing to break down."""
    title = heading("Where the time goes (from the traces; they explain, they do not decide)", colour=colour)
    if not found.rows:
        return [*title, *paragraph(nothing_to_break_down(found), first="  ")]
    a, b = _scale(found, "a"), _scale(found, "b")
    shown, folded = _split(found.rows, a, b, limit)
    sums: list[tuple[str, Sequence[Row]]] = [("all rows", found.rows)]
    if folded:
        sums.insert(0, (f"{len(folded)} smaller row{'s' if len(folded) > 1 else ''}", folded))
    if any(row.low_ns is not None for row in found.rows):
        body = [_tested_cells(row, a, b) for row in shown] + [(*_sum(*one, a, b)[:4], "", "") for one in sums]
        return title + table(_tested_columns(), body) + _tested_legend(found) + _not_the_wall(found)
    body = [_cells(row, a, b) for row in shown] + [_sum(*one, a, b) for one in sums]
    return title + table(_columns(), body) + _legend(found) + _not_the_wall(found)


def nothing_to_break_down(found: Comparison) -> str:
    """Why there is no row."""
    if not found.traced:
        return "No trace was recorded, so nothing is known of where the time goes (--traces 1 records some)."
    return "Neither trace holds an operator."


def _columns() -> list[Column]:
    return [
        Column("op · phase · layer", 30, right=False, path=True),
        Column("A ms", 8),
        Column("B ms", 8),
        Column("B−A ms", 9),
        Column("A %", 5),
        Column("B %", 5),
        Column("nA", 4),
        Column("nB", 4),
    ]


def _tested_columns() -> list[Column]:
    """With traced replicates: interval and q in place of shares and calls, which the other forms of output keep."""
    return [
        Column("op · phase · layer", 28, right=False, path=True),
        Column("A ms", 8),
        Column("B ms", 8),
        Column("B−A ms", 8),
        Column("interval of B−A", 16),
        Column("q", 7),
    ]


def _scale(found: Comparison, side: str) -> _Scale:
    total = sum((row.a_ns if side == "a" else row.b_ns) or 0.0 for row in found.rows)
    return _Scale(found.units(side), total)


def _split(rows: Sequence[Row], a: _Scale, b: _Scale, limit: int) -> tuple[list[Row], list[Row]]:
    """Rows to show, largest per-step difference first, and rows to fold."""
    ordered = sorted(rows, key=lambda row: (-abs(b.ms(row.b_ns) - a.ms(row.a_ns)), label(row)))
    large = [row for row in ordered if max(a.share(row.a_ns), b.share(row.b_ns)) >= SMALL]
    shown = large[:limit]
    kept = {id(row) for row in shown}
    folded = [row for row in ordered if id(row) not in kept]
    return (shown + folded, []) if len(folded) == 1 else (shown, folded)


def per_unit(found: Comparison) -> str:
    """What times and calls of both sides are of: `per traced step`, or `over the whole trace`."""
    return "per traced step" if found.basis == "step" else "over the whole trace"


def label(row: Row) -> str:
    """`Conv · backward · conv1`, without the parts that the row does not have."""
    return " · ".join(part for part in (row.op, row.phase, row.layer) if part)


def _cells(row: Row, a: _Scale, b: _Scale) -> tuple[str, ...]:
    return (
        label(row),
        "–" if row.a_ns is None else f"{a.ms(row.a_ns):.3f}",
        "–" if row.b_ns is None else f"{b.ms(row.b_ns):.3f}",
        format_signed(b.ms(row.b_ns) - a.ms(row.a_ns), 3),
        "–" if row.a_ns is None else f"{a.share(row.a_ns) * 100:.1f}",
        "–" if row.b_ns is None else f"{b.share(row.b_ns) * 100:.1f}",
        "–" if row.a_ns is None else a.calls(row.a_count),
        "–" if row.b_ns is None else b.calls(row.b_count),
    )


def _tested_cells(row: Row, a: _Scale, b: _Scale) -> tuple[str, ...]:
    known = row.low_ns is not None and row.high_ns is not None
    ends = [format_signed(a.ms(ns), 3) for ns in (row.low_ns, row.high_ns)]
    interval = f"[{', '.join(ends)}]" if known else "–"
    return (*_cells(row, a, b)[:4], interval, "–" if row.q is None else _q(row.q))


def _q(q: float) -> str:
    mark = "*" if q <= LEVEL else ""
    return f"{mark}<.001" if q < 0.001 else f"{mark}{q:.3f}".replace("0.", ".", 1)


def _tested_legend(found: Comparison) -> list[str]:
    costs = [
        f"{name} step by {percent(1 + cost)}"
        for name, side in (("A's", "a"), ("B's", "b"))
        if (cost := found.profiling_overhead.get(side)) is not None
    ]
    tested = [row for row in found.rows if row.q is not None]
    differ = sum(row.q <= LEVEL for row in tested if row.q is not None)
    text = (
        f"ms: self time {per_unit(found)}, means over the traced steps; interval: 95 %, row by row; q: Benjamini-Hochberg over "
        f"the table, * where at most .05: {differ} of {len(tested)} rows differ."
    )
    if len(tested) < len(found.rows):
        text += f" {len(found.rows) - len(tested)} rows could not be tested."
    if costs:
        text += f" All under the profiler, which changes {' and '.join(costs)}."
    return paragraph(text)


def _sum(name: str, rows: Sequence[Row], a: _Scale, b: _Scale) -> tuple[str, ...]:
    a_ns = sum(row.a_ns or 0.0 for row in rows)
    b_ns = sum(row.b_ns or 0.0 for row in rows)
    return (
        name,
        f"{a.ms(a_ns):.3f}",
        f"{b.ms(b_ns):.3f}",
        format_signed(b.ms(b_ns) - a.ms(a_ns), 3),
        f"{a.share(a_ns) * 100:.1f}",
        f"{b.share(b_ns) * 100:.1f}",
        a.calls(sum(row.a_count for row in rows)),
        b.calls(sum(row.b_count for row in rows)),
    )


def _legend(found: Comparison) -> list[str]:
    means = ", means" if found.basis == "step" else ""
    text = (
        f"ms and n: self time and calls {per_unit(found)}{means}; %: share of the side's op time; –: no such row on that "
        "side."
    )
    split = [label(row) for row in found.rows if row.a_count != row.a_events or row.b_count != row.b_events]
    if split:
        text += " n counts calls; one call may be several recorded events or none of its own."
    return paragraph(text)


def _not_the_wall(found: Comparison) -> list[str]:
    """Why the sum of all rows is not what the ledger's walls differ by; nothing where there is no ledger to hold it against."""
    if found.ledger is None:
        return []
    a, b = _scale(found, "a"), _scale(found, "b")
    sums = b.total_ns / b.steps - a.total_ns / a.steps
    words = in_one_unit([sums, found.ledger.gap_ns])
    return paragraph(
        f"All rows sum up the operators' own times ({words(sums)}), not the wall time "
        f"({words(found.ledger.gap_ns)}): what runs at the same time counts twice here, and what lies between "
        "operators not at all. The table before splits the wall time."
    )
