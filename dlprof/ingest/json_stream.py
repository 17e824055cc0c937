"""Streams the elements of a chrome trace-event file as typed structs, in chunks cut at event boundaries.

msgspec decodes one chunk of a few MB at a time, so memory stays flat and no Python dict is made per event. A chunk ends
where `}` `,` `{` stands; a cut inside a string or a nested list can never decode (its prefix is unbalanced), so success
proves the cut. What producers are known to write wrongly is mended and counted (`mend.py`); all else is damage with its
byte offset.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

import msgspec

from dlprof.ingest.json_elements import Event, EventDecoder
from dlprof.ingest.json_envelope import find_events, footer_values, header_values
from dlprof.ingest.mend import mend
from dlprof.ingest.reader import Context, Damaged
from dlprof.ingest.source import Source

CHUNK: Final = 4 << 20
MAX_ELEMENT: Final = 256 << 20
"""An element or envelope larger than this is damage: no producer writes one, and memory must stay bounded."""
MAX_CUTS: Final = 64

_BOUNDARY: Final = re.compile(rb"\}(?=\s*,?\s*\{)")
_BYTE: Final = re.compile(r"\(byte (\d+)\)")
_LEAD: Final = re.compile(rb"[\s,]*")


class _Malformed(Exception):
    """A text that does not decode. at: byte in it, or None if it ends too early; closed: the array ended before."""

    def __init__(self, at: int | None, reason: str) -> None:
        super().__init__(reason)
        self.at = at
        self.reason = reason


@dataclass(slots=True)
class JsonStream:
    """The elements of one file. `header` holds the top-level values seen so far: those behind the events come last.

    mxnet: names are mended as MXNet writes them.
    """

    source: Source
    ctx: Context
    mxnet: bool = False
    header: dict[str, Any] = field(default_factory=dict)
    _buffer: bytes = b""
    _base: int = 0
    _eof: bool = False
    _closed: bool = False
    _object: bool = False

    def chunks(self) -> Iterator[list[Event]]:
        """Lists of events, in file order. Raises `TraceError` on damage; under repair ends there."""
        try:
            with self.source.open() as stream:
                if self._open(stream):
                    yield from self._elements(stream)
                if self._closed:
                    self._footer(stream)
        except Damaged:
            return

    # --- bytes

    def _fill(self, stream: BinaryIO, size: int) -> None:
        """Appends up to `size` bytes to the buffer."""
        piece = stream.read(size)
        self._eof = len(piece) < size
        self._buffer += piece

    def _drop(self, count: int) -> None:
        self._buffer = self._buffer[count:]
        self._base += count

    # --- what surrounds the events

    def _open(self, stream: BinaryIO) -> bool:
        """Moves to the first event; False where there is none."""
        self._fill(stream, CHUNK)
        if self._buffer.startswith(b"\xef\xbb\xbf"):
            self._drop(3)
        while True:
            found = find_events(self._buffer)
            if found.start is not None or self._eof or len(self._buffer) > MAX_ELEMENT:
                break
            self._fill(stream, len(self._buffer))
        if found.start is None:
            self.ctx.damage(
                self._base, "a trace object with a traceEvents list, or a list of events", lost=len(self._buffer)
            )
        self._object = found.form == "object"
        if found.form == "headerless":
            self.ctx.anomalies.count("json_header_missing")
        if self._object:
            self.header.update(header_values(self._buffer[: found.start]))
        self._closed = found.form == "footer"
        self._drop(found.start)
        return not self._closed

    def _footer(self, stream: BinaryIO) -> None:
        """Reads the top-level values behind the events."""
        while not self._eof and len(self._buffer) <= MAX_ELEMENT:
            self._fill(stream, CHUNK)
        try:
            values, complete = footer_values(self._buffer)
        except ValueError:
            self.ctx.damage(self._base, "the rest of the trace object behind its events", lost=len(self._buffer))
        if not complete and self._object:
            self.ctx.anomalies.count("json_unclosed")
        self.header.update(values)

    # --- events

    def _elements(self, stream: BinaryIO) -> Iterator[list[Event]]:
        decoder = EventDecoder(self.ctx)
        while not self._closed:
            if not self._eof:
                self._fill(stream, max(CHUNK - len(self._buffer), len(self._buffer)))
            self._skip_lead()
            if self._eof and not self._buffer:
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

    def _next(self, decoder: EventDecoder) -> Iterator[list[Event]]:
        """Decodes what the buffer holds whole; keeps the rest."""
        if self._closed:
            return
        for cut in self._cuts():
            try:
                events, used = self._decode(decoder, self._buffer[:cut])
            except _Malformed as error:
                if error.at is not None:
                    yield from self._damaged(decoder, cut, error)
                continue
            self._drop(used)
            yield events
            return
        if self._eof:
            yield from self._damaged(decoder, len(self._buffer), _Malformed(None, "truncated"))
        if len(self._buffer) > MAX_ELEMENT:
            self.ctx.damage(self._base, f"an event of at most {MAX_ELEMENT >> 20} MiB", lost=len(self._buffer))

    def _cuts(self) -> Iterator[int]:
        """Ends of the buffer's last whole event, most likely first."""
        if self._eof:
            yield len(self._buffer)
        end = len(self._buffer)
        for _ in range(MAX_CUTS):
            end = self._buffer.rfind(b"}", 0, end)
            if end < 0:
                return
            if _BOUNDARY.match(self._buffer, end):
                yield end + 1

    def _decode(self, decoder: EventDecoder, text: bytes) -> tuple[list[Event], int]:
        """The events of `text` and how many of its bytes they take (less than all where the list ends in it)."""
        anomalies = self.ctx.anomalies
        if not text.isascii():
            text, bad = _utf8(text)
            anomalies.count("text_not_utf8", bad)
        try:
            return self._closing(decoder, text)
        except _Malformed as error:
            if error.at is None:
                raise
        mended = mend(text, mxnet=self.mxnet)
        try:
            events, used = self._closing(decoder, mended.text)
        except _Malformed as error:
            at = None if error.at is None else mended.offset(error.at)
            raise _Malformed(at, error.reason) from None
        for name, times in mended.counts.items():
            anomalies.count(name, times)
        return events, mended.offset(used)

    def _closing(self, decoder: EventDecoder, text: bytes) -> tuple[list[Event], int]:
        """Decodes `text`, which may hold the bracket that ends the list."""
        try:
            return decoder.decode(b"[" + text + b"]"), len(text)
        except msgspec.DecodeError as error:
            reason = str(error)
        found = _BYTE.search(reason)
        if found is None:
            raise _Malformed(None, reason)
        at = int(found[1]) - 1
        if "trailing characters" not in reason:
            raise _Malformed(max(at, 0), reason)
        end = text.rindex(b"]", 0, at - 1)
        self._closed = True
        return decoder.decode(b"[" + text[:end] + b"]"), end + 1

    def _damaged(self, decoder: EventDecoder, end: int, error: _Malformed) -> Iterator[list[Event]]:
        """Yields the whole events before the damage, then reports it."""
        at = end if error.at is None else error.at
        start = 0
        text = self._buffer[:at]
        for match in reversed(list(_BOUNDARY.finditer(self._buffer, 0, at))[-MAX_CUTS:]):
            try:
                events, start = self._decode(decoder, text[: match.end()])
            except _Malformed:
                continue
            yield events
            break
        offset = self._base + (start if error.at is None else at)
        expected = "the rest of the event that starts here" if error.at is None else f"valid JSON ({error.reason})"
        self.ctx.damage(offset, expected, lost=len(self._buffer) - start)


def _utf8(text: bytes) -> tuple[bytes, int]:
    """UTF-8 with bad bytes replaced by U+FFFD, and how many there were."""
    try:
        text.decode()
    except UnicodeDecodeError:
        fixed = text.decode(errors="replace")
        return fixed.encode(), fixed.count("�") - text.count("�".encode())
    return text, 0
