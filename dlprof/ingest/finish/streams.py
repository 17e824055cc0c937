"""What a device's stream cannot have run: the same work twice, and two pieces at once."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from dlprof.ingest.batch import Int64
from dlprof.ingest.finish.groups import times
from dlprof.ingest.finish.spill import Columns
from dlprof.units import PS_PER_NS, format_ns

_SAME: Final = ("duration_ps", "name", "correlation", "link", "bytes")
_SLIGHT: Final = 1_000
"""Overlap below one part in so many of the stream's time is counted, and not described: clocks are that exact."""


def repeated(rows: Columns, work: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Rows of `work` that say the same as an earlier one of their track. rows: sorted by start, longest first."""
    start, duration = times(rows), rows["duration_ps"]
    twice = np.zeros(len(start), dtype=bool)
    if len(start) < 2:
        return twice
    alike = (start[1:] == start[:-1]) & (duration[1:] == duration[:-1])
    candidates = np.flatnonzero(np.append(alike, False) | np.append(False, alike))
    candidates = candidates[work[candidates] & (duration[candidates] > 0)]
    seen: set[tuple[int, ...]] = set()
    told = [start[candidates].tolist(), *(rows[name][candidates].tolist() for name in _SAME)]
    for row, key in zip(candidates.tolist(), zip(*told, strict=True), strict=True):
        twice[row] = key in seen
        seen.add(key)
    return twice


class Overlaps(msgspec.Struct):
    """Work of one stream that begins before the work before it has ended.

    count: how often
    busy_ps: sum of all durations
    cut_ps: the same with each cut at the next start
    worst: (time over the next start, name code, duration) of the longest
    """

    count: int = 0
    busy_ps: int = 0
    cut_ps: int = 0
    worst: tuple[int, int, int] = (0, -1, 0)
    _reach: int = -(2**63)
    _last: tuple[int, int, int] | None = msgspec.field(default=None)

    def look(self, start: Int64, duration: Int64, name: npt.NDArray[np.int32]) -> None:
        """Takes the next rows of work, sorted by start; those that are alone or in order cost a comparison each."""
        if not len(start):
            return
        if self._last is not None:
            start = np.append(self._last[0], start)
            duration = np.append(self._last[1], duration)
            name = np.append(self._last[2], name)
        end = start + duration
        first = 0 if self._last is None else 1
        reach = np.maximum(np.maximum.accumulate(end), self._reach)
        self.count += int(np.count_nonzero(start[1:] < reach[:-1]))
        self.busy_ps += int(duration[first:].sum())
        over = np.maximum(end[:-1] - start[1:], 0)
        self.cut_ps += int(duration[first:].sum() - over.sum())
        if len(over) and int(over.max()) > self.worst[0]:
            at = int(over.argmax())
            self.worst = (int(over[at]), int(name[at]), int(duration[at]))
        self._reach = int(reach[-1])
        self._last = (int(start[-1]), int(duration[-1]), int(name[-1]))

    def statement(self, names: list[str]) -> str | None:
        """What to say of it; None where it is nothing or too little to matter."""
        if (self.busy_ps - self.cut_ps) * _SLIGHT <= self.busy_ps:
            return None
        over, name, duration = self.worst
        begin = "1 kernel or copy begins before the one before it has ended; the stream's times add up to "
        if self.count != 1:
            begin = f"{self.count} kernels or copies begin before the one before them has ended; their times add up to "
        return (
            f"{begin}"
            f"{_text(self.busy_ps)}, and to {_text(self.cut_ps)} if each is cut at the next one's start. The longest, "
            f"{names[name]}, lasts {_text(duration)}, and {_text(duration - over)} if cut"
        )


def look(overlaps: dict[int, Overlaps], rows: Columns, work: npt.NDArray[np.bool_]) -> None:
    """Takes the next rows of a stream, or of several (rows["position"]), into what is known of each; of several only those
    that have any overlap are looked at."""
    start, duration, name = times(rows)[work], rows["duration_ps"][work], rows["name"][work]
    position = rows.get("position")
    if position is None:
        overlaps.setdefault(0, Overlaps()).look(start, duration, name)
        return
    position = position[work]
    reach = np.maximum.accumulate(start + duration)
    for at in np.unique(position[1:][start[1:] < reach[:-1]]).tolist():
        of = slice(*np.searchsorted(position, [at, at + 1]).tolist())
        overlaps[at] = Overlaps()
        overlaps[at].look(start[of], duration[of], name[of])


def _text(ps: int) -> str:
    return format_ns(ps / PS_PER_NS)
