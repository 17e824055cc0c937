"""Gaps: the time between two pieces of work that follow each other on one device stream, by why the second came late."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from dlprof.analysis import columns
from dlprof.analysis.columns import NULL, Bools, Ints
from dlprof.analysis.trace import launches, steps
from dlprof.units import PS_PER_NS

HOST: Final = "launched late"
QUEUED: Final = "launched in time"
UNKNOWN: Final = "launch not recorded"

REASONS: Final = {
    HOST: "the host made the launch call after the work before had ended: the device waited for the host",
    QUEUED: "the launch call had been made before the work before ended: start-up of a kernel, or waiting for another stream",
    UNKNOWN: "no launch call of the second piece of work is in the trace",
}


def table(events: pa.Table) -> pa.Table:
    """Gaps of each device stream by cause, longest first.

    Columns: device, stream, cause, reason, gaps, ns (sum), share (of the stream's span from first start to last end),
    median_ns, longest_ns. The sums of a stream and the union of its work make up its span exactly. Only kernels and
    copies on devices count (a CPU thread has no launches). HTA's idle time breakdown makes the same cut and splits
    `launched in time` at 30 ns.
    """
    mask, times = steps.work(events), steps.Times.of(events)
    mask &= columns.text(events, "level").where("kernel", "copy")
    called = _called(events)
    track = columns.integers(events, "track")
    rows: list[tuple[int, str, Ints, int]] = []
    for one in np.unique(track[mask]).tolist():
        here = np.flatnonzero(mask & (track == one))
        rows += _of_stream(here, times, called)
    device, stream = columns.text(events, "device"), columns.text(events, "stream")
    rows.sort(key=lambda row: -int(row[2].sum()))
    first = np.array([row[0] for row in rows], dtype=np.int64)
    return pa.table(
        {
            "device": pa.array(device.decode(device.codes[first]), pa.string()),
            "stream": pa.array(stream.decode(stream.codes[first]), pa.string()),
            "cause": pa.array([row[1] for row in rows], pa.string()),
            "reason": pa.array([REASONS[row[1]] for row in rows], pa.string()),
            "gaps": pa.array([len(row[2]) for row in rows], pa.int64()),
            "ns": pa.array([int(row[2].sum()) / PS_PER_NS for row in rows], pa.float64()),
            "share": pa.array([int(row[2].sum()) / max(row[3], 1) for row in rows], pa.float64()),
            "median_ns": pa.array([float(np.median(row[2])) / PS_PER_NS for row in rows], pa.float64()),
            "longest_ns": pa.array([int(row[2].max()) / PS_PER_NS for row in rows], pa.float64()),
        }
    )


def _called(events: pa.Table) -> Ints:
    """Start of the launch call of each row, ps; NULL where none is recorded."""
    linked = launches.table(events)
    ids, start = columns.integers(events, "id"), columns.integers(events, "start_ps")
    place = np.full(int(ids.max(initial=-1)) + 1, NULL, dtype=np.int64)
    place[ids] = np.arange(len(ids))
    called = np.full(len(ids), np.iinfo(np.int64).min, dtype=np.int64)
    called[place[linked["id"].to_numpy()]] = start[place[linked["call_id"].to_numpy()]]
    return called


def _of_stream(rows: Ints, times: steps.Times, called: Ints) -> list[tuple[int, str, Ints, int]]:
    """(a row, cause, lengths of the gaps, span of the stream) of each cause that the stream has."""
    rows = rows[np.argsort(times.start[rows], kind="stable")]
    before = np.maximum.accumulate(times.end[rows])[:-1]
    after = rows[1:]
    length = times.start[after] - before
    known = called[after] != np.iinfo(np.int64).min
    causes: dict[str, Bools] = {
        HOST: known & (called[after] >= before),
        QUEUED: known & (called[after] < before),
        UNKNOWN: ~known,
    }
    span = int(times.end[rows].max() - times.start[rows[0]])
    return [
        (int(rows[0]), cause, length[where & (length > 0)], span)
        for cause, where in causes.items()
        if (where & (length > 0)).any()
    ]
