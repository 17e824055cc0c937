"""The kinds of collectives of a job: how long ranks waited for each other at them, and how long they took themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from dlprof.analysis import columns
from dlprof.analysis.columns import NULL, Floats, Ints
from dlprof.analysis.ranks.job import Job, known_bytes
from dlprof.analysis.ranks.model import Collective
from dlprof.analysis.ranks.path_parts import PathParts
from dlprof.units import NS_PER_S, PS_PER_NS

_TRAFFIC: Final[Mapping[str, Callable[[int], float]]] = {
    "AllReduce": lambda n: 2 * (n - 1) / n,
    "AllGather": lambda n: n - 1,
    "ReduceScatter": lambda n: (n - 1) / n,
    "AllToAll": lambda n: (n - 1) / n,
}
"""Bytes over each rank's link ÷ bytes that it puts in, as nccl-tests defines bus bandwidth; 1 for the others."""


def kinds(job: Job, waited: Ints, who: Ints, when: Ints, divided: PathParts) -> tuple[Collective, ...]:
    """A row a kind, what holds up the job most first. waited, who, when: of `job.waits`."""
    matched = job.matched
    if not len(matched.step):
        return ()
    size = known_bytes(job)
    names = [_code(matched.op), _code([text or "" for text in matched.group])]
    groups = columns.group([*names, size])
    place = np.full(len(matched.step), NULL, dtype=np.int64)
    place[job.among] = np.arange(len(job.among))
    took = _took(job, when)
    found = []
    for one in range(groups.size):
        rows = np.flatnonzero(groups.inverse == one)
        found.append(_kind(job, rows, place[rows], size, took, (waited, who), divided))
    return tuple(
        sorted(found, key=lambda kind: -(kind.waiting or 0.0) * kind.calls * kind.ranks - kind.transfer * kind.calls)
    )


def _took(job: Job, when: Ints) -> Floats:
    """From the last arrival to the median end of each collective, ns; of one with a root from the first arrival."""
    there = job.matched.there
    shift = job.shift
    end = np.where(there, job.matched.of(columns.integers(job.table, "end_ps"), 0) + shift, 0)
    start = np.where(there, job.matched.of(columns.integers(job.table, "start_ps"), 0) + shift, 0)
    begin = np.where(there, start, np.iinfo(np.int64).max).min(axis=1)
    begin[job.among] = when
    base = begin[:, None]
    left = np.where(there, (end - base).astype(np.float64), np.nan)
    found: Floats = np.maximum(np.nanmedian(left, axis=1), 0.0) / PS_PER_NS
    return found


def _kind(
    job: Job, rows: Ints, among: Ints, size: Ints, took: Floats, waits: tuple[Ints, Ints], divided: PathParts
) -> Collective:
    waited, who = waits
    first = int(rows[0])
    ranks = int(job.matched.there[rows].any(axis=0).sum())
    present = job.matched.there[rows]
    transfer = float(np.median(took[rows]))
    bytes_ = None if size[first] == NULL else int(size[first])
    of = among[among != NULL]
    late = np.bincount(who[of], minlength=len(job.members)) if len(of) else None
    waiting = float(waited[of].sum() / max(int(present.sum()), 1)) / PS_PER_NS
    traffic = _TRAFFIC.get(job.matched.op[first])
    factor = 1.0 if traffic is None else traffic(max(ranks, 1))
    known = bytes_ is not None and transfer > 0
    return Collective(
        op=job.matched.op[first],
        group=job.matched.group[first],
        bytes=bytes_,
        ranks=ranks,
        calls=len(rows),
        waiting=waiting,
        transfer=transfer,
        bandwidth=(bytes_ or 0) * factor / transfer * NS_PER_S if known else None,
        late=None if late is None else job.members[int(late.argmax())].rank,
        late_calls=0 if late is None else int(late.max()),
        share=float(divided.transfer[of].sum()) / divided.whole if len(of) and divided.whole else 0.0,
    )


def _code(texts: list[str]) -> Ints:
    first = {text: at for at, text in enumerate(dict.fromkeys(texts))}
    return np.array([first[text] for text in texts], dtype=np.int64)
