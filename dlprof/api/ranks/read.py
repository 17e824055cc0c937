"""What is found of the ranks of a data set: its summaries opened, one run of them analysed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from dlprof.analysis.ranks import findings, job
from dlprof.analysis.ranks.job import Job
from dlprof.analysis.ranks.model import Ranks
from dlprof.errors import StoreError, UsageError
from dlprof.store.rank_set import Index, Part, RankSet
from dlprof.units import NS_PER_S

_ASTRAY_DAYS: Final = 10
"""Clocks of one job differ by less; times in ps of more than 106 days have no room in 64 bits."""


@dataclass(frozen=True, slots=True)
class Opened:
    """One run of a data set: its parts that recorded work, their summaries on one clock, and what was said on the way."""

    path: Path
    run: str
    parts: tuple[Part, ...]
    job: Job
    world: int | None
    notes: tuple[str, ...]
    marked: bool

    def found(self) -> Ranks:
        """The findings."""
        return findings.analyse(self.job, self.run, self.world, self.notes, marked=self.marked)


def analyse(path: Path, run: str | None = None) -> Ranks:
    """The findings of one run of a data set; run: which, where it holds several. Raises `StoreError`, `UsageError`."""
    return opened(path, run).found()


def opened(path: Path, run: str | None = None) -> Opened:
    """One run of a data set; run: which, where it holds several. Raises `StoreError`, `UsageError`."""
    data = RankSet.open(path)
    index = data.index()
    if not index.complete:
        raise StoreError(
            f"{path}: its import did not end", hint="run the same dlprof import again; what is there is kept"
        )
    name = _chosen(path, index, run)
    parts = [part for part in index.parts if part.run == name]
    members, astray = _members(parts)
    tables = {kind: _of_run(data.table(kind, index.parts), name) for kind in ("steps", "collectives", "moments")}
    worlds = [part.world for part in parts if part.world is not None]
    working = _ranks_of(tables["steps"])
    empty = [one.rank for one in members if one.rank not in working]
    unmarked = [part.rank for part in parts if part.rank in working and not part.marked]
    marked = len(unmarked) < len(working)
    if marked:  # all of a trace as one step is no step of the others
        working = [rank for rank in working if rank not in unmarked]
    if not working:
        raise StoreError(f"{path}: no rank of run {name} recorded any work", hint="record the traces again")
    tables = {
        kind: table.filter(pc.is_in(table["rank"], pa.array(working, pa.int64()))) for kind, table in tables.items()
    }
    timeless = sorted(set(working) - set(_ranks_of(tables["moments"])))
    if timeless:
        raise StoreError(
            f"{path}: moments.parquet holds nothing of rank {timeless[0]} of run {name}, though steps.parquet does",
            hint="remove the data set, and import again",
        )
    others = {part.run for part in index.parts} - {name}
    notes = [
        note
        for note in index.notes
        if not any(note.startswith((f"Run {other}:", f"Run {other} ", f"Run {other}, ")) for other in others)
    ]
    notes += [f"{one.source} is left out: {one.why}." for one in index.failed]
    if astray:
        notes.append(
            f"The clock of rank {', '.join(map(str, astray))} is more than {_ASTRAY_DAYS} days from the others'; "
            "it is aligned by collectives alone."
        )
    if empty:
        notes.append(f"Rank {', '.join(map(str, empty))} recorded no work and is left out.")
    if unmarked and marked:
        notes.append(f"Rank {', '.join(map(str, unmarked))} marks no steps, as the others do, and is left out.")
    outside = sum(part.outside for part in parts)
    if outside:
        notes.append(f"{outside} collectives began outside of all steps and are left out.")
    if any(len(part.groups) > 1 for part in parts) and _ungrouped(tables["collectives"]):
        notes.append(
            "The job has several process groups, and its collectives do not say theirs: those of two groups may be matched."
        )
    found = job.build(
        [one for one in members if one.rank in working], tables["steps"], tables["collectives"], tables["moments"]
    )
    kept = tuple(part for part in parts if part.rank in working)
    return Opened(data.path, name, kept, found, max(worlds, default=None), tuple(notes), marked)


def _members(parts: Sequence[Part]) -> tuple[list[job.Member], list[int]]:
    """The ranks, and those whose clock cannot be of the same job: they count as telling no absolute time."""
    told = sorted(part.origin_ns for part in parts if part.origin_ns is not None)
    middle = told[len(told) // 2] if told else 0
    far = _ASTRAY_DAYS * 86_400 * NS_PER_S
    astray = {one.rank for one in parts if one.origin_ns is not None and abs(one.origin_ns - middle) > far}
    members = [job.Member(one.rank, one.host, None if one.rank in astray else one.origin_ns) for one in parts]
    return members, sorted(astray)


def _chosen(path: Path, index: Index, run: str | None) -> str:
    runs = sorted({part.run for part in index.parts})
    if not runs:
        raise StoreError(f"{path}: holds no rank", hint="run the same dlprof import again")
    if run is None and len(runs) > 1:
        raise UsageError(f"the data set holds {len(runs)} runs", hint=f"choose one with --run: {', '.join(runs[:8])}")
    if run is not None and run not in runs:
        raise UsageError(f"no run {run} in the data set", hint=f"its runs: {', '.join(runs[:8])}")
    return run if run is not None else runs[0]


def _of_run(table: pa.Table, run: str) -> pa.Table:
    return table.filter(pc.equal(table["run"].cast(pa.string()), pa.scalar(run)))


def _ranks_of(table: pa.Table) -> list[int]:
    """The ranks that have a row, in order."""
    return sorted(int(one) for one in pc.unique(table["rank"]).to_pylist() if one is not None)


def _ungrouped(collectives: pa.Table) -> bool:
    return collectives.column("group").null_count > 0
