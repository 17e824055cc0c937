"""GPU views: gaps by cause and kernels by operator; on recorded traces the numbers that HTA, TraceLens and xprof state."""

from __future__ import annotations

import csv
import functools
import json
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from analysis_tables import events, op
from places import TRACES

from dlprof import frameworks, ingest, schema
from dlprof.analysis import compare
from dlprof.analysis.evidence import Evidence
from dlprof.analysis.model import Side
from dlprof.analysis.trace import breakdown, details, gaps, launches, occupancy, steps
from dlprof.errors import UsageError

KERNEL = {"level": "kernel", "device": "gpu:0", "stream": "stream 7", "track": 7, "name": "k", "kernel": "k"}
CALL = {"level": "api", "device": "host", "track": 8, "name": "cudaLaunchKernel", "calls": 0}

FALCON = "Falconsai_nsfw_image_detection__1016002"
QWEN = "Qwen_Qwen1.5-0.5B-Chat__1016005"
BERT = "gaunernst_bert-small-uncased__1016001"

# HolisticTraceAnalysis 0.5.0 with HTA_DISABLE_NS_ROUNDING=1 on kineto/h100. temporal: get_temporal_breakdown's idle,
# compute, non-compute and kernel time, µs; None where it fails. waits: get_idle_time_breakdown's host_wait and
# kernel_wait, µs. launch: get_cuda_kernel_launch_stats' rows, mean cpu_duration, gpu_duration and launch_delay, µs;
# queue: greatest length of get_queue_length_summary.
HTA = {
    FALCON: {
        "temporal": (6334.534111, 1220.926, 4.384, 7559.844111), "waits": (6321.54, 12.99),
        "launch": (107, 5.078411, 7.656963, 3.886001), "queue": 4,
    },
    QWEN: {
        "temporal": (4005.531951, 45432.698, 214.602, 49652.831951), "waits": None,
        "launch": (1197, 3.978098, 26.651590, 1357.811849), "queue": 111,
    },
    BERT: {
        "temporal": (3598.387922, 307.197, 2.24, 3907.824922), "waits": (3598.39, 0.0),
        "launch": (39, 5.032641, 3.716103, 1.587270), "queue": 1,
    },
}  # fmt: skip
HTA_CALLS = ("cudaLaunchKernel", "cudaLaunchKernelExC", "cudaMemcpyAsync", "cudaMemsetAsync")
"""The launch calls whose events HTA pairs with kernels; we take any call with the same correlation id."""


@functools.cache
def recorded(name: str) -> pa.Table:
    """The event table of a recorded trace; skips where the folder of others' traces is absent."""
    path = next(iter(sorted(TRACES.glob(name))), None)
    if path is None:
        pytest.skip(f"recorded trace {name} is not here (../shared/traces)")
    batches: list[pa.RecordBatch] = []
    vocabularies = {kind: frameworks.vocabularies()[kind] for kind in ("mxnet", "tensorflow", "pytorch")}
    ingest.read([path], root=path.parent, vocabularies=vocabularies, sink=batches.append)
    return pa.Table.from_batches(batches, schema=schema.EVENTS)


def us(values: Iterable[float]) -> list[float]:
    return [value / 1000 for value in values]


def test_a_gap_is_the_hosts_fault_when_the_launch_came_after_the_work_before_had_ended():
    table = events(
        {"start": 0, "end": 2, "correlation": 1, **CALL},
        {"start": 3, "end": 5, "correlation": 2, **CALL},
        {"start": 40, "end": 42, "correlation": 3, **CALL},
        {"start": 5, "end": 10, "correlation": 1, **KERNEL},
        {"start": 13, "end": 30, "correlation": 2, **KERNEL},
        {"start": 50, "end": 60, "correlation": 3, **KERNEL},
        {"start": 61, "end": 62, "correlation": 9, **KERNEL},
    )
    found = {row["cause"]: (row["gaps"], row["ns"], row["longest_ns"]) for row in gaps.table(table).to_pylist()}
    assert found == {
        "launched late": (1, 20.0, 20.0),
        "launched in time": (1, 3.0, 3.0),
        "launch not recorded": (1, 1.0, 1.0),
    }


def test_work_that_overlaps_or_touches_on_its_stream_leaves_no_gap_and_streams_are_apart():
    other = {**KERNEL, "stream": "stream 8", "track": 9}
    table = events(
        {"start": 0, "end": 10, **KERNEL}, {"start": 4, "end": 6, **KERNEL}, {"start": 10, "end": 12, **KERNEL},
        {"start": 0, "end": 1, **other}, {"start": 5, "end": 6, **other},
    )  # fmt: skip
    (only,) = gaps.table(table).to_pylist()
    assert (only["stream"], only["ns"], only["share"]) == ("stream 8", 4.0, pytest.approx(4 / 6))


def test_a_cpu_trace_has_no_gaps_of_a_device_and_says_why():
    found = details.detail(events(op("Conv", 0, 1), op("Conv", 5, 6)), "gaps")
    assert found.tables["gaps"].num_rows == 0
    assert "device stream" in str(found.empty)


def test_kernels_stand_below_the_operator_that_launched_them():
    table = events(
        {**op("Conv", 0, 9), "device": "host", "name": "conv"},
        {"start": 20, "end": 50, "launch": 0, **KERNEL},
        {"start": 50, "end": 60, "launch": 0, **KERNEL},
        {"start": 60, "end": 61, "launch": 0, **KERNEL, "name": "j", "kernel": "j"},
    )
    rows = details.kernels(table).to_pylist()
    shown = [(r["op"], r["kernel"], r["count"], r["total_ns"], r["min_ns"], r["max_ns"]) for r in rows]
    assert shown == [("Conv", "k", 2, 40.0, 10.0, 30.0), ("Conv", "j", 1, 1.0, 1.0, 1.0)]
    assert sum(row["share"] for row in rows) == pytest.approx(1.0)


@pytest.mark.parametrize("view", details.VIEWS)
def test_every_view_stands_on_an_empty_trace(view: str):
    assert all(table.num_rows <= 20 for table in details.detail(events(op("Conv", 0, 1)), view).tables.values())
    details.detail(events(op("Conv", 0, 1)).slice(0, 0), view)


def test_an_unknown_view_names_those_that_exist():
    with pytest.raises(UsageError, match="no such view: 'x'") as error:
        details.detail(events(op("Conv", 0, 1)), "x")
    assert "launches, gaps" in str(error.value.hint)


@pytest.mark.parametrize("name", HTA)
def test_idle_compute_and_copies_of_a_device_equal_htas(name: str):
    (found,) = occupancy.devices(recorded(f"kineto/h100/{name}.json.gz")).to_pylist()
    ours = us([found["idle_ns"], found["compute_ns"], found["copy_ns"], found["span_ns"]])
    assert ours == pytest.approx(list(HTA[name]["temporal"]), abs=2e-3)  # HTA's times are doubles of 10^12 µs


@pytest.mark.parametrize("name", [name for name, stated in HTA.items() if stated["waits"]])
def test_gaps_by_cause_equal_htas_where_every_launch_is_recorded(name: str):
    found = {row["cause"]: row["ns"] / 1000 for row in gaps.table(recorded(f"kineto/h100/{name}.json.gz")).to_pylist()}
    late, queued = HTA[name]["waits"]
    assert found["launched late"] == pytest.approx(late, abs=5.1e-3)
    assert found.get("launched in time", 0.0) == pytest.approx(queued, abs=5.1e-3)
    assert "launch not recorded" not in found


@pytest.mark.parametrize("name", HTA)
def test_launch_delays_and_queue_equal_htas(name: str):
    table = recorded(f"kineto/h100/{name}.json.gz")
    linked = launches.table(table)
    names = pc.take(table["name"].cast(pa.string()), linked["call_id"])
    taken = linked.filter(pc.is_in(names, pa.array(HTA_CALLS)))
    count, call, kernel, delay = HTA[name]["launch"]
    assert taken.num_rows == count
    means = us(float(np.mean(taken[column].to_numpy())) for column in ("call_ns", "kernel_ns", "delay_ns"))
    assert means == pytest.approx([call, kernel, delay], abs=1e-3)
    assert max(linked["queue"].to_pylist()) == HTA[name]["queue"]


GPU_TRACES = (
    *(f"kineto/{gpu}/{name}.json.gz" for gpu in ("h100", "mi300") for name in HTA),
    "xplane/tf2-8xV100/*.xplane.pb",
    "xplane/jax-mi300x-conv/*.xplane.pb",
)


@pytest.mark.parametrize("name", GPU_TRACES)
def test_the_gaps_of_a_stream_and_its_busy_time_make_up_its_span(name: str):
    table = recorded(name)
    free: dict[tuple[str, str], float] = {}
    for row in gaps.table(table).to_pylist():
        free[row["device"], row["stream"]] = free.get((row["device"], row["stream"]), 0.0) + row["ns"]
    streams = breakdown.view(table, "stream").to_pylist()
    assert streams
    for row in streams:
        assert free.get((row["device"], row["stream"]), 0.0) == pytest.approx(row["span_ns"] - row["busy_ns"], abs=1e-3)


@pytest.mark.parametrize("name", GPU_TRACES)
def test_idle_by_cause_and_work_make_up_the_frame(name: str):
    table = recorded(name)
    explained = steps.explained(table)
    idle = sum(occupancy.idle(table)["ns"].to_pylist())
    assert idle + explained.busy_ns == pytest.approx(explained.wall_ns, abs=1e-3)
    assert sum(occupancy.concurrency(table)["ns"].to_pylist()) == pytest.approx(explained.wall_ns, abs=1e-3)


@pytest.mark.parametrize("gpu", ["h100", "mi300"])
@pytest.mark.parametrize("name", HTA)
def test_the_kernels_view_sums_to_tracelens_kernel_summary(gpu: str, name: str):
    found: dict[str, list[float]] = {}
    for row in details.kernels(recorded(f"kineto/{gpu}/{name}.json.gz")).to_pylist():
        cell = found.setdefault(row["kernel"], [0, 0.0])
        cell[0] += row["count"]
        cell[1] += row["total_ns"]
    stated: dict[str, list[float]] = {}
    with (TRACES / f"kineto/{gpu}/{name}_csvs/kernel_summary.csv").open(newline="") as file:
        for line in csv.DictReader(file):
            cell = stated.setdefault(line["Kernel name"], [0, 0.0])
            cell[0] += int(line["Kernel duration (µs)_count"])
            cell[1] += float(line["Kernel duration (µs)_sum"]) * 1000
    assert stated
    # The peer leaves out what no operator launched: some copies, and 436 kernels of the H100's Qwen.
    for kernel, (count, total) in stated.items():
        assert found[kernel][0] >= count
        if "Qwen" not in name:
            assert found[kernel] == pytest.approx([count, total], rel=1e-6)
    if "Qwen" not in name:
        assert {kernel for kernel in found if not kernel.startswith(("Memcpy", "Memset"))} <= set(stated)


@pytest.mark.parametrize(("name", "rows", "count"), [("tf2-8xV100", 15, 1330), ("jax-mi300x-conv", None, 25)])
def test_the_kernels_view_equals_xprofs_kernel_stats(name: str, rows: int | None, count: int):
    table = recorded(f"xplane/{name}/*.xplane.pb")
    ours: dict[str, list[float]] = {}
    copies = set(table.filter(pc.equal(table["level"].cast(pa.string()), "copy"))["name"].to_pylist())
    for row in details.kernels(table).to_pylist():
        if row["kernel"] not in copies:
            cell = ours.setdefault(row["kernel"], [0, 0.0])
            cell[0] += row["count"]
            cell[1] += row["total_ns"] / 1000
    document = json.loads((TRACES / "xplane" / name / "xprof-2.24.2" / "kernel_stats.json").read_text())
    document = document[0] if isinstance(document, list) else document
    names = [column["id"] for column in document["cols"]]
    theirs: dict[str, list[float]] = {}
    for cells in document["rows"]:
        row = dict(zip(names, (cell and cell.get("v") for cell in cells["c"]), strict=True))
        cell = theirs.setdefault(row["kernel_name"], [0, 0.0])
        cell[0] += row["occurrences"]
        cell[1] += row["total_duration_us"]
    assert rows is None or len(document["rows"]) == rows
    assert sum(cell[0] for cell in ours.values()) == count
    assert ours.keys() == theirs.keys()
    for kernel, cell in theirs.items():
        assert ours[kernel] == pytest.approx(cell, rel=1e-6)


def _evidence(name: str) -> Evidence:
    side = Side("pytorch", "unknown", "gpu:0", "unknown", "unknown", name)
    return Evidence(side=side, exact=[recorded(name)], layers=(), anomalies={}, warnings=[], untraced=[])


@pytest.mark.parametrize("name", HTA)
def test_the_ledger_of_two_gpus_accounts_for_every_nanosecond_of_the_gap(name: str):
    a, b = (f"kineto/{gpu}/{name}.json.gz" for gpu in ("h100", "mi300"))
    found = compare.diff(_evidence(a), _evidence(b)).ledger
    assert found is not None
    assert sum(line.delta_ns for line in found.lines) == found.gap_ns == found.b_wall_ns - found.a_wall_ns
    assert sum(line.a_ns for line in found.lines) == found.a_wall_ns
    assert sum(line.b_ns for line in found.lines) == found.b_wall_ns
    kinds = {line.kind for line in found.lines}
    assert "op" in kinds
    assert kinds & {"launch", "dispatch"}, "the host's part of a GPU trace is accounted for too"


def test_mxnets_gpu_operators_are_said_to_hold_launch_and_synchronisation():
    path = next(iter(sorted(TRACES.glob("mxnet/gpu-mnist-2019/*.json"))), None)
    if path is None:
        pytest.skip("recorded trace mxnet/gpu-mnist-2019 is not here (../shared/traces)")
    info = ingest.read(
        [path], root=path.parent, vocabularies={"mxnet": frameworks.vocabularies()["mxnet"]}, sink=lambda _: None
    )
    assert info.anomalies["mxnet_gpu_operator"] == 105  # gpu/0's B/E pairs
    assert "launch and synchronisation" in ingest.anomalies.ANOMALIES["mxnet_gpu_operator"].meaning
