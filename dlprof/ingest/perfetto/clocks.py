"""Perfetto's clocks: what a time on one of them is on the clock of the trace, by the snapshots so far, and in Unix time."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Final

Clock = int | tuple[int, int]
"""A clock of the machine, or one of a sequence: its id, or sequence and id."""

REALTIME: Final = 1
BOOTTIME: Final = 6
_FIRST_OF_SEQUENCE: Final = 64
_LAST_OF_SEQUENCE: Final = 127


def clock_of(number: int, sequence: int) -> Clock:
    """Ids 64 to 127 mean a clock of the sequence that names them."""
    return (sequence, number) if _FIRST_OF_SEQUENCE <= number <= _LAST_OF_SEQUENCE else number


@dataclass(slots=True)
class _Known:
    """Times of a clock that snapshots told, sorted, and what to add to each to have the trace's clock."""

    times: list[int] = field(default_factory=list)
    shifts: list[int] = field(default_factory=list)

    def at(self, time: int) -> int:
        """What to add at a time: by the last snapshot before it, else by the first."""
        return self.shifts[max(bisect_right(self.times, time) - 1, 0)]


@dataclass(slots=True)
class Clocks:
    """All snapshots so far.

    primary: the clock that times of the trace are on
    """

    primary: Clock = BOOTTIME
    _known: dict[Clock, _Known] = field(default_factory=dict)

    def snapshot(self, times: dict[Clock, int]) -> None:
        """What several clocks showed at one instant, in ns."""
        now = times.get(self.primary)
        if now is None:
            # Told by a clock that an earlier snapshot has together with the trace's.
            now = next(
                (time + self._known[clock].at(time) for clock, time in times.items() if clock in self._known), None
            )
        if now is None:
            return
        for clock, time in times.items():
            if clock != self.primary:
                known = self._known.setdefault(clock, _Known())
                at = bisect_right(known.times, time)
                known.times.insert(at, time)
                known.shifts.insert(at, now - time)

    def traced(self, clock: Clock, time: int) -> int | None:
        """A time on the trace's clock, None where no snapshot tells."""
        if clock == self.primary:
            return time
        known = self._known.get(clock)
        return None if known is None else time + known.at(time)

    def unix(self, time: int) -> int | None:
        """Unix ns of a time on the trace's clock, where a snapshot before told the wall clock."""
        if self.primary == REALTIME:
            return time
        known = self._known.get(REALTIME)
        return None if known is None else time - known.shifts[0]
