"""What a reader must know of two sides before they run: that they are the same, or that one is in no commit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dlprof.api.script import ground
from dlprof.api.script.ground import Ground, told_of_both
from dlprof.capture.script.command import Command
from dlprof.capture.script.revision import Revision
from dlprof.errors import UsageError

COMMAND = Command(("python", "train.py"))


def of(name: str, commit: str, *, unchanged: bool = False) -> Ground:
    revision = Revision(name, commit, Path(), Path(), Path(), (), unchanged)
    return Ground(replace(COMMAND, revision=name), Path(), revision)


@pytest.fixture(autouse=True)
def _committed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ground.revision, "uncommitted", lambda _: "")


def test_a_base_that_is_the_head_is_said():
    (said,) = told_of_both(of("main", "a", unchanged=True), Ground(COMMAND, Path()))
    assert said.startswith(
        "both sides are the same: the tracked files of the working folder are those of revision main"
    )
    (said,) = told_of_both(of("main", "a"), of("v1", "a"))
    assert "main and v1 are one commit" in said


def test_sides_that_differ_are_not():
    head = Ground(COMMAND, Path())
    assert not list(told_of_both(of("main", "a"), head))
    assert not list(told_of_both(of("main", "a"), of("v1", "b")))
    assert not list(told_of_both(of("main", "a", unchanged=True), Ground(replace(COMMAND, python=Path("p")), Path())))
    assert not list(told_of_both(head, head)), "a script against itself is what was asked for"


def test_a_head_with_changes_in_no_commit_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ground.revision, "uncommitted", lambda _: "changes: train.py")
    assert list(told_of_both(of("main", "a"), Ground(COMMAND, Path()))) == ["B: changes: train.py"]


@pytest.mark.parametrize(("name", "said"), [("main", ["revision main is commit " + 40 * "a"]), (40 * "a", [])])
def test_which_commit_a_revision_is_is_said_where_its_name_does_not(tmp_path: Path, name: str, said: list[str]) -> None:
    found = Revision(name, 40 * "a", tmp_path, tmp_path, tmp_path, ())
    assert list(Ground(Command(("python", "train.py"), revision=name), tmp_path, found).notes) == said


def test_a_script_that_the_revision_lacks_is_told_unless_it_is_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder, then = tmp_path / "project", tmp_path / "then"
    for place in (folder / "bench", then):
        place.mkdir(parents=True)
    (folder / "bench" / "new.py").touch()
    (tmp_path / "outside.py").touch()
    monkeypatch.chdir(folder)
    found = Revision("main", 40 * "a", folder, then, then, ())
    command = Command(("python", "-u", "bench/new.py"))
    with pytest.raises(UsageError, match=r"revision main has no bench/new\.py") as refused:
        ground._check_script(command, found, ())
    assert "--link bench/new.py" in str(refused.value.hint)
    for links in ((Path("bench"),), (folder / "bench" / "new.py",)):
        ground._check_script(command, found, links)
    for other in (
        ("python", "-m", "package"),
        ("python", "nowhere.py"),
        ("python", "../outside.py"),
        ("python", "/a.py"),
    ):
        ground._check_script(Command(other), found, ())
