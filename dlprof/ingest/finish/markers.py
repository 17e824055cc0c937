"""Markers in a trace: which step an event belongs to, which host phase a thread was in.

dlprof's own (names: protocol.py) wait for the device at a step's end, so a step's work lies inside its marker. A framework's
step markers (PyTorch's `ProfilerStep#N`) do not wait: the device may run a step's kernels after the marker has ended, and
they belong to the step whose host code launched them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from dlprof import schema
from dlprof.ingest.batch import Int64, RawBatch, Track

PREFIX: Final = "dlprof:"
STEP, ITEM, PHASE, OTHER, UNAWAITED = 1, 2, 3, 4, 5
_STEP: Final = re.compile(r"dlprof:step=(\d{1,18})")
_ITEM: Final = re.compile(r"dlprof:item=(.*)[@#](\d{1,18})", re.DOTALL)
_UNAWAITED: Final = re.compile(r"ProfilerStep#(\d{1,18})")


@dataclass(frozen=True, slots=True)
class Marker:
    """What a marker's name says. kind: STEP, ITEM (a step of an op workload), UNAWAITED (a framework's own step), PHASE or
    OTHER (unsynced_step, epoch, sync)."""

    kind: int
    number: int = -1
    text: str = ""


def parse(name: str) -> Marker | None:
    """The marker behind an event name, None for any other event."""
    if not name.startswith(PREFIX):
        step = _UNAWAITED.fullmatch(name)
        return Marker(UNAWAITED, int(step.group(1))) if step else None
    if step := _STEP.fullmatch(name):
        return Marker(STEP, int(step.group(1)))
    if item := _ITEM.fullmatch(name):
        return Marker(ITEM, int(item.group(2)), item.group(1))
    word = name.removeprefix(PREFIX)
    return Marker(PHASE, text=word) if word in schema.PHASES else Marker(OTHER, text=word)


@dataclass(frozen=True, slots=True)
class Windows:
    """Disjoint step windows of one file, sorted: start and end in ps, step number, and item name code (-1 = none).

    awaited: whether the device was waited for at each step's end, so that a step's work lies inside its window.
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

    `kinds[name code]` is 0 for ordinary names. `steps[source, process]` holds (start, end, number, item code), `unawaited` the
    same of a framework's own step markers; `phases[track]` holds (start, end, code into schema.PHASES). `names`: the pool's
    list of texts; `tracks`: the pool's tracks. A profiler repeats its host markers on the device's tracks, where they span
    the kernels and not the step: those are passed over.
    """

    names: list[str]
    tracks: list[Track]
    parsed: list[Marker | None] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)
    items: list[str] = field(default_factory=list)
    steps: dict[tuple[str, str], list[tuple[int, int, int, int]]] = field(default_factory=dict)
    unawaited: dict[tuple[str, str], list[tuple[int, int, int, int]]] = field(default_factory=dict)
    phases: dict[int, list[tuple[int, int, int]]] = field(default_factory=dict)

    def look(self, batch: RawBatch, source: str) -> None:
        """Notes the markers of a batch."""
        for text in self.names[len(self.parsed) :]:
            marker = parse(text)
            self.parsed.append(marker)
            self.kinds.append(marker.kind if marker else 0)
        kinds = np.array(self.kinds, dtype=np.int8)
        for row in np.flatnonzero(kinds[batch.name]).tolist():
            self._note(batch, row, source)

    def _note(self, batch: RawBatch, row: int, source: str) -> None:
        marker = self.parsed[int(batch.name[row])]
        start = int(batch.start_ps[row])
        end = start + int(batch.duration_ps[row])
        if marker is None or marker.kind == OTHER:
            return
        if marker.kind == PHASE:
            code = schema.PHASES.index(marker.text)
            self.phases.setdefault(int(batch.track[row]), []).append((start, end, code))
            return
        track = self.tracks[int(batch.track[row])]
        if marker.kind == UNAWAITED:
            if not track.on_device:
                self.unawaited.setdefault((source, track.process), []).append((start, end, marker.number, -1))
            return
        item = -1
        if marker.kind == ITEM:
            if marker.text not in self.items:
                self.items.append(marker.text)
            item = self.items.index(marker.text)
        self.steps.setdefault((source, track.process), []).append((start, end, marker.number, item))

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


def _of(
    noted: Mapping[tuple[str, str], list[tuple[int, int, int, int]]], source: str, process: str
) -> list[tuple[int, int, int, int]]:
    """The markers of a process; of all processes of the file where none is named."""
    return [one for (file, owner), ones in noted.items() if file == source and process in ("", owner) for one in ones]
