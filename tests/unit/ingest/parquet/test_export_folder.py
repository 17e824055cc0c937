"""Nsight Systems' folders of Parquet tables: the same rows as its SQLite, damage, hostile files, and folders that are none."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from nsys_report import HERE, START_END, Report, as_parquet, plain, several, thread_of
from reading import read

from dlprof import frameworks, ingest
from dlprof.cli.main import main
from dlprof.errors import TraceError
from dlprof.ingest.anomalies import Anomalies
from dlprof.ingest.batch import Pools
from dlprof.ingest.parquet.tables import ParquetTables
from dlprof.ingest.reader import Context

KERNELS = "CUPTI_ACTIVITY_KIND_KERNEL.parquet"


def both(database: Path, folder: Path, rows_in_group: int = 1 << 20) -> tuple[Path, Path]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    return database, as_parquet(database, folder, rows_in_group=rows_in_group)


def busy(path: Path) -> Path:
    """Two processes, nested ranges, ranges by number, an open one, a second device."""
    report = Report(path)
    for process in (10, 11):
        thread = thread_of(process, process)
        for step in range(40):
            at = step * 1_000_000
            report.nvtx(f"dlprof:step={step}", at, at + 900_000, thread)
            report.nvtx(f"aten::mm, seq = {step}", at + 10, at + 5000, thread)
            report.nvtx(None, at + 6000, at + 9000, thread, id_=report.string("aten::add, seq = 1"))
            report.call("cudaLaunchKernel_v7000", at + 20, at + 40, thread, step + 1)
            report.kernel(f"k{step % 3}(int)", at + 60 + process, at + 4000, process, step + 1, device=process - 10)
    report.nvtx("by number", 5, 50, HERE, START_END)
    report.nvtx("open", 60, None, HERE)
    return report.done()


@pytest.mark.parametrize("rows_in_group", [1 << 20, 7])
@pytest.mark.parametrize("made", [plain, busy])
def test_a_folder_of_parquet_holds_the_rows_of_the_database(tmp_path: Path, made, rows_in_group: int) -> None:
    database, folder = both(made(tmp_path / "r.sqlite"), tmp_path / "r_pqtdir", rows_in_group)
    rows, told = read(database, frameworks.vocabularies())
    again, said = read(folder, frameworks.vocabularies())
    assert rows.num_rows > 8
    assert again.drop_columns("source").equals(rows.drop_columns("source"))
    assert (said.anomalies, said.origin_ns, said.producer) == (told.anomalies, told.origin_ns, told.producer)
    assert set(said.kinds.values()) == {"nsys-parquet"}
    assert said.facts == told.facts


def test_what_is_not_read_is_said_in_both(tmp_path: Path) -> None:
    path = plain(tmp_path / "r.sqlite")
    with sqlite3.connect(path) as link:
        link.execute("CREATE TABLE OSRT_API (start INTEGER, end INTEGER)")
        link.execute("INSERT INTO OSRT_API VALUES (1, 2)")
        link.execute("INSERT INTO DIAGNOSTIC_EVENT VALUES (0, 0, 0, 2, 'CUDA events were lost', 0)")
    database, folder = both(path, tmp_path / "r_pqtdir")
    (folder / "notes.txt").write_text("by hand")
    said = read(folder)[1].completeness
    assert said.pop("files that are no tables") == "1 file is no trace: notes.txt (text)"
    assert said == read(database)[1].completeness


def test_leaner_tables_and_other_types_are_read(tmp_path: Path) -> None:
    report = Report(
        tmp_path / "r.sqlite",
        "CREATE TABLE StringIds (id INT, value TEXT);CREATE TABLE CUPTI_ACTIVITY_KIND_KERNEL (start INT, end INT, shortName INT)",
    )
    several(report, [("StringIds", (1, "k")), ("CUPTI_ACTIVITY_KIND_KERNEL", (5, 9, 1))])
    folder = as_parquet(report.done(), tmp_path / "r_pqtdir")
    odd = {
        "start": pa.array([5, 2**64 - 1, 7, None], pa.uint64()),
        "end": pa.array([9, 9, 9, 9], pa.int32()),
        "shortName": pa.array([1, 1, 77, 1], pa.uint16()),
        "deviceId": pa.array(["x"] * 4),
        "correlationId": pa.array([1.5] * 4),
    }
    pq.write_table(pa.table(odd), folder / KERNELS)
    values = pa.array([b"\xc3\x28"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"id": pa.array([1], pa.int8()), "value": values}), folder / "StringIds.parquet")
    table, info = read(folder)
    assert sorted((row["name"], row["start_ps"], row["duration_ps"]) for row in table.to_pylist()) == [
        ("unnamed", 7000, 2000),
        ("\ufffd(", 5000, 4000),
    ]
    assert (info.anomalies["no_time"], info.anomalies["text_not_utf8"]) == (2, 1)


@pytest.mark.parametrize("gone", ["StringIds", None])
def test_a_folder_without_what_it_needs_says_what_and_what_next(tmp_path: Path, gone: str | None) -> None:
    folder = as_parquet(plain(tmp_path / "r.sqlite"), tmp_path / "r_pqtdir")
    for file in folder.iterdir():
        if file.stem == gone or (gone is None and file.stem.startswith(("CUPTI", "NVTX"))):
            file.unlink()
    with pytest.raises(TraceError, match="r_pqtdir: an export of Nsight Systems without") as refused:
        read(folder)
    assert "nsys export --type parquetdir" in (refused.value.hint or "")
    (tmp_path / "above").mkdir()
    folder.rename(tmp_path / "above" / "r_pqtdir")
    with pytest.raises(TraceError, match="without"):
        read(tmp_path / "above")


def test_one_table_is_no_trace(tmp_path: Path) -> None:
    folder = as_parquet(plain(tmp_path / "r.sqlite"), tmp_path / "r_pqtdir")
    with pytest.raises(TraceError, match="one table of an export of Nsight Systems") as refused:
        read(folder / KERNELS)
    assert str(folder) in (refused.value.hint or "")
    other = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": [1]}), other)
    with pytest.raises(TraceError, match="a Parquet table, not a trace"):
        read(other)


@pytest.mark.parametrize("damage", ["cut", "middle", "none"])
def test_a_damaged_table_is_an_error_or_left_out_by_repair(tmp_path: Path, damage: str) -> None:
    folder = as_parquet(busy(tmp_path / "r.sqlite"), tmp_path / "r_pqtdir")
    data = (folder / KERNELS).read_bytes()
    broken = {"cut": data[:-20], "middle": data[:40] + bytes(400) + data[440:], "none": b""}[damage]
    (folder / KERNELS).write_bytes(broken)
    with pytest.raises(TraceError, match=f"expected a table {KERNELS} that Arrow can read, but"):
        read(folder)
    table, info = read(folder, repair=True)
    assert info.anomalies["damage_skipped"] >= 1
    assert "kernel" not in table["level"].to_pylist()
    assert "api" in table["level"].to_pylist()


def test_more_rows_than_a_file_has_room_for_are_damage(tmp_path: Path) -> None:
    folder = as_parquet(plain(tmp_path / "r.sqlite"), tmp_path / "r_pqtdir")
    count = 2_000_000
    zeros = pa.array(np.zeros(count, dtype=np.int64))
    pq.write_table(pa.table({"start": zeros, "end": zeros}), folder / KERNELS)
    assert (folder / KERNELS).stat().st_size * 64 < count
    with pytest.raises(TraceError, match="more rows than the file has room for"):
        read(folder)


@pytest.mark.parametrize(
    ("kind", "value"), [(pa.timestamp("us"), 2**62), (pa.timestamp("ns"), 1), (pa.duration("ns"), 3)]
)
def test_dates_where_texts_belong_are_no_texts(tmp_path: Path, kind: pa.DataType, value: int) -> None:
    folder = as_parquet(plain(tmp_path / "r.sqlite"), tmp_path / "r_pqtdir")
    texts = pq.read_table(folder / "StringIds.parquet")
    dates = pa.array([value] * texts.num_rows, pa.int64()).view(kind)
    pq.write_table(pa.table({"id": texts["id"], "value": dates}), folder / "StringIds.parquet")
    table, _ = read(folder)
    assert "kernel" in table["level"].to_pylist()


def test_a_long_text_in_many_rows_is_in_memory_once(tmp_path: Path) -> None:
    rows = 100_000
    text = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, dtype=np.int32)), pa.array(["n" * 1_000_000]))
    pq.write_table(pa.table({"text": text}), tmp_path / "NVTX_EVENTS.parquet")
    tables = ParquetTables(tmp_path, Context("r", "r", Pools(), Anomalies()))
    found = list(tables.rows("NVTX_EVENTS", ("text",)))
    assert len(found) == rows
    assert len({id(one) for (one,) in found}) == 1


def test_folders_below_a_folder_are_a_report_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for rank in (0, 1):
        as_parquet(plain(tmp_path / f"{rank}.sqlite"), tmp_path / "job" / f"rank{rank}_pqtdir")
        (tmp_path / f"{rank}.sqlite").unlink()
    assert set(read(tmp_path / "job")[1].kinds) == {"rank0_pqtdir", "rank1_pqtdir"}
    assert main(["import", str(tmp_path / "job"), "-o", str(tmp_path / "set")]) == 0
    assert sorted(one.parent.name for one in (tmp_path / "set").rglob("part.parquet")) == ["rank=0", "rank=1"]
    capsys.readouterr()
    assert main(["import", str(tmp_path / "job"), "-o", str(tmp_path / "set")]) == 0
    assert "unchanged" in "".join(capsys.readouterr())


def test_a_folder_is_shown_imported_and_compared_like_any_trace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = as_parquet(plain(tmp_path / "r.sqlite"), tmp_path / "r_pqtdir")
    assert ingest.detect(folder) == "nsys-parquet"
    assert main(["show", str(folder)]) == 0
    assert "Gemm" in capsys.readouterr().out
    assert main(["diff", str(folder), str(folder)]) == 0
    assert main(["import", str(folder), "-o", str(tmp_path / "out")]) == 0
    assert main(["verify", str(tmp_path / "out")]) == 0
