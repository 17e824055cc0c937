"""Breakdown: executed work grouped by op, kernel, layer, phase, step, device or stream, with counts and times.

Times are ns as float, exact quotients of picoseconds (kernels of 100 ns exist; rounding each would spoil the sums).
"""

from __future__ import annotations

from typing import Any, Final, Literal, get_args

import numpy as np
import pyarrow as pa

from dlprof.analysis import columns, intervals
from dlprof.analysis.columns import NULL, Bools, Ints, Text
from dlprof.analysis.model import Outside
from dlprof.analysis.trace import steps
from dlprof.errors import UsageError
from dlprof.units import PS_PER_NS

By = Literal["op", "kernel", "layer", "phase", "step", "device", "stream"]

KEYS: Final[dict[str, tuple[str, ...]]] = {
    "op": ("op", "phase"),
    "kernel": ("kernel", "device"),
    "layer": ("layer", "phase"),
    "phase": ("phase",),
    "step": ("step",),
    "device": ("device",),
    "stream": ("device", "stream"),
}
"""Key columns of each view. A kernel is always shown with its device: the same kernel on two devices is two rows."""


COLUMNS: Final = (
    "id", "device", "stream", "track", "level", "name", "op", "kernel", "layer", "phase", "start_ps", "duration_ps", "self_ps",
    "step", "launch", "occurrences", "calls",
)  # fmt: skip
"""What `view`, and what it needs from steps, layers and completeness, reads of schema.EVENTS."""


def view(events: pa.Table, by: str) -> pa.Table:
    """Executed work (steps.work) grouped by KEYS[by], largest self time first.

    Columns: the keys; count (executions recorded), calls (calls of the canonical op: a second part of a split op
    counts 0); total_ns (sum of durations: concurrent work adds up, so never CPU time), self_ns (without what is
    nested inside), share (of all self time; sums to 1), wall_ns (part of the steps' wall time when concurrent work
    shares each instant; null without steps). By op also `known` (False: the vocabulary lacks the name, which is
    then shown raw). By phase an `idle` row. By step only work that belongs to one (`outside` is the rest). By device and
    stream also busy_ns (union of intervals) and span_ns (first start to last end). Raises `UsageError`.
    """
    if by not in KEYS:
        raise UsageError(f"no such view: {by!r}", hint=f"group by one of {', '.join(get_args(By))}")
    mask = steps.work(events)
    if by == "step":
        mask &= columns.integers(events, "step") != NULL
    work = events.filter(pa.array(mask))
    keys = {name: _key(events, work, mask, name) for name in KEYS[by]}
    codes = [value.codes if isinstance(value, Text) else value for value in keys.values()]
    groups = columns.group(codes)
    result = {name: _decode(value, groups) for name, value in keys.items()} | _measures(events, work, mask, groups)
    if by == "op":
        result["known"] = pa.array(known(events)[mask][groups.first])
    if by in ("device", "stream"):
        result |= _extent(work, groups)
    shown = pa.table(result)
    if by == "phase":
        shown = _with_idle(events, shown)
    order: list[tuple[str, Literal["ascending", "descending"]]] = [(name, "ascending") for name in KEYS[by]]
    return shown.sort_by(order if by == "step" else [("self_ns", "descending"), *order])


def outside(events: pa.Table) -> Outside:
    """The executed work that belongs to no step: all of it in a trace that marks none."""
    mask = steps.work(events) & (columns.integers(events, "step") == NULL)
    count = int(columns.integers(events, "occurrences")[mask].sum())
    return Outside(count, int(columns.integers(events, "self_ps")[mask].sum()) / PS_PER_NS)


def key(events: pa.Table, mask: Bools, name: str) -> Text:
    """op, phase or layer of the rows of `mask`: their own or, for a kernel or copy without, that of what launched it.

    An op that nobody knows is shown by the raw name of the operator that launched it, else by its kernel's or its own
    (view's `known` tells them apart): the launching operator is what two GPUs, or two releases, have in common.
    """
    column = columns.text(events, name)
    ids, launch = columns.integers(events, "id"), columns.integers(events, "launch")
    filled = Text(_follow(column.codes, ids, launch)[mask], column.values)
    if name != "op":
        return filled
    work = events.filter(pa.array(mask))
    names = columns.text(events, "name")
    of_ops = np.where(columns.text(events, "level").where("op") & ~mask, names.codes, NULL)
    launcher = Text(_follow(of_ops, ids, launch)[mask], names.values)
    return _or_else(filled, launcher, columns.text(work, "kernel"), columns.text(work, "name"))


def known(events: pa.Table) -> Bools:
    """Rows whose operator the vocabulary knows: their own or that of what launched them."""
    codes = columns.text(events, "op").codes
    found: Bools = _follow(codes, columns.integers(events, "id"), columns.integers(events, "launch")) != NULL
    return found


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
    if name in ("op", "phase", "layer"):
        return key(events, mask, name)
    column = columns.text(work, name)
    return _or_else(column, columns.text(work, "name")) if name == "kernel" else column


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


def _measures(events: pa.Table, work: pa.Table, mask: Bools, groups: columns.Groups) -> dict[str, pa.Array[Any]]:
    total = groups.sum(columns.integers(work, "duration_ps"))
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
    wall = dict(zip(*(steps.phases(events).to_pydict()[key] for key in ("phase", "wall_ns")), strict=True))
    present = shown["phase"].to_pylist()
    shown = shown.set_column(
        shown.schema.get_field_index("wall_ns"), "wall_ns", pa.array([wall.pop(p, 0.0) for p in present], pa.float64())
    )
    extra = [
        {"phase": p, "count": 0, "calls": 0, "total_ns": 0.0, "self_ns": 0.0, "share": 0.0, "wall_ns": ns}
        for p, ns in wall.items()
    ]
    return pa.concat_tables([shown, pa.Table.from_pylist(extra, shown.schema)]) if extra else shown
