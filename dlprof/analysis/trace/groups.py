"""Sums of the rows of each group, of as many batches as there are; and which rows lie inside one of their own group."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from dlprof.analysis import columns
from dlprof.analysis.columns import NULL, Bools, Ints
from dlprof.analysis.trace.row_keys import Rows, positions

SUMS: Final = ("count", "calls", "total", "own")
_DEEPEST: Final = 1000
"""Operators around an event that are looked at: a table whose parents form a circle comes to an end."""


class Groups:
    """Groups of rows by equal keys, numbered as they are met.

    keys: of each group. known: what `add` was told of its first row
    """

    def __init__(self) -> None:
        self.keys: list[tuple[int, ...]] = []
        self.known: list[bool] = []
        self.sums: dict[str, Ints] = {name: np.zeros(0, dtype=np.int64) for name in SUMS}
        self.low, self.high = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        self._numbers: dict[tuple[int, ...], int] = {}

    def __len__(self) -> int:
        return len(self.keys)

    def met(self, keys: Sequence[Ints], known: Callable[[Ints], Bools] | None) -> tuple[columns.Groups, Ints]:
        """Rows grouped, and the number of each of these groups. known: of the rows with these places."""
        found = columns.group(keys)
        told = np.zeros(found.size, dtype=np.bool_) if known is None else known(found.first)
        numbers = np.empty(found.size, dtype=np.int64)
        values = zip(*(key[found.first].tolist() for key in keys), strict=True)
        for at, (value, truth) in enumerate(zip(values, told.tolist(), strict=True)):
            number = numbers[at] = self._numbers.setdefault(value, len(self.keys))
            if number == len(self.keys):
                self.keys.append(value)
                self.known.append(truth)
        return found, numbers

    def add(self, found: columns.Groups, numbers: Ints, start: Ints, end: Ints, values: Mapping[str, Ints]) -> None:
        """Adds the values (SUMS) of rows that `met` grouped."""
        more = len(self.keys) - len(self.low)
        if more:
            self.sums = {name: np.append(old, np.zeros(more, dtype=np.int64)) for name, old in self.sums.items()}
            self.low = np.append(self.low, np.full(more, np.iinfo(np.int64).max))
            self.high = np.append(self.high, np.full(more, np.iinfo(np.int64).min))
        for name, summed in self.sums.items():
            summed[numbers] += found.sum(values[name])
        low, high = found.reach(start, end)
        self.low[numbers] = np.minimum(self.low[numbers], low)
        self.high[numbers] = np.maximum(self.high[numbers], high)


class Outermost:
    """Which rows lie inside no operator of their own group (aten::conv2d → aten::convolution): its time holds theirs."""

    def __init__(self) -> None:
        self._open = np.zeros((4, 0), dtype=np.int64)
        """Id, parent, group (NULL: none) and end of the rows that may hold rows of the next batch."""

    def of(self, rows: Rows, mask: Bools, group: Ints) -> Bools | None:
        """Of the rows of the mask, whose groups these are; None where all are."""
        before, track, start = self._open, rows.integers("track"), rows.integers("start_ps")
        own = np.full(rows.events.num_rows, NULL, dtype=np.int64)
        own[mask] = group
        end = start + rows.integers("duration_ps")
        here = rows.integers("id"), rows.integers("parent"), own, end
        within = None
        if ((here[1] != NULL) & mask).any():
            ids, parent, own = map(np.concatenate, zip(before[:3], here[:3], strict=True))
            within = _within(ids, parent, own, before.shape[1] + np.flatnonzero(mask))
        last = np.flatnonzero((track == track[-1]) & (end >= start[-1]))
        self._open = np.stack([values[last] for values in here])
        if track[0] == track[-1]:  # what was open may be so still
            self._open = np.concatenate([before[:, before[3] >= start[-1]], self._open], axis=1)
        return None if within is None else ~within


def _within(ids: Ints, parent: Ints, group: Ints, rows: Ints) -> Bools:
    """Which of these rows have a row of their group around them."""
    within = np.zeros(len(rows), dtype=np.bool_)
    around = positions(ids, parent)
    at, outer = np.arange(len(rows)), around[rows]
    for _ in range(_DEEPEST):
        alive = outer != NULL
        at, outer = at[alive], outer[alive]
        if not len(at):
            break
        same = group[outer] == group[rows[at]]
        within[at[same]] = True
        at, outer = at[~same], around[outer[~same]]
    return within
