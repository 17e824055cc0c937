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
    assert found[-1].short == found[-1].label.split()[0]


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        ("main", "main", "the same commit"),
        ("side", "main", "no ancestor of main along first parents"),
        ("nothing", "main", "git rev-parse"),
        ("--help", "main", "git rev-parse"),
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
