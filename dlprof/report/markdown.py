"""Findings as Markdown, as a comment on a pull request or a job's summary shows it: the answer, the items, why, the rest folded.

Names come from others. In running text what Markdown, HTML or a forge would act on (emphasis, links, mentions, formulas, emoji,
commands) is written as an entity; a block of text is fenced by more backticks than it holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from dlprof.analysis.model import Comparison, Detail, GatedItem, GateState, ItemResult, View
from dlprof.analysis.timing.ranking import Ranking
from dlprof.report.text import (
    comparison_text,
    gate_text,
    ledger_text,
    noticed_text,
    ranking_text,
    view_text,
    views_text,
)
from dlprof.report.text.layout import WIDTH, at_width, neutral
from dlprof.report.text.verdict import headline, item_words, percent
from dlprof.units import format_ns

MOST: Final = 60_000
"""Characters of the whole: a comment holds 65 536."""

ROWS: Final = 60
"""Items that the table names: those that a gate failed or could not decide come first, then the slowest."""

_LONGEST: Final = 800
"""Characters of one name or sentence."""

_ACTIVE: Final = re.compile(
    r"[\\`*_\[\]|~#@{}!$^]|(?<=\w):(?=//)|:(?=[\w+-]+:)|(?i:(?<=\bwww)\.|(?<=\bGH)-(?=\d)|(?<=\bmailto):|(?<=\bxmpp):)"
    r"|%(?=\w)|^[-+>=](?=\s|$)|^/(?=\w)|" + "|".join(rf"(?<=^\d{{{digits}}})[.)]" for digits in range(1, 10))
)


def comparison(found: Comparison) -> str:
    """A comparison: gate, verdict, a table of the items, the ledger, and the whole report folded."""
    parts = [_strong(gate_text.words(found)), _plain(headline(found)), _items(found)]
    ledger = ledger_text.lines(found.ledger, colour=False)
    if ledger:
        parts.append(_folded("Why: where the time of a step goes", "\n".join(ledger).strip("\n")))
    with at_width(WIDTH):
        report = comparison_text.comparison(found)
    return _whole(parts, report)


def ranking(found: Ranking) -> str:
    """A ranking: each side's gate, the order, and the whole report folded."""
    gates = [_strong(sentence) for _, sentence in gate_text.of_several(found)]
    with at_width(WIDTH):
        report = ranking_text.ranking(found)
    return _whole([*gates, _plain(f"{found.statement}.")], report)


def view(found: View, rows: int | None = None) -> str:
    """One table of `dlprof show`, of `rows` rows at most, and what is to be said of it."""
    titles, names, body = view_text.plain(found, _limit(rows))
    side = " (the host's side)" if found.where == "host" else ""
    said = [*view_text.remarks(found), noticed_text.complete_words(found.completeness)]
    left = found.table.num_rows - len(body)
    parts = [_strong(f"By {found.by}{side}"), _names_table(titles, [at < names for at in range(len(titles))], body)]
    return "\n\n".join(filter(None, [*parts, _left(left), *map(_plain, said)])) + "\n"


def detail(found: Detail, rows: int | None = None) -> str:
    """One view of `dlprof show --view`: its tables one after another, of `rows` rows each at most."""
    if found.empty:
        return f"{_strong(found.view.capitalize())}\n\n{_plain(found.empty)}\n"
    parts = []
    for title, part in found.tables.items():
        if part.num_rows:
            titles, words, body = views_text.plain(part, _limit(rows))
            shown = _names_table(titles, words, body)
            parts += [_strong(f"{found.view.capitalize()}: {title}"), shown, _left(part.num_rows - len(body))]
    return "\n\n".join(filter(None, parts)) + "\n"


def _limit(rows: int | None) -> int:
    return ROWS if rows is None else rows


def _left(count: int) -> str:
    return f"and {count} more row{'' if count == 1 else 's'}" if count > 0 else ""


def _names_table(titles: Sequence[str], words: Sequence[bool], rows: Sequence[Sequence[str]]) -> str:
    """A table whose columns of words stand left, those of numbers right."""
    if not rows:
        return ""
    rule = ["---" if word else "---:" for word in words]
    lines = [
        titles,
        rule,
        *([_plain(cell) if word else cell for cell, word in zip(row, words, strict=True)] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _whole(parts: Sequence[str], report: str) -> str:
    text = "\n\n".join(part for part in parts if part)
    rest = _folded("The whole report", report.strip("\n"))
    if len(text) + len(rest) > MOST:
        rest = f"The whole report has {len(report)} characters, too many for a comment: `dlprof report` writes it as a page."
    return f"{text}\n\n{rest}\n"


def _items(found: Comparison) -> str:
    """The timed items, each with the gate's answer where there is one."""
    if not found.items:
        return ""
    states = {one.item: one.state for one in found.gate.items} if found.gate else {}
    titles = ["timed", "A", "B", "change", "interval", "verdict", *(["gate"] if states else [])]
    rows = []
    for item in _first(found.items, states):
        ratio = item.ratio
        known = ratio is not None and ratio.low is not None and ratio.high is not None
        cells = [
            _plain(item_words(item.item)),
            *("–" if ns is None else format_ns(ns) for ns in (item.a_median_ns, item.b_median_ns)),
            percent(ratio.estimate) if ratio else "–",
            f"{percent(ratio.low)} to {percent(ratio.high)}" if known else "–",  # type: ignore[union-attr,arg-type]
            item.verdict.replace("_", " "),
        ]
        rows.append([*cells, *([states.get(item.item, "–")] if states else [])])
    rows += [_of_gate(one) for one in found.gate.items if one.allowed is not None] if found.gate else []
    sides = f"A = {_plain(found.a.label)}, B = {_plain(found.b.label)}"
    left = len(found.items) - len(_first(found.items, states))
    more = f"\n\nand {left} more items, in the whole report" if left else ""
    return f"{sides}\n\n{_table(titles, rows)}{more}"


def _of_gate(one: GatedItem) -> list[str]:
    """A row of what only the gate judges: peak memory, the first step, …"""
    ratio = one.ratio
    known = ratio is not None and ratio.low is not None and ratio.high is not None
    return [
        _plain(item_words(one.item)),
        *("–" if value is None else gate_text.figure(value, one.unit) for value in (one.a_median, one.b_median)),
        percent(ratio.estimate) if ratio else "–",
        f"{percent(ratio.low)} to {percent(ratio.high)}" if known else "–",  # type: ignore[union-attr,arg-type]
        f"at most +{100 * (one.allowed or 0):g} %",
        one.state,
    ]


def _first(items: Sequence[ItemResult], states: Mapping[str, GateState]) -> Sequence[ItemResult]:
    """All items in their order where they are few; else those that a reader looks for."""
    if len(items) <= ROWS:
        return items
    order = ("failed", "undecided", "not_comparable")

    def rank(item: ItemResult) -> tuple[int, float]:
        state = states.get(item.item, "passed")
        return (order.index(state) if state in order else len(order), -item.ratio.estimate if item.ratio else 0.0)

    return sorted(items, key=rank)[:ROWS]


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [titles, ["---", *["---:"] * (len(titles) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _folded(title: str, text: str) -> str:
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"<details><summary>{escape(title)}</summary>\n\n{fence}text\n{neutral(text)}\n{fence}\n\n</details>"


def _strong(text: str) -> str:
    return f"**{_plain(text)}**" if text else ""


def _plain(text: str) -> str:
    """Text that stands for itself, in one line."""
    whole = " ".join(neutral(text[: _LONGEST + 1]).split())
    one_line = escape(whole if len(whole) <= _LONGEST else f"{whole[:_LONGEST]}…", quote=False)
    return _ACTIVE.sub(lambda match: f"&#{ord(match[0])};", one_line)
