"""Child processes that cannot outlive dlprof: started in a group of their own, stopped with all their descendants."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import psutil

from dlprof.capture.workers import paused

# Runs in the child before the real program takes the process over. PR_SET_PDEATHSIG (1) makes Linux kill the child when
# the thread that started it ends, even by SIGKILL, which no handler of ours could answer. It survives execv. Popen's
# preexec_fn would do the same without a second interpreter start, but is unsafe once threads run (rich starts some).
_TIE = (
    "import os, sys\n"
    "parent, program = int(sys.argv[1]), sys.argv[2:]\n"
    "try:\n"
    "    import ctypes\n"
    "    ctypes.CDLL(None).prctl(1, 9)\n"
    "except (ImportError, OSError, AttributeError):\n"
    "    pass\n"
    "if os.getppid() != parent:\n"
    "    sys.exit('the parent is gone')\n"
    "os.execv(program[0], program)\n"
)


def start(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes],
    stderr: int | IO[bytes],
) -> subprocess.Popen[bytes]:
    """Start `argv` (argv[0] an absolute path) in a session of its own, killed by the system when this thread ends.

    Start it from a thread that lives as long as the child shall live: from the main thread.
    """
    tied = [sys.executable, "-I", "-S", "-c", _TIE, str(os.getpid()), *argv]
    return subprocess.Popen(
        tied, env=dict(env), cwd=cwd, stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True, bufsize=0
    )


def stop(process: subprocess.Popen[bytes], grace_s: float = 2.0) -> None:
    """End the process and all its descendants: SIGTERM, after `grace_s` SIGKILL. Returns when they are gone.

    A stopped one goes on for that: it would answer no SIGTERM.
    """
    family = _family(process)
    for number in (signal.SIGTERM, signal.SIGCONT):
        for member in family:
            _signal(member, number)
    _, alive = psutil.wait_procs(family, timeout=grace_s)
    for member in alive:
        _signal(member, signal.SIGKILL)
    # A child may have forked between the snapshot and the signal; its group is still ours.
    _signal_group(process.pid, signal.SIGKILL)
    paused.forget((process.pid,))
    process.wait()
    psutil.wait_procs(alive, timeout=grace_s)


def exit_words(returncode: int) -> str:
    """How a process ended, for people: `exit code 3` or `signal 11 (SIGSEGV)`."""
    if returncode >= 0:
        return f"exit code {returncode}"
    try:
        return f"signal {-returncode} ({signal.Signals(-returncode).name})"
    except ValueError:
        return f"signal {-returncode}"


def tail(path: Path, lines: int = 15) -> str:
    """The last non-empty lines of a log file, indented; '' when there are none."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 16_384))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    kept = [line.rstrip() for line in text.splitlines() if line.strip()][-lines:]
    return "\n".join(f"    {line}" for line in kept)


def _family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    try:
        head = psutil.Process(process.pid)
        return [head, *head.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _signal(member: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        member.send_signal(number)


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
