"""What a sequence of packets remembers: texts by their ids, defaults, clocks that count on, until it says that it begins anew."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from dlprof.ingest.anomalies import Anomalies
from dlprof.ingest.perfetto.tracks import Text
from dlprof.ingest.protobuf.wire import BYTES, VARINT, fields, signed

_CATEGORIES, _NAMES, _ARGUMENTS, _STRINGS = 1, 2, 3, 29
"""Fields of InternedData that events refer to."""
_TEXTS: Final = (_CATEGORIES, _NAMES, _ARGUMENTS, _STRINGS)
_CLOCK: Final = 58
_EVENT_DEFAULTS: Final = 11
_TRACK: Final = 11


@dataclass(slots=True)
class Ticking:
    """A clock of a sequence. last: its latest time in ns, from which an incremental one counts on."""

    multiplier: int
    incremental: bool
    last: int


@dataclass(slots=True)
class Sequence:
    """One writer's packets.

    whole: nothing that packets refer to has been lost
    """

    number: int
    anomalies: Anomalies = field(default_factory=Anomalies)
    whole: bool = False
    seen: bool = False
    texts: dict[int, dict[int, str]] = field(default_factory=lambda: {kind: {} for kind in _TEXTS})
    track: int | None = None
    clock: int = 0
    clocks: dict[int, Ticking] = field(default_factory=dict)
    thread: tuple[int, int] | None = None
    process: int = 0
    micros: int = 0

    def begin_anew(self) -> None:
        """Forgets what packets referred to; what comes is complete."""
        self.whole = True
        self.texts = {kind: {} for kind in _TEXTS}
        self.track, self.clock = None, 0

    def intern(self, data: bytes, start: int, end: int, text: Text) -> None:
        """Takes an InternedData."""
        for one in fields(data, start, end):
            known = self.texts.get(one.number)
            if known is None or one.wire != BYTES:
                continue
            number, said = 0, ""
            for part in fields(data, one.start, one.end):
                if part.number == 1 and part.wire == VARINT:
                    number = part.value
                elif part.number == 2 and part.wire == BYTES:
                    said = text(data, part)
            known[number] = said

    def default(self, data: bytes, start: int, end: int) -> None:
        """Takes a TracePacketDefaults."""
        for one in fields(data, start, end):
            if one.number == _CLOCK and one.wire == VARINT:
                self.clock = one.value
            elif one.number == _EVENT_DEFAULTS and one.wire == BYTES:
                for part in fields(data, one.start, one.end):
                    if part.number == _TRACK and part.wire == VARINT:
                        self.track = part.value

    def name(self, number: int) -> str:
        """The name of an event by its id."""
        return self._said(_NAMES, number, "name")

    def category(self, number: int) -> str:
        """A category by its id."""
        return self._said(_CATEGORIES, number, "category")

    def argument(self, number: int) -> str:
        """The name of an argument by its id."""
        return self._said(_ARGUMENTS, number, "argument")

    def string(self, number: int) -> str:
        """A text of an argument by its id."""
        return self._said(_STRINGS, number, "text")

    def ticks(self, clock: int, time: int) -> int:
        """A time on one of the sequence's clocks in ns; an incremental clock goes on by it."""
        known = self.clocks.get(clock)
        if known is None:
            return time
        if known.incremental:
            known.last += signed(time) * known.multiplier
            return known.last
        return time * known.multiplier

    def _said(self, kind: int, number: int, what: str) -> str:
        said = self.texts[kind].get(number)
        if said is None:
            self.anomalies.count("missing_text")
            return f"{what} #{number}"
        return said
