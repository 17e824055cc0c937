"""Nsight Systems' SQLite: launches, NVTX, several processes, what is left out and said."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from nsys_report import HERE, PROCESS, START_END, STARTED, THREAD, Report, plain, several, thread_of
from reading import read

from dlprof import frameworks, ingest
from dlprof.cli.main import main


def test_a_kernel_belongs_to_the_operator_around_the_call_that_launched_it(tmp_path: Path) -> None:
    table, info = read(plain(tmp_path / "r.sqlite"), frameworks.vocabularies())
    rows = {row["name"]: row for row in table.to_pylist()}
    by_id = {row["id"]: row for row in rows.values()}
    kernel = rows["gemm<float>(int)"]
    assert by_id[kernel["launch"]]["name"] == "aten::addmm"
    assert (kernel["level"], kernel["device"], kernel["stream"]) == ("kernel", "gpu:0", "stream 7")
    assert (kernel["start_ps"], kernel["duration_ps"]) == (29_000_000, 8_000_000)  # from the first event on
    assert (kernel["step"], kernel["layer"], kernel["correlation"]) == (3, "head", 12)
    assert '"gridX":80' in kernel["args"]
    assert (rows["aten::linear"]["op"], rows["aten::addmm"]["level"], rows["aten::addmm"]["stream"]) == (
        "Gemm",
        "op",
        "python",
    )
    assert rows["cudaLaunchKernel"]["level"] == "api"
    assert (rows["dlprof:step=3"]["level"], rows["here"]["level"], rows["here"]["duration_ps"]) == (
        "marker",
        "marker",
        0,
    )
    copy, memset = rows["Memcpy HtoD"], rows["Memset"]
    assert (copy["level"], copy["bytes"], copy["op"], copy["phase"]) == ("copy", 4096, "Copy", "transfer")
    assert (memset["level"], memset["bytes"], memset["op"]) == ("copy", 64, "Memset")
    assert (info.kinds, info.producer, info.origin_ns) == ({"r.sqlite": "nsys-sqlite"}, "pytorch", STARTED + 1000)
    assert info.facts["schema"] == "3.17.2"
    assert {row["host"] for row in rows.values()} == {"box"}
    assert info.anomalies == {"orphan_kernel": 1}  # the memset, whose call was not recorded


def test_ids_of_two_processes_do_not_mix(tmp_path: Path) -> None:
    report = Report(tmp_path / "r.sqlite")
    for process, name in ((10, "aten::mm"), (11, "aten::add")):
        report.nvtx(f"{name}, seq = 1", 1000, 5000, thread_of(process, process))
        report.call("cudaLaunchKernel_v7000", 2000, 3000, thread_of(process, process), 5)
        report.kernel(f"k{process}", 6000 + process, 7000 + process, process, 5, device=process - 10)
    table, info = read(report.done())
    rows = {row["id"]: row for row in table.to_pylist()}
    assert info.anomalies["merged_ranks"] == 2
    launched = {row["name"]: rows[row["launch"]]["name"] for row in rows.values() if row["level"] == "kernel"}
    assert launched == {"k10": "aten::mm", "k11": "aten::add"}


def test_ranges_by_number_have_a_track_of_their_own_and_open_ones_are_counted(tmp_path: Path) -> None:
    report = Report(tmp_path / "r.sqlite")
    report.nvtx("a", 0, 100, HERE, START_END)
    report.nvtx("b", 50, 150, HERE, START_END)
    report.nvtx("open", 60, None, HERE)
    report.nvtx("category", 0, None, HERE, 33)
    report.nvtx("spans", 10, 20, HERE)
    table, info = read(report.done())
    assert {row["name"]: row["stream"] for row in table.to_pylist()} == {
        "a": f"thread {THREAD} · ranges",
        "b": f"thread {THREAD} · ranges",
        "spans": f"thread {THREAD}",
    }
    assert info.anomalies == {"partial_overlap": 1, "unmatched_begin": 1}
    assert info.producer == "nsys"


def test_values_of_other_types_and_impossible_times_are_counted_and_left_out(tmp_path: Path) -> None:
    report = Report(tmp_path / "r.sqlite")
    report.kernel("good(int)", 10, 20, PROCESS, 1)
    report.kernel("backwards(int)", 20, 10, PROCESS, 2)
    report.kernel("far(int)", 2**63 - 1, 2**63 - 1, PROCESS, 3)
    several(report, [("CUPTI_ACTIVITY_KIND_KERNEL", ("soon", 5, "x", 1.5, b"\0", None, None, 1, 1, 1, 1, 1))])
    report.run("UPDATE StringIds SET value = CAST(x'c328' AS TEXT) WHERE value = 'good(int)'")
    table, info = read(report.done())
    assert sorted(table["name"].to_pylist()) == ["backwards(int)", "\ufffd("]
    assert {
        name: info.anomalies[name] for name in ("no_time", "negative_duration", "time_out_of_range", "text_not_utf8")
    } == {
        "no_time": 1,
        "negative_duration": 1,
        "time_out_of_range": 1,
        "text_not_utf8": 1,
    }


def test_tables_that_are_not_read_and_the_profilers_warnings_are_said(tmp_path: Path) -> None:
    path = plain(tmp_path / "r.sqlite")
    with sqlite3.connect(path) as link:
        link.execute("CREATE TABLE OSRT_API (start INTEGER, end INTEGER)")
        link.execute("INSERT INTO OSRT_API VALUES (1, 2)")
        link.execute("CREATE TABLE CUPTI_ACTIVITY_KIND_SYNCHRONIZATION (start INTEGER)")
        link.execute(
            "INSERT INTO DIAGNOSTIC_EVENT VALUES (0, 0, 0, 2, 'CUDA events were lost', 0), (0, 0, 0, 1, 'started', 0)"
        )
    said = read(path)[1].completeness
    assert said["tables"] == "not read, and in no sum: OSRT_API (1 rows)"
    assert said["profiler"] == "CUDA events were lost"


def test_older_and_leaner_tables_are_read(tmp_path: Path) -> None:
    report = Report(
        tmp_path / "r.sqlite",
        "CREATE TABLE StringIds (id INTEGER, value TEXT);"
        "CREATE TABLE CUPTI_ACTIVITY_KIND_KERNEL (start INT, end INT, shortName INT);"
        "CREATE TABLE CUPTI_ACTIVITY_KIND_GRAPH_TRACE (start INT, end INT, deviceId INT, graphId INT)",
    )
    several(report, [("StringIds", (1, "k")), ("CUPTI_ACTIVITY_KIND_KERNEL", (5, 9, 1))])
    several(report, [("CUPTI_ACTIVITY_KIND_GRAPH_TRACE", (5, 9, 1, 3)), ("CUPTI_ACTIVITY_KIND_KERNEL", (5, 9, 77))])
    rows = [(row["name"], row["device"], row["kernel"]) for row in read(report.done())[0].to_pylist()]
    assert sorted(rows) == [
        ("CUDA graph 3", "gpu:1", "CUDA graph 3"),
        ("k", "gpu:0", "k"),
        ("unnamed", "gpu:0", "unnamed"),
    ]


def test_a_report_is_shown_and_compared_like_any_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = plain(tmp_path / "r.sqlite")
    assert ingest.detect(path) == "nsys-sqlite"
    assert main(["show", str(path)]) == 0
    assert "Gemm" in capsys.readouterr().out
    assert main(["diff", str(path), str(path)]) == 0


def test_arguments_stay_where_another_row_is_left_out(tmp_path: Path) -> None:
    report = Report(tmp_path / "r.sqlite")
    report.kernel("good(int)", 10, 20, PROCESS, 1)
    report.kernel("far(int)", 2**62, 2**62, PROCESS, 2)
    (row,) = read(report.done())[0].to_pylist()
    assert (row["name"], row["args"]) == ("good(int)", '{"contextId":1,"gridX":80,"gridY":1,"gridZ":1}')
