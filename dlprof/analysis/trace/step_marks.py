"""The steps of a trace that is seen batch by batch: its markers are kept, and when the work of each step ended."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from dlprof.analysis import columns
from dlprof.analysis.columns import NULL, Bools, Ints
from dlprof.analysis.trace import steps
from dlprof.analysis.trace.row_keys import Rows

_TEXTS: Final = ("device", "level", "name", "category")
_INTS: Final = ("start_ps", "duration_ps", "step")
_TOO_MANY: Final = 1 << 19
"""Ends of steps that are kept before those of one step are made one."""


class StepMarks:
    """`take` all batches, then `table`: steps.table of each place."""

    def __init__(self) -> None:
        self._marks: dict[int, list[Ints]] = {}
        self._values: dict[str, list[str]] = {}
        self._ends: list[Ints] = []
        self._rows = 0

    def take(self, rows: Rows, place: Ints, work: Bools) -> None:
        """place: where each row was recorded; work: which is executed work (steps.work of the whole)."""
        marks = steps.marking(rows)
        if len(marks):
            texts = [rows.text(name) for name in _TEXTS]
            self._values = {name: text.values for name, text in zip(_TEXTS, texts, strict=True)}
            found = [text.codes[marks] for text in texts] + [rows.integers(name)[marks] for name in _INTS]
            for one in columns.distinct(place[marks]):
                self._marks.setdefault(one, []).append(np.stack(found)[:, place[marks] == one])
        step = rows.integers("step")
        at = np.flatnonzero(work & (step != NULL))
        if len(at):
            end = rows.integers("start_ps")[at] + rows.integers("duration_ps")[at]
            self._ends.append(_latest(np.stack([place[at], step[at], end])))
            self._rows += self._ends[-1].shape[1]
            if self._rows > _TOO_MANY:
                self._ends = [_latest(np.concatenate(self._ends, axis=1))]
                self._rows = self._ends[0].shape[1] // 2

    def table(self, place: int) -> pa.Table:
        """The steps of a place (steps.TABLE)."""
        if place not in self._marks:
            return steps.TABLE.empty_table()
        ends = np.concatenate([np.zeros((3, 0), dtype=np.int64), *self._ends], axis=1)
        here = ends[:, ends[0] == place]
        marks = dict(zip((*_TEXTS, *_INTS), np.concatenate(self._marks[place], axis=1), strict=True))
        texts = {name: columns.encode(columns.Text(marks[name], self._values[name])) for name in _TEXTS}
        ints = {name: columns.nullable(marks[name]) for name in _INTS}
        return steps.marked(pa.table(texts | ints), lambda: (here[1], here[2]))


def _latest(ends: Ints) -> Ints:
    """Of (place, step, end), shape (3, n), the latest end of each step."""
    groups = columns.group([ends[0], ends[1]])
    _, latest = groups.reach(ends[2], ends[2])
    return np.stack([ends[0][groups.first], ends[1][groups.first], latest])
