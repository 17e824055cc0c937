"""TensorFlow's recorded JSON: timelines of TF 1, trace.json of TF 2.3."""

from __future__ import annotations

import gzip
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from json_reading import recorded, rows

TIMELINES = [
    *(f"GPU/timeline_0{n}.json" for n in ("1", "2_step_0", "2_step_1", "2_step_2", "3_merged_5_runs")),
    *(f"CPU/timeline_0{n}.json" for n in ("1", "2_step_0", "2_step_1", "2_step_2", "3_merged_5_runs")),
]


def _by_process(path: Path) -> tuple[Counter[str], Counter[str]]:
    """Straight from the JSON: events and µs of complete events by process name."""
    events: list[dict[str, Any]] = json.loads(path.read_text())["traceEvents"]
    names = {e["pid"]: e["args"]["name"] for e in events if e["ph"] == "M" and e["name"] == "process_name"}
    count, time = Counter(), Counter()
    for event in events:
        if event["ph"] == "X":
            count[names[event["pid"]]] += 1
            time[names[event["pid"]]] += event["dur"]
    return count, time


@pytest.mark.parametrize("name", TIMELINES)
def test_gpu_work_of_a_timeline_is_taken_once(name: str) -> None:
    path = recorded("tf1-timeline/" + name)
    count, time = _by_process(path)
    events, info = rows(path)
    assert info.producer == "tensorflow"
    streams = [process for process in count if "/stream:" in process and "stream:all" not in process]
    both = [process for process in count if "stream:all" in process or "/memcpy" in process]
    assert sum(time[p] for p in streams) == sum(time[p] for p in both)
    gpu = [row for row in events if row["level"] in ("kernel", "copy")]
    assert len(gpu) == sum(count[p] for p in streams)
    assert sum(row["duration_ps"] for row in gpu) == sum(time[p] for p in streams) * 10**6
    assert info.anomalies.get("tf1_duplicate_gpu_record", 0) == sum(count[p] for p in both)
    copies = sum(row["duration_ps"] for row in gpu if row["level"] == "copy")
    assert copies == sum(us for process, us in time.items() if "/memcpy" in process) * 10**6


@pytest.mark.parametrize("name", TIMELINES)
def test_operators_of_a_timeline_are_those_of_the_job_processes(name: str) -> None:
    path = recorded("tf1-timeline/" + name)
    count, time = _by_process(path)
    events, _ = rows(path)
    found: dict[str, int] = defaultdict(int)
    spent: dict[str, int] = defaultdict(int)
    for row in events:
        if row["level"] == "op" or (row["level"] not in ("kernel", "copy")):
            found[row["device"]] += 1
            spent[row["device"]] += row["duration_ps"]
    for device, suffix in (("cpu:0", "cpu:0 Compute"), ("host", "gpu:0 Compute")):
        mine = [process for process in count if process.startswith("/job:") and process.endswith(suffix)]
        assert found[device] == sum(count[p] for p in mine)
        assert spent[device] == sum(time[p] for p in mine) * 10**6


def test_a_timeline_tells_path_type_and_device() -> None:
    events, _ = rows(recorded("tf1-timeline/GPU/timeline_02_step_0.json"))
    product = [row for row in events if row["op_path"] == "layer_1/fully_connected/MatMul"]
    assert {(row["device"], row["level"], row["kernel"]) for row in product} == {
        ("host", "op", "MatMul"),
        ("gpu:0", "kernel", "MatMul"),
        ("gpu:0", "copy", None),  # a memset for the product, listed under /memcpy with the operator's name
    }
    assert {row["stream"] for row in events if row["level"] == "copy"} == {"stream:7", "stream:13", "stream:14"}


def test_trace_json_of_tf_2_has_every_event_of_the_file() -> None:
    path = recorded("tf2-trace-json/8c859046be41.ant.amazon.com.trace.json.gz")
    raw = [e for e in json.loads(gzip.decompress(path.read_bytes()))["traceEvents"] if e.get("ph") == "X"]
    events, info = rows(path)
    assert len(events) == len(raw) == 798
    assert Counter(row["name"] for row in events) == Counter(e["name"] for e in raw)
    exact = sorted(round(e["dur"] * 10**6) for e in raw)
    assert sorted(row["duration_ps"] for row in events) == exact
    assert exact[0] == 1  # 9.9999999999999995e-07 µs: one picosecond
    assert info.anomalies["json_empty_element"] == 1
    assert info.origin_ns is None


def test_trace_json_operators_are_told_by_their_names() -> None:
    events, _ = rows(recorded("tf2-trace-json/8c859046be41.ant.amazon.com.trace.json.gz"))
    ops = [row for row in events if row["level"] == "op"]
    assert {row["device"] for row in ops} == {"cpu:0"}
    slices = [row for row in ops if row["name"] == "sparse_categorical_crossentropy/strided_slice:StridedSlice"]
    assert [(row["op_path"], row["kernel"]) for row in slices] == [
        ("sparse_categorical_crossentropy/strided_slice", "StridedSlice")
    ] * 4
    assert {row["kernel"] for row in ops if row["name"].startswith("Iterator::")} == {"Dataset"}
    assert {row["level"] for row in events if row["name"].startswith("Executor")} == {"api"}
    assert {row["stream"] for row in events} >= {"tf_Compute", "tf_data_iterator_resource"}
