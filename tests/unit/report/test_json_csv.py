"""The JSON is what the shipped schemas describe, never holds NaN, and tells the same numbers as the findings."""

from __future__ import annotations

import csv as stdlib_csv
import io
import json as stdlib_json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from report_tables import ALIGNED, ROWS, comparison, event, ledger, table, view

from dlprof.analysis.facts import Facts, Tax
from dlprof.analysis.model import ItemResult, Ratio
from dlprof.report import csv, json


def valid(text: str, kind: Any) -> dict[str, Any]:
    value: dict[str, Any] = stdlib_json.loads(text, parse_constant=pytest.fail)
    schema = json.json_schema(kind)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(value)
    return value


def test_a_comparison_matches_its_schema_and_its_findings() -> None:
    value = valid(json.comparison(comparison()), "comparison")
    assert value["schema_version"] == 1
    assert value["verdict"] == "slower"
    assert value["ratio"] == {
        "estimate": 2.113, "low": 2.021, "high": 2.209, "confidence": 0.95, "trials": 6,
        "method": "t over trials of log ratios (Hodges-Lehmann per trial)",
    }  # fmt: skip
    assert value["a"]["framework"] == "tf"
    assert value["b"]["manifest_digest"] == "sha256:bb"
    assert [row["op"] for row in value["rows"]] == [row.op for row in ROWS]
    assert value["rows"][0]["delta_ns"] == 31_500_000.0
    assert value["profiling_overhead"] == {"a": 0.031, "b": None}
    assert value["ledger"] is None


@pytest.mark.parametrize("verdict", ["faster", "slower"])
def test_the_schema_refuses_a_verdict_that_its_interval_does_not_carry(verdict: Any) -> None:
    text = json.comparison(comparison(verdict, Ratio(1.0, 0.9, 1.1, 0.95, 6, "t")))
    with pytest.raises(jsonschema.ValidationError):
        valid(text, "comparison")


def test_a_diff_of_two_recordings_has_no_interval_and_is_valid() -> None:
    one = ItemResult("step", "inconclusive", Ratio(1.2, None, None, 0.0, 1, "median traced step"), 1e6, 1.2e6, "x")
    value = valid(json.comparison(comparison(items=(one,), parity=())), "comparison")
    assert value["verdict"] == "inconclusive"
    assert value["ratio"]["low"] is None


def test_a_ledger_and_an_alignment_match_the_schema_and_sum() -> None:
    value = valid(json.comparison(comparison(ledger=ledger(), alignment=ALIGNED)), "comparison")
    lines = value["ledger"]["lines"]
    assert sum(line["a_ns"] for line in lines) == value["ledger"]["a_wall_ns"]
    assert sum(line["delta_ns"] for line in lines) == value["ledger"]["gap_ns"]
    assert value["alignment"]["b_unknown"] == ["odd_op"]


def test_nothing_timed_is_inconclusive_without_a_ratio() -> None:
    value = valid(json.comparison(comparison(items=(), rows=())), "comparison")
    assert value["verdict"] == "inconclusive"
    assert value["ratio"] is None


def test_nan_and_infinity_become_null() -> None:
    odd = replace(ROWS[0], a_ns=float("nan"), delta_ns=float("inf"))
    facts = Facts(kind="op", method="lockstep", tax={"a": Tax((), float("-inf"), None, "")})
    value = valid(json.comparison(comparison(rows=[odd], facts=facts)), "comparison")
    assert value["rows"][0]["a_ns"] is None
    assert value["rows"][0]["delta_ns"] is None
    assert value["facts"]["tax"]["a"]["difference_ns"] is None


def test_a_fact_of_a_type_without_json_form_is_refused() -> None:
    with pytest.raises(TypeError, match="object has no JSON form"):
        json.comparison(comparison(facts=Facts(method="lockstep", preset=object())))


def test_paths_become_text() -> None:
    assert json.plain({"p": Path("a/b")}) == {"p": "a/b"}


def test_a_view_matches_its_schema() -> None:
    value = valid(json.view(view()), "view")
    assert value["rows"][0]["total_ns"] == 2.5e9
    assert value["rows"][1]["phase"] is None
    assert value["completeness"]["complete"] is True


def test_a_view_by_device_must_tell_busy_and_span() -> None:
    row = {"device": "gpu:4", "count": 1, "total_ns": 1.0, "self_ns": 1.0}
    with pytest.raises(jsonschema.ValidationError, match="busy_ns"):
        valid(json.view(view("device", ("device",), [row])), "view")
    valid(json.view(view("device", ("device",), [row | {"busy_ns": 1.0, "span_ns": 2.0}])), "view")


def test_csv_of_a_comparison_has_a_line_for_each_row_and_empty_fields_for_nulls() -> None:
    rows = list(stdlib_csv.DictReader(io.StringIO(csv.comparison(comparison()))))
    assert len(rows) == len(ROWS)
    assert rows[1]["op"] == "Conv"
    assert float(rows[1]["b_ns"]) == 90_000_000.0
    assert rows[3]["b_ns"] == ""


def test_csv_of_a_view_has_its_columns() -> None:
    rows = list(stdlib_csv.DictReader(io.StringIO(csv.view(view()))))
    assert rows[0]["op"] == "Conv"
    assert rows[0]["self_ns"] == "2400000000.0"


def test_events_as_csv_and_json_hold_every_event() -> None:
    events = table(event(name='a,"b"', op="Conv", start_ps=7), event(name="c", value=float("nan")))
    rows = list(stdlib_csv.DictReader(io.StringIO(b"".join(csv.events(events)).decode())))
    assert [row["name"] for row in rows] == ['a,"b"', "c"]
    assert rows[0]["start_ps"] == "7"
    value = stdlib_json.loads(b"".join(json.events(events, "t")), parse_constant=pytest.fail)
    assert [row["name"] for row in value["rows"]] == ['a,"b"', "c"]
    assert value["rows"][1]["value"] is None
    assert value["origin_ns"] == 1_700_000_000_000_000_000
    described = {column["name"]: column for column in value["columns"]}
    assert {"type": "int64", "unit": "ps"}.items() <= described["start_ps"].items()


def test_no_events_are_valid_too() -> None:
    assert stdlib_json.loads(b"".join(json.events(table(), "t")))["rows"] == []
    assert b"".join(csv.events(table())).startswith(b'"id","source"')
