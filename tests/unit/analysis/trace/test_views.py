"""The other views on one trace: occupancy, launches, step times and their outliers, memory."""

from __future__ import annotations

import json

import pytest
from analysis_tables import events, marker, op, step
from hypothesis import given, settings
from hypothesis import strategies as st

from dlprof.analysis.model import Workless
from dlprof.analysis.trace import breakdown, launches, memory, occupancy, outliers, steps


def test_concurrency_sums_to_the_frame_and_counts_tracks_not_nested_events():
    table = events(
        step(0, 0, 100),
        op("A", 10, 60, track=1, step=0),
        op("inner", 20, 30, track=1, step=0),
        op("B", 40, 80, track=2, step=0),
    )
    found = occupancy.concurrency(table).to_pydict()
    assert found == {"active": [0, 1, 2], "ns": [30.0, 50.0, 20.0], "share": [0.3, 0.5, 0.2]}


def test_over_time_gives_each_bin_its_busy_share_and_mean_number_of_tracks():
    table = events(step(0, 0, 100), op("A", 0, 50, track=1), op("B", 25, 75, track=2))
    found = occupancy.over_time(table, 4).to_pydict()
    assert found["busy"] == [1.0, 1.0, 1.0, 0.0]
    assert found["active"] == [1.0, 2.0, 1.0, 0.0]
    assert found["start_ns"] == [0.0, 25.0, 50.0, 75.0]


@settings(deadline=None)  # a busy machine is no failure
@given(
    st.lists(st.tuples(st.integers(0, 90), st.integers(0, 60), st.integers(0, 3)), min_size=1, max_size=12),
    st.integers(1, 9),
)
def test_occupancy_over_time_and_concurrency_tell_the_same_total(rows, bins):
    table = events(step(0, 0, 100), *(op("A", s, s + d, track=t) for s, d, t in rows))
    over = occupancy.over_time(table, bins).to_pydict()
    levels = occupancy.concurrency(table).to_pydict()
    by_bins = sum(a * (e - s) for a, s, e in zip(over["active"], over["start_ns"], over["end_ns"], strict=True))
    by_levels = sum(n * ns for n, ns in zip(levels["active"], levels["ns"], strict=True))
    assert by_bins == pytest.approx(by_levels, abs=1e-6)
    assert sum(levels["ns"]) == pytest.approx(100.0)


KERNEL = {"level": "kernel", "device": "gpu:0", "track": 1, "stream": "7"}
COPY = {"level": "copy", "device": "gpu:0", "track": 2, "stream": "9"}
CALL = {"level": "api", "device": "host", "track": 8, "name": "cudaLaunchKernel", "calls": 0}


def test_copies_hidden_behind_computation_are_told_from_those_that_are_not():
    table = events(
        {"start": 0, "end": 60, **KERNEL}, {"start": 40, "end": 80, **COPY}, {"start": 90, "end": 100, **KERNEL}
    )
    (row,) = occupancy.devices(table).to_pylist()
    assert (row["compute_ns"], row["copy_ns"], row["overlap_ns"], row["idle_ns"]) == (70.0, 40.0, 20.0, 10.0)
    assert row["compute"] + row["copy_only"] + row["idle"] == pytest.approx(1.0)


def test_idle_time_is_split_by_cause_with_its_gaps():
    table = events(
        step(0, 0, 100),
        op("A", 20, 30, step=0),
        op("A", 50, 60, step=0),
        marker("dlprof:input", 0, 15),
        marker("dlprof:sync", 30, 80),
    )
    found = {row["cause"]: (row["ns"], row["gaps"], row["longest_ns"]) for row in occupancy.idle(table).to_pylist()}
    assert found == {
        "input pipeline": (15.0, 1, 15.0),
        "runtime between operators": (20.0, 1, 20.0),
        "synchronisation": (20.0, 1, 20.0),
        "unexplained": (25.0, 2, 20.0),
    }


def test_a_launch_is_joined_with_its_kernel_and_the_queue_counts_what_has_not_started():
    table = events(
        {"start": 0, "end": 5, "correlation": 1, **CALL},
        {"start": 6, "end": 9, "correlation": 2, **CALL},
        {"start": 20, "end": 50, "correlation": 1, **KERNEL},
        {"start": 50, "end": 52, "correlation": 2, **KERNEL},
        {"start": 60, "end": 61, "correlation": 99, **KERNEL},
    )
    rows = launches.table(table).to_pylist()
    assert [(r["id"], r["call_id"], r["latency_ns"], r["delay_ns"], r["queue"]) for r in rows] == [
        (2, 0, 20.0, 15.0, 1),
        (3, 1, 44.0, 41.0, 2),
    ]
    (found,) = launches.summaries(table)
    assert (found.launches, found.unlinked, found.most_queued, found.shorter_than_call) == (2, 1, 2, 1)
    assert found.median_delay_ns == 28.0


def test_one_call_that_launches_a_graph_is_a_row_for_each_of_its_kernels():
    table = events(
        {"start": 0, "end": 5, "correlation": 1, **CALL, "name": "cudaGraphLaunch"},
        *({"start": 10 + i, "end": 11 + i, "correlation": 1, **KERNEL} for i in range(3)),
    )
    assert launches.table(table)["call_id"].to_pylist() == [0, 0, 0]


def test_a_kernel_that_starts_during_its_call_has_no_delay():
    table = events({"start": 0, "end": 9, "correlation": 1, **CALL}, {"start": 4, "end": 8, "correlation": 1, **KERNEL})
    assert launches.table(table)["delay_ns"].to_pylist() == [0.0]


def long_run(slow_step):
    rows = []
    for number in range(20):
        at, extra = number * 100, 30 if number == slow_step else 0
        rows += [step(number, at, at + 60 + number % 3 + extra), op("Conv", at, at + 40, step=number)]
        rows += [op("Relu", at + 40, at + 50 + extra, step=number)]
    return events(*rows)


def test_a_step_that_stands_out_is_named_with_what_took_longer_in_it():
    found = outliers.step_times(long_run(slow_step=7))
    assert found is not None
    (only,) = found.outliers
    assert (only.step, only.cause, only.cause_ns) == (7, "Relu", 30.0)
    assert (found.steps, found.median_ns, only.wall_ns) == (20, 61.0, 91.0)


def test_ordinary_scatter_has_no_outliers_and_no_steps_have_no_distribution():
    assert outliers.step_times(long_run(slow_step=None)).outliers == ()
    assert outliers.step_times(events(op("Conv", 0, 1))) is None


def test_the_slowest_executions_say_whether_they_are_odd_or_always_slow():
    table = events(*(op("Conv", 10 * i, 10 * i + 2) for i in range(9)), op("Conv", 200, 260), op("Gemm", 300, 350))
    first, second = outliers.slowest(table, 2).to_pylist()
    assert (first["op"], first["duration_ns"], first["times_median"]) == ("Conv", 60.0, 30.0)
    assert (second["op"], second["times_median"]) == ("Gemm", 1.0)


def allocation(name, at, total, size, address, **more):
    args = {"allocator_name": "mklcpu", "bytes_allocated": total, "allocation_bytes": size, "addr": address}
    return {"name": name, "level": "api", "start": at, "end": at, "args": json.dumps(args), "calls": 0, **more}


def test_the_peak_of_an_allocator_is_found_with_what_was_live_and_who_allocated_it():
    table = events(
        step(4, 0, 100),
        op("Conv", 10, 50, track=1, phase="forward", layer="conv1", step=4),
        allocation("MemoryAllocation", 20, 100, 100, 0xA, track=1),
        allocation("MemoryAllocation", 25, 140, 40, 0xB, track=1),
        allocation("MemoryDeallocation", 30, 100, 40, 0xB, track=1),
        allocation("MemoryAllocation", 40, 170, 70, 0xC, track=2),
        allocation("MemoryDeallocation", 60, 70, 100, 0xA, track=1),
    )
    (found,) = memory.series(table)
    assert (found.name, found.peak_bytes, found.peak_ns, found.peak_step) == ("mklcpu", 170, 40.0, 4)
    assert found.bytes == (100, 140, 100, 170, 70)
    assert found.running == ("Conv forward conv1",)
    assert [(live.op, live.bytes, live.allocations) for live in found.live] == [
        ("Conv forward conv1", 100, 1),
        (None, 70, 1),
    ]


def test_memory_counters_of_a_device_are_a_series_and_others_are_not():
    counter = {"level": "counter", "calls": 0}
    table = events(
        {"name": "Memory: cpu/0", "start": 5, "end": 5, "value": 10.0, **counter},
        {"name": "Memory: cpu/0", "start": 1, "end": 1, "value": 30.0, **counter},
        {"name": "MXNet C API Calls", "start": 2, "end": 2, "value": 900.0, **counter},
    )
    (found,) = memory.series(table)
    assert (found.name, found.bytes, found.peak_bytes, found.live) == ("Memory: cpu/0", (30, 10), 30, ())


def test_a_trace_without_memory_records_has_no_series():
    assert memory.series(events(op("Conv", 0, 1))) == ()


def test_communication_is_a_class_of_its_own_and_may_hide_behind_computation():
    def on_gpu(start, end, track, **more):
        return {"level": "kernel", "device": "gpu:0", "track": track, "kernel": "k", "start": start, "end": end, **more}

    table = events(
        on_gpu(0, 60, 1),
        on_gpu(40, 100, 2, phase="communication"),
        {**on_gpu(90, 120, 3, phase="transfer"), "level": "copy"},
        on_gpu(140, 150, 1),
    )
    (row,) = occupancy.devices(table).to_pylist()
    assert (row["compute_ns"], row["communication_ns"], row["copy_ns"], row["idle_ns"]) == (70.0, 60.0, 30.0, 20.0)
    assert (row["communication_overlap_ns"], row["overlap_ns"]) == (20.0, 0.0)
    shares = [row[name] for name in ("compute", "communication_only", "copy_only", "idle")]
    assert shares == pytest.approx([70 / 150, 40 / 150, 20 / 150, 20 / 150])


def test_a_host_collective_hides_behind_other_threads_and_never_behind_what_calls_it():
    sent = {"phase": "communication"}
    table = events(
        op("Backward", 0, 100),
        op("c10d::allreduce_", 20, 30, **sent),
        op("record_param_comms", 49, 151, track=1, **sent),
        {**marker("gloo:all_reduce", 50, 160, device="cpu:0", track=2), **sent},
    )
    (row,) = occupancy.devices(table).to_pylist()
    assert (row["compute_ns"], row["communication_ns"], row["communication_overlap_ns"]) == (90.0, 121.0, 51.0)
    assert (row["span_ns"], row["idle_ns"]) == (160.0, 0.0)
    shares = [row[name] for name in ("compute", "communication_only", "copy_only", "idle")]
    assert shares == pytest.approx([90 / 160, 70 / 160, 0, 0])


def test_a_call_of_a_collective_and_a_copy_inside_an_operator_of_the_same_thread_are_hidden_behind_nothing():
    table = events(
        op("Backward", 0, 100),
        op("c10d::allreduce_", 20, 30, phase="communication"),
        {**op("Copy", 40, 60), "level": "copy"},
    )
    (row,) = occupancy.devices(table).to_pylist()
    assert (row["compute_ns"], row["communication_ns"], row["copy_ns"]) == (70.0, 10.0, 20.0)
    assert (row["communication_overlap_ns"], row["overlap_ns"]) == (0.0, 0.0)


def test_a_step_in_which_no_work_ran_is_told_and_is_in_no_median():
    table = events(
        step(0, 0, 100), op("A", 1, 90, step=0), step(1, 100, 105), step(2, 105, 405), op("A", 110, 400, step=2)
    )
    assert steps.workless(table)["step"].to_pylist() == [1]
    assert steps.step_median_ns(table) == 200.0
    assert steps.step_median_ns(table, every=True) == 100.0
    assert breakdown.of(table, "step").workless() == Workless(1, 5.0)
    assert breakdown.of(events(step(0, 0, 100), op("A", 1, 90, step=0)), "step").workless() is None
