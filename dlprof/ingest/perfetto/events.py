"""From packets to events: the state of each sequence, times on one clock, begins and ends paired, counters, flows, arguments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from dlprof.ingest.anomalies import Anomalies
from dlprof.ingest.batch import LEVEL, NO_TEXT
from dlprof.ingest.perfetto.clocks import Clock, Clocks, clock_of
from dlprof.ingest.perfetto.columns import (
    DEFAULTS,
    DESCRIPTOR,
    INTERNED,
    PROCESS,
    SNAPSHOT,
    STATS,
    THREAD,
    Columns,
    columns_of,
    special_of,
)
from dlprof.ingest.perfetto.legacy import Legacy, legacy_of
from dlprof.ingest.perfetto.packets import Packets, packets
from dlprof.ingest.perfetto.sequences import Sequence, Ticking
from dlprof.ingest.perfetto.slices import End, Event, Slices
from dlprof.ingest.perfetto.tracks import Text, Tracks, described, process_of, thread_of
from dlprof.ingest.protobuf.wire import BYTES, VARINT, Field, Malformed, fields
from dlprof.ingest.reader import Context, Damaged
from dlprof.ingest.source import Source

BEGIN, END, INSTANT, COUNTER = 1, 2, 3, 4
_CLEARED: Final = 1
_NEEDS: Final = 2
_US: Final = 1000
_BUFFERS: Final = 1
_LOSSES: Final = {3: "chunks overwritten", 18: "chunks discarded", 19: "packets lost by their writer", 9: "violations"}
"""Counters of TraceStats.BufferStats that mean that events are missing."""


@dataclass(slots=True)
class Meaning:
    """What kind of event a category makes of one. device: of which its track is a stream, "" for a thread's or any other."""

    name: str
    level: int = NO_TEXT
    device: str = ""
    lookup: str = ""
    kernel: str = ""
    bytes: int | None = None
    correlation: int | None = None
    linked: bool = True


Means = Callable[[str, str, Callable[[], dict[str, str]]], Meaning]
"""Name, category and (asked for where needed) arguments of an event, as JSON each → its meaning."""


@dataclass(slots=True)
class Reading:
    """One file being read."""

    source: Source
    ctx: Context
    means: Means
    tracks: Tracks = field(init=False)
    text: Text = field(init=False)
    clocks: Clocks = field(default_factory=Clocks)
    sequences: dict[int, Sequence] = field(default_factory=dict)
    slices: Slices = field(init=False)
    counted: dict[int, float] = field(default_factory=dict)
    unread: Counter[int] = field(default_factory=Counter)
    odd: Counter[int] = field(default_factory=Counter)
    losses: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.tracks, self.text = Tracks(self.ctx), Text(self.ctx)
        self.slices = Slices(self.ctx.anomalies)

    def events(self) -> Iterator[Event]:
        """The events of the file, spans as they end."""
        self._look_for_tracks()
        try:
            for found in packets(self.source, self.ctx):
                yield from self._window(found)
        except Damaged:
            pass  # under --repair: counted, and what stands before it is kept
        yield from self.slices.finish()

    def _window(self, found: Packets) -> Iterator[Event]:
        if len(found):
            columns = columns_of(found, self.text, self.ctx, self.unread, self.odd)
            for at in range(len(found)):
                event = self._packet(columns, at)
                if event is not None:
                    yield event
            yield from self.slices.settled()

    def _look_for_tracks(self) -> None:
        """Reads what all packets say of tracks, before any event: a descriptor may stand behind the events of its track."""
        aside = Context(self.ctx.label, self.ctx.source, self.ctx.pools, Anomalies(), repair=True)
        text = Text(aside)
        try:
            for found in packets(self.source, aside):
                data = found.window.data
                for parts in special_of(found, (DESCRIPTOR, PROCESS, THREAD)).values():
                    for number, start, end in parts:
                        self._describe(data, Field(number, BYTES, 0, start, end, start), text)
        except Damaged:
            pass  # the reading itself tells of it

    def _describe(self, data: bytes, part: Field, text: Text) -> None:
        try:
            if part.number == DESCRIPTOR:
                self.tracks.describe(*described(data, part.start, part.end, text))
            elif part.number == PROCESS:
                self.tracks.name_process(*process_of(data, part, text))
            else:
                self.tracks.name_thread(*thread_of(data, part, text)[:3])
        except Malformed:
            pass  # the reading itself tells of it

    # --- one packet

    def _packet(self, columns: Columns, at: int) -> Event | None:
        number = columns.sequence[at]
        sequence = self.sequences.get(number)
        if sequence is None:
            sequence = self.sequences[number] = Sequence(number, self.ctx.anomalies)
        flags = columns.flags[at]
        if flags & _CLEARED or columns.cleared[at]:
            sequence.begin_anew()
        elif columns.dropped[at]:
            self.ctx.anomalies.count("dropped_packets", int(sequence.seen))
            sequence.whole = False
        sequence.seen = True
        if columns.process[at]:
            sequence.process = columns.process[at]
        if at in columns.special:
            self._special(columns, at, sequence)
        event = columns.event[at]
        if flags & _NEEDS and not sequence.whole:
            self.ctx.anomalies.count("lost_state", int(event >= 0))
            return None
        time = None
        if columns.stamped[at]:
            time = self._time(columns.time[at], columns.clock[at] or sequence.clock, sequence)
        if event < 0:
            return None
        if event in columns.delta or event in columns.absolute:
            time = self._older_time(columns, event, sequence)
        elif not columns.stamped[at]:
            self.ctx.anomalies.count("no_time")
            return None
        if time is None:
            self.ctx.anomalies.count("unknown_clock")
            return None
        return self._event(columns, event, time, sequence)

    def _time(self, time: int, clock: int, sequence: Sequence) -> int | None:
        """A packet's time on the trace's clock, in ns."""
        if not clock:
            return time
        which = clock_of(clock, sequence.number)
        return self.clocks.traced(which, sequence.ticks(clock, time))

    def _older_time(self, columns: Columns, event: int, sequence: Sequence) -> int | None:
        """Times in µs that count on from the sequence's last (Chrome until 2020), on the monotonic clock."""
        if event in columns.absolute:
            micros = columns.absolute[event]
        else:
            sequence.micros += columns.delta[event]
            micros = sequence.micros
        found = self.clocks.traced(3, micros * _US)
        return micros * _US if found is None else found

    # --- what changes the meaning of others

    def _special(self, columns: Columns, at: int, sequence: Sequence) -> None:
        data = columns.packets.window.data
        order = {DEFAULTS: 0, INTERNED: 1}
        for number, start, end in sorted(columns.special[at], key=lambda part: order.get(part[0], 2)):
            try:
                if number == DEFAULTS:
                    sequence.default(data, start, end)
                elif number == INTERNED:
                    sequence.intern(data, start, end, self.text)
                elif number == SNAPSHOT:
                    self._snapshot(data, start, end, sequence)
                elif number == STATS:
                    self._stats(data, start, end)
                elif number == THREAD:
                    process, thread, _, since = thread_of(data, Field(number, BYTES, 0, start, end, start), self.text)
                    sequence.thread = process, thread
                    sequence.micros = since or 0
                elif number == DESCRIPTOR:
                    described(data, start, end, self.text)
            except Malformed as error:
                offset = columns.packets.window.base + error.offset
                self.ctx.skip(offset, error.expected, lost=end - start)

    def _snapshot(self, data: bytes, start: int, end: int, sequence: Sequence) -> None:
        times: dict[Clock, int] = {}
        for one in fields(data, start, end):
            if one.number == 2 and one.wire == VARINT and one.value:
                self.clocks.primary = one.value
            elif one.number == 1 and one.wire == BYTES:
                told = {part.number: part.value for part in fields(data, one.start, one.end) if part.wire == VARINT}
                number, multiplier = told.get(1, 0), told.get(4, 0) or 1
                time = told.get(2, 0) * multiplier
                which = clock_of(number, sequence.number)
                if isinstance(which, tuple):
                    sequence.clocks[number] = Ticking(multiplier, bool(told.get(3, 0)), time)
                times[which] = time
        self.clocks.snapshot(times)

    def _stats(self, data: bytes, start: int, end: int) -> None:
        """What the tracing service says it lost; of several statements the last, for it counts all."""
        losses: Counter[str] = Counter()
        for one in fields(data, start, end):
            if one.number == _BUFFERS and one.wire == BYTES:
                for part in fields(data, one.start, one.end):
                    if part.number in _LOSSES and part.wire == VARINT:
                        losses[_LOSSES[part.number]] += part.value
        self.losses = losses

    # --- events

    def _event(self, columns: Columns, event: int, time: int, sequence: Sequence) -> Event | None:
        kind = columns.kind[event]
        if kind == COUNTER:
            return self._counter(columns, event, time, sequence)
        legacy = None
        if event in columns.legacy and not kind:
            data = columns.packets.window.data
            try:
                legacy = legacy_of(data, *columns.legacy[event], self.text)
            except Malformed:
                legacy = Legacy()
            kind = {"B": BEGIN, "E": END, "X": BEGIN, "I": INSTANT, "i": INSTANT, "R": INSTANT, "b": BEGIN, "e": END,
                    "n": INSTANT, "S": BEGIN, "F": END, "T": INSTANT, "p": INSTANT}.get(legacy.phase, 0)  # fmt: skip
        if kind not in (BEGIN, END, INSTANT):
            self.ctx.anomalies.count("unread_phase")
            return None
        name = self._name(columns, event, sequence, legacy)
        category = self._category(columns, event, sequence)
        low, high = columns.first[event], columns.first[event + 1]
        args = columns.annotations.json(low, high, sequence) if high > low and self.ctx.wants("args") else ""
        track = self._key(columns, event, sequence, legacy, category)
        if kind == END:
            pools = self.ctx.pools.text
            named = pools["name"][name] if name else None
            of = pools["category"][category] if category else None
            return self.slices.take(track, sequence.number, End(time, named, of, args))

        def arguments() -> dict[str, str]:
            notes = columns.annotations
            return {notes.name(one, sequence): notes.value(one, sequence) for one in range(low, high)}

        meaning = self.means(name or "", category, arguments)
        begun = self._made(meaning, category, time, track, columns.flow[event], args, instant=kind == INSTANT)
        if kind == INSTANT:
            return begun
        if legacy is not None and legacy.phase == "X":
            begun.duration = legacy.duration_us * _US
            return begun
        return self.slices.take(track, sequence.number, begun)

    def _made(
        self, meaning: Meaning, category: str, time: int, track: object, flow: int | None, args: str, *, instant: bool
    ) -> Event:
        pools = self.ctx.pools.text
        level = LEVEL["marker"] if instant else meaning.level
        device = meaning.device and isinstance(track, int)
        return Event(
            track=self.tracks.on_device(track, meaning.device) if device else self._track(track),  # type: ignore[arg-type]
            name=pools["name"][meaning.name],
            category=pools["category"][category] if category else NO_TEXT,
            level=level,
            start=time,
            lookup=pools["lookup"][meaning.lookup] if meaning.lookup else NO_TEXT,
            kernel=pools["kernel"][meaning.kernel] if meaning.kernel else NO_TEXT,
            correlation=(meaning.correlation if flow is None else flow) if meaning.linked else None,
            bytes=meaning.bytes,
            args=args,
        )

    def _counter(self, columns: Columns, event: int, time: int, sequence: Sequence) -> Event:
        uuid = self._uuid(columns, event, sequence)
        told = self.tracks.counter(uuid or 0)
        value = columns.value[event] * told.multiplier
        if told.incremental:
            value = self.counted[uuid or 0] = self.counted.get(uuid or 0, 0.0) + value
        pools = self.ctx.pools.text
        category = self._category(columns, event, sequence)
        return Event(
            track=self.tracks.of(uuid or 0),
            name=pools["name"][self.tracks.name(uuid or 0)],
            category=pools["category"][category] if category else NO_TEXT,
            level=LEVEL["counter"],
            start=time,
            value=value,
        )

    def _name(self, columns: Columns, event: int, sequence: Sequence, legacy: Legacy | None) -> str | None:
        place = columns.name.get(event)
        if place is not None:
            return self.text.decoded(columns.packets.window.data[slice(*place)])
        number = columns.name_id[event] or (legacy.name_id if legacy is not None else 0)
        return sequence.name(number) if number else None

    def _category(self, columns: Columns, event: int, sequence: Sequence) -> str:
        ids, texts = columns.category_ids.get(event, ()), columns.categories.get(event, ())
        if not texts:
            if not ids:
                return ""
            if len(ids) == 1:
                return sequence.category(ids[0])
        data = columns.packets.window.data
        return ",".join(
            [*(sequence.category(one) for one in ids), *(self.text.decoded(data[slice(*place)]) for place in texts)]
        )

    def _uuid(self, columns: Columns, event: int, sequence: Sequence) -> int | None:
        return columns.track[event] if columns.tracked[event] else sequence.track

    def _key(self, columns: Columns, event: int, sequence: Sequence, legacy: Legacy | None, category: str) -> object:
        """What tells an event's track from others: a uuid, process and thread, or process, category and id of a span by id."""
        if legacy is not None:
            whose = legacy.process or (sequence.thread[0] if sequence.thread else sequence.process)
            if legacy.id and legacy.phase in "bneSFTp":
                return whose if legacy.local else 0, category, legacy.id
            if legacy.thread is not None:
                return whose, legacy.thread
        uuid = self._uuid(columns, event, sequence)
        if uuid is not None:
            return uuid
        return sequence.thread if sequence.thread is not None else 0

    def _track(self, key: object) -> int:
        if isinstance(key, int):
            return self.tracks.of(key)
        assert isinstance(key, tuple)
        if len(key) == 2:
            return self.tracks.of_thread(*key)
        return self.tracks.apart(key[0], f"{key[1]}/{key[2]}", f"{key[1]} {key[2]}")
