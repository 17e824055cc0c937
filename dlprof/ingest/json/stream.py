"""Streams the elements of a chrome trace-event file as typed structs, in chunks cut at event boundaries.

msgspec decodes one chunk of a few MB at a time, so memory stays flat and no Python dict is made per event. A chunk ends
where `}` `,` `{` stands; a cut inside a string or a nested list can never decode (its prefix is unbalanced), so success
proves the cut. What producers are known to write wrongly is mended and counted (`mend.py`); all else is damage with its
byte offset.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from dlprof.errors import TraceError
from dlprof.ingest.json.blocks import Block, Scanner
from dlprof.ingest.json.elements import TOO_DEEP, Event, EventDecoder
from dlprof.ingest.json.envelope import ends_of_events, find_events, footer_values, header_values, is_json, time_base
from dlprof.ingest.json.text import Text
from dlprof.ingest.reader import Damaged

CHUNK: Final = 4 << 20
MAX_ELEMENT: Final = 256 << 20
"""An element or envelope larger than this is damage: no producer writes one, and memory must stay bounded."""
MAX_FOOTER: Final = 32 << 20
GUESSES: Final = 4

_BOUNDARY: Final = re.compile(rb"\}(?=\s*,?\s*\{)")
_BYTE: Final = re.compile(r"\(byte (\d+)\)")
_LEAD: Final = re.compile(rb"[\s,]*")
_LIST: Final = re.compile(rb'"traceEvents"\s*:\s*\[')
"""Where the events of a trace object begin."""
_RESUME: Final = re.compile(
    rb'\}\s{0,64}(?:,\s{0,64}(?=\{\s{0,64}"(?:ph|name|cat|pid|tid|ts|dur|id|args|s|bp)"\s{0,64}:)|(?=\]\s{0,64}(?:[,}]|\Z)))'
)
"""Where reading goes on behind damage: behind the end of an event, before the next one or the end of the list."""
_NEXT: Final = re.compile(rb',\s{0,64}(?=\{[^{}]{0,300}"ph"\s{0,64}:)')
"""Or before the next event, where the damaged one has no end of its own: it was cut off, or is no event at all."""
_RESUME_SIZE: Final = 512
BEGINNING: Final = 512 << 10
"""Bytes that are decoded at once where a file begins: they tell the origin of its times, and are read in Python for that."""
FIRST_PIECE: Final = BEGINNING + (64 << 10)
"""What is read of a file before that, with what stands before the events."""
FIRST_WINDOW: Final = 64 << 10
"""Bytes that are decoded at once behind damage: more of it may be near, and each costs what was decoded in vain."""


class _Malformed(Exception):
    """A text that does not decode.

    at: the byte at which it fails; None where the text ends too early
    closed: the array ended before
    """

    def __init__(self, at: int | None, reason: str) -> None:
        super().__init__(reason)
        self.at = at
        self.reason = _BYTE.sub("", reason).removeprefix("JSON is malformed: ").strip()


class JsonStream(Text):
    """The elements of one file. `header` holds the top-level values seen so far: those behind the events come last.

    mxnet: names are mended as MXNet writes them
    scanner: reads what it can as columns; None: all events are structs
    """

    mxnet: bool = False
    header: dict[str, Any] = msgspec.field(default_factory=dict)
    scanner: Scanner | None = None
    _stuck: bool = False
    _closed: bool = False
    _object: bool = False
    _window: int = msgspec.field(default_factory=lambda: BEGINNING)

    def chunks(self) -> Iterator[list[Event] | Block]:
        """Lists of events, or blocks of their columns, in file order. Raises `TraceError` on damage; under repair ends there."""
        try:
            with self._opened(CHUNK):
                if self._open():
                    yield from self._elements()
                if self._closed:
                    self._footer()
        except Damaged:
            return

    # --- what surrounds the events

    def _open(self) -> bool:
        """Moves to the first event; False where there is none."""
        self._fill(min(FIRST_PIECE, CHUNK))
        if self._buffer.startswith(b"\xef\xbb\xbf"):
            self._drop(3)
        while True:
            found = find_events(self._buffer)
            if found.start is not None or self._eof or len(self._buffer) > MAX_ELEMENT:
                break
            self._fill(CHUNK, len(self._buffer))
        if found.start is None:
            return self._behind_header()
        self._object = found.form == "object"
        if found.form == "headerless":
            self.ctx.anomalies.count("json_header_missing")
        if self._object:
            self._learn(header_values(self._buffer[: found.start]))
        self._closed = found.form == "footer"
        self._drop(found.start)
        return not self._closed

    def _behind_header(self) -> bool:
        """Of a file whose beginning is damaged: under repair reading goes on where its list of events begins, if it shows."""
        expected = "a trace object with a traceEvents list, or a list of events"
        begun = _LIST.search(self._buffer)
        if begun is None and self._eof and is_json(self._buffer):
            raise TraceError(
                f"{self.ctx.label}: not a trace: it is JSON without a list of events (traceEvents)",
                hint="name the .trace.json(.gz) or .xplane.pb file that the profiler wrote",
            )
        if not self.ctx.repair or begun is None:
            self.ctx.damage(self._offset(0), expected, lost=len(self._buffer))
        self.ctx.skip(self._offset(0), expected, lost=begun.start())
        self._object = True
        self._drop(begun.end())
        return True

    def _footer(self) -> None:
        """Reads the top-level values behind the events; of a footer too large to keep, only the time base."""
        self._check()
        parts, size = [self._buffer], len(self._buffer)
        while not self._eof and size <= MAX_FOOTER:
            self._buffer = b""
            self._fill(CHUNK)
            parts.append(self._buffer)
            size += len(self._buffer)
        if not self._eof:
            self.ctx.anomalies.count("json_footer_skipped")
            self._learn(time_base(self._last()))
            return
        self._buffer = b"".join(parts)
        found = footer_values(self._buffer)
        if found is None:
            self._learn(time_base(self._buffer))
            self.ctx.damage(self._offset(0), "the rest of the trace object behind its events", lost=len(self._buffer))
        if not found.closed and self._object:
            self.ctx.anomalies.count("json_unclosed")
        again = found.values.pop("traceEvents", None)
        if isinstance(again, list):
            self.ctx.anomalies.count("json_second_list", len(again))
        self._learn(found.values)

    def _last(self) -> bytes:
        """The last bytes of the file."""
        last = b""
        while piece := self._piece(CHUNK):
            last = (last + piece)[-CHUNK:]
        return last

    def _learn(self, values: dict[str, Any] | None) -> None:
        if values is None:
            self.ctx.anomalies.count("json_bad_metadata")
        else:
            self.header.update(values)

    # --- events

    def _elements(self) -> Iterator[list[Event] | Block]:
        decoder = EventDecoder(self.ctx)
        while not self._closed:
            if not self._eof and (self._stuck or len(self._buffer) < min(self._window, CHUNK)):
                if self._compiled():
                    self._fill_unchecked(CHUNK)
                else:
                    self._fill(CHUNK, len(self._buffer) if self._stuck else 1)
            self._skip_lead()
            if self._eof and not self._buffer and not self._closed:
                self.ctx.anomalies.count("json_unclosed")
                return
            yield from self._next(decoder)

    def _skip_lead(self) -> None:
        """Drops white space and commas before an event; the bracket that ends the list too."""
        match = _LEAD.match(self._buffer)
        self._drop(match.end() if match else 0)
        if self._buffer.startswith(b"]"):
            self._drop(1)
            self._closed = True

    def _compiled(self) -> bool:
        """Whether the compiled reader is to have the buffer first: not behind damage, nor what it has just refused."""
        return self.scanner is not None and not self._stuck and self._window >= CHUNK

    def _next(self, decoder: EventDecoder) -> Iterator[list[Event] | Block]:
        """Decodes what the buffer holds whole; keeps the rest."""
        if self._closed:
            return
        block = self._unchecked_block(decoder)
        if block is not None:
            yield block
            return
        reason = "truncated"
        for cut in self._cuts():
            try:
                events, used = self._decode(decoder, memoryview(self._buffer)[:cut])
            except _Malformed as error:
                reason = error.reason
                if error.at is not None:
                    yield from self._damaged(decoder, cut, error)
                    return
                continue
            self._took(used)
            yield events
            return
        if self._eof:
            yield from self._damaged(decoder, len(self._buffer), _Malformed(None, reason))
            return
        if self._window < min(CHUNK, len(self._buffer)):  # an event that is larger
            self._window = min(self._window * 2, CHUNK)
            return
        self._stuck = True
        if len(self._buffer) > MAX_ELEMENT:
            expected = f"an event of at most {MAX_ELEMENT >> 20} MiB"
            self.ctx.damage(self._offset(0), expected, lost=len(self._buffer))

    def _unchecked_block(self, decoder: EventDecoder) -> Block | None:
        """What the compiled reader makes of the buffer; None where it refuses, and then the buffer is made valid."""
        cut = next(self._cuts(), None) if self._unchecked and self._compiled() else None
        block = None
        if cut is not None and self.scanner is not None:
            block = self.scanner.scan(memoryview(self._buffer)[:cut], decoder)
        if block is None:
            self._check()
            return None
        self._closed |= block.closed
        self._took(block.used)
        return block

    def _took(self, used: int) -> None:
        self._stuck = False
        self._window = CHUNK if self._window == BEGINNING else min(self._window * 2, CHUNK)
        self._drop(used)
        self._skip_lead()  # here, where little is left, and not before the next events, when all of them would be moved

    def _cuts(self) -> Iterator[int]:
        """Ends of the buffer's last whole event: guesses that are mostly right, then the one that counting brackets finds."""
        small = self._window < min(CHUNK, len(self._buffer))
        if self._eof and not small:
            yield len(self._buffer.rstrip(b", \t\r\n"))
            return
        end = self._window if small else len(self._buffer)
        guesses = 0
        while guesses < GUESSES and (end := self._buffer.rfind(b"}", 0, end)) >= 0:
            if _BOUNDARY.match(self._buffer, end):
                guesses += 1
                yield end + 1
        if self._eof:
            yield len(self._buffer.rstrip(b", \t\r\n"))
        elif guesses:
            yield from ends_of_events(self._buffer)[-1:]

    def _decode(self, decoder: EventDecoder, text: bytes | memoryview) -> tuple[list[Event] | Block, int]:
        """The events of `text` and how many of its bytes they take (less than all where the list ends in it)."""
        block = None if self.scanner is None else self.scanner.scan(text, decoder)
        if block is not None:
            self._closed |= block.closed
            return block, block.used
        return self._events(decoder, text)

    def _events(self, decoder: EventDecoder, text: bytes | memoryview) -> tuple[list[Event], int]:
        """The same, whatever the reader: all of the events, where a block ends before a span that is open."""
        try:
            return self._closing(decoder, text)
        except _Malformed as error:
            if error.at is None:
                raise
        from dlprof.ingest.json.mend import mend  # late: hardly a trace needs it

        mended = mend(bytes(text), mxnet=self.mxnet)
        try:
            events, used = self._closing(decoder, mended.text)
        except _Malformed as error:
            at = None if error.at is None else mended.offset(error.at)
            raise _Malformed(at, error.reason) from None
        for name, times in mended.counts.items():
            self.ctx.anomalies.count(name, times)
        return events, mended.offset(used)

    def _closing(self, decoder: EventDecoder, text: bytes | memoryview) -> tuple[list[Event], int]:
        """Decodes `text`, which may hold the bracket that ends the list."""
        try:
            return decoder.decode(b"".join((b"[", text, b"]"))), len(text)
        except msgspec.DecodeError as error:
            reason = str(error)
        found = _BYTE.search(reason)
        if found is None:
            raise _Malformed(None, reason)
        at = int(found[1]) - 1
        if "trailing characters" not in reason:
            raise _Malformed(max(at, 0), reason)
        text = bytes(text)
        end = text.rindex(b"]", 0, at - 1)
        self._closed = True
        return decoder.decode(b"[" + text[:end] + b"]"), end + 1

    def _damaged(self, decoder: EventDecoder, end: int, error: _Malformed) -> Iterator[list[Event] | Block]:
        """Yields the whole events before the damage, then reports it; under repair goes on at the next event."""
        at = end if error.at is None else error.at
        start = 0
        for cut in reversed(ends_of_events(self._buffer[:at])[-GUESSES:]):
            try:
                events, start = self._events(decoder, self._buffer[:cut])
            except _Malformed:
                continue
            yield events
            break
        lead = _LEAD.match(self._buffer, start)
        start = lead.end() if lead else start
        rest = "an event less deeply nested" if error.reason == TOO_DEEP else "the rest of the event that starts here"
        expected = rest if error.at is None else f"valid JSON, but: {error.reason}"
        place = self._offset(start if error.at is None else at)
        if not self.ctx.repair:
            self.ctx.damage(place, expected)
        lost = self._to_next_event(start, max(at, start))
        self.ctx.skip(place, expected, lost=lost)
        if self._eof and not self._buffer:
            raise Damaged
        self._stuck = False
        self._window = FIRST_WINDOW

    def _to_next_event(self, start: int, at: int) -> int:
        """Drops the buffer up to the first event, or the end of the list, behind the damaged one; gives the number of bytes
        lost from `start` on. at: where the damage was met, which may be in what the next event begins with."""
        self._drop(start)
        lost, at, begun = 0, at - start, 1
        while True:
            searched = _RESUME.search(self._buffer, at), _NEXT.search(self._buffer, begun)
            found = [match.end() for match in searched if match]
            if found or self._eof:
                cut = min(found, default=len(self._buffer))
                self._drop(cut)
                return lost + cut
            # What may be the start of the pattern stays.
            cut = max(len(self._buffer) - _RESUME_SIZE, 0)
            self._drop(cut)
            lost, at, begun = lost + cut, max(at - cut, 0), max(begun - cut, 0)
            self._fill(CHUNK, CHUNK)
