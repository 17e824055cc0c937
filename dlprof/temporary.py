"""Temporary files and folders: named after their owner, held while it lives, and what dead owners left.

A name says which process made it (`PID-START`, START being when that process was started, so that a recycled pid is not
mistaken for the owner); a folder is also locked while its owner lives, which tells the living from the dead where pids are not
comparable: in another container that writes to the same disk. The system frees such a lock however the process ends.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Literal

with contextlib.suppress(ImportError):  # Windows has no locks on folders: there the pid alone tells
    import fcntl

Kind = Literal["partial", "tmp"]
"""partial: a directory under way; tmp: a file that is about to replace another, or a copy that is on its way out."""

KEPT_REPORTS: Final = 8
KEPT_REPORTS_S: Final = 7 * 86_400.0
"""Logs of failed children and reports of bugs outlive their process, for the user was pointed to them: the last few, a week."""

_PREFIX: Final = "dlprof-"
_SHORT: Final = Path("/tmp")  # nosec B108  the folders that are made in it are named and locked as all of them
_SHORT_PREFIX: Final = f"{_PREFIX}short-"
_REPORT_PREFIXES: Final = ("dlprof-child-", "dlprof-error-")
_OWNER: Final = r"(?P<pid>\d+)-(?P<start>\d+)"
_BESIDE: Final = re.compile(rf"\.(?P<name>.+)\.(?P<kind>partial|tmp)-{_OWNER}-[0-9a-f]{{16}}", re.DOTALL)
_SYSTEM: Final = re.compile(rf"{_PREFIX}(?:[a-z]+-)?{_OWNER}-[0-9A-Za-z_]{{8}}")


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something under a temporary name whose owner is dead.

    name: what it was to be called; '' for a folder of the system's temporary directory
    """

    path: Path
    kind: Kind
    name: str


class Hold:
    """A lock on an existing file or folder, freed by `release` or by the end of the process."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def owner() -> str:
    """This process in a name: pid and start."""
    return f"{os.getpid()}-{_started(os.getpid())}"


def beside(path: Path, kind: Kind) -> Path:
    """A temporary name in the folder of `path`: `.NAME.KIND-PID-START-TOKEN`. TOKEN cannot be guessed, so that nobody who may
    write to the folder can put a link there beforehand."""
    return path.with_name(f".{path.name}.{kind}-{owner()}-{secrets.token_hex(8)}")


def hold(path: Path) -> Hold | None:
    """Lock `path`; None where another process holds it. Where the file system has no such locks the hold is empty."""
    if "fcntl" not in globals():
        return Hold(None)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return Hold(None)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        return Hold(None)
    return Hold(descriptor)


def is_temporary(name: str) -> bool:
    """Whether `beside` makes such names."""
    return _BESIDE.fullmatch(name) is not None


def place_of(path: Path) -> Path | None:
    """What a temporary name beside it stands for; None for other names."""
    match = _BESIDE.fullmatch(path.name)
    return path.with_name(match["name"]) if match else None


def at_work(path: Path) -> bool:
    """Whether another living process has `path` under way."""
    return any(
        match["name"] == path.name and int(match["pid"]) != os.getpid() and not _is_dead(entry, match)
        for entry in _entries(path.parent)
        if (match := _BESIDE.fullmatch(entry.name)) and match["kind"] == "partial"
    )


@contextlib.contextmanager
def folder(purpose: str = "", *, short: bool = False) -> Iterator[Path]:
    """A folder in the system's temporary directory, gone when the block ends.

    purpose: a word for its name. short: with a short path, for a socket, whose path has an end; the system's temporary directory
    may lie deep
    """
    prefix = f"{_SHORT_PREFIX if short else _PREFIX}{purpose + '-' if purpose else ''}{owner()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=_SHORT if short else None) as name:
        held = hold(Path(name))
        try:
            yield Path(name)
        finally:
            if held is not None:
                held.release()


def left_beside(place: Path) -> Iterator[Leftover]:
    """What dead processes of this user left in a folder."""
    for entry in _entries(place):
        match = _BESIDE.fullmatch(entry.name)
        if match and _is_dead(entry, match):
            yield Leftover(Path(entry.path), "partial" if match["kind"] == "partial" else "tmp", match["name"])


def left_in_system() -> Iterator[Leftover]:
    """What dead processes of this user left in the system's temporary directory, reports of failures excepted."""
    for place, beginning in {_SHORT: _SHORT_PREFIX, Path(tempfile.gettempdir()): _PREFIX}.items():
        for entry in _entries(place):
            match = _SYSTEM.fullmatch(entry.name)
            if match and entry.name.startswith(beginning) and _is_dead(entry, match):
                yield Leftover(Path(entry.path), "tmp", "")


def old_reports(*, every: bool = False) -> Iterator[Leftover]:
    """Reports in the system's temporary directory that are old: copies of failed children's logs, and reports of bugs.

    Old are all but the last few, and what is over a week old. every: all of them.
    """
    found = [entry for entry in _entries(Path(tempfile.gettempdir())) if entry.name.startswith(_REPORT_PREFIXES)]
    dated = sorted(((_modified(entry), entry) for entry in found), key=lambda one: one[0], reverse=True)
    limit = time.time() - KEPT_REPORTS_S
    for number, (modified, entry) in enumerate(dated):
        if every or number >= KEPT_REPORTS or modified < limit:
            yield Leftover(Path(entry.path), "tmp", "")


def remove(left: Leftover) -> bool:
    """Remove it, unless somebody took it up meanwhile; whether it is gone."""
    held = hold(left.path)
    if held is None:
        return False
    try:
        if left.path.is_dir() and not left.path.is_symlink():
            shutil.rmtree(left.path, ignore_errors=True)
        else:
            left.path.unlink(missing_ok=True)
    except OSError:
        return False
    finally:
        held.release()
    return not left.path.exists()


def _entries(place: Path) -> list[os.DirEntry[str]]:
    """Files and folders of this user, no links."""
    try:
        with os.scandir(place) as entries:
            return [entry for entry in entries if entry.name.startswith((".", _PREFIX)) and _is_ours(entry)]
    except OSError:
        return []


def _is_ours(entry: os.DirEntry[str]) -> bool:
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:
        return False
    mine = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    return mine and (stat.S_ISDIR(found.st_mode) or stat.S_ISREG(found.st_mode))


def _modified(entry: os.DirEntry[str]) -> float:
    try:
        return entry.stat(follow_symlinks=False).st_mtime
    except OSError:
        return 0.0


def _is_dead(entry: os.DirEntry[str], match: re.Match[str]) -> bool:
    """Neither the process of that pid and start lives here, nor does anybody hold the lock."""
    if _started(int(match["pid"])) == int(match["start"]):
        return False
    held = hold(Path(entry.path))
    if held is None:
        return False
    held.release()
    return True


def _started(pid: int) -> int | None:
    """When a process was started, in the system's own unit; None where there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        # A zombie has ended: its files are nobody's any more.
        return None if fields[0] in (b"Z", b"X") else int(fields[19])
    except (OSError, IndexError, ValueError):
        pass
    import psutil

    try:
        return int(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


class atomic:  # noqa: N801  (reads as a verb at the call site)
    """`with atomic(path) as temporary:` write the temporary file; it replaces `path` on success and vanishes on error.

    The file is made by us alone (O_EXCL follows no link and takes no file that is there), under a name of `beside`,
    and locked while it is written, so that nobody takes it for a dead process's.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.temporary = beside(path, "tmp")
        self._hold: Hold | None = None

    def __enter__(self) -> Path:
        try:
            os.close(os.open(self.temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
            self._hold = hold(self.temporary)
        except KeyboardInterrupt as interruption:
            self.__exit__(KeyboardInterrupt, interruption, None)
            raise
        return self.temporary

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        try:
            if kind is None:
                self.temporary.replace(self.path)
            else:
                self.temporary.unlink(missing_ok=True)
        finally:
            if self._hold is not None:
                self._hold.release()
