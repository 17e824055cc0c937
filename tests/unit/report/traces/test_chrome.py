"""The Chrome export is valid JSON that Perfetto's own importer takes without an error and without losing a slice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from report_tables import event, table

from dlprof.report import lanes
from dlprof.report.traces import chrome

US = 1_000_000
PARENT = event(name="step", level="op", start_ps=10 * US, duration_ps=5 * US)
ERRORS = "select name, idx, value from stats where severity = 'error' and value > 0"


def exported(events: pa.Table) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(b"".join(chrome.export(events, "MXNet 1.9.1")))
    return value


def phases(trace: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [e for e in trace["traceEvents"] if e["ph"] == kind]


def test_a_slice_carries_exact_microseconds_and_its_meaning() -> None:
    conv = event(
        name="Convolution", op="Conv", phase="forward", layer="conv1", step=3, start_ps=1_234_567_891, duration_ps=7
    )
    text = b"".join(chrome.export(table(conv), "t")).decode()
    assert '"ts":1234.567891,"dur":0.000007,' in text
    (slice_,) = phases(json.loads(text), "X")
    assert slice_["name"] == "Convolution"
    assert slice_["cat"] == "op"
    assert slice_["args"] == {"id": 0, "op": "Conv", "phase": "forward", "layer": "conv1", "step": 3}


def test_whole_nanoseconds_are_written_with_three_decimals() -> None:
    text = b"".join(chrome.export(table(event(start_ps=2_000, duration_ps=1_500_000)), "t")).decode()
    assert '"ts":0.002,"dur":1.500,' in text


def test_processes_are_devices_and_threads_are_tracks_with_small_unique_numbers() -> None:
    trace = exported(
        table(
            event(device="gpu:1", stream="18446744073709551615", track=7),
            event(device="cpu:0", stream="main", track=2),
            event(device="gpu:10", stream="main", track=9),
        )
    )
    names = {e["pid"]: e["args"]["name"] for e in phases(trace, "M") if e["name"] == "process_name"}
    assert names == {1: "MXNet 1.9.1 · cpu:0", 2: "MXNet 1.9.1 · gpu:1", 3: "MXNet 1.9.1 · gpu:10"}
    tids = [e["tid"] for e in phases(trace, "X")]
    assert len(set(tids)) == 3
    assert max(tids) < 10
    threads = {e["args"]["name"] for e in phases(trace, "M") if e["name"] == "thread_name"}
    assert threads == {"stream 1", "main"}, "a number of 64 bits is no name"
    streams = {e["args"]["stream"] for e in phases(trace, "M") if e["name"] == "thread_name"}
    assert streams == {"18446744073709551615", "main"}, "it stays for who reads the file back"


def test_steps_have_a_thread_of_their_own_above_the_work() -> None:
    trace = exported(
        table(
            event(name="dlprof:step=0", level="marker", start_ps=0, duration_ps=20 * US),
            PARENT,
            event(name="epoch end", level="marker", start_ps=30 * US),
        )
    )
    rank = {e["tid"]: e["args"]["sort_index"] for e in phases(trace, "M") if e["name"] == "thread_sort_index"}
    where = {e["name"]: e["tid"] for e in trace["traceEvents"] if e["ph"] in "Xi"}
    assert where["dlprof:step=0"] == where["epoch end"]
    assert rank[where["dlprof:step=0"]] < rank[where["step"]]
    assert [e["name"] for e in phases(trace, "i")] == ["epoch end"]


def test_events_that_overlap_without_nesting_get_lanes() -> None:
    trace = exported(
        table(
            event(name="a", start_ps=0, duration_ps=10 * US),
            event(name="b", start_ps=5 * US, duration_ps=10 * US),
            event(name="c", start_ps=6 * US, duration_ps=1 * US),
            event(name="d", start_ps=20 * US, duration_ps=1 * US),
        )
    )
    tid = {e["name"]: e["tid"] for e in phases(trace, "X")}
    assert tid["a"] == tid["c"] == tid["d"] != tid["b"]
    names = {e["tid"]: e["args"]["name"] for e in phases(trace, "M") if e["name"] == "thread_name"}
    assert names[tid["b"]] == "main · lane 2"


def test_counters_without_a_number_are_left_out_and_counted() -> None:
    trace = exported(
        table(
            event(level="counter", name="Memory: cpu/0", value=1024.5),
            event(level="counter", name="Memory: cpu/0", value=float("nan")),
            event(level="counter", name="Memory: cpu/0"),
        )
    )
    assert [e["args"] for e in phases(trace, "C")] == [{"value": 1024.5}]
    assert trace["otherData"]["counters_without_value"] == 2


def test_a_launch_that_is_not_in_the_table_is_counted_not_drawn() -> None:
    trace = exported(table(PARENT, event(level="kernel", launch=99, start_ps=11 * US, duration_ps=US)))
    assert phases(trace, "s") == []
    assert trace["otherData"]["flows_left_out"] == 1


def test_large_and_odd_arguments_survive_javascript() -> None:
    odd = event(name='quote " and \x07 bell', correlation=2**60, args='{"External id": 9223372036854775807}')
    (slice_,) = phases(exported(table(odd)), "X")
    assert slice_["name"] == 'quote " and \x07 bell'
    assert slice_["args"]["correlation"] == str(2**60)
    assert json.loads(slice_["args"]["recorded"]) == {"External id": 9223372036854775807}


def test_an_empty_table_gives_a_valid_empty_trace() -> None:
    trace = exported(table())
    assert trace["traceEvents"] == []


def test_a_negative_start_is_shifted_to_zero() -> None:
    trace = exported(table(event(name="a", start_ps=-5 * US, duration_ps=US), event(name="b", duration_ps=US)))
    assert {e["name"]: e["ts"] for e in phases(trace, "X")} == {"a": 0, "b": 5}


SPANS = st.lists(st.tuples(st.integers(0, 9_000), st.integers(0, 5_000)), max_size=60)


@given(SPANS)
@settings(deadline=None)
def test_within_a_lane_every_event_nests_in_or_follows_the_others(spans: list[tuple[int, int]]) -> None:
    spans = sorted(spans, key=lambda span: (span[0], -span[1]))
    start, duration = (np.array([s[i] for s in spans], dtype=np.int64) for i in (0, 1))
    lane = lanes.assign(start, duration)
    for one in range(len(spans)):
        for other in range(one + 1, len(spans)):
            if lane[one] == lane[other]:
                end_one, end_other = start[one] + duration[one], start[other] + duration[other]
                assert start[other] >= end_one or end_other <= end_one


def mixed(count: int) -> pa.Table:
    """Nested and overlapping events, instants, counters and launches, with picosecond times."""
    random = np.random.default_rng(3)
    rows = []
    for at in range(count):
        start = int(random.integers(0, 10**10))
        kind = ("op", "kernel", "marker", "counter", "api")[int(random.integers(5))]
        rows.append(
            event(
                name=f"{kind} {at % 7}", level=kind, track=int(random.integers(4)), start_ps=start,
                stream=f"thread {at % 4}", device="gpu:0" if kind == "kernel" else "cpu:0",
                duration_ps=0 if kind in ("counter",) or at % 9 == 0 else int(random.integers(1, 10**9)),
                value=float(at) if kind == "counter" else None,
                launch=int(random.integers(count)) if kind == "kernel" else None,
            )
        )  # fmt: skip
    return table(*rows)


def test_perfetto_imports_every_slice_counter_and_flow_without_an_error(perfetto: Any, tmp_path: Path) -> None:
    events = mixed(3000)
    path = tmp_path / "trace.json"
    path.write_bytes(b"".join(chrome.export(events, "mixed")))
    other = json.loads(path.read_bytes())["otherData"]
    errors, slices, counters, flows = perfetto(
        path,
        ERRORS,
        "select count() n, sum(dur) d from slice",
        "select count() n from counter",
        "select count() n from flow",
    )
    assert errors == []
    levels = events["level"].to_pylist()
    assert slices[0]["n"] == other["slices"] == sum(level != "counter" for level in levels)
    assert counters[0]["n"] == other["counters"] == sum(level == "counter" for level in levels)
    assert flows[0]["n"] == other["flows"] > 100


def test_perfetto_binds_a_launch_to_the_launching_and_the_launched_slice(perfetto: Any, tmp_path: Path) -> None:
    launch = event(name="launch", level="api", start_ps=10 * US, duration_ps=2 * US)
    kernel = event(name="kernel", level="kernel", device="gpu:0", track=1, launch=1, start_ps=15 * US, duration_ps=US)
    path = tmp_path / "trace.json"
    path.write_bytes(b"".join(chrome.export(table(PARENT, launch, kernel), "flow")))
    (pairs,) = perfetto(
        path, "select o.name a, i.name b from flow join slice o on slice_out = o.id join slice i on slice_in = i.id"
    )
    assert pairs == [{"a": "launch", "b": "kernel"}]
