"""Temporary names cannot be guessed or taken, and what dlprof writes goes to the file that was named, nowhere else."""

import gzip
import json
import os
import re
import shutil
import threading
from pathlib import Path

import pytest
import zstandard

from dlprof.api.record import output_folder
from dlprof.store import CaptureWriter
from dlprof.temporary import atomic, beside


def test_a_temporary_name_is_another_each_time_and_says_whose_it_is(tmp_path):
    names = {beside(tmp_path / "report.html", "tmp").name for _ in range(100)}
    assert len(names) == 100
    assert all(re.fullmatch(rf"\.report\.html\.tmp-{os.getpid()}-\d+-[0-9a-f]{{16}}", name) for name in names)


@pytest.fixture
def guessed(monkeypatch, attacked):
    """An attacker who does guess the name: what remains is that the file is made by us alone."""
    monkeypatch.setattr("dlprof.temporary.secrets.token_hex", lambda n: "00" * n)
    attacked(1)


def test_a_link_planted_at_the_temporary_name_is_not_followed(tmp_path, guessed):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    beside(tmp_path / "out.json", "tmp").symlink_to(victim)
    with pytest.raises(FileExistsError), atomic(tmp_path / "out.json") as temporary:
        temporary.write_text("overwritten")
    assert victim.read_text() == "precious"


def test_a_link_to_nothing_makes_no_file_elsewhere(tmp_path, guessed):
    beside(tmp_path / "out.json", "tmp").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError), atomic(tmp_path / "out.json") as temporary:
        temporary.write_text("made")
    assert not (tmp_path / "elsewhere").exists()


def test_a_link_planted_at_a_partial_directory_is_not_written_into(tmp_path, guessed):
    victim = tmp_path / "victim"
    victim.mkdir()
    beside(tmp_path / "capture", "partial").symlink_to(victim)
    with pytest.raises(Exception, match="cannot be made"), CaptureWriter(tmp_path / "capture"):
        pass
    assert list(victim.iterdir()) == []


def test_a_link_at_the_target_is_replaced_and_its_file_left_alone(tmp_path):
    victim, target = tmp_path / "victim", tmp_path / "out.json"
    victim.write_text("precious")
    target.symlink_to(victim)
    with atomic(target) as temporary:
        temporary.write_text("new")
    assert victim.read_text() == "precious"
    assert target.read_text() == "new"
    assert not target.is_symlink()


def test_what_is_written_has_the_rights_that_the_umask_gives(tmp_path):
    before = os.umask(0o027)
    try:
        with atomic(tmp_path / "out.json") as temporary:
            temporary.write_text("new")
    finally:
        os.umask(before)
    assert Path(tmp_path / "out.json").stat().st_mode & 0o777 == 0o640


EVENTS = [{"name": "op", "cat": "cpu_op", "ph": "X", "pid": 1, "tid": 1, "ts": 1, "dur": 2}]


@pytest.fixture
def trace(tmp_path) -> Path:
    file = tmp_path / "tf.json"
    file.write_text(json.dumps({"traceEvents": EVENTS}))
    return file


WRITERS = {
    "report": ("report", "{}", "-o"),
    "report pair": ("report", "{}", "{}", "-o"),
    "diff": ("diff", "{}", "{}", "-o"),
    "diff json": ("diff", "{}", "{}", "--format", "json", "-o"),
    "diff csv": ("diff", "{}", "{}", "--format", "csv", "-o"),
    "chrome": ("export", "{}", "--to", "chrome", "-o"),
    "json": ("export", "{}", "--to", "json", "-o"),
    "csv": ("export", "{}", "--to", "csv", "-o"),
    "parquet": ("export", "{}", "--to", "parquet", "-o"),
}


OLDER = Path(__file__).parents[1] / "older" / "schema-1" / "comparison"


@pytest.mark.parametrize(
    "name", ["comparison.json", "ranking.json", "manifest.json", "monitors.parquet", "a-exact-1/manifest.json"]
)
def test_a_part_of_the_result_that_is_read_is_never_replaced(attack, tmp_path, name):
    result = shutil.copytree(OLDER, tmp_path / "result")
    (result / name).parent.mkdir(exist_ok=True)
    if not (result / name).exists():
        (result / name).write_text("{}")
    before = (result / name).read_bytes()
    for words in (("report", result), ("export", result, "--to", "csv")):
        done = attack(*words, "-o", result / name, "--force")
        assert done.code != 0
        assert "would replace what is read" in done.stderr, words
    assert (result / name).read_bytes() == before


@pytest.mark.parametrize("force", [(), ("--force",)])
@pytest.mark.parametrize("way", ["the same name", "another name", "a link", "a hard link"])
@pytest.mark.parametrize("writer", WRITERS)
def test_what_is_read_is_never_replaced(attack, trace, tmp_path, writer, way, force):
    before, target = trace.read_bytes(), tmp_path / "link.json"
    if way == "a link":
        target.symlink_to(trace)
    elif way == "a hard link":
        target.hardlink_to(trace)
    else:
        target = trace if way == "the same name" else tmp_path / ".." / tmp_path.name / trace.name
    done = attack(*(word.format(trace) for word in WRITERS[writer]), target, *force)
    assert done.code == 1
    assert "would replace what is read" in done.stderr
    assert trace.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == sorted({trace, tmp_path / target.name})


@pytest.mark.parametrize("writer", WRITERS)
def test_a_file_of_another_kind_is_replaced_only_by_force(attack, trace, tmp_path, writer):
    target = tmp_path / "mine.txt"
    target.write_text("what I wrote, for a long time\n")
    words = [word.format(trace) for word in WRITERS[writer]]
    refused = attack(*words, target)
    assert refused.code == 1
    assert "another kind of file" in refused.stderr
    assert target.read_text() == "what I wrote, for a long time\n"
    assert attack(*words, target, "--force").code == 0
    assert attack(*words, target).code == 0, "written once, it is of its kind"
    assert sorted(tmp_path.iterdir()) == [target, trace]


@pytest.mark.parametrize("writer", ["json", "chrome", "csv", "diff json"])
@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_name_that_ends_in_a_compression_is_compressed(attack, trace, tmp_path, writer, suffix):
    words = [word.format(trace) for word in WRITERS[writer]]
    plain, packed = tmp_path / "plain", tmp_path / f"packed{suffix}"
    assert attack(*words, plain).code == 0
    assert attack(*words, packed).code == 0
    content = packed.read_bytes()
    opened = (
        gzip.decompress(content)
        if suffix == ".gz"
        else zstandard.ZstdDecompressor().decompressobj().decompress(content)
    )
    assert opened == plain.read_bytes()
    assert attack(*words, packed).code == 0, "again"
    assert packed.read_bytes() == content, "the same content gives the same bytes"


@pytest.mark.parametrize("target", [".", "", "/", "..", "nowhere/x", "tf.json/x"])
@pytest.mark.parametrize("writer", WRITERS)
def test_a_target_that_is_no_file_is_said_to_be_none(attack, trace, tmp_path, monkeypatch, writer, target):
    monkeypatch.chdir(tmp_path)
    done = attack(*(word.format(trace) for word in WRITERS[writer]), target)
    assert done.code == 1
    assert "-o" in done.stderr
    assert list(tmp_path.iterdir()) == [trace]


@pytest.mark.parametrize("writer", WRITERS)
def test_a_device_is_written_into_and_stays_a_device(attack, trace, tmp_path, writer):
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()), daemon=True)
    reader.start()
    done = attack(*(word.format(trace) for word in WRITERS[writer]), pipe)
    reader.join(20)
    assert done.code == 0, done.stderr
    assert pipe.is_fifo()
    assert len(got[0]) > 10


@pytest.mark.parametrize(
    "name", ["../../escaped", "/tmp/escaped", "..", ".", ".hidden", "a/b", "a\\x00b", "x" * 300, ""]
)
def test_a_study_cannot_leave_the_output_folder_by_its_name(attack, tmp_path, monkeypatch, name):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    study = tmp_path / "study.toml"
    study.write_text(f'name = {json.dumps(name)}\ntitle = "t"\n[[experiments]]\nname = "e"\nworkloads = "dot"\n')
    done = attack("run", study)
    assert done.code == 2
    assert "not a name" in done.stderr or "not TOML" in done.stderr
    assert list((tmp_path / "work").iterdir()) == []
    assert sorted(tmp_path.iterdir()) == [study, tmp_path / "work"]


@pytest.mark.parametrize("name", ["../../escaped", "/tmp/escaped", "..", "a/b", ".hidden"])
def test_a_workload_cannot_leave_the_output_folder_by_its_name(name, attacked):
    attacked()
    place = output_folder(None, f"{name}-tf")
    assert place.parent == Path("dlprof-out")
    assert not place.name.startswith(".")
