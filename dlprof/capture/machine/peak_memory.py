"""The most memory that processes had in their lives, as the kernel kept count."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

import psutil


def peak_bytes(pids: Iterable[int]) -> int | None:
    """Sum over processes of each one's peak resident memory (VmHWM), which counts a page that two of them share twice.

    None where none of them can be asked: no Linux, or all have ended. A GPU's memory is not in it.
    """
    found = [peak for pid in pids if (peak := _peak(pid)) is not None]
    return sum(found) if found else None


def with_children(pid: int) -> list[int]:
    """A process and its descendants that live."""
    with contextlib.suppress(psutil.Error):
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    return [pid]


def _peak(pid: int) -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return None
