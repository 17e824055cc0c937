"""All processes of a script: found, stopped and let go on together, their CPU time and their memory."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dlprof.capture.workers import paused
from dlprof.capture.workers.worker import process_cpu_ns

STOPPED_S: Final = 5.0
"""Time in which a process that was sent SIGSTOP has stopped; one that waits for a disk stops when it has what it waits for."""

_LOOK_S: Final = 1.0
"""Processes outside of the family are looked for so often: it takes a look at every process of the machine."""

_SETTLED: Final = float("-inf")
"""In place of the time of the first look: it is known to be none of the script's."""

_PROC: Final = Path("/proc")
_STILL: Final = "TtZX"
"""States of a process that uses no CPU whatever happens: stopped, ended."""


@dataclass(slots=True)
class Processes:
    """The descendants of the first process, and those that left the family (daemons) but have its environment.

    pid: of the first. mark: a variable with its value that no other process has
    """

    pid: int
    mark: str
    _strays: set[int] = field(default_factory=set)
    _looked: float = float("-inf")
    _groups: set[int] = field(default_factory=set)
    _others: dict[tuple[str, int], float] = field(default_factory=dict)
    _stopped: bool = False

    def __post_init__(self) -> None:
        # From the start on: what the first has started would run on after a dlprof that is killed before any step.
        self._groups.add(self.pid)
        paused.watch(self._groups)

    def alive(self, *, look: bool = False) -> list[int]:
        """Their pids. look: look for strays now, however short ago that was done."""
        if look or time.monotonic() - self._looked > _LOOK_S:
            self._strays = set(self._marked())
            self._looked = time.monotonic()
        found = family(self.pid)
        for stray in self._strays.difference(found):
            found += family(stray)
        return list(dict.fromkeys(found))

    def stop(self, *, look: bool = False) -> None:
        """Stop them all: threads that spin, workers that fetch ahead and prefetching threads alike. look: as of `alive`."""
        self._groups |= self._all_groups(look=look)
        paused.pause(self._groups)
        self._stopped = True

    def go_on(self) -> None:
        """Let those go on that were stopped."""
        if self._stopped:
            paused.resume(self._groups)
            self._stopped = False

    def kill(self) -> None:
        """End what still runs. The first must not have been waited for before its descendants were known (`stop`)."""
        for group in self._groups:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)
        paused.forget(self._groups)
        for pid in self._marked(again=True):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    def not_stopped(self) -> list[int]:
        """After `stop`: those that it could not stop within `STOPPED_S`."""
        end = time.monotonic() + STOPPED_S
        while left := [pid for pid in self.alive() if _state(pid) not in _STILL]:
            if time.monotonic() > end:
                return left
            time.sleep(0.005)
        return []

    def cpu_ns(self) -> int:
        """CPU time of those that live."""
        return sum(process_cpu_ns(pid) for pid in self.alive())

    def busy(self, seconds: float) -> float:
        """CPU that they use now, as a fraction of a core, watched for so long."""
        pids, began = self.alive(), time.perf_counter_ns()
        used = sum(map(process_cpu_ns, pids))
        time.sleep(seconds)
        return max(sum(map(process_cpu_ns, pids)) - used, 0) / max(time.perf_counter_ns() - began, 1)

    def memory_bytes(self) -> int:
        """Memory that they have, what several of them share counted once."""
        return sum(map(_memory, self.alive()))

    def _marked(self, *, again: bool = False) -> Iterator[int]:
        """Processes with the mark in their environment, as far as one may look at it.

        A process that was still without it a second after the first look at it is not looked at again: a machine has hundreds of
        them, and a script is looked after many times a trial. A second, since what another process starts for the script is
        without until it has become its program. The entry's inode tells a process from a later one of the same number. again:
        look at all of them.
        """
        mark, known, now = f"{self.mark}\0".encode(), {} if again else self._others, time.monotonic()
        self._others = {}
        with os.scandir(_PROC) as entries:
            for entry in entries:
                if not entry.name.isdigit():
                    continue
                one = (entry.name, entry.inode())
                since = known.get(one, now)
                if since != _SETTLED:
                    if _has(entry.name, mark):
                        yield int(entry.name)
                        continue
                    since = since if now - since < _LOOK_S else _SETTLED
                self._others[one] = since

    def _all_groups(self, *, look: bool) -> set[int]:
        """Their process groups: launchers such as torchrun start their ranks in groups of their own."""
        groups = set()
        for pid in self.alive(look=look):
            with contextlib.suppress(ProcessLookupError):
                groups.add(os.getpgid(pid))
        return groups - {os.getpgrp()}


def family(pid: int) -> list[int]:
    """A process and all its descendants that live."""
    found, left = [], [pid]
    while left:
        one = left.pop()
        found.append(one)
        with contextlib.suppress(OSError, ValueError):
            for thread in (_PROC / str(one) / "task").iterdir():
                left += [int(child) for child in (thread / "children").read_text().split()]
    return found


def is_alive(pid: int) -> bool:
    """Whether there is such a process that has not ended."""
    return _state(pid) not in "ZX"


def _has(pid: str, mark: bytes) -> bool:
    """Whether a process has these bytes in its environment, as far as one may look at it."""
    try:
        return mark in (_PROC / pid / "environ").read_bytes()
    except OSError:
        return False


def _state(pid: int) -> str:
    """R, S, D, T, …; X for one that has ended."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return "X"


def _memory(pid: int) -> int:
    """Proportional set size, else the resident one."""
    for name, field_name in (("smaps_rollup", "Pss:"), ("status", "VmRSS:")):
        with contextlib.suppress(OSError, ValueError, IndexError):
            for line in (_PROC / str(pid) / name).read_text().splitlines():
                if line.startswith(field_name):
                    return int(line.split()[1]) * 1024
    return 0
