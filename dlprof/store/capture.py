"""A capture directory, opened for reading."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa

from dlprof import schema, temporary
from dlprof.errors import StoreError
from dlprof.manifest import MANIFEST_VERSION, Described, Manifest, Options, options_of, without_empty
from dlprof.names import SIDES
from dlprof.stored_files import read_batches, read_json, read_table, typed

EVENTS_FILE: Final = "events.parquet"
TIMINGS_FILE: Final = "timings.parquet"
MANIFEST_FILE: Final = "manifest.json"
COMPARISON_FILE: Final = "comparison.json"
RANKING_FILE: Final = "ranking.json"
_FOREIGN: Final = "this is no result that dlprof wrote"
_TOLD: Final = 80
"""Characters of a name that an error tells."""
_ROWS: Final = 65_536
"""Events that are read at once, at most: more take more memory and no less time."""


class _Head(msgspec.Struct, frozen=True):
    """What of a manifest says how to read the rest."""

    kind: str
    dlprof_version: str
    manifest_version: int = MANIFEST_VERSION
    schema_version: int = schema.SCHEMA_VERSION


class _Method(msgspec.Struct, frozen=True):
    method: str | None = None


def manifest_of(plain: object, file: Path) -> Manifest[Options]:
    """A manifest from the plain values of its file. Raises `StoreError` where it does not fit, or is of a newer dlprof."""
    head = typed(plain, _Head, file)
    if head.manifest_version > MANIFEST_VERSION or head.schema_version > schema.SCHEMA_VERSION:
        raise StoreError(
            f"{file}: written by dlprof {head.dlprof_version}, which is newer than this one",
            hint="upgrade dlprof, or import the files below raw/ again",
        )
    assert isinstance(plain, dict)
    method = typed(plain.get("options", {}), _Method, file, "$.options").method
    values = {"options": {}, **without_empty(plain)}
    kind: type[Manifest[Options]] = Manifest[options_of(head.kind, method)]  # type: ignore[misc,assignment]
    manifest = typed(values, kind, file)
    if not manifest.of_sides:
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
            return cls(path, manifest_of(read_json(file), file))
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
        return self._with_origin(table)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """The event table as `events` gives it, some rows at a time."""
        older = self.manifest.schema_version < schema.SCHEMA_VERSION
        try:
            yield from read_batches(self.path / EVENTS_FILE, schema.EVENTS, columns, rows=_ROWS, older=older)
        except (FileNotFoundError, NotADirectoryError):
            raise self._without(EVENTS_FILE) from None

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
        """comparison.json of a comparison directory as plain values (api.findings.stored makes findings of them)."""
        try:
            return read_json(self.path / COMPARISON_FILE)
        except FileNotFoundError:
            raise StoreError(
                f"{self.path}: holds no comparison", hint="give the directory of a `dlprof compare`"
            ) from None

    def ranking(self) -> Any:
        """ranking.json of a directory of more than two sides as plain values."""
        try:
            return read_json(self.path / RANKING_FILE)
        except FileNotFoundError:
            raise StoreError(f"{self.path}: holds no ranking", hint="was the run interrupted?") from None

    def _with_origin(self, events: pa.Table) -> pa.Table:
        origin = self.manifest.trace.origin_ns if self.manifest.trace else None
        return events.replace_schema_metadata({"origin_ns": "" if origin is None else str(origin)})

    def _table(self, name: str, declared: pa.Schema, columns: Sequence[str] | None) -> pa.Table:
        older = self.manifest.schema_version < schema.SCHEMA_VERSION
        sides = self.manifest.sides if self.manifest.kind == "ranking" else SIDES
        try:
            return read_table(self.path / name, declared, columns, older=older, sides=sides)
        except (FileNotFoundError, NotADirectoryError):
            raise self._without(name) from None

    def _without(self, name: str) -> StoreError:
        return StoreError(f"{self.path}: has no {name}", hint="was the run interrupted before it was written?")


class Unstored(Capture):
    """A trace that was read and not stored: the columns of its events that were asked for are in memory, nothing is on disk.

    path: the trace; events: those columns of schema.EVENTS
    """

    def __init__(self, path: Path, manifest: Manifest[Options], events: pa.Table) -> None:
        super().__init__(path, manifest)
        self._events = events

    def events(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The events, or the named columns of them; metadata holds origin_ns. Raises `KeyError` for one not read."""
        there = self._events.column_names
        if missing := set(columns or ()).difference(there):
            raise KeyError(f"{self.path}: read without {', '.join(sorted(missing))}")
        return self._with_origin(self._events.select([one for one in there if columns is None or one in columns]))


def traced_folders(path: Path) -> list[Path]:
    """The captures inside a comparison directory that are whole, by name."""
    return sorted(
        one for one in path.iterdir() if not temporary.is_temporary(one.name) and (one / MANIFEST_FILE).is_file()
    )


def inside(root: Path, name: str) -> Path:
    """The place of `name`, as a file of `root` states it.

    Raises `StoreError` where it leads out of `root` (absolute, by `..` or by a link) or cannot be a file: too long, a link to
    itself.
    """
    path = root / name
    try:
        there = Path(os.path.realpath(path))  # unlike Path.resolve, of links in a circle too
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as error:
        told = name if len(name) <= _TOLD else f"{name[:_TOLD]}…"
        raise StoreError(f"{root}: names what cannot be a file: {told}: {error}", hint=_FOREIGN) from None
    if not there.is_relative_to(root.resolve()):
        raise StoreError(f"{root}: names a file outside of itself: {name}", hint=_FOREIGN)
    return path


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
