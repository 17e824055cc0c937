"""Calls follow from a task's operator, operands and attributes: what a signature fits, and what stands in the call then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dlprof import frameworks, workload
from dlprof.errors import UsageError
from dlprof.frameworks import call_table

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "calls.json").read_text())
"""Workload/task → its calls, as workload files said them when each had a line for TensorFlow and one for MXNet."""


def task(op: str, *shapes: list[int | str], attributes: dict[str, Any] | None = None, **first: str) -> dict[str, Any]:
    """A task with operands x0, x1, …; `first`: further keys of the first operand."""
    operands: list[dict[str, Any]] = [{"name": f"x{at}", "shape": shape} for at, shape in enumerate(shapes)]
    operands[0].update(first)
    return {"name": "t", "op": op, "operands": operands, **({"attributes": attributes} if attributes else {})}


@pytest.mark.parametrize("name", sorted({key.partition("/")[0] for key in GOLDEN}))
def test_calls_of_tensorflow_and_mxnet_are_letter_by_letter_those_that_each_task_once_had_a_line_for(name: str) -> None:
    found = frameworks.with_calls(workload.load(name), ("tf", "mxnet")).description["tasks"]
    calls = {
        f"{name}/{one['name']}": {
            variant: {side: call for side, call in sides.items() if side in ("tf", "mxnet")}
            for variant, sides in one["calls"].items()
        }
        for one in found
    }
    assert calls == {key: once for key, once in GOLDEN.items() if key.startswith(f"{name}/")}
    assert all(next(iter(one["calls"])) == "idiomatic" for one in found), "the plain call is the first variant"


@pytest.mark.parametrize("framework", ["tf", "mxnet", "torch", "jax"])
def test_a_built_in_framework_has_a_call_for_every_task_that_ships(framework: str) -> None:
    for name in workload.names():
        found = frameworks.with_calls(workload.load(name), (framework,)).description
        assert all(framework in one["calls"]["idiomatic"] for one in found.get("tasks", [])), name


@pytest.mark.parametrize(
    ("signature", "call", "given", "expected"),
    [
        ("Relu(x)", "nn.relu({x})", task("Relu", ["n"]), "nn.relu(x0)"),
        ("MatMul(a[*], b[*])", "dot({a}, {b})", task("MatMul", ["n"], ["n"]), "dot(x0, x1)"),
        ("Gemm(x, w, b)", "fc({x}, {w.1})", task("Gemm", ["n", 4], [4, 7], [7]), "fc(x0, 7)"),
        ("Gather(w, i)", "take({w}, {i}, {i.0})", task("Gather", [9, 2], ["n"]), "take(x0, x1, n)"),
        ("Adam(w:variable; epsilon)", "adam({w}, {epsilon})",
         task("Adam", ["n"], attributes={"epsilon": 1e-8}, **{"as": "variable"}), "adam(x0, 1e-8)"),
        ("Pool(x; k, s = 2)", "pool({x}, {k}, {s})", task("Pool", ["n"], attributes={"k": 3, "s": 2}), "pool(x0, 3, 2)"),
        ("Conv(x, w[3, *])", {"call": "conv({w})", "layout": "NCHW"}, task("Conv", ["n"], [3, 8]),
         {"call": "conv(x1)", "layout": "NCHW"}),
    ],
)  # fmt: skip
def test_a_signature_that_fits_gives_its_call_with_the_names_and_numbers_of_the_task(
    signature: str, call: Any, given: dict[str, Any], expected: Any
) -> None:
    assert call_table.derived(given, {signature: call}) == expected


@pytest.mark.parametrize(
    ("signature", "given"),
    [
        ("Relu(x)", task("Tanh", ["n"])),
        ("Mul(x, y)", task("Mul", ["n"])),  # 2 * x * x is called Mul too: another call than a product of two operands
        ("MatMul(a[*], b[*])", task("MatMul", ["n", "n"], ["n", "n"])),
        ("Conv(x, w[3, *])", task("Conv", ["n"], [5, 8])),
        ("Constant(x)", task("Constant", ["n"], **{"as": "numpy"})),
        ("Constant(x:list)", task("Constant", ["n"], **{"as": "numpy"})),
        ("Loss(p)", task("Loss", ["n"], attributes={"targets": "signs"})),
        ("Loss(p; targets)", task("Loss", ["n"])),
        ("Conv(x; padding=same)", task("Conv", ["n"], attributes={"padding": "valid"})),
    ],
)
def test_a_task_that_differs_in_anything_gets_no_call(signature: str, given: dict[str, Any]) -> None:
    assert call_table.derived(given, {signature: "f({x})"}) is None


@pytest.mark.parametrize("signature", ["Relu", "Relu(x", "Relu(x y)", "Relu(x; a b)", "(x)"])
def test_a_signature_that_is_none_is_named(signature: str) -> None:
    with pytest.raises(UsageError, match="table of calls: "):
        call_table.derived(task("Relu", ["n"]), {signature: "f(x)"})


def test_a_place_that_the_signature_does_not_name_is_named() -> None:
    with pytest.raises(UsageError, match=r"Relu\(x\): its call names \{y\}"):
        call_table.derived(task("Relu", ["n"]), {"Relu(x)": "f({y})"})


OWN = """
name = "mine"
kind = "op"
title = "t"
[run]
sizes = [10]
count = 5
dtype = "float32"
[[tasks]]
name = "mine"
op = "Relu"
operands = [{name = "x", shape = ["n"]}]
calls.other = {tf = "tf.nn.elu(x)"}
[tasks.calls.idiomatic]
tf = "tf.maximum(x, 0)"
"""


def test_a_line_of_the_task_goes_before_the_table_and_only_the_idiomatic_call_is_derived() -> None:
    (found,) = frameworks.with_calls(workload.parse(OWN, "mine.toml"), ("tf", "mxnet")).description["tasks"]
    assert found["calls"] == {
        "idiomatic": {"tf": "tf.maximum(x, 0)", "mxnet": 'F.Activation(x, act_type="relu")'},
        "other": {"tf": "tf.nn.elu(x)"},
    }


def test_calls_of_other_frameworks_are_left_away_where_a_side_stands_alone() -> None:
    both = frameworks.with_calls(workload.load("relu"), ("tf", "mxnet"))
    alone = frameworks.own_calls(both, "tf")
    assert alone == frameworks.own_calls(frameworks.with_calls(workload.load("relu"), ("tf",)), "tf")
    assert alone.description["tasks"][0]["calls"]["idiomatic"] == {"tf": "tf.nn.relu(x)"}
    assert frameworks.own_calls(workload.load("lenet"), "tf") == workload.load("lenet")
