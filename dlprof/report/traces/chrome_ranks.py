"""One Chrome trace of some ranks of a job: their events on one clock, who waits for whom, and the collectives that join them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import numpy as np
import pyarrow as pa

from dlprof.analysis import columns
from dlprof.analysis.columns import Ints
from dlprof.analysis.ranks.job import Job, waits
from dlprof.report.traces import chrome
from dlprof.report.traces.joined import Drawn, renumbered, rows

WAITS: Final = "waits for the last rank"
"""Process that holds a lane for each rank: when it waited, and for whom."""
_LINK: Final = "collective"


def export(
    parts: Iterable[tuple[int, pa.Table]], job: Job, first: int, last: int, told: Mapping[str, object]
) -> Iterator[bytes]:
    """Chunks of one JSON object (as `chrome.export`), of the steps first to last, both with what ran beside them.

    parts: columns of the job's ranks, and all events of each (schema.EVENTS without rank), read one after the other. An event
    is in it if it begins from the start of its rank's step `first` to the end of `last`. Arrows lead from a collective on the
    ranks that wait to the same on the last that comes.
    """
    chosen = np.flatnonzero((job.steps >= first) & (job.steps <= last))
    tables: list[pa.Table] = []
    at: list[int] = []
    count = 0
    for column, events in parts:
        low = int(job.begin[column, chosen].min())
        high = int((job.begin[column, chosen] + job.wall[column, chosen]).max())
        moved = columns.integers(events, "start_ps") + job.shift[column]
        inside = (moved >= low) & (moved < high)
        place = events.schema.get_field_index("start_ps")
        kept = events.set_column(place, events.schema.field(place), pa.array(moved)).filter(pa.array(inside))
        numbered = renumbered(kept, count, len(tables), job.there.shape[1] + 1)
        tables.append(numbered.append_column("rank", pa.array([job.members[column].rank] * kept.num_rows, pa.int64())))
        at.append(column)
        count += kept.num_rows
    low = int(job.begin[:, chosen].min())
    drawn = rows(list(_waits(job, at, chosen)), count)
    joined = pa.concat_tables([*(_ordered(one, drawn.schema) for one in tables), drawn], promote_options="default")
    events = _from_zero(joined.unify_dictionaries(), low)
    links = chrome.Links(_LINK, *_joined(job, at, tables))
    return chrome.export(events, "", links=[links], told=dict(told), fields=True)


def _ordered(events: pa.Table, wanted: pa.Schema) -> pa.Table:
    return events.select(wanted.names).cast(wanted)


def _from_zero(events: pa.Table, low: int) -> pa.Table:
    place = events.schema.get_field_index("start_ps")
    return events.set_column(place, events.schema.field(place), pa.array(columns.integers(events, "start_ps") - low))


def _waits(job: Job, at: list[int], chosen: Ints) -> Iterator[Drawn]:
    """A slice for each wait of over a nanosecond at a collective of the chosen steps."""
    waited, who, when = waits(job)
    for column in at:
        low, high = job.begin[column, chosen].min(), (job.begin[column, chosen] + job.wall[column, chosen]).max()
        begun = (job.start[:, column] >= low) & (job.start[:, column] < high)
        found = np.flatnonzero((waited[:, column] >= 1000) & begun & (who != column) & job.there[:, column])
        free = int(low)
        for row in found[np.argsort(job.start[found, column], kind="stable")].tolist():
            start = max(int(job.start[row, column]), free)
            if int(when[row]) <= start:
                continue
            yield Drawn(
                device=WAITS,
                stream=f"rank {job.members[column].rank}",
                track=column * (job.there.shape[1] + 1) + job.there.shape[1],
                start_ps=start,
                level="op",
                name=f"rank {job.members[int(who[row])].rank}",
                duration_ps=int(when[row]) - start,
                step=int(job.matched.step[job.among[row]]),
            )
            free = int(when[row])


def _joined(job: Job, at: list[int], tables: list[pa.Table]) -> tuple[Ints, Ints]:
    """Ids of the collectives of ranks that wait, and of the same on the last rank."""
    waited, who, _ = waits(job)
    ids: Ints = np.full(job.start.shape, -1, dtype=np.int64)
    for column, events in zip(at, tables, strict=True):
        start = columns.integers(events, "start_ps")
        near = np.flatnonzero(np.isin(start, job.start[:, column]))
        start, end = start[near], (start + columns.integers(events, "duration_ps"))[near]
        number = columns.integers(events, "id")[near]
        known = dict(zip(zip(start.tolist(), end.tolist(), strict=True), number.tolist(), strict=True))
        for row in np.flatnonzero(job.there[:, column]).tolist():
            ids[row, column] = known.get((int(job.start[row, column]), int(job.end[row, column])), -1)
    last = np.take_along_axis(ids, who[:, None], axis=1) if len(ids) else ids
    wanted = (ids >= 0) & (last >= 0) & (waited > 0) & (np.arange(len(job.members))[None, :] != who[:, None])
    found = np.nonzero(wanted)
    return ids[found], np.broadcast_to(last, ids.shape)[found]
