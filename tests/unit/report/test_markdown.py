"""Findings as Markdown: what a pull request shows, whatever stands in the names."""

from __future__ import annotations

import re
from dataclasses import replace

import pyarrow as pa
from report_tables import SENTENCE, comparison, ledger, view

from dlprof.analysis.model import Detail, Gate, GatedItem, Ratio
from dlprof.report import markdown


def gated(**changes):
    one = GatedItem("train_block", "failed", Ratio(2.113, 2.021, 2.209, 0.95, 6, "t"), 0.001, 0.001, None)
    return replace(comparison(ledger=ledger(), gate=Gate(0.05, "failed", (one,))), **changes)


def test_answer_verdict_items_why_and_the_report_folded():
    text = markdown.comparison(gated())
    first, verdict, sides, table, *_ = text.split("\n\n")
    assert first.startswith("**GATE FAILED: training step +111.3 % &#91;+102.1 %, +120.9 %&#93; &gt; 5 %, because ")
    assert verdict.startswith("MXNet 1.9.1 (hybrid) is slower than TensorFlow")
    assert sides == "A = TensorFlow 2.21.0 (graph), B = MXNet 1.9.1 (hybrid)"
    assert table.splitlines() == [
        "| timed | A | B | change | interval | verdict | gate |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| training step | 15.9 ms | 33.6 ms | +111.3 % | +102.1 % to +120.9 % | slower | failed |",
        "| training step, synchronised | 17.1 ms | 33.9 ms | +92.0 % | +85.0 % to +99.0 % | slower | – |",
    ]
    assert re.findall("<summary>(.*?)</summary>", text) == ["Why: where the time of a step goes", "The whole report"]
    assert text.count("<details>") == text.count("</details>") == 2


def test_without_a_gate_there_is_no_column_for_it():
    assert "gate" not in markdown.comparison(comparison()).split("<details>")[0].lower()


def test_names_neither_mention_people_nor_break_a_table_nor_a_fence():
    found = gated()
    item = replace(
        found.items[0], item="a|b @someone <img src=x> `x` [l](http://evil) \x1b[31m", sentence=f"{SENTENCE} @all"
    )
    row = replace(found.rows[0], op="``` </details> ````")
    text = markdown.comparison(replace(found, items=(item,), rows=(row,), gate=None))
    shown = text.split("<details>")[0]
    assert not re.search(r"[@`\x1b]|<img|\]\(", shown)
    assert len(next(line for line in shown.splitlines() if "someone" in line).split(" | ")) == 6
    assert "`````text" in text


def test_a_report_too_long_for_a_comment_is_left_out_and_said():
    rows = [replace(comparison().rows[0], op=f"operator number {at} with a long name") for at in range(3000)]
    long = replace(gated(), warnings=tuple(f"warning {at} of very many" * 3 for at in range(3000)), rows=tuple(rows))
    text = markdown.comparison(long)
    assert len(text) < markdown.MOST
    assert "too many for a comment" in text


def test_of_very_many_items_the_table_has_those_that_a_gate_minds():
    base = gated()
    items = tuple(replace(base.items[0], item=f"op[size={at}]" + "x" * 2000) for at in range(500))
    states = [
        GatedItem(one.item, "failed" if at == 470 else "passed", one.ratio, 0.1, 0.1, None)
        for at, one in enumerate(items)
    ]
    text = markdown.comparison(replace(base, items=items, gate=Gate(0.05, "failed", tuple(states))))
    rows = [line for line in text.splitlines() if line.startswith("| op")]
    assert len(rows) == markdown.ROWS
    assert rows[0].startswith("| op&#91;size=470&#93;x")
    assert f"and {500 - markdown.ROWS} more items" in text
    assert len(text) < 65_536 + 10_000


def test_addresses_and_numbers_of_issues_are_no_links():
    item = replace(gated().items[0], sentence="see www.evil.com GH-12 https://evil.com org/repo#3")
    shown = markdown.comparison(replace(gated(), items=(item,), gate=None)).split("<details>")[0]
    assert not re.search(r"www\.|GH-1|://|repo#3", shown)


def test_one_trace_is_a_table_with_what_it_leaves_out():
    rows = [
        {"op": name, "phase": "forward", "count": 3, "total_ns": 2.5e6, "self_ns": 2e6, "share": 0.5, "known": True}
        for name in ("Conv|1", "Relu")
    ]
    text = markdown.view(view(rows=rows), rows=1)
    title, table, left, *_ = text.split("\n\n")
    assert title == "**By op**"
    assert table.splitlines() == [
        "| Op | Phase | Count | Total ms | Self ms | Share |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
        "| Conv&#124;1 | forward | 3 | 2.500 | 2.000 | 50.0 % |",
    ]
    assert left == "and 1 more row"
    empty = replace(view(), table=view().table.slice(0, 0))
    assert markdown.view(empty, rows=1).startswith("**By op**\n\nNo executed work was recorded.")


def test_a_view_has_a_table_for_each_of_its_parts():
    found = Detail("gaps", {"largest": pa.table({"after": ["Conv", "<b>"], "gap_ns": [2e6, 1e6]})})
    assert markdown.detail(found).splitlines() == [
        "**Gaps: largest**",
        "",
        "| After | Gap |",
        "| --- | ---: |",
        "| Conv | 2 ms |",
        "| &lt;b&gt; | 1 ms |",
    ]
    assert markdown.detail(Detail("gaps", {}, "No device in it.")) == "**Gaps**\n\nNo device in it.\n"
