"""rocprofv3's rocpd: launches by stack id, ROCTX, copies, several runs in a file, and schemas that are not read."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from reading import read

from dlprof import ingest
from dlprof.cli.main import main
from dlprof.errors import TraceError

SCHEMA = """
CREATE TABLE `rocpd_metadata{0}` ("id" INTEGER PRIMARY KEY, "tag" TEXT NOT NULL, "value" TEXT NOT NULL);
CREATE TABLE `rocpd_string{0}` ("id" INTEGER PRIMARY KEY, "guid" TEXT, "string" TEXT NOT NULL);
CREATE TABLE `rocpd_info_node{0}` ("id" INTEGER PRIMARY KEY, "guid" TEXT, "hash" BIGINT, "machine_id" TEXT, "hostname" TEXT);
CREATE TABLE `rocpd_info_process{0}` ("id" INTEGER PRIMARY KEY, "guid" TEXT, "nid" INTEGER, "pid" INTEGER NOT NULL, "command" TEXT);
CREATE TABLE `rocpd_info_thread{0}` ("id" INTEGER PRIMARY KEY, "guid" TEXT, "nid" INTEGER, "pid" INTEGER, "tid" INTEGER, "name" TEXT);
CREATE TABLE `rocpd_info_agent{0}` ("id" INTEGER PRIMARY KEY, "guid" TEXT, "nid" INTEGER, "pid" INTEGER, "type" TEXT, "type_index" INTEGER, "name" TEXT);
CREATE TABLE `rocpd_info_stream{0}` ("id" INTEGER PRIMARY KEY, "guid" TEXT, "nid" INTEGER, "pid" INTEGER, "name" TEXT);
CREATE TABLE `rocpd_info_kernel_symbol{0}` ("id" INTEGER PRIMARY KEY, "guid" TEXT, "nid" INTEGER, "pid" INTEGER, "kernel_name" TEXT, "display_name" TEXT);
CREATE TABLE `rocpd_event{0}` ("id" INTEGER PRIMARY KEY, "guid" TEXT, "category_id" INTEGER, "stack_id" INTEGER, "extdata" JSONB);
CREATE TABLE `rocpd_region{0}` ("id" INTEGER PRIMARY KEY, "guid" TEXT, "nid" INTEGER, "pid" INTEGER, "tid" INTEGER, "start" BIGINT, "end" BIGINT, "name_id" INTEGER, "event_id" INTEGER);
CREATE TABLE `rocpd_kernel_dispatch{0}` ("id" INTEGER PRIMARY KEY, "guid" TEXT, "nid" INTEGER, "pid" INTEGER, "tid" INTEGER, "agent_id" INTEGER, "kernel_id" INTEGER, "dispatch_id" INTEGER, "queue_id" INTEGER, "stream_id" INTEGER, "start" BIGINT, "end" BIGINT, "grid_size_x" INTEGER, "event_id" INTEGER);
CREATE TABLE `rocpd_memory_copy{0}` ("id" INTEGER PRIMARY KEY, "guid" TEXT, "nid" INTEGER, "pid" INTEGER, "tid" INTEGER, "start" BIGINT, "end" BIGINT, "name_id" INTEGER, "dst_agent_id" INTEGER, "src_agent_id" INTEGER, "size" INTEGER, "stream_id" INTEGER, "event_id" INTEGER);
CREATE TABLE `rocpd_memory_allocate{0}` ("id" INTEGER PRIMARY KEY, "start" BIGINT, "end" BIGINT, "size" INTEGER);
"""  # noqa: E501  as rocprofiler-sdk declares them (schema 3), without the columns that nothing here needs


def run(path: Path, suffix: str = "_0000a1", *, pid: int = 4444, host: str = "box", gpu: int = 1) -> Path:
    """A range around a launch and a copy of one process."""
    with sqlite3.connect(path) as link:
        link.executescript(SCHEMA.format(suffix))

        def add(table: str, *rows: tuple[object, ...]) -> None:
            for row in rows:
                link.execute(f"INSERT INTO `{table}{suffix}` VALUES ({','.join('?' * len(row))})", row)

        names = ("HIP_RUNTIME_API_EXT", "MARKER_CORE_RANGE_API", "KERNEL_DISPATCH", "MEMORY_COPY", "hipLaunchKernel")
        names += ("roctxThreadRangeA", "MEMORY_COPY_HOST_TO_DEVICE", "hipMemcpyAsync")
        add("rocpd_string", *((at, None, text) for at, text in enumerate(names, 1)))
        add("rocpd_info_node", (1, None, 9, "m", host))
        add("rocpd_info_process", (1, None, 1, pid, "app"))
        add("rocpd_info_thread", (1, None, 1, 1, pid + 1, None))
        add("rocpd_info_agent", (1, None, 1, 1, "CPU", 0, "EPYC"), (2, None, 1, 1, "GPU", gpu, "gfx942"))
        add("rocpd_info_stream", (1, None, 1, 1, "Stream 7"))
        add("rocpd_info_kernel_symbol", (5, None, 1, 1, "_Z4gemmPf.kd", "gemm(float*)"))
        add(
            "rocpd_event",
            (1, None, 2, 90, '{"message": "forward"}'),
            (2, None, 1, 1000, "{}"),
            (3, None, 3, 1000, "{}"),
            (4, None, 1, 1001, "{}"),
            (5, None, 4, 1001, "{}"),
        )
        add(
            "rocpd_region",
            (1, None, 1, 1, 1, 100, 9_000, 6, 1),
            (2, None, 1, 1, 1, 200, 300, 5, 2),
            (3, None, 1, 1, 1, 400, 500, 8, 4),
        )
        add("rocpd_kernel_dispatch", (1, None, 1, 1, 1, 2, 5, 1, 1, 1, 600, 1600, 256, 3))
        add("rocpd_memory_copy", (1, None, 1, 1, 1, 2000, 2500, 7, 2, 1, 4096, 1, 5))
        add("rocpd_memory_allocate", (1, 1, 2, 64))
    return path


def test_a_kernel_belongs_to_the_call_of_its_stack_id_and_the_range_around_that(tmp_path: Path) -> None:
    table, info = read(run(tmp_path / "r.db"))
    rows = {row["name"]: row for row in table.to_pylist()}
    by_id = {row["id"]: row for row in rows.values()}
    kernel, copy = rows["gemm(float*)"], rows["Memcpy HtoD"]
    assert by_id[kernel["launch"]]["name"] == "hipLaunchKernel"
    assert (kernel["level"], kernel["device"], kernel["stream"], kernel["phase"]) == (
        "kernel",
        "gpu:1",
        "Stream 7",
        "forward",
    )
    assert (kernel["start_ps"], kernel["duration_ps"], kernel["kernel"]) == (600_000, 1_000_000, "gemm(float*)")
    assert '"grid_size_x":256' in kernel["args"]
    assert by_id[copy["launch"]]["name"] == "hipMemcpyAsync"
    assert (copy["level"], copy["bytes"], copy["op"], copy["device"]) == ("copy", 4096, "Copy", "gpu:1")
    assert (rows["forward"]["level"], rows["forward"]["stream"]) == ("marker", "thread 4445")
    assert (info.kinds, info.producer, info.origin_ns) == ({"r.db": "rocpd"}, "rocprofv3", None)
    assert {row["host"] for row in rows.values()} == {"box"}
    assert info.anomalies == {}
    assert info.completeness["tables"] == "not read, and in no sum: rocpd_memory_allocate_0000a1 (1 rows)"


def test_a_machine_that_is_up_for_months_has_the_same_events(tmp_path: Path) -> None:
    path = run(tmp_path / "r.db")
    young = read(path)[0]
    with sqlite3.connect(path) as link:
        for table in ("region", "kernel_dispatch", "memory_copy"):
            link.execute(f"UPDATE rocpd_{table}_0000a1 SET start = start + {200 * 86_400 * 10**9}")
            link.execute(f"UPDATE rocpd_{table}_0000a1 SET end = end + {200 * 86_400 * 10**9}")
    table, info = read(path)
    assert table.equals(young)
    assert info.anomalies == {}


def test_runs_of_two_processes_in_one_file_are_two_ranks(tmp_path: Path) -> None:
    run(tmp_path / "r.db", gpu=0)
    rows = {row["id"]: row for row in read(run(tmp_path / "r.db", "_0000a2", pid=5555))[0].to_pylist()}
    kernels = [row for row in rows.values() if row["level"] == "kernel"]
    assert sorted(row["device"] for row in kernels) == ["gpu:0", "gpu:1"]
    streams = {row["device"]: rows[row["launch"]]["stream"] for row in kernels}
    assert streams == {"gpu:0": "thread 4445", "gpu:1": "thread 5556"}


def test_what_refers_to_nothing_is_read_all_the_same(tmp_path: Path) -> None:
    path = run(tmp_path / "r.db")
    with sqlite3.connect(path) as link:
        for table in ("string", "event", "info_kernel_symbol", "info_agent", "info_thread", "info_stream"):
            link.execute(f"DELETE FROM rocpd_{table}_0000a1")
        link.execute("UPDATE rocpd_region_0000a1 SET start = 'soon' WHERE id = 1")
    table, info = read(path)
    rows = {row["name"]: (row["level"], row["device"], row["stream"]) for row in table.to_pylist()}
    assert rows == {
        "string #5": ("api", "host", "thread 1"),
        "string #8": ("api", "host", "thread 1"),
        "kernel #5": ("kernel", "gpu:0", "stream 1"),
        "string #7": ("copy", "gpu:0", "stream 1"),
    }
    assert info.anomalies == {"no_time": 1, "orphan_kernel": 2}


def test_a_schema_without_times_in_its_rows_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    with sqlite3.connect(path) as link:
        link.execute("CREATE TABLE rocpd_string_x (id INTEGER, string TEXT)")
        link.execute("CREATE TABLE rocpd_region_x (id INTEGER, start_id INTEGER, end_id INTEGER)")
        link.execute("CREATE TABLE rocpd_kernel_dispatch_x (id INTEGER, start_id INTEGER, end_id INTEGER)")
    with pytest.raises(TraceError, match="of a schema that dlprof does not read"):
        read(path)


def test_a_database_is_shown_like_any_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run(tmp_path / "r.db")
    assert ingest.detect(path) == "rocpd"
    assert main(["show", str(path), "--by", "kernel"]) == 0
    assert "gemm(float*)" in capsys.readouterr().out
