"""Occupancy: how busy devices and threads were over time, how much ran at once, copies beside computation, idle by
cause.

Every table is over the frame (steps.span): the synchronised steps, or first start to last end where there are none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from dlprof.analysis import columns, intervals
from dlprof.analysis.columns import Bools, Ints
from dlprof.analysis.trace import collectives, host, row_keys, steps
from dlprof.units import PS_PER_NS

_OF_DEVICES: Final = (
    "device",
    "span_ns",
    "compute_ns",
    "communication_ns",
    "copy_ns",
    "overlap_ns",
    "communication_overlap_ns",
    "idle_ns",
    "compute",
    "communication_only",
    "copy_only",
    "idle",
)


def concurrency(events: pa.Table) -> pa.Table:
    """Time at each number of tracks (threads, streams) at work: active (0, 1, 2, …), ns, share; ns sum to the frame."""
    frame, low, high = _busy(events)
    times = np.concatenate([low, high])
    order = np.argsort(times, kind="stable")
    active = np.cumsum(np.where(order < len(low), 1, -1))[:-1]
    spans = np.diff(times[order])
    ns = np.bincount(active, weights=spans) if len(active) else np.zeros(1)
    ns[0] = frame.length - ns[1:].sum()
    return pa.table(
        {
            "active": pa.array(np.arange(len(ns))),
            "ns": pa.array(ns / PS_PER_NS),
            "share": pa.array(ns / max(frame.length, 1)),
        }
    )


def over_time(events: pa.Table, bins: int = 100) -> pa.Table:
    """How busy the frame was over time, in equal bins.

    Columns: start_ns and end_ns (from the frame's start), busy (share of the bin in which any work ran), active (mean number
    of tracks at work). Between steps nothing counts as busy. Raises `ValueError` for bins < 1.
    """
    if bins < 1:
        raise ValueError(f"expected at least one bin, got {bins}")
    frame, low, high = _busy(events)
    if not frame.length:
        return pa.table({name: pa.array([], pa.float64()) for name in ("start_ns", "end_ns", "busy", "active")})
    first, last = int(frame.start[0]), int(frame.end[-1])
    edges = np.linspace(first, last, bins + 1).round().astype(np.int64)
    width = np.maximum(np.diff(edges), 1)
    covered = np.diff(intervals.union(low, high).covered(edges))
    tracks = np.diff(_elapsed(low, edges) - _elapsed(high, edges))
    return pa.table(
        {
            "start_ns": pa.array((edges[:-1] - first) / PS_PER_NS),
            "end_ns": pa.array((edges[1:] - first) / PS_PER_NS),
            "busy": pa.array(covered / width),
            "active": pa.array(tracks / width),
        }
    )


def _elapsed(since: Ints, times: Ints) -> Ints:
    """Sum over `since` of the time passed since then, at each of `times`."""
    ordered = np.sort(since)
    count = np.searchsorted(ordered, times, side="right")
    passed: Ints = count * times - np.append(0, np.cumsum(ordered))[count]
    return passed


def _busy(events: pa.Table) -> tuple[intervals.Union, Ints, Ints]:
    """The frame, and pieces of work inside it that do not overlap on their own track."""
    frame, mask, times = steps.span(events), steps.work(events), steps.Times.of(events)
    parts = intervals.leaves(columns.integers(events, "track")[mask], times.start[mask], times.end[mask])
    _, low, high = intervals.clip(parts.start, parts.end, frame)
    return frame, low, high


def devices(events: pa.Table) -> pa.Table:
    """Each device over its own span (first start to last end of its work), longest first.

    Columns: device; span_ns; compute_ns, communication_ns and copy_ns (unions, by phase `communication` and level copy);
    overlap_ns (copies hidden behind computation) and communication_overlap_ns (communication hidden behind it); idle_ns
    (none of the three); compute, communication_only (not behind computation), copy_only (behind neither), idle: shares of the
    span, summing to 1.

    Where the host itself does the work, an instant of a thread is its innermost operator's: what calls a collective does not
    compute beside it. A collective's span there, from call to end (`gloo:all_reduce`), is communication; it and the calls
    that start and await it count once, as a union.
    """
    work = _work(events)
    rows: list[tuple[str | float, ...]] = []
    for code in np.unique(work.device.codes[work.rows]).tolist():
        here = work.device.codes[work.rows] == code
        compute, sent = work.union(here & work.compute), work.union(here & work.communication)
        copied, busy = work.union(here & work.copies), work.union(here)
        span = int(work.end[here].max() - work.start[here].min())
        overlap, hidden = compute.within(copied).length, compute.within(sent).length
        only = sent.length - hidden
        copy_only = busy.length - compute.length - only
        times_ps = (span, compute.length, sent.length, copied.length, overlap, hidden, span - busy.length)
        parts_ps = (compute.length, only, copy_only, span - busy.length)
        rows.append(
            (
                work.device.values[code],
                *(ps / PS_PER_NS for ps in times_ps),
                *(ps / max(span, 1) for ps in parts_ps),
            )
        )
    rows.sort(key=lambda row: -float(row[1]))
    return pa.table(
        {
            name: pa.array([row[at] for row in rows], pa.string() if name == "device" else pa.float64())
            for at, name in enumerate(_OF_DEVICES)
        }
    )


@dataclass(frozen=True, slots=True)
class _Pieces:
    """When each device worked, in pieces of one class each.

    rows: row of the events of each piece; start, end: ps
    compute, communication, copies: pieces of each class
    device: of the events
    """

    rows: Ints
    start: Ints
    end: Ints
    compute: Bools
    communication: Bools
    copies: Bools
    device: columns.Text

    def union(self, pieces: Bools) -> intervals.Union:
        return intervals.union(self.start[pieces], self.end[pieces])


def _work(events: pa.Table) -> _Pieces:
    mask, times, device = steps.work(events), steps.Times.of(events), columns.text(events, "device")
    communication = np.zeros_like(mask)
    communication[mask] = row_keys.key(events, mask, "phase").where("communication")
    copies = columns.text(events, "level").where("copy") & ~communication
    on_host = mask & device.flags([steps.is_host(value) for value in device.values])
    spans = collectives.on_host(events) if on_host.any() else np.zeros_like(mask)
    # Whose work a thread's instant is, its innermost operator says; streams of an accelerator do not nest.
    own = np.flatnonzero(on_host)
    found = intervals.leaves(columns.integers(events, "track")[own], times.start[own], times.end[own])
    whole = np.flatnonzero(mask & ~on_host | spans)
    rows = np.concatenate([own[found.owner], whole])
    start = np.concatenate([found.start, times.start[whole]])
    end = np.concatenate([found.end, times.end[whole]])
    sent = communication | spans
    return _Pieces(rows, start, end, (~copies & ~sent)[rows], sent[rows], copies[rows], device)


def idle(events: pa.Table) -> pa.Table:
    """The frame's time without work by cause (host.split): cause, reason, ns, share of the frame, gaps, longest_ns."""
    split = host.split(events)
    parts = sorted(
        ((name, part) for name, part in split.parts.items() if part.length), key=lambda item: -item[1].length
    )
    lengths = [part.length for _, part in parts]
    return pa.table(
        {
            "cause": pa.array([name for name, _ in parts], pa.string()),
            "reason": pa.array([host.REASONS[name] for name, _ in parts], pa.string()),
            "ns": pa.array([ps / PS_PER_NS for ps in lengths], pa.float64()),
            "share": pa.array([ps / max(split.frame.length, 1) for ps in lengths], pa.float64()),
            "gaps": pa.array([len(part.start) for _, part in parts], pa.int64()),
            "longest_ns": pa.array([int((p.end - p.start).max()) / PS_PER_NS for _, p in parts], pa.float64()),
        }
    )
