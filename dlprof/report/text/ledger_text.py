"""The ledger as a table: where the difference between the two walls comes from, with bars as a second cue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dlprof.analysis.model import Alignment, Ledger, LedgerLine
from dlprof.report.text import bridge_text
from dlprof.report.text.layout import WIDTH, Column, cells, fit, heading, paragraph, table, width
from dlprof.units import NS_PER_MS, format_signed, minus

LINES: Final = 14
_LONGEST: Final = 48
"""Cells that a name takes in a sentence: C++ kernels have names of several hundred."""

_NAME: Final = 34
_HALF: Final = 7
"""Cells of a bar on each side of its middle."""


def lines(found: Ledger | None, *, colour: bool, limit: int = LINES) -> list[str]:
    """Heading, table, sum and what the ledger says of itself; nothing where there is no ledger."""
    if found is None:
        return []
    what, mean = ("mean traced step's", " (mean)") if found.basis == "step" else ("trace's", "")
    shown, folded = _split(found.lines, limit)
    largest = max((abs(line.delta_ns) for line in shown), default=0)
    timed = any(line.low_ns is not None for line in found.lines)
    body = [_cells(_named(line), line.a_ns, line.b_ns, _last(line, largest, timed)) for line in shown]
    if folded:
        name = f"{len(folded)} smaller part{'s' if len(folded) > 1 else ''}"
        body.append(_cells(name, sum(line.a_ns for line in folded), sum(line.b_ns for line in folded), ""))
    body.append(_cells(f"wall time{mean}", found.a_wall_ns, found.b_wall_ns, ""))
    columns = [
        Column("part", _NAME, right=False, path=True),
        Column("A ms", 8),
        Column("B ms", 8),
        Column("B−A ms", 9),
        Column("interval of B−A" if timed else "", 2 * _HALF + 3, right=False),
    ]
    out = heading(f"Why: the {what} wall time, split without overlap", colour=colour)
    out += table(columns, body)
    for sentence in (*bridge_text.sentences(found), found.statement):
        out += paragraph(sentence)
    for note in found.notes:
        out += paragraph(note, first="  ! ")
    return out


def matched(found: Alignment | None) -> list[str]:
    """How much of each side's operator time has no counterpart, and how many names the vocabulary lacks."""
    return [] if found is None else paragraph(matched_words(found))


def matched_words(found: Alignment) -> str:
    """`Without a counterpart on the other side: 0.4 % of A's operator time, 0.0 % of B's. Unknown names: …`."""
    text = (
        f"Without a counterpart on the other side: {100 * found.a_unmatched:.1f} % of A's operator time, "
        f"{100 * found.b_unmatched:.1f} % of B's."
    )
    unknown = dict.fromkeys((*found.a_unknown, *found.b_unknown))
    if unknown:
        shown = ", ".join(fit(name, min(_LONGEST, cells(name))) for name in list(unknown)[:3])
        text += f" {len(unknown)} operator name{'s' if len(unknown) > 1 else ''} not known, such as {shown}."
    return text


def _split(found: Sequence[LedgerLine], limit: int) -> tuple[Sequence[LedgerLine], Sequence[LedgerLine]]:
    """Lines to show and to fold; the unexplained one is always shown, for it says how far to trust the others."""
    if len(found) <= limit:
        return found, ()
    chosen = {id(line) for line in sorted(found, key=lambda line: -abs(line.delta_ns))[: limit - 1]}
    chosen |= {id(line) for line in found if line.kind == "unexplained"}
    return [line for line in found if id(line) in chosen], [line for line in found if id(line) not in chosen]


def _named(line: LedgerLine) -> str:
    """The name, with what one side alone has of it where both fit; the sentence below the table says it in any case. Where a part
    with its phase is too long, the phase stands in front: `optimizer: runtime between operators`, cut at its end."""
    room = _NAME + width() - WIDTH
    if line.phase and cells(line.name) > room:
        return f"{line.phase}: {line.name.removesuffix(f', {line.phase}')}"
    if not line.remark or line.remark.startswith("only"):  # the name says that
        return line.name
    full = f"{line.name}, {line.remark}"
    return full if cells(full) <= room else line.name


def _cells(name: str, a_ns: int, b_ns: int, last: str) -> tuple[str, ...]:
    delta = format_signed((b_ns - a_ns) / NS_PER_MS, 3)
    return name, minus(f"{a_ns / NS_PER_MS:.3f}"), minus(f"{b_ns / NS_PER_MS:.3f}"), delta, last


def _last(line: LedgerLine, largest: int, timed: bool) -> str:
    if not timed:
        return bar(line.delta_ns, largest)
    if line.low_ns is None or line.high_ns is None:
        return ""
    return f"[{format_signed(line.low_ns / NS_PER_MS, 2)}, {format_signed(line.high_ns / NS_PER_MS, 2)}]"


def bar(delta: float, largest: float) -> str:
    """A bar from the middle: to the left what B saves, to the right what B adds; at least half a cell if it is not zero."""
    half = min(2 * _HALF, max(1, round(2 * _HALF * abs(delta) / largest))) if delta and largest else 0
    full, rest = divmod(half, 2)
    if delta < 0:
        return ("▐" * rest + "█" * full).rjust(_HALF) + "│"
    return " " * _HALF + "│" + "█" * full + "▌" * rest
