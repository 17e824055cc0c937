"""A capture directory being written: under a temporary name beside its place, renamed when whole."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec
import pyarrow as pa

from dlprof import schema, temporary
from dlprof.errors import StoreError
from dlprof.files import check_name
from dlprof.manifest import File, Manifest, Options
from dlprof.store.capture import (
    COMPARISON_FILE,
    EVENTS_FILE,
    MANIFEST_FILE,
    RANKING_FILE,
    TIMINGS_FILE,
    Capture,
    sha256,
)
from dlprof.temporary import atomic

if TYPE_CHECKING:
    import pyarrow.parquet as pq  # late elsewhere: a raw trace is shown without

_LOG_FILES: Final = ("request.json", "result.json", "stderr.log")

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
    exception, removes it and the folders above that were made for it, unless `keep_partial` is set: `checkpoint` sets it once
    there is something finished to go on with.

    source: what to go on with: `path` itself, whose files are taken over (as hard links where the file system has them)
        until `commit` replaces it; or what a killed process left of it (`taken_up`), which becomes this writer's own.
        Captures that were cut short are not taken over: they are made again as a whole
    """

    def __init__(self, path: Path, *, source: Path | None = None) -> None:
        self.path = path
        self.source = source
        self.partial = temporary.beside(path, "partial")
        self.keep_partial = False
        self._events: pq.ParquetWriter | None = None
        self._sealed: dict[str, File] = {}
        self._committed = False
        self._hold: temporary.Hold | None = None
        self._made: list[Path] = []

    def __enter__(self) -> Self:
        check_name(self.path)
        if self.path.exists() and self.source is None:
            raise StoreError(f"{self.path}: exists already", hint="choose another -o, or remove it")
        above = self.partial.parent
        self._made = [folder for folder in (above, *above.parents) if not folder.exists()]
        try:
            above.mkdir(parents=True, exist_ok=True)
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
        if not self._committed and not self.keep_partial:
            with contextlib.suppress(OSError):  # not empty: others write there
                for folder in self._made:
                    folder.rmdir()

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
        import pyarrow.parquet as pq

        if self._events is None:
            self._events = pq.ParquetWriter(self.partial / EVENTS_FILE, schema.EVENTS, **PARQUET_OPTIONS)
        self._events.write_batch(batch)

    def close_events(self) -> None:
        if self._events is not None:
            self._events.close()
            self._events = None

    def seal(self, folder: str) -> None:
        """Take the digests of what lies in a folder and is not changed any more; may run in another thread than the rest."""
        self._sealed |= dict(_digests(self.partial, self.partial / folder, {}))

    def timings(self, table: pa.Table) -> None:
        """Write (or replace) timings.parquet; whole each time, so that an interrupted run keeps the finished trials."""
        import pyarrow.parquet as pq

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
        with atomic(self.partial / COMPARISON_FILE) as file:
            file.write_text(text, encoding="utf-8")

    def ranking(self, text: str) -> None:
        """Write ranking.json, as report.json has made it."""
        with atomic(self.partial / RANKING_FILE) as file:
            file.write_text(text, encoding="utf-8")

    def commit(self, manifest: Manifest[Options]) -> Capture:
        """Seal the directory: logs moved aside, digests taken, manifest written, renamed to its final name."""
        if self._events is None and not manifest.of_sides and not (self.partial / EVENTS_FILE).exists():
            self.sink(_empty_batch())
        self.close_events()
        logs = self.partial / "logs"
        for name in _LOG_FILES:
            if (self.partial / name).exists():
                logs.mkdir(exist_ok=True)
                (self.partial / name).rename(logs / name)
        manifest = msgspec.structs.replace(manifest, files=dict(_digests(self.partial, self.partial, self._sealed)))
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
        """Renames the directory into place.

        One that is replaced steps aside first, under a name by which `taken_up` finds it, and back where the new one cannot come.
        """
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


def write_events(events: pa.Table, path: Path) -> None:
    """An event table as one Parquet file, with its metadata."""
    import pyarrow.parquet as pq

    with atomic(path) as beside:
        pq.write_table(events, beside, compression="zstd")


def _empty_batch() -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], type=f.type) for f in schema.EVENTS], schema=schema.EVENTS)


def _digests(root: Path, folder: Path, known: Mapping[str, File]) -> Iterator[tuple[str, File]]:
    """Of the files in a folder of `root` (or itself), by their names in it; `known` are taken as they are."""
    for file in sorted(folder.rglob("*")):
        inside = file.relative_to(root).parts
        # A comparison's captures have manifests of their own, which hold the digests of their files.
        nested = len(inside) > 1 and (root / inside[0] / MANIFEST_FILE).is_file()
        if file.is_file() and not nested and file.name != MANIFEST_FILE:
            name = str(file.relative_to(root))
            yield name, known.get(name) or File(bytes=file.stat().st_size, sha256=sha256(file))
