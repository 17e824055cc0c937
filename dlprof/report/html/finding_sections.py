"""Sections of the report page that show findings: timings, the ledger, operators and kernels, whether the work was the same."""

from __future__ import annotations

from collections.abc import Sequence

from dlprof.analysis.exhibits import Exhibits
from dlprof.analysis.model import Comparison, Ledger, View
from dlprof.analysis.same_work import parity
from dlprof.names import SIDES
from dlprof.report.html import plots, waterfall
from dlprof.report.html.parts import Cell, Section, figure, ms, number, paragraphs, section, table
from dlprof.report.text import bridge_text, kernels_text, ledger_text, trust_text, work_text
from dlprof.report.text.breakdown_text import nothing_to_break_down, per_unit
from dlprof.report.text.comparison_text import BEGINNINGS, imported
from dlprof.report.text.verdict import interval_words, item_words, percent
from dlprof.report.text.view_text import unknown_words
from dlprof.units import NS_PER_MS


def timings(found: Comparison, exhibits: Exhibits) -> Section:
    """What was timed: medians, ratio, interval and verdict of each item, and how far they can be trusted."""
    if not found.items:
        return section("timings", "Timings", "<p>Nothing was timed.</p>")
    rows = [
        (
            item_words(item.item),
            number(item.a_median_ns and item.a_median_ns / NS_PER_MS, "{:.4g}"),
            number(item.b_median_ns and item.b_median_ns / NS_PER_MS, "{:.4g}"),
            number(item.ratio.estimate if item.ratio else None, "{:.4g}"),
            interval_words(item.ratio) if item.ratio else "nothing to compare",
            item.verdict.replace("_", " "),
        )
        for item in found.items
    ]
    recorded = work_text.recorded(found)
    caption = "From the recordings: profiled, one run each" if recorded else "Median of one unit of work, profiler off"
    caption = f"Times as {imported(found)} has them (median of one)" if imported(found) else caption
    titles = ("What", "A, ms", "B, ms", "B ÷ A", "Interval of the change", "Verdict on B")
    warned = [f"{item_words(item.item)}: {text}" for item in found.items for text in item.warnings]
    drawn = ""
    if exhibits.trials:
        drawn = figure(
            plots.trials(exhibits.trials, found),
            "trials",
            "Every trial's ratio of the time of B to the time of A, with the interval.",
        )
    return section(
        "timings",
        "Timings",
        table(caption, titles, rows),
        paragraphs(warned, "note"),
        drawn,
        paragraphs(trust_text.sentences(found), "note"),
    )


def beginnings(found: Comparison) -> Section:
    """What came before the timed steps of scripts, and what was compiled."""
    said = found.facts.beginnings or {}
    return section("start", BEGINNINGS, paragraphs([f"{side.upper()}: {one.statement}" for side, one in said.items()]))


def from_a_to_b(
    found: Comparison, name: str = "waterfall", title: str = "From A to B", beforehand: Sequence[str] = ()
) -> Section:
    """The ledger of a step as a waterfall and as a table. beforehand: what is said first."""
    built = waterfall.build(found)
    if built is None:
        return section(name, title, "")
    drawn = waterfall.draw(built, found.a.label, found.b.label)
    about = f"{built.title}: from A's {built.start_ms:.3f} ms to B's {built.end_ms:.3f} ms, largest difference first."
    caption = f"{built.title}, ms: A {built.start_ms:.3f}, B {built.end_ms:.3f}"
    if found.ledger is not None:
        rows, titles, foot = _ledger_rows(found.ledger)
        aligned = [ledger_text.matched_words(found.alignment)] if found.alignment else []
        first = bridge_text.sentences(found.ledger)
        said = paragraphs([*first, found.ledger.statement]) + paragraphs([*found.ledger.notes, *aligned], "note")
    else:
        said, titles = "", ["Part", "B − A"]
        rows = [[step.name, number(step.delta_ms, "{:+.3f}")] for step in built.steps]
        foot = ["all parts", number(built.end_ms - built.start_ms, "{:+.3f}")]
    shown = table(caption, titles, rows, foot=foot)
    return section(name, title, paragraphs(beforehand), said, figure(drawn, name, about), shown)


def _ledger_rows(ledger: Ledger) -> tuple[list[list[Cell | str]], list[str], list[Cell | str]]:
    """Rows, titles and foot of the ledger's table; columns that hold nothing are left out."""
    titles = ["Part", "A", "B", "B − A", "low", "high", "Match", "Why so"]
    rows: list[list[Cell | str]] = [
        [
            Cell(line.name, line=at),
            number(ms(line.a_ns, 1)),
            number(ms(line.b_ns, 1)),
            number(ms(line.delta_ns, 1), "{:+.3f}"),
            number(ms(line.low_ns, 1), "{:+.3f}"),
            number(ms(line.high_ns, 1), "{:+.3f}"),
            number(line.match_confidence, "{:.2f}"),
            "; ".join(filter(None, (line.remark, line.reason))),
        ]
        for at, line in enumerate(ledger.lines)
    ]
    foot: list[Cell | str] = [
        "wall time",
        number(ms(ledger.a_wall_ns, 1)),
        number(ms(ledger.b_wall_ns, 1)),
        number(ms(ledger.gap_ns, 1), "{:+.3f}"),
        "",
        "",
        "",
        "",
    ]
    keep = [0, 1, 2, 3, *([4, 5] if any(line.low_ns is not None for line in ledger.lines) else []), 6, 7]
    return [[row[at] for at in keep] for row in rows], [titles[at] for at in keep], [foot[at] for at in keep]


def breakdown(found: Comparison) -> Section:
    """The operators of both sides beside each other."""
    if not found.rows:
        return section("breakdown", "Where the time goes", paragraphs([nothing_to_break_down(found)]))
    a, b = found.units("a"), found.units("b")
    per = per_unit(found)
    rows = [
        (
            row.op,
            row.phase or "–",
            row.layer or "–",
            number(ms(row.a_ns, a)),
            number(ms(row.b_ns, b)),
            number((ms(row.b_ns, b) or 0.0) - (ms(row.a_ns, a) or 0.0), "{:+.3f}"),
            number(ms(row.low_ns, a), "{:+.3f}"),
            number(ms(row.high_ns, a), "{:+.3f}"),
            number(row.q, "{:.3g}"),
            number(row.a_count / a, "{:.4g}"),
            number(row.b_count / b, "{:.4g}"),
        )
        for row in found.rows
    ]
    titles = ["Operator", "Phase", "Layer", "A, ms", "B, ms", "B − A, ms", "low", "high", "q", "calls A", "calls B"]
    if all(row.low_ns is None for row in found.rows):
        rows = [(*row[:6], *row[9:]) for row in rows]  # type: ignore[misc]
        titles = titles[:6] + titles[9:]
    drawn = figure(plots.breakdown(found), "breakdown", f"The operators that take most time, {per}.")
    note = f"<p>From the traces: they explain, they do not decide. Self time and calls {per}.</p>"
    return section("breakdown", "Where the time goes", note, drawn, table("All operators", titles, rows))


def kernels(found: Comparison) -> Section:
    """Kernels and copies of devices, B against A."""
    if not found.kernels:
        return section("kernels", "Kernels", "")
    rows = [
        (
            kernels_text.short(row.kernel),
            row.change,
            ", ".join(row.ops) or "–",
            number(ms(row.a_ns, 1)),
            number(ms(row.b_ns, 1)),
            number(ms(row.delta_ns, 1), "{:+.3f}"),
            number(row.a_count, "{:.4g}"),
            number(row.b_count, "{:.4g}"),
        )
        for row in found.kernels
    ]
    titles = ("Kernel", "Change", "Ran for", "A, ms", "B, ms", "B − A, ms", "runs A", "runs B")
    said = paragraphs(
        [f"Kernels and copies of devices {per_unit(found)}, B against A: {kernels_text.summary(found.kernels)}."]
    )
    return section("kernels", "Kernels", said, table("All kernels", titles, rows))


def same_work(found: Comparison) -> Section:
    """Whether both sides did the same work, and what differs."""
    differing = work_text.settings(found)
    fold = work_text.folds(differing)
    told = [one for one in found.parity if not (fold and one["what"] == "workload")]
    rows = [(parity.statement(entry), entry.get("blocks", "no")) for entry in told]
    parts = [table("Differences", ("Difference", "Forbids a verdict"), rows)] if rows else []
    if fold:
        settings = [(one["where"], one["a"], one["b"], one["blocks"]) for one in work_text.telling(differing)]
        all_of_them = table("Settings that differ", ("Setting", "A", "B", "Forbids a verdict"), settings)
        summary = f"{len(differing)} settings of the workloads differ"
        parts.append(f"<details><summary>{summary}</summary>{all_of_them}</details>")
    if parts:
        return section("parity", "Same work?", *parts)
    recorded = work_text.recorded(found)
    text = "Not checked: these are two recordings." if recorded else "No difference was found in what was compared."
    text = "Not checked: these are others' numbers." if imported(found) else text
    return section("parity", "Same work?", paragraphs([text]))


def explained(found: Comparison) -> Section:
    """How much of each side's step its operators cover, and what profiling changed."""
    rows = []
    for side, name in zip(SIDES, (found.a.label, found.b.label), strict=True):
        part, cost = found.explained.get(side), found.profiling_overhead.get(side)
        rows.append(
            (
                name,
                number(part.steps if part else None, "{:d}"),
                number(ms(part.wall_ns, max(1, part.steps)) if part else None),
                number(part.fraction * 100 if part else None, "{:.1f} %"),
                "unknown" if cost is None else percent(1 + cost),
            )
        )
    titles = ("Side", "Traced steps", "Wall time a step, ms", "Covered by operators", "What profiling changed")
    return section("explained", "What the traces explain", table("Traces", titles, rows, sortable=False))


def view(found: View) -> Section:
    """One breakdown of a single capture as a table."""
    names = [name for name in found.table.column_names if name != "known"]
    rows = [tuple(_view_cell(found, name, row[name]) for name in names) for row in found.table.to_pylist()]
    titles = [name.replace("_ns", ", ms") for name in names]
    shown = table(f"By {found.by}; times in ms", titles, rows)
    return section(f"by-{found.by}", f"By {found.by}", paragraphs(unknown_words(found), "note"), shown)


def _view_cell(found: View, name: str, value: float | str | None) -> Cell | str:
    if name in found.keys or isinstance(value, str):
        return "–" if value is None else str(value)
    if name.endswith("_ns"):
        return number(ms(value, 1))
    if name == "share":
        return number(None if value is None else 100 * value, "{:.1f} %")
    return number(value, "{:.4g}" if isinstance(value, float) else "{:d}")
