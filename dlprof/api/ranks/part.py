"""One job: a trace file read into its rank's folder of the data set, with its summary, in whatever process it runs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dlprof import frameworks, ingest, schema, temporary
from dlprof.analysis.ranks import one_rank
from dlprof.api.ranks.plan import HEADER, Planned
from dlprof.errors import DlprofError, of_system
from dlprof.ingest import TraceInfo
from dlprof.names import as_text
from dlprof.store import PARQUET_OPTIONS, sha256
from dlprof.store.rank_set import MOST_RANKS, PART_EVENTS, Failed, Part, RankSet
from dlprof.version import __version__


@dataclass(frozen=True, slots=True)
class Order:
    """One job. known: the parts that an earlier run made of this file."""

    target: Path
    folder: Path
    file: Planned
    repair: bool
    known: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a file: its parts (several where ranks were merged into it), or why there are none."""

    parts: tuple[Part, ...] = ()
    failed: Failed | None = None
    unchanged: bool = False


def read_part(order: Order) -> Done:
    """Read one file, unless its parts are there and it has not changed. A file that cannot be read is told, not raised."""
    try:
        digest = _digest(order.file.path)
        data = RankSet(order.target)
        if order.known and all(_is_of(part, digest, order.file) and data.is_whole(part) for part in order.known):
            return Done(order.known, unchanged=True)
        return Done(tuple(_read(order, digest)))
    except DlprofError as error:
        return Done(failed=Failed(order.file.source, error.message))
    except OSError as error:
        refused = of_system(error)
        if refused is not None and error.filename != str(order.file.path):
            raise refused from None  # a full disk ends the whole import
        return Done(failed=Failed(order.file.source, f"cannot be read: {error.strerror}"))


def _files(path: Path) -> list[Path]:
    """The file that a trace is, or those of a report that is a folder."""
    return sorted(one for one in path.iterdir() if one.is_file()) if path.is_dir() else [path]


def _digest(path: Path) -> str:
    """Of a file; of a folder that of its files' names and digests."""
    if not path.is_dir():
        return sha256(path)
    told = "".join(f"{sha256(file)}  {as_text(file.name)}\n" for file in _files(path))
    return hashlib.sha256(told.encode()).hexdigest()


def _is_of(part: Part, digest: str, file: Planned) -> bool:
    same = part.sha256 == digest and part.run == file.run and part.told == file.told
    return same and part.schema_version == schema.SCHEMA_VERSION and part.dlprof_version == __version__


def _read(order: Order, digest: str) -> Iterator[Part]:
    data = RankSet(order.target)
    run = data.path / f"run={order.file.run}"
    run.mkdir(parents=True, exist_ok=True)
    scratch = temporary.beside(run / f"file-of-rank-{order.file.rank}", "partial")
    scratch.mkdir()
    held = temporary.hold(scratch)
    try:
        with _Split(scratch, order.file.rank) as split:
            info = ingest.read(
                [order.file.path],
                root=order.folder,
                vocabularies=frameworks.vocabularies(),
                sink=split.add,
                repair=order.repair,
            )
        for rank, file in split.files.items():
            yield _finish(data, order, rank, file, info, digest)
    finally:
        if held is not None:
            held.release()
        for file in scratch.iterdir():
            file.unlink()
        scratch.rmdir()


def _finish(data: RankSet, order: Order, rank: int, file: Path, info: TraceInfo, digest: str) -> Part:
    events = _looked_at(file)
    summary = one_rank.summarise(events, order.file.run, rank)
    world, groups = info.facts.get("world_size"), info.facts.get("process_groups")
    told = HEADER if str(info.facts.get("rank")) == str(rank) else order.file.told
    part = Part(
        run=order.file.run,
        rank=rank,
        told=told,
        source=order.file.source,
        bytes=sum(file.stat().st_size for file in _files(order.file.path)),
        sha256=digest,
        kind=next(iter(info.kinds.values())),
        producer=info.producer,
        events=events.num_rows,
        host=next((one for one in pc.unique(events["host"]).to_pylist() if one is not None), None),
        world=world if _is_rank(world) and 0 < world <= MOST_RANKS else None,
        groups={name: ranks for name, ranks in groups.items() if _are_ranks(ranks)} if isinstance(groups, dict) else {},
        origin_ns=info.origin_ns,
        outside=summary.outside,
        marked=summary.marked,
        anomalies=dict(info.anomalies),
        completeness={name: str(text) for name, text in info.completeness.items()} | _odd(world),
        dlprof_version=__version__,
    )
    data.write_part(part, file, summary.tables)
    return part


def _is_rank(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31


def _odd(world: object) -> dict[str, str]:
    """What is said of a number of ranks that no job has, and is not kept."""
    if world is None or (_is_rank(world) and 0 < world <= MOST_RANKS):
        return {}
    return {"world": f"tells that its job has {as_text(str(world)[:20])} ranks, which none has: passed over"}


def _are_ranks(values: object) -> bool:
    return isinstance(values, list) and all(map(_is_rank, values))


def _looked_at(file: Path) -> pa.Table:
    """The columns that a summary looks at; arguments of collectives alone, for those of all events would fill the memory."""
    wanted = [name for name in one_rank.EVENT_COLUMNS if name != "rank"]
    batches = []
    with pq.ParquetFile(file) as parquet:
        for batch in parquet.iter_batches(columns=wanted):
            table: Any = pa.Table.from_batches([batch])
            asked = pc.or_(
                pc.fill_null(pc.equal(table["phase"].cast(pa.string()), pa.scalar("communication")), False),
                pa.chunked_array([_described(table["name"])]),
            )
            args = pc.if_else(asked, table["args"], pa.scalar(None, pa.string()))
            batches.append(table.set_column(table.schema.get_field_index("args"), "args", args))
        empty = parquet.schema_arrow.empty_table().select(wanted)
    whole = pa.concat_tables([empty, *batches]).unify_dictionaries()
    return whole.append_column("rank", pa.nulls(whole.num_rows, pa.int64()))


def _described(names: Any) -> pa.Array[Any]:
    """Rows whose arguments describe a collective."""
    encoded = (
        names.combine_chunks() if pa.types.is_dictionary(names.type) else names.dictionary_encode().combine_chunks()
    )
    truth = pa.array([one_rank.needs_arguments(str(one)) for one in encoded.dictionary.to_pylist()], pa.bool_())
    taken: Any = pc.take(truth, encoded.indices) if len(truth) else pa.array([False] * len(encoded))
    found: pa.Array[Any] = taken.fill_null(False)
    return found


class _Split:
    """Where the events of a file go: to one Parquet file for each rank in it."""

    def __init__(self, folder: Path, rank: int) -> None:
        self.folder, self.rank = folder, rank
        self.files: dict[int, Path] = {}
        self._writers: dict[int, pq.ParquetWriter] = {}
        self._open = ExitStack()

    def __enter__(self) -> _Split:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._writers:
            self._writer(self.rank)
        self._open.close()

    def add(self, batch: pa.RecordBatch) -> None:
        ranks: Any = batch.column("rank")
        rest = batch.select(PART_EVENTS.names)
        present = pc.unique(ranks).to_pylist()
        if len(present) == 1:
            self._writer(self.rank if present[0] is None else present[0]).write_batch(rest)
            return
        filled: Any = ranks.fill_null(self.rank)
        for rank in pc.unique(filled).to_pylist():
            self._writer(rank).write_batch(rest.filter(pc.equal(filled, pa.scalar(rank, pa.int64()))))

    def _writer(self, rank: int) -> pq.ParquetWriter:
        if rank not in self._writers:
            self.files[rank] = self.folder / f"{rank}.parquet"
            options = {
                **PARQUET_OPTIONS,
                "use_dictionary": [n for n in PARQUET_OPTIONS["use_dictionary"] if n != "rank"],
            }
            self._writers[rank] = self._open.enter_context(pq.ParquetWriter(self.files[rank], PART_EVENTS, **options))
        return self._writers[rank]
