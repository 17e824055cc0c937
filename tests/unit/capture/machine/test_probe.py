"""An environment is asked through its own Python, and its installed files are held against what was installed."""

from __future__ import annotations

import base64
import hashlib
import os
import platform
import sys
from pathlib import Path

import pytest

from dlprof.capture.machine import probe
from dlprof.errors import EnvironmentFailed

PYTHON = Path(sys.executable)


def test_a_python_says_its_version_and_packages_and_that_of_the_module() -> None:
    told = probe.ask(PYTHON, "numpy")
    assert told["python"] == platform.python_version()
    assert told["module"] == told["packages"]["numpy"]


def test_a_module_that_does_not_import_is_told_with_its_own_error() -> None:
    with pytest.raises(EnvironmentFailed, match="ModuleNotFoundError: No module named 'no_such_framework'"):
        probe.ask(PYTHON, "no_such_framework")


def test_a_library_that_does_not_load_is_named_before_anything_is_imported() -> None:
    with pytest.raises(EnvironmentFailed, match=r"libno_such\.so\.1"):
        probe.ask(PYTHON, "no_such_framework", libraries=("libno_such.so.1",))


def test_what_is_no_python_is_told_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed, match=r"cannot run .*absent") as error:
        probe.ask(tmp_path / "absent", None)
    assert error.value.hint == "give the path of a Python interpreter"


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """One installed package of one file."""
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    info = site / "small-1.0.dist-info"
    info.mkdir(parents=True)
    content = b"ANSWER = 42\n"
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    (site / "small.py").write_bytes(content)
    (info / "RECORD").write_text(f"small.py,sha256={digest},{len(content)}\nsmall-1.0.dist-info/RECORD,,\n")
    return tmp_path


def installed(environment: Path) -> Path:
    return environment / "lib" / "python3.11" / "site-packages" / "small.py"


def test_files_as_they_were_installed_are_no_damage(environment: Path) -> None:
    assert probe.damage(environment) is None
    assert probe.damage(environment) is None  # by their stamps, the second time


@pytest.mark.parametrize(
    ("content", "told"), [(b"ANSWER = 43\n", "another content"), (b"ANSWER = 4200\n", "bytes where")]
)
def test_a_changed_file_is_damage_also_where_its_size_is_the_same(content: bytes, told: str, environment: Path) -> None:
    assert probe.damage(environment) is None
    installed(environment).write_bytes(content)
    found = probe.damage(environment)
    assert found is not None
    assert found.startswith("small.py")
    assert told in found


def test_setting_the_time_of_a_changed_file_back_hides_nothing(environment: Path) -> None:
    file = installed(environment)
    assert probe.damage(environment) is None
    before = file.stat()
    file.write_bytes(b"ANSWER = 43\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert probe.damage(environment) == "small.py has another content than was installed"


def test_a_missing_file_is_damage(environment: Path) -> None:
    installed(environment).unlink()
    assert probe.damage(environment) == "small.py is missing"
