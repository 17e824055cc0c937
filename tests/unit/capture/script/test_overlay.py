"""An upgrade tried beside an environment: the overlay sees the new package and all others, the environment stays as it was."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import uv

from dlprof.capture.script import overlay
from dlprof.errors import EnvironmentFailed


def _wheel(folder: Path, name: str, version: str) -> Path:
    """A package of one module that tells its version."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    at = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(f"{name}.py", f"version = {version!r}\n")
        file.writestr(f"{at}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        file.writestr(f"{at}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{at}/RECORD", f"{name}.py,,\n{at}/METADATA,,\n{at}/WHEEL,,\n{at}/RECORD,,\n")
    return path


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """An environment with two packages."""
    made, wheels = tmp_path / "environment", [_wheel(tmp_path, "fast", "1.0"), _wheel(tmp_path, "other", "3.0")]
    _uv("venv", "--no-project", "--python", sys.executable, made)
    _uv("pip", "install", "--offline", "--python", made / "bin" / "python", *wheels)
    return made


def _uv(*words: object) -> None:
    subprocess.run([uv.find_uv_bin(), *map(str, words)], check=True, capture_output=True)


def _said(python: Path, text: str) -> str:
    return subprocess.run([python, "-c", text], check=True, capture_output=True, text=True).stdout.strip()


def _state(folder: Path) -> list[tuple[str, int, bytes]]:
    files = [one for one in folder.rglob("*") if one.is_file() and "__pycache__" not in one.parts]
    return sorted((str(one), one.stat().st_mtime_ns, one.read_bytes()) for one in files)


def test_a_wish_is_seen_in_the_overlay_alone_with_all_other_packages_of_the_environment(
    environment: Path, tmp_path: Path
) -> None:
    before, python = _state(environment), environment / "bin" / "python"
    made = overlay.made(
        python, [f"fast @ {_wheel(tmp_path, 'fast', '2.0').as_uri()}"], tmp_path / "over", lambda _: None
    )
    show = "import fast, other, importlib.metadata as m; print(fast.version, m.version('fast'), other.version)"
    assert _said(made, show) == "2.0 2.0 3.0"
    assert _said(python, show) == "1.0 1.0 3.0"
    assert _state(environment) == before


def test_a_wish_that_cannot_be_had_is_told_with_what_it_was_for(environment: Path, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed, match="cannot try nothing @") as failed:
        overlay.made(environment / "bin" / "python", ["nothing @ file:///nowhere-1-py3-none-any.whl"], tmp_path / "over",
                     lambda _: None)  # fmt: skip
    assert "log:" not in failed.value.message, "it lies in a folder that is gone when this is read"


def test_a_release_that_is_not_offered_says_how_to_ask_for_those_that_are(
    environment: Path, tmp_path: Path, monkeypatch
) -> None:
    """What lists the frameworks' releases lists none of another package."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(EnvironmentFailed, match="cannot try fast==9") as failed:
        overlay.made(environment / "bin" / "python", ["fast==9"], tmp_path / "over", lambda _: None)
    assert "`pip index versions PACKAGE`" in str(failed.value.hint)
