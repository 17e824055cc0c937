"""A folder of ranks as a data set: read by a job a file, gone on with, read by others, and what is wrong with it said."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import BrokenExecutor, Executor, Future
from pathlib import Path

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from rank_traces import job

from dlprof import schema
from dlprof.api.ranks import executors
from dlprof.api.ranks.build import Built, build
from dlprof.api.ranks.plan import holds_ranks, plan
from dlprof.api.ranks.read import analyse
from dlprof.cli.main import main
from dlprof.errors import StoreError, TraceError, UsageError


def made(folder: Path, target: Path, **more: object) -> Built:
    return build(folder, target, jobs=1, **more)  # type: ignore[arg-type]


def small(folder: Path, **more: object) -> Path:
    return job(folder, lambda rank, step: 50.0 * rank, ranks=3, steps=2, **more)  # type: ignore[arg-type]


def test_parts_are_a_hive_data_set_with_the_columns_of_events(tmp_path: Path) -> None:
    made(small(tmp_path / "job"), tmp_path / "set")
    table = ds.dataset(tmp_path / "set", partitioning="hive").to_table()
    assert set(table.column_names) == {field.name for field in schema.EVENTS} | {"run"}
    assert set(table["rank"].to_pylist()) == {0, 1, 2}
    assert set(table["run"].to_pylist()) == {"job"}
    assert table.num_rows == sum(
        pq.read_metadata(file).num_rows for file in (tmp_path / "set").glob("run=*/rank=*/part.parquet")
    )
    assert pq.read_table(tmp_path / "set").num_rows == table.num_rows
    duckdb = pytest.importorskip("duckdb")
    query = f"select rank, count(*) from read_parquet('{tmp_path}/set/run=*/rank=*/part.parquet') group by rank order by rank"
    assert [row[0] for row in duckdb.sql(query).fetchall()] == [0, 1, 2]


def test_a_second_run_reads_what_changed_and_makes_the_same_summaries(tmp_path: Path) -> None:
    folder, target = small(tmp_path / "job"), tmp_path / "set"
    made(folder, target)
    before = analyse(target)
    assert made(folder, target).unchanged == 3
    assert analyse(target) == before
    text = (folder / "rank1.json").read_text()
    (folder / "rank1.json").write_text(text.replace("aten::mm", "aten::bmm"))
    assert made(folder, target).unchanged == 2


def test_a_run_that_was_interrupted_is_gone_on_with(tmp_path: Path) -> None:
    folder, target = small(tmp_path / "job"), tmp_path / "set"

    def stop(done: int, of: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made(folder, target, on_file=stop)
    with pytest.raises(StoreError, match="did not end"):
        analyse(target)
    again = made(folder, target)
    assert (again.unchanged, len(again.index.parts), again.index.complete) == (2, 3, True)


def test_a_file_that_fails_is_listed_and_the_rest_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = small(tmp_path / "job")
    whole = (folder / "rank1.json").read_text()
    (folder / "rank1.json").write_text(whole[: len(whole) // 2])
    assert main(["import", str(folder), "-o", str(tmp_path / "set"), "--jobs", "1"]) == 1
    said = capsys.readouterr().err
    assert "left out: rank1.json: " in said
    assert "damaged at byte" in said
    assert "1 of 3 ranks is missing: 1." in said
    found = analyse(tmp_path / "set")
    assert (found.ranks, found.missing) == ((0, 2), (1,))


def test_where_no_file_can_be_read_nothing_is_left(tmp_path: Path) -> None:
    folder = small(tmp_path / "job")
    for file in folder.iterdir():
        file.write_text(file.read_text()[: file.stat().st_size // 2])
    with pytest.raises(TraceError, match="none of 3 files"):
        made(folder, tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_a_folder_is_of_ranks_where_two_files_tell_different_ones(tmp_path: Path) -> None:
    assert holds_ranks(small(tmp_path / "job"))
    shutil.copytree(tmp_path / "job", tmp_path / "one")
    for name in ("rank1.json", "rank2.json"):
        (tmp_path / "one" / name).unlink()
    assert not holds_ranks(tmp_path / "one")
    assert main(["import", str(tmp_path / "job"), "-o", str(tmp_path / "run"), "--as", "run"]) == 0
    assert (tmp_path / "run" / "manifest.json").is_file()


def test_ranks_come_from_the_header_then_from_names_of_files_and_folders(tmp_path: Path) -> None:
    folder = small(tmp_path / "job")
    (folder / "rank2.json").rename(folder / "anything.json")
    for rank, place in ((0, "rank0.json"), (1, "rank_1/trace.json")):
        found = json.loads((folder / f"rank{rank}.json").read_text())
        del found["distributedInfo"]
        (folder / f"rank{rank}.json").unlink()
        (folder / place).parent.mkdir(exist_ok=True)
        (folder / place).write_text(json.dumps(found))
    told = {one.source: (one.rank, one.told) for one in plan(folder).files}
    assert told == {
        "anything.json": (2, "distributedInfo"),
        "rank0.json": (0, "file name"),
        "rank_1/trace.json": (1, "folder name"),
    }


def test_folders_that_hold_one_rank_each_twice_are_two_runs(tmp_path: Path) -> None:
    for name in ("monday", "tuesday"):
        small(tmp_path / "jobs" / name)
    (tmp_path / "jobs" / "tuesday" / "rank0.json").write_text(
        (tmp_path / "jobs" / "monday" / "rank0.json").read_text() + " "
    )
    made(tmp_path / "jobs", tmp_path / "set")
    assert [path.name for path in sorted((tmp_path / "set").glob("run=*"))] == ["run=monday", "run=tuesday"]
    with pytest.raises(UsageError, match="holds 2 runs"):
        analyse(tmp_path / "set")
    assert analyse(tmp_path / "set", "tuesday").run == "tuesday"


def test_a_rank_that_two_files_tell_is_the_first_and_said(tmp_path: Path) -> None:
    folder = small(tmp_path / "job")
    (folder / "rank1-again.json").write_text((folder / "rank1.json").read_text() + " ")
    built = made(folder, tmp_path / "set")
    assert [(one.source, one.why.partition(";")[0]) for one in built.index.failed] == [
        ("rank1.json", "rank 1 of run job is rank1-again.json already")
    ]


def test_names_that_contradict_what_is_in_the_files_are_said(tmp_path: Path) -> None:
    folder = small(tmp_path / "job")
    (folder / "rank0.json").rename(folder / "aside")
    (folder / "rank2.json").rename(folder / "rank0.json")
    (folder / "aside").rename(folder / "rank2.json")
    notes = made(folder, tmp_path / "set").index.notes
    said = [note for note in notes if "names say other ranks" in note]
    assert len(said) == 1
    assert said[0].endswith("which count: rank0.json is of rank 2, rank2.json is of rank 0.")
    assert not [note for note in made(small(tmp_path / "plain"), tmp_path / "other").index.notes if "names say" in note]


def test_jobs_of_different_sizes_in_one_folder_are_said(tmp_path: Path) -> None:
    folder = small(tmp_path / "job")
    other = json.loads((folder / "rank2.json").read_text())
    other["distributedInfo"]["world_size"] = 8
    (folder / "rank2.json").write_text(json.dumps(other))
    assert any("mixes jobs of 3 and 8 ranks" in note for note in made(folder, tmp_path / "set").index.notes)


class _Mortal(Executor):
    """Its worker dies at the second job that it is given."""

    deaths = 0

    def __init__(self) -> None:
        self.given = 0

    def submit(self, fn, /, *args, **kwargs):  # type: ignore[no-untyped-def]
        future: Future[object] = Future()
        self.given += 1
        if self.given > 1 and _Mortal.deaths < 2:
            _Mortal.deaths += 1
            future.set_exception(BrokenExecutor("a worker died"))
        else:
            future.set_result(fn(*args, **kwargs))
        return future


def test_jobs_of_a_worker_that_died_are_tried_again(tmp_path: Path) -> None:
    _Mortal.deaths = 0
    built = made(small(tmp_path / "job"), tmp_path / "set", make=lambda workers: _Mortal())
    assert (len(built.index.parts), built.index.failed) == (3, [])


def test_a_job_that_kills_its_worker_each_time_fails_alone() -> None:
    class Killed(executors.Here):
        def submit(self, fn, /, *args, **kwargs):  # type: ignore[no-untyped-def]  # as of Executor
            if args == ("bad",):
                future: Future[object] = Future()
                future.set_exception(BrokenExecutor("a worker died"))
                return future
            return super().submit(fn, *args, **kwargs)

    found = dict(executors.run(str.upper, ["a", "bad", "b"], lambda workers: Killed(), 1))
    assert found == {"a": "A", "bad": None, "b": "B"}


def test_ranks_as_a_user_asks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two processes read; the straggler stands in the first lines, and other verbs name the right one."""
    folder = job(tmp_path / "job", lambda rank, step: 200.0 if rank == 1 else 0.0, ranks=2, steps=8, hosts=("n0", "n1"))
    assert main(["import", str(folder), "-o", str(tmp_path / "set"), "--jobs", "2"]) == 0
    capsys.readouterr()
    assert main(["ranks", str(tmp_path / "set")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Rank 1 (n1) takes 200 µs a step [200 µs, 200 µs] longer than the median of the others" in said
    for by in ("rank", "host", "collective", "step"):
        assert main(["ranks", str(tmp_path / "set"), "--by", by, "--format", "csv"]) == 0
        assert len(capsys.readouterr().out.splitlines()) == {"rank": 3, "host": 3, "collective": 2, "step": 9}[by]
        assert main(["ranks", str(tmp_path / "set"), "--by", by]) == 0
        assert max(map(len, capsys.readouterr().out.splitlines())) <= 80
    assert main(["show", str(tmp_path / "set")]) == 1
    assert "hint: dlprof ranks" in capsys.readouterr().err
    assert main(["ranks", str(folder)]) == 1
    assert "dlprof import FOLDER" in capsys.readouterr().err


def test_the_json_of_ranks_fits_its_schema(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import jsonschema

    from dlprof.report.json import json_schema

    made(small(tmp_path / "job"), tmp_path / "set")
    assert main(["ranks", str(tmp_path / "set"), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, json_schema("ranks"))
    assert found["by_rank"][2]["parts"]["compute"] == 400_000.0


def test_what_of_a_folder_of_ranks_is_no_trace_is_said_by_import_and_by_ranks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = small(tmp_path / "in")
    (folder / "notes.txt").write_text("mine")
    (folder / "conf.json").write_text("{}")
    assert main(["import", str(folder), "-o", str(tmp_path / "out")]) == 0
    said = "2 files are no traces: conf.json (JSON without an event), notes.txt (text)."
    assert said in " ".join(capsys.readouterr().err.split())
    assert main(["ranks", str(tmp_path / "out")]) == 0
    assert said in " ".join(capsys.readouterr().out.split())


def test_what_was_lost_of_a_damaged_rank_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = job(tmp_path / "job", lambda rank, step: 0.0)
    whole = (folder / "rank2.json").read_bytes()
    (folder / "rank2.json").write_bytes(whole[: len(whole) * 2 // 3])
    assert main(["import", str(folder), "-o", str(tmp_path / "set"), "--repair", "--jobs", "1"]) == 0
    assert "Run job, rank 2: events were lost as it was read (" in capsys.readouterr().err
    assert main(["ranks", str(tmp_path / "set")]) == 0
    assert "Run job, rank 2: events were lost as it was read (" in " ".join(capsys.readouterr().out.split())


def test_a_number_of_ranks_that_no_job_has_is_said(tmp_path: Path) -> None:
    folder = job(tmp_path / "job", lambda rank, step: 0.0)
    for rank in (1, 3):
        text = (folder / f"rank{rank}.json").read_text()
        (folder / f"rank{rank}.json").write_text(text.replace('"world_size": 4', '"world_size": 999999999'))
    built = build(folder, tmp_path / "set", jobs=1)
    said = "Run job, rank 1, 3: tells that its job has 999999999 ranks, which none has: passed over."
    assert said in built.index.notes
    assert said in analyse(tmp_path / "set").notes


def test_a_link_to_nothing_is_no_place_for_a_data_set(tmp_path: Path) -> None:
    folder = job(tmp_path / "job", lambda rank, step: 0.0, ranks=2, steps=2)
    (tmp_path / "set").symlink_to(tmp_path / "nothing")
    with pytest.raises(StoreError, match="a link to what is not there"):
        build(folder, tmp_path / "set", jobs=1)
    assert not (tmp_path / "nothing").exists()


def test_what_is_said_of_many_ranks_alike_is_said_of_some(tmp_path: Path) -> None:
    folder = job(tmp_path / "job", lambda rank, step: 0.0, ranks=12, steps=2)
    for rank in range(12):
        text = (folder / f"rank{rank}.json").read_text()
        (folder / f"rank{rank}.json").write_text(text.replace('"world_size": 12', f'"world_size": {10**8 + rank}'))
    notes = build(folder, tmp_path / "set", jobs=1).index.notes
    assert [note for note in notes if "which none has" in note] == [
        f"Run job, rank {rank}: tells that its job has {10**8 + rank} ranks, which none has: passed over."
        for rank in range(3)
    ]
    assert "Run job: the like is said of rank 3, 4, 5, 6, 7, 8, 9, 10, … (9 in all)." in notes


def test_copies_in_two_folders_are_told_apart(tmp_path: Path) -> None:
    folder = job(tmp_path / "job" / "a", lambda rank, step: 0.0, ranks=2, steps=2).parent
    (folder / "b").mkdir()
    shutil.copy(folder / "a" / "rank0.json", folder / "b")
    assert "b/rank0.json is a copy of a/rank0.json and read once." in plan(folder).notes
