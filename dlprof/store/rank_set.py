"""A data set of ranks on disk: a Parquet file of events for each rank, in Hive's folders, and the summaries of all beside them.

    DATASET/run=NAME/rank=3/part.parquet     schema.EVENTS but for rank, which the folder tells
    DATASET/run=NAME/rank=3/_steps.parquet   its summaries (schema.RANK_STEPS, …), and _facts.json
    DATASET/_dlprof/dataset.json             what there is, what failed
    DATASET/_dlprof/steps.parquet            the summaries of all ranks

Readers of Hive's data sets pass over names that begin with `_`. Each rank's folder is written under a temporary name and renamed
when whole, so that an import that was interrupted is gone on with from the ranks that are there.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import pyarrow as pa

from dlprof import schema, temporary
from dlprof.errors import StoreError
from dlprof.files import check_name, check_regular
from dlprof.names import as_text
from dlprof.stored_files import DAMAGED, read_as, read_table
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

SUMMARIES: Final = "_dlprof"
INDEX: Final = "dataset.json"
_FACTS: Final = "_facts.json"
_PLAIN: Final = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_RUN: Final = 200
"""Characters of a run's name: what makes a folder of it, and a temporary name beside that, must fit into a file system's 255."""

MOST_RANKS: Final = 2**20
"""Ranks that a job may have: more than there are accelerators in any machine, few enough to list those that are missing."""

_Count = Annotated[int, msgspec.Meta(ge=0)]
_Rank = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
_World = Annotated[int, msgspec.Meta(ge=1, le=MOST_RANKS)]
_Run = Annotated[
    str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?\Z", max_length=_LONGEST_RUN)
]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One rank of a run, and the file that it was read from.

    told: what says that it is this rank: distributedInfo, file name, folder name, host name or order
    world, groups: ranks of the job and members of its process groups, where the trace tells
    source, bytes, sha256: of the trace file, relative to the folder that was imported
    outside: collectives that began in no step, which no summary has
    marked: whether the trace marks steps; if not, its summaries have all of it as one
    """

    run: _Run
    rank: _Rank
    told: str
    source: str
    bytes: _Count
    sha256: str
    kind: str
    producer: str
    events: _Count
    host: str | None = None
    world: _World | None = None
    groups: dict[str, list[int]] = {}
    origin_ns: int | None = None
    outside: _Count = 0
    marked: bool = True
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
    """A run's name as a folder's: letters, digits, `.`, `_` and `-`; of a very long one the end, and a digest of the whole."""
    plain = _PLAIN.sub("-", as_text(text)).strip("-.") or "run"
    if len(plain) <= _LONGEST_RUN:
        return plain
    digest = hashlib.sha256(plain.encode()).hexdigest()[:16]
    return f"{digest}-{plain[len(digest) + 1 - _LONGEST_RUN :]}"


def is_rank_set(path: Path) -> bool:
    """Whether a folder is a data set of ranks, whole or under way."""
    return (path / SUMMARIES / INDEX).is_file()


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
        if new and self.path.is_symlink():
            raise StoreError(f"{self.path}: a link to what is not there", hint="remove it, or choose another -o")
        if not new and not is_rank_set(self.path):
            raise StoreError(
                f"{self.path}: exists already, and is no data set of ranks", hint="choose another -o, or remove it"
            )
        self._check_folders()
        (self.path / SUMMARIES).mkdir(parents=True, exist_ok=True)
        held = temporary.hold(self.path / SUMMARIES)
        if held is None:
            raise StoreError(f"{self.path}: another dlprof is at work on it", hint="wait for it, or stop it")
        try:
            self._clear()
            yield
        finally:
            self._clear()
            held.release()
            if new and not any(self.path.glob(f"run=*/rank=*/{_FACTS}")):
                shutil.rmtree(self.path, ignore_errors=True)

    def _check_folders(self) -> None:
        """That whatever is written below it stays below it: its folders are folders. Raises `StoreError`."""
        for pattern in (SUMMARIES, "run=*", "run=*/rank=*"):
            for inside in self.path.glob(pattern):
                if inside.is_symlink() or not inside.is_dir():
                    raise StoreError(
                        f"{inside}: a {'link' if inside.is_symlink() else 'file'}, where a folder of the data set should be",
                        hint="remove it, or choose another -o",
                    )

    def _clear(self) -> None:
        """Remove what killed processes left."""
        for folder in (self.path / SUMMARIES, *self.path.glob("run=*")):
            for left in list(temporary.left_beside(folder)):
                temporary.remove(left)

    def index(self) -> Index:
        """dataset.json. Raises `StoreError` where it is damaged or of a newer dlprof."""
        found = read_as(self.path / SUMMARIES / INDEX, Index)
        if found.kind != "ranks" or found.dataset_version > DATASET_VERSION:
            raise StoreError(
                f"{self.path}: a data set of dlprof {found.dlprof_version}", hint="upgrade dlprof, or import again"
            )
        seen: set[tuple[str, int]] = set()
        for at, part in enumerate(found.parts):
            if (part.run, part.rank) in seen:
                raise StoreError(
                    f"{self.path / SUMMARIES / INDEX}: $.parts[{at}].rank: {part.rank} of run {part.run} is there twice",
                    hint=DAMAGED,
                )
            seen.add((part.run, part.rank))
        return found

    def write_index(self, index: Index) -> None:
        with atomic(self.path / SUMMARIES / INDEX) as file:
            file.write_bytes(msgspec.json.format(msgspec.json.encode(index), indent=2) + b"\n")

    def folder(self, run: str, rank: int) -> Path:
        return self.path / f"run={run}" / f"rank={rank}"

    def parts(self) -> Iterator[Part]:
        """The parts that are there; one whose facts cannot be read, or are those of another folder, counts as not there."""
        for file in sorted(self.path.glob(f"run=*/rank=*/{_FACTS}")):
            try:
                part = read_as(file, Part)
            except StoreError:
                continue
            if file.parent == self.folder(part.run, part.rank):
                yield part

    def is_whole(self, part: Part) -> bool:
        """Whether a part's events and summaries are there, can be read, and are its own."""
        import pyarrow.parquet as pq  # late: a raw trace is shown without

        folder = self.folder(part.run, part.rank)
        try:
            check_regular(folder / PART, StoreError)
            if pq.read_metadata(folder / PART).num_rows != part.events:
                return False
            return all(self._summary(part.run, part.rank, name) is not None for name in TABLES)
        except (StoreError, OSError, pa.ArrowException):
            return False

    def _summary(self, run: str, rank: int, name: str) -> pa.Table:
        """One summary of one rank. Raises `StoreError`."""
        file = self.folder(run, rank) / f"_{name}.parquet"
        try:
            table = read_table(file, TABLES[name])
        except (FileNotFoundError, NotADirectoryError):
            raise StoreError(f"{file}: missing", hint="run the same dlprof import again") from None
        _check_ranks(table, {(run, rank)}, file)
        return table

    def events(self, run: str, rank: int) -> pa.Table:
        """A rank's events (PART_EVENTS). Raises `StoreError`."""
        file = self.folder(run, rank) / PART
        try:
            return read_table(file, PART_EVENTS)
        except (FileNotFoundError, NotADirectoryError):
            raise StoreError(f"{file}: missing", hint="run the same dlprof import again") from None

    def write_part(self, part: Part, events: Path, tables: Mapping[str, pa.Table]) -> None:
        """Put a rank's events (a finished file, which is moved) and summaries in place of what is there."""
        import pyarrow.parquet as pq

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
        import pyarrow.parquet as pq

        for name, declared in TABLES.items():
            target = self.path / SUMMARIES / f"{name}.parquet"
            with atomic(target) as file, pq.ParquetWriter(file, declared, compression="zstd") as writer:
                for run, rank in sorted(parts):
                    table = self._summary(run, rank, name)
                    if table.num_rows:
                        writer.write_table(table)

    def table(self, name: str, parts: Sequence[Part]) -> pa.Table:
        """A summary (TABLES) of all ranks, which are those of the parts. Raises `StoreError`."""
        file = self.path / SUMMARIES / f"{name}.parquet"
        try:
            table = read_table(file, TABLES[name])
        except (FileNotFoundError, NotADirectoryError):
            raise StoreError(
                f"{file}: missing: the import did not end", hint="run the same dlprof import again"
            ) from None
        _check_ranks(table, {(part.run, part.rank) for part in parts}, file)
        return table


def _check_ranks(table: pa.Table, known: Collection[tuple[str, int]], file: Path) -> None:
    """That a summary is of these ranks alone. Raises `StoreError`."""
    # Chunks may number their texts differently, which grouping does not take.
    plain = pa.Table.from_arrays([table["run"].cast(pa.string()), table["rank"]], names=["run", "rank"])
    pairs = plain.group_by(["run", "rank"]).aggregate([])
    for one in pairs.to_pylist():
        if (one["run"], one["rank"]) not in known:
            raise StoreError(
                f"{file}: column rank: holds {one['rank']} of run {str(one['run'])[:40]}, which is no part of the data set",
                hint=DAMAGED,
            )
