"""Layers and phases found from the order of operators within a step."""

from __future__ import annotations

from analysis_tables import events, op, step

from dlprof.analysis.trace import layers
from dlprof.workload_shape import Layer

LENET = [
    Layer("conv1", "Conv", activation="Relu"),
    Layer("pool1", "AveragePool"),
    Layer("conv2", "Conv", activation="Relu"),
    Layer("flatten", "Flatten"),
    Layer("logits", "Gemm"),
]


def one_step(number, at):
    names = [
        "Conv",
        "Activation",
        "Pool",
        "Conv",
        "Activation",
        "Flatten",
        "Gemm",
        "LogSoftmax",
        "Gemm",
        "Conv",
        "Conv",
    ]
    phases = ["forward"] * 4 + [None] + ["forward"] * 2 + [None] + ["backward"] * 3
    return [
        op(name, at + i, at + i + 1, phase=phase, step=number)
        for i, (name, phase) in enumerate(zip(names, phases, strict=True))
    ]


def shown(table):
    return [(r["op"], r["phase"], r["layer"]) for r in table.to_pylist() if r["level"] == "op"]


EXPECTED = [
    ("Conv", "forward", "conv1"),
    ("Relu", "forward", "conv1"),
    ("AveragePool", "forward", "pool1"),
    ("Conv", "forward", "conv2"),
    ("Relu", "forward", "conv2"),
    ("Flatten", "forward", "flatten"),
    ("Gemm", "forward", "logits"),
    ("LogSoftmax", "loss", None),
    ("Gemm", "backward", "logits"),
    ("Conv", "backward", "conv2"),
    ("Conv", "backward", "conv1"),
]


def test_the_kth_forward_operator_is_the_kth_layer_and_backward_runs_the_other_way_in_every_step():
    table = events(step(0, 0, 20), step(1, 20, 40), *one_step(0, 1), *one_step(1, 21))
    assigned = layers.assign(table, LENET)
    assert shown(assigned.events) == EXPECTED * 2
    assert assigned.anomalies == {}


def test_the_order_is_that_of_time_not_of_the_file():
    table = events(step(0, 0, 20), *reversed(one_step(0, 1)))
    assert shown(layers.assign(table, LENET).events) == EXPECTED[::-1]


def test_a_step_with_another_number_of_calls_is_left_alone_and_counted():
    extra = op("Conv", 15, 16, phase="forward", step=0)
    assigned = layers.assign(events(step(0, 0, 20), *one_step(0, 1), extra), LENET)
    forward = [row for row in shown(assigned.events) if row[:2] == ("Conv", "forward")]
    assert forward == [("Conv", "forward", None)] * 3
    assert assigned.anomalies == {"layer_unassigned": 3}


def test_a_second_part_of_a_split_operator_shares_the_layer_of_its_call():
    parts = [op("Conv", 1, 2, phase="backward", step=0), op("Conv", 2, 3, phase="backward", step=0, calls=0),
             op("Conv", 3, 4, phase="backward", step=0)]  # fmt: skip
    assigned = layers.assign(events(step(0, 0, 20), *parts), LENET)
    assert [row[2] for row in shown(assigned.events)] == ["conv2", "conv2", "conv1"]


def test_work_outside_steps_and_layers_that_the_trace_names_are_not_touched():
    table = events(
        step(0, 0, 20), op("Conv", 30, 31, phase="forward"), op("Gemm", 1, 2, phase="forward", layer="head", step=0)
    )
    assert shown(layers.assign(table, LENET).events) == [("Conv", "forward", None), ("Gemm", "forward", "head")]


def test_a_recorded_operator_is_never_renamed_to_the_expected_one():
    table = events(step(0, 0, 20), op("MaxPool", 1, 2, phase="forward", step=0))
    assert shown(layers.assign(table, LENET).events) == [("MaxPool", "forward", "pool1")]


def test_a_generic_operator_in_a_layer_that_the_trace_names_is_that_layers() -> None:
    named = [
        op("Pool", 1, 2, phase="forward", layer="pool1", step=0),
        op("Pool", 3, 4, phase="backward", layer="pool1", step=0),
    ]
    unknown = op("Pool", 5, 6, phase="forward", layer="another", step=0)
    assert shown(layers.assign(events(step(0, 0, 20), *named, unknown), LENET).events) == [
        ("AveragePool", "forward", "pool1"),
        ("AveragePool", "backward", "pool1"),
        ("Pool", "forward", "another"),
    ]


def test_a_loss_operator_that_the_engine_ran_after_the_backward_pass_began_is_still_the_loss():
    late = op("ReduceMean", 18, 19, step=0)
    assigned = layers.assign(events(step(0, 0, 20), *one_step(0, 1), late), LENET)
    assert shown(assigned.events) == [*EXPECTED, ("ReduceMean", "loss", None)]


def test_an_operator_that_nobody_knows_gets_no_phase():
    table = events(step(0, 0, 20), op(None, 1, 2, name="Mystery", step=0))
    assert shown(layers.assign(table, LENET).events) == [(None, None, None)]


def test_small_operators_of_an_optimizer_are_no_loss_where_the_host_says_how_many_it_handed_over() -> None:
    def invoked(at: int, phase: str):
        return {"name": "MXImperativeInvokeEx", "level": "api", "track": 5, "start": at, "end": at + 1, "calls": 0} | {
            "phase": phase,
            "step": 0,
        }

    rows = [
        step(0, 0, 100),
        op("Conv", 5, 10, step=0),
        op("LogSoftmax", 10, 12, step=0),
        op("Mul", 12, 13, step=0),
        op("Gemm", 13, 14, phase="backward", step=0),
        *(invoked(at, "optimizer") for at in (15, 16, 17, 18, 19)),
        invoked(20, "loss"),
        op("Pick", 16, 17, step=0),
        op("Mul", 21, 22, step=0),
        op("ReduceMean", 22, 23, step=0),
        op("Sqrt", 23, 24, step=0),
        op("Mul", 24, 25, step=0),
        op("Copy", 25, 26, step=0),
        op("Adam", 26, 27, phase="optimizer", step=0),
    ]
    found = layers.assign(events(*rows), LENET).events
    assert [(name, phase) for name, phase, _ in shown(found)] == [
        ("Conv", "forward"),
        ("LogSoftmax", "loss"),
        ("Mul", "loss"),
        ("Gemm", "backward"),
        ("Pick", "loss"),
        ("Mul", "optimizer"),
        ("ReduceMean", "loss"),
        ("Sqrt", "optimizer"),
        ("Mul", "optimizer"),
        ("Copy", None),
        ("Adam", "optimizer"),
    ]


def test_operators_handed_over_that_are_all_known_leave_a_late_loss_alone() -> None:
    call = {"name": "MXImperativeInvokeEx", "level": "api", "track": 5, "calls": 0, "phase": "optimizer", "step": 0}
    rows = [
        step(0, 0, 100),
        {**call, "start": 1, "end": 2},
        op("Adam", 3, 4, phase="optimizer", step=0),
        op("LogSoftmax", 5, 6, step=0),
    ]
    assert shown(layers.assign(events(*rows), LENET).events)[1] == ("LogSoftmax", "loss", None)


def test_a_layer_that_tensorflow_numbered_is_the_workloads_layer_and_no_other_is_renamed():
    table = events(
        step(0, 0, 100),
        op("Conv", 0, 10, phase="forward", step=0, layer="conv1_1"),
        op("Conv", 10, 20, phase="forward", step=0, layer="conv2_1/convolution"),
        op("MatMul", 20, 30, phase="forward", step=0, layer="head_1"),
    )
    found = layers.assign(table, LENET).events
    assert shown(found) == [("Conv", "forward", "conv1"), ("Conv", "forward", "conv2"), ("MatMul", "forward", "head_1")]
    assert found.schema == table.schema
