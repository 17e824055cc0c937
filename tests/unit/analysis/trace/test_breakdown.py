"""The breakdown: counts, exact times and shares of executed work, by every key."""

from __future__ import annotations

import pyarrow as pa
import pytest
from analysis_tables import events, marker, op, step

from dlprof import schema
from dlprof.analysis.model import Outside
from dlprof.analysis.trace import breakdown, steps
from dlprof.errors import UsageError


def rows(table):
    return table.to_pylist()


def test_by_op_a_split_backward_is_two_events_but_one_call():
    table = events(
        op("Conv", 0, 10, phase="forward"),
        op("Conv", 10, 30, phase="backward", kernel="Conv2DBackpropFilter"),
        op("Conv", 30, 45, phase="backward", kernel="Conv2DBackpropInput", calls=0),
    )
    backward, forward = rows(breakdown.view(table, "op"))
    assert (backward["op"], backward["phase"], backward["count"], backward["calls"]) == ("Conv", "backward", 2, 1)
    assert backward["total_ns"] == 35.0
    assert (forward["count"], forward["total_ns"], forward["share"]) == (1, 10.0, 10 / 45)


def test_picoseconds_become_exact_fractions_of_ns():
    table = events(op("Add", 0, 0.001), op("Add", 5, 5.4))
    (row,) = rows(breakdown.view(table, "op"))
    assert row["total_ns"] == 0.401


def test_an_operator_without_a_canonical_name_is_shown_raw_and_marked_unknown():
    table = events(op(None, 0, 5, name="FancyOp", kernel=None), op("Relu", 5, 6))
    shown = {row["op"]: row["known"] for row in rows(breakdown.view(table, "op"))}
    assert shown == {"FancyOp": False, "Relu": True}


def test_self_time_leaves_out_what_is_nested_and_total_does_not():
    table = events(op("CachedOp", 0, 100, self_ps=30_000), op("Conv", 10, 80))
    shown = {row["op"]: (row["total_ns"], row["self_ns"]) for row in rows(breakdown.view(table, "op"))}
    assert shown == {"CachedOp": (100.0, 30.0), "Conv": (70.0, 70.0)}


def gpu(*more):
    return events(
        {"level": "op", "device": "host", "op": "Gemm", "phase": "forward", "start": 0, "end": 50},
        {"level": "api", "device": "host", "name": "cudaLaunchKernel", "launch": 0, "start": 10, "end": 12},
        {
            "level": "kernel",
            "device": "gpu:0",
            "track": 1,
            "stream": "7",
            "kernel": "sgemm",
            "launch": 1,
            "start": 20,
            "end": 60,
        },
        {
            "level": "kernel",
            "device": "gpu:1",
            "track": 2,
            "stream": "7",
            "kernel": "sgemm",
            "launch": 0,
            "start": 30,
            "end": 50,
        },
        {
            "level": "copy",
            "device": "gpu:0",
            "track": 3,
            "stream": "9",
            "kernel": "Memcpy HtoD",
            "start": 50,
            "end": 70,
        },
        *more,
    )


def test_with_gpu_kernels_the_host_side_is_not_counted_again():
    table = gpu()
    assert breakdown.view(table, "kernel")["count"].to_pylist() == [1, 1, 1]
    assert sum(breakdown.view(table, "op")["total_ns"].to_pylist()) == 40 + 20 + 20


def test_kernels_take_op_and_phase_from_what_launched_them_even_through_the_api_call():
    shown = {row["op"]: row for row in rows(breakdown.view(gpu(), "op"))}
    assert (shown["Gemm"]["count"], shown["Gemm"]["phase"], shown["Gemm"]["known"]) == (2, "forward", True)
    assert (shown["Memcpy HtoD"]["count"], shown["Memcpy HtoD"]["known"]) == (1, True), "a copy is no unknown operator"


def test_the_same_kernel_on_two_devices_is_two_rows():
    shown = {(row["kernel"], row["device"]): row["total_ns"] for row in rows(breakdown.view(gpu(), "kernel"))}
    assert shown == {("sgemm", "gpu:0"): 40.0, ("sgemm", "gpu:1"): 20.0, ("Memcpy HtoD", "gpu:0"): 20.0}


def test_by_device_busy_is_the_union_and_span_runs_from_first_start_to_last_end():
    late = {"level": "kernel", "device": "gpu:0", "track": 1, "kernel": "relu", "start": 100, "end": 105}
    shown = {row["device"]: row for row in rows(breakdown.view(gpu(late), "device"))}
    assert (shown["gpu:0"]["busy_ns"], shown["gpu:0"]["span_ns"], shown["gpu:0"]["total_ns"]) == (55.0, 85.0, 65.0)
    assert (shown["gpu:1"]["busy_ns"], shown["gpu:1"]["span_ns"]) == (20.0, 20.0)


def test_an_aggregated_event_counts_as_the_executions_it_stands_for():
    table = events(op("Gemm", 0, 50, occurrences=20, calls=20))
    (row,) = rows(breakdown.view(table, "op"))
    assert (row["count"], row["calls"]) == (20, 20)


def test_phases_with_idle_add_up_to_the_steps_wall_time():
    table = events(
        step(0, 0, 100),
        op("Conv", 10, 50, phase="forward", track=1, step=0),
        op("Conv", 30, 70, phase="backward", track=2, step=0),
        marker("dlprof:input", 0, 15),
        op("Identity", 200, 300, phase="forward", track=1),  # outside every step: no part of any step's wall
    )
    wall = {row["phase"]: row["wall_ns"] for row in rows(breakdown.view(table, "phase"))}
    assert wall == {"forward": 30.0, "backward": 30.0, "input": 10.0, "idle": 30.0}


def test_by_step_each_step_has_its_work_and_what_lies_outside_is_in_no_row():
    table = events(
        step(0, 0, 10), step(1, 10, 30), op("Add", 1, 2, step=0), op("Add", 11, 14, step=1), op("Add", 40, 41)
    )
    shown = [(row["step"], row["count"], row["total_ns"]) for row in rows(breakdown.view(table, "step"))]
    assert shown == [(0, 1, 1.0), (1, 1, 3.0)]
    assert breakdown.of(table, "step").outside() == Outside(count=1, self_ns=1.0)


def test_an_empty_trace_gives_empty_views():
    empty = schema.EVENTS.empty_table()
    for by in breakdown.KEYS:
        assert breakdown.view(empty, by).num_rows == 0


def test_by_source_work_is_grouped_by_line_and_a_kernel_has_that_of_its_launch():
    table = events(
        op("Conv", 0, 10, source_line="model.py:7", device="host"),
        op("Conv", 20, 50, level="kernel", device="gpu:0", launch=0),
        op("Relu", 50, 55, level="kernel", device="gpu:0", source_line="model.py:9"),
        op("Add", 55, 56, level="kernel", device="gpu:0"),
    )
    assert [(row["source_line"], row["count"], row["self_ns"]) for row in rows(breakdown.view(table, "source"))] == [
        ("model.py:7", 1, 30.0),
        ("model.py:9", 1, 5.0),
        (None, 1, 1.0),
    ]


def test_an_unknown_view_names_those_that_exist():
    with pytest.raises(UsageError, match="no such view") as error:
        breakdown.view(schema.EVENTS.empty_table(), "color")
    assert "kernel" in (error.value.hint or "")


def test_chunks_with_dictionaries_of_their_own_group_together():
    one, two = events(op("Add", 0, 1)), events(op("Relu", 1, 2), op("Add", 2, 5))
    (first, second) = rows(breakdown.view(pa.concat_tables([one, two]), "op"))
    assert (first["op"], first["count"], first["total_ns"]) == ("Add", 2, 4.0)
    assert second["op"] == "Relu"


def test_explained_time_is_the_union_of_work_inside_the_steps():
    table = events(
        step(0, 0, 100), op("A", 10, 40, track=1, step=0), op("B", 20, 60, track=2, step=0), op("C", 90, 130, track=1)
    )
    found = steps.explained(table)
    assert (found.steps, found.wall_ns, found.busy_ns, found.fraction) == (1, 100.0, 60.0, 0.6)


def test_steps_are_read_from_markers_with_their_own_walls_in_order_of_time():
    table = events(step(7, 50, 90), step(6, 0, 40), marker("dlprof:unsynced_step=8", 90, 95), op("A", 1, 2))
    assert steps.table(table).to_pydict() == {
        "step": [6, 7],
        "start_ps": [0, 50_000],
        "end_ps": [40_000, 90_000],
        "wall_ns": [40.0, 40.0],
    }


def test_items_of_two_sizes_with_the_same_number_are_two_steps():
    table = events(marker("dlprof:item=matmul[size=50]#0", 0, 10), marker("dlprof:item=matmul[size=90]#0", 20, 25))
    assert steps.table(table)["wall_ns"].to_pylist() == [10.0, 5.0]


def test_a_kernel_of_an_unknown_operator_is_shown_under_the_name_of_the_operator_that_launched_it():
    table = events(
        {"level": "op", "device": "host", "name": "aten::exotic", "start": 0, "end": 50},
        {"level": "kernel", "device": "gpu:0", "kernel": "Cijk_Alik", "launch": 0, "start": 20, "end": 60},
    )
    (row,) = rows(breakdown.view(table, "op"))
    assert (row["op"], row["known"]) == ("aten::exotic", False)


def test_the_total_of_a_row_counts_time_once_where_an_operator_is_inside_another_of_the_row():
    table = events(
        op("Conv", 0, 100, name="aten::conv2d", self_ps=10_000),
        op("Conv", 5, 95, name="aten::convolution", parent=0, self_ps=20_000, calls=0),
        op("Add", 10, 80, name="aten::wrapper", parent=1, self_ps=20_000),
        op("Conv", 20, 70, name="aten::cudnn_convolution", parent=2, self_ps=50_000, calls=0),
        op("Conv", 200, 230, name="aten::conv2d", self_ps=30_000),
    )
    rows = {row["op"]: row for row in breakdown.view(table, "op").to_pylist()}
    assert rows["Conv"]["total_ns"] == 130
    assert rows["Conv"]["self_ns"] == 110
    assert rows["Add"]["total_ns"] == 70
    assert [row["total_ns"] for row in breakdown.view(table, "device").to_pylist()] == [130]


def test_by_step_tells_how_long_each_step_was_on_each_host():
    one = [step(1, 0, 100), op("A", 10, 40, step=1), step(2, 100, 130), op("B", 110, 120, step=2)]
    assert breakdown.view(events(*one), "step")["step_ns"].to_pylist() == [100.0, 30.0]
    other = [step(1, 5, 25), op("A", 10, 20, step=1)]
    both = [row | {"rank": 0} for row in one] + [row | {"rank": 1} for row in other]
    found = {(row["place"], row["step"]): row["step_ns"] for row in rows(breakdown.view(events(*both), "step"))}
    assert found == {("rank0", 1): 100.0, ("rank0", 2): 30.0, ("rank1", 1): 20.0}
