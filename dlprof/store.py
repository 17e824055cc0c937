"""The capture directory: sole reader and writer of manifest.json, raw/, events.parquet, timings.parquet and logs/.

A directory is written under a temporary name beside its place and renamed when whole, so a name that exists is complete. What a
comparison has finished is readable there all the while, and `taken_up` finds it after its process was killed.
Layout and meaning: docs/architecture.md, "A capture directory".
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from dlprof import schema, temporary
from dlprof.errors import StoreError
from dlprof.manifest import (
    MANIFEST_VERSION,
    Described,
    File,
    LockstepOptions,
    Manifest,
    Options,
    options_of,
    without_empty,
)
from dlprof.stored_files import read_json, read_table, typed

EVENTS_FILE: Final = "events.parquet"
TIMINGS_FILE: Final = "timings.parquet"
MANIFEST_FILE: Final = "manifest.json"
COMPARISON_FILE: Final = "comparison.json"

_LOG_FILES: Final = ("request.json", "result.json", "stderr.log")


class _Head(msgspec.Struct, frozen=True):
    """What of a manifest says how to read the rest."""

    kind: str
    dlprof_version: str
    manifest_version: int = MANIFEST_VERSION
    schema_version: int = schema.SCHEMA_VERSION


class _Method(msgspec.Struct, frozen=True):
    method: str | None = None


def _manifest(plain: object, file: Path) -> Manifest[Options]:
    """A manifest as read. Raises `StoreError` where it does not fit, or is of a newer dlprof."""
    head = typed(plain, _Head, file)
    if head.manifest_version > MANIFEST_VERSION or head.schema_version > schema.SCHEMA_VERSION:
        raise StoreError(
            f"{file.parent}: written by dlprof {head.dlprof_version}, which is newer than this one",
            hint="upgrade dlprof, or import the files below raw/ again",
        )
    assert isinstance(plain, dict)
    method = typed(plain.get("options", {}), _Method, file, "$.options").method
    values = {"options": {}, **without_empty(plain)}
    kind: type[Manifest[Options]] = Manifest[options_of(head.kind, method)]  # type: ignore[misc,assignment]
    manifest = typed(values, kind, file)
    if manifest.kind != "compare":
        typed(manifest.workload, Described, file, "$.workload")
    return manifest


class Capture:
    """A directory on disk, opened for reading. Tables are read when asked for, columns as asked for."""

    def __init__(self, path: Path, manifest: Manifest[Options]) -> None:
        self.path = path
        self.manifest = manifest

    @classmethod
    def open(cls, path: Path) -> Capture:
        """Open a capture or comparison directory. Raises `StoreError` if it is none, or written by a newer dlprof."""
        file = path / MANIFEST_FILE
        try:
            return cls(path, _manifest(read_json(file), file))
        except (FileNotFoundError, NotADirectoryError):
            raise StoreError(
                f"{path}: not a capture directory (no {MANIFEST_FILE})",
                hint="give a directory that `dlprof capture`, `compare` or `import` wrote, or a raw trace file",
            ) from None

    @property
    def digest(self) -> str:
        """sha256 of manifest.json, hex; the manifest in turn holds the digests of the files."""
        return sha256(self.path / MANIFEST_FILE)

    def events(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The event table (schema.EVENTS, or the named columns of it); metadata holds origin_ns. Columns that a table of
        an older schema lacks are null."""
        table = self._table(EVENTS_FILE, schema.EVENTS, columns)
        origin = self.manifest.trace.origin_ns if self.manifest.trace else None
        return table.replace_schema_metadata({"origin_ns": "" if origin is None else str(origin)})

    def timings(self) -> pa.Table:
        """The timing table (schema.TIMINGS). Raises `StoreError` where the directory has none."""
        return self._table(TIMINGS_FILE, schema.TIMINGS, None)

    def has(self, name: str) -> bool:
        return (self.path / name).is_file()

    def raw_files(self) -> list[Path]:
        return sorted(p for p in (self.path / "raw").rglob("*") if p.is_file())

    def captures(self) -> dict[str, Capture]:
        """The captures inside a comparison directory, by folder name."""
        return {folder.name: Capture.open(folder) for folder in traced_folders(self.path)}

    def comparison(self) -> Any:
        """comparison.json of a comparison directory as plain values (api.compare.stored makes findings of them)."""
        try:
            return read_json(self.path / COMPARISON_FILE)
        except FileNotFoundError:
            raise StoreError(
                f"{self.path}: holds no comparison", hint="give the directory of a `dlprof compare`"
            ) from None

    def _table(self, name: str, declared: pa.Schema, columns: Sequence[str] | None) -> pa.Table:
        older = self.manifest.schema_version < schema.SCHEMA_VERSION
        try:
            return read_table(self.path / name, declared, columns, older=older)
        except (FileNotFoundError, NotADirectoryError):
            raise StoreError(
                f"{self.path}: has no {name}", hint="was the run interrupted before it was written?"
            ) from None


PARQUET_OPTIONS: Final[dict[str, Any]] = {
    "compression": "zstd",
    "compression_level": 1,
    # Measured on a million rows: half the time of Parquet's defaults and a quarter less space. No dictionary for what hardly
    # ever repeats; differences for what grows; no statistics, which nobody reads.
    "use_dictionary": [
        column.name
        for column in schema.EVENT_COLUMNS
        if column.name not in ("id", "start_ps", "duration_ps", "self_ps", "value", "args")
    ],
    "column_encoding": {"id": "DELTA_BINARY_PACKED", "start_ps": "DELTA_BINARY_PACKED"},
    "write_statistics": False,
}
"""How events.parquet is written."""


class CaptureWriter:
    """Writes one directory: `with CaptureWriter(path) as writer: …; writer.commit(manifest)`.

    Everything goes to a temporary name in the same parent; `commit` renames it. Leaving the block without commit, or by an
    exception, removes it, unless `keep_partial` is set: `checkpoint` sets it once there is something finished to go on with.
    source: what to go on with, `path` itself or what a killed process left of it (`taken_up`). The former's files are
    taken over (as hard links where the file system has them) and `commit` replaces it; the latter becomes this writer's own.
    Captures that were cut short are not taken over: they are made again as a whole.
    """

    def __init__(self, path: Path, *, source: Path | None = None) -> None:
        self.path = path
        self.source = source
        self.partial = temporary.beside(path, "partial")
        self.keep_partial = False
        self._events: pq.ParquetWriter | None = None
        self._committed = False
        self._hold: temporary.Hold | None = None

    def __enter__(self) -> Self:
        if self.path.exists() and self.source is None:
            raise StoreError(f"{self.path}: exists already", hint="choose another -o, or remove it")
        try:
            self.partial.parent.mkdir(parents=True, exist_ok=True)
            if self.source is None:
                self.partial.mkdir()
            elif self.source == self.path:
                self._copy(self.source)
            else:
                self._take_over(self.source)
            self._hold = self._hold or temporary.hold(self.partial)
            (self.partial / "raw").mkdir(exist_ok=True)
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be made: {error.strerror}", hint="choose another -o") from None
        except KeyboardInterrupt as interruption:  # in here `with` does not leave the block, which it has not entered
            self.__exit__(KeyboardInterrupt, interruption, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close_events()
        if not self._committed and not self.keep_partial:
            shutil.rmtree(self.partial, ignore_errors=True)
        if self._hold is not None:
            self._hold.release()

    def _copy(self, source: Path) -> None:
        """The manifest last: until it is there the copy counts for nothing."""

        def unfinished(folder: str, names: list[str]) -> set[str]:
            at_top = Path(folder) == source
            return {name for name in names if name.startswith(".") or (at_top and name == MANIFEST_FILE)}

        shutil.copytree(source, self.partial, copy_function=_linked, ignore=unfinished)
        _linked(str(source / MANIFEST_FILE), str(self.partial / MANIFEST_FILE))

    def _take_over(self, source: Path) -> None:
        self._hold = _held(source)
        if self._hold is None:
            raise StoreError(f"{self.path}: another dlprof is at work on it", hint="wait for it, or stop it")
        source.rename(self.partial)
        self.keep_partial = True
        for left in list(temporary.left_beside(self.partial)):
            temporary.remove(left)

    def sink(self, batch: pa.RecordBatch) -> None:
        """Append finished events (schema.EVENTS) to events.parquet."""
        if self._events is None:
            self._events = pq.ParquetWriter(self.partial / EVENTS_FILE, schema.EVENTS, **PARQUET_OPTIONS)
        self._events.write_batch(batch)

    def close_events(self) -> None:
        if self._events is not None:
            self._events.close()
            self._events = None

    def timings(self, table: pa.Table) -> None:
        """Write (or replace) timings.parquet; whole each time, so that an interrupted run keeps the finished trials."""
        file = self.partial / TIMINGS_FILE
        with atomic(file) as beside:
            pq.write_table(table.cast(schema.TIMINGS), beside, compression="zstd")

    def checkpoint(self, manifest: Manifest[Options]) -> None:
        """State what is finished so far, under the temporary name: a run that is killed now can be gone on with from here.

        Tables that the manifest speaks of must have been written before. Digests come with `commit`.
        """
        self._write_manifest(msgspec.structs.replace(manifest, complete=False))
        self.keep_partial = self.keep_partial or bool(manifest.trials)

    def _write_manifest(self, manifest: Manifest[Options]) -> None:
        with atomic(self.partial / MANIFEST_FILE) as file:
            file.write_bytes(manifest.encoded())

    def comparison(self, text: str) -> None:
        """Write comparison.json, as report.json has made it."""
        with atomic(self.partial / COMPARISON_FILE) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def commit(self, manifest: Manifest[Options]) -> Capture:
        """Seal the directory: logs moved aside, digests taken, manifest written, renamed to its final name."""
        if self._events is None and manifest.kind != "compare" and not (self.partial / EVENTS_FILE).exists():
            self.sink(_empty_batch())
        self.close_events()
        logs = self.partial / "logs"
        for name in _LOG_FILES:
            if (self.partial / name).exists():
                logs.mkdir(exist_ok=True)
                (self.partial / name).rename(logs / name)
        manifest = msgspec.structs.replace(manifest, files=dict(_digests(self.partial)))
        self._write_manifest(manifest)
        try:
            self._rename()
        except OSError as error:
            self.keep_partial = True
            raise StoreError(
                f"{self.path}: cannot be renamed into place ({error.strerror}); it is whole at {self.partial}"
            ) from None
        self._committed = True
        return Capture(self.path, manifest)

    def _rename(self) -> None:
        """Into place; a directory that is replaced steps aside first, under a name by which `taken_up` finds it, and back where
        the new one cannot come."""
        before = temporary.beside(self.path, "partial")
        replaced = self.source is not None and self.path.exists()
        if replaced:
            self.path.rename(before)
        try:
            self.partial.rename(self.path)
        except OSError:
            if replaced:
                before.rename(self.path)
            raise
        shutil.rmtree(before, ignore_errors=True)


class Unfinished(msgspec.Struct, frozen=True, kw_only=True):
    """A comparison under a temporary name. path: where it lies; place: where it was to go; trials, captures: finished ones;
    begun: start of its first session, by which parts of one comparison are told from another's."""

    path: Path
    place: Path
    trials: int
    captures: int
    begun: str

    @property
    def rank(self) -> tuple[int, int]:
        return self.trials, self.captures


def taken_up(path: Path) -> Path | None:
    """The directory to go on with when `path` is resumed: itself or what killed processes left of it, whichever has more
    finished trials and captures; None where there is none. Raises `StoreError` where a living process is at work on it."""
    place = temporary.place_of(path) or path
    if temporary.at_work(place):
        raise StoreError(f"{place}: another dlprof is at work on it", hint="wait for it, or stop it")
    left = [one.path for one in temporary.left_beside(place.parent) if one.name == place.name]
    found = [unfinished(one, place) for one in (place, *left)]
    whole = [one for one in found if one is not None]
    return max(whole, key=lambda one: one.rank).path if whole else None


def unfinished(path: Path, place: Path) -> Unfinished | None:
    """What of a comparison at `path` is finished; None where there is no manifest of one."""
    try:
        manifest = Capture.open(path).manifest
    except StoreError:
        return None
    if manifest.kind != "compare":
        return None
    captures = len(traced_folders(path))
    sessions = manifest.options.sessions if isinstance(manifest.options, LockstepOptions) else []
    begun = sessions[0].created if sessions else manifest.created
    return Unfinished(path=path, place=place, trials=len(manifest.trials), captures=captures, begun=begun)


def traced_folders(path: Path) -> list[Path]:
    """The captures inside a comparison directory that are whole, by name."""
    return sorted(
        one for one in path.iterdir() if not temporary.is_temporary(one.name) and (one / MANIFEST_FILE).is_file()
    )


def _held(source: Path, tries: int = 10) -> temporary.Hold | None:
    """The lock on it; tried again for a moment, since one who only looks whether its owner lives takes it too."""
    for _ in range(tries):
        held = temporary.hold(source)
        if held is not None:
            return held
        time.sleep(0.1)
    return None


def _linked(source: str, target: str) -> None:
    """A hard link, which takes no space and leaves the source alone when the target is replaced; else a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


class atomic:  # noqa: N801  (reads as a verb at the call site)
    """`with atomic(path) as temporary:` write the temporary file; it replaces `path` on success and vanishes on error.

    The file is made by us alone (O_EXCL follows no link and takes no file that is there), under a name of `temporary.beside`,
    and locked while it is written, so that nobody takes it for a dead process's.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.temporary = temporary.beside(path, "tmp")
        self._hold: temporary.Hold | None = None

    def __enter__(self) -> Path:
        try:
            os.close(os.open(self.temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
            self._hold = temporary.hold(self.temporary)
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


def inside(root: Path, name: str) -> Path:
    """The place of `name`, as a file of `root` states it. Raises `StoreError` where it leads out of `root`: absolute, by
    `..` or by a link."""
    path = root / name
    if not path.resolve().is_relative_to(root.resolve()):
        raise StoreError(f"{root}: names a file outside of itself: {name}", hint="this is no result that dlprof wrote")
    return path


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_events(events: pa.Table, path: Path) -> None:
    """An event table as one Parquet file, with its metadata."""
    with atomic(path) as beside:
        pq.write_table(events, beside, compression="zstd")


def _empty_batch() -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], type=f.type) for f in schema.EVENTS], schema=schema.EVENTS)


def _digests(root: Path) -> Iterator[tuple[str, File]]:
    for file in sorted(root.rglob("*")):
        inside = file.relative_to(root).parts
        # A comparison's captures have manifests of their own, which hold the digests of their files.
        nested = len(inside) > 1 and (root / inside[0] / MANIFEST_FILE).is_file()
        if file.is_file() and not nested and file.name != MANIFEST_FILE:
            yield str(file.relative_to(root)), File(bytes=file.stat().st_size, sha256=sha256(file))
