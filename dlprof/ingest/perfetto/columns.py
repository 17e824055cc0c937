"""The packets of a window and their track events as plain lists, decoded all at once, for the loop that knows what they mean."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

import numpy as np

from dlprof.ingest.batch import Int64
from dlprof.ingest.perfetto.annotations import Annotations
from dlprof.ingest.perfetto.packets import Packets
from dlprof.ingest.perfetto.tracks import Text
from dlprof.ingest.protobuf.flat import Flat, flat
from dlprof.ingest.protobuf.wire import BYTES, FIXED64, VARINT, Malformed, fields
from dlprof.ingest.reader import Context

EVENT: Final = 11
SNAPSHOT, STATS, PROCESS, THREAD, DESCRIPTOR, DEFAULTS, INTERNED = 6, 35, 43, 44, 60, 59, 12
SPECIAL: Final = (SNAPSHOT, STATS, PROCESS, THREAD, DESCRIPTOR, DEFAULTS, INTERNED)
"""Parts of packets that change what others mean; few."""
_ABOUT: Final = (3, 8, 10, 13, 41, 42, 58, 79, 87, 98)
"""Fields that tell when and by whom a packet was written."""
_STATED: Final = (33, 34, 36, 45, 46, 50, 51, 67, 69, 72, 89, 90, 124, 126, 128, 133)
"""What the tracing service says of itself and of the machine."""
_KNOWN: Final = (*SPECIAL, EVENT, *_ABOUT, *_STATED)
_EVENT_FIELDS: Final = (*(1, 3, 4, 6, 9, 10, 11, 16, 22, 23, 30, 36, 42, 44, 47, 48), *(2, 8, 17, 20))
"""Fields of a track event that are read, and a thread's own clocks, which no column has."""


@dataclass(slots=True)
class Columns:
    """Lists of one length: of packets, and of those that hold an event (`event`: place among them, -1 for none)."""

    packets: Packets
    stamped: list[bool]
    time: list[int]
    clock: list[int]
    sequence: list[int]
    flags: list[int]
    cleared: list[bool]
    dropped: list[bool]
    process: list[int]
    event: list[int]
    special: dict[int, list[tuple[int, int, int]]]
    kind: list[int]
    track: list[int]
    tracked: list[bool]
    name_id: list[int]
    name: dict[int, tuple[int, int]]
    category_ids: dict[int, list[int]]
    categories: dict[int, list[tuple[int, int]]]
    flow: list[int | None]
    value: list[float]
    delta: dict[int, int]
    absolute: dict[int, int]
    legacy: dict[int, tuple[int, int]]
    first: list[int]
    annotations: Annotations


def special_of(packets: Packets, wanted: tuple[int, ...] = SPECIAL) -> dict[int, list[tuple[int, int, int]]]:
    """Number and extent of the parts of packets that change what others mean, by the packet."""
    parts = packets.fields
    parts = parts.at(np.flatnonzero(np.isin(parts.number, wanted) & (parts.wire == BYTES)))
    found: dict[int, list[tuple[int, int, int]]] = {}
    for owner, number, start, end in zip(
        parts.owner.tolist(), parts.number.tolist(), parts.start.tolist(), parts.end.tolist(), strict=True
    ):
        found.setdefault(owner, []).append((number, start, end))
    return found


def columns_of(packets: Packets, text: Text, ctx: Context, unread: Counter[int], odd: Counter[int]) -> Columns:
    """Decodes a window. unread: parts of packets that nobody reads; odd: fields of events that nobody reads."""
    parts, count = packets.fields, len(packets)
    others = parts.number[(parts.wire == BYTES) & ~np.isin(parts.number, _KNOWN)]
    unread.update(others.tolist())
    place, events, inside = _events(packets, ctx)
    some = len(events)
    odd.update(inside.number[~np.isin(inside.number, _EVENT_FIELDS)].tolist())
    noted = inside.of(4, BYTES)
    first = np.searchsorted(noted.owner, np.arange(some + 1))
    annotations = _annotations(packets, noted, text, ctx)
    return Columns(
        packets=packets,
        stamped=parts.has(8, VARINT, count).tolist(),
        time=parts.last(8, VARINT, count).tolist(),
        clock=parts.last(58, VARINT, count).view(np.int64).tolist(),
        sequence=parts.last(10, VARINT, count).tolist(),
        flags=parts.last(13, VARINT, count).tolist(),
        cleared=(parts.last(41, VARINT, count) != 0).tolist(),
        dropped=(parts.last(42, VARINT, count) != 0).tolist(),
        process=parts.last(79, VARINT, count).view(np.int64).tolist(),
        event=place.tolist(),
        special=special_of(packets),
        kind=inside.last(9, VARINT, some).tolist(),
        track=inside.last(11, VARINT, some).tolist(),
        tracked=inside.has(11, VARINT, some).tolist(),
        name_id=inside.last(10, VARINT, some).tolist(),
        name=_extents(inside.of(23, BYTES)),
        category_ids=_category_ids(packets, inside),
        categories=_lists(inside.of(22, BYTES)),
        flow=_flows(inside, some),
        value=_values(inside, some),
        delta=_numbers(inside.of(1, VARINT)),
        absolute=_numbers(inside.of(16, VARINT)),
        legacy=_extents(inside.of(6, BYTES)),
        first=first.tolist(),
        annotations=annotations,
    )


def _events(packets: Packets, ctx: Context) -> tuple[Int64, Int64, Flat]:
    """Which event each packet holds, the packets that hold one, and the events' fields. One that does not fit is stepped over."""
    found = packets.fields.of(EVENT, BYTES)
    owners, starts, ends = found.owner, found.start, found.end
    try:
        inside = flat(packets.window, starts, ends)
    except Malformed:
        kept = np.array(
            [_fits(packets, low, high, ctx) for low, high in zip(starts.tolist(), ends.tolist(), strict=True)],
            dtype=bool,
        )
        owners, starts, ends = owners[kept], starts[kept], ends[kept]
        inside = flat(packets.window, starts, ends)
    place = np.full(len(packets), -1)
    place[owners] = np.arange(len(owners))
    return place, owners, inside


def _fits(packets: Packets, start: int, end: int, ctx: Context) -> bool:
    try:
        for _ in fields(packets.window.data, start, end):
            pass
    except Malformed as error:
        ctx.skip(packets.window.base + error.offset, error.expected, lost=end - start)
        return False
    return True


def _annotations(packets: Packets, noted: Flat, text: Text, ctx: Context) -> Annotations:
    starts, ends = noted.start.copy(), noted.end.copy()
    try:
        return Annotations(packets.window, starts, ends, text)
    except Malformed:
        for at, (low, high) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
            if not _fits(packets, low, high, ctx):
                ends[at] = low
        return Annotations(packets.window, starts, ends, text)


def _extents(found: Flat) -> dict[int, tuple[int, int]]:
    return dict(zip(found.owner.tolist(), zip(found.start.tolist(), found.end.tolist(), strict=True), strict=True))


def _lists(found: Flat) -> dict[int, list[tuple[int, int]]]:
    lists: dict[int, list[tuple[int, int]]] = {}
    for owner, start, end in zip(found.owner.tolist(), found.start.tolist(), found.end.tolist(), strict=True):
        lists.setdefault(owner, []).append((start, end))
    return lists


def _numbers(found: Flat) -> dict[int, int]:
    return dict(zip(found.owner.tolist(), found.value.view(np.int64).tolist(), strict=True))


def _category_ids(packets: Packets, inside: Flat) -> dict[int, list[int]]:
    ids: dict[int, list[int]] = {}
    found = inside.of(3, VARINT)
    for owner, number in zip(found.owner.tolist(), found.value.tolist(), strict=True):
        ids.setdefault(owner, []).append(number)
    packed = inside.of(3, BYTES)
    for owner, start, end in zip(packed.owner.tolist(), packed.start.tolist(), packed.end.tolist(), strict=True):
        ids.setdefault(owner, []).extend(_varints(packets.window.data[start:end]))
    return ids


def _varints(data: bytes) -> list[int]:
    """The numbers of a packed field, as far as they are whole."""
    found, value, shift = [], 0, 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            found.append(value & 0xFFFF_FFFF_FFFF_FFFF)
            value = shift = 0
        elif shift > 63:
            break
    return found


def _flows(inside: Flat, count: int) -> list[int | None]:
    """The first flow of each event, as int64."""
    ids = np.zeros(count, dtype=np.uint64)
    there = np.zeros(count, dtype=bool)
    for number, wire in ((42, VARINT), (48, FIXED64), (36, VARINT), (47, FIXED64)):  # what is set last counts
        found = inside.of(number, wire)
        owner = found.owner[::-1]
        ids[owner] = found.value[::-1]
        there[owner] = True
    numbers: list[int] = ids.view(np.int64).tolist()
    return [number if known else None for number, known in zip(numbers, there.tolist(), strict=True)]


def _values(inside: Flat, count: int) -> list[float]:
    """The value of each counter event, NaN for another."""
    values = np.full(count, np.nan)
    whole = inside.of(30, VARINT)
    values[whole.owner] = whole.value.view(np.int64)
    real = inside.of(44, FIXED64)
    values[real.owner] = real.value.view(np.float64)
    found: list[float] = values.tolist()
    return found
