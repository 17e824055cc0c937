"""One Chrome trace of two captures: A's and B's steps side by side on one time axis, their difference, matched operators.

Step k of A and step k of B start at the same place, and the next pair starts after the longer of the two, so equal work
stands one above the other. All times are shifted, none is scaled. A third process holds the difference of each pair, named
(and so coloured) by who is slower; arrows join the operators of both sides that agree in operator, phase, layer and turn.
Work is named by operator, phase and layer, so the same work has the same name, and with it the same colour, on both sides:
Perfetto colours by name alone, chrome://tracing takes the colour that stands beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dlprof.analysis import columns
from dlprof.analysis.trace import cells, places, row_keys, steps
from dlprof.errors import TraceError
from dlprof.report import lanes, palette
from dlprof.report.traces import chrome
from dlprof.report.traces.joined import Drawn, renumbered, rows
from dlprof.units import NS_PER_MS, PS_PER_NS

Ints = npt.NDArray[np.int64]

_GAP_PS: Final = 100_000_000
"""100 µs between pairs, so that they can be told apart."""
TYPICAL: Final = 5
"""Pairs of steps that are shown where nobody says which: a viewer opens them at once, and a whole comparison has tens of MB."""
Shown = tuple[int, int] | Literal["typical", "all"]
"""The first and last step number, both shown; those around the median; or every one."""
SLOWER: Final = "B slower"
FASTER: Final = "B faster"
EQUAL: Final = "as fast"
COLOURS: Final = {SLOWER: "terrible", FASTER: "good", EQUAL: "grey"}
DELTA: Final = "Δ B − A"


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Steps joined by number, or by turn where the numbers differ. All ps; one entry a pair.

    of: how many pairs there are, shown or not
    """

    number: Ints
    a_start: Ints
    a_wall: Ints
    b_start: Ints
    b_wall: Ints
    grid: Ints
    of: int


@dataclass(frozen=True, slots=True)
class Exported:
    """Chunks of one JSON object, as chrome.export; how many pairs of steps they show, of how many."""

    chunks: Iterator[bytes]
    pairs: int
    of: int


def export(a: pa.Table, b: pa.Table, a_label: str, b_label: str, *, steps_shown: Shown = "typical") -> Exported:
    """The trace of both. Raises `TraceError` where a side has no marked step to align by, or none of those asked for."""
    a, b = places.labelled(a), places.labelled(b)
    pairs = _pairs(a, b, steps_shown)
    (a, a_colours), (b, b_colours) = _named(a), _named(b)
    sides = {f"A {a_label}": (a, pairs.a_start, pairs.a_wall), f"B {b_label}": (b, pairs.b_start, pairs.b_wall)}
    parts: list[pa.Table] = []
    turns: list[Ints] = []
    for name, (table, start, wall) in sides.items():
        taken, turn = _shifted(table, start, wall, pairs.grid)
        parts.append(_renumbered(taken, name, sum(part.num_rows for part in parts), len(parts)))
        turns.append(turn)
    matched = _matched(parts, turns)
    extra = [
        *_differences(pairs),
        *(row for part, name in zip(parts, sides, strict=True) for row in _occupancy(part, name)),
    ]
    drawn = rows(extra, sum(part.num_rows for part in parts))
    events = pa.concat_tables([*parts, drawn], promote_options="default").unify_dictionaries()
    told = {
        "pairs_of_steps": len(pairs.grid),
        "pairs_of_steps_left_out": pairs.of - len(pairs.grid),
        "a_events_outside_them": a.num_rows - parts[0].num_rows,
        "b_events_outside_them": b.num_rows - parts[1].num_rows,
    }
    colours = {**a_colours, **b_colours, **COLOURS}
    chunks = chrome.export(events, "", links=[matched], colours=colours, told=told, fields=True)
    return Exported(chunks, len(pairs.grid), pairs.of)


def within(events: pa.Table, first: int, last: int) -> pa.Table:
    """The events that overlap the steps numbered first to last: a slice of a trace that is too big for a viewer."""
    table = steps.table(events)
    number = columns.integers(table, "step")
    chosen = (number >= first) & (number <= last)
    if not chosen.any():
        raise TraceError(f"the trace has no step between {first} and {last}", hint=_range(number))
    low = columns.integers(table, "start_ps")[chosen].min()
    high = columns.integers(table, "end_ps")[chosen].max()
    times = steps.Times.of(events)
    return events.filter(pa.array((times.end >= low) & (times.start <= high)))


def _range(number: Ints) -> str:
    return f"its steps are {number.min()} to {number.max()}" if len(number) else "it has no marked step at all"


def _named(events: pa.Table) -> tuple[pa.Table, dict[str, str]]:
    """The events, work named by operator, phase and layer (its own name beside it), streams for people; name → its colour."""
    mask = steps.work(events) | (columns.text(events, "level").where("op") & (columns.text(events, "op").codes >= 0))
    op, phase, layer = (row_keys.key(events, mask, name) for name in ("op", "phase", "layer"))
    groups = columns.group([op.codes, phase.codes, layer.codes])
    name = columns.text(events, "name")
    place = {value: code for code, value in enumerate(name.values)}
    colours: dict[str, str] = {}
    of_group: list[int] = []
    keys = zip(*(text.decode(text.codes[groups.first]) for text in (op, phase, layer)), strict=True)
    for one_op, one_phase, one_layer in keys:
        label = cells.label(one_op or "unknown", one_phase, one_layer)
        colours[label] = palette.TRACING[palette.family(one_op or "unknown", one_phase)]
        of_group.append(place.setdefault(label, len(place)))
    codes = name.codes.copy()
    codes[mask] = np.array(of_group, dtype=np.int64)[groups.inverse]
    own = columns.Text(np.where(codes != name.codes, name.codes, columns.NULL), name.values)
    device, stream = columns.text(events, "device"), columns.text(events, "stream")
    tracks = columns.group([device.codes, stream.codes])
    told = [(device.values[device.codes[at]], stream.values[stream.codes[at]]) for at in tracks.first.tolist()]
    names = lanes.names(told)
    streams = columns.Text(tracks.inverse, [names[track] for track in told])
    new = {"name": columns.encode(columns.Text(codes, list(place))), "stream": columns.encode(streams)}
    for column, values in new.items():
        at = events.schema.get_field_index(column)
        events = events.set_column(at, events.schema.field(at), values)
    return events.append_column("recorded_as", columns.encode(own)), colours


def _pairs(a: pa.Table, b: pa.Table, shown: Shown) -> _Pairs:
    tables = [steps.table(side) for side in (a, b)]
    for name, table in zip("AB", tables, strict=True):
        if not table.num_rows:
            raise TraceError(f"{name} has no marked step to align by", hint="export each side on its own")
    numbers = [columns.integers(table, "step") for table in tables]
    common = np.intersect1d(numbers[0], numbers[1])
    if len(common):
        rows = [np.array([np.flatnonzero(number == step)[0] for step in common]) for number in numbers]
    else:
        rows = [np.arange(min(map(len, numbers)))] * 2
    of = len(rows[0])
    if isinstance(shown, tuple):
        keep = (numbers[0][rows[0]] >= shown[0]) & (numbers[0][rows[0]] <= shown[1])
        if not keep.any():
            raise TraceError(f"no step between {shown[0]} and {shown[1]} is on both sides", hint=_range(numbers[0]))
        rows = [row[keep] for row in rows]
    starts = [columns.integers(table, "start_ps")[row] for table, row in zip(tables, rows, strict=True)]
    ends = [columns.integers(table, "end_ps")[row] for table, row in zip(tables, rows, strict=True)]
    walls = [end - start for start, end in zip(starts, ends, strict=True)]
    if shown == "typical":
        chosen = _typical(*walls)
        rows, starts, walls = ([side[chosen] for side in sides] for sides in (rows, starts, walls))
    lengths = np.maximum(*walls) + _GAP_PS
    grid = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    return _Pairs(numbers[0][rows[0]], starts[0], walls[0], starts[1], walls[1], grid, of)


def _typical(a_wall: Ints, b_wall: Ints) -> Ints:
    """The pairs in which both steps are nearest to their side's median, in order of time."""
    far = sum(np.abs(wall - np.median(wall)) / max(1.0, float(np.median(wall))) for wall in (a_wall, b_wall))
    chosen: Ints = np.sort(np.argsort(far, kind="stable")[:TYPICAL])
    return chosen


def _shifted(events: pa.Table, start: Ints, wall: Ints, grid: Ints) -> tuple[pa.Table, Ints]:
    """Events that start inside a paired step, moved to the pair's place, and the pair of each."""
    begin = columns.integers(events, "start_ps")
    order = np.argsort(start, kind="stable")
    at = np.searchsorted(start[order], begin, side="right") - 1
    pair = order[np.maximum(at, 0)]
    inside = (at >= 0) & (begin < start[pair] + wall[pair])
    moved = (begin - start[pair] + grid[pair])[inside]
    taken = events.filter(pa.array(inside))
    place = taken.schema.get_field_index("start_ps")
    return taken.set_column(place, taken.schema.field(place), pa.array(moved)), pair[inside]


def _renumbered(events: pa.Table, name: str, offset: int, side: int) -> pa.Table:
    """With ids and tracks of their own, and the side's name in front of the device."""
    device = columns.text(events, "device")
    named = columns.encode(columns.Text(device.codes, [f"{name} · {value}" for value in device.values]))
    place = events.schema.get_field_index("device")
    return renumbered(events.set_column(place, events.schema.field(place), named), offset, side, 2)


def _matched(parts: list[pa.Table], turns: list[Ints]) -> chrome.Links:
    """Operators of A and B with the same operator, phase and layer, the n-th of a step with the n-th; from earlier to later."""
    both = pa.concat_tables(parts).unify_dictionaries()
    side = np.repeat([0, 1], [part.num_rows for part in parts])
    op = columns.text(both, "op")
    rows = np.flatnonzero(steps.work(both) & (op.codes >= 0))
    start = columns.integers(both, "start_ps")
    keys = [np.concatenate(turns), op.codes, columns.text(both, "phase").codes, columns.text(both, "layer").codes]
    group = columns.group([key[rows] for key in keys]).inverse
    order = np.lexsort((start[rows], side[rows], group))
    rows, group = rows[order], group[order]
    fresh = np.diff(group * 2 + side[rows], prepend=-1) != 0
    turn = np.arange(len(rows)) - np.maximum.accumulate(np.where(fresh, np.arange(len(rows)), 0))
    place = columns.group([group, turn]).inverse if len(rows) else group
    partner = np.full((int(place.max()) + 1 if len(rows) else 0, 2), -1, dtype=np.int64)
    partner[place, side[rows]] = rows
    partner = partner[np.all(partner >= 0, axis=1)]
    swap = start[partner[:, 1]] < start[partner[:, 0]]
    partner[swap] = partner[swap][:, ::-1]
    ids = columns.integers(both, "id")
    return chrome.Links("same operator", ids[partner[:, 0]], ids[partner[:, 1]])


def _differences(pairs: _Pairs) -> Iterator[Drawn]:
    """A slice as long as the difference, and a counter, for each pair."""
    for number, start, a_wall, b_wall in zip(
        pairs.number.tolist(), pairs.grid.tolist(), pairs.a_wall.tolist(), pairs.b_wall.tolist(), strict=True
    ):
        delta = b_wall - a_wall
        known = {
            "a_ms": a_wall / PS_PER_NS / NS_PER_MS,
            "b_ms": b_wall / PS_PER_NS / NS_PER_MS,
            "b_minus_a_ms": delta / PS_PER_NS / NS_PER_MS,
        }
        drawn = partial(Drawn, device=DELTA, stream="difference of the step's wall time", track=-1, start_ps=start)
        name = SLOWER if delta > 0 else FASTER if delta < 0 else EQUAL
        yield drawn(level="op", name=name, duration_ps=abs(delta), step=number, args=json.dumps(known))
        yield drawn(level="counter", name="B − A, ms", value=known["b_minus_a_ms"])


def _occupancy(events: pa.Table, name: str) -> Iterator[Drawn]:
    """A counter of how many operators run at once on a side."""
    mask = steps.work(events)
    times = steps.Times.of(events)
    edges = np.concatenate([times.start[mask], times.end[mask]])
    change = np.repeat([1, -1], int(mask.sum()))
    at, inverse = np.unique(edges, return_inverse=True)
    running = np.cumsum(np.bincount(inverse, weights=change, minlength=len(at)))
    for start, value in zip(at.tolist(), running.tolist(), strict=True):
        yield Drawn(
            device=name,
            stream="occupancy",
            track=-2,
            start_ps=start,
            level="counter",
            name="operators running",
            value=value,
        )
