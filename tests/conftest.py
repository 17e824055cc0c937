"""What all tests share: running the command line as a user does, and the recorded traces of others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from places import ROOT, TRACES

# A shell that starts the tests in the background ignores SIGINT for them, and every dlprof that they start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

Dlprof = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def dlprof() -> Dlprof:
    """`dlprof("show", path)` runs the command in a process of its own and returns it finished, output as text."""

    def run(
        *words: object, env: dict[str, str] | None = None, cwd: Path | None = None, timeout: float = 560
    ) -> subprocess.CompletedProcess[str]:
        environ = {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}
        command = [sys.executable, "-m", "dlprof", *map(str, words)]
        return subprocess.run(
            command, capture_output=True, text=True, env=environ, cwd=cwd, timeout=timeout, check=False
        )

    return run


@pytest.fixture(scope="session")
def recorded() -> Path:
    """Real traces that others recorded; they do not ship with the project."""
    if not TRACES.is_dir():
        pytest.skip("needs the traces of others, which do not ship with the project")
    return TRACES
