"""The kernels of two traces as a table: added, gone, more often, less often, and what that costs."""

from __future__ import annotations

from collections import Counter
from typing import Final

from dlprof.analysis.model import Comparison, KernelRow
from dlprof.report.text.breakdown_text import per_unit
from dlprof.report.text.layout import Column, heading, paragraph, table
from dlprof.units import NS_PER_MS, format_signed

ROWS: Final = 12


def lines(found: Comparison, *, colour: bool, limit: int = ROWS) -> list[str]:
    """Heading, how many kernels changed how, and those whose time differs most; nothing where no kernel was recorded."""
    if not found.kernels:
        return []
    out = heading(f"Kernels {per_unit(found)}, B against A", colour=colour)
    out += paragraph(summary(found.kernels), first="  ")
    columns = [
        Column("kernel", 38, right=False),
        Column("change", 6, right=False),
        Column("A ms", 8),
        Column("B ms", 8),
        Column("nA", 6),
        Column("nB", 6),
    ]
    out += table(columns, [_cells(row) for row in found.kernels[:limit]])
    rest = len(found.kernels) - limit
    return [*out, f"{rest} more kernels; --format json holds all."] if rest > 0 else out


def summary(kernels: tuple[KernelRow, ...]) -> str:
    """`2 added (+0.4 ms), 1 gone (−0.1 ms), 3 more often (…), 0 less often (…), 40 as often (…)`."""
    counts: Counter[str] = Counter(row.change for row in kernels)
    deltas: dict[str, float] = {}
    for row in kernels:
        deltas[row.change] = deltas.get(row.change, 0.0) + row.delta_ns / NS_PER_MS
    words = {"added": "added", "gone": "gone", "more": "more often", "less": "less often", "same": "as often"}
    return ", ".join(
        f"{counts[change]} {word} ({format_signed(deltas[change], 3)} ms)"
        for change, word in words.items()
        if counts[change]
    )


def short(kernel: str) -> str:
    """A kernel's name without the return type that C++ puts in front."""
    return kernel.removeprefix("void ")


def _cells(row: KernelRow) -> tuple[str, ...]:
    def ms(ns: float, count: float) -> str:
        return f"{ns / NS_PER_MS:.3f}" if count else "–"

    def calls(count: float) -> str:
        return "–" if not count else f"{count:g}" if count == round(count) else f"{count:.1f}"

    return (
        short(row.kernel),
        row.change,
        ms(row.a_ns, row.a_count),
        ms(row.b_ns, row.b_count),
        calls(row.a_count),
        calls(row.b_count),
    )
