"""Process groups that stand still while another side has its turn, and that never outlive dlprof.

A waiting process is not an idle one by itself: a pool's threads go on spinning after their last work (PyTorch's for 4 to 7 ms of
CPU, which is 3 to 5 % of a core in the turn of another side), loaders fetch ahead, runtimes tidy up. Stopped (SIGSTOP) it uses
no CPU at all, whatever its framework. The system kills a worker when dlprof ends, but not what the worker started, and what is
stopped never notices: so a small process, the watch, lives as long as any group does that may be stopped, and kills the groups
when its input ends, which is when dlprof does, however it ends.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from typing import Final

_WATCH: Final = (
    "import os, signal, sys\n"
    "groups = set()\n"
    "for line in sys.stdin:\n"
    "    (groups.add if line[0] == '+' else groups.discard)(int(line[1:]))\n"
    "for group in groups:\n"
    "    try:\n"
    "        os.killpg(group, signal.SIGKILL)\n"
    "    except OSError:\n"
    "        pass\n"
)


def watch(groups: Iterable[int]) -> None:
    """Let no process of the groups outlive dlprof, also where it is never stopped."""
    _watched.add(tuple(groups))


def pause(groups: Iterable[int]) -> None:
    """Stop every process of the groups until `resume`."""
    groups = tuple(groups)
    _watched.add(groups)
    _signal(groups, signal.SIGSTOP)


def resume(groups: Iterable[int]) -> None:
    """Let them go on."""
    _signal(groups, signal.SIGCONT)


def forget(groups: Iterable[int]) -> None:
    """To be told before the groups' numbers may become those of others, that is before their processes are waited for."""
    _watched.remove(groups)


def _signal(groups: Iterable[int], number: signal.Signals) -> None:
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)


class _Watched:
    """The groups that may be stopped, and the watch, which is there while there are any."""

    def __init__(self) -> None:
        self._groups: set[int] = set()
        self._watch: subprocess.Popen[bytes] | None = None

    def add(self, groups: Iterable[int]) -> None:
        new = set(groups) - self._groups
        if self._watch is not None and self._watch.poll() is not None:  # somebody ended it
            self._end()
            new |= self._groups
        if new:
            self._groups |= new
            self._tell("+", new)

    def remove(self, groups: Iterable[int]) -> None:
        gone = set(groups) & self._groups
        self._groups -= gone
        if gone:
            self._tell("-", gone)
        if not self._groups:
            self._end()

    def _tell(self, sign: str, groups: Iterable[int]) -> None:
        if self._watch is None:
            self._watch = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _WATCH],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={},
                cwd="/",
                start_new_session=True,  # a terminal's Ctrl-C is dlprof's alone
                bufsize=0,
            )
        assert self._watch.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._watch.stdin.write("".join(f"{sign}{group}\n" for group in groups).encode())

    def _end(self) -> None:
        """With no group left there is nothing to kill."""
        if self._watch is None:
            return
        assert self._watch.stdin is not None
        self._watch.stdin.close()
        self._watch.wait()
        self._watch = None


_watched: Final = _Watched()
