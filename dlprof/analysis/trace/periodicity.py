"""Whether what is marked as a step is one: a step whose operators are several equal rounds, and steps that repeat only together.

Where steps are a guess (scripts of users), the trace checks it: by the operators alone, whatever the marks were made of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from dlprof import names
from dlprof.analysis import columns
from dlprof.analysis.columns import Bools, Floats, Ints
from dlprof.analysis.trace import steps
from dlprof.names import Marker, is_marker

_LONGEST: Final = 8
"""Marked steps that a real one may be made of."""

_CYCLES: Final = 3
"""How often a period must be seen."""

_SAME: Final = 0.02
"""Share of operators by which two steps may differ that are the same: one that is taken now and then, as for a log."""

_OTHER: Final = 0.10
"""Share by which two steps differ that are different parts of a real one."""

_MOST: Final = 0.8
"""Share of the steps that must show it."""

_TRAINING: Final = ("backward", "optimizer")


@dataclass(frozen=True, slots=True)
class Periodicity:
    """What the operators say of the marked steps.

    rounds: equal rounds of work in a marked step; 1 where it is one
    period: marked steps after which the work repeats; 1 where each is like the next, None where nothing repeats
    stretches: marked steps that were looked at, those before a burst among them
    """

    rounds: int
    period: int | None
    stretches: int

    @property
    def statement(self) -> str:
        """What is wrong with the marks; '' where nothing is."""
        if self.rounds > 1:
            return (
                f"the trace shows {self.rounds} equal rounds of training work in what was taken for one step: a step may be a "
                f"{_PARTS.get(self.rounds, f'{self.rounds}th')} of it (--step names another)"
            )
        if self.period is not None and self.period > 1:
            return (
                f"the trace repeats only every {self.period} of what were taken for steps: a step may be {self.period} of them "
                "(--step names another)"
            )
        return ""


_PARTS: Final = {2: "half", 3: "third", 4: "quarter"}


def of(events: pa.Table) -> Periodicity | None:
    """Of one process's trace with synchronised marks (schema.EVENTS, phases filled in); None without marks or operators."""
    start, end = _stretches(events)
    rows = np.flatnonzero(steps.host_side(events) & columns.text(events, "level").where("op"))
    if len(start) < 2 or not len(rows):
        return None
    began = steps.Times.of(events).start[rows]
    at = np.searchsorted(start, began, side="right") - 1
    inside = (at >= 0) & (began < end[np.maximum(at, 0)])
    rows, at = rows[inside], at[inside]
    if not len(rows):
        return None
    phase = columns.text(events, "phase")
    return Periodicity(
        rounds=_rounds(events, rows, at, len(start)) if phase.where(*_TRAINING)[rows].any() else 1,
        period=_period(
            _counts(columns.text(events, "name").codes[rows], at, len(start)), phase.where("optimizer")[rows], at
        ),
        stretches=len(start),
    )


def _stretches(events: pa.Table) -> tuple[Ints, Ints]:
    """Start and end (ps) of what dlprof marked, steps that settle among them, in order of time: they follow one another."""
    name, times = columns.text(events, "name"), steps.Times.of(events)
    spans = [
        is_marker(value) and (value == names.SETTLE or Marker.spanning(value) is not None) for value in name.values
    ]
    rows = np.flatnonzero(columns.text(events, "level").where("marker") & name.flags(spans))
    rows = rows[np.argsort(times.start[rows], kind="stable")]
    return times.start[rows], times.end[rows]


def _counts(token: Ints, at: Ints, stretches: int) -> Ints:
    """(stretches, tokens): how often each occurs in each."""
    known, dense = np.unique(token, return_inverse=True)
    found = np.zeros((stretches, len(known)), dtype=np.int64)
    np.add.at(found, (at, dense), 1)
    return found


def _rounds(events: pa.Table, rows: Ints, at: Ints, stretches: int) -> int:
    """Equal rounds, one after the other on every thread, of which most stretches are made."""
    keys = [columns.text(events, name).codes[rows] for name in ("name", "shape", "layer")]
    token = columns.group(keys).inverse
    counts = _counts(token, at, stretches)
    common = np.gcd.reduce(counts, axis=1)
    rounds = int(np.median(common[common > 0])) if (common > 0).any() else 1
    if rounds < 2:
        return 1
    track, began = columns.integers(events, "track")[rows], steps.Times.of(events).start[rows]
    shown = sum(_repeats(token[at == one], track[at == one], began[at == one], rounds) for one in range(stretches))
    return rounds if shown >= _MOST * stretches else 1


def _repeats(token: Ints, track: Ints, began: Ints, rounds: int) -> bool:
    """Whether each thread's operators, in order of time, are the same sequence so many times."""
    for one in np.unique(track):
        mine = np.flatnonzero(track == one)
        sequence = token[mine[np.argsort(began[mine], kind="stable")]]
        if len(sequence) % rounds or (sequence.reshape(rounds, -1) != sequence[: len(sequence) // rounds]).any():
            return False
    return bool(len(token))


def _period(counts: Ints, optimizing: Bools, at: Ints) -> int | None:
    """Stretches after which the operators are the same again; 1 also where they differ by too little to be parts of a step."""
    stretches = len(counts)
    trained = np.zeros(stretches, dtype=bool)
    trained[at[optimizing]] = True
    for period in range(1, min(_LONGEST, stretches // _CYCLES) + 1):
        if (_apart(counts, period) <= _SAME).mean() < 0.9 or (trained[period:] != trained[:-period]).mean() > 0.1:
            continue
        if period == 1:
            return 1
        next_ = _apart(counts, 1)
        largest = max(float(np.median(next_[place::period])) for place in range(period))
        some = trained.any() and not trained.all()
        return period if largest >= _OTHER or some else 1
    return None


def _apart(counts: Ints, lag: int) -> Floats:
    """Share of operators by which each stretch differs from the one so many later."""
    before, after = counts[:-lag], counts[lag:]
    total = np.maximum((before + after).sum(axis=1), 1)
    return np.asarray(np.abs(before - after).sum(axis=1) / total, dtype=np.float64)
