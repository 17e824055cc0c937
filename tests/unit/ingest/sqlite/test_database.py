"""Databases of profilers: damage, compression, hostile schemas and journals."""

from __future__ import annotations

import gzip
import shutil
import sqlite3
import struct
from pathlib import Path

import pytest
from nsys_report import HERE, PROCESS, Report, plain
from reading import read

from dlprof import ingest
from dlprof.errors import TraceError


def test_damage_is_told_and_what_stands_before_it_kept(tmp_path: Path) -> None:
    report = Report(tmp_path / "r.sqlite")
    for number in range(3000):
        report.call("cudaLaunchKernel_v7000", number * 10, number * 10 + 5, HERE, number + 1)
        report.kernel(f"k{number}", number * 10, number * 10 + 5, PROCESS, number + 1)
    path = report.done()
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 20_000] = bytes(20_000)
    path.write_bytes(data)
    with pytest.raises(TraceError, match="a database that SQLite can read, but:"):
        read(path)
    table, info = read(path, repair=True)
    assert info.anomalies["damage_skipped"] == 1
    assert table.num_rows < 6000
    path.write_bytes(bytes(data[:5000]))
    with pytest.raises(TraceError):
        read(path)


def test_views_and_triggers_of_the_file_are_never_run(tmp_path: Path) -> None:
    path = plain(tmp_path / "r.sqlite")
    with sqlite3.connect(path) as link:
        link.execute("DROP TABLE CUPTI_ACTIVITY_KIND_KERNEL")
        link.execute(
            "CREATE VIEW CUPTI_ACTIVITY_KIND_KERNEL AS WITH RECURSIVE n(start) AS (SELECT 1 UNION ALL SELECT start + 1 FROM n) "
            "SELECT start, start AS end FROM n"
        )
    before = {one.name: one.read_bytes() for one in tmp_path.iterdir()}
    assert "kernel" not in read(path)[0]["level"].to_pylist()
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == before


def test_virtual_tables_of_the_file_are_never_asked(tmp_path: Path) -> None:
    path = plain(tmp_path / "r.sqlite")
    with sqlite3.connect(path) as link:
        link.execute("DROP TABLE CUPTI_ACTIVITY_KIND_KERNEL")
        link.execute("CREATE VIRTUAL TABLE CUPTI_ACTIVITY_KIND_KERNEL USING rtree(id, start, end)")
        link.execute("INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES (1, 1, 5)")
    assert "kernel" not in read(path)[0]["level"].to_pylist()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("repair", [False, True])
def test_pages_that_lead_to_each_other_again_and_again_come_to_an_end(tmp_path: Path, repair: bool) -> None:
    """A few pages, each of whose entries leads to the next, are a tree of 10^10 rows, which SQLite walks without a word."""
    path, size = plain(tmp_path / "r.sqlite"), 4096
    with sqlite3.connect(path) as link:
        (root,) = link.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'CUPTI_ACTIVITY_KIND_KERNEL'"
        ).fetchone()
        assert link.execute("PRAGMA page_size").fetchone() == (size,)
    data = bytearray(path.read_bytes())
    first, depth, cells = len(data) // size + 1, 4, 300
    leaf = data[(root - 1) * size : root * size]

    def inner(child: int) -> bytes:
        at = [size - 5 * (number + 1) for number in range(cells)]
        head = struct.pack(">BHHHBI", 5, 0, cells, at[-1], 0, child)
        page = bytearray(head + b"".join(struct.pack(">H", one) for one in at))
        page += bytes(size - len(page))
        for one in at:
            page[one : one + 5] = struct.pack(">IB", child, 1)
        return bytes(page)

    data[(root - 1) * size : root * size] = inner(first)
    data += b"".join(inner(first + level + 1) for level in range(depth - 1)) + leaf
    data[28:32] = struct.pack(">I", len(data) // size)
    path.write_bytes(data)
    if repair:
        assert read(path, repair=True)[1].anomalies["damage_skipped"] == 1
    else:
        with pytest.raises(TraceError, match="more rows than the file has room for"):
            read(path)


def test_what_lies_in_a_journal_beside_the_file_is_said(tmp_path: Path) -> None:
    path = plain(tmp_path / "r.sqlite")
    shutil.copy(path, tmp_path / "r.sqlite-wal")
    assert "r.sqlite-wal lies beside the file" in read(path)[1].completeness["journal"]


def test_another_database_is_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    with sqlite3.connect(path) as link:
        link.execute("CREATE TABLE cache (key TEXT)")
    with pytest.raises(TraceError, match="not a trace"):
        ingest.detect(path)


def test_a_compressed_report_is_the_same(tmp_path: Path) -> None:
    path = plain(tmp_path / "r.sqlite")
    packed = tmp_path / "p" / "r.sqlite"
    packed.parent.mkdir()
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert read(packed)[0].equals(read(path)[0])
