"""Markers in a trace (names.Marker): which step an event belongs to, which host phase a thread was in.

dlprof's own wait for the device at a step's end, so a step's work lies inside its marker. A framework's step markers
(PyTorch's `ProfilerStep#N`) do not wait: the device may run a step's kernels after the marker has ended, and they belong to
the step whose host code launched them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import repeat
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from dlprof import schema
from dlprof.ingest.batch import LEVEL, NO_INT, NO_TEXT, Int32, Int64, RawBatch, Track
from dlprof.names import Marker
from dlprof.native import sums as native

_MANY: Final = 1024
"""Rows from which on it pays to ask whether they are in order."""
_HIGHEST: Final = 2**62
"""Step number up to which steps are counted on."""


class Windows(msgspec.Struct, frozen=True):
    """Disjoint step windows of one file, sorted: start and end in ps, step number, and item name code (-1 = none).

    awaited: whether the device was waited for at each step's end, so that a step's work lies inside its window
    written: the number that each marker bears. A framework's begin again with each epoch or each kind of step (training,
        evaluation): then `number` counts on, so that no two steps have one
    """

    start: Int64
    end: Int64
    number: Int64
    item: Int64
    awaited: bool = True
    written: Int64 = msgspec.field(default_factory=lambda: np.empty(0, np.int64))

    @property
    def again(self) -> int:
        """Steps that bear the number of an earlier one."""
        return int(np.count_nonzero(self.number != self.written)) if len(self.written) else 0

    def numbered(self, written: Int64, at: Int64) -> Int64:
        """The number of the step that `written` is at each time: of the steps that bear it the last that had begun."""
        return last_begun(written, at, self.written, self.start, self.number) if self.again else written

    def containing(self, start: Int64, end: Int64) -> Int64:
        """Index of the window that holds all of each [start, end], -1 for none. Shape (n,)."""
        if not len(self.start):
            return np.full(len(start), -1, dtype=np.int64)
        index = last_not_after(self.start, start)
        inside = (index >= 0) & (end <= self.end[index])
        return np.where(inside, index, -1)


class MarkerLog(msgspec.Struct):
    """Collects markers while batches pass by, since a step's end is known only after the ops inside it were read.

    A profiler repeats its host markers on the device's tracks, where they span the kernels and not the step: those
    are passed over. Steps that a device's own line numbers (TPUs) are those of that device alone.

    names: the pool's list of texts, by name code
    tracks: the pool's tracks
    parsed: the marker of each name, None for ordinary ones; marks: whether it has one
    items: names of items, by item code
    steps: by source and process, (start, end, number, item code, track) of each synchronised step; item code -1
        for a network's
    unawaited: the same of a framework's own step markers
    on_devices: by source and device, (start, end, number) of the steps that the device's own line tells
    phases: by track, (start, end, code into schema.PHASES) of each host phase
    """

    names: list[str]
    tracks: list[Track]
    parsed: list[Marker | None] = msgspec.field(default_factory=list)
    marks: npt.NDArray[np.bool_] = msgspec.field(default_factory=lambda: np.zeros(0, dtype=np.bool_))
    items: list[str] = msgspec.field(default_factory=list)
    steps: dict[tuple[str, str], list[tuple[int, int, int, int, int]]] = msgspec.field(default_factory=dict)
    unawaited: dict[tuple[str, str], list[tuple[int, int, int, int, int]]] = msgspec.field(default_factory=dict)
    on_devices: dict[tuple[str, str], list[tuple[int, int, int]]] = msgspec.field(default_factory=dict)
    phases: dict[int, list[tuple[int, int, int]]] = msgspec.field(default_factory=dict)

    def look(self, batch: RawBatch, source: str) -> None:
        """Notes the markers of a batch."""
        for text in self.names[len(self.parsed) :]:
            self.parsed.append(Marker.parse(text))
        if len(self.marks) < len(self.parsed):
            self.marks = np.array([marker is not None for marker in self.parsed], dtype=np.bool_)
        marked = native.marked(batch.name, self.marks)
        if marked is None:
            marked = np.flatnonzero(self.marks[batch.name])
        for rows in _alike(marked, batch.name[marked], batch.track[marked]):
            start = batch.start_ps[rows]
            end = start + batch.duration_ps[rows]
            marker, code = self.parsed[batch.name[rows[0]]], int(batch.track[rows[0]])
            self._note(marker, start.tolist(), end.tolist(), code, source)
        if batch.step is not None and batch.level is not None:
            rows = np.flatnonzero((batch.step != NO_INT) & (batch.level == LEVEL["marker"]))
            start = batch.start_ps[rows]
            told = (batch.step[rows], start, start + batch.duration_ps[rows], batch.track[rows])
            for number, begin, end, code in zip(*(column.tolist() for column in told), strict=True):
                track = self.tracks[code]
                if track.on_device:
                    self.on_devices.setdefault((source, track.device), []).append((begin, end, number))
                else:
                    self.unawaited.setdefault((source, track.process), []).append((begin, end, number, -1, code))

    def _note(self, marker: Marker | None, start: list[int], end: list[int], code: int, source: str) -> None:
        """Notes the rows of a track whose name is that of a marker. They are put in order when they are asked for."""
        if marker is None:
            return
        if marker.kind == "phase":
            phase = repeat(schema.PHASES.index(marker.text))
            self.phases.setdefault(code, []).extend(zip(start, end, phase, strict=False))
        track = self.tracks[code]
        if marker.kind == "profiler_step" and not track.on_device:
            these = zip(start, end, repeat(marker.number), repeat(-1), repeat(code), strict=False)
            self.unawaited.setdefault((source, track.process), []).extend(these)
        if marker.kind not in ("step", "item") or not marker.synchronised:
            return
        item = -1
        if marker.kind == "item":
            if marker.text not in self.items:
                self.items.append(marker.text)
            item = self.items.index(marker.text)
        these = zip(start, end, repeat(marker.number), repeat(item), repeat(code), strict=False)
        self.steps.setdefault((source, track.process), []).extend(these)

    def phase_at(self, track: int, start: Int64, end: Int64) -> Int32:
        """Code into schema.PHASES of the phase marker of a track that holds all of each [start, end], NO_TEXT for none."""
        spans = np.array(sorted(self.phases.get(track, [])), dtype=np.int64).reshape(-1, 3)
        if not len(spans):
            return np.full(len(start), NO_TEXT, dtype=np.int32)
        index = np.searchsorted(spans[:, 0], start, side="right") - 1
        inside = (index >= 0) & (end <= spans[index, 1])
        return np.where(inside, spans[index, 2], NO_TEXT).astype(np.int32)

    def launch_phases(self, launches: Int64) -> Int32:
        """The phase marker that each launch lies in on its own thread. launches: rows of track, start, NO_INT for none."""
        found = np.full(launches.shape[1], NO_TEXT, dtype=np.int32)
        for track in self.phases:
            rows = np.flatnonzero(launches[0] == track)
            found[rows] = self.phase_at(track, launches[1][rows], launches[1][rows])
        return found

    def windows(self, source: str, process: str = "") -> tuple[Windows, int]:
        """The step windows of a file, or of one process of a file that holds several ranks; and how many markers were left
        out because they overlap an earlier one.

        dlprof's own markers come before a framework's, which may stand beside them.
        """
        found = _of(self.steps, source, process)
        awaited = bool(found)
        found = found or _of(self.unawaited, source, process)
        places = dict(sorted(((*one[:4],), one[4]) for one in reversed(found)))
        rows = np.array(list(places), dtype=np.int64).reshape(-1, 4)
        if not len(rows):
            none = np.empty(0, np.int64)
            return Windows(none, none, none, none), 0
        reach = np.concatenate([[np.iinfo(np.int64).min], np.maximum.accumulate(rows[:, 1])[:-1]])
        clear = rows[:, 0] >= reach
        start, end, number, item = rows[clear].T
        track = np.array(list(places.values()), dtype=np.int64)[clear]
        counted = number if awaited else counted_on(number, track)
        return Windows(start, end, counted, item, awaited, number), int(np.count_nonzero(~clear))

    def on_device(self, track: Track, start: Int64, told: Int64) -> Int64:
        """`told`, or where that tells no step the one of the track's device in which a row begins."""
        spans = self.on_devices.get((track.source, track.device))
        if not spans:
            return told
        begin, end, written = np.array(sorted(spans), dtype=np.int64).T
        number = counted_on(written, np.zeros_like(written))
        index = np.searchsorted(begin, start, side="right") - 1
        inside = (told == NO_INT) & (index >= 0) & (start < end[index])
        if (number != written).any():
            told = last_begun(told, start, written, begin, number)
        return np.where(inside, number[index], told)


def _alike(rows: Int64, name: Int32, track: Int32) -> Iterator[Int64]:
    """Rows that share name and track, in the order of the first ones."""
    if not len(rows):
        return
    key = name.astype(np.int64) << 32 | track
    order = np.argsort(key, kind="stable")
    edges = np.flatnonzero(np.diff(key[order])) + 1
    yield from sorted(np.split(rows[order], edges), key=lambda these: int(these[0]))


def last_not_after(known: Int64, at: Int64) -> Int64:
    """Index of the last of `known`, which are in order, that is not after each of `at`; -1 for none. Shape (n,).

    Where there are many of `at` and these are in order too, as the rows of a track are, each of `known` is looked for among them.
    """
    if len(at) < _MANY or not (at[1:] >= at[:-1]).all():
        return (np.searchsorted(known, at, side="right") - 1).astype(np.int64, copy=False)
    low, high = np.searchsorted(known, at[[0, -1]], side="right").tolist()
    reached = np.bincount(np.searchsorted(at, known[low:high]), minlength=len(at))
    reached[0] += low - 1
    return np.cumsum(reached, dtype=np.int64)


def counted_on(written: Int64, track: Int64) -> Int64:
    """Numbers of steps in order of time, no two alike: where one was there before, counting goes on from the highest so far.

    track: where each was marked; a step that two threads mark one after the other is one.
    """
    found = written.copy()
    if (np.diff(np.sort(written)) != 0).all():  # np.unique would load numpy.ma, as long as reading 4 MB of trace
        return found
    used: set[int] = set()
    shift = most = 0
    for at, (number, place) in enumerate(zip(written.tolist(), track.tolist(), strict=True)):
        if at and number == written[at - 1] and place != track[at - 1]:
            found[at] = found[at - 1]
            continue
        if number + shift in used:
            shift = most + 1 - number
        if number + shift > _HIGHEST:
            return written.copy()
        found[at] = number + shift
        used.add(number + shift)
        most = max(most, number + shift)
    return found


def last_begun(written: Int64, at: Int64, numbers: Int64, start: Int64, result: Int64) -> Int64:
    """For each (written, at) the `result` of the last of `numbers` that is the same and had begun; of the first such where
    none had, and `written` itself where there is none."""
    order = np.lexsort((start, numbers))
    keys = np.concatenate([numbers, written])
    when = np.concatenate([start, at])
    asked = np.repeat([0, 1], [len(numbers), len(written)])
    merged = np.lexsort((asked, when, keys))
    behind = np.cumsum(asked[merged] == 0)
    place = np.empty(len(keys), dtype=np.int64)
    place[merged] = behind
    last = place[len(numbers) :] - 1
    first = np.searchsorted(numbers[order], written)
    index = order[np.clip(np.maximum(last, first), 0, len(order) - 1)]
    return np.where(numbers[index] == written, result[index], written)


def _of(
    noted: Mapping[tuple[str, str], list[tuple[int, int, int, int, int]]], source: str, process: str
) -> list[tuple[int, int, int, int, int]]:
    """The markers of a process; of all processes of the file where none is named."""
    return [one for (file, owner), ones in noted.items() if file == source and process in ("", owner) for one in ones]
