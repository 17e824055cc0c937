"""Sections of the report page about the run: what reading it noticed, where it ran, how to make it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from dlprof.analysis.model import Side
from dlprof.report import glossary
from dlprof.report.html.parts import Section, coded, number, paragraphs, section, table
from dlprof.report.text.noticed_text import anomaly_meaning, anomaly_name


def notices(warnings: Sequence[str], counts: Mapping[str, int]) -> list[Section]:
    """Warnings, and what reading the traces noticed."""
    rows = [
        (anomaly_name(name), number(count, "{:d}"), anomaly_meaning(name)) for name, count in sorted(counts.items())
    ]
    noticed = table("What reading the traces noticed", ("Name", "Count", "Meaning"), rows) if rows else ""
    return [section("warnings", "Warnings", paragraphs(warnings)), section("anomalies", "Reading the traces", noticed)]


def environment(facts_of_sides: Sequence[tuple[str, str, str]]) -> Section:
    """Where the sides ran: first what differs between them."""
    rows = [(name, a, b) for name, a, b in facts_of_sides]
    differing = [row for row in rows if row[1] != row[2]]
    same = [(name, a) for name, a, b in rows if a == b]
    parts = [table("Where the two sides differ", ("Fact", "A", "B"), differing)] if differing else []
    if same:
        parts.append(
            f"<details><summary>{len(same)} facts of the run</summary>{table('Facts', ('Fact', 'Value'), same)}</details>"
        )
    return section("environment", "Environment", *parts)


def facts(rows: Sequence[tuple[str, str]]) -> Section:
    """Where a single capture ran."""
    return section("environment", "Environment", table("Facts of the run", ("Fact", "Value"), rows) if rows else "")


def reproduce(a: Side, b: Side | None, commands: Sequence[str]) -> Section:
    """The commands that make this run again and look closer."""
    lines = list(commands)
    kept = [(name, side) for name, side in (("A", a), ("B", b)) if side is not None and side.capture]
    lines += [f"dlprof show {side.capture}" for _, side in kept]
    lines += [f"dlprof export {side.capture} --to chrome -o {name.lower()}.json" for name, side in kept]
    return section(
        "reproduce", "How to reproduce and look closer", f"<pre>{escape(chr(10).join(lines))}</pre>" if lines else ""
    )


def words() -> Section:
    """What the words of the page mean, folded."""
    listed = "".join(f"<dt>{escape(term)}</dt><dd>{coded(meaning)}</dd>" for term, meaning in glossary.TERMS.items())
    return section(
        "words",
        "Words of this page",
        f"<details><summary>{len(glossary.TERMS)} words, such as lockstep, trial and self time</summary>"
        f'<dl class="words">{listed}</dl></details>',
    )
