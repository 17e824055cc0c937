"""Temporary names cannot be guessed or taken, and what dlprof writes goes to the file that was named, nowhere else."""

import os
import re
from pathlib import Path

import pytest

from dlprof.store import CaptureWriter, atomic
from dlprof.temporary import beside


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
