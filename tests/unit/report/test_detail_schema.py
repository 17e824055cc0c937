"""`show --view --format json` against its schema: every view, on traces of CPUs and of GPUs; every column has a meaning."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from places import ROOT

import dlprof
from dlprof.analysis.trace import details
from dlprof.report import json as report_json
from dlprof.report.text import views_text

SCHEMA = report_json.json_schema("detail")


@pytest.fixture(scope="module", params=["lenet-tf-exact", "lenet-mxnet-native"])
def events(request: pytest.FixtureRequest):
    return dlprof.load(ROOT / "traces" / request.param).events


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_schema_names_the_views_that_there_are():
    assert SCHEMA["properties"]["view"]["enum"] == list(details.VIEWS)


@pytest.mark.parametrize("view", details.VIEWS)
def test_each_view_matches_and_each_of_its_columns_is_described(events, view: str):
    found = details.detail(events, view)
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(views_text.json(found)))
    described = SCHEMA["$defs"]["row"]["properties"]
    assert {name for table in found.tables.values() for name in table.column_names} <= set(described)


@pytest.mark.parametrize("view", details.VIEWS)
def test_a_gpu_trace_matches(view: str, here, recorded: Path):
    trace = recorded / "kineto" / "h100" / "gaunernst_bert-small-uncased__1016001.json.gz"
    shown = here("show", trace, "--view", view, "--format", "json")
    assert shown.returncode == 0, shown.stderr
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(shown.stdout))


def test_a_column_without_a_meaning_does_not_match():
    value = {
        "schema_version": 1,
        "kind": "detail",
        "view": "idle",
        "empty": None,
        "tables": {"causes": [{"x": 1, "ns": 2}]},
    }
    with pytest.raises(jsonschema.ValidationError, match="'x' was unexpected"):
        jsonschema.Draft202012Validator(SCHEMA).validate(value)
