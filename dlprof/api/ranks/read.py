"""What is found of the ranks of a data set: its summaries opened, one run of them analysed."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from dlprof.analysis.ranks import findings, job
from dlprof.analysis.ranks.model import Ranks
from dlprof.errors import StoreError, UsageError
from dlprof.store.rank_set import Index, RankSet


def analyse(path: Path, run: str | None = None) -> Ranks:
    """The findings of one run of a data set; run: which, where it holds several. Raises `StoreError`, `UsageError`."""
    data = RankSet.open(path)
    index = data.index()
    if not index.complete:
        raise StoreError(
            f"{path}: its import did not end", hint="run the same dlprof import again; what is there is kept"
        )
    name = _chosen(index, run)
    parts = [part for part in index.parts if part.run == name]
    members = [job.Member(part.rank, part.host, part.origin_ns) for part in parts]
    tables = {kind: _of_run(data.table(kind), name) for kind in ("steps", "collectives", "moments")}
    worlds = [part.world for part in parts if part.world is not None]
    stepless = set(pc.unique(tables["steps"]["rank"]).to_pylist())
    empty = [one.rank for one in members if one.rank not in stepless]
    notes = [note for note in index.notes if f"un {name}" in note]
    notes += [f"{one.source} is left out: {one.why}." for one in index.failed]
    if empty:
        notes.append(f"Rank {', '.join(map(str, empty))} recorded no work and is left out.")
    outside = sum(part.outside for part in parts)
    if outside:
        notes.append(f"{outside} collectives began outside of all steps and are left out.")
    if any(len(part.groups) > 1 for part in parts) and _ungrouped(tables["collectives"]):
        notes.append(
            "The job has several process groups, and its collectives do not say theirs: those of two groups may be matched."
        )
    found = job.build(
        [one for one in members if one.rank in stepless], tables["steps"], tables["collectives"], tables["moments"]
    )
    return findings.analyse(found, name, max(worlds, default=None), notes)


def _chosen(index: Index, run: str | None) -> str:
    runs = sorted({part.run for part in index.parts})
    if run is None and len(runs) > 1:
        raise UsageError(f"the data set holds {len(runs)} runs", hint=f"choose one with --run: {', '.join(runs[:8])}")
    if run is not None and run not in runs:
        raise UsageError(f"no run {run} in the data set", hint=f"its runs: {', '.join(runs[:8])}")
    return run if run is not None else runs[0]


def _of_run(table: pa.Table, run: str) -> pa.Table:
    return table.filter(pc.equal(table["run"].cast(pa.string()), pa.scalar(run)))


def _ungrouped(collectives: pa.Table) -> bool:
    return collectives.column("group").null_count > 0
