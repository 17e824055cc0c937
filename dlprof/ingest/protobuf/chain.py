"""Where each event of a run begins and ends: the chain of lengths, found at once and then proved link by link.

Event k + 1 begins where event k ends, so the chain is sequential, and a Python step for each of millions of events costs
more than all the rest of reading. So candidates are looked for first: bytes that look like an event's tag, with a length
that leads to another such byte, and that do not lie inside an earlier candidate. Then each one's end is held against the next
one's beginning: from a true event on, every link that fits is true too. Where one does not (a few times in 2 MiB) the chain is
walked step by step until it meets a candidate. The result is exact whatever the candidates were. The compiled part, where there
is one, walks the chain.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from dlprof.ingest.batch import Int64
from dlprof.ingest.protobuf import compiled
from dlprof.ingest.protobuf.wire import varint
from dlprof.native import library

TAG: Final = 0x22
_FEW: Final = 1024
"""Bytes that are walked at once: not worth a search."""
_FIRST_STEPS: Final = 16
"""Steps to walk before the chain is looked for among the candidates; doubled each time it is not met."""

Bytes = npt.NDArray[np.uint8]

_COMMON: Final = 1 << 22
"""Larger windows are for single events of many MiB, where `_as_written` would cost memory."""
_ODD: Final = 256
"""Steps in a row after which events seem to be shaped otherwise than `_as_written` looks for."""
_NONE: Final = np.empty(0, dtype=np.int64)
_HEADS: Final = np.isin(np.arange(256), (0x08, 0x10, 0x1A))
"""Bytes that an event begins with as it is written: XEvent's metadata_id or offset_ps, TraceEvent's device, thread or name."""


def extents(data: bytes, view: Bytes, at: int, end: int) -> tuple[Int64, Int64, int]:
    """Bodies [start, end) of the run of events that begins at `at`, and where it stops: at another field, or at an event
    that is cut by `end`. view: `data` with padding. Raises `wire.Malformed` for a length that is no varint."""
    starts, stop = Chain(data, view, at, end).run(at, end)
    return bodies(view, starts), ends(starts, stop), stop


class Chain:
    """The runs of events in data[low:high]; candidates are looked for once, whatever the number of runs."""

    def __init__(self, data: bytes, view: Bytes, low: int, high: int) -> None:
        self._data, self._view, self._low, self._high = data, view, low, high
        functions = library.functions()
        self._compiled = None if functions is None else compiled.Starts(functions, view, high - low)
        self._any_shape = high - low > _COMMON
        self._looked = False

    def _look(self, tags: Callable[[Bytes, int, int], Int64]) -> None:
        """Finds the candidates among what `tags` takes for an event's tag."""
        self._looked = True
        few = self._high - self._low < _FEW
        self._starts, self._ends = (
            (_NONE, _NONE) if few else _candidates(self._view, self._high, tags(self._view, self._low, self._high))
        )
        self._breaks = np.append(np.flatnonzero(self._ends[:-1] != self._starts[1:]), len(self._starts) - 1)

    def run(self, at: int, end: int) -> tuple[Int64, int]:
        """Where the events of the run from `at` on begin, each where the one before it ends, and where it stops (see
        `extents`)."""
        found = None if self._compiled is None else self._compiled.run(at, end)
        if found is not None:
            return found
        if end - at < _FEW:
            few, stop = _walk(self._data, at, end, len(self._data))
            return np.array(few, dtype=np.int64), stop
        if not self._looked:
            self._look(_tags if self._any_shape else _as_written)
        # What reaches beyond the end is no event of this run.
        behind = int(self._ends.searchsorted(end, side="right"))
        starts, breaks = self._starts[:behind], self._breaks
        pieces: list[Int64] = []
        position, steps = at, _FIRST_STEPS
        while True:
            row = int(starts.searchsorted(position))
            if row < behind and starts[row] == position:
                last = min(int(breaks[breaks.searchsorted(row)]), behind - 1)
                pieces.append(starts[row : last + 1])
                position, steps = int(self._ends[last]), _FIRST_STEPS
            few, stop = _walk(self._data, position, end, steps)
            walked = np.array(few, dtype=np.int64)
            met = np.flatnonzero(starts.take(starts.searchsorted(walked), mode="clip") == walked) if behind else _NONE
            if len(met):
                stop = few[met[0]]
                walked = walked[: met[0]]
            pieces.append(walked)
            if not len(met) and len(few) < steps:
                return np.concatenate(pieces), stop
            position, steps = stop, 2 * steps
            if steps > _ODD and not met.size and not self._any_shape:
                self._any_shape = True
                self._look(_tags)
                rest, stop = self.run(position, end)
                return np.concatenate([*pieces, rest]), stop


def _walk(data: bytes, at: int, end: int, most: int) -> tuple[list[int], int]:
    """Starts (of the tag byte) of up to `most` events from `at` on, and where the last one ends: if there are fewer, that is at
    another field, at a cut event or at the end."""
    starts: list[int] = []
    while len(starts) < most and at + 1 < end and data[at] == TAG:
        size = data[at + 1]
        body = at + 2
        if size >= 0x80:
            if end - at < 12 and all(byte >= 0x80 for byte in data[at + 1 : end]):
                break
            size, body = varint(data, at + 1, end)
        if body + size > end:
            break
        starts.append(at)
        at = body + size
    return starts, at


def bodies(view: Bytes, starts: Int64) -> Int64:
    """Where the bodies begin of events whose tags are at `starts`."""
    body = starts + 2
    long = np.flatnonzero(view[starts + 1] >= 0x80)
    while len(long):
        body[long] += 1
        long = long[view[body[long] - 1] >= 0x80]
    return body


def ends(starts: Int64, stop: int) -> Int64:
    """Where the events of a run end: each where the next one begins."""
    behind = np.empty_like(starts)
    behind[:-1] = starts[1:]
    behind[-1:] = stop
    return behind


def _tags(view: Bytes, at: int, end: int) -> Int64:
    """Every byte in [at, end) that could be an event's tag; one in ten, for a stat has the same tag."""
    return np.flatnonzero(view[at : end - 1] == TAG) + at


def _as_written(view: Bytes, at: int, end: int) -> Int64:
    """Those behind whose length a first field stands as producers write it, metadata_id, and behind that offset_ps."""
    size = end - 1 - at
    first, second = (view[at : end + 8] == tag for tag in (0x08, 0x10))
    likely = view[at : end - 1] == TAG
    likely &= first[2 : size + 2] | first[3 : size + 3]
    near = second[4 : size + 4] | second[5 : size + 5]
    near |= second[6 : size + 6]
    near |= second[7 : size + 7]
    likely &= near
    return np.flatnonzero(likely) + at


def _candidates(view: Bytes, end: int, start: Int64) -> tuple[Int64, Int64]:
    """Starts and ends of what looks like an event before `end`, lengths of one or two bytes. start: possible tags."""
    size = view[start + 1]
    body = start + 2
    after = body + size
    long = np.flatnonzero(size >= 0x80)
    if len(long):
        high = view[body[long]].astype(np.int64)
        body[long] += 1
        after[long] = body[long] + ((high << 7) | (size[long] & 0x7F))
        after[long[high >= 0x80]] = end
    likely = np.flatnonzero((_HEADS[view[body]] | (after == body)) & (after < end))
    start, after = start[likely], after[likely]
    linked = np.flatnonzero(view[after] == TAG)
    start, after = start[linked], after[linked]
    outermost = np.ones(len(start), dtype=bool)
    outermost[1:] = start[1:] >= np.maximum.accumulate(after)[:-1]
    return start[outermost], after[outermost]
