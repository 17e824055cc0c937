"""One rank's trace summed up: its steps and what they consist of, its collectives, and what ran."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from dlprof import schema
from dlprof.analysis import columns, intervals
from dlprof.analysis.columns import NULL, Bools, Ints
from dlprof.analysis.intervals import Union
from dlprof.analysis.ranks import told
from dlprof.analysis.trace import memory as trace_memory
from dlprof.analysis.trace import steps
from dlprof.analysis.trace.collectives import SPAN, on_host

EVENT_COLUMNS: Final = (
    "id",
    "device",
    "stream",
    "track",
    "level",
    "name",
    "category",
    "op",
    "phase",
    "start_ps",
    "duration_ps",
    "self_ps",
    "step",
    "launch",
    "parent",
    "calls",
    "bytes",
    "value",
    "host",
    "rank",
    "args",
)
"""What of the events is looked at; args of collectives and of records of memory alone."""

PARTS: Final = ("compute", "communication", "copy", "input", "host")
"""What a step consists of; every instant is of one of them."""

_CALL: Final = re.compile(r"_?c10d(?:_functional)?::.*|record_param_comms.*")
_INPUT: Final = re.compile(r"(?:enumerate\(\w+\)#.*|data|dataloader|data_loading|dlprof:input)[ #:]*", re.IGNORECASE)
"""Markers of a step's input (torch's own, users' usual names, dlprof's)."""


def needs_arguments(name: str) -> bool:
    """Whether an event's name is one under which its arguments are looked at: a collective's, a record of memory's."""
    return name == trace_memory.INSTANT or bool(SPAN.fullmatch(name) or _CALL.fullmatch(name))


@dataclass(frozen=True, slots=True)
class Summary:
    """One rank's trace: schema.RANK_STEPS, RANK_LINES, COLLECTIVES and MOMENTS.

    outside: collectives that began in no step, which are in none of the tables
    marked: whether the trace marks steps; if not, all of its work is one
    """

    steps: pa.Table
    lines: pa.Table
    collectives: pa.Table
    moments: pa.Table
    outside: int
    marked: bool

    @property
    def tables(self) -> Mapping[str, pa.Table]:
        """By the name of their files."""
        return {"steps": self.steps, "lines": self.lines, "collectives": self.collectives, "moments": self.moments}


def summarise(events: pa.Table, run: str, rank: int) -> Summary:
    """The summary of a rank's events (EVENT_COLUMNS)."""
    windows = _windows(events)
    spans = _Spans.of(events)
    times = steps.Times.of(events)
    parts = _parts(events, spans, times, windows)
    of_rank = {"run": run, "rank": rank}
    arrived, outside = _collectives(events, spans, times, windows, parts)
    return Summary(
        steps=_table(_steps(events, times, windows, parts), schema.RANK_STEPS, of_rank),
        lines=_table(_lines(events, spans, times, windows), schema.RANK_LINES, of_rank),
        collectives=_table(arrived, schema.COLLECTIVES, of_rank),
        moments=_table(_moments(windows, arrived, parts), schema.MOMENTS, of_rank),
        outside=outside,
        marked=windows.marked,
    )


@dataclass(frozen=True, slots=True)
class _Windows:
    """The steps in order of time: number, start, end. marked: whether the trace marks them; if not there is one at most."""

    number: Ints
    start: Ints
    end: Ints
    marked: bool

    def at(self, time: Ints) -> Ints:
        """Index of the step at each time, what lies between two belonging to the earlier; NULL before the first and after the
        last."""
        found = np.searchsorted(self.start, time, side="right") - 1
        found[time >= self.end.max(initial=np.iinfo(np.int64).min)] = NULL
        return found


def _windows(events: pa.Table) -> _Windows:
    """The steps that the trace marks, else all of its work as one."""
    table = steps.table(events)
    if table.num_rows:
        number, start, end = (columns.integers(table, name) for name in ("step", "start_ps", "end_ps"))
        return _Windows(number, start, end, marked=True)
    frame = steps.span(events)
    if not frame.length:
        none = np.zeros(0, dtype=np.int64)
        return _Windows(none, none, none, marked=False)
    return _Windows(np.zeros(1, dtype=np.int64), frame.start[:1], frame.end[-1:], marked=False)


@dataclass(frozen=True, slots=True)
class _Spans:
    """Which rows are what.

    collective: a collective from the rank's arrival to its end
    call: the host's call of one, which is no compute of the host's; what a device computes meanwhile is
    copy, compute: other work
    on_host: the work is the host's own (no accelerator was recorded)
    """

    collective: Bools
    call: Bools
    copy: Bools
    compute: Bools
    on_host: bool

    @classmethod
    def of(cls, events: pa.Table) -> _Spans:
        level, name, phase = (columns.text(events, one) for one in ("level", "name", "phase"))
        work, communication = steps.work(events), phase.where("communication")
        called = name.flags([bool(_CALL.fullmatch(one)) for one in name.values])
        kernels = level.where("kernel")
        spans = on_host(events)
        on_device = kernels & communication
        collective = on_device | spans
        if not collective.any():  # a backend that records no span: its calls are all there is
            collective = level.where("op") & called & ~name.flags([one.startswith("record") for one in name.values])
        copy = work & level.where("copy")
        return cls(collective, called & ~kernels, copy, work & ~copy & ~communication & ~called, not kernels.any())


@dataclass(frozen=True, slots=True)
class _Parts:
    """When each part of PARTS was, disjoint; host is what is left of the frame. beside: collectives, exposed or not."""

    frame: Union
    of: Mapping[str, Union]
    beside: Union

    def until(self, times: Ints) -> dict[str, Ints]:
        """Time of each part from the frame's start until each time, and of overlapped communication."""
        found = {f"{part}_ps": union.covered(times) for part, union in self.of.items()}
        found["overlapped_ps"] = self.beside.covered(times) - found["communication_ps"]
        return found


def _parts(events: pa.Table, spans: _Spans, times: steps.Times, windows: _Windows) -> _Parts:
    """Each instant belongs to the first that holds it: on an accelerator compute, communication, copy, input; where the host
    itself does the work, what it does for the input goes before, for it is operators too."""
    frame = intervals.union(
        windows.start[:1], windows.end.max(initial=0, keepdims=True) if len(windows.end) else windows.end
    )

    def union(rows: Bools) -> Union:
        return intervals.union(times.start[rows], times.end[rows]).within(frame)

    compute = union(spans.compute)
    found = {
        "compute": union(spans.call).gaps(compute) if spans.on_host else compute,
        "communication": union(spans.collective),
        "copy": union(spans.copy),
        "input": union(_input(events)),
    }
    whole, rest, parts = found["communication"], frame, {}
    for part in (("input", "compute") if spans.on_host else ("compute",)) + ("communication", "copy", "input"):
        if part not in parts:
            parts[part] = found[part].within(rest)
            rest = parts[part].gaps(rest)
    return _Parts(frame, parts, whole)


def _input(events: pa.Table) -> Bools:
    name, level = columns.text(events, "name"), columns.text(events, "level")
    marks: Bools = level.where("marker") & name.flags([bool(_INPUT.fullmatch(one)) for one in name.values])
    return marks


def _steps(events: pa.Table, times: steps.Times, windows: _Windows, parts: _Parts) -> dict[str, Any]:
    low, high = parts.until(windows.start), parts.until(windows.end)
    found: dict[str, Any] = {name: high[name] - low[name] for name in high}
    wall = windows.end - windows.start
    found["host_ps"] = wall - sum(found[f"{part}_ps"] for part in PARTS[:-1])
    memory = _memory(events, times, windows)
    return {"step": windows.number, "start_ps": windows.start, "end_ps": windows.end, "memory_bytes": memory, **found}


def _memory(events: pa.Table, times: steps.Times, windows: _Windows) -> Any:
    """Most bytes allocated in each step, of accelerators where any is recorded; null where none is."""
    name, device = columns.text(events, "name"), columns.text(events, "device")
    value = np.array(events.column("value").to_numpy(zero_copy_only=False), dtype=np.float64)
    for one in trace_memory.allocated(events):
        if one.derived is not None:
            value[one.rows] = one.totals
    rows = columns.text(events, "level").where("counter") & np.isfinite(value)
    rows &= name.flags([one == trace_memory.INSTANT or one.startswith("Memory") for one in name.values])
    placed = rows & ~device.flags([steps.is_host(one) for one in device.values])
    at = np.flatnonzero(placed if placed.any() else rows)
    step = windows.at(times.start[at])
    most = np.full(len(windows.number), NULL, dtype=np.int64)
    inside = step != NULL
    np.maximum.at(most, step[inside], value[at[inside]].astype(np.int64))
    return columns.nullable(most)


def _lines(events: pa.Table, spans: _Spans, times: steps.Times, windows: _Windows) -> dict[str, Any]:
    """Work and collectives by step, stream, part and operator."""
    step = windows.at(times.start)
    part = np.select([spans.collective, spans.copy, spans.compute], [1, 2, 0], NULL)
    rows = np.flatnonzero((part != NULL) & (step != NULL))
    device, stream, op = (columns.text(events, name) for name in ("device", "stream", "op"))
    groups = columns.group([one[rows] for one in (step, device.codes, stream.codes, part, op.codes)])
    first = rows[groups.first]
    size = columns.integers(events, "bytes")[rows]
    known = np.maximum(size, 0)
    some = groups.sum((size != NULL).astype(np.int64)) > 0
    placed = [
        f"{device.values[d]} {stream.values[s]}"
        for d, s in zip(device.codes[first].tolist(), stream.codes[first].tolist(), strict=True)
    ]
    return {
        "step": windows.number[step[first]],
        "stream": placed,
        "part": [PARTS[code] for code in part[first].tolist()],
        "op": op.decode(op.codes[first]),
        "time_ps": groups.sum(columns.integers(events, "self_ps")[rows]),
        "calls": groups.sum(columns.integers(events, "calls")[rows]),
        "bytes": columns.nullable(np.where(some, groups.sum(known), NULL)),
    }


def _collectives(
    events: pa.Table, spans: _Spans, times: steps.Times, windows: _Windows, parts: _Parts
) -> tuple[dict[str, Any], int]:
    """The collectives in order of arrival, and how many began in no step."""
    rows = np.flatnonzero(spans.collective)
    rows = rows[np.argsort(times.start[rows], kind="stable")]
    step = windows.at(times.start[rows])
    outside = int((step == NULL).sum())
    rows, step = rows[step != NULL], step[step != NULL]
    start, end = times.start[rows], times.end[rows]
    low, high = _exposed(start, end, parts.of["communication"])
    device, stream = columns.text(events, "device"), columns.text(events, "stream")
    facts = told.of(events, rows)
    found = {
        "step": windows.number[step],
        "group": [one.group for one in facts],
        "members": [one.members for one in facts],
        "op": [one.op for one in facts],
        "sequence": [one.sequence for one in facts],
        "stream": [
            f"{device.values[d]} {stream.values[s]}"
            for d, s in zip(device.codes[rows].tolist(), stream.codes[rows].tolist(), strict=True)
        ],
        "start_ps": start,
        "end_ps": end,
        "exposed_from_ps": low,
        "exposed_until_ps": high,
        "bytes": [one.bytes for one in facts],
    }
    return found, outside


def _exposed(start: Ints, end: Ints, exposed: Union) -> tuple[Ints, Ints]:
    """The longest stretch of each collective in which it was all that the rank had; none, at its end, where it was not.

    Not the one up to its end: a thread that is told late of the end records it while the next operators run already.
    """
    low, high = end.copy(), end.copy()
    index, since, until = intervals.clip(start, end, exposed)
    order = np.lexsort((until - since, index))  # of those of one collective the longest stays
    low[index[order]], high[index[order]] = since[order], until[order]
    return low, high


def _moments(windows: _Windows, arrived: Mapping[str, Any], parts: _Parts) -> dict[str, Any]:
    of = ("start_ps", "exposed_from_ps", "exposed_until_ps", "end_ps")
    time: Ints = np.unique(np.concatenate([windows.start, windows.end, *(arrived[name] for name in of)]))
    return {"time_ps": time, **parts.until(time)}


def _table(values: Mapping[str, Any], declared: pa.Schema, of_rank: Mapping[str, Any]) -> pa.Table:
    rows = len(values[next(iter(values))])
    filled = {**{name: [value] * rows for name, value in of_rank.items()}, **values}
    return pa.table(
        [pa.array(filled[field.name]).cast(field.type) if rows else pa.array([], field.type) for field in declared],
        schema=declared,
    )
