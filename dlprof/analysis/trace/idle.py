"""Idle: what the time without work belongs to, that is the phase of the step and the calls and operators that were asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from dlprof.analysis import columns, intervals
from dlprof.analysis.columns import NULL, Bools, Ints, Text
from dlprof.analysis.intervals import Union
from dlprof.analysis.trace import host, row_keys, steps
from dlprof.names import PREFIX

Place = tuple[str, str | None]
"""Part (host.KINDS) and phase; None where no phase is told, or where the part is not divided."""

DIVIDED: Final = (host.BETWEEN, host.GAPS, host.LAUNCH, host.DISPATCH, host.PYTHON)
"""Parts that are divided by phase. Input has its own; waiting after the last work, and a collection of garbage, are of none."""

_BY_MARKERS: Final = (host.DISPATCH, host.PYTHON)
"""Parts in which the host does something itself: its own phase goes before that of the work that follows."""

_FOLLOWED: Final = tuple(part for part in DIVIDED if part != host.PYTHON)
"""Parts that are of the work that follows. Python before it may be anything: nothing is guessed of it."""

_BOOKKEEPING: Final = "bookkeeping"


@dataclass(frozen=True, slots=True)
class Asked:
    """Calls and operators of a trace's frame by name, and how long the host was idle for them.

    counts: how often in the frame
    ps: place → idle time within calls of this name, or (Python, which is in no call) before one; and before operators of it
    """

    counts: Mapping[str, int]
    ps: Mapping[Place, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Divided:
    """Time without work by place, ps; sums to what host.split gives."""

    ps: Mapping[Place, int]
    calls: Asked
    ops: Asked


def divide(events: pa.Table, idle: host.Idle) -> Divided:
    """Divide idle time by phase: the one that the host had marked (its dispatch, its Python), else that of the next work of the
    step. Before the step's first work, and after its last, there is no phase but a marked one: which operator an executor
    starts first says nothing of what it is told to do.
    """
    marked = _marked(events)
    following = _Following.of(events, idle.frame)
    calls = _Calls.of(events, idle.frame)
    found: dict[Place, Union] = {}
    for part, whole in idle.parts.items():
        rest = whole
        for phase, union in marked.items() if part in _BY_MARKERS else ():
            found[part, phase] = rest.within(union)
            rest = found[part, phase].gaps(rest)
        for next_phase, union in following.phases(rest).items() if part in _FOLLOWED else ():
            found[part, next_phase] = _joined(found.get((part, next_phase)), union)
        if part not in _FOLLOWED:
            found[part, None] = rest
    found = {place: union for place, union in found.items() if union.length}
    return Divided(
        ps={place: union.length for place, union in found.items()},
        calls=Asked(calls.counts(), {place: calls.idle(place[0], union) for place, union in found.items()}),
        ops=Asked(following.counts(), {place: following.idle(union) for place, union in found.items()}),
    )


def _joined(one: Union | None, other: Union) -> Union:
    if one is None:
        return other
    return intervals.union(np.append(one.start, other.start), np.append(one.end, other.end))


def _marked(events: pa.Table) -> dict[str, Union]:
    """Phase → when the host was in its marker."""
    name, times = columns.text(events, "name"), steps.Times.of(events)
    marker = columns.text(events, "level").where("marker")
    found = {}
    for text in host.PHASE_MARKERS:
        rows = marker & name.where(text)
        if rows.any():
            found[text.removeprefix(PREFIX)] = intervals.union(times.start[rows], times.end[rows])
    return found


def _sums(names: Text, codes: Ints, values: Ints) -> dict[str, int]:
    """Sum of values by name, those above 0."""
    total: Any = np.zeros(len(names.values) + 1, dtype=np.int64)
    np.add.at(total, codes, values)
    return {value: int(total[code]) for code, value in enumerate(names.values) if total[code] > 0}


@dataclass(frozen=True, slots=True)
class _Following:
    """Work in order of its start, for what comes after an instant.

    told: positions of the work that is no bookkeeping
    first: of each window of the frame, when its first work starts (its end, where it has none)
    """

    frame: Union
    start: Ints
    op: Text
    phase: Text
    calls: Ints
    told: Ints
    first: Ints

    @classmethod
    def of(cls, events: pa.Table, frame: Union) -> _Following:
        mask, start = steps.work(events), columns.integers(events, "start_ps")
        window = np.searchsorted(frame.start, start, side="right") - 1
        mask &= (window >= 0) & (start < np.append(frame.end, np.iinfo(np.int64).min)[window])
        op, phase = (row_keys.key(events, mask, name) for name in ("op", "phase"))
        order = np.argsort(start[mask], kind="stable")
        first = frame.end.copy()
        np.minimum.at(first, window[mask], start[mask])
        told = np.flatnonzero(~phase.where(_BOOKKEEPING)[order])
        return cls(
            frame=frame,
            start=start[mask][order],
            op=Text(op.codes[order], op.values),
            phase=Text(phase.codes[order], phase.values),
            calls=columns.integers(events, "calls")[mask][order],
            told=told,
            first=first,
        )

    def counts(self) -> dict[str, int]:
        """Operator → its calls."""
        return _sums(self.op, self.op.codes, self.calls)

    def phases(self, idle: Union) -> dict[str | None, Union]:
        """Idle time by the phase of the work that follows in the same window of the frame."""
        at = self._next(self.start[self.told], idle.start)
        codes = np.append(self.phase.codes[self.told], NULL)[at]
        window = np.searchsorted(self.frame.start, idle.start, side="right") - 1
        codes = np.where(idle.start < self.first[window], NULL, codes) if len(window) else codes
        return {
            None if code == NULL else self.phase.values[code]: intervals.union(
                idle.start[codes == code], idle.end[codes == code]
            )
            for code in np.unique(codes).tolist()
        }

    def idle(self, idle: Union) -> dict[str, int]:
        """Operator → idle time right before one of its calls."""
        at = self._next(self.start, idle.start)
        return _sums(self.op, np.append(self.op.codes, NULL)[at], idle.end - idle.start)

    def _next(self, starts: Ints, moments: Ints) -> Ints:
        """Position of the first start at or after each moment, in the same window of the frame; NULL where there is none."""
        at = np.searchsorted(starts, moments, side="left")
        window = np.searchsorted(self.frame.start, moments, side="right") - 1
        last = np.append(self.frame.end, NULL)[window]
        inside = np.append(starts, np.iinfo(np.int64).max)[at] < last
        return np.where(inside, at, NULL)


@dataclass(frozen=True, slots=True)
class _Calls:
    """The host's recorded calls in the frame, in order of their start."""

    frame: Union
    start: Ints
    end: Ints
    name: Text

    @classmethod
    def of(cls, events: pa.Table, frame: Union) -> _Calls:
        times, mask = steps.Times.of(events), _calls(events)
        mask &= (frame.covered(times.end) > frame.covered(times.start)) if len(frame.start) else False
        order = np.argsort(times.start[mask], kind="stable")
        name = columns.text(events, "name")
        codes = name.codes[mask][order]
        return cls(frame, times.start[mask][order], times.end[mask][order], Text(codes, name.values))

    def counts(self) -> dict[str, int]:
        """Name → calls."""
        return _sums(self.name, self.name.codes, np.ones(len(self.start), dtype=np.int64))

    def idle(self, part: str, idle: Union) -> dict[str, int]:
        """Name → idle time within its calls, those inside others too; of Python the time before the next one."""
        if part != host.PYTHON:
            return _sums(self.name, self.name.codes, idle.covered(self.end) - idle.covered(self.start))
        at = np.searchsorted(self.start, idle.start, side="left")
        return _sums(self.name, np.append(self.name.codes, NULL)[at], idle.end - idle.start)


def _calls(events: pa.Table) -> Bools:
    """Recorded calls of the host that are no work."""
    level = columns.text(events, "level")
    rows: Bools = level.where("api", "sync", "op") & ~steps.work(events)
    return rows
