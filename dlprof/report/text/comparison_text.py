"""Findings as terminal text: the verdict, how sure it is and why, on the first screen; then what it rests on.

The output depends on the findings and the width alone (no terminal probing, no clock), so that golden tests can hold it. Colour
repeats what the words already say. Written without rich: its tables would need fixed widths, no wrapping and no styles
to be deterministic, and then a dozen lines of layout.py do the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dlprof.analysis.model import Comparison, Explained, ItemResult, Side
from dlprof.names import SIDES
from dlprof.report.text import (
    breakdown_text,
    family_text,
    first_screen,
    gate_text,
    kernels_text,
    ledger_text,
    noticed_text,
    primitives_text,
    trust_text,
    work_text,
)
from dlprof.report.text.layout import Colour, Column, heading, paint, paragraph, table, visible
from dlprof.report.text.verdict import (
    headline,
    interval_words,
    item_words,
    percent,
    ratio_words,
    speeds_words,
    verdict_word,
)
from dlprof.units import common_unit, format_in, format_ns

_COLOURS: Mapping[str, Colour] = {
    "faster": "good",
    "slower": "bad",
    "equivalent": "head",
    "negligible": "head",
    "inconclusive": "warn",
    "not_comparable": "warn",
}

_UNSOUND = "UNSOUND: CPU seconds of all threads, not synchronised (medians)"
_TIMINGS = "Timings (profiler off, synchronised; medians of one step or call)"
EVERY = 1_000_000
"""Rows of a table of which none is folded."""
BEGINNINGS = "Start and compilation (in no time of a step)"
"""Title of what came before the timed steps."""


def comparison(
    found: Comparison, *, colour: bool = False, rows: int = breakdown_text.ROWS, verbose: bool = False
) -> str:
    """A comparison, or a diff of two single runs, as text; `rows` lines of the breakdown, the rest summed up.

    verbose: nothing folded, neither lines of the ledger and the breakdown nor differing settings
    """
    rows, parts = (EVERY, EVERY) if verbose else (rows, ledger_text.LINES)
    lines = _verdict(found, colour)
    lines += _items(found, colour)
    if found.facts.unsound:  # the study's own method: nothing was traced and no parity checked
        lines += messages(found.warnings, "Warnings", colour)
        return "\n".join(lines + _captures((), found.facts.folder, colour)) + "\n"
    if imported(found):  # others' table: no trace, no parity, only their numbers
        lines += family_text.lines(found, colour=colour)
        lines += messages(found.warnings, "Warnings", colour)
        return "\n".join(lines + _captures((), found.facts.folder, colour, traced=False)) + "\n"
    lines += _trust(found, colour)
    lines += family_text.lines(found, colour=colour)
    lines += ledger_text.lines(found.ledger, colour=colour, limit=parts)
    lines += ledger_text.matched(found.alignment)
    lines += primitives_text.lines(found, colour=colour)
    lines += breakdown_text.lines(found, colour=colour, limit=rows)
    lines += kernels_text.lines(found, colour=colour, limit=EVERY if verbose else kernels_text.ROWS)
    lines += _explained(found, colour)
    lines += _beginnings(found, colour)
    lines += work_text.lines(found, colour, verbose=verbose)
    lines += messages(work_text.warnings(found), "Warnings", colour)
    lines += noticed_text.anomalies(found.anomalies, colour)
    lines += _captures((("A", found.a), ("B", found.b)), found.facts.folder, colour, traced=found.traced)
    return "\n".join(lines) + "\n"


def imported(found: Comparison) -> str:
    """The file that others' timings were read from (`dlprof import --csv`); '' where dlprof measured."""
    return found.facts.imported.file if found.facts.imported else ""


def gate_lines(found: Comparison, colour: bool) -> list[str]:
    """The answer to `--gate`, before everything else; nothing without one."""
    if found.gate is None:
        return []
    shade = gate_text.COLOURS[found.gate.state]
    return [*(paint(line, shade, on=colour) for line in paragraph(gate_text.words(found))), ""]


def _verdict(found: Comparison, colour: bool) -> list[str]:
    lines = gate_lines(found, colour)
    lines += [paint(line, _COLOURS[verdict_word(found)], on=colour) for line in paragraph(headline(found))]
    lines += [*first_screen.lines(found), ""]
    if found.workload:
        lines += paragraph(f"Workload: {found.workload}")
    for name, side in (("A", found.a), ("B", found.b)):
        where = f", {side.device}" if side.device != "unknown" else ""
        lines += paragraph(f"{name} = {side.label}{where}")
    for text in (*ratio_words(found), *speeds_words(found)):
        lines += paragraph(text)
    return lines


def _items(found: Comparison, colour: bool) -> list[str]:
    if not found.items:
        return []
    medians = [ns for item in found.items for ns in (item.a_median_ns, item.b_median_ns) if ns is not None]
    scale, unit = common_unit(medians)
    columns = [
        Column("What", 30, right=False),
        Column(f"A {unit}", 9),
        Column(f"B {unit}", 9),
        Column("Change", 9),
        Column("Verdict", 14),
    ]
    body = []
    for item in found.items:
        change = percent(item.ratio.estimate) if item.ratio else "n/a"
        body.append(
            (
                item_words(item.item),
                _median(item.a_median_ns, scale),
                _median(item.b_median_ns, scale),
                change,
                item.verdict.replace("_", " "),
            )
        )
    title = "From the recordings (profiled, one run each; medians)" if work_text.recorded(found) else _TIMINGS
    title = _UNSOUND if found.facts.unsound else title
    title = f"Times as {imported(found)} has them (medians)" if imported(found) else title
    lines = heading(title, colour=colour)
    lines += table(columns, body)
    for at, item in enumerate(found.items):
        lines += _item_notes(item, headline=at == 0)
    return lines


def _trust(found: Comparison, colour: bool) -> list[str]:
    said = [line for text in trust_text.sentences(found) for line in paragraph(text, first="  ")]
    return [*heading("How far to trust it", colour=colour), *said] if said else []


def _item_notes(item: ItemResult, *, headline: bool) -> list[str]:
    """What the table has no room for; the headline's interval stands in the first sentence already."""
    known = item.ratio is not None and not headline
    if not known and not item.warnings:
        return []
    lines = paragraph(
        item_words(item.item) + (f": {interval_words(item.ratio)}" if known and item.ratio else ""), first="  "
    )
    for warning in item.warnings:
        lines += paragraph(warning, first="    ! ")
    return lines


def _median(value: float | None, scale: int) -> str:
    return "n/a" if value is None else format_in(value, scale)


def _explained(found: Comparison, colour: bool) -> list[str]:
    if not found.traced:
        return []
    lines = heading("What the traces explain, and what profiling cost", colour=colour)
    for name in SIDES:
        part = found.explained.get(name)
        cost = found.profiling_overhead.get(name)
        lines += paragraph(f"{_share(part)}; {_cost(cost)}", first=f"  {name.upper()}: ")
        if name in found.facts.tax:
            lines += paragraph(found.facts.tax[name].statement, first="     ")
    return lines


def _beginnings(found: Comparison, colour: bool) -> list[str]:
    """What came before the timed steps of scripts; nothing of a comparison that does not tell."""
    said = found.facts.beginnings or {}
    lines = heading(BEGINNINGS, colour=colour) if said else []
    for side, one in said.items():
        lines += paragraph(one.statement, first=f"  {side.upper()}: ", rest="     ")
    return lines


def _share(part: Explained | None) -> str:
    if part is None:
        return "its share of the steps' time is unknown"
    if part.steps <= 0:
        return (
            f"operators cover {part.fraction * 100:.1f} % of the trace, from the first start to the last end of its work "
            f"({format_ns(part.wall_ns)}); no step is taken apart"
        )
    steps = f"{part.steps} step{'' if part.steps == 1 else 's'}"
    text = (
        f"operators cover {part.fraction * 100:.1f} % of the traced steps' wall time "
        f"({format_ns(part.wall_ns / part.steps)} a step on the mean, {steps})"
    )
    if part.outside_ns:
        text += f"; {format_ns(part.outside_ns)} of work belongs to no step and is in no figure per step"
    return text


def _cost(cost: float | None) -> str:
    return "profiling overhead unknown" if cost is None else f"profiling changes a step's time by {percent(1 + cost)}"


def messages(texts: Iterable[str], title: str, colour: bool) -> list[str]:
    """A headed list of messages, nothing where there are none."""
    found = [line for text in texts for line in paragraph(text, first="  ! ")]
    return [*heading(title, colour=colour), *found] if found else []


def _captures(sides: Iterable[tuple[str, Side]], folder: object, colour: bool, *, traced: bool = True) -> list[str]:
    kept = [(label, side.capture) for label, side in sides if side.capture]
    if folder:
        kept.insert(0, ("All", str(folder)))
    if not kept:
        return []
    lines = heading("Captures", colour=colour)
    lines += [f"  {label}: {visible(path)}" for label, path in kept]
    if not traced:
        return lines
    lines += paragraph(
        "Look inside with `dlprof show CAPTURE`. For Perfetto (ui.perfetto.dev) or chrome://tracing: "
        "`dlprof export CAPTURE --to chrome -o trace.json`.",
        first="  ",
    )
    return lines
