"""Several recorded runs a side: each opened, reduced to the time of its step, and forgotten before the next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dlprof.analysis import columns
from dlprof.analysis.timing.recorded import RecordedRun, RecordedRuns, compare
from dlprof.analysis.trace import steps
from dlprof.api.load import opened
from dlprof.api.ranks import read as ranks
from dlprof.errors import TraceError, UsageError
from dlprof.names import as_text
from dlprof.store import sha256
from dlprof.store.rank_set import RankSet, is_rank_set
from dlprof.units import PS_PER_NS

_SIDES: Final = ("A", "B")
_TIMED: Final = ("host", "rank", "device", "level", "name", "category", "start_ps", "duration_ps", "step")
"""What the times of a run's steps are read from."""


def diff(a: Sequence[Path], b: Sequence[Path], *, margin: float, repair: bool = False) -> RecordedRuns:
    """B against A, from traces, capture directories or data sets of ranks (of which each run counts). The same file twice counts
    once, and is none of both sides.

    Raises `UsageError`, `TraceError`, `StoreError`.
    """
    notes: list[str] = []
    seen: dict[str, tuple[str, Path]] = {}
    found: dict[str, list[RecordedRun]] = {}
    for side, paths in zip(_SIDES, (a, b), strict=True):
        found[side] = []
        ranks_of: set[int] = set()
        for path in paths:
            digest = sha256(path) if path.is_file() else str(path.resolve())
            first = seen.get(digest)
            if first is None:
                seen[digest] = (side, path)
                found[side] += _runs(path, repair, ranks_of)
            elif first[0] != side:
                raise UsageError(f"{path}: the same recording as {first[1]} on the other side", hint="leave one out")
            else:
                notes.append(f"{as_text(str(path))} is the same recording as {as_text(str(first[1]))} and counts once.")
        _check_ranks(side, paths, ranks_of)
        if len(found[side]) == 0:
            raise UsageError(f"side {side} has no run", hint="name its recordings: --a old/*.json --b new/*.json")
    unmarked = [run.name for side in found.values() for run in side if not run.steps]
    if 0 < len(unmarked) < sum(map(len, found.values())):
        raise UsageError(
            f"{unmarked[0]} marks no steps, and others do: a step cannot stand beside a whole recording",
            hint="record all runs with marked steps (torch: profiler.step()), or leave it out",
        )
    return compare(found["A"], found["B"], margin=margin, notes=notes)


def _check_ranks(side: str, paths: Sequence[Path], told: set[int]) -> None:
    """That the runs of a side are not the ranks of one job, which wait for each other. Raises `UsageError`."""
    if len(told) > 1:
        raise UsageError(
            f"the recordings of side {side} are ranks {', '.join(map(str, sorted(told)[:8]))}: of one job all are one run",
            hint=f"make each job a data set, and name that: dlprof import {paths[0].parent} -o DATASET",
        )


def _runs(path: Path, repair: bool, told: set[int]) -> list[RecordedRun]:
    """The runs at a path. told: gets the ranks that single traces say they are."""
    if is_rank_set(path):
        names = sorted({part.run for part in RankSet.open(path).index().parts})
        return [_job(path, name) for name in names]
    with opened(path, repair=repair, columns=_TIMED) as capture:
        events = capture.events(_TIMED)
        trace = capture.manifest.trace
        ranks_here = [one for one in pc.unique(events["rank"]).to_pylist() if one is not None]
        if len(ranks_here) == 1:
            told.add(ranks_here[0])
        return [_run(path, events, trace.producer if trace else "")]


def _run(path: Path, events: pa.Table, producer: str) -> RecordedRun:
    table = steps.table(events)
    if table.num_rows:
        walls, begin = (
            columns.integers(table, "wall_ns").astype(np.float64),
            int(columns.integers(table, "start_ps").min()),
        )
    else:
        frame = steps.span(events)
        if not frame.length:
            raise TraceError(f"{path}: holds no work", hint="leave it out, or record it again")
        begin = int(frame.start.min())
        walls = np.array([(int(frame.end.max()) - begin) / PS_PER_NS])
    origin = (events.schema.metadata or {}).get(b"origin_ns")
    hosts = [one for one in pc.unique(events["host"].cast(pa.string())).to_pylist() if one is not None]
    return RecordedRun(
        name=as_text(str(path)),
        time_ns=float(np.median(walls)),
        steps=table.num_rows,
        began_ns=int(origin) + begin // PS_PER_NS if origin else None,
        host=", ".join(sorted(hosts)) or None,
        producer=producer,
    )


def _job(path: Path, run: str) -> RecordedRun:
    read = ranks.opened(path, run)
    origins = [part.origin_ns for part in read.parts if part.origin_ns is not None]
    hosts = sorted({part.host for part in read.parts if part.host is not None})
    found = read.found()
    return RecordedRun(
        name=f"{as_text(str(path))}: {run}",
        time_ns=float(np.median([step.parts.wall for step in found.by_step])),
        steps=found.steps if found.marked else 0,
        began_ns=min(origins) + int(read.job.first.min()) // PS_PER_NS if origins else None,
        host=", ".join(hosts) or None,
        producer=read.parts[0].producer,
    )
