"""PyTorch's recorded traces: the numbers that TraceLens and HTA state for them."""

from __future__ import annotations

import ast
import csv
import gzip
import json
import math
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from json_reading import Row, recorded, rows, union_ps

HTA = "kineto/hta/"
TRACELENS = {
    "h100/Falconsai_nsfw_image_detection__1016002": (1.225309, 7.55984, 0.0),
    "h100/Qwen_Qwen1.5-0.5B-Chat__1016005": (31.905483, 34.89242, 0.002368),
    "h100/gaunernst_bert-small-uncased__1016001": (0.309438, 3.90782, 0.00224),
    "mi300/Falconsai_nsfw_image_detection__1016002": (1.716299, 6.86885, 0.0),
    "mi300/Qwen_Qwen1.5-0.5B-Chat__1016005": (29.743928, 33.13133, 0.00076),
    "mi300/gaunernst_bert-small-uncased__1016001": (0.390749, 3.49598, 0.002404),
}
"""Busy, total and memcpy time in ms, over GPU events whose correlation is also on a runtime or driver call."""


def _linked(events: list[Row]) -> list[Row]:
    calls = {row["correlation"] for row in events if row["category"] in ("cuda_runtime", "cuda_driver")}
    return [row for row in events if row["level"] in ("kernel", "copy") and row["correlation"] in calls]


def _csv(name: str, table: str) -> list[dict[str, str]]:
    with recorded(f"kineto/{name}_csvs/{table}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _raw(path: Path) -> list[dict[str, Any]]:
    """The file's events with times as exact decimals."""
    content = json.loads(gzip.decompress(path.read_bytes()), parse_float=Decimal)
    return content if isinstance(content, list) else content["traceEvents"]


@pytest.mark.parametrize("name", TRACELENS)
def test_gpu_timeline_equals_tracelens(name: str) -> None:
    busy, total, memcpy = TRACELENS[name]
    events, _ = rows(recorded(f"kineto/{name}.json.gz"))
    spans = [(row["start_ps"], row["start_ps"] + row["duration_ps"]) for row in _linked(events)]
    assert (max(end for _, end in spans) - min(start for start, _ in spans)) / 1e9 == pytest.approx(total, abs=6e-6)
    copies = [row["duration_ps"] for row in _linked(events) if row["category"] == "gpu_memcpy"]
    assert sum(copies) / 1e9 == pytest.approx(memcpy, rel=1e-6)
    # TraceLens adds doubles of 10^12 µs, which are 2^-12 µs apart, at both ends of each of the gaps between its intervals;
    # ours are exact (next test), so the two may differ by that and by nothing else.
    assert union_ps(spans) / 1e9 == pytest.approx(busy, abs=max(len(spans) * 2**-12 * 1e-3, 1e-6))
    stated = {row["type"]: float(row["time ms"]) for row in _csv(name, "gpu_timeline")}
    assert stated["busy_time"] == pytest.approx(busy, abs=1e-6)


@pytest.mark.parametrize("name", TRACELENS)
def test_gpu_busy_time_equals_exact_decimal_arithmetic_on_the_file(name: str) -> None:
    path = recorded(f"kineto/{name}.json.gz")
    raw = [e for e in _raw(path) if e.get("cat") in ("kernel", "gpu_memcpy", "gpu_memset")]
    exact = [(int(e["ts"] * 10**6), int((e["ts"] + e["dur"]) * 10**6)) for e in raw]
    events, _ = rows(path)
    gpu = [row for row in events if row["level"] in ("kernel", "copy")]
    assert union_ps([(r["start_ps"], r["start_ps"] + r["duration_ps"]) for r in gpu]) == union_ps(exact)
    assert sum(row["duration_ps"] for row in gpu) == sum(int(e["dur"] * 10**6) for e in raw)


@pytest.mark.parametrize("name", TRACELENS)
def test_kernels_by_launching_operator_equal_tracelens(name: str) -> None:
    events, _ = rows(recorded(f"kineto/{name}.json.gz"))
    by_id = {row["id"]: row for row in events}
    found: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for row in events:
        if row["level"] in ("kernel", "copy"):
            launch = by_id.get(row["launch"])
            operator = launch["name"] if launch and launch["level"] == "op" else ""
            found[operator, row["name"], row["stream"].removeprefix("stream ")].append(row["duration_ps"] / 1e6)
    stated = _csv(name, "kernel_summary")
    assert stated
    for line in stated:
        mine = found[line["Parent cpu_op"], line["Kernel name"], line["Kernel stream"]]
        assert len(mine) == int(line["Kernel duration (µs)_count"])
        for statistic, value in (
            ("sum", sum(mine)),
            ("min", min(mine)),
            ("max", max(mine)),
            ("mean", sum(mine) / len(mine)),
        ):
            assert value == pytest.approx(float(line[f"Kernel duration (µs)_{statistic}"]), rel=1e-6)


@pytest.mark.parametrize("name", TRACELENS)
def test_operators_with_their_direct_kernels_equal_tracelens(name: str) -> None:
    events, _ = rows(recorded(f"kineto/{name}.json.gz"))
    by_id = {row["id"]: row for row in events}
    time: dict[str, float] = defaultdict(float)
    launchers: dict[str, set[int]] = defaultdict(set)
    kernels: dict[str, int] = defaultdict(int)
    for row in events:
        launch = by_id.get(row["launch"])
        if row["level"] in ("kernel", "copy") and launch and launch["level"] == "op":
            time[launch["name"]] += row["duration_ps"] / 1e6
            launchers[launch["name"]].add(launch["id"])
            kernels[launch["name"]] += 1
    for line in _csv(name, "ops_summary"):
        operator = line["name"]
        assert len(launchers[operator]) == int(line["Count"]), operator
        assert ast.literal_eval(line["Categories"])
        # The peer's sums are differences of doubles of 10^12 µs: multiples of 2^-12 µs, off by as much for each kernel.
        assert time[operator] == pytest.approx(
            float(line["total_direct_kernel_time_sum"]), abs=kernels[operator] * 2**-11
        ), operator


def test_kernels_launched_before_the_window_or_by_a_graph_replay_are_counted_not_guessed() -> None:
    events, info = rows(recorded("kineto/h100/Qwen_Qwen1.5-0.5B-Chat__1016005.json.gz"))
    kernels = [row for row in events if row["level"] == "kernel"]
    assert len(kernels) == 1465
    assert sum(row["duration_ps"] for row in kernels) == 45_432_698_000
    calls = {row["correlation"] for row in events if row["level"] == "api"}
    assert sum(row["correlation"] not in calls for row in kernels) == 436
    unlinked = [row for row in events if row["level"] in ("kernel", "copy") and row["launch"] is None]
    assert len(unlinked) == info.anomalies["orphan_kernel"] == 509


def test_the_long_integer_of_hta_is_kept() -> None:
    events, info = rows(recorded(HTA + "large_integer_trace/rank-70.Mar_25_20_48_12.2861.pt.trace.json.gz"))
    assert [json.loads(row["args"]) for row in events if row["args"]] == [{"Comms Id": 10159970886766084423}]
    assert info.origin_ns is None


def test_the_absolute_start_of_hta_is_met_to_the_nanosecond() -> None:
    events, info = rows(recorded(HTA + "triton_example/triton_example.json.gz"))
    step = next(row for row in events if row["name"] == "ProfilerStep#1")
    assert info.origin_ns is not None
    assert info.origin_ns * 1000 + step["start_ps"] == (2413669096090100 + 1727743122000000000) * 1000


def test_there_is_one_triton_operator_and_its_name_tells_what_it_fuses() -> None:
    events, _ = rows(recorded(HTA + "triton_example/triton_example.json.gz"))
    triton = [row for row in events if row["level"] == "op" and row["name"].startswith("triton_")]
    assert [(row["name"], row["op"], row["fuses"]) for row in triton] == [
        ("triton_poi_fused_add_cos_sin_0", "Fused", "Add,Cos,Sin")
    ]
    kernels = [row for row in events if row["level"] == "kernel"]
    assert [row["launch"] for row in kernels] == [triton[0]["id"]]


def test_gpu_kernels_under_user_annotations_equal_hta() -> None:
    """HTA 0.5.0 leaves out the last profiler step: kernels launched in it and annotations that start in it. It rounds both
    ends of an event inwards to whole µs, as doubles: a kernel of which nothing is left then lies in no annotation."""
    path = recorded(HTA + "ns_resolution_trace/rank-0.Apr_03_18_51_38.1102.pt.trace.json.gz")
    events, _ = rows(path)
    last = max(row["start_ps"] for row in events if row["name"].startswith("ProfilerStep#"))
    call = {row["correlation"]: row["start_ps"] for row in events if row["category"] == "cuda_runtime"}
    gpu = [row for row in events if row["level"] in ("kernel", "copy") and call[row["correlation"]] < last]
    assert len(gpu) == 4876
    annotations = [row for row in events if row["category"] == "gpu_user_annotation" and row["start_ps"] < last]
    rounded = {
        e["args"]["correlation"]: (math.ceil(float(e["ts"])), math.floor(float(e["ts"]) + float(e["dur"])))
        for e in _raw(path)
        if e.get("cat") in ("kernel", "gpu_memcpy", "gpu_memset")
    }
    exact: dict[str | None, int] = defaultdict(int)
    under: dict[str | None, int] = defaultdict(int)
    for row in gpu:
        start, end = row["start_ps"], row["start_ps"] + row["duration_ps"]
        names = [
            a["name"]
            for a in annotations
            if a["track"] == row["track"] and a["start_ps"] <= start and end <= a["start_ps"] + a["duration_ps"]
        ]
        low, high = rounded[row["correlation"]]
        exact[names[0] if names else None] += 1
        under[names[0] if names and high > low else None] += 1
    ddp, backward, optimizer = "DistributedDataParallel.forward", "## backward ##", "Optimizer.step#SGD.step"
    assert under == {None: 3315, ddp: 1517, optimizer: 27, backward: 17}
    assert exact == {None: 2991, ddp: 1840, optimizer: 27, backward: 18}
    host = [row for row in events if row["device"] == "host" and row["start_ps"] < last]
    counted = Counter(row["category"] for row in [*gpu, *host])
    stated = {"kernel": 3480, "gpu_memcpy": 1280, "gpu_memset": 116, "cpu_op": 19128, "cuda_runtime": 12139}
    assert {name: counted[name] for name in stated} == stated
    assert counted["user_annotation"] == 56
    sums: dict[str, int] = defaultdict(int)
    for row in gpu:
        low, high = rounded[row["correlation"]]
        sums[row["category"]] += max(high - low, 0)
    assert sums == {"kernel": 372_150, "gpu_memcpy": 1985, "gpu_memset": 386}
    span = max(row["start_ps"] + row["duration_ps"] for row in gpu) - min(row["start_ps"] for row in gpu)
    assert span // 10**6 == 384_634


def test_epoch_microseconds_with_nanoseconds_lose_them_as_doubles_but_not_here() -> None:
    path = recorded(HTA + "ns_resolution_trace/rank-0.Apr_03_18_51_38.1102.pt.trace.json.gz")
    raw = [e for e in _raw(path) if e.get("cat") == "kernel"]
    exact = [int(e["ts"] * 10**6) for e in raw]
    as_double = [round(float(e["ts"]) * 1000) * 1000 for e in raw]
    assert sum(a != b for a, b in zip(exact, as_double, strict=True)) > len(raw) // 2
    events, info = rows(path)
    assert info.origin_ns is not None
    mine = sorted(info.origin_ns * 1000 + row["start_ps"] for row in events if row["level"] == "kernel")
    assert mine == sorted(exact)


@pytest.mark.parametrize(
    ("name", "levels"),
    [
        # 24 of its operators are profiler steps, optimizer steps and data loading: frames, not operators
        ("worker0.pt.trace.json.gz", {"op": 42438 - 24, "api": 10800, "kernel": 9538, "copy": 389}),
        ("worker0.1623143089861.pt.trace.json.gz", {"api": 11923, "kernel": 8772, "copy": 324, "counter": 12838}),
        ("worker0.1623143566756.pt.trace.json.gz", {"api": 11923, "kernel": 8772, "copy": 324, "counter": 12838}),
    ],
)
def test_the_schemas_of_2020_and_2021_give_as_many_rows_as_the_file_has_events(
    name: str, levels: dict[str, int]
) -> None:
    path = recorded("kineto/resnet50-three-schemas/" + name)
    events, _ = rows(path)
    raw = _raw(path)
    assert len(events) == sum(e["ph"] in ("X", "i") for e in raw)
    for level, count in levels.items():
        assert sum(row["level"] == level for row in events) == count, level
    for level, category in (("kernel", "Kernel"), ("copy", "Memcpy")):
        mine = sum(row["duration_ps"] for row in events if row["level"] == level and row["category"] == category)
        assert mine == sum(e["dur"] for e in raw if e.get("cat") == category) * 10**6
    assert {row["device"] for row in events if row["level"] == "kernel"} == {"gpu:0"}
    assert {row["stream"] for row in events if row["level"] == "kernel"} == {"stream 7"}


def test_a_trace_without_accelerator_runs_on_the_cpu_and_one_with_has_a_host() -> None:
    cpu, _ = rows(recorded(HTA + "cpu_only/rank-34.Jul_15_10_52_41.1074.pt.trace.json.gz"))
    assert {row["device"] for row in cpu} == {"cpu:0"}
    assert all(row["kernel"] == row["name"] for row in cpu if row["level"] == "op")
    gpu, _ = rows(recorded(HTA + "alexnet/benchmark_result_2869224_1695835535_trace.json.gz"))
    assert {row["device"] for row in gpu if row["level"] == "op"} == {"host"}
    assert sum(row["level"] == "sync" for row in gpu) == 41


def test_amd_kernels_link_to_their_operators() -> None:
    events, _ = rows(recorded(HTA + "amd_trace/mi250_minitoy_train_ROCm6_2_kineto.json.gz"))
    kernels = [row for row in events if row["level"] == "kernel"]
    assert len(kernels) == 14
    by_id = {row["id"]: row for row in events}
    assert all(by_id[row["launch"]]["level"] == "op" for row in kernels)
    assert {row["device"] for row in kernels} == {"gpu:2"}
