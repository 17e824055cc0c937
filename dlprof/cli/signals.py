"""SIGTERM and SIGHUP end a run as Ctrl-C does: children stop, what is finished stays, the user is told how to go on."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Final, NoReturn

_NAMES: Final = ("SIGTERM", "SIGHUP")


@contextlib.contextmanager
def as_interrupts() -> Iterator[None]:
    """While the block runs, both signals raise `KeyboardInterrupt` in the main thread. One that is ignored stays so (nohup)."""
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for name in _NAMES:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, _: FrameType | None) -> NoReturn:
    # A terminal that goes away sends two, a supervisor may send several: putting away what was finished is not to be cut short.
    signal.signal(number, signal.SIG_IGN)
    if number == getattr(signal, "SIGHUP", None):
        _leave_terminal()
    raise KeyboardInterrupt(signal.Signals(number).name)


def _leave_terminal() -> None:
    """The terminal is gone: a message that cannot be written there must not cost what was measured."""
    gone = [stream for stream in (sys.stdout, sys.stderr) if _is_terminal(stream)]
    if gone:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in gone:
            os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _is_terminal(stream: Any) -> bool:
    """A device other than the null device. isatty() would ask the terminal itself, which does not answer once it has hung up."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return stat.S_ISCHR(found.st_mode) and found.st_rdev != Path(os.devnull).stat().st_rdev
