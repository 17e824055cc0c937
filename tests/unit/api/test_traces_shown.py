"""What `dlprof show` says of traces: both sides of a GPU trace, plain chrome traces, hosts and ranks apart."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
from kineto_files import event, launched, write
from places import TRACES

from dlprof.api.load import opened
from dlprof.api.results import CaptureResult
from dlprof.cli.main import main
from dlprof.native import library

FAULTS = TRACES / "faults"
needs_faults = pytest.mark.skipif(not FAULTS.is_dir(), reason="../shared/traces/faults is not here")


def rows(path: Path, by: str = "op", where: Any = "work") -> list[dict[str, Any]]:
    with opened(path) as capture:
        found: list[dict[str, Any]] = CaptureResult(capture).view(by, where).table.to_pylist()
    return found


def show(capsys: pytest.CaptureFixture[str], path: Path, *more: str) -> str:
    assert main(["show", str(path), *more]) == 0
    return " ".join(capsys.readouterr().out.split())


def test_the_hosts_side_of_a_gpu_trace_is_counted_and_can_be_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "t.json", launched("aten::mm", [("gemm", 20, 9)], at=0, length=10))
    assert [(row["op"], row["self_ns"]) for row in rows(path)] == [("MatMul", 9e3)]
    host = {row["op"]: (row["count"], row["self_ns"]) for row in rows(path, where="host")}
    assert host == {"MatMul": (1, 9e3), "cudaLaunchKernel": (1, 1e3)}
    assert "The host's side is not in this table: 2 events (10 µs) of self time; --where host" in show(capsys, path)
    assert "The work of devices is not in this table: 1 event (9 µs)" in show(capsys, path, "--where", "host")
    value = json.loads((main(["show", str(path), "--format", "json"]), capsys.readouterr().out)[1])
    assert (value["where"], value["elsewhere"]) == ("work", {"count": 2, "self_ns": 10e3})


def test_a_memset_is_no_part_of_the_operator_that_launched_it(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.json",
        launched("aten::mm", [("gemm", 20, 9)], at=0, first=1),
        launched("aten::mm", [("Memset (Device)", 40, 2)], at=30, first=5, category="gpu_memset"),
    )
    assert {(row["op"], row["phase"], row["known"]) for row in rows(path)} == {
        ("MatMul", None, True),
        ("Memset", "transfer", True),
    }


def test_a_phase_has_the_same_time_by_the_clock_as_by_its_kernels(tmp_path: Path) -> None:
    mark = event("user_annotation", "ProfilerStep#0", 0, 100)
    path = write(tmp_path / "t.json", mark, launched("aten::linear", [("gemm", 20, 30)], at=1))
    shown = {row["phase"]: (row["self_ns"], row["wall_ns"]) for row in rows(path, "phase")}
    assert shown == {"forward": (30e3, 30e3), "idle": (0.0, 70e3)}


def plain(folder: Path) -> Path:
    names = [
        {"ph": "M", "name": "process_name", "pid": 1, "args": {"name": "loader"}},
        {"ph": "M", "name": "thread_name", "pid": 1, "tid": 5, "args": {"name": "main"}},
    ]
    spans = [("decode", 1, 5, 0, 100), ("jpeg", 1, 5, 10, 50), ("decode", 2, 5, 200, 70)]
    keys = ("name", "pid", "tid", "ts", "dur")
    rows_ = [{"ph": "X", **dict(zip(keys, span, strict=True))} for span in spans]
    path = folder / "plain.json"
    path.write_text(json.dumps({"traceEvents": [*names, *rows_]}))
    return path


def test_a_plain_chrome_trace_is_broken_down_by_name_process_and_thread(tmp_path: Path) -> None:
    path = plain(tmp_path)
    by = {
        key: [(row[key], row["count"], row["self_ns"]) for row in rows(path, view)]
        for key, view in (("name", "name"), ("process", "process"), ("stream", "stream"))
    }
    assert by["name"] == [("decode", 2, 120e3), ("jpeg", 1, 50e3)]
    assert by["process"] == [("loader", 2, 100e3), ("2", 1, 70e3)]
    assert by["stream"] == [("loader · main", 2, 100e3), ("2 · 5", 1, 70e3)]


def test_what_holds_no_work_says_what_it_holds_instead(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "marks.json"
    marks = [{"ph": "i", "name": "tick", "pid": 1, "tid": 1, "ts": at, "s": "t"} for at in range(5)]
    path.write_text(json.dumps({"traceEvents": marks}))
    assert "No executed work was recorded. The trace holds 5 events: 5 of level marker." in show(capsys, path)


def test_objects_without_a_phase_are_not_called_empty(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    odd = [{"name": "x", "cat": "y", "pid": 1}, {}, {"ph": "X", "name": "a", "pid": 1, "tid": 1, "ts": 0, "dur": 5}]
    path.write_text(json.dumps({"traceEvents": odd}))
    with opened(path) as capture:
        found = CaptureResult(capture).view().anomalies
    assert (found["no_phase"], found["json_empty_element"]) == (1, 1)


@needs_faults
def test_launched_kernels_of_the_kept_faults_stand_under_their_operator() -> None:
    assert [(row["op"], row["count"], row["self_ns"]) for row in rows(FAULTS / "graph.json")] == [("MyGraph", 3, 14e3)]
    assert [(row["count"], row["self_ns"]) for row in rows(FAULTS / "two_kernels.json")] == [(2, 35e3)]


def memory(at: float, total: int, reserved: int, size: int, *, kind: int = 1, device: int = 0) -> dict[str, Any]:
    args = {"Total Allocated": total, "Total Reserved": reserved, "Bytes": size, "Addr": 1, "Device Id": device,
            "Device Type": kind}  # fmt: skip
    return {**event("cpu_instant_event", "[memory]", at, 0, **args), "ph": "i", "s": "t"}


def test_pytorchs_memory_is_shown_for_the_cpu_and_each_device_apart(tmp_path: Path) -> None:
    from dlprof.analysis.trace import details

    path = write(
        tmp_path / "t.json",
        launched("aten::mm", [("gemm", 20, 9)], at=0),
        memory(1, 1024, 2048, 1024),
        memory(2, 3072, 4096, 2048),
        memory(3, 1024, 4096, -2048),
        memory(4, 70, 0, 70, kind=0, device=-1),
        memory(5, 500, 600, 500, device=1),
    )
    with opened(path) as capture:
        result = CaptureResult(capture)
        found = details.detail(result.events, "memory").tables["peaks"].to_pylist()
        drawn = {one.name: max(one.value) for one in exhibits_of(result)}
    assert {row["name"]: row["peak_bytes"] for row in found} == {
        "gpu:0 allocated": 3072,
        "gpu:0 reserved": 4096,
        "cpu allocated": 70,
        "gpu:1 allocated": 500,
        "gpu:1 reserved": 600,
    }
    assert drawn["gpu:0 allocated"] == 3072
    assert "[memory]" not in drawn


def record(at: float, size: Any, kind: Any, device: Any, total: Any = None) -> dict[str, Any]:
    args = {"Bytes": size, "Device Type": kind, "Device Id": device, "Total Allocated": total}
    args = {name: value for name, value in args.items() if value is not None}
    return {**event("cpu_instant_event", "[memory]", at, 0, **args), "ph": "i", "s": "t"}


READERS = ("python", "native") if library.found().functions is not None else ("python",)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("shuffled", [False, True])
def test_totals_of_memory_that_are_not_written_follow_from_what_came_and_went(
    tmp_path: Path, reader: str, shuffled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dlprof.analysis.trace import details, memory

    monkeypatch.setenv(library.VARIABLE, reader)
    records = [
        record(1, 512, 1, 0),  # before the first total, which tells how much there was
        record(2, 512, 1, 0, 2048),
        record(3, "8192", "1", 0),
        record(4, -512, 1, 0),
        record(5, -8192, 1, 0, 1000.0),  # a total that is written counts, whatever was derived before
        record(6, 100, 1, 0),
        record(1, 10, 0, -1),  # the CPU's never has one
        record(2, 20, 0, -1),
        record(3, -30, 0, -1),
        record(1, None, 1, 1, "7"),  # a total alone
        record(9, 5, None, None),
    ]
    if shuffled:
        random.Random(5).shuffle(records)
    path = write(tmp_path / "t.json", launched("aten::mm", [("gemm", 20, 9)], at=0), *records)
    with opened(path) as capture:
        events = CaptureResult(capture).events
    found = {one.name: one.bytes for one in memory.series(events)}
    assert found == {
        "gpu:0 allocated, 4 derived": (1536, 2048, 10240, 9728, 1000, 1100),
        "cpu allocated since the start": (10, 30, 0),
        "gpu:1 allocated": (7,),
        "unknown device allocated since the start": (5,),
    }
    peaks = details.detail(events, "memory").tables["peaks"].to_pylist()
    assert (peaks[0]["name"], peaks[0]["peak_bytes"], peaks[0]["peak_ns"]) == (next(iter(found)), 10240, 3000.0)


def exhibits_of(result: CaptureResult) -> tuple[Any, ...]:
    from dlprof.analysis import exhibits

    return exhibits.build(None, None, {"a": result.events}, {}).memory


@needs_faults
def test_the_memory_of_the_kept_fault_peaks_as_recorded() -> None:
    from dlprof.analysis.trace import details

    with opened(FAULTS / "mem.json") as capture:
        found = details.detail(CaptureResult(capture).events, "memory").tables["peaks"].to_pylist()
    assert {row["name"]: row["peak_bytes"] for row in found} == {"gpu:0 allocated": 3072, "gpu:0 reserved": 4096}


def test_a_diff_says_of_each_side_what_of_its_folder_is_no_trace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for side in ("one", "two"):
        (tmp_path / side).mkdir()
        write(tmp_path / side / "t.json", launched("aten::mm", [("gemm", 20, 9)], at=0))
    (tmp_path / "two" / "b\x1b[31mred.png").write_bytes(b"\x89PNG")
    assert main(["diff", str(tmp_path / "one"), str(tmp_path / "two")]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert r"! PyTorch [two]: 1 file is no trace: two/b\x1b[31mred.png (image)" in told
    assert "PyTorch [one]: 1 file" not in told
    assert "B: other_file × 1 (info:" in told


def test_a_folder_with_pipes_and_links_is_imported_without_them(tmp_path: Path) -> None:
    from dlprof.api.import_traces import import_files

    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    write(folder / "t.json", launched("aten::mm", [("gemm", 20, 9)], at=0))
    os.mkfifo(folder / "pipe")
    (folder / "sub" / "loop").symlink_to("..")
    (folder / "gone").symlink_to("nowhere")
    capture = import_files([folder], tmp_path / "out", repair=False)
    assert [path.name for path in (capture.path / "raw").rglob("*") if not path.is_dir()] == ["t.json"]
    trace = capture.manifest.trace
    assert trace is not None
    assert trace.completeness["files that are no traces"] == (
        "3 files are no traces: in/gone (link to nothing), in/pipe (no regular file), "
        "in/sub/loop (link to a folder, not followed)"
    )
