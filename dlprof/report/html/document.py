"""The report page: a comparison or one capture as a single self-contained HTML file that opens from disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from dlprof.analysis.exhibits import Exhibits
from dlprof.analysis.model import Comparison, Ledger, Side, View
from dlprof.analysis.same_work import parity
from dlprof.names import SIDES
from dlprof.report import json
from dlprof.report.html import plots, primitives_html, waterfall
from dlprof.report.html.figure import page_style
from dlprof.report.html.parts import Cell, figure, number, page, paragraphs, section, table
from dlprof.report.text import bridge_text, kernels_text, ledger_text, trust_text
from dlprof.report.text.breakdown_text import label, per_unit
from dlprof.report.text.comparison_text import RECORDED, anomaly_meaning, anomaly_name, complete_words, imported
from dlprof.report.text.layout import unbroken
from dlprof.report.text.verdict import (
    headline,
    interval_words,
    item_words,
    percent,
    ratio_words,
    speeds_words,
    verdict_word,
)
from dlprof.report.text.view_text import unknown_words
from dlprof.units import NS_PER_MS, format_ns

Section = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Extras:
    """What a page shows beside the findings.

    environment: (fact, A, B) rows
    commands: how to reproduce, one a line
    created: when the run was made, as the manifest has it
    version: of dlprof
    """

    exhibits: Exhibits = field(default_factory=Exhibits)
    environment: Sequence[tuple[str, str, str]] = ()
    commands: Sequence[str] = ()
    created: str = ""
    version: str = ""


def comparison(found: Comparison, extras: Extras | None = None) -> str:
    """A comparison (or a diff of two recordings) as a page; its JSON is embedded as the element `data`."""
    extras = extras or Extras()
    titles = {"a": f"A: {found.a.label}", "b": f"B: {found.b.label}"}
    with page_style():
        sections = [
            _timings(found, extras),
            _waterfall(found),
            primitives_html.build(found),
            _breakdown(found),
            _kernels(found),
            _timelines(extras, titles),
            _distributions(extras, titles),
            _sweeps(extras, titles),
            _epochs(extras, titles),
            _memory(extras, titles),
        ]
    sections += [_same_work(found), *_notices(found.warnings, found.anomalies), _explained(found)]
    sections += [_environment(extras), _reproduce(found.a, found.b, extras)]
    title = f"dlprof: {found.workload or 'two recordings'}"
    return page(title, _top(found, extras), sections, json.comparison_value(found))


def capture(side: Side, views: Sequence[View], extras: Extras | None = None) -> str:
    """One capture as a page: its tables (breakdown views), a step's timeline, distributions, what reading it noticed."""
    extras = extras or Extras()
    titles = {"a": side.label}
    with page_style():
        drawn = [
            _timelines(extras, titles),
            _distributions(extras, titles),
            _epochs(extras, titles),
            _memory(extras, titles),
        ]
    statement = complete_words(views[0].completeness) if views else "Completeness unknown"
    top = f'<p class="verdict">{escape(statement)}</p>' + _made(extras)
    sections = [*map(_view, views), *drawn, *_notices((), views[0].anomalies if views else {})]
    sections += [_facts([(name, value) for name, value, _ in extras.environment]), _reproduce(side, None, extras)]
    data = {"schema_version": json.SCHEMA_VERSION, "kind": "capture", "a": json.plain(side)}
    return page(f"dlprof: {side.label}", top, sections, data)


def _top(found: Comparison, extras: Extras) -> str:
    rows = [("A", f"{found.a.label}, {found.a.device}"), ("B", f"{found.b.label}, {found.b.device}")]
    rows += [("B ÷ A", text) for text in ratio_words(found)]
    listed = "".join(f"<dt>{escape(key)}</dt><dd>{escape(unbroken(value))}</dd>" for key, value in rows)
    verdict = f'<p class="verdict {verdict_word(found)}">{escape(unbroken(headline(found)))}</p>'
    speeds = paragraphs(speeds_words(found))
    return f'{verdict}\n<dl class="sides">{listed}</dl>{speeds}{_made(extras)}'


def _made(extras: Extras) -> str:
    when = f"Measured {extras.created}. " if extras.created else ""
    maker = f"dlprof {extras.version}".strip()
    return f'<p class="note">{escape(when)}Page made by {escape(maker)}; it fetches nothing.</p>'


def _timings(found: Comparison, extras: Extras) -> Section:
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
    recorded = all(item.item in RECORDED for item in found.items)
    caption = "From the recordings: profiled, one run each" if recorded else "Median of one unit of work, profiler off"
    caption = f"Times as {imported(found)} has them (median of one)" if imported(found) else caption
    titles = ("One", "A, ms", "B, ms", "B ÷ A", "Interval of the change", "Verdict on B")
    warned = [f"{item_words(item.item)}: {text}" for item in found.items for text in item.warnings]
    drawn = ""
    if extras.exhibits.trials:
        drawn = figure(
            plots.trials(extras.exhibits.trials, found),
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


def _waterfall(found: Comparison) -> Section:
    built = waterfall.build(found)
    if built is None:
        return section("waterfall", "From A to B", "")
    drawn = plots.waterfall(built, found.a.label, found.b.label)
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
    return section(
        "waterfall", "From A to B", said, figure(drawn, "waterfall", about), table(caption, titles, rows, foot=foot)
    )


def _ledger_rows(ledger: Ledger) -> tuple[list[list[Cell | str]], list[str], list[Cell | str]]:
    """Rows, titles and foot of the ledger's table; columns that hold nothing are left out."""
    titles = ["Part", "A", "B", "B − A", "low", "high", "Match", "Why so"]
    rows: list[list[Cell | str]] = [
        [
            line.name,
            number(_ms(line.a_ns, 1)),
            number(_ms(line.b_ns, 1)),
            number(_ms(line.delta_ns, 1), "{:+.3f}"),
            number(_ms(line.low_ns, 1), "{:+.3f}"),
            number(_ms(line.high_ns, 1), "{:+.3f}"),
            number(line.match_confidence, "{:.2f}"),
            "; ".join(filter(None, (line.remark, line.reason))),
        ]
        for line in ledger.lines
    ]
    foot: list[Cell | str] = [
        "wall time",
        number(_ms(ledger.a_wall_ns, 1)),
        number(_ms(ledger.b_wall_ns, 1)),
        number(_ms(ledger.gap_ns, 1), "{:+.3f}"),
        "",
        "",
        "",
        "",
    ]
    keep = [0, 1, 2, 3, *([4, 5] if any(line.low_ns is not None for line in ledger.lines) else []), 6, 7]
    return [[row[at] for at in keep] for row in rows], [titles[at] for at in keep], [foot[at] for at in keep]


def _breakdown(found: Comparison) -> Section:
    if not found.rows:
        return section("breakdown", "Where the time goes", "<p>Neither trace holds an operator.</p>")
    a, b = found.units("a"), found.units("b")
    per = per_unit(found)
    rows = [
        (
            row.op,
            row.phase or "–",
            row.layer or "–",
            number(_ms(row.a_ns, a)),
            number(_ms(row.b_ns, b)),
            number((_ms(row.b_ns, b) or 0.0) - (_ms(row.a_ns, a) or 0.0), "{:+.3f}"),
            number(_ms(row.low_ns, a), "{:+.3f}"),
            number(_ms(row.high_ns, a), "{:+.3f}"),
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


def _kernels(found: Comparison) -> Section:
    if not found.kernels:
        return section("kernels", "Kernels", "")
    rows = [
        (
            kernels_text.short(row.kernel),
            row.change,
            ", ".join(row.ops) or "–",
            number(_ms(row.a_ns, 1)),
            number(_ms(row.b_ns, 1)),
            number(_ms(row.delta_ns, 1), "{:+.3f}"),
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


def _ms(ns: float | None, steps: int) -> float | None:
    return None if ns is None else ns / steps / NS_PER_MS


def _timelines(extras: Extras, titles: Mapping[str, str]) -> Section:
    found = extras.exhibits.timelines
    if not found:
        return section("timeline", "One step", "")
    walls = "; ".join(f"{titles[t.side]}: {len(t.bars)} events, {format_ns(t.wall_ns)}" for t in found)
    about = f"The step whose wall time is nearest to the median, on one time axis. {walls}."
    return section("timeline", "One step", figure(plots.timeline(found, titles), "timeline", about))


def _distributions(extras: Extras, titles: Mapping[str, str]) -> Section:
    found = [times for times in extras.exhibits.step_times if times.untraced_ns or times.traced_ns]
    if not found:
        return section("steps", "How times spread", "")
    about = "Which part of the samples lies at or below each time. Samples of one process are no independent trials."
    return section("steps", "How times spread", figure(plots.step_times(found, titles), "steps", about))


def _sweeps(extras: Extras, titles: Mapping[str, str]) -> Section:
    parts = []
    for at, sweep in enumerate(extras.exhibits.sweeps):
        cross = sweep.crossover
        why = f" Crossover: {cross.why}." if cross is not None else ""
        about = f"{sweep.stem} over {sweep.key}: medians, and the ratio with its interval.{why}"
        parts.append(figure(plots.sweep(sweep, titles), f"sweep{at}", about))
    return section("sweep", "Over sizes", *parts)


def _epochs(extras: Extras, titles: Mapping[str, str]) -> Section:
    found = extras.exhibits.epochs
    if not found:
        return section("epochs", "Accuracy", "")
    about = "Accuracy and training loss after each epoch of the traced runs."
    rows = [
        (
            titles[side.side],
            number(epoch, "{:d}"),
            number(loss, "{:.4g}"),
            number(val, "{:.4f}"),
            number(test, "{:.4f}"),
        )
        for side in found
        for epoch, loss, val, test in zip(
            side.epochs, side.train_loss, side.validation_accuracy, side.test_accuracy, strict=True
        )
    ]
    titles_ = ("Side", "Epoch", "Training loss", "Validation accuracy", "Test accuracy")
    return section(
        "epochs", "Accuracy", figure(plots.epochs(found, titles), "epochs", about), table("Epochs", titles_, rows)
    )


def _memory(extras: Extras, titles: Mapping[str, str]) -> Section:
    found = extras.exhibits.memory
    if not found:
        return section("memory", "Memory", "")
    return section("memory", "Memory", figure(plots.memory(found, titles), "memory", "Memory counters as recorded."))


def _same_work(found: Comparison) -> Section:
    rows = [(parity.statement(entry), entry.get("blocks", "no")) for entry in found.parity]
    if rows:
        return section("parity", "Same work?", table("Differences", ("Difference", "Forbids a verdict"), rows))
    recorded = bool(found.items) and found.items[0].item in RECORDED
    text = "Not checked: these are two recordings." if recorded else "No difference was found in what was compared."
    text = "Not checked: these are others' numbers." if imported(found) else text
    return section("parity", "Same work?", paragraphs([text]))


def _notices(warnings: Sequence[str], counts: Mapping[str, int]) -> list[Section]:
    rows = [
        (anomaly_name(name), number(count, "{:d}"), anomaly_meaning(name)) for name, count in sorted(counts.items())
    ]
    noticed = table("What reading the traces noticed", ("Name", "Count", "Meaning"), rows) if rows else ""
    return [section("warnings", "Warnings", paragraphs(warnings)), section("anomalies", "Reading the traces", noticed)]


def _explained(found: Comparison) -> Section:
    rows = []
    for side, name in zip(SIDES, (found.a.label, found.b.label), strict=True):
        part, cost = found.explained.get(side), found.profiling_overhead.get(side)
        rows.append(
            (
                name,
                number(part.steps if part else None, "{:d}"),
                number(_ms(part.wall_ns, max(1, part.steps)) if part else None),
                number(part.fraction * 100 if part else None, "{:.1f} %"),
                "unknown" if cost is None else percent(1 + cost),
            )
        )
    titles = ("Side", "Traced steps", "Wall time a step, ms", "Covered by operators", "What profiling changed")
    return section("explained", "What the traces explain", table("Traces", titles, rows, sortable=False))


def _environment(extras: Extras) -> Section:
    rows = [(name, a, b) for name, a, b in extras.environment]
    differing = [row for row in rows if row[1] != row[2]]
    same = [(name, a) for name, a, b in rows if a == b]
    parts = [table("Where the two sides differ", ("Fact", "A", "B"), differing)] if differing else []
    if same:
        parts.append(
            f"<details><summary>{len(same)} facts of the run</summary>{table('Facts', ('Fact', 'Value'), same)}</details>"
        )
    return section("environment", "Environment", *parts)


def _facts(rows: Sequence[tuple[str, str]]) -> Section:
    return section("environment", "Environment", table("Facts of the run", ("Fact", "Value"), rows) if rows else "")


def _reproduce(a: Side, b: Side | None, extras: Extras) -> Section:
    lines = list(extras.commands)
    kept = [(name, side) for name, side in (("A", a), ("B", b)) if side is not None and side.capture]
    lines += [f"dlprof show {side.capture}" for _, side in kept]
    lines += [f"dlprof export {side.capture} --to chrome -o {name.lower()}.json" for name, side in kept]
    return section(
        "reproduce", "How to reproduce and look closer", f"<pre>{escape(chr(10).join(lines))}</pre>" if lines else ""
    )


def _view(found: View) -> Section:
    names = [name for name in found.table.column_names if name != "known"]
    rows = [tuple(_view_cell(found, name, row[name]) for name in names) for row in found.table.to_pylist()]
    titles = [name.replace("_ns", ", ms") for name in names]
    shown = table(f"By {found.by}; times in ms", titles, rows)
    return section(f"by-{found.by}", f"By {found.by}", paragraphs(unknown_words(found), "note"), shown)


def _view_cell(found: View, name: str, value: float | str | None) -> Cell | str:
    if name in found.keys or isinstance(value, str):
        return "–" if value is None else str(value)
    if name.endswith("_ns"):
        return number(_ms(value, 1))
    return number(value, "{:.1%}" if name == "share" else "{:.4g}" if isinstance(value, float) else "{:d}")


def notebook(found: Comparison) -> str:
    """A small piece of HTML for a notebook's `_repr_html_`: verdict, timings, the largest rows."""
    a, b = found.units("a"), found.units("b")
    ms = [(label(row), _ms(row.a_ns, a), _ms(row.b_ns, b)) for row in found.rows]
    deltas = [((b_ms or 0.0) - (a_ms or 0.0), name, a_ms, b_ms) for name, a_ms, b_ms in ms]
    lines = [
        (name, number(a_ms), number(b_ms), number(delta, "{:+.3f}"))
        for delta, name, a_ms, b_ms in sorted(deltas, key=lambda one: -abs(one[0]))[:8]
    ]
    caption = f"Largest differences, ms {per_unit(found)}"
    shown = table(caption, ("Row", "A", "B", "B − A"), lines) if lines else ""
    return f"<p><strong>{escape(headline(found))}</strong></p>{shown}"
