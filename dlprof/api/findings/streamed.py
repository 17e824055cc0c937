"""A breakdown of a stored capture, whose events are read some at a time and let go again.

That takes a table as `ingest` writes it: an event's id is its place, tracks stand one after another in order of start, and what
launched an event, or lies around it, stands before it. Of any other table, as one changed by hand, nothing is found here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa

from dlprof.analysis import columns, intervals
from dlprof.analysis.columns import NULL, Bools, Ints
from dlprof.analysis.trace.breakdown import Breakdown, Where, added_up
from dlprof.ingest.heap import kept_warm
from dlprof.store import Capture

_AHEAD: Final = ("level", "launch")


@dataclass(slots=True)
class _Ahead:
    """What a breakdown is told before the first event. launchers: the ids that launched any, in order."""

    levels: set[str] = field(default_factory=set)
    launchers: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))


def broken_down(capture: Capture, by: str, where: Where) -> Breakdown | None:
    """The breakdown of a capture's events as they are stored; None where their order does not allow it."""
    order = _Order()
    with kept_warm():
        ahead = _ahead(capture)
        found = Breakdown(by, where, levels=ahead.levels, launched=len(ahead.launchers) > 0, launchers=ahead.launchers)
        for batch in capture.batches(tuple({*added_up(by), "launch"})):
            if not order.holds(batch):
                return None
            found.take(batch)
    return found


def _ahead(capture: Capture) -> _Ahead:
    found, pool = _Ahead(), columns.Pool()
    for batch in capture.batches(_AHEAD):
        found.levels |= pool.text(batch["level"]).present()
        launch = columns.integers(batch, "launch")
        if (told := np.unique(launch[launch != NULL])).size:
            found.launchers = np.union1d(found.launchers, told)
    return found


class _Order:
    """Whether all batches so far lie as `ingest` writes them."""

    def __init__(self) -> None:
        self._rows = 0
        self._last = np.zeros((3, 0), dtype=np.int64)
        """Track, start and end of the last row."""
        self._open = np.zeros((3, 0), dtype=np.int64)
        """Id, track and end of the rows that may lie around one of the next batch."""

    def holds(self, batch: pa.Table) -> bool:
        """Whether this batch does, behind those before."""
        ids, track, start = (columns.integers(batch, name) for name in ("id", "track", "start_ps"))
        end = start + columns.integers(batch, "duration_ps")
        places = np.concatenate([self._last, np.stack([track, start, end])], axis=1)
        first = self._rows
        self._rows, self._last = first + len(ids), places[:, -1:]
        return bool(
            (ids == np.arange(first, self._rows)).all()
            and intervals.ordered(*places)
            and (columns.integers(batch, "launch") <= ids).all()
            and self._around(columns.integers(batch, "parent"), np.stack([ids, track, end])).all()
        )

    def _around(self, parent: Ints, here: Ints) -> Bools:
        """Of rows with a parent, whether it stands before them on their own track and ends no earlier. here: as `_open`."""
        every = np.concatenate([self._open, here], axis=1)
        inner = np.flatnonzero(parent != NULL)
        at = np.minimum(np.searchsorted(every[0], parent[inner]), every.shape[1] - 1)
        around, inside = every[:, at], here[:, inner]
        fits: Bools = (around[0] == parent[inner]) & (around[0] < inside[0])
        fits &= (around[1] == inside[1]) & (around[2] >= inside[2])
        # What ends before the last row begins is no parent of any later one: starts only grow.
        self._open = every[:, (every[1] == here[1, -1]) & (every[2] >= self._last[1])]
        return fits
