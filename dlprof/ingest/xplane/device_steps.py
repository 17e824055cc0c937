"""An accelerator's own steps: its line `Steps`, read before its other lines, which it says the step of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from dlprof.ingest.batch import NO_INT, Int64
from dlprof.ingest.protobuf.event_windows import EVENT_TAG, Events, parse, windows
from dlprof.ingest.protobuf.small_lines import Line
from dlprof.ingest.protobuf.space import ByteFile, Plane
from dlprof.ingest.protobuf.wire import BYTES, VARINT, Field, signed
from dlprof.units import PS_PER_NS

_STEP: Final = "step_num"
_NUMBER_KINDS: Final = (3, 4)
"""Kinds of a stat's value that are integers: field numbers of XStat's oneof."""


@dataclass(frozen=True, slots=True)
class DeviceSteps:
    """Disjoint windows in order: start and end in ps from the file's origin, step number."""

    start: Int64
    end: Int64
    number: Int64

    def of(self, start: Int64) -> Int64 | None:
        """The step in which each event begins, NO_INT for none; None where the device has no steps."""
        if not len(self.start):
            return None
        index = np.searchsorted(self.start, start, side="right") - 1
        inside = (index >= 0) & (start < self.end[index])
        return np.where(inside, self.number[index], NO_INT)


def head(file: ByteFile, start: int, end: int, line: Line) -> None:
    """Reads what a line says of itself before its events. Raises `Malformed`."""
    for part in file.walk(start, end):
        if part.number == 4:
            return
        _note(file, part, line)


def whole(file: ByteFile, start: int, end: int, line: Line) -> Iterator[Events]:
    """All events of a line; what it says of itself behind them is noted too. Raises `Malformed`."""
    at = start
    while at < end:
        if file.at(at, 1) == bytes([EVENT_TAG]):
            at = yield from windows(file, at, end, parse)
            continue
        part = next(file.walk(at, end))
        _note(file, part, line)
        at = part.end


def _note(file: ByteFile, part: Field, line: Line) -> None:
    if part.number == 3 and part.wire == VARINT:
        line.timestamp_ns = signed(part.value)
    elif part.wire == BYTES and (part.number == 2 or (part.number == 11 and not line.name)):
        line.name = file.content(part)


def collected(plane: Plane, pieces: list[tuple[int, Events]]) -> DeviceSteps:
    """The steps of a plane. pieces: zero in ns from the file's origin and events of its `Steps` lines.

    Each step is numbered by its stat `step_num`, else by its name.
    """
    stat_ids = [id_ for id_, name in plane.stat_names.items() if name == _STEP]
    rows: list[tuple[int, int, int]] = []
    for base_ns, events in pieces:
        stats = events.stats
        told = np.isin(stats.id, stat_ids) & np.isin(stats.kind, _NUMBER_KINDS)
        numbers = dict(zip(stats.event[told].tolist(), stats.value[told].view(np.int64).tolist(), strict=True))
        times = zip(events.metadata_id.tolist(), events.offset_ps.tolist(), events.duration_ps.tolist(), strict=True)
        for row, (id_, offset, duration) in enumerate(times):
            number = numbers.get(row, _named(plane, id_))
            start = base_ns * PS_PER_NS + offset
            if number is not None and duration > 0 and 0 <= number < 2**62 and abs(start) + duration < 2**62:
                rows.append((start, start + duration, number))
    rows.sort()
    kept: list[tuple[int, int, int]] = []
    for each in rows:
        if not kept or each[0] >= kept[-1][1]:
            kept.append(each)
    table = np.array(kept, dtype=np.int64).reshape(-1, 3)
    return DeviceSteps(table[:, 0], table[:, 1], table[:, 2])


def _named(plane: Plane, id_: int) -> int | None:
    name = plane.events[id_].name if id_ in plane.events else ""
    return int(name) if name.isascii() and name.isdigit() and len(name) <= 18 else None
