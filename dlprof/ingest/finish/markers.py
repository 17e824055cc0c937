"""Markers in a trace (names.Marker): which step an event belongs to, which host phase a thread was in.

dlprof's own wait for the device at a step's end, so a step's work lies inside its marker. A framework's step markers
(PyTorch's `ProfilerStep#N`) do not wait: the device may run a step's kernels after the marker has ended, and they belong to
the step whose host code launched them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from dlprof import schema
from dlprof.ingest.batch import LEVEL, NO_INT, NO_TEXT, Int32, Int64, RawBatch, Track
from dlprof.names import Marker


@dataclass(frozen=True, slots=True)
class Windows:
    """Disjoint step windows of one file, sorted: start and end in ps, step number, and item name code (-1 = none).

    awaited: whether the device was waited for at each step's end, so that a step's work lies inside its window
    """

    start: Int64
    end: Int64
    number: Int64
    item: Int64
    awaited: bool = True

    def containing(self, start: Int64, end: Int64) -> Int64:
        """Index of the window that holds all of each [start, end], -1 for none. Shape (n,)."""
        if not len(self.start):
            return np.full(len(start), -1, dtype=np.int64)
        index = np.searchsorted(self.start, start, side="right") - 1
        inside = (index >= 0) & (end <= self.end[index])
        return np.where(inside, index, -1).astype(np.int64)


@dataclass(slots=True)
class MarkerLog:
    """Collects markers while batches pass by, since a step's end is known only after the ops inside it were read.

    A profiler repeats its host markers on the device's tracks, where they span the kernels and not the step: those
    are passed over. Steps that a device's own line numbers (TPUs) are those of that device alone.

    names: the pool's list of texts, by name code
    tracks: the pool's tracks
    parsed: the marker of each name, None for ordinary ones
    items: names of items, by item code
    steps: by source and process, (start, end, number, item code) of each synchronised step; item code -1 for a
        network's
    unawaited: the same of a framework's own step markers
    on_devices: by source and device, (start, end, number) of the steps that the device's own line tells
    phases: by track, (start, end, code into schema.PHASES) of each host phase
    """

    names: list[str]
    tracks: list[Track]
    parsed: list[Marker | None] = field(default_factory=list)
    items: list[str] = field(default_factory=list)
    steps: dict[tuple[str, str], list[tuple[int, int, int, int]]] = field(default_factory=dict)
    unawaited: dict[tuple[str, str], list[tuple[int, int, int, int]]] = field(default_factory=dict)
    on_devices: dict[tuple[str, str], list[tuple[int, int, int]]] = field(default_factory=dict)
    phases: dict[int, list[tuple[int, int, int]]] = field(default_factory=dict)

    def look(self, batch: RawBatch, source: str) -> None:
        """Notes the markers of a batch."""
        for text in self.names[len(self.parsed) :]:
            self.parsed.append(Marker.parse(text))
        marks = np.array([marker is not None for marker in self.parsed], dtype=np.bool_)
        for row in np.flatnonzero(marks[batch.name]).tolist():
            self._note(batch, row, source)
        if batch.step is not None and batch.level is not None:
            for row in np.flatnonzero((batch.step != NO_INT) & (batch.level == LEVEL["marker"])).tolist():
                start = int(batch.start_ps[row])
                end = start + int(batch.duration_ps[row])
                track, number = self.tracks[int(batch.track[row])], int(batch.step[row])
                if track.on_device:
                    self.on_devices.setdefault((source, track.device), []).append((start, end, number))
                else:
                    self.unawaited.setdefault((source, track.process), []).append((start, end, number, -1))

    def _note(self, batch: RawBatch, row: int, source: str) -> None:
        marker = self.parsed[int(batch.name[row])]
        start = int(batch.start_ps[row])
        end = start + int(batch.duration_ps[row])
        if marker is None:
            return
        if marker.kind == "phase":
            code = schema.PHASES.index(marker.text)
            self.phases.setdefault(int(batch.track[row]), []).append((start, end, code))
        track = self.tracks[int(batch.track[row])]
        if marker.kind == "profiler_step" and not track.on_device:
            self.unawaited.setdefault((source, track.process), []).append((start, end, marker.number, -1))
        if marker.kind not in ("step", "item") or not marker.synchronised:
            return
        item = -1
        if marker.kind == "item":
            if marker.text not in self.items:
                self.items.append(marker.text)
            item = self.items.index(marker.text)
        self.steps.setdefault((source, track.process), []).append((start, end, marker.number, item))

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
        rows = np.array(sorted(set(found)), dtype=np.int64).reshape(-1, 4)
        if not len(rows):
            none = np.empty(0, np.int64)
            return Windows(none, none, none, none), 0
        reach = np.concatenate([[np.iinfo(np.int64).min], np.maximum.accumulate(rows[:, 1])[:-1]])
        clear = rows[:, 0] >= reach
        kept = rows[clear]
        return Windows(kept[:, 0], kept[:, 1], kept[:, 2], kept[:, 3], awaited), int(np.count_nonzero(~clear))

    def on_device(self, track: Track, start: Int64, told: Int64) -> Int64:
        """`told`, or where that tells no step the one of the track's device in which a row begins."""
        spans = self.on_devices.get((track.source, track.device))
        if not spans:
            return told
        begin, end, number = np.array(sorted(spans), dtype=np.int64).T
        index = np.searchsorted(begin, start, side="right") - 1
        inside = (told == NO_INT) & (index >= 0) & (start < end[index])
        return np.where(inside, number[index], told)


def _of(
    noted: Mapping[tuple[str, str], list[tuple[int, int, int, int]]], source: str, process: str
) -> list[tuple[int, int, int, int]]:
    """The markers of a process; of all processes of the file where none is named."""
    return [one for (file, owner), ones in noted.items() if file == source and process in ("", owner) for one in ones]
