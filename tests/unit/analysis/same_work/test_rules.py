"""Equal work: differences block, concern one item only, are allowed, or are there by design of a preset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from dlprof import workload
from dlprof.analysis.same_work import rules
from dlprof.protocol import Ready
from dlprof.workload import Workload

LENET = workload.load("lenet")
MATMUL = workload.load("matmul")


class Answer:
    """A worker that has its arrays and facts at hand."""

    def __init__(self, facts: Mapping[str, Any], **arrays: float) -> None:
        self.ready = Ready(versions={"python": "3.11.1"}, runtime={"facts": dict(facts)}, items=[])
        self.missing: dict[str, str] = {}
        self.arrays = {name.replace("__", "/"): np.full((2, 2), value, np.float32) for name, value in arrays.items()}
        self.busy_threads: float | None = None


def check(a: Answer, b: Answer, loads: Workload = LENET, **more: Any) -> rules.Work:
    return rules.check(a, b, {"a": loads, "b": loads}, **more)


def test_the_same_arrays_and_facts_leave_nothing() -> None:
    work = check(Answer({}, logits=1, loss=2), Answer({}, logits=1, loss=2))
    assert (work.differences, work.blocks, work.compared) == ((), (), 2)


def test_other_outputs_block_unless_allowed_and_then_stand_in_the_report() -> None:
    a, b = Answer({}, logits=1), Answer({}, logits=1.1)
    assert [d["where"] for d in check(a, b).blocks] == ["logits"]
    work = check(a, b, allow=["outputs"])
    assert work.blocks == ()
    assert work.differences[0]["allowed"] == "allowed by --allow outputs"
    assert "allowed by --allow outputs" in work.differences[0]["sentence"]
    assert check(a, b, allow=["weights"]).blocks


def test_a_fact_that_changes_the_work_blocks_until_its_kind_is_allowed() -> None:
    a, b = (
        Answer({"optimizer": "Adam", "layout": "NHWC"}, loss=1),
        Answer({"optimizer": "SGD", "layout": "NCHW"}, loss=1),
    )
    assert [d["where"] for d in check(a, b).blocks] == ["optimizer"]
    assert check(a, b, allow=["optimizer"]).blocks == ()


def test_one_item_that_differs_is_refused_and_the_others_go_on() -> None:
    a, b = Answer({}), Answer({})
    for answer, second in ((a, 1.0), (b, 2.0)):
        answer.arrays = {"out/matmul[size=50]": np.ones(3), "grad/matmul[size=90]": np.full(3, second)}
    work = check(a, b, MATMUL)
    assert work.blocks == ()
    assert work.refused == {"matmul[size=90]"}


def test_the_tolerance_is_that_of_the_element_type() -> None:
    halves = workload.resolve("matmul", settings={"dtype": "float16"})
    a, b = Answer({}), Answer({})
    a.arrays, b.arrays = {"out/matmul[size=50]": np.ones(3)}, {"out/matmul[size=50]": np.full(3, 1.005)}
    assert check(a, b, MATMUL).refused == {"matmul[size=50]"}
    assert check(a, b, halves).refused == frozenset()


TWO_SIDED = """
name = "toy"
kind = "network"
title = "t"
[data]
dataset = "random"
train = 10
shape = [4]
[model]
input = [4]
layers = [{name = "one", op = "Gemm", units = 2}]
[loss]
op = "SoftmaxCrossEntropyLoss"
[optimizer]
op = "Adam"
learning_rate = 0.001
[run]
batch_size = 5
[presets.slides]
differs = ["optimizer"]
[presets.slides.mxnet]
optimizer = {op = "SGD", learning_rate = 0.02}
"""


@pytest.mark.parametrize(("arrays", "blocked"), [({"after__one/w": 2.0}, []), ({"logits": 2.0}, ["logits"])])
def test_a_preset_allows_what_follows_from_its_design_and_no_more(arrays: dict[str, float], blocked: list[str]) -> None:
    sides = {
        name: workload.parse(TWO_SIDED, "toy.toml", preset="slides", framework=framework)
        for name, framework in (("a", "tf"), ("b", "mxnet"))
    }
    a = Answer({"optimizer": "Adam"}, **dict.fromkeys(arrays, 1.0))
    work = rules.check(a, Answer({"optimizer": "SGD"}, **arrays), sides)
    assert [d["where"] for d in work.blocks] == blocked
    designed = {d["where"]: (d["a"], d["b"]) for d in work.differences if d["what"] == "design"}
    assert designed == {"optimizer.op": ("Adam", "SGD"), "optimizer.learning_rate": ("0.001", "0.02")}


def test_an_item_that_one_side_cannot_run_is_refused_with_its_reason_and_the_others_stay() -> None:
    a, b = Answer({}), Answer({})
    a.arrays = {"out/matmul[size=50]": np.ones(3), "out/matmul[size=90]": np.ones(3)}
    b.arrays = {"out/matmul[size=50]": np.ones(3)}
    b.missing = {"matmul[size=90]": "no such call in this release"}
    work = check(a, b, MATMUL)
    assert work.refused == {"matmul[size=90]"}
    (difference,) = work.differences
    assert difference["sentence"] == "matmul[size=90] does not run on B: no such call in this release"


def test_how_closely_the_arrays_agree_and_what_is_the_same_is_stated() -> None:
    a, b = (
        Answer({"batch_size": 200, "layout": "NHWC"}, logits=2),
        Answer({"batch_size": 200, "layout": "NCHW"}, logits=2.0001),
    )
    for side, key in ((a, "intra_op_threads"), (b, "openmp_threads")):
        side.ready.runtime[key] = 2
    agreement = check(a, b).agreement
    assert agreement.largest_relative_difference["logits"] == pytest.approx(5e-5, rel=1e-2)
    assert agreement.same_facts == {"python": "3.11.1", "compute_threads": "2", "batch_size": "200"}
    b.ready.runtime["openmp_threads"] = 1
    assert {"compute_threads", "layout"} == {d["where"] for d in check(a, b).differences}
