"""Small lines of a plane, read many at a time: NumPy's cost is by the call, and some traces have thousands of short lines.

What cannot be read so (damage, a line larger than a window) is left to the reader of single lines, which tells where and why.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from dlprof.ingest.batch import Int64
from dlprof.ingest.protobuf import compiled
from dlprof.ingest.protobuf.chain import Chain, bodies, ends
from dlprof.ingest.protobuf.event_windows import EVENT_TAG, WINDOW_BYTES
from dlprof.ingest.protobuf.space import ByteFile
from dlprof.ingest.protobuf.wire import BYTES, FIXED32, FIXED64, VARINT, Malformed, Window, fields, signed
from dlprof.native import library

Extent = tuple[int, int]
_NONE: Final = np.empty(0, dtype=np.int64)
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
class Group:
    """Runs of events of small lines that are read in one window; a run is what lies side by side in one line.

    lines: of each run, what its line has said of itself before it
    number: of each run, which line of the group it is in
    rows: events of each run
    starts, ends: bodies of all events
    names: all names that the lines have
    """

    window: Window
    lines: list[Line]
    number: Int64
    rows: Int64
    starts: Int64
    ends: Int64
    names: list[bytes]

    def only(self, runs: npt.NDArray[np.bool_]) -> Group:
        """The group with some of its runs."""
        events = np.repeat(runs, self.rows)
        lines = [line for line, kept in zip(self.lines, runs.tolist(), strict=True) if kept]
        return Group(
            self.window, lines, self.number[runs], self.rows[runs], self.starts[events], self.ends[events], self.names
        )


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
    window = Window(data, base)
    functions = library.functions()
    native = None if functions is None else compiled.lines(functions, window, np.array(lines, dtype=np.int64) - base)
    return _in_python(window, lines) if native is None else _group(window, *native)


def _group(window: Window, runs: Int64, bodies: tuple[Int64, Int64], names: Int64) -> Group:
    """What the compiled part has read."""
    data = window.data
    lines = [Line(id_, data[at : at + size], time) for id_, time, at, size in zip(*runs[2:].tolist(), strict=True)]
    return Group(window, lines, runs[0], runs[1], *bodies, [data[at : at + size] for at, size in names.tolist()])


def _in_python(window: Window, extents: Sequence[Extent]) -> Group:
    """As `together`: what says what is wrong."""
    chain = Chain(window.data, window.padded, 0, window.size)
    runs: list[_Run] = []
    names: list[bytes] = []
    for number, (start, end) in enumerate(extents):
        runs.extend(_runs(window.data, chain, number, start - window.base, end - window.base, names))
    starts = np.concatenate([_NONE, *(run.starts for run in runs)])
    return Group(
        window,
        [run.line for run in runs],
        np.array([run.number for run in runs], dtype=np.int64),
        np.array([len(run.starts) for run in runs], dtype=np.int64),
        bodies(window.padded, starts),
        np.concatenate([_NONE, *(run.ends for run in runs)]),
        names,
    )


class _Run(NamedTuple):
    """Events of one line that lie side by side: what the line has said, its number, extents of the events with their tags."""

    line: Line
    number: int
    starts: Int64
    ends: Int64


def _runs(data: bytes, chain: Chain, number: int, at: int, end: int, names: list[bytes]) -> Iterator[_Run]:
    """The runs of a line; its names are added to `names`."""
    line = Line()
    while at < end:
        if data[at] == EVENT_TAG:
            starts, stop = chain.run(at, end)
            if not len(starts):
                raise Malformed(at, "an event that ends inside its line")
            yield _Run(Line(line.id, line.name, line.timestamp_ns), number, starts, ends(starts, stop))
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
            names.append(line.name)
        at = part.end
