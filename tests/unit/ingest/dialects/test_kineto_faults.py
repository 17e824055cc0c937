"""Traits of public PyTorch traces that are easily read wrong: accelerators beyond CUDA, merged ranks, wrappers, clocks."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from json_reading import recorded, rows, rows_of, table

US = 1_000_000
EPOCH = 1_700_000_000_000_000


def span(category: str | None, name: str, start: float, length: float, **more: Any) -> dict[str, Any]:
    """An event; more: its arguments, but for pid and tid."""
    event = {"ph": "X", "name": name, "pid": more.pop("pid", 100), "tid": more.pop("tid", 1), "ts": EPOCH + start}
    args = {key.replace("_", " ") if key == "External_id" else key: value for key, value in more.items()}
    return event | {"dur": length, "args": args} | ({} if category is None else {"cat": category})


def op(name: str, start: float, length: float, number: int, **more: Any) -> dict[str, Any]:
    return span("cpu_op", name, start, length, External_id=number, **more)


def call(start: float, number: int, **more: Any) -> dict[str, Any]:
    return span("cuda_runtime", "cudaLaunchKernel", start, 1, correlation=number, **more)


def kernel(name: str, start: float, length: float, number: int, device: int = 0, **more: Any) -> dict[str, Any]:
    return span(
        "kernel", name, start, length, correlation=number, device=device, stream=7, **{"pid": device, "tid": 7} | more
    )


def read(folder: Path, events: list[dict[str, Any]], repair: bool = False, **header: Any) -> Any:
    return rows_of(json.dumps({"schemaVersion": 1, **header, "traceEvents": events}), folder, repair=repair)


def work(found: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [
        (row["device"], row["name"], row["duration_ps"] / US) for row in found if row["level"] in ("kernel", "copy")
    ]


@pytest.mark.parametrize(
    ("category", "device"),
    [("mtia_ccp_events", "mtia:0"), ("hpu_op", "hpu:0"), ("privateuse1_driver", "privateuse1:0"), ("kernel", "gpu:0")],
)
def test_work_of_every_accelerator_is_on_its_device_and_belongs_to_its_operator(
    tmp_path: Path, category: str, device: str
) -> None:
    found, info = read(
        tmp_path, [op("aten::mul", 0, 20, 1), span(category, "run", 30, 500, External_id=1, device=0, pid=0)]
    )
    assert work(found) == [(device, "run", 500)]
    assert [row["launch"] for row in found] == [None, 0]
    assert found[0]["device"] == "host"
    assert info.anomalies == {}


def test_an_external_id_that_repeats_the_correlation_id_is_no_operators(tmp_path: Path) -> None:
    # PyTorch 2.0 and 2.1: calls and kernels bear their correlation id twice, which may be the number of any operator.
    events = [op("aten::empty", 0, 5, 11), op("aten::mm", 10, 20, 12), op("aten::relu", 40, 20, 13)]
    events += [call(12, 13, External_id=13), call(45, 11, External_id=11)]
    events += [kernel("gemm", 70, 30, 13, External_id=13), kernel("relu", 100, 5, 11, External_id=11)]
    events += [kernel("before", 60, 5, 12, External_id=12)]
    for seed in range(4):
        random.Random(seed).shuffle(events)
        found, info = read(tmp_path, events)
        of = {row["id"]: row["name"] for row in found}
        launched = {row["name"]: of.get(row["launch"]) for row in found if row["level"] == "kernel"}
        assert launched == {"gemm": "aten::mm", "relu": "aten::relu", "before": None}
        assert info.anomalies == {"orphan_kernel": 1}


def test_an_external_id_that_is_an_operators_counts_also_where_the_correlation_id_is_the_same(tmp_path: Path) -> None:
    events = [op("aten::mm", 0, 20, 1), op("aten::relu", 30, 20, 2)]
    events += [call(5, 7, External_id=1), call(35, 8, External_id=2)]
    events += [kernel("gemm", 60, 30, 1, External_id=1), kernel("relu", 100, 5, 8, External_id=2)]
    found, info = read(tmp_path, events)
    of = {row["id"]: row["name"] for row in found}
    launched = {row["name"]: of.get(row["launch"]) for row in found if row["level"] == "kernel"}
    assert launched == {"gemm": "aten::mm", "relu": "aten::relu"}
    assert info.anomalies == {}


def test_kernels_that_were_launched_and_are_not_in_the_file_are_told_of(tmp_path: Path) -> None:
    events = [op("aten::mm", 0, 20, 1), call(5, 7), op("aten::relu", 30, 9, 2), call(33, 8)]
    events += [span("cuda_runtime", "cudaMalloc", 50, 3, correlation=9), span("cuda_driver", "cuLaunchKernel", 55, 3)]
    events += [span("cuda_profiler_range", "gemm", 60, 30, pid=0, tid=0)]
    assert read(tmp_path, events)[1].anomalies == {"work_not_recorded": 3}
    assert "work_not_recorded" not in read(tmp_path, [*events, kernel("gemm", 60, 30, 7)])[1].anomalies
    assert "work_not_recorded" not in read(tmp_path, [op("aten::mm", 0, 20, 1)])[1].anomalies


def test_a_category_that_no_table_has_is_counted_with_its_time(tmp_path: Path) -> None:
    found, info = read(tmp_path, [op("aten::mm", 0, 20, 1), span("new_engine", "run", 30, 500, device=0, pid=0)])
    assert work(found) == []
    assert info.anomalies == {"unknown_category": 1}
    assert "new_engine (1 event, 500 µs)" in info.completeness["unknown_category"]


def test_ids_of_merged_ranks_are_joined_within_their_rank_whatever_the_order(tmp_path: Path) -> None:
    events = [op("aten::mm", 0, 20, 1), call(5, 1), kernel("gemm", 30, 10, 1, External_id=1)]
    events += [op("aten::relu", 40, 9, 2), call(42, 2), kernel("relu", 60, 5, 2, External_id=2)]
    events += [
        op("aten::softmax", 0, 20, 1, pid=200),
        call(5, 1, pid=200),
        kernel("softmax", 30, 10, 1, 1, External_id=1),
    ]
    for seed in range(4):
        random.Random(seed).shuffle(events)
        found, info = read(tmp_path, events)
        launched = {
            row["name"]: (row["rank"], found[row["launch"]]["name"]) for row in found if row["level"] == "kernel"
        }
        assert launched == {"gemm": (0, "aten::mm"), "relu": (0, "aten::relu"), "softmax": (1, "aten::softmax")}
        assert info.anomalies == {"merged_ranks": 2}


@pytest.mark.parametrize(
    "category", ["overhead", "python_function", "user_annotation", "cpu_instant_event", "new_tool"]
)
def test_a_process_without_operators_or_launches_that_repeats_ids_is_no_rank(tmp_path: Path, category: str) -> None:
    events = [op("aten::mm", 10, 20, 1), call(15, 1), kernel("gemm", 30, 10, 1)]
    events += [span(category, "Resource Flushing", 0, 500, pid=-1, tid=3, correlation=1, External_id=1)]
    found, info = read(tmp_path, events)
    assert [(row["rank"], found[row["launch"]]["name"]) for row in found if row["level"] == "kernel"] == [
        (None, "aten::mm")
    ]
    assert "merged_ranks" not in info.anomalies


def test_devices_of_two_hosts_are_two_devices(tmp_path: Path) -> None:
    for rank in (0, 1):
        text = json.dumps(
            {"distributedInfo": {"rank": rank}, "traceEvents": [op("aten::mm", 0, 9, 1), kernel("k", 1, 9, 1)]}
        )
        (tmp_path / f"node{rank}_rank{rank}.pt.trace.json").write_text(text)
    found, _ = rows(tmp_path)
    assert {(row["host"], row["rank"], row["device"]) for row in found if row["level"] == "kernel"} == {
        ("node0", 0, "gpu:0"),
        ("node1", 1, "gpu:0"),
    }


def test_files_of_one_host_without_a_rank_are_a_rank_for_each_process(tmp_path: Path) -> None:
    for name, start in (
        ("node_900.1.pt.trace.json", 0),
        ("node_77.2.pt.trace.json", 4),
        ("node_900.3.pt.trace.json", 300),
    ):
        events = [op("aten::mm", start, 9, 1), call(start + 1, 1), kernel("gemm", start + 2, 100, 1)]
        (tmp_path / name).write_text(json.dumps({"schemaVersion": 1, "traceEvents": events}))
    found, info = rows(tmp_path)
    places = sorted((row["host"], row["rank"], row["start_ps"] // US) for row in found if row["level"] == "kernel")
    assert places == [("node", 0, 6), ("node", 1, 2), ("node", 1, 302)]
    assert info.anomalies == {"unplaced_file": 3}
    assert "taken for rank 0" in info.completeness["node_77.2.pt.trace.json: place"]


def test_a_rank_that_one_file_of_a_host_tells_is_not_given_to_another(tmp_path: Path) -> None:
    for name, head in (("node_5.1.pt.trace.json", {"distributedInfo": {"rank": 0}}), ("node_6.1.pt.trace.json", {})):
        content = {"schemaVersion": 1, **head, "traceEvents": [op("aten::mm", 0, 9, 1), kernel("gemm", 2, 9, 1)]}
        (tmp_path / name).write_text(json.dumps(content))
    found, info = rows(tmp_path)
    assert sorted((row["host"], row["rank"]) for row in found if row["level"] == "kernel") == [("node", 0), ("node", 1)]
    assert info.anomalies["unplaced_file"] == 1


def test_one_process_that_wrote_several_files_is_one_process(tmp_path: Path) -> None:
    for number in (1, 2):
        events = [op("aten::mm", 200 * number, 9, 1), kernel("gemm", 200 * number + 2, 100, 1, External_id=1)]
        (tmp_path / f"node_9.{number}.pt.trace.json").write_text(
            json.dumps({"schemaVersion": 1, "traceEvents": events})
        )
    found, info = rows(tmp_path)
    assert {(row["host"], row["rank"]) for row in found} == {("node", None)}
    assert info.anomalies == {}


def test_the_label_of_a_merged_device_tells_its_rank_whoever_seems_to_have_launched_more(tmp_path: Path) -> None:
    events = []
    for rank in (0, 1):
        events += [op("aten::mm", 0, 20, 1, pid=f"[TP{rank}] 77"), call(5, 1, pid=f"[TP{rank}] 77")]
    # Launched before the window: its ids are known to the other rank alone.
    events += [op("aten::relu", 21, 9, 2, pid="[TP0] 77"), call(22, 2, pid="[TP0] 77")]
    events += [kernel("a", 30, 10, 1, External_id=1, pid="[TP0] 0")]
    events += [kernel("b", 40, 10, 2, External_id=2, pid="[TP1] 0")]
    found, info = read(tmp_path, events)
    assert {(row["name"], row["rank"]) for row in found if row["level"] == "kernel"} == {("a", 0), ("b", 1)}
    assert info.anomalies == {"merged_ranks": 2, "orphan_kernel": 1}


def test_files_that_tell_no_place_are_processes_with_devices_of_their_own(tmp_path: Path) -> None:
    for name, start in (("a.json", 0), ("b.json", 4)):
        events = [op("aten::mm", start, 9, 1), call(start + 1, 1), kernel("gemm", start + 2, 100, 1)]
        (tmp_path / name).write_text(json.dumps({"schemaVersion": 1, "traceEvents": events}))
    found, info = rows(tmp_path)
    assert {(row["host"], row["rank"], row["device"]) for row in found if row["level"] == "kernel"} == {
        ("a.json", None, "gpu:0"),
        ("b.json", None, "gpu:0"),
    }
    assert info.anomalies == {"unplaced_file": 2}
    assert "taken for a process" in info.completeness["a.json: place"]
    alone, _ = rows(tmp_path / "a.json")
    assert {row["host"] for row in alone} == {None}


def test_the_header_names_host_and_rank(tmp_path: Path) -> None:
    found, _ = read(tmp_path, [op("aten::mm", 0, 9, 1)], host_name="a", distributedInfo={"rank": 3})
    assert (found[0]["host"], found[0]["rank"]) == ("a", 3)


def test_one_call_of_an_operator_is_one_call_however_many_kernels_it_launches(tmp_path: Path) -> None:
    events = [op("aten::linear", 0, 50, 1), op("aten::addmm", 5, 40, 2), call(10, 2), call(20, 3)]
    events += [kernel("split", 60, 30, 2, External_id=2), kernel("reduce", 90, 5, 3, External_id=3)]
    found, _ = read(tmp_path, events)
    assert sum(row["calls"] for row in found if row["level"] == "op") == 1
    assert [row["calls"] for row in found if row["level"] == "kernel"] == [1, 0]
    assert {found[row["launch"]]["name"] for row in found if row["level"] == "kernel"} == {"aten::addmm"}


def test_backward_and_optimizer_are_what_runs_inside_and_kernels_follow_their_launch(tmp_path: Path) -> None:
    events = [
        span("user_annotation", "Optimizer.zero_grad#SGD.zero_grad", 0, 9),
        op("aten::zero_", 1, 2, 1),
        span("python_function", "nn.Module: Net_0", 10, 40),
        span("python_function", "nn.Module: Conv2d_0", 12, 30),
        op("aten::conv2d", 15, 20, 2, **{"Sequence number": 7, "Fwd thread id": 0}),
        op("autograd::engine::evaluate_function: ConvolutionBackward0", 60, 20, 3),
        op("ConvolutionBackward0", 61, 18, 4, **{"Sequence number": 7, "Fwd thread id": 1}),
        op("aten::empty", 62, 2, 5),
        call(64, 5),
        kernel("wgrad", 70, 5, 5),
        span("user_annotation", "Optimizer.step#SGD.step", 90, 9),
        op("aten::mm", 91, 2, 6),
        op("nccl:all_reduce", 93, 2, 7),
    ]
    found, _ = read(tmp_path, events)
    told = {row["name"]: (row["phase"], row["layer"]) for row in found if row["level"] in ("op", "kernel")}
    assert told["aten::zero_"] == ("optimizer", None)
    assert told["aten::conv2d"] == ("forward", "Net_0/Conv2d_0")
    assert told["ConvolutionBackward0"] == ("backward", "Net_0/Conv2d_0")
    assert told["aten::empty"][0] == "backward"
    assert told["wgrad"] == ("backward", "Net_0/Conv2d_0")
    assert told["aten::mm"][0] == "optimizer"
    assert told["nccl:all_reduce"][0] == "communication"


def test_what_a_numbered_operator_calls_and_launches_is_forward_as_it_is(tmp_path: Path) -> None:
    numbered = {"Sequence number": 7, "Fwd thread id": 0}
    events = [
        op("aten::relu_", 0, 30, 1, **numbered),
        op("aten::clamp_min_", 1, 28, 2),
        op("aten::clamp_min", 2, 26, 3),
        call(5, 3),
        kernel("clamp", 40, 50, 3),
        op("aten::relu_", 100, 30, 4),
        op("aten::clamp_min_", 101, 28, 5),
        call(105, 5),
        kernel("clamp_without_gradient", 140, 50, 5),
        span("user_annotation", "Optimizer.step#SGD.step", 200, 90),
        op("aten::relu_", 201, 30, 6, **numbered),
        op("aten::clamp_min_", 202, 20, 7),
        op("autograd::engine::evaluate_function: ReluBackward0", 300, 50, 8, tid=2),
        op("aten::relu_", 301, 30, 9, tid=2, **numbered),
        op("aten::clamp_min_", 302, 20, 10, tid=2),
    ]
    found, _ = read(tmp_path, events)
    told = {(row["name"], row["start_ps"] // US): row["phase"] for row in found if row["level"] in ("op", "kernel")}
    inside = {at: phase for (name, at), phase in told.items() if name.startswith(("aten::", "clamp"))}
    forward = dict.fromkeys((0, 1, 2, 40), "forward")
    alone = dict.fromkeys((100, 101, 140))
    within = {201: "optimizer", 202: "optimizer", 301: "backward", 302: "backward"}
    assert inside == forward | alone | within


def test_operators_gradients_and_kernels_have_the_line_of_the_program_around_them(tmp_path: Path) -> None:
    events = [
        span("python_function", "train.py(30): step", 0, 90),
        span("python_function", "torch/nn/modules/module.py(1700): _call_impl", 5, 50),
        span("python_function", "/opt/python/lib/python3.11/site-packages/net/block.py(12): forward", 10, 40),
        span("python_function", "torch/nn/functional.py(50): linear", 12, 30),
        span("python_function", "<built-in function linear>", 13, 28),
        op("aten::linear", 15, 20, 2, **{"Sequence number": 7, "Fwd thread id": 0}),
        call(20, 2),
        kernel("gemm", 40, 5, 2),
        op("aten::add_", 60, 9, 3),
        op("autograd::engine::evaluate_function: AddmmBackward0", 60, 20, 4, tid=2),
        op("AddmmBackward0", 61, 18, 5, tid=2, **{"Sequence number": 7, "Fwd thread id": 1}),
        op("aten::mm", 62, 10, 6, tid=2),
        call(64, 6, tid=2),
        kernel("gemm_tn", 80, 5, 6),
        op("aten::zero_", 100, 5, 8),
    ]
    found, _ = read(tmp_path, events)
    told = {row["name"]: row["source_line"] for row in found if row["level"] in ("op", "kernel")}
    inner = "net/block.py:12"
    assert told == {
        "aten::linear": inner,
        "gemm": inner,
        "aten::add_": "train.py:30",
        "autograd::engine::evaluate_function: AddmmBackward0": None,
        "AddmmBackward0": inner,
        "aten::mm": inner,
        "gemm_tn": inner,
        "aten::zero_": None,
    }


def test_an_operator_that_bears_its_call_stack_has_the_innermost_line_of_the_program(tmp_path: Path) -> None:
    stack = "/env/lib/python3.7/site-packages/torch/nn/functional.py(1847): linear;model.py(9): forward;train.py(4): <module>"
    found, _ = read(tmp_path, [op("aten::linear", 0, 9, 1, **{"Call stack": stack}), op("aten::t", 1, 2, 2)])
    assert {row["name"]: row["source_line"] for row in found} == {"aten::linear": "model.py:9", "aten::t": "model.py:9"}


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("ncclDevKernel_AllReduce_Sum_f32_RING_LL", "AllReduce"),
        ("ncclKernel_ReduceScatter_RING_LL_Sum_half", "ReduceScatter"),
        ("c10d::allgather_", "AllGather"),
        ("gloo:broadcast", "Broadcast"),
        ("record_param_comms", "Communication"),
        ("oneccl_bindings_for_pytorch::allreduce", "AllReduce"),
    ],
)
def test_collectives_are_communication(tmp_path: Path, name: str, canonical: str) -> None:
    found, _ = read(tmp_path, [op(name, 0, 9, 1)])
    assert (found[0]["op"], found[0]["phase"]) == (canonical, "communication")


def test_a_memset_is_none_of_the_operator_that_called_for_it(tmp_path: Path) -> None:
    memset = span("gpu_memset", "Memset (Device)", 9, 2, correlation=1, External_id=1, device=0, stream=7, pid=0, tid=7)
    found, _ = read(tmp_path, [op("aten::addmm", 0, 9, 1), call(1, 1), memset])
    assert [(row["op"], row["phase"]) for row in found if row["level"] == "copy"] == [("Memset", "transfer")]


def test_memory_is_of_its_device(tmp_path: Path) -> None:
    memory = {"ph": "i", "cat": "cpu_instant_event", "name": "[memory]", "pid": 100, "tid": 1}
    events = [
        memory | {"ts": EPOCH + 1, "args": {"Total Allocated": 64, "Device Type": 0, "Device Id": -1}},
        memory
        | {
            "ts": EPOCH + 2,
            "args": {"Total Allocated": 3072, "Total Reserved": 4096, "Device Type": 1, "Device Id": 1},
        },
    ]
    found, _ = read(tmp_path, [op("aten::mm", 0, 9, 1), kernel("k", 1, 9, 1), *events])
    assert [(row["device"], row["value"]) for row in found if row["level"] == "counter"] == [
        ("host", 64),
        ("gpu:1", 3072),
    ]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("far", [19_978_045_970_716_470, 12, EPOCH + 3 * 86_400 * US])
def test_one_absurd_clock_is_left_out_and_named_wherever_it_stands(tmp_path: Path, first: bool, far: int) -> None:
    odd = span("kernel", "odd", 0, 9, device=0, stream=7) | {"ts": far}
    good = [op("aten::mm", 0, 20, 1), call(5, 1), kernel("gemm", 30, 10, 1)]
    found, info = read(tmp_path, [odd, *good] if first else [*good, odd])
    assert work(found) == [("gpu:0", "gemm", 10)]
    assert info.anomalies == {"time_out_of_range": 1}
    assert "'odd'" in info.completeness["outlier"]
    assert info.origin_ns == EPOCH * 1000


def test_nanoseconds_written_as_microseconds_are_read_as_nanoseconds(tmp_path: Path) -> None:
    event = op("aten::mm", 0, 20_000, 1) | {"ts": EPOCH * 1000 + 7}
    found, info = read(tmp_path, [event])
    assert found[0]["duration_ps"] == 20 * US
    assert info.origin_ns == EPOCH * 1000 + 7
    assert info.anomalies == {"nanosecond_times": 1}


def test_a_kernel_written_twice_counts_once(tmp_path: Path) -> None:
    found, info = read(tmp_path, [op("aten::mm", 0, 20, 1), call(5, 1), *[kernel("gemm", 30, 10, 1)] * 2])
    assert work(found) == [("gpu:0", "gemm", 10)]
    assert info.anomalies == {"duplicate_event": 1}


def test_overlap_on_one_stream_is_flagged_with_its_size(tmp_path: Path) -> None:
    events = [
        op("aten::mm", 0, 9, 1),
        call(1, 1),
        kernel("long", 10, 1_000_000, 1),
        call(2, 2),
        kernel("next", 20, 5, 2),
    ]
    _, info = read(tmp_path, events)
    assert info.anomalies == {"stream_overlap": 1}
    said = info.completeness["overlap of gpu:0 stream 7"]
    assert "long, lasts 1 s, and 10 µs if cut" in said


def test_repair_of_an_unescaped_quote_loses_that_event_alone(tmp_path: Path) -> None:
    good = [json.dumps(op(f"aten::{name}", start, 5, start)) for start, name in enumerate(("mm", "relu", "add"), 1)]
    bad = '{"ph": "X", "cat": "python_function", "name": "{"a": "b"}(1): run", "pid": 1, "tid": 1, "ts": 1, "dur": 2}'
    for place in range(4):
        text = ", ".join([*good[:place], bad, *good[place:]])
        found, info = rows_of('{"schemaVersion": 1, "traceEvents": [' + text + "]}", tmp_path, repair=True)
        assert [row["name"] for row in found] == ["aten::mm", "aten::relu", "aten::add"]
        assert info.anomalies["damage_skipped"] == 1
        assert len(bad) <= info.anomalies["bytes_lost"] <= len(bad) + 4


def test_the_legacy_autograd_export_is_read(tmp_path: Path) -> None:
    events = [span(None, "aten::mm", at, 134, pid="CPU functions") for at in (0, 200)]
    events += [span(None, "aten::mm", at + 50, 90, pid="CUDA functions", tid=0) for at in (0, 200)]
    found, _ = rows_of(json.dumps(events), tmp_path)
    assert work(found) == [("gpu:0", "aten::mm", 90)] * 2
    assert [row["level"] for row in found[:2]] == ["op", "op"]


def test_msprof_hardware_is_a_device_and_what_it_derives_is_left_out(tmp_path: Path) -> None:
    names = [(1, "Python"), (2, "CANN"), (3, "Ascend Hardware"), (4, "Overlap Analysis")]
    events = [{"ph": "M", "name": "process_name", "pid": pid, "tid": 0, "args": {"name": name}} for pid, name in names]
    events += [
        span("cpu_op", "aten::mm", 0, 20, pid=1),
        span(None, "AscendCL@aclnnMatmul", 5, 8, pid=2, connection_id=77),
        span(None, "MatMulV2", 40, 100, pid=3, tid=2, connection_id=77) | {"ts": str(EPOCH + 40)},
        span(None, "Computing", 40, 100, pid=4),
    ]
    found, info = rows_of(json.dumps(events), tmp_path)
    assert work(found) == [("npu:0", "MatMulV2", 100)]
    assert found[-1]["launch"] == next(row["id"] for row in found if row["name"] == "aten::mm")
    assert info.anomalies == {"derived_line_events": 1}


@pytest.mark.parametrize("name", ["plain", "everything"])
def test_a_recording_of_torch_agrees_with_its_own_key_averages(name: str) -> None:
    folder = Path(__file__).parents[1] / "data" / "pytorch"
    events, info = table(folder / f"{name}.pt.trace.json.gz")
    stated = json.loads((folder / f"{name}.averages.json").read_text())
    told = events.select(["name", "level", "category", "duration_ps", "self_ps"]).to_pylist()
    own: dict[str, list[float]] = {}
    for row in told:
        if row["category"] in ("cpu_op", "user_annotation"):
            sums = own.setdefault(row["name"], [0, 0, 0])
            sums[0] += 1
            sums[1] += row["duration_ps"] / US
            sums[2] += row["self_ps"] / US
    shared = {key for key in stated if key in own}
    assert shared >= {"aten::conv2d", "aten::addmm", "Optimizer.step#SGD.step", "aten::mm"}
    for key in shared:
        assert own[key][0] == stated[key][0], key
        assert own[key][1] == pytest.approx(stated[key][1], rel=1e-6), key
        if name == "plain":  # Python's own frames take their part of self time where they are recorded
            assert own[key][2] == pytest.approx(stated[key][2], rel=1e-6, abs=1e-6), key
    assert {key for key in stated if key not in own} <= {"[memory]", "ProfilerStep*"}
    assert set(info.anomalies) <= {"unknown_operator", "unread_phase", "partial_overlap"}


@pytest.mark.parametrize("name", ["plain", "everything"])
def test_phases_of_a_recording_equal_nesting_worked_out_event_by_event(name: str) -> None:
    events, _ = table(Path(__file__).parents[1] / "data" / "pytorch" / f"{name}.pt.trace.json.gz")
    told = events.to_pylist()
    marks = [
        (row["track"], row["start_ps"], row["start_ps"] + row["duration_ps"], phase)
        for row in told
        for begin, phase in (("autograd::engine::evaluate_function: ", "backward"), ("Optimizer.", "optimizer"))
        if row["name"].startswith(begin)
    ]
    shown = {"backward": 0, "optimizer": 0}
    true = dict(shown)
    for row in told:
        if row["level"] != "op":
            continue
        end = row["start_ps"] + row["duration_ps"]
        phases = {
            phase
            for track, low, high, phase in marks
            if track == row["track"] and low <= row["start_ps"] and end <= high
        }
        for phase in phases:
            true[phase] += row["self_ps"]
        if row["phase"] in shown:
            shown[row["phase"]] += row["self_ps"]
    assert min(true.values()) > 0
    assert shown == pytest.approx(true, rel=0.01)


def test_layers_of_a_recording_are_its_modules_forward_and_backward() -> None:
    events, _ = table(Path(__file__).parents[1] / "data" / "pytorch" / "everything.pt.trace.json.gz")
    conv = {(row["phase"], row["layer"]) for row in events.to_pylist() if row["op"] == "Conv"}
    assert conv == {
        ("forward", "Network_0/stem/Conv2d_0"),
        ("backward", "Network_0/stem/Conv2d_0"),
    }


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_a_recording_changes_no_figure(tmp_path: Path, seed: int) -> None:
    import gzip

    source = Path(__file__).parents[1] / "data" / "pytorch" / "plain.pt.trace.json.gz"
    value = json.loads(gzip.decompress(source.read_bytes()))

    def figures() -> list[tuple[Any, ...]]:
        found, _ = rows_of(json.dumps(value), tmp_path)
        keys = ("name", "op", "phase", "layer", "step", "calls", "start_ps", "duration_ps", "self_ps")
        return sorted(tuple(str(row[key]) for key in keys) for row in found)

    before = figures()
    random.Random(seed).shuffle(value["traceEvents"])
    assert figures() == before


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mtia.json", [("mtia:9", "customized_fba_mul", 500)]),
        ("privateuse1.json", [("privateuse1:0", "nc_exec", 100)]),
        ("othercats.json", [("gpu:0", "gemm", 10), ("gpu:0", "relu_kernel", 5), ("gpu:0", "nccl:all_reduce", 40)]),
        ("ascend_trace_view.json", [("npu:0", "MatMulV2", 100)]),
        ("graph.json", [("gpu:0", "a", 4), ("gpu:0", "b", 6), ("gpu:0", "a", 4)]),
        ("outlier_first.json", [("gpu:0", "gemm", 10), ("gpu:0", "relu_kernel", 5)]),
        ("outlier_last.json", [("gpu:0", "gemm", 10), ("gpu:0", "relu_kernel", 5)]),
        ("dupes.json", [("gpu:0", "gemm", 10)]),
        ("quote.json", [("gpu:0", "gemm", 10), ("gpu:0", "relu_kernel", 5)]),
        ("autograd17.json", [("gpu:0", "aten::mm", 90)] * 3),
        ("multinode", [("gpu:0", "gemm", 100)] * 2),
    ],
)
def test_the_collected_faults_are_read_right(name: str, expected: list[tuple[Any, ...]]) -> None:
    found, _ = rows(recorded(f"faults/{name}"), repair=name == "quote.json")
    assert work(found) == expected


@pytest.mark.parametrize(
    ("kernels", "call_", "collective", "sync"),
    [
        ("xpu_runtime", "urEnqueueKernelLaunch", "oneccl_allreduce_kernel", "xpu_sync"),
        ("hip_runtime", "hipLaunchKernel", "ncclDevKernel_Generic_1", "hip_sync"),
    ],
)
def test_collectives_and_waits_of_intel_and_amd_are_no_compute(
    tmp_path: Path, kernels: str, call_: str, collective: str, sync: str
) -> None:
    events = [op("aten::mm", 0, 20, 1), span(kernels, call_, 5, 1, correlation=1), kernel("gemm", 30, 10, 1)]
    events += [op("c10d::allreduce_", 20, 9, 2), span(kernels, call_, 22, 1, correlation=2)]
    events += [kernel(collective, 40, 25, 2), span(sync, "Event Sync", 66, 4, device=0, stream=7, pid=0, tid=7)]
    found, info = read(tmp_path, events)
    assert work(found) == [("gpu:0", "gemm", 10), ("gpu:0", collective, 25)]
    told = {row["name"]: row for row in found}
    assert told[collective]["phase"] == "communication"
    assert found[told[collective]["launch"]]["name"] == "c10d::allreduce_"
    assert told["gemm"]["phase"] != "communication"
    assert (told["Event Sync"]["level"], told["Event Sync"]["device"]) == ("sync", "gpu:0")
    assert info.anomalies == {}


def test_several_npus_of_msprof_are_several_devices_and_hccl_is_communication(tmp_path: Path) -> None:
    names = [(1, "Python"), (2, "CANN"), (3, "Ascend Hardware"), (4, "Ascend Hardware"), (5, "HCCL")]
    events = [{"ph": "M", "name": "process_name", "pid": pid, "tid": 0, "args": {"name": name}} for pid, name in names]
    events += [
        span("cpu_op", "aten::mm", 0, 20, pid=1),
        span(None, "AscendCL@aclnnMatmul", 5, 2, pid=2, connection_id=7),
        span(None, "AscendCL@aclnnMatmul", 9, 2, pid=2, connection_id=8),
        span(None, "MatMulV2", 40, 100, pid=3, tid=2, connection_id=7),
        span(None, "MatMulV2", 40, 60, pid=4, tid=2, connection_id=8),
        span(None, "hcom_allReduce__123_0_1", 150, 30, pid=3, tid=3),
    ]
    found, _ = rows_of(json.dumps(events), tmp_path)
    assert work(found) == [
        ("npu:0", "MatMulV2", 100),
        ("npu:0", "hcom_allReduce__123_0_1", 30),
        ("npu:1", "MatMulV2", 60),
    ]
    told = {row["name"]: (row["op"], row["phase"]) for row in found}
    assert told["hcom_allReduce__123_0_1"] == ("AllReduce", "communication")
    assert {found[row["launch"]]["name"] for row in found if row["name"] == "MatMulV2"} == {"aten::mm"}


def _processes(named: dict[int, str], labels: dict[int, str] | None = None) -> list[dict[str, Any]]:
    """Metadata events that name processes."""
    events = [{"ph": "M", "name": "process_name", "pid": p, "tid": 0, "args": {"name": n}} for p, n in named.items()]
    return events + [
        {"ph": "M", "name": "process_labels", "pid": p, "tid": 0, "args": {"labels": text}}
        for p, text in (labels or {}).items()
    ]


@pytest.mark.parametrize("name", ["Communication", "HCCL"])
def test_msprofs_collectives_are_communication_of_their_npu_and_their_parts_repeat_them(
    tmp_path: Path, name: str
) -> None:
    events = _processes({1: "Python", 2: "CANN", 3: "Ascend Hardware", 5: name}, {3: "NPU 6", 5: "NPU 6"})
    events += [
        {"ph": "M", "name": "thread_name", "pid": 5, "tid": tid, "args": {"name": text}}
        for tid, text in ((0, "Group 0 Communication"), (1, "Plane 0"), (2, "Plane 1"), (3, "Communication"))
    ]
    events += [
        span("cpu_op", "HcclAllreduce", 0, 20, pid=1),
        span(None, "Node@launch", 5, 2, pid=2, connection_id=7),
        span(None, "MatMulV2", 40, 100, pid=3, tid=2, connection_id=8, **{"Task Type": "AI_CORE"}),
        span(None, "NOTIFY_WAIT_SQE", 150, 9, pid=3, tid=4, **{"Task Type": "NOTIFY_WAIT_SQE"}),
        span(None, "hcom_allReduce__586_0_1", 150, 30, pid=5, tid=0, connection_id=7, data_type="FP32", count=8),
        span(None, "Notify_Wait", 150, 10, pid=5, tid=1, **{"task type": "Notify Wait", "transport type": "LOCAL"}),
        span(None, "Memcpy", 160, 20, pid=5, tid=2, **{"task type": "SDMA", "size(Byte)": 32}),
        span(None, "Reduce_Inline", 160, 20, pid=5, tid=9, **{"task type": "SDMA"}),
        span(None, "MatmulAllReduceMc2AicpuKernel_467", 200, 5, pid=5, tid=3),
    ]
    found, info = rows_of(json.dumps(events), tmp_path)
    assert sorted(work(found)) == [
        ("npu:6", "MatMulV2", 100),
        ("npu:6", "MatmulAllReduceMc2AicpuKernel_467", 5),
        ("npu:6", "hcom_allReduce__586_0_1", 30),
    ]
    told = {row["name"]: row for row in found}
    assert {told[key]["phase"] for key in told if "llReduce_" in key or "Mc2" in key} == {"communication"}
    assert told["hcom_allReduce__586_0_1"]["op"] == "AllReduce"
    assert told["hcom_allReduce__586_0_1"]["stream"] == "Group 0 Communication"
    assert found[told["hcom_allReduce__586_0_1"]["launch"]]["name"] == "HcclAllreduce"
    assert told["NOTIFY_WAIT_SQE"]["level"] == "sync"
    assert info.anomalies["derived_line_events"] == 3


def test_the_module_hierarchy_of_torchscript_names_the_layer(tmp_path: Path) -> None:
    hierarchy = "TOP(Net)::forward.head(Sequential)::forward.1(Linear)::forward"
    events = [
        op("aten::linear", 0, 30, 1, **{"Module Hierarchy": hierarchy}),
        op("aten::addmm", 2, 20, 2, **{"Module Hierarchy": hierarchy}),
        call(5, 2),
        kernel("gemm", 40, 10, 2, External_id=2),
    ]
    found, _ = read(tmp_path, events)
    told = {row["name"]: row["layer"] for row in found if row["level"] in ("op", "kernel")}
    assert told == {"aten::linear": "head/1", "aten::addmm": "head/1", "gemm": "head/1"}


def test_a_rank_that_is_written_as_text_is_a_rank(tmp_path: Path) -> None:
    found, _ = read(tmp_path, [op("aten::mm", 0, 9, 1)], distributedInfo={"rank": "3", "world_size": "4"})
    assert found[0]["rank"] == 3


@pytest.mark.parametrize(
    "name",
    [
        "void vllm::cross_device_reduce_1stage<__nv_bfloat16, 2>(vllm::RankData*)",
        "void sglang::cross_device_reduce_2stage<half, 8>(sglang::RankData*)",
        "one_shot_all_reduce_kernel<float>",
        "void nvshmemi_transfer_rma_nbi<(threadgroup_t)1>",
        "void deep_ep::intranode::dispatch<8, 768>(int4*)",
    ],
)
def test_kernels_that_go_past_nccl_are_communication_whoever_launched_them(tmp_path: Path, name: str) -> None:
    found, _ = read(tmp_path, [op("vllm::inplace_op", 0, 9, 1), call(1, 1), kernel(name, 10, 50, 1)])
    assert [row["phase"] for row in found if row["level"] == "kernel"] == ["communication"]


@pytest.mark.parametrize("name", ["CompiledFunctionBackward", "MyKernelBackward", "FlashAttnFuncBackward1"])
def test_a_gradient_of_the_users_own_is_backward_where_no_engines_frame_is_around_it(tmp_path: Path, name: str) -> None:
    events = [op(name, 0, 40, 1), op("aten::mm", 2, 20, 2), call(3, 2), kernel("gemm", 50, 20, 2)]
    found, info = read(tmp_path, events)
    assert {row["name"]: row["phase"] for row in found if row["level"] != "api"} == dict.fromkeys(
        (name, "aten::mm", "gemm"), "backward"
    )
    assert info.anomalies == {"unknown_operator": 1}


def test_memory_that_is_written_as_text_is_memory_and_a_device_of_any_kind_has_its_own(tmp_path: Path) -> None:
    told = [("1", "0", "1024", 4096), (1, 0, 2048, 4096), ("0", "-1", 100, None), (7, 2, 9, 9), (77, 1, 5, 5)]
    events = [
        {"ph": "i", "name": "[memory]", "pid": 100, "tid": 1, "ts": EPOCH + at, "args": args}
        for at, args in enumerate(
            {"Total Allocated": total, "Total Reserved": held, "Device Type": kind, "Device Id": number, "Bytes": 5}
            for kind, number, total, held in told
        )
    ]
    events.append({"ph": "i", "name": "[memory]", "pid": 100, "tid": 1, "ts": EPOCH + 9, "args": {"Bytes": 4}})
    found, info = read(tmp_path, [op("aten::mm", 0, 9, 1), kernel("k", 1, 9, 1), *events])
    counters = [(row["device"], row["value"]) for row in found if row["level"] == "counter"]
    assert sorted(counters, key=str) == [
        ("device-type-77:1", 5.0),
        ("fpga:2", 9.0),
        ("gpu:0", 1024.0),
        ("gpu:0", 2048.0),
        ("host", 100.0),
        ("host", None),
    ]
    assert info.anomalies["json_odd_type"] == 1


@pytest.mark.parametrize("first", [True, False])
def test_an_event_that_is_said_to_last_for_years_is_left_out_and_named(tmp_path: Path, first: bool) -> None:
    good = [op("aten::mm", 0, 20, 1), call(5, 1), kernel("gemm", 30, 10, 1)]
    for odd in (
        [kernel("endless", 1, 9e14, 1)],
        [
            {"ph": "B", "cat": "cpu_op", "name": "endless", "pid": 1, "tid": 1, "ts": EPOCH},
            {"ph": "E", "name": "endless", "pid": 1, "tid": 1, "ts": EPOCH + 10**13},
        ],
    ):
        found, info = read(tmp_path, [*odd, *good] if first else [*good, *odd])
        assert work(found) == [("gpu:0", "gemm", 10)]
        assert info.anomalies == {"time_out_of_range": 1}
        assert "'endless', is said to end" in info.completeness["outlier"]


def test_an_event_without_a_duration_has_no_time_that_can_be_read(tmp_path: Path) -> None:
    bare = {name: value for name, value in op("aten::relu", 5, 1, 2).items() if name != "dur"}
    found, info = read(tmp_path, [op("aten::mm", 0, 20, 1), bare])
    assert [row["name"] for row in found] == ["aten::mm"]
    assert info.anomalies == {"no_time": 1}


@pytest.mark.parametrize("apart", [False, True])
def test_operators_and_calls_that_the_file_holds_twice_count_once(tmp_path: Path, apart: bool) -> None:
    once = [op("aten::linear", 0, 50, 1), op("aten::addmm", 5, 40, 2), call(10, 2), kernel("gemm", 60, 30, 2)]
    events = [*once, *once] if apart else [event for event in once for _ in range(2)]
    keys = ("name", "op", "calls", "self_ps", "launch", "phase")
    found, info = read(tmp_path, events)
    assert [[row[key] for key in keys] for row in found] == [
        [row[key] for key in keys] for row in read(tmp_path, once)[0]
    ]
    assert info.anomalies == {"duplicate_event": 4}


def test_operators_alike_that_bear_no_id_or_another_are_each_one(tmp_path: Path) -> None:
    alike = [span("cpu_op", "aten::t", 0, 5, tid=tid) for tid in (1, 2)]
    found, info = read(
        tmp_path, [*alike, op("aten::mm", 10, 5, 1), op("aten::mm", 10, 5, 2), span("cpu_op", "a", 0, 5)]
    )
    assert len(found) == 5
    assert "duplicate_event" not in info.anomalies


@pytest.mark.parametrize(
    "bad",
    [
        '{"ph": "X", "cat": "cpu_op", "name": "cut',
        "\x00\x01\x02",
        '{"ph": "X", "cat": "cpu_op", "name": "a{[}"b", "ts": 1, "dur": 1, "args": {}}',
        '{"ph": "X", "cat": "cpu_op", "name": "a", "args": {"stack": [{"name": "f"}, {"name": "g"}], bad}}',
    ],
)
def test_repair_loses_what_is_damaged_and_not_the_event_behind_it(tmp_path: Path, bad: str) -> None:
    good = [json.dumps(op(f"aten::{name}", start, 5, start)) for start, name in enumerate(("mm", "relu", "add"), 1)]
    for place in range(4):
        text = ", ".join([*good[:place], bad, *good[place:]])
        found, info = rows_of('{"schemaVersion": 1, "traceEvents": [' + text + "]}", tmp_path, repair=True)
        assert [row["name"] for row in found] == ["aten::mm", "aten::relu", "aten::add"]
        assert info.anomalies["damage_skipped"] == 1
        assert len(bad) - 1 <= info.anomalies["bytes_lost"] <= len(bad) + 4


def test_an_intel_devices_memory_and_kernels_are_of_one_device(tmp_path: Path) -> None:
    kernel = {"ph": "X", "name": "gemm", "cat": "kernel", "ts": 20, "dur": 9, "pid": 0, "tid": 7}
    memory = {"ph": "i", "s": "t", "cat": "cpu_instant_event", "name": "[memory]", "pid": 1, "tid": 1, "ts": 1}
    told = {"Bytes": 64, "Addr": 1, "Device Type": 12, "Device Id": 0, "Total Allocated": 64}
    events = [kernel | {"args": {"device": 0, "stream": 7}}, memory | {"args": told}]
    found, _ = read(tmp_path, events)
    assert {row["device"] for row in found} == {"gpu:0"}
