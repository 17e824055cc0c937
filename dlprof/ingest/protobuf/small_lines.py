"""Small lines of a plane, read many at a time: NumPy's cost is by the call, and some traces have thousands of short lines.

What cannot be read so (damage, a line larger than a window) is left to the reader of single lines, which tells where and why.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from dlprof.ingest.batch import Int64
from dlprof.ingest.protobuf.chain import Chain, bodies, ends
from dlprof.ingest.protobuf.event_windows import EVENT_TAG, WINDOW_BYTES
from dlprof.ingest.protobuf.space import ByteFile
from dlprof.ingest.protobuf.wire import BYTES, FIXED32, FIXED64, VARINT, Malformed, Window, fields, signed

Extent = tuple[int, int]
_WIRES: Final = (VARINT, BYTES, FIXED64, FIXED32)


@dataclass(slots=True)
class Line:
    """What a line says of itself, as far as it is read.

    name: UTF-8 as written
    """

    id: int = 0
    name: bytes = b""
    timestamp_ns: int = 0

    @property
    def text(self) -> str:
        """The name; the reader counts what is not UTF-8."""
        return self.name.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Run:
    """Events of one line that lie side by side in the file.

    line: what the line has said of itself before them
    number: which line of its group
    starts, ends: extents of the events, with their tags
    """

    line: Line
    number: int
    starts: Int64
    ends: Int64


@dataclass(slots=True)
class Group:
    """Small lines that are read in one window.

    names: all names that they have
    """

    window: Window
    runs: list[Run] = field(default_factory=list)
    names: list[bytes] = field(default_factory=list)

    def events(self, runs: Sequence[Run]) -> tuple[Int64, Int64]:
        """Bodies [start, end) of the events of some of the runs, in order."""
        starts = np.concatenate([run.starts for run in runs])
        return bodies(self.window.bytes, starts), np.concatenate([run.ends for run in runs])


def groups(lines: Sequence[Extent]) -> Iterator[list[Extent]]:
    """Lines that follow each other and fit a window together, a larger one by itself."""
    first = 0
    for index in range(1, len(lines) + 1):
        if index == len(lines) or lines[index][1] - lines[first][0] > WINDOW_BYTES:
            yield list(lines[first:index])
            first = index


def together(file: ByteFile, lines: Sequence[Extent]) -> Group:
    """The lines' runs of events. Raises `Malformed` where they are too large or one of them is not whole; its offset means
    nothing."""
    base, end = lines[0][0], lines[-1][1]
    if end - base > WINDOW_BYTES:
        raise Malformed(0, f"lines of {WINDOW_BYTES} bytes at most")
    data = file.at(base, end - base)
    if len(data) < end - base:
        raise Malformed(len(data), "the rest of a line")
    group = Group(Window(data, base))
    chain = Chain(data, group.window.bytes, 0, len(data))
    for number, (start, stop) in enumerate(lines):
        _read(group, chain, number, start - base, stop - base)
    return group


def begun(runs: Sequence[Run]) -> Int64:
    """For each event of the runs, one behind the other, the place of the first one of its line."""
    rows = np.array([len(run.starts) for run in runs])
    first = np.cumsum(rows) - rows
    again = np.array([run.number for run in runs])
    return np.repeat(first[np.searchsorted(again, again)], rows)


def _read(group: Group, chain: Chain, number: int, at: int, end: int) -> None:
    data, line = group.window.data, Line()
    while at < end:
        if data[at] == EVENT_TAG:
            starts, stop = chain.run(at, end)
            if not len(starts):
                raise Malformed(at, "an event that ends inside its line")
            told = Line(line.id, line.name, line.timestamp_ns)
            group.runs.append(Run(told, number, starts, ends(starts, stop)))
            at = stop
            continue
        part = next(fields(data, at, end))
        if part.number == 0 or part.wire not in _WIRES:
            raise Malformed(at, "a protobuf field")
        if part.number == 1 and part.wire == VARINT:
            line.id = signed(part.value)
        elif part.number == 3 and part.wire == VARINT:
            line.timestamp_ns = signed(part.value)
        elif part.wire == BYTES and (part.number == 2 or (part.number == 11 and not line.name)):
            line.name = data[part.start : part.end]
            group.names.append(line.name)
        at = part.end
