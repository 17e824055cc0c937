"""The row that is searched: commits along first parents, releases that the index offers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dlprof.api.bisect import row
from dlprof.errors import UsageError


def _git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    return subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    _git(tmp_path, "init", "-q", "-b", "main")
    for at in range(4):
        (tmp_path / "train.py").write_text(str(at))
        _git(tmp_path, "add", "-A")
        _git(tmp_path, "commit", "-qm", f"commit {at}")
    _git(tmp_path, "checkout", "-q", "-b", "side", "main~2")
    _git(tmp_path, "commit", "-qm", "aside", "--allow-empty")
    _git(tmp_path, "checkout", "-q", "main")
    _git(tmp_path, "merge", "-q", "--no-ff", "-m", "merged", "side")
    return tmp_path


def test_commits_along_first_parents_oldest_first(repository: Path):
    found = row.commits("main~4", "main", repository)
    assert [one.label.split(" ", 1)[1] for one in found] == ["commit 0", "commit 1", "commit 2", "commit 3", "merged"]
    assert found[-1].name == _git(repository, "rev-parse", "main").strip()


def test_titles_that_hold_other_ends_of_lines_or_do_not_end_are_one_label_each(repository: Path):
    title = "odd\u2028two\x0cthree\u0085::error::x " + "long " * 200
    _git(repository, "commit", "-q", "--allow-empty", "-m", title)
    found = row.commits("main~1", "main", repository)
    assert len(found) == 2
    assert found[1].label.split(" ", 1)[1].startswith("odd\u2028two")
    assert len(found[1].label) < 150


def test_a_shallow_clone_and_a_detached_head(repository: Path, tmp_path: Path):
    _git(tmp_path, "clone", "-q", "--depth", "2", repository.as_uri(), "shallow")
    with pytest.raises(UsageError, match="no revision here") as refused:
        row.commits("HEAD~3", "HEAD", tmp_path / "shallow")
    assert "--unshallow" in str(refused.value.hint)
    _git(repository, "checkout", "-q", "--detach", "main~1")
    assert len(row.commits("main~4", "HEAD", repository)) == 4


def test_a_folder_without_a_repository_has_no_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "plain").mkdir()
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    with pytest.raises(UsageError, match="no revision here"):
        row.commits("a", "b", tmp_path / "plain")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="git is not on the PATH"):
        row.commits("a", "b", tmp_path / "plain")


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        ("main", "main", "the same commit"),
        ("side", "main", "no ancestor of main along first parents"),
        ("nothing", "main", "nothing: no revision here"),
        ("--help", "main", "--help: no revision here"),
    ],
)
def test_what_is_no_row(repository: Path, good: str, bad: str, said: str):
    with pytest.raises(UsageError, match=said):
        row.commits(good, bad, repository)


def _index(monkeypatch: pytest.MonkeyPatch, stdout: str, code: int = 0) -> None:
    done = subprocess.CompletedProcess([], code, stdout, "")
    monkeypatch.setattr(row.subprocess, "run", lambda *_, **__: done)


def test_releases_between_and_those_that_the_numbers_miss(monkeypatch: pytest.MonkeyPatch):
    _index(monkeypatch, "jax (0.10.2)\nAvailable versions: 0.10.2, 0.4.33, 0.4.31, 0.4.30, 0.4.9\n")
    found = row.releases("jax", "0.4.30", "0.10.2", Path(sys.executable))
    assert [one.name for one in found] == ["0.4.30", "0.4.31", "0.4.33", "0.10.2"]
    assert row.left_out("jax", found) == "jax 0.4.32: not to be had here, and so not tried"
    with pytest.raises(UsageError, match=r"jax 0.4.32: not offered"):
        row.releases("jax", "0.4.30", "0.4.32", Path(sys.executable))
    with pytest.raises(UsageError, match="no older release"):
        row.releases("jax", "0.4.31", "0.4.30", Path(sys.executable))
    with pytest.raises(UsageError, match="no version"):
        row.releases("jax", "main", "0.4.30", Path(sys.executable))


def test_a_pip_that_says_nothing_is_an_error_with_the_command_to_try(monkeypatch: pytest.MonkeyPatch):
    _index(monkeypatch, "", 1)
    with pytest.raises(UsageError, match="not known: pip said nothing"):
        row.releases("jax", "0.4.30", "0.4.31", Path(sys.executable))


def test_a_build_of_a_release_is_that_release_and_names_that_are_no_versions_are_passed_over(monkeypatch):
    _index(monkeypatch, "Available versions: 2.13.0+cpu, 2.12.1+cpu, 2004d, 2.9.0\n")
    found = row.releases("torch", "2.9", "2.13.0", Path(sys.executable))
    assert [one.name for one in found] == ["2.9.0", "2.12.1+cpu", "2.13.0+cpu"]
    with pytest.raises(UsageError, match=r"2\.13\.0\+cu130: not offered"):
        row.releases("torch", "2.9", "2.13.0+cu130", Path(sys.executable))


def test_an_environment_without_pip_is_asked_about_by_our_own(monkeypatch):
    asked: list[list[str]] = []

    def answer(words, **_):
        asked.append(words)
        first = len(asked) == 1
        said = "" if first else "Available versions: 2, 1\n"
        return subprocess.CompletedProcess([], int(first), said, "ImportError: No module named pip" if first else "")

    monkeypatch.setattr(row.subprocess, "run", answer)
    assert len(row.releases("jax", "1", "2", Path("venv/bin/python"))) == 2
    assert asked[1][0] == sys.executable
    assert asked[1][asked[1].index("--python") + 1] == "venv/bin/python"
