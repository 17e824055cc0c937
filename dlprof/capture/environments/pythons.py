"""Finding a Python of a wanted version: what uv knows, pyenv's versions, PATH, and last a download by uv."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import uv

from dlprof.capture.workers import process
from dlprof.errors import EnvironmentFailed

_VERSION = "import sys; print('%d.%d' % sys.version_info[:2])"
_ANSWER_S = 60
_NOWHERE = os.sep
"""Where uv runs: in the working folder it would follow an uv.toml that lies there, which may name where Pythons come from."""


def find(version: str) -> Path | None:
    """A working Python `version` (such as 3.7) on this machine, or None. Each is run: pyenv's shims often refuse."""
    for candidate in _candidates(version):
        if _answers(candidate, version):
            return candidate
    return None


def places(version: str) -> list[str]:
    """Where `find` looked, for the error message."""
    return [
        "uv's own and the system's Pythons (uv python find)",
        *(str(root / f"{version}*" / "bin" / f"python{version}") for root in _pyenv_roots()),
        f"python{version} on PATH",
    ]


def fetch(version: str, log: Path) -> Path:
    """Let uv download a Python. Raises `EnvironmentFailed`, saying what was looked for and where, when it cannot."""
    with log.open("ab") as file:
        done = subprocess.run(
            [uv.find_uv_bin(), "python", "install", version], cwd=_NOWHERE, stdout=file, stderr=file, check=False
        )
    found = find(version) if done.returncode == 0 else None
    if found:
        return found
    raise EnvironmentFailed(
        f"no Python {version} found, and uv could not download one\n  looked in: {'; '.join(places(version))}\n"
        f"{process.tail(log, 4)}\n  log: {log}",
        hint=f"install Python {version} (pyenv does it), or name an environment of your own with --python PATH",
    )


def _candidates(version: str) -> Iterator[Path]:
    asked = subprocess.run(
        [uv.find_uv_bin(), "python", "find", "--no-python-downloads", "--no-project", "--system", version],
        cwd=_NOWHERE,
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode == 0:
        yield Path(asked.stdout.strip())
    for root in _pyenv_roots():
        yield from sorted(root.glob(f"{version}*/bin/python{version}"), reverse=True)
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        found = shutil.which(f"python{version}", path=folder)
        if found:
            yield Path(found)


def _pyenv_roots() -> list[Path]:
    roots = [os.environ.get("PYENV_ROOT"), str(Path.home() / ".pyenv")]
    return [Path(root) / "versions" for root in dict.fromkeys(filter(None, roots))]


def _answers(candidate: Path, version: str) -> bool:
    try:
        asked = subprocess.run(
            [candidate, "-I", "-S", "-c", _VERSION], capture_output=True, text=True, check=False, timeout=_ANSWER_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0 and asked.stdout.strip() == version
