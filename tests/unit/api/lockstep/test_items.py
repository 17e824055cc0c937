"""Items of op workloads: how heavy they are, which are timed together, which do not fit into memory."""

from __future__ import annotations

import pytest

from dlprof import frameworks, workload
from dlprof.api.lockstep import items
from dlprof.errors import Unsupported, UsageError


def test_operands_weigh_what_their_shapes_say() -> None:
    matmul = workload.load("matmul").description
    assert items.operand_bytes(matmul["tasks"][0], 100, matmul["run"]) == 50 * 2 * 100 * 100 * 4
    listed = workload.load("create_list").description
    assert items.operand_bytes(listed["tasks"][0], 1000, listed["run"]) == 50 * 1000 * 32


def test_a_group_is_of_one_task_and_within_its_limit() -> None:
    ops = workload.load("ops")
    names = [f"dot[size={n}]" for n in (1000, 11000)] + [f"matmul[size={n}]" for n in (50, 400, 450, 550)]
    grouped = items.grouping(ops)(names)
    assert [list(group) for group in grouped] == [
        ["dot[size=1000]", "dot[size=11000]"],
        ["matmul[size=50]", "matmul[size=400]", "matmul[size=450]"],
        ["matmul[size=550]"],
    ]


def test_variants_of_a_call_are_items_of_their_task() -> None:
    grouped = items.grouping(workload.load("matmul"), limit=1)(["matmul[size=50]", "matmul[call=study,size=50]"])
    assert len(grouped) == 2, "each is over the limit, so each is weighed"


def test_a_size_beyond_the_memory_is_refused_with_both_figures() -> None:
    big = frameworks.with_calls(workload.resolve("matmul", settings={"size": "1000000"}), ["tf"])
    with pytest.raises(Unsupported, match=r"matmul\[size=1000000\]: .*need about .* TiB, .* of memory are free"):
        items.check(big, "tf")
    items.check(frameworks.with_calls(workload.resolve("matmul", settings={"size": "50"}), ["tf"]), "tf")


def test_a_network_has_one_headline_and_no_items_to_weigh() -> None:
    assert items.count(workload.load("lenet")) == 1
    assert items.count(workload.load("ops")) > 100
    items.check(workload.load("lenet"), "tf")


def test_a_family_is_thinned_to_what_a_budget_holds_unless_sizes_were_asked_for() -> None:
    ops = workload.load("ops")
    slim = items.thinned(ops, 50)
    tasks = {task["name"]: task["sizes"] for task in slim.description["tasks"]}
    assert items.count(slim) == 4 * len(tasks) <= 50
    assert tasks["matmul"] == [50, 200, 400, 550]
    assert items.thinned(ops, 1000) is ops
    asked = workload.resolve("matmul", settings={"sizes": "50..550/50"})
    assert items.thinned(asked, 2) is asked


OWN = """
name = "clip"
kind = "op"
title = "t"
[run]
sizes = [10]
count = 5
dtype = "float32"
[[tasks]]
name = "clip"
operands = [{name = "x", shape = ["n"]}]
[tasks.calls.idiomatic]
tf = "tf.clip_by_value(x, 0.2, 0.8)"
"""


def test_a_faulty_or_partial_description_is_named_before_anything_starts() -> None:
    items.check(workload.parse(OWN, "clip.toml"), "tf")
    with pytest.raises(Unsupported, match="clip has no call for mxnet"):
        items.check(workload.parse(OWN, "clip.toml"), "mxnet")
    with pytest.raises(UsageError, match=r"clip: .*count"):
        items.check(workload.parse(OWN.replace("count = 5\n", ""), "clip.toml"), "tf")
    with pytest.raises(UsageError, match="clip has no sizes"):
        items.check(workload.parse(OWN.replace("[10]", "[]"), "clip.toml"), "tf")
