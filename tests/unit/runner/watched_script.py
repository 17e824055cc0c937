"""A script that dlprof watches, started by a test, which then says to it what dlprof would."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from dlprof.capture.script.command import INJECTED
from dlprof.capture.script.link import Job, Listener

STEP = {"DLPROF_STEP": "__main__:train_step"}

LOOP = """
import os, sys, time
def train_step(n):
    time.sleep(0.001)
for n in range(int(sys.argv[1])):
    train_step(n)
print("finished")
sys.stdout.flush()
"""


class Script:
    """A script under way, and what it says to dlprof."""

    def __init__(
        self,
        folder: Path,
        text: str,
        words: tuple[object, ...] = (),
        more: Mapping[str, str] = {},
        python: Path | str = sys.executable,
    ) -> None:
        self.listener = Listener(folder / "s")
        (folder / "script.py").write_text(text)
        environment = {**os.environ, "PYTHONPATH": str(INJECTED), "DLPROF_SOCKET": str(self.listener.path), **more}
        command = [str(python), str(folder / "script.py"), *map(str, words)]
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.jobs: list[Job] = []

    @property
    def job(self) -> Job | None:
        """Its processes, once they have taken a step; None where it ends before."""
        found = self.listener.job(lambda: self.process.poll() is None, time.monotonic() + 30)
        self.jobs += [found] if found else []
        return found

    def ended(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err

    def close(self) -> None:
        self.process.kill()
        if self.process.stdout and not self.process.stdout.closed:
            self.process.communicate()
        for job in self.jobs:
            job.close()
        self.listener.close()
