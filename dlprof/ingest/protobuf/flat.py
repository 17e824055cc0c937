"""All fields of many protobuf messages at once, in NumPy: a step for the n-th field of every message, not for every field.

For messages whose fields may come in any order and number, where `Window.field` is for fields in an order that is known.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from dlprof.ingest.batch import Int64
from dlprof.ingest.protobuf.wire import BYTES, FIXED32, FIXED64, VARINT, Malformed, Uint64, Window, fields

_FEW: Final = 24
"""Messages that are left below which each is walked by itself: those of many fields would each take as many steps."""
_LONGEST: Final = 10


class Flat(NamedTuple):
    """The fields of n messages, in the order of messages and of fields in them. Arrays of one length.

    owner: which message; value: of a varint or fixed one; start, end: extent of the content
    """

    owner: Int64
    number: Int64
    wire: Int64
    value: Uint64
    start: Int64
    end: Int64

    def of(self, number: int, wire: int) -> Flat:
        """The fields of one number and wire type."""
        return self.at(np.flatnonzero((self.number == number) & (self.wire == wire)))

    def at(self, rows: Int64) -> Flat:
        """These fields."""
        owner, number, wire, value, start, end = self
        return Flat(owner[rows], number[rows], wire[rows], value[rows], start[rows], end[rows])

    def last(self, number: int, wire: int, count: int, missing: int = 0) -> Uint64:
        """The value of a field in each of `count` messages, the last one where it is repeated."""
        found = self.of(number, wire)
        values = np.full(count, missing, dtype=np.uint64)
        values[found.owner] = found.value
        return values

    def has(self, number: int, wire: int, count: int) -> npt.NDArray[np.bool_]:
        """Which of `count` messages have a field."""
        there = np.zeros(count, dtype=bool)
        there[self.of(number, wire).owner] = True
        return there


def flat(window: Window, starts: Int64, ends: Int64) -> Flat:
    """The fields of the messages at [start, end) of a window. Raises `Malformed` where one does not fit."""
    pieces: list[tuple[npt.NDArray[np.generic], ...]] = []
    rows = np.flatnonzero(starts < ends)
    at, limit = starts[rows], ends[rows]
    while len(rows) >= _FEW:
        tag, body = _varints(window, at, limit)
        number, wire = (tag >> np.uint64(3)).astype(np.int64), (tag & np.uint64(7)).astype(np.int64)
        _check(at, (number == 0) | (number >= 1 << 29) | (body >= limit) & (wire != BYTES), "a protobuf field")
        _check(at, ~np.isin(wire, (VARINT, FIXED64, BYTES, FIXED32)) | (body >= limit), "a protobuf field")
        fixed = (wire == FIXED64) | (wire == FIXED32)
        value, after = _varints(window, np.where(fixed, at, body), np.where(fixed, at + _LONGEST + 1, limit))
        words = window.words[np.minimum(body, window.size)]
        value = np.where(wire == FIXED64, words, np.where(wire == FIXED32, words & np.uint64(0xFFFFFFFF), value))
        start = np.where(wire == BYTES, after, body)
        size = np.minimum(value, np.uint64(1 << 40)).astype(np.int64)
        fixed_end = body + np.where(wire == FIXED64, 8, 4)
        end = np.where(fixed, fixed_end, np.where(wire == BYTES, after + size, after))
        _check(at, end > limit, "a field that ends inside its message")
        pieces.append((rows, number, wire, value, start, end))
        more = np.flatnonzero(end < limit)
        rows, at, limit = rows[more], end[more], limit[more]
    walked = [
        (row, one.number, one.wire, one.value, one.start, one.end)
        for row, low, high in zip(rows.tolist(), at.tolist(), limit.tolist(), strict=True)
        for one in fields(window.data, low, high)
    ]
    columns = list(zip(*walked, strict=True)) if walked else [()] * 6
    kinds = (np.int64, np.int64, np.int64, np.uint64, np.int64, np.int64)
    pieces.append(tuple(np.array(column, dtype=kind) for column, kind in zip(columns, kinds, strict=True)))
    joined = [np.concatenate(column) for column in zip(*pieces, strict=True)]
    order = np.argsort(joined[0], kind="stable")
    return Flat(*(column[order] for column in joined))


def _check(at: Int64, wrong: npt.NDArray[np.bool_], expected: str) -> None:
    if wrong.any():
        raise Malformed(int(at[np.flatnonzero(wrong)[0]]), expected)


def _varints(window: Window, at: Int64, limit: Int64) -> tuple[Uint64, Int64]:
    """The varint at each offset and the offset behind it. Raises `Malformed` for one that goes beyond its limit or 10 bytes."""
    byte = window.padded[at]
    value = (byte & 0x7F).astype(np.uint64)
    after = at + 1
    more = np.flatnonzero(byte >= 0x80)
    shift = 7
    while len(more):
        _check(at[more], (after[more] >= limit[more]) | (shift > 63), "the rest of a varint")
        byte = window.padded[after[more]]
        value[more] |= (byte & 0x7F).astype(np.uint64) << np.uint64(shift)
        after[more] += 1
        more = more[byte >= 0x80]
        shift += 7
    return value, after
