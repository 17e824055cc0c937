"""The error tree: each error carries a message, a hint and the process exit code.

Every error that dlprof raises on purpose descends from `DlprofError`; `cli/main.py` prints it once and exits with its code.
A comparison that was finished raises nothing: `api/lockstep/gate.py` names the error whose exit code it ends with.

    DlprofError            1   failed
    ├── UsageError         2   the command line, a workload setting or a study file is wrong
    ├── TraceError         1   a trace file cannot be read: says file, byte offset, what was expected
    ├── StoreError         1   a capture directory is missing, incomplete or damaged
    ├── EnvironmentFailed  1   a framework environment cannot be made or used
    ├── DataError          1   a data set cannot be had or does not match its checksum
    ├── ChildFailed        1   the child process crashed, timed out or reported a failure
    ├── SystemRefused      1   the file system or the machine refused: a full disk, no permission, a folder that vanished
    ├── Unsupported        1   the framework, version, device or mode cannot do what was asked
    ├── Regression         3   a gate was asked for and was not met
    ├── Inconclusive       4   a gate was asked for and could not be decided
    ├── PluginFailed       1   a package that extends dlprof cannot be loaded or used
    ├── NotComparable      5   the two sides did different work
    └── Interrupted      130   stopped by the user
"""

from __future__ import annotations

import errno
import os
from pathlib import Path


class DlprofError(Exception):
    """An error meant for the user: what happened and where (`message`), and what to do next (`hint`)."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(DlprofError):
    """The command line, a workload setting or a study file is wrong."""

    exit_code = 2


class TraceError(DlprofError):
    """A trace file cannot be read; the message names the file, the byte offset and what was expected there."""


class StoreError(DlprofError):
    """A capture directory is missing, incomplete or damaged."""


class EnvironmentFailed(DlprofError):
    """A framework environment cannot be made or used."""


class DataError(DlprofError):
    """A data set cannot be had or does not match its checksum."""


class ChildFailed(DlprofError):
    """The child process crashed, timed out or reported a failure."""


class SystemRefused(DlprofError):
    """The file system or the machine refused: a full disk, no permission, a folder that vanished meanwhile."""


class Unsupported(DlprofError):
    """The framework, version, device or mode cannot do what was asked."""


class PluginFailed(DlprofError):
    """A package that extends dlprof (a framework, a trace format) cannot be loaded or used."""


class Regression(DlprofError):
    """A gate was asked for and was not met."""

    exit_code = 3


class Inconclusive(DlprofError):
    """A gate was asked for and could not be decided."""

    exit_code = 4


class NotComparable(DlprofError):
    """The two sides did different work, so no verdict is given."""

    exit_code = 5


class Interrupted(DlprofError):
    """Stopped by the user; what was finished is kept."""

    exit_code = 130


_ELSEWHERE = "free some space or choose another place with -o or DLPROF_CACHE"
_FORBIDDEN = (
    "`ls -ld` of it and of its folder says who may; ask for that, or choose another place (to write: -o, DLPROF_CACHE)"
)
_HINTS = {
    errno.ENOSPC: _ELSEWHERE,
    errno.EDQUOT: _ELSEWHERE,
    errno.EROFS: _ELSEWHERE,
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.EMFILE: "close other programs, or raise the limit of open files (ulimit -n)",
    errno.ENFILE: "close other programs: the machine has no file left to open",
    errno.ENOMEM: "close other programs: the machine's memory is used up",
    errno.EIO: "the disk or the network below it answers with an error; see the system's log",
    errno.EISDIR: "a folder lies where a file is to be written: remove it, or choose another place with -o",
    errno.ENOTDIR: "a file lies where a folder should be: remove it, or choose another place with -o",
    errno.ELOOP: "links lead in a circle there: remove them, or choose another place with -o",
    errno.ENAMETOOLONG: "choose a shorter name with -o",
    errno.ESTALE: "the network file system lost the file; mount it again, or choose another place with -o",
}


def of_system(error: OSError, under_way: Path | None = None) -> SystemRefused | None:
    """What the system refused, in a user's words; None where it is nothing that a user could have brought about.

    under_way: a folder that dlprof is writing, whose files can only be missing where somebody removed them.
    """
    where = f"{error.filename}: " if error.filename else ""
    if error.errno == errno.ENOENT and under_way is not None and error.filename:
        folder = Path(os.fsdecode(error.filename)).parent
        if folder.is_relative_to(under_way.parent) and not folder.exists():
            return SystemRefused(
                f"{folder}: removed while dlprof was writing there", hint="leave it alone and run again"
            )
    if error.errno not in _HINTS:
        return None
    return SystemRefused(f"{where}{error.strerror}", hint=_HINTS[error.errno])
