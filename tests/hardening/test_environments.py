"""A changed file of an installed environment is noticed by its content, whatever its size and its date."""

import base64
import hashlib
import os
from pathlib import Path

import pytest

from dlprof.capture.machine import probe


@pytest.fixture
def environment(tmp_path) -> Path:
    """An environment with one package of two files, looked at once."""
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    (site / "p").mkdir(parents=True)
    (site / "p-1.dist-info").mkdir()
    rows = []
    for name in ("p/a.py", "p/b.so"):
        (site / name).write_bytes(b"x = 1\n")
        digest = base64.urlsafe_b64encode(hashlib.sha256(b"x = 1\n").digest()).rstrip(b"=").decode()
        rows.append(f"{name},sha256={digest},6\n")
    (site / "p-1.dist-info" / "RECORD").write_text("".join(rows) + "p-1.dist-info/RECORD,,\n")
    assert probe.damage(tmp_path) is None
    return tmp_path


def changed(file: Path, how: str) -> None:
    times = file.stat()
    if how == "replaced":
        file.unlink()
    file.write_bytes(b"x = 2\n")
    if how != "plainly":
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize("name", ["p/a.py", "p/b.so"])
@pytest.mark.parametrize("how", ["plainly", "with its old date", "replaced"])
def test_another_content_of_the_same_size_is_noticed(environment, attacked, name, how):
    attacked()
    changed(environment / "lib" / "python3.11" / "site-packages" / name, how)
    assert probe.damage(environment) == f"{name} has another content than was installed"
    assert probe.damage(environment) == f"{name} has another content than was installed", "and the next time too"


def test_what_was_found_right_is_not_read_again(environment, monkeypatch):
    monkeypatch.setattr(probe, "_digest", lambda *_: pytest.fail("read again"))
    assert probe.damage(environment) is None


def test_a_touched_file_is_read_and_found_right(environment):
    os.utime(environment / "lib" / "python3.11" / "site-packages" / "p" / "a.py")
    assert probe.damage(environment) is None


@pytest.mark.parametrize("stamps", ["", "[]", "{", '{"a": 1}', "null"])
def test_damaged_stamps_make_all_be_read(environment, attacked, stamps):
    attacked()
    (environment / probe.STAMPS).write_text(stamps)
    assert probe.damage(environment) is None
