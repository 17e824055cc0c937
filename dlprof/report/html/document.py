"""The report page: a comparison or one capture as a single self-contained HTML file that opens from disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from dlprof.analysis.exhibits import Exhibits
from dlprof.analysis.model import Comparison, Side, View
from dlprof.report import json
from dlprof.report.html import figure_sections, finding_sections, primitives_html, run_sections, step_timeline
from dlprof.report.html.figure import page_style
from dlprof.report.html.parts import coded, ms, number, page, paragraphs, table, verdict
from dlprof.report.text import first_screen, gate_text
from dlprof.report.text.breakdown_text import label, per_unit
from dlprof.report.text.layout import unbroken
from dlprof.report.text.noticed_text import complete_words
from dlprof.report.text.verdict import headline, ratio_words, speeds_words, verdict_word


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
            finding_sections.timings(found, extras.exhibits),
            finding_sections.from_a_to_b(found),
            step_timeline.build(extras.exhibits.timelines, titles, found.alignment, found.ledger),
            primitives_html.build(found),
            finding_sections.breakdown(found),
            finding_sections.kernels(found),
            figure_sections.distributions(extras.exhibits, titles),
            figure_sections.sweeps(extras.exhibits, titles),
            figure_sections.epochs(extras.exhibits, titles),
            figure_sections.memory(extras.exhibits, titles),
        ]
    sections += [
        finding_sections.same_work(found),
        *run_sections.notices(found.warnings, found.anomalies),
        *([finding_sections.explained(found)] if found.traced else []),
        finding_sections.beginnings(found),
        run_sections.environment(extras.environment),
        run_sections.reproduce(found.a, found.b, extras.commands),
        run_sections.words(),
    ]
    title = f"dlprof: {found.workload or 'two recordings'}"
    return page(title, _top(found, extras), sections, json.comparison_value(found))


def capture(side: Side, views: Sequence[View], extras: Extras | None = None) -> str:
    """One capture as a page: its tables (breakdown views), a step's timeline, distributions, what reading it noticed."""
    extras = extras or Extras()
    titles = {"a": side.label}
    with page_style():
        drawn = [
            step_timeline.build(extras.exhibits.timelines, titles),
            figure_sections.distributions(extras.exhibits, titles),
            figure_sections.epochs(extras.exhibits, titles),
            figure_sections.memory(extras.exhibits, titles),
        ]
    statement = complete_words(views[0].completeness) if views else "Completeness unknown"
    top = verdict(statement) + _made(extras)
    sections = [
        *map(finding_sections.view, views),
        *drawn,
        *run_sections.notices((), views[0].anomalies if views else {}),
        run_sections.facts([(name, value) for name, value, _ in extras.environment]),
        run_sections.reproduce(side, None, extras.commands),
        run_sections.words(),
    ]
    data = {"schema_version": json.SCHEMA_VERSION, "kind": "capture", "a": json.plain(side)}
    return page(f"dlprof: {side.label}", top, sections, data)


def _top(found: Comparison, extras: Extras) -> str:
    rows = [("A", f"{found.a.label}, {found.a.device}"), ("B", f"{found.b.label}, {found.b.device}")]
    rows += [("B ÷ A", text) for text in ratio_words(found)]
    listed = "".join(f"<dt>{escape(key)}</dt><dd>{escape(unbroken(value))}</dd>" for key, value in rows)
    said = verdict(unbroken(gate_text.words(found)), found.gate.state if found.gate else "")
    said += verdict(unbroken(headline(found)), verdict_word(found))
    said += "".join(f"<p>{coded(unbroken(text))}</p>" for text in first_screen.sentences(found))
    speeds = paragraphs(speeds_words(found))
    return f'{said}\n<dl class="sides">{listed}</dl>{speeds}{_made(extras)}'


def _made(extras: Extras) -> str:
    when = f"Measured {extras.created}. " if extras.created else ""
    maker = f"dlprof {extras.version}".strip()
    return f'<p class="note">{escape(when)}Page made by {escape(maker)}; it fetches nothing.</p>'


def notebook(found: Comparison) -> str:
    """A small piece of HTML for a notebook's `_repr_html_`: verdict, timings, the largest rows."""
    a, b = found.units("a"), found.units("b")
    times = [(label(row), ms(row.a_ns, a), ms(row.b_ns, b)) for row in found.rows]
    deltas = [((b_ms or 0.0) - (a_ms or 0.0), name, a_ms, b_ms) for name, a_ms, b_ms in times]
    lines = [
        (name, number(a_ms), number(b_ms), number(delta, "{:+.3f}"))
        for delta, name, a_ms, b_ms in sorted(deltas, key=lambda one: -abs(one[0]))[:8]
    ]
    caption = f"Largest differences, ms {per_unit(found)}"
    shown = table(caption, ("Row", "A", "B", "B − A"), lines) if lines else ""
    gate = f"<p><strong>{escape(gate_text.words(found))}</strong></p>" if found.gate else ""
    return f"{gate}<p><strong>{escape(headline(found))}</strong></p>{shown}"
