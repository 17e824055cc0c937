"""One step on a time axis: its executed work, lane by lane, what launched it, and when none or several lanes worked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from dlprof.analysis import columns, intervals
from dlprof.analysis.columns import NULL, Bools, Ints
from dlprof.analysis.trace import cells, row_keys, steps
from dlprof.units import PS_PER_NS

MOST_EVENTS: Final = 2000
"""Most events that a timeline keeps, the longest first; more cannot be told apart on a page, and the rest is counted."""

Spans = tuple[tuple[float, float], ...]
"""Start and duration of each, ns from the start of the step."""


@dataclass(frozen=True, slots=True)
class Lane:
    """What events are drawn on: a stream of a device or a thread, as the producer named both."""

    device: str
    stream: str


@dataclass(frozen=True, slots=True)
class Launch:
    """What launched an event of a device: its name, and its start in ns from the start of the step (negative: before it)."""

    name: str
    start_ns: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One executed event of a timeline, drawn as a bar.

    start_ns: from the start of the step
    row: number of its lane, from 0
    work: operator, phase and layer that it is matched with the other side by, as Match.a_ops and b_ops name them
    kernel: what ran, where the producer names it
    launch: what launched it, where that is recorded
    """

    name: str
    op: str
    phase: str | None
    layer: str | None
    start_ns: float
    duration_ns: float
    row: int
    work: str = ""
    kernel: str | None = None
    launch: Launch | None = None


@dataclass(frozen=True, slots=True)
class Timeline:
    """The events of one step, that whose wall time is nearest to the median.

    left_out: how many shorter events are not kept
    idle: when none of the side's work ran; together: when work of several lanes ran. Of all events, kept or not.
    """

    side: str
    step: int
    wall_ns: float
    lanes: tuple[Lane, ...]
    bars: tuple[Bar, ...]
    left_out: int
    idle: Spans = ()
    together: Spans = ()


def build(side: str, events: pa.Table) -> Timeline | None:
    """The representative step's executed work; None without synchronised steps."""
    table = steps.table(events)
    if not table.num_rows:
        return None
    wall = np.asarray(table["wall_ns"].to_numpy(), dtype=np.float64)
    chosen = int(np.argsort(np.abs(wall - np.median(wall)), kind="stable")[0])
    low, high = columns.integers(table, "start_ps")[chosen].item(), columns.integers(table, "end_ps")[chosen].item()
    times = steps.Times.of(events)
    inside = steps.work(events) & (times.start >= low) & (times.end <= high) & (times.end > times.start)
    kept, left_out = _longest(inside, times.end - times.start)
    bars, lanes = _bars(events, kept, low)
    idle, together = _idle_and_together(columns.integers(events, "track"), times, inside, (low, high))
    number = columns.integers(table, "step")[chosen].item()
    return Timeline(side, number, float(wall[chosen]), lanes, bars, left_out, idle, together)


def _longest(mask: Bools, length: Ints) -> tuple[Bools, int]:
    rows = np.flatnonzero(mask)
    if len(rows) <= MOST_EVENTS:
        return mask, 0
    longest = rows[np.argsort(-length[rows], kind="stable")[:MOST_EVENTS]]
    kept = np.zeros_like(mask)
    kept[longest] = True
    return kept, len(rows) - MOST_EVENTS


def _bars(events: pa.Table, kept: Bools, origin_ps: int) -> tuple[tuple[Bar, ...], tuple[Lane, ...]]:
    """The kept rows as bars; a kernel has the operator, phase and layer of what launched it."""
    names = ("name", "device", "stream", "track", "kernel", "start_ps", "duration_ps")
    shown = events.filter(pa.array(kept)).select(list(names))
    for name in ("op", "phase", "layer"):
        key = row_keys.key(events, kept, name)
        shown = shown.append_column(name, pa.array(key.decode(key.codes), pa.string()))
    shown = shown.append_column("launch", pa.array(_launches(events, kept, origin_ps)))
    records = shown.sort_by([("start_ps", "ascending"), ("duration_ps", "descending")]).to_pylist()
    lanes: dict[int, Lane] = {}
    for record in sorted(records, key=lambda r: (r["device"], r["track"])):
        lanes.setdefault(record["track"], Lane(record["device"], record["stream"]))
    place = {track: row for row, track in enumerate(lanes)}
    return tuple(_bar(record, place[record["track"]], origin_ps) for record in records), tuple(lanes.values())


def _bar(record: dict[str, Any], row: int, origin_ps: int) -> Bar:
    op, launch = record["op"] or record["name"], record["launch"]
    return Bar(
        name=record["name"],
        op=op,
        phase=record["phase"],
        layer=record["layer"],
        start_ns=(record["start_ps"] - origin_ps) / PS_PER_NS,
        duration_ns=record["duration_ps"] / PS_PER_NS,
        row=row,
        work=cells.label(op, record["phase"], record["layer"]),
        kernel=record["kernel"],
        launch=Launch(launch["name"], launch["start_ns"]) if launch else None,
    )


def _launches(events: pa.Table, kept: Bools, origin_ps: int) -> list[dict[str, Any] | None]:
    """Of each kept row what launched it; None where nothing is recorded, or not in this table."""
    ids, wanted = columns.integers(events, "id"), columns.integers(events, "launch")[kept]
    order = np.argsort(ids, kind="stable")
    at = order[np.minimum(np.searchsorted(ids[order], wanted), len(ids) - 1)]
    known = (wanted != NULL) & (ids[at] == wanted)
    names = columns.text(events, "name")
    named = names.decode(names.codes[at])
    starts = (columns.integers(events, "start_ps")[at] - origin_ps) / PS_PER_NS
    return [
        {"name": name, "start_ns": start} if found else None
        for name, start, found in zip(named, starts.tolist(), known.tolist(), strict=True)
    ]


def _idle_and_together(track: Ints, times: steps.Times, inside: Bools, step: tuple[int, int]) -> tuple[Spans, Spans]:
    """When no lane works in the step, and when more than one does."""
    low, high = step
    busy = [
        intervals.union(times.start[inside & (track == one)], times.end[inside & (track == one)])
        for one in np.unique(track[inside]).tolist()
    ]
    edges = np.unique(np.concatenate([[low, high], *(part.start for part in busy), *(part.end for part in busy)]))
    working = np.zeros(len(edges) - 1, dtype=np.int64)
    for part in busy:
        working += np.diff(part.covered(edges)) > 0
    idle, together = (intervals.union(edges[:-1][mask], edges[1:][mask]) for mask in (working == 0, working > 1))
    return _spans(idle, low), _spans(together, low)


def _spans(found: intervals.Union, origin_ps: int) -> Spans:
    starts: Sequence[float] = ((found.start - origin_ps) / PS_PER_NS).tolist()
    lengths: Sequence[float] = ((found.end - found.start) / PS_PER_NS).tolist()
    return tuple(zip(starts, lengths, strict=True))
