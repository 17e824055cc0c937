"""Breakdown: executed work grouped by op, kernel, layer, phase, step, device or stream, with counts and times.

Times are ns as float, exact quotients of picoseconds (kernels of 100 ns exist; rounding each would spoil the sums).
"""

from __future__ import annotations

from typing import Any, Final, Literal, get_args

import numpy as np
import pyarrow as pa

from dlprof import schema
from dlprof.analysis import columns, intervals
from dlprof.analysis.columns import NULL, Bools, Ints, Text
from dlprof.analysis.model import Outside
from dlprof.analysis.trace import places, steps
from dlprof.errors import UsageError
from dlprof.names import INPUT
from dlprof.units import PS_PER_NS

By = Literal["op", "kernel", "layer", "phase", "step", "device", "stream", "name", "process", "source"]
Where = Literal["work", "host"]

KEYS: Final[dict[str, tuple[str, ...]]] = {
    "op": ("op", "phase"),
    "kernel": ("kernel", "device"),
    "layer": ("layer", "phase"),
    "phase": ("phase",),
    "step": ("step",),
    "device": ("device",),
    "stream": ("device", "stream"),
    "name": ("name",),
    "process": ("process",),
    "source": ("source_line",),
}
"""Key columns of each view. A kernel is always shown with its device: the same kernel on two devices is two rows."""

IDLE: Final = "idle"


_DEEPEST: Final = 1000
"""Operators around an event that are looked at: a table whose parents form a circle comes to an end."""

COLUMNS: Final = (
    "id",
    "host",
    "rank",
    "device",
    "stream",
    "track",
    "level",
    "name",
    "category",
    "op",
    "kernel",
    "layer",
    "phase",
    "start_ps",
    "duration_ps",
    "self_ps",
    "step",
    "launch",
    "parent",
    "occurrences",
    "calls",
)
"""What most views, and what they need from steps, layers and completeness, reads of schema.EVENTS."""


def columns_of(by: str) -> tuple[str, ...]:
    """What a view reads of schema.EVENTS: the keys of one that few ask for are read only then."""
    return (*COLUMNS, *(name for name in KEYS[by] if name in schema.EVENTS.names and name not in COLUMNS))


def view(events: pa.Table, by: str, where: Where = "work") -> pa.Table:
    """Executed work (steps.work) grouped by KEYS[by], largest self time first.

    where: `host` groups what the host's threads did (steps.host_side) instead; in a trace of kernels that is no part of the
    executed work.

    Columns: the keys, and
        count: executions recorded
        calls: calls of the canonical op (the second part of a split op counts 0)
        total_ns: sum of durations; of what is nested in work of the same row the outermost alone. Concurrent work adds up
        self_ns: without what is nested inside
        share: of all self time; sums to 1
        wall_ns: part of the steps' wall time when concurrent work shares each instant; null without steps
        known: by op; False where the vocabulary lacks the name, which is then shown raw
        busy_ns, span_ns: by device and stream; union of intervals, and first start to last end

    By phase there is an `idle` row. By step only work that belongs to one is there (`outside` is the rest). Raises
    `UsageError`.
    """
    if by not in KEYS:
        raise UsageError(f"no such view: {by!r}", hint=f"group by one of {', '.join(get_args(By))}")
    events = places.apart(events)
    mask = steps.host_side(events) if where == "host" else steps.work(events)
    if by == "step":
        mask &= columns.integers(events, "step") != NULL
    work = events.filter(pa.array(mask))
    names = keys(events, by)
    found = {name: _key(events, work, mask, name) for name in names}
    codes = [value.codes if isinstance(value, Text) else value for value in found.values()]
    groups = columns.group(codes)
    result = {name: _decode(value, groups) for name, value in found.items()} | _measures(events, work, mask, groups)
    if by == "op":
        result["known"] = pa.array(known(events)[mask][groups.first])
    if by in ("device", "stream"):
        result |= _extent(work, groups)
    shown = pa.table(result)
    if by == "phase" and where == "work":
        shown = _with_idle(events, shown)
    order: list[tuple[str, Literal["ascending", "descending"]]] = [(name, "ascending") for name in names]
    return shown.sort_by(order if by == "step" else [("self_ns", "descending"), *order])


def keys(events: pa.Table, by: str) -> tuple[str, ...]:
    """The key columns of a view of these events: KEYS[by], by step with the place in front where several recorded."""
    return ("place", *KEYS[by]) if by == "step" and places.several(events) else KEYS[by]


def has_wall(found: pa.Table) -> bool:
    """Whether a view tells times within steps, as that of a trace that marks any."""
    return "wall_ns" in found.column_names and found["wall_ns"].null_count < found.num_rows


def outside(events: pa.Table, where: Where = "work") -> Outside:
    """What of a view belongs to no step: all of it in a trace that marks none."""
    mask = steps.host_side(events) if where == "host" else steps.work(events)
    return _amount(events, mask & (columns.integers(events, "step") == NULL))


def elsewhere(events: pa.Table, where: Where = "work") -> Outside:
    """What a view leaves out: beside executed work what the host did, beside the host's side the work of devices."""
    work, host = steps.work(events), steps.host_side(events)
    return _amount(events, work & ~host if where == "host" else host & ~work)


def empty(events: pa.Table) -> str:
    """Why a view has no row: what the trace holds in the place of work."""
    level = columns.text(events, "level")
    counts = {name: int(level.where(name).sum()) for name in dict.fromkeys(level.values)}
    held = ", ".join(f"{count} of level {name}" for name, count in sorted(counts.items()) if count)
    if not held:
        return "The trace holds no event that has a time."
    return f"No executed work was recorded. The trace holds {events.num_rows} events: {held}."


def _amount(events: pa.Table, mask: Bools) -> Outside:
    count = int(columns.integers(events, "occurrences")[mask].sum())
    return Outside(count, int(columns.integers(events, "self_ps")[mask].sum()) / PS_PER_NS)


def key(events: pa.Table, mask: Bools, name: str) -> Text:
    """op, phase, layer or source line of the rows of `mask`: their own; of a kernel or copy without, that of its launch.

    An op that nobody knows is shown by the raw name of the operator that launched it, else by its kernel's or its own
    (view's `known` tells them apart): the launching operator is what two GPUs, or two releases, have in common. A copy is
    no part of the operator that launched it: it goes by its own name (`Memset`, `Memcpy DtoH`).
    """
    column = columns.text(events, name)
    ids, launch = columns.integers(events, "id"), columns.integers(events, "launch")
    filled = Text(_follow(column.codes, ids, launch)[mask], column.values)
    if name != "op":
        return filled
    work = events.filter(pa.array(mask))
    copies = columns.text(work, "level").where("copy")
    own = columns.text(work, "name")
    moved = Text(np.where(copies, own.codes, NULL), [_without_kinds(value) for value in own.values])
    filled = _or_else(Text(column.codes[mask], column.values), moved, filled)
    names = columns.text(events, "name")
    of_ops = np.where(columns.text(events, "level").where("op") & ~mask, names.codes, NULL)
    launcher = Text(_follow(of_ops, ids, launch)[mask], names.values)
    return _or_else(filled, launcher, columns.text(work, "kernel"), own)


def known(events: pa.Table) -> Bools:
    """Rows whose operator the vocabulary knows: their own or that of what launched them. A copy is what it is."""
    codes = columns.text(events, "op").codes
    found: Bools = _follow(codes, columns.integers(events, "id"), columns.integers(events, "launch")) != NULL
    return found | columns.text(events, "level").where("copy")


def _without_kinds(copy: str) -> str:
    """A copy's name without the kinds of memory behind it: `Memcpy HtoD (Pinned -> Device)` → Memcpy HtoD."""
    return copy.partition(" (")[0] if copy.endswith(")") else copy


def _follow(codes: Ints, ids: Ints, launch: Ints) -> Ints:
    """Fill null codes from the launching row; two hops, for a kernel may hang on an API call that hangs on an op."""
    order = np.argsort(ids, kind="stable")
    for _ in range(2):
        need = np.flatnonzero((codes == NULL) & (launch != NULL))
        if not len(need):
            break
        at = np.minimum(np.searchsorted(ids[order], launch[need]), len(ids) - 1)
        hit = ids[order][at] == launch[need]
        codes = codes.copy()
        codes[need[hit]] = codes[order[at[hit]]]
    return codes


def _key(events: pa.Table, work: pa.Table, mask: Bools, name: str) -> Text | Ints:
    if name == "step":
        return columns.integers(work, "step")
    if name == "place":
        return places.of(work)
    if name == "process":
        return _process(work)
    if name in ("op", "phase", "layer", "source_line"):
        return key(events, mask, name)
    column = columns.text(work, name)
    return _or_else(column, columns.text(work, "name")) if name == "kernel" else column


def _process(work: pa.Table) -> Text:
    """The process in a plain chrome trace's `process · thread`; the device of a trace whose streams name no process."""
    stream, device = columns.text(work, "stream"), columns.text(work, "device")
    named = [" · " in value for value in stream.values]
    process = Text(
        np.where(stream.flags(named), stream.codes, NULL), [value.partition(" · ")[0] for value in stream.values]
    )
    return _or_else(process, device)


def _or_else(*candidates: Text) -> Text:
    """The first non-null of several text columns per row."""
    codes = np.full(len(candidates[0].codes), NULL, dtype=np.int64)
    known: dict[str, int] = {}
    for candidate in candidates:
        remap = np.array([known.setdefault(value, len(known)) for value in candidate.values] + [NULL], dtype=np.int64)
        codes = np.where(codes == NULL, remap[candidate.codes], codes)
    return Text(codes, list(known))


def _decode(key: Text | Ints, groups: columns.Groups) -> pa.Array[Any]:
    if isinstance(key, Text):
        return pa.array(key.decode(key.codes[groups.first]), pa.string())
    values = key[groups.first]
    return pa.array(values, pa.int64(), mask=values == NULL)


def _within_own_row(events: pa.Table, mask: Bools, groups: columns.Groups) -> Bools:
    """Rows of `mask` that lie inside an operator of the same group (aten::conv2d → aten::convolution): its time holds theirs."""
    parent = columns.integers(events, "parent")
    within = np.zeros(int(mask.sum()), dtype=np.bool_)
    if (parent[mask] == NULL).all():
        return within
    ids = columns.integers(events, "id")
    order = np.argsort(ids, kind="stable")
    at = order[np.minimum(np.searchsorted(ids[order], parent), len(ids) - 1)]
    around = np.where((parent != NULL) & (ids[at] == parent), at, NULL)
    group = np.full(events.num_rows, NULL, dtype=np.int64)
    group[mask] = groups.inverse
    rows, outer = np.arange(len(within)), around[mask]
    for _ in range(_DEEPEST):
        alive = outer != NULL
        rows, outer = rows[alive], outer[alive]
        if not len(rows):
            break
        same = group[outer] == groups.inverse[rows]
        within[rows[same]] = True
        rows, outer = rows[~same], around[outer[~same]]
    return within


def _measures(events: pa.Table, work: pa.Table, mask: Bools, groups: columns.Groups) -> dict[str, pa.Array[Any]]:
    outermost = ~_within_own_row(events, mask, groups)
    total = groups.sum(np.where(outermost, columns.integers(work, "duration_ps"), 0))
    own = groups.sum(columns.integers(work, "self_ps"))
    frame = steps.windows(events)
    wall = groups.sum_float(steps.exclusive_ps(events, mask, frame)[mask]) if frame.length else None
    return {
        "count": pa.array(groups.sum(columns.integers(work, "occurrences")), pa.int64()),
        "calls": pa.array(groups.sum(columns.integers(work, "calls")), pa.int64()),
        "total_ns": pa.array(total / PS_PER_NS, pa.float64()),
        "self_ns": pa.array(own / PS_PER_NS, pa.float64()),
        "share": pa.array(own / max(int(own.sum()), 1), pa.float64()),
        "wall_ns": pa.nulls(groups.size, pa.float64()) if wall is None else pa.array(wall / PS_PER_NS, pa.float64()),
    }


def _extent(work: pa.Table, groups: columns.Groups) -> dict[str, pa.Array[Any]]:
    times = steps.Times.of(work)
    busy, span = [], []
    for number in range(groups.size):  # a handful of devices or streams
        rows = groups.inverse == number
        start, end = times.start[rows], times.end[rows]
        busy.append(intervals.union(start, end).length / PS_PER_NS)
        span.append(int(end.max() - start.min()) / PS_PER_NS)
    return {"busy_ns": pa.array(busy, pa.float64()), "span_ns": pa.array(span, pa.float64())}


def _with_idle(events: pa.Table, shown: pa.Table) -> pa.Table:
    """Add the idle row, and what the host's input markers cover, where the trace has steps."""
    if not steps.windows(events).length:
        return shown
    wall = dict(zip(*(phases(events).to_pydict()[key] for key in ("phase", "wall_ns")), strict=True))
    present = shown["phase"].to_pylist()
    shown = shown.set_column(
        shown.schema.get_field_index("wall_ns"), "wall_ns", pa.array([wall.pop(p, 0.0) for p in present], pa.float64())
    )
    extra = [
        {"phase": p, "count": 0, "calls": 0, "total_ns": 0.0, "self_ns": 0.0, "share": 0.0, "wall_ns": ns}
        for p, ns in wall.items()
    ]
    return pa.concat_tables([shown, pa.Table.from_pylist(extra, shown.schema)]) if extra else shown


def phases(events: pa.Table) -> pa.Table:
    """The steps' wall time divided among phases without overlap: phase (null = unknown), wall_ns, share; sums to the wall.

    Work counts for its phase (or that of what launched it), instants shared among concurrent work; what the host's
    dlprof:input markers cover of the rest is `input`; what is left is `idle`: no recorded work ran (host dispatch,
    waiting, or a true pause).
    """
    frame, mask, times = steps.span(events), steps.work(events), steps.Times.of(events)
    phase = key(events, mask, "phase")
    own = steps.exclusive_ps(events, mask, frame)
    wall: dict[str | None, float] = {}
    if mask.any():
        groups = columns.group([phase.codes])
        names = phase.decode(phase.codes[groups.first])
        wall.update(zip(names, groups.sum_float(own[mask]).tolist(), strict=True))
    free = intervals.union(times.start[mask], times.end[mask]).gaps(frame)
    name = columns.text(events, "name")
    marked = columns.text(events, "level").where("marker") & name.flags([v.startswith(INPUT) for v in name.values])
    _, start, end = intervals.clip(times.start[marked], times.end[marked], free)
    waiting = intervals.union(start, end).length
    if waiting:
        wall["input"] = wall.get("input", 0.0) + waiting
    wall[IDLE] = float(free.length - waiting)
    rows = sorted(((key, ps) for key, ps in wall.items() if ps > 0), key=lambda row: -row[1])
    total = frame.length
    return pa.table(
        {
            "phase": pa.array([key for key, _ in rows], pa.string()),
            "wall_ns": pa.array([ps / PS_PER_NS for _, ps in rows], pa.float64()),
            "share": pa.array([ps / total for _, ps in rows], pa.float64()),
        }
    )
