"""The bytes of one JSON file on their way to its readers: read in pieces, checked to be UTF-8, their places in the file known."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Final

import msgspec

from dlprof.ingest.background import Background
from dlprof.ingest.reader import Context
from dlprof.ingest.source import Source

_REPLACEMENT: Final = "\ufffd".encode()


class Text(msgspec.Struct):
    """What of a file is read and not yet taken: `_buffer`.

    Its last `_unchecked` bytes are those of the file, wherever the compiled reader is to have them first, which takes nothing but
    valid UTF-8. All before them, and what everybody else is given, is valid.
    """

    source: Source
    ctx: Context
    _pieces: Iterator[bytes] = msgspec.field(default_factory=lambda: iter(()))
    _file: BinaryIO | None = None
    _read: int = 0
    _buffer: bytes = b""
    _unchecked: int = 0
    _tail: bytes = b""
    _base: int = 0
    _grown: int = 0
    _eof: bool = False

    @contextmanager
    def _opened(self, size: int) -> Iterator[None]:
        """Within it, the file can be read. A compressed one is read ahead, in pieces of `size`."""
        if self.source.compression() == "none":
            with self.source.open_seekable() as self._file:
                yield
            return
        with Background() as background:
            self._pieces = background.ahead(self.source.chunks(size))
            yield

    def _piece(self, size: int) -> bytes:
        """The next bytes of the file, none at its end; of a compressed one in the size in which they are read ahead."""
        if self._file is None:
            return next(self._pieces, b"")
        piece = self._file.read(size)
        self._read += len(piece)
        return piece

    def _fill(self, size: int, least: int = 1) -> None:
        """Appends pieces of `size`, of at least `least` bytes in all and one at the least, to the buffer, as valid UTF-8: bad
        bytes become U+FFFD, counted."""
        self._check()
        parts = [self._buffer]
        least = max(least, 1)
        while least > 0 and not self._eof:
            piece = self._piece(size)
            self._eof = not piece
            least -= len(piece)
            parts.append(self._utf8(piece))
        self._buffer = b"".join(parts)

    def _fill_unchecked(self, size: int) -> None:
        """Appends a piece as it is. Of a file that can be read anywhere, what is left in the buffer is read once more with what
        follows it, which is cheaper than to join the two."""
        rest = self._buffer
        if self._file is None or self._tail or self._unchecked < len(rest):
            piece = self._piece(size)
            self._eof = not piece
            self._buffer = rest + self._tail + piece
            self._unchecked += len(self._tail) + len(piece)
            self._tail = b""
            return
        self._read -= len(rest)
        self._file.seek(self._read)
        self._buffer = self._piece(len(rest) + size)
        if len(self._buffer) < len(rest):  # the file has become shorter since: what was read of it counts
            self._read += len(rest) - len(self._buffer)
            self._buffer = rest
        self._unchecked = len(self._buffer)
        self._eof = len(self._buffer) <= len(rest)

    def _check(self) -> None:
        """Makes all of the buffer valid UTF-8."""
        if self._unchecked:
            at = len(self._buffer) - self._unchecked
            self._unchecked = 0
            self._buffer = self._buffer[:at] + self._utf8(self._buffer[at:])

    def _utf8(self, piece: bytes) -> bytes:
        piece = self._tail + piece
        self._tail = b""
        if piece.isascii():
            return piece
        try:
            _, used = codecs.utf_8_decode(piece, "strict", self._eof)
            valid = piece[:used]
        except UnicodeDecodeError:
            text, used = codecs.utf_8_decode(piece, "replace", self._eof)
            valid = text.encode()
            self.ctx.anomalies.count("text_not_utf8", text.count("\ufffd") - piece[:used].count(_REPLACEMENT))
            self._grown += len(valid) - used
        self._tail = piece[used:]
        return valid

    def _drop(self, count: int) -> None:
        if count:
            self._buffer = self._buffer[count:]
            self._unchecked = min(self._unchecked, len(self._buffer))
            self._base += count

    def _offset(self, position: int) -> int:
        """Where a byte of the buffer stands in the file; replaced bytes ahead of it in the buffer shift it."""
        return max(self._base + position - self._grown, 0)
