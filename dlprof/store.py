"""The capture directory: sole reader and writer of manifest.json, raw/, events.parquet, timings.parquet and logs/.

A directory is written under a temporary name beside its place and renamed when whole, so a name that exists is complete.
Layout and meaning: docs/architecture.md, "A capture directory".
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from dlprof import schema
from dlprof.errors import StoreError
from dlprof.manifest import MANIFEST_VERSION, Described, File, Manifest, Options, options_of, without_empty

EVENTS_FILE: Final = "events.parquet"
TIMINGS_FILE: Final = "timings.parquet"
MANIFEST_FILE: Final = "manifest.json"
COMPARISON_FILE: Final = "comparison.json"

_LOG_FILES: Final = ("request.json", "result.json", "stderr.log")

_T = TypeVar("_T")


def read_json(file: Path) -> Any:
    """A JSON file of a directory as plain values. Raises `StoreError` that names it; `FileNotFoundError` is the caller's."""
    try:
        return msgspec.json.decode(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise StoreError(f"{file}: cannot be read: {error.strerror}") from None
    except RecursionError:
        raise StoreError(f"{file}: damaged or foreign: nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StoreError(f"{file}: damaged or foreign: {error}") from None


def typed(plain: object, kind: type[_T], file: Path, at: str = "$") -> _T:
    """Plain values of a JSON file as what they must be. Raises `StoreError` with the file and the path of the field.

    at: where in the file `plain` stands.
    """
    try:
        return msgspec.convert(plain, kind, dec_hook=_from_text)
    except RecursionError:
        raise StoreError(f"{file}: {at}: nested too deeply") from None
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at `$")
        raise StoreError(f"{file}: {at}{place.rstrip('`')}: {what[:1].lower()}{what[1:]}", hint=DAMAGED) from None


def _from_text(kind: type[_T], value: object) -> _T:
    """A type that JSON has not (a path) from its text."""
    if not isinstance(value, str):
        raise msgspec.ValidationError(f"Expected `str`, got `{type(value).__name__}`")
    return kind(value)  # type: ignore[call-arg]


DAMAGED: Final = "the directory is damaged, changed by hand or of another program; make it again"


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
        table = _current(self._table(EVENTS_FILE, columns), columns)
        origin = self.manifest.trace.origin_ns if self.manifest.trace else None
        return table.replace_schema_metadata({"origin_ns": "" if origin is None else str(origin)})

    def timings(self) -> pa.Table:
        """The timing table (schema.TIMINGS). Raises `StoreError` where the directory has none."""
        return self._table(TIMINGS_FILE, None)

    def has(self, name: str) -> bool:
        return (self.path / name).is_file()

    def raw_files(self) -> list[Path]:
        return sorted(p for p in (self.path / "raw").rglob("*") if p.is_file())

    def captures(self) -> dict[str, Capture]:
        """The captures inside a comparison directory, by folder name."""
        folders = sorted(p for p in self.path.iterdir() if (p / MANIFEST_FILE).is_file())
        return {folder.name: Capture.open(folder) for folder in folders}

    def comparison(self) -> dict[str, Any]:
        """comparison.json of a comparison directory."""
        try:
            content: dict[str, Any] = json.loads((self.path / COMPARISON_FILE).read_bytes())
        except FileNotFoundError:
            raise StoreError(
                f"{self.path}: holds no comparison", hint="give the directory of a `dlprof compare`"
            ) from None
        except ValueError as error:
            raise StoreError(f"{self.path / COMPARISON_FILE}: damaged: {error}") from None
        return content

    def _table(self, name: str, columns: Sequence[str] | None) -> pa.Table:
        file = self.path / name
        try:
            # Not pq.read_table: it loads Arrow's data sets first, a third of the time of `dlprof show`.
            with pq.ParquetFile(file) as parquet:
                there = None if columns is None else [name for name in columns if name in parquet.schema_arrow.names]
                return parquet.read(columns=there)
        except FileNotFoundError:
            raise StoreError(
                f"{self.path}: has no {name}", hint="was the run interrupted before it was written?"
            ) from None
        except (pa.ArrowException, OSError) as error:
            raise StoreError(f"{file}: cannot be read: {error}", hint="import the files below raw/ again") from None


PARQUET_OPTIONS: Final[dict[str, Any]] = {
    "compression": "zstd",
    "compression_level": 1,
    # Measured on a million rows: half the time of Parquet's defaults and a quarter less space. No dictionary for what hardly
    # ever repeats; differences for what grows; no statistics, which nobody reads.
    "use_dictionary": [
        column.name for column in schema.EVENT_COLUMNS
        if column.name not in ("id", "start_ps", "duration_ps", "self_ps", "value", "args")
    ],
    "column_encoding": {"id": "DELTA_BINARY_PACKED", "start_ps": "DELTA_BINARY_PACKED"},
    "write_statistics": False,
}  # fmt: skip
"""How events.parquet is written."""


class CaptureWriter:
    """Writes one directory: `with CaptureWriter(path) as writer: …; writer.commit(manifest)`.

    Everything goes to a temporary name in the same parent; `commit` renames it. Leaving the block without commit, or by an
    exception, removes it, unless `keep_partial` was set (then it stays under its temporary name and is named in errors).
    resume: `path` is there, its files are taken over (as hard links where the file system has them) but for captures that
    an interruption left under their temporary name, and `commit` replaces it.
    """

    def __init__(self, path: Path, *, resume: bool = False) -> None:
        self.path = path
        self.resume = resume
        self.partial = beside(path, "partial")
        self.keep_partial = False
        self._events: pq.ParquetWriter | None = None
        self._committed = False

    def __enter__(self) -> Self:
        if self.path.exists() and not self.resume:
            raise StoreError(f"{self.path}: exists already", hint="choose another -o, or remove it")
        try:
            self.partial.parent.mkdir(parents=True, exist_ok=True)
            if self.resume:
                # A traced run that was cut short is made again as a whole: what is left of it stays behind.
                unfinished = shutil.ignore_patterns(".*.partial-*")
                shutil.copytree(self.path, self.partial, copy_function=_linked, ignore=unfinished)
            else:
                self.partial.mkdir()
            (self.partial / "raw").mkdir(exist_ok=True)
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be made: {error.strerror}", hint="choose another -o") from None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close_events()
        if not self._committed and not self.keep_partial:
            shutil.rmtree(self.partial, ignore_errors=True)

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
        with atomic(file) as temporary:
            pq.write_table(table.cast(schema.TIMINGS), temporary, compression="zstd")

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
        with atomic(self.partial / MANIFEST_FILE) as temporary:
            temporary.write_bytes(manifest.encoded())
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
        """Into place; a directory that is replaced steps aside first, and back where the new one cannot come."""
        before = beside(self.path, "before")
        if self.resume:
            self.path.rename(before)
        try:
            self.partial.rename(self.path)
        except OSError:
            if self.resume:
                before.rename(self.path)
            raise
        shutil.rmtree(before, ignore_errors=True)


def _linked(source: str, target: str) -> None:
    """A hard link, which takes no space and leaves the source alone when the target is replaced; else a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def beside(path: Path, purpose: str) -> Path:
    """A temporary name in the folder of `path`: `.NAME.PURPOSE-PID-TOKEN`. PID tells whose it was when a process died;
    TOKEN cannot be guessed, so that nobody who may write to the folder can put a link there beforehand."""
    return path.with_name(f".{path.name}.{purpose}-{os.getpid()}-{secrets.token_hex(8)}")


class atomic:  # noqa: N801  (reads as a verb at the call site)
    """`with atomic(path) as temporary:` write the temporary file; it replaces `path` on success and vanishes on error.

    The file is made by us alone (O_EXCL follows no link and takes no file that is there), under a name of `beside`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.temporary = beside(path, "tmp")

    def __enter__(self) -> Path:
        os.close(os.open(self.temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        return self.temporary

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if kind is None:
            self.temporary.replace(self.path)
        else:
            self.temporary.unlink(missing_ok=True)


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


def _current(table: pa.Table, columns: Sequence[str] | None) -> pa.Table:
    """An event table with the columns of today's schema: what an older one lacks is null.

    Only nullable columns are ever added to the schema, so every older table has what may not be null.
    """
    missing = [field for field in schema.EVENTS if (columns is None or field.name in columns)]
    missing = [field for field in missing if field.name not in table.column_names]
    for field in missing:
        table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    order = [name for name in schema.EVENTS.names if name in table.column_names]
    return table.select(order) if missing else table


def write_events(events: pa.Table, path: Path) -> None:
    """An event table as one Parquet file, with its metadata."""
    with atomic(path) as temporary:
        pq.write_table(events, temporary, compression="zstd")


def _empty_batch() -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], type=f.type) for f in schema.EVENTS], schema=schema.EVENTS)


def _digests(root: Path) -> Iterator[tuple[str, File]]:
    for file in sorted(root.rglob("*")):
        inside = file.relative_to(root).parts
        # A comparison's captures have manifests of their own, which hold the digests of their files.
        nested = len(inside) > 1 and (root / inside[0] / MANIFEST_FILE).is_file()
        if file.is_file() and not nested and file.name != MANIFEST_FILE:
            yield str(file.relative_to(root)), File(bytes=file.stat().st_size, sha256=sha256(file))
