"""Temporary names tell whose they are: what a dead process left is found, what a living one has is not."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from dlprof import temporary

TOKEN = "0123456789abcdef"


def owner_of_another(code: str = "") -> str:
    """pid and start of a process that has ended."""
    done = subprocess.run(
        [sys.executable, "-c", f"from dlprof import temporary; print(temporary.owner()); {code}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


@pytest.fixture
def dead() -> str:
    return owner_of_another()


def names(place: Path) -> list[str]:
    return sorted(left.path.name for left in temporary.left_beside(place))


def test_what_a_dead_process_left_is_found_with_the_name_it_was_to_get(tmp_path, dead):
    (tmp_path / f".out.partial-{dead}-{TOKEN}").mkdir()
    (tmp_path / f".a.b.json.tmp-{dead}-{TOKEN}").write_text("half")
    found = sorted((left.name, left.kind) for left in temporary.left_beside(tmp_path))
    assert found == [("a.b.json", "tmp"), ("out", "partial")]


def test_what_this_process_has_under_way_is_not_left_over(tmp_path):
    temporary.beside(tmp_path / "out", "partial").mkdir()
    assert names(tmp_path) == []


def test_a_recycled_pid_is_not_the_owner(tmp_path):
    pid, start = temporary.owner().split("-")
    (tmp_path / f".out.partial-{pid}-{int(start) - 1}-{TOKEN}").mkdir()
    assert len(names(tmp_path)) == 1, "this pid lives, but was started at another time"


def test_a_folder_that_somebody_holds_is_alive_whatever_its_pid_says_here(tmp_path, dead):
    place = tmp_path / f".out.partial-{dead}-{TOKEN}"
    place.mkdir()
    code = f"import sys, time; sys.path.insert(0, {str(Path(temporary.__file__).parents[1])!r})\n"
    code += f"from pathlib import Path; from dlprof import temporary\nheld = temporary.hold(Path({str(place)!r}))\n"
    code += "print('held', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        assert names(tmp_path) == []
        assert temporary.at_work(tmp_path / "out")
        assert not temporary.remove(temporary.Leftover(place, "partial", "out"))
        other.kill()
    assert names(tmp_path) == [place.name], "the lock went with its process"
    assert not temporary.at_work(tmp_path / "out")


def test_names_of_others_and_links_are_left_alone(tmp_path, dead):
    precious = tmp_path / "precious"
    precious.mkdir()
    (tmp_path / ".out.partial-17").mkdir()
    (tmp_path / f"out.partial-{dead}-{TOKEN}").mkdir()
    (tmp_path / f".out.partial-{dead}-{TOKEN}").symlink_to(precious)
    assert names(tmp_path) == []


def test_folders_of_dead_processes_in_the_systems_temporary_directory_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with temporary.folder("view") as mine:
        assert mine.parent == tmp_path
        environ = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(Path(temporary.__file__).parents[1])}
        code = (
            "import os; from dlprof import temporary\nwith temporary.folder() as f: print(f, flush=True); os._exit(1)"
        )
        killed = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False)
        assert [str(left.path) for left in temporary.left_in_system()] == [killed.stdout.strip()]
    assert not mine.exists()


def test_only_the_last_reports_of_failures_are_kept_and_for_a_week(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for number in range(temporary.KEPT_REPORTS + 2):
        (tmp_path / f"dlprof-child-{number:02}.log").write_text("x")
        os.utime(tmp_path / f"dlprof-child-{number:02}.log", (2e9 + number, 2e9 + number))
    (tmp_path / "dlprof-error-old.txt").write_text("x")
    os.utime(tmp_path / "dlprof-error-old.txt", (1.0, 1.0))
    gone = sorted(left.path.name for left in temporary.old_reports())
    assert gone == ["dlprof-child-00.log", "dlprof-child-01.log", "dlprof-error-old.txt"]
    assert len(list(temporary.old_reports(every=True))) == temporary.KEPT_REPORTS + 3
