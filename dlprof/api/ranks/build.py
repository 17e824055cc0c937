"""A folder of traces made into a data set of ranks: planned, read by jobs, summed up, and said what is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dlprof.analysis.trace import completeness
from dlprof.api.import_traces import now
from dlprof.api.ranks import executors
from dlprof.api.ranks.executors import Make
from dlprof.api.ranks.part import Done, Order, read_part
from dlprof.api.ranks.plan import HEADER, Plan, plan
from dlprof.errors import TraceError
from dlprof.ingest.dialects.kineto_head import rank_in_name
from dlprof.names import as_text
from dlprof.store.rank_set import Failed, Index, Part, RankSet
from dlprof.version import __version__

_ALIKE: Final = 3
"""Statements about files that are told apart where they differ in numbers alone."""


@dataclass(frozen=True, slots=True)
class Built:
    """What an import made. unchanged: files that were not read again, since nothing of them had changed."""

    path: Path
    index: Index
    unchanged: int


def build(
    folder: Path,
    target: Path,
    *,
    repair: bool = False,
    jobs: int | None = None,
    make: Make | None = None,
    on_file: Callable[[int, int], None] | None = None,
) -> Built:
    """Read a folder of ranks into a data set, or bring one up to date.

    make: makes the executor that the jobs, one a file, run on; by default processes, with jobs=1 this one. on_file: told how many
    files of how many are done. Raises `TraceError` where no file can be read.
    """
    from dlprof.capture.machine.command_words import command_line

    planned = plan(folder)
    data = RankSet(target)
    begun = Index(dlprof_version=__version__, created=now(), command=command_line())
    make = make or (executors.here if jobs == 1 else executors.processes)
    with data.under_way():
        data.write_index(begun)
        done = _read(data, folder, planned, repair, (make, jobs), on_file)
        return _finish(data, begun, planned, sorted(done, key=lambda one: one[0].file.source))


def _read(
    data: RankSet,
    folder: Path,
    planned: Plan,
    repair: bool,
    workers: tuple[Make, int | None],
    on_file: Callable[[int, int], None] | None,
) -> list[tuple[Order, Done]]:
    known = _known(data)
    make, jobs = workers
    orders = [Order(data.path, folder, file, repair, tuple(known.get(file.source, ()))) for file in planned.files]
    done: list[tuple[Order, Done]] = []
    workers_at_most = jobs or min(executors.default_jobs(), max(len(orders), 1))
    with closing(executors.run(read_part, orders, make, workers_at_most)) as results:
        for order, result in results:
            died = Done(
                failed=Failed(
                    order.file.source, "the process that read it died, also when it was tried again; out of memory?"
                )
            )
            done.append((order, result or died))
            if on_file is not None:
                on_file(len(done), len(orders))
    return done


def _known(data: RankSet) -> dict[str, list[Part]]:
    found: dict[str, list[Part]] = defaultdict(list)
    for part in data.parts():
        found[part.source].append(part)
    return found


def _finish(data: RankSet, begun: Index, planned: Plan, done: Sequence[tuple[Order, Done]]) -> Built:
    failed = [*planned.failed, *(one.failed for _, one in done if one.failed is not None)]
    parts: dict[tuple[str, int], Part] = {}
    for _, one in done:
        for part in one.parts:
            first = parts.setdefault((part.run, part.rank), part)
            if first is not part:
                failed.append(Failed(part.source, f"rank {part.rank} of run {part.run} is {first.source} already"))
    if not parts:
        raise TraceError(
            f"none of {len(failed)} files can be read; {failed[0].source}: {failed[0].why}"
            if failed
            else "no trace in this folder",
            hint="read what stands before damage with --repair, or record the traces again",
        )
    data.gather(parts)
    stale = [part for part in data.parts() if (part.run, part.rank) not in parts]
    notes = [*planned.notes, *_notes(list(parts.values())), *_gone(stale)]
    index = Index(
        dlprof_version=begun.dlprof_version,
        created=begun.created,
        command=begun.command,
        complete=True,
        parts=[parts[key] for key in sorted(parts)],
        failed=sorted(failed, key=lambda one: one.source),
        notes=notes,
    )
    data.write_index(index)
    return Built(data.path, index, sum(one.unchanged for _, one in done))


def _notes(parts: Sequence[Part]) -> list[str]:
    """What each run lacks, or mixes."""
    notes = []
    runs: dict[str, list[Part]] = defaultdict(list)
    for part in parts:
        runs[part.run].append(part)
    for run, members in runs.items():
        worlds = sorted({part.world for part in members if part.world is not None})
        if len(worlds) > 1:
            notes.append(
                f"Run {run} mixes jobs of {' and '.join(map(str, worlds))} ranks: put each into a folder of its own."
            )
        missing = sorted(set(range(max(worlds, default=0))) - {part.rank for part in members})
        if missing:
            verb = "is" if len(missing) == 1 else "are"
            notes.append(f"Run {run}: {len(missing)} of {max(worlds)} ranks {verb} missing: {_listed(missing)}.")
        guessed = [part.rank for part in members if part.told in ("order", "host name")]
        if guessed:
            notes.append(
                f"Run {run}: nothing tells the rank of {len(guessed)} files; they are numbered in the order of their names."
            )
        notes += _named_otherwise(run, members)
        untimed = [part.rank for part in members if part.origin_ns is None]
        if untimed and len(untimed) < len(members):
            notes.append(
                f"Run {run}: ranks {_listed(untimed)} tell no absolute time; they are aligned by collectives alone."
            )
        notes += _read_so(run, members)
        if len({part.producer for part in members}) > 1:
            notes.append(f"Run {run} mixes traces of {', '.join(sorted({part.producer for part in members}))}.")
    return notes


def _named_otherwise(run: str, members: Sequence[Part]) -> list[str]:
    """Files whose names say another rank than what stands in them."""
    named = [(part, rank_in_name(Path(part.source).name)) for part in members if part.told == HEADER]
    other = [f"{as_text(part.source)} is of rank {part.rank}" for part, rank in named if rank not in (None, part.rank)]
    if not other:
        return []
    more = f" and {len(other) - _ALIKE} more" if len(other) > _ALIKE else ""
    return [
        f"Run {run}: names say other ranks than the traces themselves, which count: {', '.join(other[:_ALIKE])}{more}."
    ]


def _read_so(run: str, members: Sequence[Part]) -> list[str]:
    """What was lost of files, and what the reader had to say of them; of many ranks of which it says alike, what of a few."""
    said: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for part in sorted(members, key=lambda one: one.rank):
        lost = ", ".join(completeness.lost(part.anomalies))
        if lost:
            text = f"events were lost as it was read ({lost}); what this rank did then is not known"
            said["lost"][text].append(part.rank)
        for name, text in part.completeness.items():
            said[name.rpartition(": ")[2]][text].append(part.rank)
    notes = []
    for texts in said.values():
        shown = list(texts.items())
        more = [rank for _, ranks in shown[_ALIKE:] for rank in ranks]
        notes += [f"Run {run}, rank {_listed(ranks)}: {text}." for text, ranks in shown[:_ALIKE]]
        if more:
            notes.append(f"Run {run}: the like is said of rank {_listed(sorted(set(more)))}.")
    return notes


def _gone(stale: Sequence[Part]) -> list[str]:
    names = ", ".join(as_text(part.source) for part in stale[:3])
    if not stale:
        return []
    return [
        f"Left out of all summaries: {len(stale)} whose files are not in the folder any more or cannot be read now ({names})."
    ]


def _listed(numbers: Sequence[int], most: int = 8) -> str:
    shown = ", ".join(map(str, numbers[:most]))
    return shown if len(numbers) <= most else f"{shown}, … ({len(numbers)} in all)"
