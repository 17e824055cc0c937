"""Host: what the time in which no work ran was spent on, as far as recorded events tell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from dlprof import names
from dlprof.analysis import columns, intervals
from dlprof.analysis.columns import Bools
from dlprof.analysis.intervals import Union
from dlprof.analysis.model import LineKind
from dlprof.analysis.trace import steps
from dlprof.names import Marker

COLLECTION: Final = "garbage collection"
INPUT: Final = "input pipeline"
BETWEEN: Final = "runtime between operators"
GAPS: Final = "launch gaps"
SYNC: Final = "synchronisation"
LAUNCH: Final = "kernel launches"
DISPATCH: Final = "framework dispatch"
PYTHON: Final = "Python between calls"
UNEXPLAINED: Final = "unexplained"

KINDS: Final[Mapping[str, LineKind]] = {
    COLLECTION: "dispatch",
    INPUT: "input",
    BETWEEN: "dispatch",
    GAPS: "launch",
    SYNC: "sync",
    LAUNCH: "launch",
    DISPATCH: "dispatch",
    PYTHON: "dispatch",
    UNEXPLAINED: "unexplained",
}

REASONS: Final[Mapping[str, str]] = {
    COLLECTION: "Python collected its garbage and no work ran",
    INPUT: "the host was in its input phase (dlprof:input, or input operators) and no work ran",
    BETWEEN: "the host waited, and between two operators of the step none ran",
    GAPS: "the host waited with work still to come, and the device ran none",
    SYNC: "the host waited after the last work of the step",
    LAUNCH: "the host was in a launch call and the device ran nothing",
    DISPATCH: "the host was in calls of the framework and no work ran",
    PYTHON: "the host was in a phase that dlprof marked, but in no recorded call, and no work ran",
    UNEXPLAINED: "no recorded event tells what happened",
}

_WAIT: Final = re.compile(r"Wait(All|ToRead|ToWrite|ForVar)|Synchronize|EventQuery")
_LAUNCH: Final = re.compile(r"Launch")
PHASE_MARKERS: Final = tuple(str(Marker("phase", text=phase)) for phase in ("forward", "loss", "backward", "optimizer"))


@dataclass(frozen=True, slots=True)
class Idle:
    """The frame's time without work, split without overlap; parts in order of precedence, `unexplained` last.

    waits: how often the host waited in the frame, whether or not work ran meanwhile
    """

    frame: Union
    work: Union
    parts: Mapping[str, Union]
    waits: int = 0


def split(events: pa.Table) -> Idle:
    """Split the time of the frame (steps.span) in which no work ran by what recorded host events cover of it.

    Precedence: collections of garbage, input, waiting, launches, other calls, the code of the step. A step's or an epoch's
    own marker is no evidence: it covers everything and explains nothing.
    """
    frame, times, mask = steps.span(events), steps.Times.of(events), steps.work(events)
    work = intervals.union(times.start[mask], times.end[mask]).within(frame)
    free = work.gaps(frame)
    evidence = _evidence(events, mask)
    parts: dict[str, Union] = {}
    for name, rows in evidence.items():
        covered = intervals.union(times.start[rows], times.end[rows]).within(free)
        if name == SYNC:
            before = covered.within(_until_last_work(work, frame))
            parts[GAPS if _has_kernels(events) else BETWEEN] = before
            parts[SYNC] = before.gaps(covered)
        else:
            parts[name] = covered
        free = covered.gaps(free)
    parts[UNEXPLAINED] = free
    called = evidence[SYNC] & ~columns.text(events, "level").where("marker")
    return Idle(frame, work, parts, len(np.unique(intervals.clip(times.start[called], times.end[called], frame)[0])))


def _has_kernels(events: pa.Table) -> bool:
    return bool(columns.text(events, "level").where("kernel").any())


def _evidence(events: pa.Table, work: Bools) -> dict[str, Bools]:
    """Rows behind each part, by precedence."""
    level, name = columns.text(events, "level"), columns.text(events, "name")
    marker, api = level.where("marker"), level.where("api")
    if _has_kernels(events):
        api |= level.where("op", "copy") & ~work
    waits = level.where("sync") & ~work
    waits |= api & name.flags([bool(_WAIT.search(value)) for value in name.values])
    waits |= marker & name.where(names.SYNC)
    return {
        COLLECTION: marker & name.where(names.COLLECTION),
        INPUT: (marker & name.where(names.INPUT)) | (api & columns.text(events, "phase").where("input")),
        SYNC: waits,
        LAUNCH: api & name.flags([bool(_LAUNCH.search(value)) for value in name.values]) & _has_kernels(events),
        DISPATCH: api,
        PYTHON: marker & name.where(*PHASE_MARKERS, names.CALL),
    }


def _until_last_work(work: Union, frame: Union) -> Union:
    """For each window of the frame, its part up to the end of the last work in it."""
    window, _, end = intervals.clip(work.start, work.end, frame)
    del window
    index = np.searchsorted(frame.start, end, side="left") - 1
    last = frame.start.copy()
    np.maximum.at(last, index, end)
    return intervals.union(frame.start, last)
