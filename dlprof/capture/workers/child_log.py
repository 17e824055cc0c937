"""What a child writes to standard error, with an end: a log that grows past its cap loses its middle and says so."""

from __future__ import annotations

import os
import weakref
from pathlib import Path
from typing import Final

CAP_BYTES: Final = 16 << 20
HEAD_BYTES: Final = 1 << 20
TAIL_BYTES: Final = 1 << 20

_OPEN: weakref.WeakSet[ChildLog] = weakref.WeakSet()


class ChildLog:
    """A log file that a child appends to. cut: whether it had to be shortened.

    The child writes to the file itself and only ever at its end (O_APPEND), so the file can be shortened under its hands; what it
    writes in that very moment may be lost with the middle.
    """

    def __init__(self, path: Path, cap_bytes: int = CAP_BYTES) -> None:
        self.path = path
        self.cut = False
        self._cap = cap_bytes
        path.unlink(missing_ok=True)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        _OPEN.add(self)

    def fileno(self) -> int:
        """For the child's standard error."""
        return self._descriptor

    def close(self) -> None:
        """Close our end, and cut what the child has left."""
        if self._descriptor < 0:
            return
        self.shorten()
        os.close(self._descriptor)
        self._descriptor = -1
        _OPEN.discard(self)

    def shorten(self) -> None:
        """Cut the middle out where the log is over its cap: its head, a note and its tail stay."""
        try:
            size = os.fstat(self._descriptor).st_size
            if size <= self._cap:
                return
            head, tail = (min(part, self._cap // 4) for part in (HEAD_BYTES, TAIL_BYTES))
            with self.path.open("rb") as file:
                file.seek(size - tail)
                last = file.read(tail)
            os.ftruncate(self._descriptor, head)
            note = (
                f"\n[dlprof: {size - head - tail} bytes were cut out here: the log was longer than {self._cap} bytes]\n"
            )
            os.write(self._descriptor, note.encode() + last)
            self.cut = True
        except OSError:  # a full disk, a folder that was removed: a log is no reason to fail
            return


def shorten_all() -> None:
    """Cut the logs of all children that live; called whenever one of them is waited for."""
    for log in list(_OPEN):
        log.shorten()
