"""TensorBoard on loopback as a child process, which ends with dlprof; its address holds a token made at the start."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from dlprof.capture.workers import process
from dlprof.cli.page_server import HOST, new_token
from dlprof.errors import ChildFailed

_ADDRESS: Final = re.compile(rb"^TensorBoard \S+ at (http://\S+)")
_SHOWN: Final = 8
"""Last lines of what it said that an error repeats."""


@contextmanager
def served(python: Path, logdir: Path, port: int) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Its address once it answers there, and its process; ended when the block is left.

    python: one that has TensorBoard. Raises `ChildFailed` where it ends before it serves.
    """
    places = ["--logdir", str(logdir), "--host", HOST, "--port", str(port), "--path_prefix", f"/{new_token()}"]
    # -I: nothing of the working folder, nor of PYTHONPATH, is imported.
    words = [str(python), "-I", "-u", "-m", "tensorboard.main", *places, "--load_fast=false"]
    child = process.start(words, env=os.environ, cwd=logdir, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert child.stderr is not None
    try:
        yield _address(child.stderr), child
    finally:
        process.stop(child)
        child.stderr.close()


def ended(child: subprocess.Popen[bytes]) -> None:
    """Wait until it ends by itself, reading what it says so that it never waits for us. Raises `ChildFailed` then."""
    assert child.stderr is not None
    raise _failed(list(child.stderr))


def _address(said: IO[bytes]) -> str:
    """What it says where it serves. Raises `ChildFailed` where it says something else and ends."""
    lines: list[bytes] = []
    for line in said:
        found = _ADDRESS.match(line)
        if found:
            return found[1].decode()
        lines.append(line)
    raise _failed(lines)


def _failed(lines: list[bytes]) -> ChildFailed:
    told = b"".join(lines[-_SHOWN:]).decode(errors="replace").strip()
    return ChildFailed(
        f"TensorBoard ended by itself{f':{chr(10)}{told}' if told else ''}",
        hint="`dlprof view` without --tensorboard shows the report page, which needs nothing",
    )
