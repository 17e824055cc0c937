"""`show --view` as text, JSON and CSV: the columns that fit, all columns, and a word where there is nothing."""

from __future__ import annotations

import json

import pyarrow as pa

from dlprof.analysis.model import Detail
from dlprof.report.text import views_text

GAPS = Detail(
    view="gaps",
    tables={
        "gaps": pa.table(
            {
                "stream": ["stream 7", "stream 7"],
                "cause": ["launched late", "launched in time"],
                "reason": ["the device waited", "start-up"],
                "gaps": [3, 2],
                "ns": [2500.0, 0.5],
                "share": [0.25, None],
            }
        )
    },
)


def test_times_shares_and_reasons_read_as_words_with_units():
    assert views_text.text(GAPS) == (
        "Gaps: gaps\n"
        "Stream   Cause            Gaps   Time  Share\n"
        "──────── ──────────────── ──── ────── ──────\n"
        "stream 7 launched late       3 2.5 µs 25.0 %\n"
        "stream 7 launched in time    2 0.5 ns      –\n"
        "  launched late: the device waited\n"
        "  launched in time: start-up\n"
    )


def test_rows_beyond_the_limit_are_counted():
    assert "1 more rows" in views_text.text(GAPS, rows=1)


def test_no_line_is_wider_than_the_terminal_however_long_a_name_is():
    wide = Detail("slowest", {"executions": pa.table({"name": ["k" * 300], "op": ["Conv"], "duration_ns": [1.0]})})
    assert max(map(len, views_text.text(wide).splitlines())) <= 80


def test_an_empty_view_says_why():
    empty = Detail("memory", {"peaks": pa.table({"name": pa.array([], pa.string())})}, empty="Nothing was recorded.")
    assert views_text.text(empty) == "Memory\n  Nothing was recorded.\n"


def test_json_and_csv_hold_every_column():
    value = json.loads(views_text.json(GAPS))
    assert (value["kind"], value["view"], value["empty"]) == ("detail", "gaps", None)
    assert value["tables"]["gaps"][1] == {
        "stream": "stream 7", "cause": "launched in time", "reason": "start-up", "gaps": 2, "ns": 0.5, "share": None,
    }  # fmt: skip
    assert views_text.csv(GAPS).splitlines()[0] == "stream,cause,reason,gaps,ns,share"


def test_several_tables_follow_each_other_in_csv_under_their_titles():
    two = Detail("memory", {"a": pa.table({"x": [1]}), "b": pa.table({"y": [2]})})
    assert views_text.csv(two) == "# a\nx\n1\n# b\ny\n2\n"
