"""Analysis of dlprof's own recordings (traces/): exact counts, a ledger that adds up, and what the native ones cannot tell."""

from __future__ import annotations

from functools import cache

import pytest
from places import ROOT

from dlprof.analysis.explain import ledger
from dlprof.analysis.same_work import traced_work
from dlprof.analysis.trace import breakdown, completeness, layers, steps
from dlprof.store import Capture

TRACES = ROOT / "traces"


@cache
def placed(name):
    capture = Capture.open(TRACES / name)
    assigned = layers.assign(capture.events(), capture.manifest.described.model.layers)
    assert assigned.anomalies == {}
    return assigned.events


def calls(events):
    shown = breakdown.view(events, "op").to_pylist()
    return {(row["op"], row["phase"]): row["calls"] for row in shown}


def test_both_frameworks_ran_two_convolutions_forward_and_backward_in_each_step():
    found = [placed("lenet-tf-exact"), placed("lenet-mxnet-exact")]
    for events in found:
        count = steps.table(events).num_rows
        assert count > 0
        assert calls(events)["Conv", "forward"] == calls(events)["Conv", "backward"] == 2 * count
        assert calls(events)["Gemm", "forward"] == calls(events)["Gemm", "backward"] == 3 * count
        assert calls(events)["Adam", "optimizer"] == 10 * count


@pytest.mark.parametrize("name", ["lenet-tf-exact", "lenet-mxnet-exact"])
def test_an_exact_recording_is_complete_by_what_the_child_expected(name):
    window = Capture.open(TRACES / name).manifest.window
    found = completeness.check(placed(name), expected=window.expected, window_steps=window.steps)
    assert found.complete is True


def test_the_ledger_of_the_two_lenets_adds_up_explains_95_percent_and_matches_count_for_count():
    found = ledger.build([placed("lenet-tf-exact")], [placed("lenet-mxnet-exact")])
    lines = found.ledger.lines
    assert sum(line.a_ns for line in lines) == found.ledger.a_wall_ns
    assert sum(line.b_ns for line in lines) == found.ledger.b_wall_ns
    assert sum(line.delta_ns for line in lines) == found.ledger.gap_ns
    (rest,) = [line for line in lines if line.kind == "unexplained"]
    assert rest.a_ns <= 0.05 * found.ledger.a_wall_ns
    assert rest.b_ns <= 0.05 * found.ledger.b_wall_ns
    counted = [line for line in lines if line.a_calls is not None]
    assert len(counted) >= 12
    assert all(line.a_calls == line.b_calls for line in counted)
    assert max(found.alignment.a_unmatched, found.alignment.b_unmatched) < 0.1
    assert (found.alignment.a_unknown, found.alignment.b_unknown) == ((), ())


def test_every_layer_of_the_workload_is_found_on_both_sides():
    wanted = {"conv1", "pool1", "conv2", "pool2", "dense1", "dense2", "logits"}
    for name in ("lenet-tf-exact", "lenet-mxnet-exact"):
        shown = breakdown.view(placed(name), "layer").to_pylist()
        assert wanted <= {row["layer"] for row in shown if row["phase"] == "forward"}
        assert wanted <= {row["layer"] for row in shown if row["phase"] == "backward"}


def test_a_native_recording_of_mxnet_is_said_to_be_unsynchronised_and_to_hide_its_operators():
    found = {finding["what"] for finding in traced_work.traces(placed("lenet-tf-exact"), placed("lenet-mxnet-native"))}
    assert {"unsynchronised", "bulks"} <= found
    assert "unsynchronised" not in {
        f["what"] for f in traced_work.traces(placed("lenet-tf-exact"), placed("lenet-mxnet-exact"))
    }


def test_items_of_an_op_workload_are_steps_and_their_sizes_stay_apart():
    for name in ("matmul-tf-exact", "matmul-mxnet-exact"):
        assert steps.table(placed(name)).num_rows == 10
    found = ledger.build([placed("matmul-tf-exact")], [placed("matmul-mxnet-exact")]).ledger
    sizes = [line.name for line in found.lines if line.name.startswith("MatMul")]
    assert sorted(sizes) == ["MatMul matmul[size=100]", "MatMul matmul[size=400]"]


@pytest.mark.parametrize("name", ["lenet-tf-exact", "lenet-mxnet-exact", "matmul-tf-exact"])
@pytest.mark.parametrize("by", list(breakdown.KEYS))
def test_a_breakdown_needs_no_more_columns_than_it_says(name, by):
    capture = Capture.open(TRACES / name)
    workload = capture.manifest.described.model.layers
    few = layers.assign(capture.events(breakdown.columns_of(by)), workload).events
    assert breakdown.view(few, by).equals(breakdown.view(placed(name), by))
    assert steps.table(few).equals(steps.table(placed(name)))
