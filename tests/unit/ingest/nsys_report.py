"""Reports of Nsight Systems made by the documented schema of its SQLite export: what a test needs of them; and as Parquet."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

SCHEMA = """
CREATE TABLE StringIds (id INTEGER NOT NULL PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE ThreadNames (nameId INTEGER NOT NULL, priority INTEGER, globalTid INTEGER);
CREATE TABLE TARGET_INFO_SESSION_START_TIME (utcEpochNs INTEGER, utcTime TEXT, localTime TEXT);
CREATE TABLE TARGET_INFO_SYSTEM_ENV (globalVid INTEGER, devStateName TEXT NOT NULL, name TEXT NOT NULL, nameEnum INTEGER NOT NULL, value TEXT NOT NULL);
CREATE TABLE TARGET_INFO_GPU (vmId INTEGER NOT NULL, id INTEGER NOT NULL, name TEXT);
CREATE TABLE META_DATA_EXPORT (name TEXT NOT NULL, value TEXT);
CREATE TABLE DIAGNOSTIC_EVENT (timestamp INTEGER NOT NULL, timestampType INTEGER NOT NULL, source INTEGER NOT NULL, severity INTEGER NOT NULL, text TEXT NOT NULL, globalPid INTEGER);
CREATE TABLE CUPTI_ACTIVITY_KIND_KERNEL (start INTEGER NOT NULL, end INTEGER NOT NULL, deviceId INTEGER NOT NULL, contextId INTEGER NOT NULL, streamId INTEGER NOT NULL, correlationId INTEGER, globalPid INTEGER, demangledName INTEGER NOT NULL, shortName INTEGER NOT NULL, gridX INTEGER NOT NULL, gridY INTEGER NOT NULL, gridZ INTEGER NOT NULL);
CREATE TABLE CUPTI_ACTIVITY_KIND_MEMCPY (start INTEGER NOT NULL, end INTEGER NOT NULL, deviceId INTEGER NOT NULL, contextId INTEGER NOT NULL, streamId INTEGER NOT NULL, correlationId INTEGER, globalPid INTEGER, bytes INTEGER NOT NULL, copyKind INTEGER NOT NULL);
CREATE TABLE CUPTI_ACTIVITY_KIND_MEMSET (start INTEGER NOT NULL, end INTEGER NOT NULL, deviceId INTEGER NOT NULL, contextId INTEGER NOT NULL, streamId INTEGER NOT NULL, correlationId INTEGER, globalPid INTEGER, value INTEGER NOT NULL, bytes INTEGER NOT NULL);
CREATE TABLE CUPTI_ACTIVITY_KIND_RUNTIME (start INTEGER NOT NULL, end INTEGER NOT NULL, eventClass INTEGER NOT NULL, globalTid INTEGER, correlationId INTEGER, nameId INTEGER NOT NULL, returnValue INTEGER NOT NULL);
CREATE TABLE NVTX_EVENTS (start INTEGER NOT NULL, end INTEGER, eventType INTEGER NOT NULL, rangeId INTEGER, category INTEGER, color INTEGER, text TEXT, globalTid INTEGER, endGlobalTid INTEGER, textId INTEGER, domainId INTEGER);
"""  # noqa: E501  as nsys export declares them
PUSH_POP, START_END, MARK = 59, 60, 34
PROCESS, THREAD = 4711, 4712
STARTED = 1_700_000_000_000_000_000


class Report:
    """A report being made at `path`."""

    def __init__(self, path: Path, schema: str = SCHEMA) -> None:
        self.path = path
        self._link = sqlite3.connect(path)
        self._link.executescript(schema)
        self._strings: dict[str, int] = {}
        self._calls = 0

    def run(self, query: str, *values: object) -> None:
        self._link.execute(query, values)

    def string(self, text: str) -> int:
        if text not in self._strings:
            self._strings[text] = len(self._strings) + 1
            self.run("INSERT INTO StringIds VALUES (?, ?)", self._strings[text], text)
        return self._strings[text]

    def nvtx(
        self, text: str | None, start: int, end: int | None, thread: int, kind: int = PUSH_POP, id_: int | None = None
    ) -> None:
        row = (start, end, kind, None, None, None, text, thread, None, id_, 0)
        self.run(f"INSERT INTO NVTX_EVENTS VALUES ({','.join('?' * len(row))})", *row)

    def call(self, name: str, start: int, end: int, thread: int, correlation: int) -> None:
        row = (start, end, 0, thread, correlation, self.string(name), 0)
        self.run("INSERT INTO CUPTI_ACTIVITY_KIND_RUNTIME VALUES (?,?,?,?,?,?,?)", *row)

    def kernel(
        self, name: str, start: int, end: int, process: int, correlation: int, *, device: int = 0, stream: int = 7
    ) -> None:
        named = self.string(name), self.string(name.partition("(")[0])
        row = (start, end, device, 1, stream, correlation, thread_of(process, 0), *named, 80, 1, 1)
        self.run(f"INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES ({','.join('?' * len(row))})", *row)

    def done(self) -> Path:
        self._link.commit()
        self._link.close()
        return self.path


def thread_of(process: int, thread: int) -> int:
    """globalTid, with bits above the process as a machine's id has them."""
    return 1 << 56 | process << 24 | thread


def several(report: Report, rows: Sequence[tuple[str, tuple[object, ...]]]) -> None:
    """Rows of tables as they are."""
    for table, row in rows:
        report.run(f"INSERT INTO {table} VALUES ({','.join('?' * len(row))})", *row)


HERE = thread_of(PROCESS, THREAD)


def plain(path: Path) -> Path:
    """A step of PyTorch under emit_nvtx: two operators in a span, a copy and a memset."""
    report = Report(path)
    several(
        report,
        [
            ("TARGET_INFO_SESSION_START_TIME", (STARTED, "", "")),
            ("TARGET_INFO_SYSTEM_ENV", (0, "", "Hostname", 0, "box")),
            ("TARGET_INFO_GPU", (0, 0, "NVIDIA H100")),
            ("META_DATA_EXPORT", ("EXPORT_SCHEMA_VERSION", "3.17.2")),
            ("ThreadNames", (report.string("python"), 0, HERE)),
        ],
    )
    report.nvtx("dlprof:step=3", 1000, 90_000, HERE)
    report.nvtx("head", 2000, 40_000, HERE)
    report.nvtx("aten::linear, op_id = 1, sizes = [[2, 3], [4, 3]]", 3000, 20_000, HERE)
    report.nvtx(None, 4000, 19_000, HERE, id_=report.string("aten::addmm, seq = 7"))
    report.call("cudaLaunchKernel_v7000", 5000, 6000, HERE, 12)
    report.kernel("gemm<float>(int)", 30_000, 38_000, PROCESS, 12)
    report.call("cudaMemcpyAsync_v3020", 41_000, 42_000, HERE, 13)
    report.run(
        "INSERT INTO CUPTI_ACTIVITY_KIND_MEMCPY VALUES (43000, 45000, 0, 1, 7, 13, ?, 4096, 1)", thread_of(PROCESS, 0)
    )
    report.run(
        "INSERT INTO CUPTI_ACTIVITY_KIND_MEMSET VALUES (46000, 46500, 0, 1, 7, 14, ?, 0, 64)", thread_of(PROCESS, 0)
    )
    report.nvtx("here", 47_000, None, HERE, MARK)
    return report.done()


def as_parquet(database: Path, folder: Path, *, rows_in_group: int = 1 << 20) -> Path:
    """The tables of a report as `nsys export --type parquetdir` writes them: a file each, with the same columns."""
    types = {"INTEGER": pa.int64(), "INT": pa.int64(), "TEXT": pa.string()}
    folder.mkdir(parents=True)
    with sqlite3.connect(database) as link:
        for (table,) in link.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            columns = [(row[1], types[row[2]]) for row in link.execute(f"PRAGMA table_info({table})")]
            rows = link.execute(f"SELECT * FROM {table} ORDER BY rowid").fetchall()
            arrays = [pa.array([row[at] for row in rows], kind) for at, (_, kind) in enumerate(columns)]
            data = pa.Table.from_arrays(arrays, names=[name for name, _ in columns])
            pq.write_table(data, folder / f"{table}.parquet", row_group_size=rows_in_group)
    return folder
