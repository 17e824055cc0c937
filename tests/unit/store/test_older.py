"""Directories that an older dlprof wrote (tests/older) go on being read, verified and reported."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from places import ROOT

import dlprof
from dlprof import schema
from dlprof.api import verify
from dlprof.store import Capture

OLDER = Path(__file__).parents[2] / "older"
ADDED = ("host", "rank", "parent")
"""What schema 2 has more than schema 1."""


def test_a_table_of_schema_1_has_null_in_the_columns_it_lacks() -> None:
    capture = Capture.open(OLDER / "schema-1" / "capture")
    assert capture.manifest.schema_version == 1
    events = capture.events()
    assert events.schema.names == schema.EVENTS.names
    assert all(events.schema.field(name).type == schema.EVENTS.field(name).type for name in ADDED)
    assert [events[name].null_count for name in ADDED] == [events.num_rows] * 3
    assert events.num_rows == capture.manifest.trace.events == 373
    assert sum(value is not None for value in events["op"].to_pylist()) == 30


def test_single_columns_that_a_table_of_schema_1_lacks_can_be_asked_for() -> None:
    events = Capture.open(OLDER / "schema-1" / "capture").events(["id", "rank", "duration_ps"])
    assert events.schema.names == ["id", "rank", "duration_ps"]
    assert events["rank"].null_count == events.num_rows


def test_a_capture_of_schema_1_is_shown() -> None:
    loaded = dlprof.load(OLDER / "schema-1" / "capture")
    assert set(loaded.view("op").table["op"].to_pylist()) >= {"MatMul"}


@pytest.mark.parametrize("name", ["capture", "comparison"])
def test_a_directory_of_schema_1_is_verified(name: str) -> None:
    checks = list(verify.verify(OLDER / "schema-1" / name))
    assert verify.outcome(checks) == "agrees", checks


def test_what_rules_of_an_older_dlprof_decided_is_told_apart_and_nothing_else() -> None:
    checks = list(verify.verify(OLDER / "schema-1" / "comparison"))
    (told,) = [check for check in checks if check.where == "comparison.json" and check.outcome == "unchecked"]
    assert "by rules of an earlier dlprof (schema 1)" in told.detail


def test_intervals_of_an_earlier_rule_are_told_apart_by_the_method_that_a_result_states() -> None:
    cell = "study-versions-study-calls-tasks-tf-2.1.0-eager-vs-mxnet-1.5.1-imperative-run2"
    checks = list(verify.verify(ROOT / "analysis" / "fundamental-operations" / "data" / "cells" / cell))
    assert "differs" not in {check.outcome for check in checks}, checks
    (told,) = [check for check in checks if check.where == "comparison.json" and check.outcome == "unchecked"]
    assert "by rules of an earlier dlprof (schema 2), such as " in told.detail


@pytest.mark.parametrize("changed", ["estimate", "a_median_ns"])
def test_a_changed_figure_of_an_older_result_differs(changed: str, tmp_path: Path) -> None:
    folder = tmp_path / "comparison"
    shutil.copytree(OLDER / "schema-1" / "comparison", folder)
    found = json.loads((folder / "comparison.json").read_text())
    item = found["items"][0]
    (item["ratio"] if changed == "estimate" else item)[changed] *= 1.01
    (folder / "comparison.json").write_text(json.dumps(found))
    differing = [check for check in verify.verify(folder) if check.outcome == "differs"]
    assert any(changed in check.detail for check in differing), differing


@pytest.mark.parametrize(
    "words", [("show", "capture"), ("show", "capture", "--view", "kernels"), ("verify", "comparison")]
)
def test_a_directory_of_schema_1_is_reported_by_the_command_line(here, words: tuple[str, ...]) -> None:  # type: ignore[no-untyped-def]
    verb, name, *options = words
    done = here(verb, OLDER / "schema-1" / name, *options)
    assert done.returncode == 0, done.stderr
    assert ("0 differ" if verb == "verify" else "matmul") in done.stdout.lower()


def test_a_comparison_of_schema_1_becomes_a_page(here, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    page = tmp_path / "page.html"
    done = here("report", OLDER / "schema-1" / "comparison", "-o", page)
    assert done.returncode == 0, done.stderr
    assert "matmul" in page.read_text().lower()


def test_a_diff_of_captures_of_schema_1_works(here) -> None:  # type: ignore[no-untyped-def]
    folder = OLDER / "schema-1" / "comparison"
    done = here("diff", folder / "a-exact-1", folder / "b-exact-1")
    assert done.returncode == 0, done.stderr
    assert "MatMul" in done.stdout


def test_a_changed_line_of_an_older_ledger_differs(tmp_path: Path) -> None:
    """
    Its lines share concurrent instants, and are held against today's ledger divided in that way; one whole nanosecond
    is how its lines were rounded, two are a changed figure.
    """
    folder = tmp_path / "comparison"
    shutil.copytree(OLDER / "schema-1" / "comparison", folder)
    found = json.loads((folder / "comparison.json").read_text())
    line = found["ledger"]["lines"][0]
    assert "a_share_ns" not in line
    line["a_ns"] += 2
    (folder / "comparison.json").write_text(json.dumps(found))
    details = [check.detail for check in verify.verify(folder) if check.outcome == "differs"]
    assert any("ledger.lines[" in detail for detail in details), details
