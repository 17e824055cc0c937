"""One run of reading: files found, kinds detected, readers driven, times brought to one origin, rows finished."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pyarrow as pa

from dlprof.errors import TraceError
from dlprof.ingest.anomalies import Anomalies
from dlprof.ingest.background import Background
from dlprof.ingest.batch import Pools
from dlprof.ingest.dialects.registry import kind_of, reader_for
from dlprof.ingest.finish.finisher import Finisher, Place
from dlprof.ingest.heap import kept_warm
from dlprof.ingest.reader import Context, Damaged, Reader
from dlprof.ingest.source import Source
from dlprof.plugin import Operator, Vocabulary
from dlprof.units import PS_PER_NS

LAST_PS: Final = 2**63 - 1
"""106 days: the latest time that int64 picoseconds hold."""
NS_PER_DAY: Final = 86_400 * 10**9


@dataclass(frozen=True, slots=True)
class TraceInfo:
    """What was read. kinds: kind of each file by source. anomalies: count by name (ANOMALIES says what each means).
    completeness: name → statement about what the trace may lack. origin_ns: Unix ns of start_ps 0, None if unknown."""

    kinds: Mapping[str, str]
    producer: str
    origin_ns: int | None
    events: int
    anomalies: Mapping[str, int]
    completeness: Mapping[str, str]
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class _Read:
    """One file after reading."""

    kind: str
    reader: Reader
    context: Context


@dataclass(slots=True)
class _Run:
    """What the files of a run share."""

    repair: bool
    anomalies: Anomalies = field(default_factory=Anomalies)
    pools: Pools = field(default_factory=Pools)
    reads: list[_Read] = field(default_factory=list)


def read(
    paths: Sequence[Path],
    *,
    root: Path,
    vocabularies: Mapping[str, Vocabulary],
    sink: Callable[[pa.RecordBatch], None],
    repair: bool = False,
) -> TraceInfo:
    """Reads trace files, or directories of them (a TensorBoard logdir, a folder of ranks), as one run.

    root: sources are stored relative to it. vocabularies: producer → raw operator names. sink: gets schema.EVENTS batches,
    ordered by track and start. Raises `TraceError` for what cannot be read; with repair keeps all before the damage.
    """
    root = Path(root)
    run = _Run(repair)
    background = Background()
    # Left in this order: nothing may still write to the finisher's file when it is closed.
    with closing(Finisher(run.pools, run.anomalies, background)) as finisher, background, kept_warm():
        for path in find(paths):
            _read_file(run, path, root, finisher)
        origin, shifts = _origins(run.reads, finisher.first_start, finisher.last_start)
        events = finisher.finish(_resolver(run.reads, vocabularies), shifts, sink, _places(run.reads))
        for read in run.reads:
            read.context.completeness.update(finisher.statements.get(read.context.source, {}))
    return _info(run, origin, events)


def find(paths: Iterable[Path]) -> list[Path]:
    """The trace files behind paths: a file is itself, a directory all traces below it (see `directories`)."""
    from dlprof.ingest.directories import traces_below

    found: list[Path] = []
    for path in paths:
        path = Path(path)
        found.extend(traces_below(path) if path.is_dir() else [path])
    return found


def _read_file(run: _Run, path: Path, root: Path, finisher: Finisher) -> None:
    name = str(path.relative_to(root)) if path.is_relative_to(root) else path.name
    source = Source(path, str(path), run.anomalies, run.repair)
    kind = kind_of(source)
    reader = reader_for(kind)
    context = Context(str(path), name, run.pools, run.anomalies, run.repair, reader.producer)
    run.reads.append(_Read(kind, reader, context))
    events = 0
    try:
        for batch in reader.read(source, context):
            events += len(batch)
            finisher.add(batch, name)
    except Damaged:
        pass  # under --repair: counted by Context.damage, everything before it is kept
    if not events:
        run.anomalies.count("empty_file")


def _origins(
    reads: list[_Read], first_start: Mapping[str, int], last_start: Mapping[str, int]
) -> tuple[int | None, dict[str, int]]:
    """The run's origin (Unix ns, so that no start is negative) and what to add to each file's times, in ps.

    Files without absolute time start at the origin of the others.
    """
    starts = {
        read.context.source: read.context.origin_ns + first_start.get(read.context.source, 0) // PS_PER_NS
        for read in reads
        if read.context.origin_ns is not None
    }
    origin = min(starts.values()) if starts else None
    shifts = {}
    for read in reads:
        name = read.context.source
        if read.context.origin_ns is None or origin is None:
            shifts[name] = -min(first_start.get(name, 0), 0) if len(reads) == 1 else -first_start.get(name, 0)
        else:
            shifts[name] = (read.context.origin_ns - origin) * PS_PER_NS
            if shifts[name] + last_start.get(name, 0) > LAST_PS:
                days = (read.context.origin_ns - origin) // NS_PER_DAY
                raise TraceError(
                    f"{read.context.label}: recorded {days} days after another file of the same run",
                    hint="files read together are one run, at most 106 days long: import them one by one",
                )
    return origin, shifts


def _places(reads: list[_Read]) -> dict[str, Place]:
    """Host and rank of each file."""
    return {read.context.source: Place(read.context.host, read.context.rank, read.context.nested) for read in reads}


def _resolver(reads: list[_Read], vocabularies: Mapping[str, Vocabulary]) -> Callable[[str], Operator | None]:
    """Asks each distinct (reader, vocabulary) of the run in turn; a run hardly ever has more than one."""
    asked = {(read.kind, read.context.producer): read.reader for read in reads}
    pairs = [(reader, vocabularies.get(producer, {})) for (_, producer), reader in asked.items()]
    # What XLA compiled for TensorFlow has XLA's names, which JAX's table knows.
    pairs += [(reader, vocabularies.get("jax", {})) for (kind, _), reader in asked.items() if kind == "xplane"]

    def resolve(name: str) -> Operator | None:
        for reader, vocabulary in pairs:
            operator = reader.operator(name, vocabulary)
            if operator is not None:
                return operator
        return None

    return resolve


def _info(run: _Run, origin: int | None, events: int) -> TraceInfo:
    producers = list(dict.fromkeys(read.context.producer for read in run.reads))
    completeness: dict[str, str] = {}
    facts: dict[str, object] = {}
    for read in run.reads:
        prefix = "" if len(run.reads) == 1 else f"{read.context.source}: "
        completeness.update({prefix + name: text for name, text in read.context.completeness.items()})
        facts.update({prefix + name: value for name, value in read.context.facts.items()})
    return TraceInfo(
        kinds={read.context.source: read.kind for read in run.reads},
        producer="+".join(producers),
        origin_ns=origin,
        events=events,
        anomalies=dict(sorted(run.anomalies.counts.items())),
        completeness=completeness,
        facts=facts,
    )
