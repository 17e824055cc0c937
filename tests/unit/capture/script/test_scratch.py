"""A scratch copy of the working folder: written to freely, the original untouched."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlprof.capture.script import scratch
from dlprof.capture.script.scratch import copied, leads_out
from dlprof.errors import UsageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "project"
    (made / "checkpoints").mkdir(parents=True)
    (made / "checkpoints" / "last.pt").write_bytes(b"precious")
    (made / "data").mkdir()
    (made / "data" / "train.bin").write_bytes(b"x" * 1000)
    (made / "venv").mkdir()
    (made / "venv" / "pyvenv.cfg").write_text("")
    (made / "__pycache__").mkdir()
    (made / "train.py").write_text("print(1)\n")
    return made


def test_what_is_written_in_the_copy_does_not_reach_the_original(folder: Path, tmp_path: Path) -> None:
    copy = copied(folder, tmp_path / "copy")
    (copy / "checkpoints" / "last.pt").write_bytes(b"cut short")
    (copy / "data" / "cache").write_bytes(b"")
    assert (folder / "checkpoints" / "last.pt").read_bytes() == b"precious"
    assert not (folder / "data" / "cache").exists()
    assert not (copy / "__pycache__").exists()


def test_environments_and_what_the_user_names_are_linked(folder: Path, tmp_path: Path) -> None:
    copy = copied(folder, tmp_path / "copy", [folder / "data"])
    assert (copy / "venv").is_symlink()
    assert (copy / "data").is_symlink()
    assert (copy / "data" / "train.bin").read_bytes() == b"x" * 1000


def test_a_file_of_code_that_is_named_is_copied_for_python_would_look_beside_what_a_link_leads_to(
    folder: Path, tmp_path: Path
) -> None:
    revision = tmp_path / "revision"
    revision.mkdir()
    for of in (folder, revision):
        copy = copied(of, tmp_path / f"copy-of-{of.name}", [folder / "train.py", folder / "data"], origin=folder)
        assert not (copy / "train.py").is_symlink()
        assert (copy / "train.py").read_text() == "print(1)\n"
        assert (copy / "data").is_symlink()


def test_a_folder_too_large_to_copy_is_refused_unless_its_data_are_named(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch, "MOST_BYTES", 500)
    with pytest.raises(UsageError, match="too much to be copied") as refused:
        copied(folder, tmp_path / "copy")
    assert "--link" in str(refused.value.hint)
    copied(folder, tmp_path / "copy", [folder / "data"])


def test_a_link_outside_of_the_working_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not in the working folder"):
        copied(folder, tmp_path / "copy", [tmp_path])


@pytest.mark.parametrize(
    ("word", "leads"),
    [
        ("../shared.txt", True),
        ("../project/train.py", True),
        ("--data=../shared.txt", True),
        ("data/../../shared.txt", True),
        ("data/../train.py", False),
        ("../nothing of the kind", False),
        ("--lr=0.1", False),
        ("-", False),
    ],
)
def test_an_argument_that_would_not_be_found_beside_the_copy_is_known(folder: Path, word: str, leads: bool) -> None:
    (folder.parent / "shared.txt").write_text("")
    assert leads_out(["train.py", word, str(folder / ".." / "shared.txt")], folder) == (word if leads else None)
