"""The user's cache folder: where it is, and the locks that keep two dlprofs from breaking each other's work in it."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
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
    if path.is_symlink():
        raise error(f"{path}: a link, where a lock should be", hint="remove it")
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


@contextlib.contextmanager
def unless_locked(path: Path, on_progress: Progress = silent) -> Iterator[bool]:
    """Hold the lock file `path` if nobody else does; whether it is held.

    What can be no lock (a link, a folder, a file that may not be written) is not held either, and said.
    """
    lock = filelock.FileLock(path, timeout=0)
    try:
        if path.is_symlink():
            raise OSError(errno.ELOOP, "a link, where a lock should be")
        lock.acquire()
    except filelock.Timeout:
        yield False
        return
    except OSError as failure:
        on_progress(f"{path}: passed over: {failure.strerror or failure}")
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def gone(path: Path) -> bool:
    """Remove a file, a folder, or a link without what it leads to, as far as that can be; whether nothing is left."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
    return not os.path.lexists(path)


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
