"""Tracks that are finished together: a call for each of a hundred thousand threads would cost a millisecond a thread.

Their events are set apart on one axis of time, `apart_ps`, each track behind the one before it: what nests in what, and what
overlaps, is then found for all of them at once and can't cross from one track to another. `position` is each row's track.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Final

import numpy as np

from dlprof.ingest.batch import Int64
from dlprof.ingest.finish.spill import Columns, Spill

SMALL: Final = 1 / 8
"""Of a range (spill.RANGE_ROWS): a larger track is finished by itself, span by span."""
_LONGEST: Final = 2**62
"""ps that all tracks of a group may take together, one behind the other in int64."""


def groups(tracks: Iterable[tuple[int, Hashable]], spill: Spill) -> Iterator[list[int]]:
    """Tracks to be finished together, in the order given; of several in a row that have the same key and fill a range at most.

    tracks: code of each, and what all tracks of a group must have in common.
    """
    group: list[int] = []
    common: Hashable = None
    cost, length = 0.0, 0
    for code, key in tracks:
        own_cost, own_length = spill.cost(code), spill.length(code) + 1
        fits = key == common and cost + own_cost <= 1 and length + own_length <= _LONGEST
        if group and not (fits and own_cost <= SMALL):
            yield group
            group, cost, length = [], 0.0, 0
        group.append(code)
        common, cost, length = (key if own_cost <= SMALL else None), cost + own_cost, length + own_length
    if group:
        yield group


def set_apart(rows: Columns, sizes: Sequence[int]) -> None:
    """Adds `apart_ps` and `position` to rows that lie track behind track. sizes: rows of each."""
    counts = np.array(sizes, dtype=np.int64)
    first = np.cumsum(counts) - counts
    start = rows["start_ps"]
    low = np.minimum.reduceat(start, first)
    length = np.maximum.reduceat(start + rows["duration_ps"], first) - low + 1
    rows["position"] = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    rows["apart_ps"] = start + np.repeat(np.cumsum(length) - length - low, counts)


def times(rows: Columns) -> Int64:
    """Start of each row, of several tracks one behind the other."""
    found: Int64 = rows.get("apart_ps", rows["start_ps"]).astype(np.int64, copy=False)
    return found
