"""A side that is faster than its processor can be."""

from __future__ import annotations

from dlprof.analysis.same_work import rates
from dlprof.capture.data.inputs import model_of, multiply_adds
from dlprof.workload import resolve


def test_the_operations_of_a_product_follow_from_its_size() -> None:
    known = rates.operations(resolve("matmul", settings={"sizes": "100"}, framework="tf"), None)
    assert known["matmul[size=100]"] == 2 * 100**3


def test_a_training_step_takes_at_least_two_forward_passes() -> None:
    workload = resolve("mlp", framework="tf")
    forward = 20 * 64 + 64 * 64 + 64
    assert multiply_adds(model_of(workload.description)) == forward
    known = rates.operations(workload, forward)
    assert known["infer_block"] == 2 * forward * 128
    assert known["train_block"] == 2 * known["infer_block"]


def test_lenet_counts_the_places_of_its_windows() -> None:
    model = {
        "input": [28, 28, 1],
        "layers": [
            {"name": "c", "op": "Conv", "kernel": 5, "filters": 6},
            {"name": "p", "op": "AveragePool", "kernel": 2, "stride": 2},
            {"name": "f", "op": "Flatten"},
            {"name": "d", "op": "Gemm", "units": 10},
        ],
    }
    assert multiply_adds(model_of({"model": model})) == 24 * 24 * 5 * 5 * 6 + 12 * 12 * 6 * 10


def test_only_what_exceeds_the_peak_is_refused_by_item_and_side() -> None:
    times = {"matmul[size=100]": {"a": 1e6, "b": 10.0}, "train_block": {"a": 1.0}, "tanh[size=9]": {"a": 1.0}}
    found = rates.check(times, {"matmul[size=100]": 2e6, "train_block": 1e6}, peak=1e12)
    assert [(one["where"], one.get("item")) for one in found] == [
        ("timed/matmul[size=100]", "matmul[size=100]"),
        ("timed/train_block", None),
    ]
    assert "of B would do 2e+05 billion" in found[0]["sentence"]
