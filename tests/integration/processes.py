"""The command as a process of its own, that tests can watch and interrupt."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def start(*words: str, cwd: Path) -> subprocess.Popen[str]:
    """The command in a session of its own, interruptible even where this test run was started with SIGINT ignored."""
    return subprocess.Popen(
        [sys.executable, "-m", "dlprof", *words],
        cwd=cwd,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def wait_for(process: subprocess.Popen[str], pattern: str, limit_s: float = 400) -> str:
    """Read standard error until a line matches; returns what was read."""
    assert process.stderr is not None
    seen = ""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        line = process.stderr.readline()
        seen += line
        if re.search(pattern, line):
            return seen
        if not line:
            break
    raise AssertionError(f"never said {pattern!r}:\n{seen}")
