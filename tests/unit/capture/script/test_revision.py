"""A revision of a repository as a folder: its files, what is missing, and a repository that is left as it was."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from dlprof.capture.script import revision
from dlprof.capture.script.revision import checked_out, uncommitted
from dlprof.capture.script.scratch import copied
from dlprof.errors import UsageError

VERBS = ("checkout-index", "config", "diff", "ls-files", "ls-tree", "read-tree", "rev-parse")
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"


def _git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always")
    return subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two commits, the newer of which changed train.py; beside them a file that git does not track, and an environment."""
    made = tmp_path / "repository"
    (made / "project").mkdir(parents=True)
    _git(made, "init", "-q", "-b", "main")
    (made / "project" / "train.py").write_text("old")
    (made / "project" / "weights.bin").write_text(POINTER)
    _git(made, "add", "-A")
    _git(made, "commit", "-qm", "old")
    (made / "project" / "train.py").write_text("new")
    _git(made, "commit", "-qam", "new")
    (made / "project" / "train.py").write_text("not committed")
    (made / "project" / "data.npz").write_text("data")
    (made / "project" / "venv").mkdir()
    (made / "project" / "venv" / "pyvenv.cfg").write_text("")
    return made


def _state(folder: Path) -> dict[str, str]:
    return {str(one): hashlib.sha256(one.read_bytes()).hexdigest() for one in folder.rglob("*") if one.is_file()}


def test_the_files_are_those_of_the_revision_and_the_repository_is_left_as_it_was(
    repository: Path, tmp_path: Path
) -> None:
    before = _state(repository)
    found = checked_out("main~1", repository / "project", tmp_path / "made")
    assert (found.folder / "train.py").read_text() == "old"
    assert found.folder == tmp_path / "made" / "project"
    assert found.commit == _git(repository, "rev-parse", "main~1").strip()
    assert _state(repository) == before
    assert _git(repository, "worktree", "list").count("\n") == 1


def test_git_is_asked_of_filters_only_before_what_opens_files(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, run = list[str](), subprocess.run

    def noted(words: list[str], **how: object) -> object:
        asked.append(words[len(revision.READ_ONLY) + 1 :])
        return run(words, **how)

    monkeypatch.setattr(revision.subprocess, "run", noted)
    checked_out("main~1", repository / "project", tmp_path / "made")
    verbs = [next(word for word in words if word in VERBS) for words in asked]
    assert verbs.count("diff") == 1
    assert [verbs[at + 1] for at, verb in enumerate(verbs) if verb == "config"] == ["diff", "ls-files", "ls-files"]
    assert len(verbs) <= 13, verbs


def test_what_a_clone_would_have_and_a_revision_has_not_is_said(repository: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    _git(other, "init", "-q")
    _git(other, "commit", "-q", "--allow-empty", "-m", "one")
    for own in ("dlprof-out", "dlprof-history"):
        (repository / "project" / own).mkdir()
        (repository / "project" / own / "entry.json").write_text("{}")
    _git(repository, "submodule", "add", "-q", str(other), "project/module")
    _git(repository, "commit", "-qm", "with a submodule")
    made = checked_out("HEAD", repository / "project", tmp_path / "made")
    assert not made.unchanged, "its folder lacks what the submodule has"
    said = "\n".join(made.missing)
    assert "submodules are empty folders there: project/module; --link module takes those of the working folder" in said
    assert "pointers there, not their contents: project/weights.bin" in said
    assert "not there: data.npz; name" in said, "and neither an environment nor what dlprof wrote"
    assert "venv" not in said


def test_data_that_are_linked_come_from_the_working_folder(repository: Path, tmp_path: Path) -> None:
    found = checked_out("main", repository / "project", tmp_path / "made")
    here = repository / "project"
    copy = copied(found.folder, tmp_path / "copy", [here / "data.npz"], origin=here)
    assert (copy / "data.npz").resolve() == here / "data.npz"
    assert (copy / "train.py").read_text() == "new"


@pytest.mark.parametrize(("name", "words"), [("nothing", "no revision nothing"), ("--all", "no revision --all")])
def test_a_revision_that_is_none_is_refused(repository: Path, tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        checked_out(name, repository, tmp_path / "made")


def test_a_folder_in_no_repository_has_no_revisions(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    with pytest.raises(UsageError, match="in no git repository"):
        checked_out("main", tmp_path / "plain", tmp_path / "made")


def test_requirements_that_changed_are_said_for_the_side_runs_in_the_same_environment(
    repository: Path, tmp_path: Path
) -> None:
    (repository / "requirements-dev.txt").write_text("jax==0.10.2\n")
    (repository / "README.md").write_text("requirements\n")
    (said,) = [
        text for text in checked_out("main~1", repository / "project", tmp_path / "made").missing if "requirem" in text
    ]
    assert said.startswith("requirements-dev.txt: not as in the working folder")
    assert "--base-python" in said


def test_a_shallow_clone_says_how_to_have_the_rest(repository: Path, tmp_path: Path) -> None:
    _git(tmp_path, "clone", "-q", "--depth", "1", repository.as_uri(), "shallow")
    with pytest.raises(UsageError, match="no revision HEAD~1") as refused:
        checked_out("HEAD~1", tmp_path / "shallow", tmp_path / "made")
    assert "fetch-depth: 0" in str(refused.value.hint)
    with pytest.raises(UsageError, match="no revision HEAD~9") as refused:
        checked_out("HEAD~9", repository, tmp_path / "made")
    assert "git branch --all" in str(refused.value.hint)


def test_whether_the_working_folder_is_the_revision_and_what_of_it_is_in_no_commit(
    repository: Path, tmp_path: Path
) -> None:
    assert not checked_out("main", repository / "project", tmp_path / "one").unchanged
    assert uncommitted(repository) == "the working folder has changes that are in no commit: project/train.py"
    _git(repository, "checkout", "-q", "--detach")
    _git(repository, "checkout", "-q", "--", ".")
    assert checked_out("main", repository / "project", tmp_path / "two").unchanged
    assert not checked_out("main~1", repository / "project", tmp_path / "three").unchanged
    assert uncommitted(repository / "project") == ""
    assert uncommitted(tmp_path) == ""


def test_a_repository_of_somebody_else_is_refused_with_what_git_says(
    repository: Path, tmp_path: Path, monkeypatch
) -> None:
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    said = "fatal: detected dubious ownership in repository at '/x'\n\n\tgit config --global --add safe.directory /x"
    program.write_text(f"#!/bin/sh\nprintf '%s' \"{said}\" >&2\nexit 128\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    with pytest.raises(UsageError, match="dubious ownership") as refused:
        checked_out("main", repository, tmp_path / "made")
    assert "git config --global --add safe.directory" in str(refused.value.hint)
