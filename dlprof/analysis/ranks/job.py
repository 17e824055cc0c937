"""The summaries of a run's ranks on one clock: steps as (ranks, steps), collectives as (collectives, ranks)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from dlprof.analysis import columns, intervals
from dlprof.analysis.columns import NULL, Bools, Floats, Ints
from dlprof.analysis.ranks import clocks, matching
from dlprof.analysis.ranks.clocks import Clocks
from dlprof.analysis.ranks.matching import Matched
from dlprof.errors import StoreError
from dlprof.units import PS_PER_NS

RECORDED: Final = ("compute_ps", "communication_ps", "copy_ps", "input_ps", "overlapped_ps")
"""Columns of moments: time until then."""

TIMES: Final = ("start_ps", "end_ps", "exposed_from_ps", "exposed_until_ps")
"""Of a collective."""


@dataclass(frozen=True, slots=True)
class Member:
    """A rank as its data set names it. origin_ns: Unix ns of its times' zero; None where its trace tells none."""

    rank: int
    host: str | None
    origin_ns: int | None


@dataclass(frozen=True, slots=True)
class Job:
    """A run's ranks, each a column (or row) in order of rank. Times in ps on the clock of the first.

    steps: numbers of the steps that all have; uncommon: how many others there are
    wall and parts: (ranks, steps); memory: most bytes of each rank, NULL where not recorded
    first, last: where each rank's steps begin and end
    start, end, exposed, until: of the synchronising collectives, (collectives, ranks); exposed, until: when the rank did
        nothing else; matched: of all collectives, in whose rows `among`
        are these
    table: all collectives, with their time in ps since the origin of their rank
    """

    members: tuple[Member, ...]
    steps: Ints
    uncommon: int
    begin: Ints
    wall: Ints
    parts: Mapping[str, Ints]
    memory: Ints
    first: Ints
    last: Ints
    table: pa.Table
    matched: Matched
    among: Ints
    start: Ints
    end: Ints
    exposed: Ints
    until: Ints
    clocks: Clocks
    lines: Lines

    @property
    def there(self) -> Bools:
        """Who took part in the synchronising collectives."""
        return self.matched.there[self.among]

    @property
    def shift(self) -> Ints:
        """What brings each rank's times, ps since its own origin, onto the clock of the first."""
        return _origins(self.members) - self.clocks.offset


@dataclass(frozen=True, slots=True)
class Lines:
    """Each rank's time line on the clock of the first: when its steps begin, and what it had done until its moments."""

    number: tuple[Ints, ...]
    begin: tuple[Ints, ...]
    time: tuple[Ints, ...]
    until: tuple[Mapping[str, Ints], ...]


def build(members: Sequence[Member], steps: pa.Table, collectives: pa.Table, moments: pa.Table) -> Job:
    """The job of some ranks, from their rows of the summaries (schema.RANK_STEPS, COLLECTIVES, MOMENTS)."""
    ordered = tuple(sorted(members, key=lambda one: one.rank))
    shift = _origins(ordered)
    at = _columns_of(steps, ordered)
    seen = columns.integers(steps, "step")
    common = _common(seen, at, len(ordered))
    if not len(common):
        raise StoreError("the ranks have no step in common", hint="record the same steps on all ranks")
    place = _columns_of(collectives, ordered)
    matched = matching.match(collectives, place, len(ordered))
    among = np.flatnonzero(matched.synchronising)
    times = {name: columns.integers(collectives, name) + shift[place] for name in TIMES}
    start, end, exposed, until = (matched.of(one, 0)[among] for one in times.values())
    there = matched.there[among]
    # A trace that tells no absolute time has nothing in common with its host's others.
    hosts = [one.host if one.origin_ns is not None else None for one in ordered]
    found = clocks.align(start, end, there, hosts, [one.rank for one in ordered])
    ahead = found.offset
    low, high = (columns.integers(steps, name) + (shift - ahead)[at] for name in ("start_ps", "end_ps"))
    row = _rows(seen, at, common, len(ordered))
    parts = {name: columns.integers(steps, name)[row] for name in (*RECORDED, "host_ps")}
    every = range(len(ordered))
    return Job(
        members=ordered,
        steps=common,
        uncommon=len(np.unique(seen)) - len(common),
        begin=low[row],
        wall=(high - low)[row],
        parts=parts,
        memory=np.array([columns.integers(steps, "memory_bytes")[at == one].max() for one in every], dtype=np.int64),
        first=np.array([low[at == one].min() for one in every], dtype=np.int64),
        last=np.array([high[at == one].max() for one in every], dtype=np.int64),
        table=collectives,
        matched=matched,
        among=among,
        start=start - ahead,
        end=end - ahead,
        exposed=exposed - ahead,
        until=until - ahead,
        clocks=found,
        lines=_lines(seen, low, at, moments, _columns_of(moments, ordered), shift - ahead),
    )


def _origins(members: Sequence[Member]) -> Ints:
    """Each rank's origin, ps since the first one's; of a rank that tells none, 0."""
    base = min((one.origin_ns for one in members if one.origin_ns is not None), default=0)
    return np.array([((one.origin_ns or base) - base) * PS_PER_NS for one in members], dtype=np.int64)


def _columns_of(table: pa.Table, members: Sequence[Member]) -> Ints:
    """The column of each row's rank."""
    ranks = np.array([one.rank for one in members], dtype=np.int64)
    return np.searchsorted(ranks, columns.integers(table, "rank"))


def _common(step: Ints, rank: Ints, ranks: int) -> Ints:
    """Numbers of the steps that all ranks have, in order."""
    pairs = np.unique(np.stack([step, rank]), axis=1)
    numbers, counts = np.unique(pairs[0], return_counts=True)
    found: Ints = numbers[counts == ranks]
    return found


def _rows(step: Ints, rank: Ints, common: Ints, ranks: int) -> Ints:
    """(ranks, steps): the row of each rank's step."""
    found = np.zeros((ranks, len(common)), dtype=np.int64)
    kept = np.flatnonzero(np.isin(step, common))
    found[rank[kept], np.searchsorted(common, step[kept])] = kept
    return found


def _lines(step: Ints, low: Ints, at: Ints, moments: pa.Table, place: Ints, shift: Ints) -> Lines:
    number, begin, time, until = [], [], [], []
    values = {name: columns.integers(moments, name) for name in ("time_ps", *RECORDED)}
    by_step, by_moment = np.argsort(at, kind="stable"), np.argsort(place, kind="stable")
    step_edges = np.searchsorted(at[by_step], np.arange(len(shift) + 1))
    edges = np.searchsorted(place[by_moment], np.arange(len(shift) + 1))
    for one in range(len(shift)):
        rows = by_step[step_edges[one] : step_edges[one + 1]]
        rows = rows[np.argsort(low[rows], kind="stable")]
        number.append(step[rows])
        begin.append(low[rows])
        mine = by_moment[edges[one] : edges[one + 1]]
        mine = mine[np.argsort(values["time_ps"][mine], kind="stable")]
        time.append(values["time_ps"][mine] + shift[one])
        until.append({name: values[name][mine] for name in RECORDED})
    return Lines(tuple(number), tuple(begin), tuple(time), tuple(until))


def waits(job: Job) -> tuple[Ints, Ints, Ints]:
    """Of the synchronising collectives: each rank's wait for the last, ps (0 where it had no part), the last one's column, and
    when it came."""
    who, when = matching.latest(job.start, job.there)
    whole = np.clip(when[:, None] - job.start, 0, np.maximum(job.end - job.start, 0))
    return np.where(job.there, whole, 0), who, when


def waiting(job: Job, when: Ints) -> Floats:
    """(ranks, steps): how long each rank did nothing but wait for a last one, ps.

    Collectives that a rank waits for at the same time count once. when: the last arrival at each collective.
    """
    found = np.zeros(job.wall.shape)
    for at in range(len(job.members)):
        held = idle(job, when, at)
        found[at] = held.covered(job.begin[at] + job.wall[at]) - held.covered(job.begin[at])
    return found


def idle(job: Job, when: Ints, at: int) -> intervals.Union:
    """When a rank (its column) did nothing but wait for a last one. when: the last arrival at each collective."""
    rows = job.there[:, at]
    low = np.maximum(job.start[rows, at], job.exposed[rows, at])
    return intervals.union(low, np.minimum(job.until[rows, at], when[rows]))


def hosts_of(members: Sequence[Member]) -> dict[str, list[int]]:
    """Host → columns of its ranks; of ranks that tell none, nothing."""
    found: dict[str, list[int]] = {}
    for at, one in enumerate(members):
        if one.host is not None:
            found.setdefault(one.host, []).append(at)
    return found


def known_bytes(job: Job) -> Ints:
    """Bytes of each matched collective, the most that a rank put in; NULL where none tells."""
    if not job.matched.row.size:
        return np.zeros(0, dtype=np.int64)
    found: Ints = job.matched.of(columns.integers(job.table, "bytes"), NULL).max(axis=1)
    return found
