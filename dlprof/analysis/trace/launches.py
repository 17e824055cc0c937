"""Launches: how long kernels waited between their launch call and their start, and how many were queued on a stream."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from dlprof.analysis import columns
from dlprof.analysis.columns import NULL, Ints
from dlprof.analysis.trace import steps
from dlprof.units import PS_PER_NS


@dataclass(frozen=True, slots=True)
class Summary:
    """How the kernels of one stream were launched.

    *_delay_ns: from the end of the call to the start of the kernel, never below 0 (HTA's definition; a kernel that starts
        during its call has none)
    *_latency_ns: from the start of the call to the start of the kernel
    *_queue, most_queued: work launched on the stream and not yet started
    unlinked: kernels and copies without a launch call
    """

    device: str
    stream: str
    launches: int
    unlinked: int
    median_delay_ns: float
    p95_delay_ns: float
    median_latency_ns: float
    median_queue: float
    most_queued: int
    shorter_than_call: int


def table(events: pa.Table) -> pa.Table:
    """One row per kernel or copy whose launch call was recorded (same file and correlation id), in order of the call.

    Columns: id (of the kernel), call_id, device, stream, call_ns and kernel_ns (durations), latency_ns (start of
    the call to start of the kernel), delay_ns (end of the call to start of the kernel, 0 at least), queue (on its
    stream, just after the call). One call may launch many kernels (a graph): each is a row.
    """
    work = np.flatnonzero(steps.work(events) & columns.text(events, "level").where("kernel", "copy"))
    calls = np.flatnonzero(columns.text(events, "level").where("api"))
    found = _match(events, work, calls)
    kernel, call = work[found != NULL], calls[found[found != NULL]]
    times = steps.Times.of(events)
    order = np.lexsort((times.start[kernel], times.start[call]))
    kernel, call = kernel[order], call[order]
    ids = columns.integers(events, "id")
    device, stream = columns.text(events, "device"), columns.text(events, "stream")
    delay = np.maximum(times.start[kernel] - times.end[call], 0)
    return pa.table(
        {
            "id": pa.array(ids[kernel]),
            "call_id": pa.array(ids[call]),
            "device": pa.array(device.decode(device.codes[kernel]), pa.string()),
            "stream": pa.array(stream.decode(stream.codes[kernel]), pa.string()),
            "call_ns": pa.array((times.end - times.start)[call] / PS_PER_NS),
            "kernel_ns": pa.array((times.end - times.start)[kernel] / PS_PER_NS),
            "latency_ns": pa.array((times.start[kernel] - times.start[call]) / PS_PER_NS),
            "delay_ns": pa.array(delay / PS_PER_NS),
            "queue": pa.array(
                _queue(columns.integers(events, "track")[kernel], times.start[call], times.start[kernel])
            ),
        }
    )


def _match(events: pa.Table, work: Ints, calls: Ints) -> Ints:
    """Index into `calls` of each row of `work` by (source, correlation); NULL where there is none."""
    correlation, source = columns.integers(events, "correlation"), columns.text(events, "source").codes
    calls_with = np.flatnonzero(correlation[calls] != NULL)
    both = np.concatenate([correlation[work], correlation[calls[calls_with]]])
    sources = np.concatenate([source[work], source[calls[calls_with]]])
    keys = columns.group([both, sources]).inverse if len(both) else both
    table = np.full(int(keys.max(initial=-1)) + 1, NULL, dtype=np.int64)
    table[keys[len(work) :][::-1]] = calls_with[::-1]
    return np.where(correlation[work] == NULL, NULL, table[keys[: len(work)]])


def _queue(track: Ints, called: Ints, started: Ints) -> Ints:
    """Launched and not yet started on the same stream, at each call, itself included."""
    result = np.zeros(len(track), dtype=np.int64)
    for one in np.unique(track).tolist():
        rows = np.flatnonzero(track == one)
        launched = np.searchsorted(np.sort(called[rows]), called[rows], side="right")
        gone = np.searchsorted(np.sort(started[rows]), called[rows], side="right")
        result[rows] = launched - gone
    return result


def summaries(events: pa.Table) -> tuple[Summary, ...]:
    """Launches by stream, the busiest first; streams without any linked launch are left out, but for their `unlinked`."""
    linked = table(events)
    work = steps.work(events) & columns.text(events, "level").where("kernel", "copy")
    device, stream = columns.text(events, "device"), columns.text(events, "stream")
    everything = list(zip(device.decode(device.codes[work]), stream.decode(stream.codes[work]), strict=True))
    rows = list(zip(linked["device"].to_pylist(), linked["stream"].to_pylist(), strict=True))
    found = []
    for place in dict.fromkeys(everything):
        mine = np.array([row == place for row in rows], dtype=bool)
        total = sum(row == place for row in everything)
        delay, latency, queue, call, kernel = (
            linked[name].to_numpy()[mine] for name in ("delay_ns", "latency_ns", "queue", "call_ns", "kernel_ns")
        )
        some = bool(mine.any())
        found.append(
            Summary(
                device=place[0] or "",
                stream=place[1] or "",
                launches=int(mine.sum()),
                unlinked=total - int(mine.sum()),
                median_delay_ns=float(np.median(delay)) if some else 0.0,
                p95_delay_ns=float(np.quantile(delay, 0.95)) if some else 0.0,
                median_latency_ns=float(np.median(latency)) if some else 0.0,
                median_queue=float(np.median(queue)) if some else 0.0,
                most_queued=int(queue.max(initial=0)),
                shorter_than_call=int((kernel < call).sum()),
            )
        )
    return tuple(sorted(found, key=lambda summary: -summary.launches))
