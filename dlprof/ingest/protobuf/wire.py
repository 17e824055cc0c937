"""Protobuf's wire format: one message at a time in Python, or the same field of thousands of messages at once in NumPy.

The vectorised half keeps a cursor per message. One unaligned 8-byte gather yields a field's tag and its varint (up to 49
bits; longer ones take a second look), so a field costs about 15 ns a message where a protobuf object costs 1 µs.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from dlprof.ingest.batch import Int64

Uint64 = npt.NDArray[np.uint64]

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
PAD: Final = 16
"""Zero bytes behind a buffer, so that a gather at its last byte stays inside."""

_STOPS: Final = np.uint64(0x0080808080808080)
_LOW7: Final = np.uint64(0x7F7F7F7F7F7F7F7F)
_HALVES: Final = tuple(
    (np.uint64(shift), np.uint64(mask))
    for shift, mask in ((1, 0x7F007F007F007F00), (2, 0x3FFF00003FFF0000), (4, 0x0FFFFFFF00000000))
)
"""Shift and place of the upper half of each pair: of bytes, then of pairs, then of fours."""
_U: Final = tuple(np.uint64(n) for n in range(64))


class Malformed(Exception):  # becomes a TraceError where file and base offset are known
    """Bytes that are not the wire format: offset into the buffer, what was expected there."""

    def __init__(self, offset: int, expected: str) -> None:
        super().__init__(expected)
        self.offset = offset
        self.expected = expected


def varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """(value, next offset) of the varint at `at`. Raises `Malformed`."""
    value = shift = 0
    while at < end:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7
        if shift > 63:
            raise Malformed(at, "a varint of at most 10 bytes")
    raise Malformed(at, "the rest of a varint")


class Field(NamedTuple):
    """One field: number, wire type, value of a varint or fixed one, extent [start, end) of the content, offset of the tag.

    A tuple, which is made in a third of the time of a frozen dataclass: a compiled module has tens of thousands.
    """

    number: int
    wire: int
    value: int
    start: int
    end: int
    at: int


def fields(data: bytes, at: int, end: int) -> Iterator[Field]:
    """The fields of the message in data[at:end]. Raises `Malformed` where a field does not fit."""
    while at < end:
        tag_at = at
        tag = data[at]
        if tag < 0x80:
            at += 1
        else:
            tag, at = varint(data, at, end)
        number, wire = tag >> 3, tag & 7
        if wire == VARINT:
            value, after = varint(data, at, end)
            yield Field(number, wire, value, at, after, tag_at)
        elif wire == BYTES:
            if at < end and data[at] < 0x80:
                size, at = data[at], at + 1
            else:
                size, at = varint(data, at, end)
            after = at + size
            if after > end:
                raise Malformed(tag_at, f"a field of {size} bytes, but {end - at} are left")
            yield Field(number, wire, 0, at, after, tag_at)
        elif wire in (FIXED64, FIXED32):
            after = at + (8 if wire == FIXED64 else 4)
            if after > end:
                raise Malformed(tag_at, "a fixed-size field, but the message ends inside it")
            yield Field(number, wire, int.from_bytes(data[at:after], "little"), at, after, tag_at)
        else:
            raise Malformed(tag_at, f"a protobuf field, found wire type {wire}")
        if number == 0:
            raise Malformed(tag_at, "a protobuf field, found field number 0")
        at = after


def signed(value: int) -> int:
    """A varint's value read as int64."""
    return value - (1 << 64) if value >= 1 << 63 else value


class Window:
    """A stretch of bytes with a view of the 8 bytes that begin at each of them.

    base: its offset in the file
    """

    def __init__(self, data: bytes, base: int) -> None:
        self.base = base
        self.size = len(data)
        self.data = data
        self.unpadded = np.frombuffer(data, dtype=np.uint8)

    @cached_property
    def padded(self) -> npt.NDArray[np.uint8]:
        """The bytes, and PAD zeros."""
        return np.frombuffer(self.data + bytes(PAD), dtype=np.uint8)

    @cached_property
    def words(self) -> Uint64:
        """The 8 bytes that begin at each byte."""
        return np.ndarray((self.size + PAD - 7,), "<u8", self.padded.data, 0, (1,))

    def field(self, at: Int64) -> tuple[npt.NDArray[np.uint8], Uint64, Int64]:
        """(tag byte, varint behind it, offset behind both) of the field at each offset; all shape (n,).

        A varint of over 10 bytes raises `Malformed`; that it ends inside its message is the caller's to check. For a
        fixed64 field the varint and the offset mean nothing; `fixed64` reads it.
        """
        short = self.padded[at + 1]
        if len(at) and short.max() < 0x80:
            return self.padded[at], short.astype(np.uint64), at + 2
        body = self.words[at]
        tag = body.astype(np.uint8)
        body >>= _U[8]
        stop = ~body
        stop &= _STOPS
        stop &= -stop
        # The stop byte's highest bit is a power of two, exact as float64, whose exponent then tells the byte.
        after = stop.astype(np.float64).view(np.int64)
        after >>= 52
        after -= 1007
        after >>= 3
        after += at
        long = np.flatnonzero(stop == 0)
        stop -= _U[1]
        body &= stop
        value = _packed(body)
        if len(long):
            self._long(at, long, value, after)
        return tag, value, after

    def fixed64(self, at: Int64) -> Uint64:
        """The 8 bytes behind the tag byte at each offset."""
        return self.words[at + 1]

    def _long(self, at: Int64, rows: Int64, value: Uint64, after: Int64) -> None:
        """Varints of 8 to 10 bytes, in place."""
        start = at[rows] + 1
        eighth, ninth, tenth = (self.padded[start + place] for place in (7, 8, 9))
        more = eighth >= 0x80
        most = more & (ninth >= 0x80)
        # A fixed64 field is read here too, before its tag is looked at; only a real varint is an error.
        endless = most & (tenth >= 0x80) & ((self.padded[at[rows]] & 7) != FIXED64)
        if endless.any():
            raise Malformed(int(at[rows][endless][0]), "a varint of at most 10 bytes")
        total = _packed(self.words[start])
        total |= (ninth & np.uint8(0x7F)).astype(np.uint64) * more << _U[56]
        total |= tenth.astype(np.uint64) * most << _U[63]
        value[rows] = total
        after[rows] = start + 8 + more + most


def _packed(words: Uint64) -> Uint64:
    """The low 7 bits of each byte, one behind the other: 56 bits, in place. A step that no word needs is left out."""
    words &= _LOW7
    largest = int(words.max()) if len(words) else 0
    for step, (shift, mask) in enumerate(_HALVES):
        if largest < 1 << (8 << step):
            break
        high = words & mask
        words ^= high
        high >>= shift
        words |= high
    return words
