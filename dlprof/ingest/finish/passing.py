"""Rows that are passed over: who sums events up has to see some of them, and of the others only their sums."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from dlprof import schema
from dlprof.ingest.batch import LEVEL, NO_INT, Int64
from dlprof.ingest.finish.output import Where
from dlprof.ingest.finish.spill import Columns, the_same
from dlprof.native import sums as native

Mask = npt.NDArray[np.bool_]
_LEVELS: Final = len(schema.LEVELS)


class Sums(Protocol):
    """Sums up the events of threads."""

    def needs(self, device: str) -> Mask:
        """Of each level, whether its rows on a device have to be seen. Those of operators and markers have."""

    def pass_over(self, device: str, rows: Int64, occurrences: Int64, self_ps: Int64) -> None:
        """Takes the sums of rows that need not be seen, by level: how many there are, their executions, and self time, ps."""


class Passing:
    """Tells rows that have to be seen from those that are summed up.

    sums: who sums; None: all rows have to be seen. launched: calls may have launched a device's work, which takes after them.
    call: hands on what is told, in the order of the rows that are seen
    """

    def __init__(self, sums: Sums | None, call: Callable[..., None], *, launched: bool) -> None:
        self._sums, self._call, self._launched = sums, call, launched

    def seen(self, where: Sequence[Where], rows: Columns, level: npt.NDArray[np.int8], self_ps: Int64) -> Int64 | None:
        """Places of the rows of a span of threads that have to be seen, None for all; the sums of the others are told."""
        devices = {one.track.device for one in where}
        if self._sums is None or len(devices) > 1 or not len(level):
            return None
        device, keep = devices.pop(), None
        needed: Mask = self._sums.needs(device)
        if self._launched and the_same(rows["correlation"]) != NO_INT:
            keep = (level == LEVEL["api"]) & (rows["correlation"] != NO_INT) & (rows["correlation"] != 0)
        if len(where) > 1:
            # One of each track is seen, so that it is known where there are any.
            keep = np.zeros(len(level), dtype=np.bool_) if keep is None else keep
            keep[np.unique(rows["position"], return_index=True)[1]] = True
        at, *sums = _apart(rows, level, self_ps, needed, keep)
        if len(at) == len(level):
            return None
        self._call(self._sums.pass_over, device, *sums)
        return at


def _apart(
    rows: Columns, level: npt.NDArray[np.int8], self_ps: Int64, needed: Mask, keep: Mask | None
) -> tuple[Int64, Int64, Int64, Int64]:
    """Places of the rows that have to be seen, the first among them, and of the others what `Sums.pass_over` takes."""
    alike = the_same(rows["occurrences"])
    compiled = native.pass_over(level, needed, keep, self_ps, None if alike is not None else rows["occurrences"])
    if compiled is None:
        return _in_numpy(rows, level, self_ps, needed, keep)
    at, count, occurrences, times = compiled
    return at, count, occurrences if alike is None else count * alike, times


def _in_numpy(
    rows: Columns, level: npt.NDArray[np.int8], self_ps: Int64, needed: Mask, keep: Mask | None
) -> tuple[Int64, Int64, Int64, Int64]:
    """`_apart` without the compiled part."""
    seen = needed[level] if keep is None else needed[level] | keep
    seen[:1] = True
    return np.flatnonzero(seen), *_passed(rows, level, self_ps, np.flatnonzero(~seen))


def _passed(rows: Columns, level: npt.NDArray[np.int8], self_ps: Int64, at: Int64) -> tuple[Int64, Int64, Int64]:
    """What `Sums.pass_over` takes, of the rows at these places."""
    levels, own = level[at], self_ps[at]
    count = np.bincount(levels, minlength=_LEVELS).astype(np.int64)
    times, occurrences = np.zeros(_LEVELS, dtype=np.int64), count.copy()
    alike = the_same(rows["occurrences"])
    for one in np.flatnonzero(count).tolist():
        here = slice(None) if count[one] == len(at) else levels == one
        times[one] = own[here].sum()
        occurrences[one] = count[one] * alike if alike is not None else rows["occurrences"][at][here].sum()
    return count, occurrences, times
