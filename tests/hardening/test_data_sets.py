"""Data sets of ranks that do not fit, traces of ranks that lie, things planted where an import writes, imports that are ended."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from rank_traces import job
from test_malformed_directories import DEEP, NESTED, ODD, WHOLE, Reader, changed, changes, contents

FILES = ("dataset.json", "steps.parquet", "collectives.parquet", "moments.parquet", "a-set")
INDEX = Path("_dlprof") / "dataset.json"
PART = Path("run=job") / "rank=1"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a job's traces, and the data set of it."""
    from dlprof.api.ranks.build import build

    place = tmp_path_factory.mktemp("ranks")
    build(job(place / "job", lambda rank, _: 50.0 * rank, ranks=3, steps=2), place / "a-set", jobs=1)
    return place


@pytest.fixture
def place(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole / "a-set", tmp_path / "a-set"))


def test_an_import_runs_nothing_of_the_working_folder(tmp_path: Path, whole: Path, attacked) -> None:
    """Its workers, and the helper that Python starts with them, are `python -c`."""
    names = ("multiprocessing", "pickle", "json", "threading", "signal", "os", "io", "numpy", "pyarrow", "dlprof")
    for name in names:
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / f'{name}.ran')!r}, 'w')\n")
    code = "import sys; sys.path = [*filter(None, sys.path)]; from dlprof.cli.main import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run([sys.executable, "-c", code, "import", str(whole / "job"), "-o", "set", "--jobs", "2"], cwd=tmp_path,
                          env={**os.environ, "PYTHONPATH": os.pathsep.join(one for one in sys.path if one)}, capture_output=True,
                          text=True, check=False)  # fmt: skip
    attacked(len(names))
    assert [path.name for path in tmp_path.glob("*.ran")] == []
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def every_way(reader: Reader, data: Path) -> Iterator[Callable[[str], None]]:
    """The ways to read a data set, in turn, without an end."""
    pairs = [*itertools.product(["rank", "host", "collective", "step"], ["text", "json", "csv"]), ("rank", "html")]
    ways = [*(("ranks", data, "--by", by, "--format", form) for by, form in pairs), ("diff", data, data)]
    for words in itertools.cycle(ways):
        yield lambda what, words=words: reader.command(what, *words)


def test_every_field_of_a_data_sets_index(place: Path, tmp_path: Path, attacked: Callable[[int], None]) -> None:
    file, reader = place / INDEX, Reader(tmp_path, FILES)
    plain, ways = json.loads(file.read_bytes()), every_way(reader, place)
    of_parts = [("parts", 0, name) for name in plain["parts"][0]]
    turn = itertools.cycle([*ODD.items(), (f"nested {DEEP} deep", NESTED)])
    told = [*WHOLE.items(), *changes(plain), *((f"{at} is {what}", changed(plain, at, value))
            for at in of_parts for what, value in itertools.islice(turn, 3))]  # fmt: skip
    for (what, content), way in zip(told, ways, strict=False):
        file.write_bytes(content)
        way(what)
    attacked(reader.ended.total())
    assert reader.ended["refused"] > 40, reader.ended
    assert reader.ended["read"] > 10, reader.ended


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((field, value) for field in ("rank", "world") for value in (-1, 2**31, 2**63 - 1, -(2**63))),
        *(("world", value) for value in (0, 10**9, 10**12)),
        *(("run", value) for value in ("../../x", "..", "", "a/b", "\x1b[2J", "a b", "x" * 300, "job\n")),
    ],
)
def test_a_part_that_cannot_be_is_refused_with_file_and_field(attack, place: Path, field: str, value: Any) -> None:
    plain = json.loads((place / INDEX).read_bytes())
    (place / INDEX).write_bytes(changed(plain, ("parts", 1, field), value))
    done = attack("ranks", place)
    assert done.code == 1
    assert f"dataset.json: $.parts[1].{field}: " in done.stderr
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize("parts", ["none", "twice", "a rank without rows", "one of three"])
def test_an_index_that_does_not_fit_its_tables_is_refused(attack, place: Path, parts: str) -> None:
    plain = json.loads((place / INDEX).read_bytes())
    first = plain["parts"][0]
    plain["parts"] = {
        "none": [],
        "twice": [first, first],
        "a rank without rows": [*plain["parts"], first | {"rank": 7}],
        "one of three": [first],
    }[parts]
    (place / INDEX).write_text(json.dumps(plain))
    done = attack("ranks", place)
    assert done.code == (0 if parts == "a rank without rows" else 1), done
    assert "Rank 7 recorded no work and is left out." in " ".join(done.stdout.split()) or "a-set" in done.stderr


@pytest.mark.parametrize("origin", [0, -1, 10**18, 2**63 - 1, -(2**63)])
def test_a_clock_that_is_days_away_counts_as_none(attack, place: Path, origin: int) -> None:
    plain = json.loads((place / INDEX).read_bytes())
    (place / INDEX).write_bytes(changed(plain, ("parts", 1, "origin_ns"), origin))
    done = attack("ranks", place)
    assert done.code == 0
    assert "The clock of rank 1 is more than 10 days from the others'" in " ".join(done.stdout.split())


TABLES = ("steps", "collectives", "moments")


@pytest.mark.parametrize("name", TABLES)
def test_the_columns_that_say_whose_and_when(
    place: Path, tmp_path: Path, attacked: Callable[[int], None], name: str
) -> None:
    """All columns of all tables: the slow test below."""
    columns = ("run", "rank", "step", "start_ps", "end_ps", "time_ps", "no rows")
    file, reader = place / "_dlprof" / f"{name}.parquet", Reader(tmp_path, FILES)
    told = [one for one in contents(file) if one[0].startswith(columns)]
    for (what, content), way in zip(told, every_way(reader, place), strict=False):
        file.write_bytes(content)
        way(f"{name}: {what}")
    attacked(reader.ended.total())
    assert reader.ended["refused"] > 15, reader.ended


@pytest.mark.slow
@pytest.mark.parametrize("name", [*TABLES, "lines"])
def test_every_column_of_a_data_sets_tables(
    place: Path, tmp_path: Path, attacked: Callable[[int], None], name: str
) -> None:
    file, reader = place / "_dlprof" / f"{name}.parquet", Reader(tmp_path, FILES)
    for (what, content), way in zip(list(contents(file)), every_way(reader, place), strict=False):
        file.write_bytes(content)
        way(f"{name}: {what}")
    attacked(reader.ended.total())


@pytest.mark.timeout(30)
@pytest.mark.parametrize("what", ["gone", "a pipe", "a folder", "a device", "a link to itself"])
@pytest.mark.parametrize("name", ["dataset.json", "steps.parquet", "moments.parquet"])
def test_what_stands_in_a_files_place_is_not_waited_for(attack, place: Path, name: str, what: str) -> None:
    file = place / "_dlprof" / name
    put(file, what)
    done = attack("ranks", place)
    assert done.code == 1
    assert name in done.stderr or "no data set of ranks" in done.stderr


@pytest.mark.timeout(60)
@pytest.mark.parametrize("what", ["gone", "a pipe", "a folder", "a device", "damaged", "another's"])
def test_events_that_are_not_a_ranks_are_not_exported(attack, place: Path, tmp_path: Path, what: str) -> None:
    file, target = place / PART / "part.parquet", tmp_path / "ranks.json"
    if what == "damaged":
        file.write_bytes(file.read_bytes()[:-200])
    elif what == "another's":
        shutil.copy(place / "_dlprof" / "steps.parquet", file)
    else:
        put(file, what)
    done = attack("export", place, "--to", "chrome", "-o", target)
    assert done.code == 1
    assert "part.parquet" in done.stderr
    assert not target.exists()


def put(file: Path, what: str) -> None:
    """Something else in a file's place."""
    file.unlink()
    if what == "a pipe":
        os.mkfifo(file)
    elif what == "a folder":
        file.mkdir()
    elif what == "a device":
        file.symlink_to("/dev/zero")
    elif what == "a link to itself":
        file.symlink_to(file)


NAMES = ("\x1b]0;owned\x07", "=cmd|'/c calc'!A1", "@SUM(1)", "a\nerror: b", "\u202egnp", "x" * 20_000)


@pytest.mark.parametrize("form", ["text", "csv", "json", "html"])
@pytest.mark.parametrize("name", NAMES)
def test_hosts_and_files_steer_neither_terminal_nor_spreadsheet(attack, place: Path, name: str, form: str) -> None:
    plain = json.loads((place / INDEX).read_bytes())
    for one in plain["parts"]:
        one |= {"host": name, "source": name}
    plain |= {"notes": [f"Run job {name}"], "failed": [{"source": name, "why": name}]}
    (place / INDEX).write_text(json.dumps(plain))
    for by in ("host", "rank"):
        done = attack("ranks", place, "--by", by, "--format", form)
        assert done.code == 0
        if form == "csv":  # data, which a pipe gets as they are; no cell of them runs
            cells = [cell for row in csv.reader(io.StringIO(done.stdout)) for cell in row]
            assert not [cell for cell in cells if cell.startswith(("=", "@"))]
        else:
            assert "\x1b" not in done.stdout
            assert not any(line.startswith("error:") for line in done.stdout.splitlines())


LIES: dict[str, list[Any]] = {
    "rank": [10**30, -1, 1.5, "x", True, None, [1], {"a": 1}, 2**31, 2**63, "99999999999", "7" * 5000],
    "world_size": [10**12, 10**30, -1, 0, 1.5, "8", True, [], {}, 2**63 - 1],
    "pg_config": [3, [], [{"ranks": [10**30]}], [{"ranks": ["x", None, True, 1.5]}], [{"pg_name": {"a": [1]}, "ranks": [0]}],
                  [{"pg_name": "\x1b[2J", "ranks": [0, 1]}], {"a": 1}, [{"ranks": [-1, 2**63]}], [[[]]]],
    "backend": [1, None, "\x1b]0;a\x07", "x" * 100_000],
}  # fmt: skip


@pytest.mark.parametrize("field", LIES)
def test_what_a_trace_says_of_its_rank_may_be_anything(attack, whole: Path, tmp_path: Path, field: str) -> None:
    folder = Path(shutil.copytree(whole / "job", tmp_path / "job"))
    plain = json.loads((folder / "rank1.json").read_bytes())
    for number, value in enumerate(LIES[field]):
        told = {**plain.get("distributedInfo", {}), field: value}
        (folder / "rank1.json").write_text(json.dumps({**plain, "distributedInfo": told}))
        made = attack("import", folder, "--as", "ranks", "-o", tmp_path / f"set-{number}", "--jobs", "1")
        assert made.code == 0, made
        assert attack("ranks", tmp_path / f"set-{number}").code == 0
        assert attack("show", folder / "rank1.json").code == 0


HEADS: dict[str, list[Any]] = {
    "baseTimeNanoseconds": [10**30, -1, -(10**30), "x", 2**63 - 1, None, True, 1.5, 0],
    "host_name": ["\x1b[31m", "=1+1", "x" * 100_000, "", 3, None, "a\nb"],
    "deviceProperties": [3, "x", [{"name": "\x1b[2J"}]],
}


@pytest.mark.parametrize("field", HEADS)
def test_what_a_trace_says_of_its_machine_may_be_anything(attack, whole: Path, tmp_path: Path, field: str) -> None:
    folder = Path(shutil.copytree(whole / "job", tmp_path / "job"))
    plain = json.loads((folder / "rank1.json").read_bytes())
    for number, value in enumerate(HEADS[field]):
        (folder / "rank1.json").write_text(json.dumps({**plain, field: value}))
        target = tmp_path / f"set-{number}"
        made = attack("import", folder, "--as", "ranks", "-o", target, "--jobs", "1")
        assert made.code in (0, 1), made
        assert attack("ranks", target, "--by", "host").code == 0


@pytest.mark.parametrize("gone", ["_steps.parquet", "part.parquet", "_facts.json"])
@pytest.mark.parametrize("what", ["gone", "damaged", "another's", "a pipe"])
def test_a_part_that_is_no_longer_whole_is_read_again(attack, whole: Path, place: Path, gone: str, what: str) -> None:
    file = place / PART / gone
    content = {"damaged": b"x", "another's": (place / "run=job" / "rank=2" / gone).read_bytes()}.get(what)
    if content is None:
        put(file, what)
    else:
        file.write_bytes(content)
    before = attack("ranks", whole / "a-set").stdout
    done = attack("import", whole / "job", "-o", place, "--jobs", "1")
    assert (done.code, attack("ranks", place).stdout) == (0, before), done
    assert file.read_bytes() == (whole / "a-set" / PART / gone).read_bytes() or gone == "part.parquet"


@pytest.mark.parametrize("where", ["run=job", "run=job/rank=1", "_dlprof"])
@pytest.mark.parametrize("what", ["a link", "a file"])
def test_an_import_leaves_the_folder_of_its_data_set_by_no_link(
    attack, whole: Path, place: Path, tmp_path: Path, where: str, what: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.move(place / where, elsewhere)
    (elsewhere / "rank=1").mkdir(exist_ok=True)
    (elsewhere / "rank=1" / "precious").write_text("kept")
    before = sorted(elsewhere.rglob("*"))
    if what == "a link":
        (place / where).symlink_to(elsewhere)
    else:
        (place / where).write_text("x")
    done = attack("import", whole / "job", "-o", place, "--jobs", "1")
    assert done.code == 1
    assert "where a folder of the data set should be" in done.stderr or "is no data set of ranks" in done.stderr
    assert sorted(elsewhere.rglob("*")) == before


@pytest.mark.parametrize("name", ["steps.parquet", "moments.parquet"])
def test_a_folder_in_the_place_of_a_summary_is_said(attack, whole: Path, place: Path, name: str) -> None:
    put(place / "_dlprof" / name, "a folder")
    done = attack("import", whole / "job", "-o", place, "--jobs", "1")
    assert done.code == 1
    assert name in done.stderr


OTHERS = ("show", "report -o page.html", "verify", "export --to json -o x.json", "plot -o x.svg", "compare --resume", "run",
          "import -o again")  # fmt: skip


@pytest.mark.parametrize("verb", OTHERS)
def test_other_verbs_say_what_a_data_set_is_not(attack, place: Path, tmp_path: Path, monkeypatch, verb) -> None:
    monkeypatch.chdir(tmp_path)
    done = attack(*verb.split(), place)
    assert done.code in (1, 2)
    assert "error: " in done.stderr


@pytest.mark.parametrize(
    "target", ["_dlprof/steps.parquet", "_dlprof/dataset.json", "run=job/rank=0/part.parquet", "."]
)
def test_what_was_found_of_ranks_replaces_no_part_of_them(attack, place: Path, target: str) -> None:
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    assert attack("ranks", place, "-o", place / target, "--force").code in (1, 2)
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    "target", ["", ".", "/", "/dev/null", "/dev/full", "{tmp}/file", "{tmp}/pipe", "{tmp}/file/x", "x" * 300]
)
def test_an_import_of_ranks_goes_only_into_a_folder_of_its_own(
    attack, whole: Path, tmp_path: Path, monkeypatch, target: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("kept")
    os.mkfifo(tmp_path / "pipe")
    done = attack("import", whole / "job", "-o", target.format(tmp=tmp_path), "--jobs", "1")
    assert done.code in (1, 2), done
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "pipe"]
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize("closed", ["| head -c 0", ">&-", ">/dev/full"])
def test_a_failed_file_is_in_the_exit_code_though_nobody_reads(
    whole: Path, tmp_path: Path, attacked, closed: str
) -> None:
    folder = Path(shutil.copytree(whole / "job", tmp_path / "job"))
    (folder / "rank1.json").write_bytes((folder / "rank1.json").read_bytes()[:900])
    command = f'"{sys.executable}" -m dlprof import job --as ranks -o a-set --jobs 1 {closed}'
    done = subprocess.run(
        ["bash", "-c", f'{command}; exit "${{PIPESTATUS[0]}}"'], cwd=tmp_path, capture_output=True, text=True
    )
    attacked()
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_an_import_that_is_ended_leaves_no_process_and_goes_on(
    whole: Path, tmp_path: Path, attack, number: signal.Signals
) -> None:
    folder = Path(shutil.copytree(whole / "job", tmp_path / "job"))
    plain = json.loads((folder / "rank2.json").read_bytes())
    plain["traceEvents"] *= 3_000  # seconds of reading
    (folder / "rank2.json").write_text(json.dumps(plain))
    words = ["import", "job", "-o", "a-set", "--jobs", "2"]
    process = subprocess.Popen([sys.executable, "-m", "dlprof", *words], cwd=tmp_path, text=True, stderr=subprocess.PIPE,
                               stdout=subprocess.DEVNULL, start_new_session=True)  # fmt: skip
    deadline = time.monotonic() + 120
    while not list((tmp_path / "a-set").glob("run=*/.file-of-rank-2*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    workers = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, number)
    _, said = process.communicate(timeout=60)
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert workers
    assert not alive
    assert "Traceback" not in said
    assert process.returncode == (-9 if number == signal.SIGKILL else 130)
    (folder / "rank2.json").write_bytes((whole / "job" / "rank2.json").read_bytes())
    assert attack("import", folder, "-o", tmp_path / "a-set", "--jobs", "1").code == 0
    assert not [path for path in (tmp_path / "a-set").rglob("*") if path.name.startswith(".")]
