"""What oneDNN said of its primitives, as a section of the page."""

from __future__ import annotations

from dlprof.analysis.model import Comparison
from dlprof.report.html.parts import number, paragraphs, section, table
from dlprof.report.text import primitives_text as words

Section = tuple[str, str, str]


def build(found: Comparison) -> Section:
    """Sums by reason and all problems, ms a step; empty where oneDNN was not asked."""
    said = found.facts.primitives
    if said is None:
        return section("primitives", words.TITLE, "")
    if not said.primitives or said.absent:
        return section("primitives", words.TITLE, paragraphs([said.statement]))
    sums = table(
        "By reason, ms a step",
        ("Reason", "B − A"),
        [(name, number(ms, "{:+.3f}")) for name, ms in words.by_reason(said)],
    )
    rows = []
    for one in said.primitives:
        a, b = words.milliseconds(one)
        rows.append(
            (
                words.problem(one),
                words.WORDS.get(one.reason, one.reason),
                words.implementations(one),
                number(a),
                number(b),
                number((b or 0.0) - (a or 0.0), "{:+.3f}"),
            )
        )
    every = table("Primitives, ms a step", ("Problem", "Reason", "Implementation", "A", "B", "B − A"), rows)
    return section(
        "primitives", words.TITLE, paragraphs([said.statement]), paragraphs([words.CAUTION], "note"), sums, every
    )
