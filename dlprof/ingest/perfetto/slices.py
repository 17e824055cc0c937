"""Begins and ends on Perfetto's tracks, paired: each end closes what was begun last on its track."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from dlprof.ingest.anomalies import Anomalies

_MOST: Final = 1 << 20
"""Spans held at once: beyond, begins are counted as never closed, and tracks of several writers are paired as far as read."""
_TRIED: Final = 64
"""Open spans that an end is held against, the innermost first."""


@dataclass(slots=True)  # not frozen, which takes three times as long to make
class Event:
    """A span, instant or counter value, in codes of the run's pools. args: members of a JSON object.

    start, duration: ns
    """

    track: int
    name: int
    category: int
    level: int
    start: int
    duration: int = 0
    lookup: int = -1
    kernel: int = -1
    correlation: int | None = None
    bytes: int | None = None
    value: float = float("nan")
    args: str = ""


@dataclass(slots=True)
class End:
    """The end of a span. name, category: codes that it names its begin by, None where it does not."""

    time: int
    name: int | None = None
    category: int | None = None
    args: str = ""

    def ends(self, begun: Event) -> bool:
        """Whether it can be that of a span."""
        of_it = self.name in (None, begun.name) and self.category in (None, begun.category)
        return of_it and self.time >= begun.start


@dataclass(slots=True)
class Slices:
    """What is open on each track. A track of one writer is paired in its order, which is that of time; one that several write to
    in the order of time, when all is read, since their packets come in any order.

    open: spans of each track; early: ends without a begin, which another writer's packets may bring
    shared: begins and ends of tracks that several write to
    """

    anomalies: Anomalies
    open: dict[object, list[Event]] = field(default_factory=dict)
    early: dict[object, list[End]] = field(default_factory=dict)
    shared: dict[object, list[Event | End]] = field(default_factory=dict)
    _writers: dict[object, int] = field(default_factory=dict)
    _held: int = 0

    def take(self, track: object, writer: int, item: Event | End) -> Event | None:
        """A begin or an end; the span that an end closes, unless the track is of several writers."""
        if self._writers.setdefault(track, writer) != writer and track not in self.shared:
            # What of the first writer is still unpaired goes in with the rest.
            self.shared[track] = [*self.open.pop(track, ()), *self.early.pop(track, ())]
        waiting = self.shared.get(track)
        if waiting is None:
            if isinstance(item, Event):
                return self._begin(track, item)
            found = self._end(track, item)
            if found is None and self._held < _MOST:
                self._held += 1
                self.early.setdefault(track, []).append(item)
            return found
        waiting.append(item)
        self._held += 1
        return None

    def settled(self) -> Iterator[Event]:
        """The spans of the tracks of several writers, as far as they are read; nothing where there is room for more."""
        if self._held >= _MOST:
            yield from self._pair()

    def finish(self) -> Iterator[Event]:
        """The same at the end. Counts what stayed open."""
        yield from self._pair()
        self.anomalies.count("unmatched_begin", sum(map(len, self.open.values())))
        self.anomalies.count("unmatched_end", sum(map(len, self.early.values())))

    def _pair(self) -> Iterator[Event]:
        for track, items in self.shared.items():
            self._held -= len(items)
            for item in sorted(items, key=_time):
                found = self._begin(track, item) if isinstance(item, Event) else self._end(track, item)
                if found is not None:
                    yield found
                elif isinstance(item, End):
                    self.anomalies.count("unmatched_end")
            items.clear()

    def _begin(self, track: object, event: Event) -> Event | None:
        if self._held >= _MOST:
            self.anomalies.count("unmatched_begin")
            return None
        self._held += 1
        self.open.setdefault(track, []).append(event)
        return None

    def _end(self, track: object, end: End) -> Event | None:
        stack = self.open.get(track, [])
        for at in range(len(stack) - 1, max(len(stack) - _TRIED, 0) - 1, -1):
            if end.ends(stack[at]):
                self._held -= 1
                return _closed(stack.pop(at), end)
        return None


def _time(item: Event | End) -> int:
    return item.start if isinstance(item, Event) else item.time


def _closed(begun: Event, end: End) -> Event:
    begun.duration = end.time - begun.start
    if end.args:
        begun.args = f"{begun.args},{end.args}" if begun.args else end.args
    return begun
