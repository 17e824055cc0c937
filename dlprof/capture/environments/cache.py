"""The user's cache folder: where it is, and the locks that keep two dlprofs from breaking each other's work in it."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import filelock
import platformdirs

from dlprof.errors import DlprofError

CACHE_VARIABLE = "DLPROF_CACHE"

Progress = Callable[[str], None]
"""Called with one line for people about what is happening now."""


def silent(_: str) -> None:
    """A `Progress` that says nothing."""


def cache_dir() -> Path:
    """The folder that holds environments and data sets: `DLPROF_CACHE`, else the user's cache folder."""
    given = os.environ.get(CACHE_VARIABLE)
    return Path(given).expanduser().absolute() if given else Path(platformdirs.user_cache_dir("dlprof"))


@contextlib.contextmanager
def locked(path: Path, error: type[DlprofError], on_progress: Progress = silent) -> Iterator[None]:
    """Hold the lock file `path`; the system frees it when the process dies, so a stale lock cannot exist.

    Raises `error` where the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(path)
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            on_progress(f"waiting for another dlprof that holds {path.name}")
            lock.acquire()
    except OSError as failure:
        raise cannot_write(path.parent, failure, error) from failure
    try:
        yield
    finally:
        lock.release()


def cannot_write(path: Path, failure: OSError, error: type[DlprofError]) -> DlprofError:
    """An `error` that says why `path` cannot be written and how to point dlprof elsewhere."""
    # numpy.save finds the disk full by itself and says so without an errno.
    if failure.errno in (errno.ENOSPC, errno.EDQUOT) or "free space" in str(failure):
        return error(
            f"the disk is full: {path}", hint=f"free some space, or set {CACHE_VARIABLE} to a folder elsewhere"
        )
    reason = failure.strerror or str(failure)
    return error(f"cannot write to {path}: {reason}", hint=f"set {CACHE_VARIABLE} to a folder that you may write to")


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
