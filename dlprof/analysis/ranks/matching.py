"""Which collectives of different ranks are one: by process group, operator and number, or by order within a step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dlprof.analysis import columns
from dlprof.analysis.columns import NULL, Bools, Ints

SYNCHRONISING: Final = ("AllReduce", "AllGather", "ReduceScatter", "AllToAll", "Barrier", "Communication")
"""Collectives that no rank can end before all have arrived. A broadcast or a gather has a root, which need not wait."""


@dataclass(frozen=True, slots=True)
class Matched:
    """Collectives of two ranks or more: a row each, a column for each rank.

    row: of the table of collectives; NULL where the rank has no part in it
    op, group: text of each; step: that of its first arrival's rank
    uneven: groups and steps in which ranks recorded different numbers of one operator
    alone: collectives that one rank alone recorded
    """

    row: Ints
    op: list[str]
    group: list[str | None]
    step: Ints
    synchronising: Bools
    uneven: int
    alone: int

    @property
    def there(self) -> Bools:
        """(collectives, ranks): who took part."""
        found: Bools = self.row != NULL
        return found

    def of(self, values: Ints, missing: int) -> Ints:
        """A column of the table of collectives as (collectives, ranks); `missing` where a rank has none."""
        return np.where(self.there, np.append(values, missing)[self.row], missing)


def match(table: pa.Table, rank: Ints, ranks: int) -> Matched:
    """Match the collectives of all ranks. rank: column (0 …) of each row of `table` (schema.COLLECTIVES)."""
    op, group = columns.text(table, "op"), columns.text(table, "group")
    step, sequence = columns.integers(table, "step"), columns.integers(table, "sequence")
    start = columns.integers(table, "start_ps")
    numbered = bool(table.num_rows) and not (sequence == NULL).any()
    kind = columns.group([group.codes, op.codes] if numbered else [group.codes, op.codes, step]).inverse
    place = sequence if numbered else _occurrence([rank, kind], start)
    found = columns.group([kind, place]) if table.num_rows else columns.Groups(rank, rank, 0)
    row = np.full((found.size, ranks), NULL, dtype=np.int64)
    row[found.inverse, rank] = np.arange(table.num_rows)
    several = (row != NULL).sum(axis=1) > 1
    row, first = row[several], found.first[several]
    many = np.zeros((int(kind.max(initial=-1)) + 1, ranks), dtype=np.int64)
    np.add.at(many, (kind, rank), 1)
    some = np.where(many > 0, many, many.max(axis=1, initial=0, keepdims=True))
    word = op.decode(op.codes[first])
    order = np.lexsort((first, step[first])) if len(first) else first
    return Matched(
        row=row[order],
        op=[str(word[at]) for at in order.tolist()],
        group=[group.decode(group.codes[first[at : at + 1]])[0] for at in order.tolist()],
        step=step[first][order],
        synchronising=np.array([word[at] in SYNCHRONISING for at in order.tolist()], dtype=bool),
        uneven=int((some != some[:, :1]).any(axis=1).sum()) if some.size else 0,
        alone=int((~several).sum()),
    )


def _occurrence(keys: list[Ints], start: Ints) -> Ints:
    """0, 1, 2, … within equal keys, in order of start."""
    if not len(start):
        return start
    key = columns.group(keys).inverse
    order = np.lexsort((start, key))
    ordered = key[order]
    opens = np.flatnonzero(np.diff(ordered, prepend=-1) != 0)
    counts = np.arange(len(key)) - np.repeat(opens, np.diff(np.append(opens, len(key))))
    found = np.empty(len(key), dtype=np.int64)
    found[order] = counts
    return found


def latest(start: Ints, there: Bools) -> tuple[Ints, Ints]:
    """Of each collective: the column of the rank that arrived last, and when. start, there: (collectives, ranks)."""
    time: NDArray[Any] = np.where(there, start, np.iinfo(np.int64).min)
    who = time.argmax(axis=1) if time.size else np.zeros(0, dtype=np.int64)
    return who.astype(np.int64), time[np.arange(len(time)), who].astype(np.int64)
