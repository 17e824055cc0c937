"""What the critical path consists of, step by step: the parts of whichever rank it is on, and the collectives between."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dlprof.analysis.columns import Floats, Ints
from dlprof.analysis.ranks import path
from dlprof.analysis.ranks.job import RECORDED, Job
from dlprof.analysis.ranks.model import Parts
from dlprof.units import PS_PER_NS


@dataclass(frozen=True, slots=True)
class PathParts:
    """The path, divided.

    steps: numbers of the steps on it, in order
    parts: of each step, which sum to the time that the path spends in it
    local: (steps, ranks): how long the path is on each rank, ns, collectives left out
    transfer: of each synchronising collective, ns
    """

    steps: Ints
    parts: tuple[Parts, ...]
    local: Floats
    transfer: Floats

    @property
    def whole(self) -> float:
        """Length of the path, ns."""
        return sum(one.wall for one in self.parts)


def divide(job: Job) -> PathParts:
    """The critical path of a job by step and part. A step is that of the rank that the path is on."""
    pieces = path.walk(job.start, job.exposed, job.until, job.there, job.first, job.last)
    cut = [_cut(job, at, pieces) for at in np.unique(pieces.column).tolist()]
    steps = np.unique(np.concatenate([one.step for one in cut])) if cut else np.zeros(0, dtype=np.int64)
    sums = {name: np.zeros(len(steps)) for name in (*RECORDED, "local", "transfer")}
    local = np.zeros((len(steps), len(job.members)))
    transfer = np.zeros(len(job.among))
    for one in cut:
        place = np.searchsorted(steps, one.step)
        here = one.kind == path.LOCAL
        for name in RECORDED:
            np.add.at(sums[name], place[here], one.spent[name][here])
        length = one.end - one.start
        np.add.at(sums["local"], place[here], length[here])
        np.add.at(sums["transfer"], place[~here], length[~here])
        np.add.at(local[:, one.column], place[here], (length - one.spent["communication_ps"])[here])
        np.add.at(transfer, one.collective[~here], length[~here])
    return PathParts(
        steps, tuple(_parts(sums, at) for at in range(len(steps))), local / PS_PER_NS, transfer / PS_PER_NS
    )


def _parts(sums: dict[str, Floats], at: int) -> Parts:
    spent = {name: float(values[at]) / PS_PER_NS for name, values in sums.items()}
    recorded = sum(spent[f"{part}_ps"] for part in ("compute", "communication", "copy", "input"))
    return Parts(
        compute=spent["compute_ps"],
        copy=spent["copy_ps"],
        input=spent["input_ps"],
        host=spent["local"] - recorded,
        waiting=0.0,
        transfer=spent["communication_ps"] + spent["transfer"],
        overlapped=spent["overlapped_ps"],
    )


@dataclass(frozen=True, slots=True)
class _Cut:
    """Pieces of the path on one rank, cut where its steps begin. spent: what it recorded in each (local pieces alone)."""

    column: int
    step: Ints
    start: Ints
    end: Ints
    kind: Ints
    collective: Ints
    spent: dict[str, Ints]


def _cut(job: Job, column: int, pieces: path.Pieces) -> _Cut:
    mine = pieces.column == column
    start, end, kind, collective = (one[mine] for one in (pieces.start, pieces.end, pieces.kind, pieces.collective))
    begin, number = job.lines.begin[column], job.lines.number[column]
    low = np.maximum(np.searchsorted(begin, start, side="right") - 1, 0)
    high = np.maximum(np.searchsorted(begin, end, side="left") - 1, low)
    many = high - low + 1
    index = np.repeat(np.arange(len(start)), many)
    step = np.arange(len(index)) - np.repeat(np.cumsum(many) - many, many) + low[index]
    after = np.append(begin[1:], np.iinfo(np.int64).max)
    from_, to = (
        np.maximum(start[index], np.where(step == low[index], start[index], begin[step])),
        np.minimum(end[index], after[step]),
    )
    spent = {name: _until(job, column, name, to) - _until(job, column, name, from_) for name in RECORDED}
    return _Cut(column, number[step], from_, to, kind[index], collective[index], spent)


def _until(job: Job, column: int, name: str, time: Ints) -> Ints:
    """What a rank had recorded until its moments."""
    at = np.searchsorted(job.lines.time[column], time, side="right") - 1
    return job.lines.until[column][name][np.maximum(at, 0)]
