"""Data sets of ranks at URLs, by fsspec: an object store, a server, whatever has a library for it.

What is asked of ranks reads the summaries alone, five files, which are fetched. An import works in a folder of this machine, to
which what is there already is fetched, so that only new and changed files are read and sent; the index says from the first to
the last of them that an import is under way. There are no locks at a URL: one import at a time.
"""

from __future__ import annotations

import contextlib
import ftplib  # nosec B402  its errors alone, which fsspec hands on
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from dlprof import temporary
from dlprof.errors import DlprofError, StoreError, UsageError
from dlprof.store.rank_set import INDEX, PART, SUMMARIES, TABLES, Index
from dlprof.version import __version__

_URL: Final = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+)://(?P<rest>.*)", re.DOTALL)
"""Two letters at least: one is a drive of Windows."""
_OF_PART: Final = re.compile(
    rf"run=[A-Za-z0-9._-]{{1,255}}/rank=\d{{1,10}}/(?:_facts\.json|_(?:{'|'.join(TABLES)})\.parquet|{re.escape(PART)})"
)
"""Files of a rank, relative to the data set: nothing else that a server lists is fetched."""
_SUMMARIES: Final = (f"{SUMMARIES}/{INDEX}", *(f"{SUMMARIES}/{name}.parquet" for name in TABLES))


def place(text: str) -> Path | str:
    """Where a data set is: a path, also for file://, or a URL as it stands. Raises `UsageError` for one that cannot be."""
    match = _URL.fullmatch(text)
    if match is None:
        return Path(text)
    scheme = match["scheme"].lower()
    if scheme in ("file", "local"):
        if not match["rest"].startswith("/"):
            raise UsageError(f"{text}: names no absolute path", hint="write it like file:///data/ranks, or as a path")
        return Path(match["rest"])
    if scheme == "memory":
        raise UsageError(f"{text}: that memory ends with this command", hint="name a folder, or a URL that stays")
    if "::" in text or "?" in text or "#" in text:
        raise UsageError(f"{text}: no plain URL of a data set", hint="write it like s3://bucket/ranks")
    try:
        told = urlsplit(text)
    except ValueError as error:
        raise UsageError(f"{text}: no URL: {error}") from None
    if told.password is not None:
        raise UsageError(
            f"{scheme}://…@{told.hostname}: a password in a URL is seen by others, and would be kept",
            hint="configure it: https://filesystem-spec.readthedocs.io/en/latest/features.html#configuration",
        )
    if not match["rest"].strip("/"):
        raise UsageError(f"{text}: names no data set", hint="write it like s3://bucket/ranks")
    return text.rstrip("/")


class Remote:
    """A data set at a URL. Raises `UsageError` where no library is there for it, `StoreError` where it does not answer."""

    def __init__(self, url: str) -> None:
        try:
            from fsspec.core import url_to_fs
        except ImportError:
            raise UsageError(f"{url}: URLs need fsspec", hint="pip install 'dlprof[urls]'") from None
        self.url = url
        try:
            self._system, self._root = url_to_fs(url)
        except ImportError as error:
            raise UsageError(f"{url}: {error}", hint="install the library that it names") from None
        except ValueError as error:
            raise UsageError(f"{url}: {error}", hint="s3://, gs://, abfs://, https://, …: what fsspec knows") from None
        except Exception as error:  # noqa: BLE001  each library has errors of its own
            raise self._refused(error) from None
        self._root = str(self._root).rstrip("/")

    def _refused(self, error: BaseException) -> StoreError:
        what = str(error).strip().partition("\n")[0][:300]
        return StoreError(
            f"{self.url}: {type(error).__name__}{f': {what}' if what else ''}",
            hint="check the URL, the rights, and that the store can be reached",
        )

    def fetch(self, names: Iterator[str] | tuple[str, ...], folder: Path) -> int:
        """Fetch the files that are there; how many. Raises `StoreError`."""
        fetched = 0
        for name in names:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._system.info(f"{self._root}/{name}")
                self._system.get_file(f"{self._root}/{name}", str(target))
            except Exception as error:  # noqa: BLE001  each library has errors of its own
                cause = _behind(error)
                if cause is not None:
                    raise self._refused(cause) from None
                target.unlink(missing_ok=True)
            else:
                fetched += 1
        return fetched

    def parts(self) -> Iterator[str]:
        """The files of all ranks that are there."""
        try:
            self._system.invalidate_cache()
            listed = [str(one).rstrip("/") for one in self._system.find(self._root)]
        except Exception as error:  # noqa: BLE001  each library has errors of its own
            raise self._refused(error) from None
        for one in listed:
            inside = one.rpartition(f"{self._root}/")[2]
            if _OF_PART.fullmatch(inside):
                yield inside

    def send(self, file: Path, name: str) -> None:
        """Put a file in the place of what has its name. Raises `StoreError`."""
        target = f"{self._root}/{name}"
        try:
            self._system.makedirs(target.rpartition("/")[0], exist_ok=True)
            self._system.put_file(str(file), target)
        except NotImplementedError:
            raise StoreError(f"{self.url}: cannot be written to", hint="choose another -o") from None
        except Exception as error:  # noqa: BLE001  each library has errors of its own
            raise self._refused(error) from None

    def remove(self, name: str) -> None:
        """Remove a file, if it can be."""
        with contextlib.suppress(Exception):
            self._system.rm_file(f"{self._root}/{name}")


def _behind(error: BaseException) -> BaseException | None:
    """Why a file cannot be had; None where there is none. FTP has a number for that, as HTTP has, for which fsspec calls a
    server that cannot be reached a file that is missing."""
    if isinstance(error, ftplib.error_perm):
        return None if str(error).startswith("550") else error
    if not isinstance(error, FileNotFoundError):
        return error
    cause = error.__cause__
    status = getattr(cause, "status", None)
    if cause is not None and (isinstance(cause, OSError) or status not in (None, 404, 410)):
        return _behind(cause)
    return None


@contextlib.contextmanager
def here(dataset: Path | str) -> Iterator[Path]:
    """The summaries of a data set as a folder: itself, or fetched from a URL for as long as the block lasts."""
    if isinstance(dataset, Path):
        yield dataset
        return
    remote = Remote(dataset)
    with temporary.folder("ranks") as folder, _named(folder, dataset):
        remote.fetch(_SUMMARIES, folder)
        yield folder


@contextlib.contextmanager
def under_way(dataset: str) -> Iterator[Path]:
    """A folder in which the data set at a URL is made or brought up to date; sent at the end of the block, if it ends well."""
    remote = Remote(dataset)
    with temporary.folder("ranks") as work, _named(work, dataset):
        folder = work / "set"
        new = not remote.fetch(_SUMMARIES, folder)
        if new:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            remote.fetch(remote.parts(), folder)
        before = {name: _stamp(folder / name) for name in _names(folder)}
        begun = work / INDEX
        begun.write_bytes(msgspec.json.encode(Index(dlprof_version=__version__, created="")))
        remote.send(begun, _SUMMARIES[0])
        try:
            yield folder
        except BaseException:
            if new:
                remote.remove(_SUMMARIES[0])
            raise
        for name in _names(folder):
            if name != _SUMMARIES[0] and before.get(name) != _stamp(folder / name):
                remote.send(folder / name, name)
        remote.send(folder / _SUMMARIES[0], _SUMMARIES[0])


def _names(folder: Path) -> list[str]:
    return sorted(str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()) if folder.is_dir() else []


def _stamp(file: Path) -> tuple[int, int, int]:
    """Another one where a file was written anew."""
    found = file.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size


@contextlib.contextmanager
def _named(folder: Path, url: str) -> Iterator[None]:
    """Errors that name the folder name the URL instead."""
    try:
        yield
    except DlprofError as error:
        for path in (str(folder / "set"), str(folder)):
            error.message = error.message.replace(path, url)
            error.hint = error.hint.replace(path, url) if error.hint else error.hint
        raise
