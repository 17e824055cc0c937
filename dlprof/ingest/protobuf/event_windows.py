"""The events of an XLine, a window of thousands at a time, as columns: the hot loop of the XPlane reader."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from dlprof.ingest.batch import Int64
from dlprof.ingest.protobuf import compiled
from dlprof.ingest.protobuf.chain import extents
from dlprof.ingest.protobuf.space import ByteFile
from dlprof.ingest.protobuf.wire import Malformed, Uint64, Window, fields
from dlprof.native import library

WINDOW_BYTES: Final = 1 << 21
_LARGEST: Final = 1 << 26
"""No event needs a window of this size; a length that says so lies."""
EVENT_TAG: Final = 0x22
DOUBLE, UINT64, INT64, STR, BYTES_VALUE, REF = 2, 3, 4, 5, 6, 7
"""Kinds of a stat's value: field numbers of XStat's oneof."""
_NO_VALUE: Final = 0
Parsed = TypeVar("Parsed")


@dataclass(frozen=True, slots=True)
class Stats:
    """The stats of a window's events, sorted by event; all shape (n,).

    event: row of the event
    id: stat metadata id
    kind: see above
    value: bits of the number, or the text's length
    at: offset of a text in the window; of a number it means nothing
    """

    event: Int64
    id: Int64
    kind: npt.NDArray[np.uint8]
    value: Uint64
    at: Int64


@dataclass(frozen=True, slots=True)
class Events:
    """The events of a window; all shape (n,).

    aggregated: the event carries num_occurrences and no offset
    """

    window: Window
    metadata_id: Int64
    offset_ps: Int64
    duration_ps: Int64
    occurrences: Int64
    aggregated: npt.NDArray[np.bool_]
    stats: Stats
    unknown_fields: int


class Frame:
    """Messages under the cursor: row numbers, cursors and ends of those not yet at their end."""

    def __init__(self, start: Int64, end: Int64) -> None:
        self.rows = np.flatnonzero(start < end)
        self.at = start[self.rows]
        self.end = end[self.rows]

    def advance(self, after: Int64, expected: str) -> None:
        over = after > self.end
        if over.any():
            raise Malformed(int(self.at[over][0]), f"a field of {expected} that ends inside it")
        left = np.flatnonzero(after < self.end)
        if len(left) == len(after):
            self.at = after
            return
        self.rows, self.at, self.end = self.rows[left], after[left], self.end[left]


def parse(window: Window, start: Int64, end: Int64, wanted: compiled.Flags | None = None) -> Events:
    """The events with bodies [start, end) in the window. Raises `Malformed` with an offset in the window.

    wanted: of each stat's id whether it is asked for, None for all; the others may be left out, unless a text of theirs is not
    ASCII
    """
    functions = library.functions()
    found = None if functions is None else compiled.events(functions, window, start, end, wanted)
    if found is None:
        return parse_in_python(window, start, end)
    columns, stats = found
    return Events(window, *columns, Stats(*stats), 0)


def parse_in_python(window: Window, start: Int64, end: Int64) -> Events:
    """As `parse`, whatever the reader: the one that says what is wrong."""
    count = len(start)
    columns = {tag: np.zeros(count, dtype=np.int64) for tag in _EVENT_NUMBERS}
    aggregated = np.zeros(count, dtype=bool)
    found: list[tuple[Int64, Int64, Int64]] = []
    unknown = 0
    frame = Frame(start, end)
    while len(frame.rows):
        tag, value, after = window.field(frame.at)
        for code, here in by_tag(tag):
            if code in columns:
                columns[code][frame.rows[here]] = value[here].view(np.int64)
                aggregated[frame.rows[here]] |= code == _OCCURRENCES
            elif code == EVENT_TAG:
                body = after[here].copy()
                after[here] = body + sizes(value[here], frame.at[here])
                found.append((frame.rows[here], body, after[here]))
            else:
                unknown += skip_unknown(window, frame, here, after)
        frame.advance(after, "an event")
    stats, more_unknown = _stats(window, found, count)
    return Events(
        window,
        columns[0x08],
        columns[0x10],
        columns[0x18],
        np.where(aggregated, columns[_OCCURRENCES], 1),
        aggregated,
        stats,
        unknown + more_unknown,
    )


_OCCURRENCES: Final = 0x28
_EVENT_NUMBERS: Final = (0x08, 0x10, 0x18, _OCCURRENCES)


def by_tag(tag: npt.NDArray[np.uint8]) -> Iterator[tuple[int, slice | Int64]]:
    """(tag, where it stands) for each distinct one. Messages of one kind are written alike, so that mostly it is one, and
    then a slice of all spares the gathers."""
    first = int(tag[0])
    others = np.flatnonzero(tag != first)
    if not len(others):
        yield first, slice(None)
        return
    for code in np.flatnonzero(np.bincount(tag, minlength=256)).tolist():
        yield code, np.flatnonzero(tag == code)


def _stats(window: Window, found: list[tuple[Int64, Int64, Int64]], events: int) -> tuple[Stats, int]:
    event, start, end = _in_order(found, events)
    count = len(event)
    ids = np.zeros(count, dtype=np.int64)
    kind = np.full(count, _NO_VALUE, dtype=np.uint8)
    bits = np.zeros(count, dtype=np.uint64)
    at = np.zeros(count, dtype=np.int64)
    unknown = 0
    frame = Frame(start, end)
    while len(frame.rows):
        tag, value, after = window.field(frame.at)
        kinds = _STAT_KINDS[tag]
        for role, here in by_tag(np.minimum(kinds, _VALUE)):
            rows = frame.rows[here]
            if role == _ID:
                ids[rows] = value[here].view(np.int64)
            elif role == _VALUE:
                kind[rows] = kinds[here]
                bits[rows], at[rows] = _values(window, frame.at[here], kinds[here], value[here], after, here)
            else:
                unknown += skip_unknown(window, frame, here, after)
        frame.advance(after, "a stat")
    valued = kind != _NO_VALUE
    if not valued.all():
        event, ids, kind, bits, at = (column[valued] for column in (event, ids, kind, bits, at))
    return Stats(event, ids, kind, bits, at), unknown


_ID, _VALUE = 1, 2
_STAT_KINDS: Final = np.zeros(256, dtype=np.uint8)
"""Tag of a stat's field → _ID, the kind of value it holds (all ≥ _VALUE), or 0 for an unknown one."""
for _tag, _kind in (
    (0x08, _ID),
    (0x11, DOUBLE),
    (0x18, UINT64),
    (0x20, INT64),
    (0x2A, STR),
    (0x32, BYTES_VALUE),
    (0x38, REF),
):
    _STAT_KINDS[_tag] = _kind


def _values(
    window: Window, at: Int64, kinds: npt.NDArray[np.uint8], value: Uint64, after: Int64, here: slice | Int64
) -> tuple[Uint64, Int64]:
    """(bits, offset of the text) of stats' values at `at`; moves the cursors in after[here] behind texts and doubles."""
    behind = after[here]
    texts = np.flatnonzero((kinds == STR) | (kinds == BYTES_VALUE))
    doubles = np.flatnonzero(kinds == DOUBLE)
    place = behind
    if len(texts):
        place = behind.copy()
        behind[texts] += sizes(value[texts], at[texts])
    if len(doubles):
        value[doubles] = window.fixed64(at[doubles])
        behind[doubles] = at[doubles] + 9
    after[here] = behind
    return value, place


def _in_order(found: list[tuple[Int64, Int64, Int64]], events: int) -> tuple[Int64, Int64, Int64]:
    """(event, start, end) of all stats, those of an event together in the order they are written. found: rows, body starts
    and ends, of at most one stat per event each."""
    seen = np.zeros(events, dtype=np.int64)
    numbers = []
    for rows, _, _ in found:
        numbers.append(seen[rows])
        seen[rows] += 1
    first = np.cumsum(seen) - seen
    start, end = np.empty((2, int(seen.sum())), dtype=np.int64)
    for (rows, starts, ends), number in zip(found, numbers, strict=True):
        place = first[rows] + number
        start[place], end[place] = starts, ends
    return np.repeat(np.arange(events), seen), start, end


def sizes(value: Uint64, at: Int64) -> Int64:
    """Lengths as int64; one that no file can have raises `Malformed`, before it could wrap round."""
    if len(value) and int(value.max()) >= 1 << 48:
        worst = int(value.argmax())
        raise Malformed(int(at[worst]), f"a length that fits the file, found {int(value[worst])}")
    return value.astype(np.int64)


def skip_unknown(window: Window, frame: Frame, here: slice | Int64, after: Int64) -> int:
    """Moves the cursors of messages at a field that we do not know behind it, and tells how many there are. One at a time:
    they are rare or damage."""
    rows = np.arange(len(after))[here].tolist()
    for row in rows:
        at, end = int(frame.at[row]), int(frame.end[row])
        after[row] = next(fields(window.data, at, min(end, window.size))).end
    return len(rows)


def windows(
    file: ByteFile, start: int, end: int, parse_window: Callable[[Window, Int64, Int64], Parsed]
) -> Generator[Parsed, None, int]:
    """The events (field 4) of the run that begins at file offset `start`, in windows; `end`: end of the line.

    parse_window: `parse`, or another message's with the same signature.

    Returns the offset where it stopped: at the line's end or the first field that is no event. Raises `Malformed` with
    the absolute offset of the first damage, after it has yielded all events before it.
    """
    at, size = start, WINDOW_BYTES
    while at < end:
        data = file.at(at, min(size, end - at))
        try:
            window = Window(data, at)
            bodies, ends, stop = extents(data, window.padded, 0, len(data))
        except Malformed as error:
            raise Malformed(at + error.offset, error.expected) from None
        if len(bodies):
            yield from _sound(window, bodies, ends, parse_window)
            at += stop
            size = WINDOW_BYTES
            continue
        if data[0] != EVENT_TAG:
            return at
        if at + len(data) >= end:
            raise Malformed(at, "an event that ends inside its line")
        size *= 4
        if size > _LARGEST:
            raise Malformed(at, f"an event of less than {_LARGEST // 4} bytes")
    return at


def _sound(
    window: Window, bodies: Int64, ends: Int64, parse_window: Callable[[Window, Int64, Int64], Parsed]
) -> Iterator[Parsed]:
    """The events before the first damaged one, then `Malformed` for it. Damage is found field by field across all events,
    so the first one found need not be the first in the file."""
    damage: Malformed | None = None
    kept = len(bodies)
    while kept:
        try:
            yield parse_window(window, bodies[:kept], ends[:kept])
            break
        except Malformed as error:
            damage = error
            # Damage may be told at the damaged event's very end, so that end belongs to what is dropped.
            kept = min(kept - 1, int(np.searchsorted(ends, error.offset, side="left")))
    if damage is not None:
        raise Malformed(window.base + damage.offset, damage.expected)
