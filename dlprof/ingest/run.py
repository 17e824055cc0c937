"""One run of reading: files found, kinds detected, readers driven, times brought to one origin, rows finished."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa

from dlprof.errors import TraceError
from dlprof.ingest.anomalies import Anomalies
from dlprof.ingest.background import Background, short_turns
from dlprof.ingest.batch import Pools
from dlprof.ingest.dialects.registry import kind_of, reader_for
from dlprof.ingest.finish.finisher import Ahead, Finisher, Place
from dlprof.ingest.finish.passing import Sums
from dlprof.ingest.finish.ranks import natural
from dlprof.ingest.heap import kept_warm
from dlprof.ingest.reader import Context, Damaged, Reader
from dlprof.ingest.source import Source
from dlprof.names import as_text
from dlprof.plugin import Operator, Vocabulary
from dlprof.schema import FURTHEST_PS
from dlprof.units import PS_PER_NS

_OF_XLA: Final = ("xplane", "tf-trace-json")
"""Kinds of trace that may hold XLA's operators."""
NS_PER_DAY: Final = 86_400 * 10**9


class TraceInfo(msgspec.Struct, frozen=True):
    """What was read.

    kinds: kind of each file by source
    anomalies: count by name (ANOMALIES says what each means)
    completeness: name → statement about what the trace may lack
    origin_ns: Unix ns of start_ps 0, None if unknown
    """

    kinds: Mapping[str, str]
    producer: str
    origin_ns: int | None
    events: int
    anomalies: Mapping[str, int]
    completeness: Mapping[str, str]
    facts: Mapping[str, object] = msgspec.field(default_factory=dict)


class _Read(msgspec.Struct):
    """One file after reading."""

    kind: str
    reader: Reader
    context: Context


class _Run(msgspec.Struct):
    """What the files of a run share. producers: those whose operators are known. columns: those asked for, None for all."""

    repair: bool
    producers: Collection[str] = ()
    columns: Collection[str] | None = None
    anomalies: Anomalies = msgspec.field(default_factory=Anomalies)
    pools: Pools = msgspec.field(default_factory=Pools)
    reads: list[_Read] = msgspec.field(default_factory=list)
    passed_over: dict[str, str] = msgspec.field(default_factory=dict)


def read(
    paths: Sequence[Path],
    *,
    root: Path,
    vocabularies: Mapping[str, Vocabulary],
    sink: Callable[[pa.RecordBatch], None],
    repair: bool = False,
    columns: Collection[str] | None = None,
    ahead: Callable[[Ahead], Sums | None] | None = None,
) -> TraceInfo:
    """Reads trace files, or directories of them (a TensorBoard logdir, a folder of ranks), as one run.

    root: sources are stored relative to it. vocabularies: producer → raw operator names. sink: gets schema.EVENTS batches,
    ordered by track and start; with `columns` those alone, in the order of the schema, and no time goes into the
    others. ahead: told what is known of the events before the sink gets the first; who only sums them up answers with that
    (finish.passing), and then the sink gets those alone that it has to see. Raises `TraceError` for what cannot be read;
    with repair keeps all before the damage.
    """
    root = Path(root)
    run = _Run(repair, vocabularies.keys(), columns)
    background = Background()
    # Left in this order: nothing may still write to the finisher's file when it is closed.
    with (
        closing(Finisher(run.pools, run.anomalies, background, columns)) as finisher,
        background,
        kept_warm(),
        short_turns(),
    ):
        for path in _find(run, paths, root):
            _read_file(run, path, root, finisher)
        _name_hosts(run.reads)
        origin, shifts = _origins(run.reads, finisher.first_start, finisher.last_start)
        _tell_apart(run)
        events = finisher.finish(_resolver(run.reads, vocabularies), shifts, sink, _places(run.reads), ahead)
        for read in run.reads:
            read.context.completeness.update(finisher.statements.get(read.context.source, {}))
    return _info(run, origin, events)


def _find(run: _Run, paths: Iterable[Path], root: Path) -> list[Path]:
    """The trace files behind paths: a file is itself, a directory all traces below it, unless it is one trace. Notes what is
    passed over."""
    from dlprof.ingest.parquet.folder import is_export

    found: list[Path] = []
    for path in map(Path, paths):
        if not path.is_dir() or is_export(path):
            found.append(path)
            continue
        from dlprof.ingest.directories import traces_below

        below = traces_below(path)
        found.extend(below.traces)
        run.anomalies.count("older_run", len(below.older_runs))
        run.anomalies.count("empty_file", len(below.empty))
        run.anomalies.count("refused_file", len(below.refused))
        run.anomalies.count("other_file", len(below.others))
        run.anomalies.count("derived_file", len(below.made))
        for name, said in below.passed_over(lambda each: _source(each, root)).items():
            run.passed_over[name] = f"{run.passed_over[name]}; {said}" if name in run.passed_over else said
    return _apart(run, found, root) if len(found) > 1 else found


def _apart(run: _Run, found: Sequence[Path], root: Path) -> list[Path]:
    """Each file once. Notes copies, and what may be two runs of one host."""
    from dlprof.ingest.directories import copies, host_of
    from dlprof.ingest.other_files import listed, plain

    def called(path: Path) -> str:
        return plain(_source(path, root))

    told = copies(found)
    run.anomalies.count("copied_file", len(told.same))
    run.anomalies.count("identical_file", len(told.alike))
    if told.same:
        pairs = listed((f"{called(path)} is {called(first)}" for path, first in told.same.items()), "; ")
        run.passed_over["copies"] = f"{pairs}: read once"
    if told.alike:
        pairs = listed((f"{called(path)} as {called(first)}" for path, first in told.alike.items()), "; ")
        run.passed_over["files of the same bytes"] = (
            f"{pairs}: each is read, since its name is another host's or rank's"
        )
    planes = [path for path in told.distinct if path.name.endswith(".xplane.pb")]
    hosts = Counter(host_of(path) for path in planes)
    twice = [path for path in planes if hosts[host_of(path)] > 1]
    run.anomalies.count("repeated_host", len(twice))
    if twice:
        names = listed(map(called, twice))
        run.passed_over["one host's name"] = (
            f"{names}: read together; if they are runs of one program, name one of them"
        )
    return told.distinct


def _source(path: Path, root: Path) -> str:
    return as_text(path.relative_to(root)) if path.is_relative_to(root) else as_text(path.name)


def _name_hosts(reads: list[_Read]) -> None:
    """Files of several hosts that do not say whose they are have the names of their files, as TensorBoard's logdirs do."""
    of_hosts = [read.context for read in reads if read.kind in _OF_XLA]
    if len(of_hosts) < 2:
        return
    from dlprof.ingest.directories import host_of

    for context in of_hosts:
        if context.host is None:
            context.host = host_of(Path(context.source))


def _read_file(run: _Run, path: Path, root: Path, finisher: Finisher) -> None:
    name = _source(path, root)
    source = Source(path, as_text(path), run.anomalies, run.repair)
    kind = kind_of(source)
    reader = reader_for(kind)
    context = Context(
        as_text(path),
        name,
        run.pools,
        run.anomalies,
        run.repair,
        reader.producer,
        producers=run.producers,
        columns=run.columns,
    )
    run.reads.append(_Read(kind, reader, context))
    events, unread = 0, run.anomalies.counts.get("unread_phase", 0)
    try:
        for batch in reader.read(source, context):
            events += len(batch)
            finisher.add(batch, name)
    except Damaged:
        pass  # under --repair: counted by Context.damage, everything before it is kept
    if not events:
        # What is in it was counted already where it is of a kind that has no time; then the file is not empty.
        passed = run.anomalies.counts.get("unread_phase", 0) - unread
        run.anomalies.count("empty_file", int(not passed))
        held = (
            f"{passed} events without a time of their own (object snapshots, flows) and no other"
            if passed
            else "no event"
        )
        context.completeness["empty"] = f"{name} holds {held}"


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
            if shifts[name] + last_start.get(name, 0) > FURTHEST_PS:
                days = (read.context.origin_ns - origin) // NS_PER_DAY
                raise TraceError(
                    f"{read.context.label}: recorded {days} days after another file of the same run",
                    hint="files read together are one run, at most 53 days long: import them one by one",
                )
    return origin, shifts


def _tell_apart(run: _Run) -> None:
    """Gives files that tell no rank, of several, a place of their own; PyTorch writes a file a process.

    Without this the devices of all of them, each called gpu:0, would be one. A file that does not tell its host either has
    its own name for a host; the processes of one host are ranks, in the order of their ids or names, unless they are one.
    """
    written = [read.context for read in run.reads if read.context.nested]
    if len(written) < 2:
        return
    for context in written:
        if context.host is None and context.rank is None:
            context.host = context.source
            run.anomalies.count("unplaced_file")
            context.completeness["place"] = (
                "the file tells neither host nor rank; it is taken for a process with devices of its own, and its name "
                "stands for the host"
            )
    for host in sorted({context.host for context in written if context.host is not None}):
        _number_ranks(run, [context for context in written if context.host == host])


def _number_ranks(run: _Run, files: Sequence[Context]) -> None:
    """Numbers the processes of a host that tell no rank, where it has several."""
    unranked = [context for context in files if context.rank is None]
    processes = sorted({context.process for context in unranked}, key=natural)
    taken = {context.rank for context in files if context.rank is not None}
    if not unranked or len(processes) + len(taken) < 2:
        return
    free = (number for number in count() if number not in taken)
    ranks = dict(zip(processes, free, strict=False))
    for context in unranked:
        context.rank = ranks[context.process]
        run.anomalies.count("unplaced_file")
        context.completeness["place"] = (
            f"the file tells its host, of which there are other files, but no rank; it is taken for rank {context.rank}, the "
            "place of its process among them"
        )


def _places(reads: list[_Read]) -> dict[str, Place]:
    """Host and rank of each file."""
    found = (read.context for read in reads)
    return {one.source: Place(one.host, one.rank, one.nested, one.run_steps, one.run_launches) for one in found}


def _resolver(reads: list[_Read], vocabularies: Mapping[str, Vocabulary]) -> Callable[[str], Operator | None]:
    """Asks each distinct (reader, vocabulary) of the run in turn; a run hardly ever has more than one."""
    asked = {(read.kind, read.context.producer): read.reader for read in reads}
    pairs = [(reader, vocabularies.get(producer, {})) for (_, producer), reader in asked.items()]
    # What XLA compiled for another framework has XLA's names.
    pairs += [(reader, vocabularies.get("xla", {})) for (kind, _), reader in asked.items() if kind in _OF_XLA]

    def resolve(name: str) -> Operator | None:
        for reader, vocabulary in pairs:
            operator = reader.operator(name, vocabulary)
            if operator is not None:
                return operator
        return None

    return resolve


def _kinds(reads: Sequence[_Read]) -> str:
    """What each file is: `a.json: kineto (pytorch); b.xplane.pb: xplane (jax)`; of many of a kind the first."""
    from dlprof.ingest.other_files import listed, plain

    files: dict[str, list[str]] = {}
    for read in reads:
        files.setdefault(f"{read.kind} ({read.context.producer})", []).append(plain(read.context.source))
    return "; ".join(f"{listed(names)}: {kind}" for kind, names in files.items())


def _info(run: _Run, origin: int | None, events: int) -> TraceInfo:
    producers = list(dict.fromkeys(read.context.producer for read in run.reads))
    completeness: dict[str, str] = dict(run.passed_over)
    facts: dict[str, object] = {}
    if len({(read.kind, read.context.producer) for read in run.reads}) > 1:
        completeness["files of several kinds"] = _kinds(run.reads)
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
