"""A history on disk: what is kept of a comparison, under which revision, and what is refused."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from dlprof.api import history
from dlprof.api.import_timings import import_timings
from dlprof.cli.main import main
from dlprof.errors import StoreError, UsageError
from dlprof.ingest.timings_csv import Layout


def comparison(folder: Path, factor: float = 1.1, trials: int = 8) -> Path:
    """A table of timings, imported: `new` takes `factor` times as long as `old`."""
    folder.mkdir()
    rows = ["size,run,old,new"]
    for trial in range(trials):
        old = 10 + 0.1 * (trial % 3)
        rows.append(f"50,{trial},{old:.4f},{old * factor * (1 + 0.002 * (trial % 2)):.4f}")
    (folder / "theirs.csv").write_text("\n".join(rows) + "\n")
    layout = Layout(sides=("old", "new"), unit="ms", groups=("size",), trial_column="run")
    import_timings(folder / "theirs.csv", folder / "out", layout)
    return folder / "out"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder in git with one commit."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "train.py").write_text("print()\n")
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    for words in (("init", "-q"), ("add", "-A"), (*who, "commit", "-qm", "a faster step")):
        subprocess.run(["git", *words], cwd=folder, check=True)
    monkeypatch.chdir(folder)
    return folder


def test_a_comparison_is_kept_under_the_commit_of_the_working_folder(repository: Path, tmp_path: Path) -> None:
    kept = history.save(tmp_path / "kept", "train", comparison(tmp_path / "one"))
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=repository, capture_output=True, text=True, check=True)
    assert (kept.entry.revision, kept.entry.title) == (head.stdout[:12], "a faster step")
    (figures,) = kept.entry.items.values()
    assert len(figures.log_ratios) == len(figures.head) == 8
    assert history.entries(tmp_path / "kept", "train") == (kept.entry,)


def test_changes_that_are_in_no_commit_are_said(repository: Path, tmp_path: Path) -> None:
    (repository / "train.py").write_text("print(1)\n")
    kept = history.save(tmp_path / "kept", "train", comparison(tmp_path / "one"))
    assert any("in no commit: train.py" in note for note in kept.notes)


def test_the_same_comparison_kept_twice_is_kept_once(repository: Path, tmp_path: Path) -> None:
    source = comparison(tmp_path / "one")
    first = history.save(tmp_path / "kept", "train", source, "v1")
    again = history.save(tmp_path / "kept", "train", source, "v2")
    assert (first.new, again.new) == (True, False)
    assert [one.revision for one in history.entries(tmp_path / "kept", "train")] == ["v2"]


def test_without_a_repository_the_revision_must_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = comparison(tmp_path / "one")
    with pytest.raises(UsageError, match="which revision"):
        history.save(tmp_path / "kept", "train", source)
    assert history.save(tmp_path / "kept", "train", source, "nightly-4").entry.revision == "nightly-4"


@pytest.mark.parametrize("name", ["", "../elsewhere", ".hidden", "a/b", "-x"])
def test_a_name_that_would_lead_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="no name for a history"):
        history.entries(tmp_path, name)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "20260101-x.json").write_text('{"schema_version": 1, "kind": "history", "entry": {}}')
    with pytest.raises(StoreError, match=r"20260101-x\.json"):
        history.entries(tmp_path, "train")


def test_what_is_no_comparison_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        history.save(tmp_path / "kept", "train", tmp_path, "v1")


def test_the_verbs_keep_list_and_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for at, factor in enumerate((1.0, 1.1)):
        source = comparison(tmp_path / f"c{at}", factor)
        assert main(["baseline", "save", "train", str(source), "--revision", f"v{at}"]) == 0
    capsys.readouterr()
    assert main(["baseline", "list"]) == 0
    assert "train\t2 kept" in capsys.readouterr().out
    assert main(["baseline", "show", "train"]) == 0
    assert "v1" in capsys.readouterr().out
    assert main(["history", "train", "--format", "json"]) == 0
    points = json.loads(capsys.readouterr().out)["points"]
    assert [point["revision"] for point in points] == ["v0", "v1"]
    assert main(["history", "train"]) == 0
    assert "no gate" in capsys.readouterr().out
    assert main(["history", "train", "--format", "csv"]) == 0
    assert capsys.readouterr().out.splitlines()[0].endswith("gate,change")
    assert main(["history", "train", "-o", "train.svg"]) == 0
    assert (tmp_path / "train.svg").read_text().lstrip().startswith("<?xml")


def test_saving_without_a_comparison_says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["baseline", "save", "train"]) == 2
    assert "needs a NAME and a DIR" in capsys.readouterr().err
