"""A data set of ranks on disk: a Parquet file of events for each rank, in Hive's folders, and the summaries of all beside them.

    DATASET/run=NAME/rank=3/part.parquet     schema.EVENTS but for rank, which the folder tells
    DATASET/run=NAME/rank=3/_steps.parquet   its summaries (schema.RANK_STEPS, …), and _facts.json
    DATASET/_dlprof/dataset.json             what there is, what failed
    DATASET/_dlprof/steps.parquet            the summaries of all ranks

Readers of Hive's data sets pass over names that begin with `_`. Each rank's folder is written under a temporary name and renamed
when whole, so that an import that was interrupted is gone on with from the ranks that are there.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from dlprof import schema, temporary
from dlprof.errors import StoreError
from dlprof.files import check_name
from dlprof.names import as_text
from dlprof.stored_files import read_as, read_table
from dlprof.temporary import atomic

DATASET_VERSION: Final = 1
TABLES: Final = {
    "steps": schema.RANK_STEPS,
    "lines": schema.RANK_LINES,
    "collectives": schema.COLLECTIVES,
    "moments": schema.MOMENTS,
}
"""Name of a summary's files → its columns."""
PART: Final = "part.parquet"
PART_EVENTS: Final = pa.schema([field for field in schema.EVENTS if field.name != "rank"])
"""Columns of a part: a column that the folder tells too would be there twice, in two types, and Arrow reads no such data set."""

_FOLDER: Final = "_dlprof"
_INDEX: Final = "dataset.json"
_FACTS: Final = "_facts.json"
_PLAIN: Final = re.compile(r"[^A-Za-z0-9._-]+")


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One rank of a run, and the file that it was read from.

    told: what says that it is this rank: distributedInfo, file name, folder name, host name or order
    world, groups: ranks of the job and members of its process groups, where the trace tells
    source, bytes, sha256: of the trace file, relative to the folder that was imported
    outside: collectives that began in no step, which no summary has
    """

    run: str
    rank: int
    told: str
    source: str
    bytes: int
    sha256: str
    kind: str
    producer: str
    events: int
    host: str | None = None
    world: int | None = None
    groups: dict[str, list[int]] = {}
    origin_ns: int | None = None
    outside: int = 0
    anomalies: dict[str, int] = {}
    completeness: dict[str, Any] = {}
    dlprof_version: str = ""
    schema_version: int = schema.SCHEMA_VERSION
    dataset_version: int = DATASET_VERSION


class Failed(msgspec.Struct, frozen=True):
    """A file that is in no part, and why."""

    source: str
    why: str


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """dataset.json. complete: whether the import came to its end; notes: what was noticed of runs and ranks."""

    dlprof_version: str
    created: str
    command: list[str] = []
    complete: bool = False
    parts: list[Part] = []
    failed: list[Failed] = []
    notes: list[str] = []
    dataset_version: int = DATASET_VERSION
    kind: str = "ranks"


def plain_run(text: str) -> str:
    """A run's name as a folder's: letters, digits, `.`, `_` and `-`."""
    return _PLAIN.sub("-", as_text(text)).strip("-.") or "run"


def is_rank_set(path: Path) -> bool:
    """Whether a folder is a data set of ranks, whole or under way."""
    return (path / _FOLDER / _INDEX).is_file()


class RankSet:
    """A data set of ranks."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def open(cls, path: Path) -> RankSet:
        """Raises `StoreError` for what is none."""
        if not is_rank_set(path):
            raise StoreError(
                f"{path}: no data set of ranks",
                hint="make one of a folder with a trace per rank: dlprof import FOLDER -o DATASET",
            )
        return cls(path)

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Makes the folder, or goes on with it, and keeps others away. One that ends without a part is removed if it is new.

        Raises `StoreError` for a folder of anything else.
        """
        check_name(self.path)
        new = not self.path.exists()
        if not new and not is_rank_set(self.path):
            raise StoreError(
                f"{self.path}: exists already, and is no data set of ranks", hint="choose another -o, or remove it"
            )
        (self.path / _FOLDER).mkdir(parents=True, exist_ok=True)
        held = temporary.hold(self.path / _FOLDER)
        if held is None:
            raise StoreError(f"{self.path}: another dlprof is at work on it", hint="wait for it, or stop it")
        try:
            self._clear()
            yield
        finally:
            held.release()
            if new and not any(self.path.glob(f"run=*/rank=*/{_FACTS}")):
                shutil.rmtree(self.path, ignore_errors=True)

    def _clear(self) -> None:
        """Remove what killed processes left."""
        for folder in self.path.glob("run=*"):
            for left in list(temporary.left_beside(folder)):
                temporary.remove(left)

    def index(self) -> Index:
        """dataset.json. Raises `StoreError` where it is damaged or of a newer dlprof."""
        found = read_as(self.path / _FOLDER / _INDEX, Index)
        if found.kind != "ranks" or found.dataset_version > DATASET_VERSION:
            raise StoreError(
                f"{self.path}: a data set of dlprof {found.dlprof_version}", hint="upgrade dlprof, or import again"
            )
        return found

    def write_index(self, index: Index) -> None:
        with atomic(self.path / _FOLDER / _INDEX) as file:
            file.write_bytes(msgspec.json.format(msgspec.json.encode(index), indent=2) + b"\n")

    def folder(self, run: str, rank: int) -> Path:
        return self.path / f"run={run}" / f"rank={rank}"

    def parts(self) -> Iterator[Part]:
        """The parts that are there; one whose facts cannot be read counts as not there."""
        for file in sorted(self.path.glob(f"run=*/rank=*/{_FACTS}")):
            try:
                yield read_as(file, Part)
            except StoreError:
                continue

    def write_part(self, part: Part, events: Path, tables: Mapping[str, pa.Table]) -> None:
        """Put a rank's events (a finished file, which is moved) and summaries in place of what is there."""
        place = self.folder(part.run, part.rank)
        place.parent.mkdir(parents=True, exist_ok=True)
        whole = temporary.beside(place, "partial")
        whole.mkdir()
        held = temporary.hold(whole)
        try:
            for name, table in tables.items():
                pq.write_table(table, whole / f"_{name}.parquet", compression="zstd")
            events.rename(whole / PART)
            (whole / _FACTS).write_bytes(msgspec.json.encode(part))
            before = temporary.beside(place, "tmp")
            if place.exists():
                place.rename(before)
            whole.rename(place)
            shutil.rmtree(before, ignore_errors=True)
        finally:
            if held is not None:
                held.release()
            shutil.rmtree(whole, ignore_errors=True)

    def gather(self, parts: Mapping[tuple[str, int], Part]) -> None:
        """Write the summaries of all ranks, rank by rank, from each rank's own."""
        for name, declared in TABLES.items():
            target = self.path / _FOLDER / f"{name}.parquet"
            with atomic(target) as file, pq.ParquetWriter(file, declared, compression="zstd") as writer:
                for run, rank in sorted(parts):
                    table = read_table(self.folder(run, rank) / f"_{name}.parquet", declared)
                    if table.num_rows:
                        writer.write_table(table)

    def table(self, name: str) -> pa.Table:
        """A summary of all ranks (TABLES). Raises `StoreError`."""
        file = self.path / _FOLDER / f"{name}.parquet"
        try:
            return read_table(file, TABLES[name])
        except FileNotFoundError:
            raise StoreError(
                f"{file}: missing: the import did not end", hint="run the same dlprof import again"
            ) from None
