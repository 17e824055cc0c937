"""Environments with a framework that tests run scripts in, made by pip on first use and kept in pytest's cache."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def _run(*words: object, timeout: int = 900) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, words)], capture_output=True, text=True, timeout=timeout, check=False)


def environment(
    request: pytest.FixtureRequest, name: str, install: Callable[[Path], str | None], of: Path | str = sys.executable
) -> Path:
    """The Python of an environment that `install(python)` fills on first use, kept in pytest's cache; skips with its answer.
    of: the Python that it is an environment of."""
    cache = request.config.cache
    assert cache is not None
    folder = cache.mkdir(name)
    python = folder / "bin" / "python"
    with FileLock(folder.with_suffix(".lock")):
        if not (folder / "complete").exists():
            assert _run(of, "-m", "venv", "--clear", folder).returncode == 0
            if failed := install(python):
                pytest.skip(failed)
            (folder / "complete").touch()
    return python


def pip(python: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return _run(python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", *words)
