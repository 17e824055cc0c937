"""LeNet in the real TensorFlow and the real MXNet, on the real MNIST, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from short_runs import STEPS

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(900)]


def rows(here, capture: Path, by: str) -> list[dict]:
    done = here("show", capture, "--by", by, "--format", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["rows"]


def calls(here, capture: Path, op: str, phase: str) -> int:
    return sum(row["calls"] for row in rows(here, capture, "op") if row["op"] == op and row["phase"] == phase)


@pytest.mark.parametrize("framework", ["tf", "mxnet"])
@pytest.mark.parametrize("phase", ["forward", "backward"])
def test_two_convolutions_a_step_are_counted_exactly(here, captures, framework, phase):
    assert calls(here, captures[framework], "Conv", phase) == 2 * STEPS


@pytest.mark.parametrize("framework", ["tf", "mxnet"])
def test_an_exact_capture_states_that_it_is_complete(here, captures, framework):
    done = here("show", captures[framework], "--format", "json")
    statement = json.loads(done.stdout)["completeness"]
    assert statement["complete"] is True, statement
    assert f"{STEPS} steps" in statement["statement"]


@pytest.mark.parametrize("framework", ["tf", "mxnet"])
def test_every_op_of_an_exact_trace_is_known_and_has_a_phase(here, captures, framework):
    found = rows(here, captures[framework], "op")
    assert [row["op"] for row in found if not row["known"]] == []


@pytest.mark.parametrize("framework", ["tf", "mxnet"])
def test_both_sides_show_the_same_layers(here, captures, framework):
    layers = {row["layer"] for row in rows(here, captures[framework], "layer")}
    assert {"conv1", "pool1", "conv2", "pool2", "dense1", "dense2", "logits"} <= layers


def test_a_native_trace_of_mxnet_leaves_unsynchronised_steps_unassigned(here, captures):
    shown = json.loads(here("show", captures["native"], "--by", "step", "--format", "json").stdout)
    assert shown["rows"] == []
    assert shown["outside"]["count"] > 0


def test_the_manifest_names_what_ran(captures):
    manifest = json.loads((captures["tf"] / "manifest.json").read_text())
    assert manifest["version"] == "2.21.0"
    assert manifest["mode"] == "graph"
    assert manifest["environment"]["packages"]["tensorflow-cpu"]["version"] == "2.21.0"
    assert manifest["data"]["genuine"] is True
    assert manifest["child"]["epochs"][0]["test_accuracy"] > 0.3
    assert set(manifest["files"]) >= {"events.parquet"}
    assert manifest["machine"]["cpu"]


def test_the_raw_folder_is_a_logdir_of_the_profile_plugin(captures):
    assert list((captures["tf"] / "raw").glob("plugins/profile/*/*.xplane.pb"))


def test_raw_files_of_two_frameworks_are_compared_without_a_framework_and_decide_nothing(dlprof, captures, tmp_path):
    xplane = next((captures["tf"] / "raw").rglob("*.xplane.pb"))
    profile = captures["mxnet"] / "raw" / "profile.json"
    nothing = {"DLPROF_CACHE": str(tmp_path / "empty")}
    done = dlprof("diff", profile, xplane, "--format", "json", env=nothing)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["verdict"] == "inconclusive"
    assert found["ratio"]["low"] is None
    assert any("one run against one run decides nothing" in warning for warning in found["warnings"])
    assert not (tmp_path / "empty").exists()


def test_a_chrome_export_is_valid_json_with_small_ids(here, captures, tmp_path):
    target = tmp_path / "trace.json"
    done = here("export", captures["mxnet"], "--to", "chrome", "-o", target)
    assert done.returncode == 0, done.stderr
    events = json.loads(target.read_text())["traceEvents"]
    assert max(event["tid"] for event in events) < 2**53
    assert sum(event["name"] == "Convolution" for event in events) == 2 * STEPS


def test_compare_gives_a_json_that_fits_its_schema_and_keeps_its_captures(comparison):
    import jsonschema

    from dlprof.report.json import json_schema

    found = json.loads(comparison.stdout)
    jsonschema.validate(found, json_schema("comparison"))
    assert found == json.loads((comparison.path / "comparison.json").read_text())
    assert found["verdict"] == "inconclusive", "one trial never gives a verdict"
    assert found["ratio"]["low"] is None
    assert found["ratio"]["trials"] == 1
    marked = found["ledger"]["a_steps"]
    assert 0 < marked <= STEPS, "a slow machine traces fewer steps"
    assert found["ledger"]["b_steps"] == marked
    convolution = [row for row in found["rows"] if row["op"] == "Conv" and row["layer"] == "conv2"]
    assert {(row["phase"], row["a_count"], row["b_count"]) for row in convolution} == {
        ("forward", marked, marked),
        ("backward", marked, marked),
    }
    names = {path.name for path in comparison.path.iterdir() if path.is_dir()}
    assert names == {"a-exact-1", "b-exact-1", "a-native-1", "b-native-1"}
    assert [path for path in comparison.path.parent.iterdir() if path != comparison.path] == []
