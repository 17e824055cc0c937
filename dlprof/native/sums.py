"""From rows of events to sums, by the compiled part (sums.c); None where that is not active, or a code lies outside of its table.

What calls these finds the same with NumPy: dlprof.ingest.finish.meaning, levels and passing, dlprof.analysis.intervals and
trace.pieces.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dlprof.native.arrays import address as _at
from dlprof.native.arrays import plain
from dlprof.native.library import unless_python

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int32]
Levels = npt.NDArray[np.int8]


def levels(
    name: Codes, lookup: Codes | None, first_lookup: int, hint: Levels, table: Levels, markers: Bools, marker: int
) -> Levels | None:
    """The level of each row. table: of each name, or what is looked up in its place, by what a row says, shape (rows, hints);
    markers: of each name."""
    library = unless_python()
    if library is None:
        return None
    name, hint = np.ascontiguousarray(name, dtype=np.int32), np.ascontiguousarray(hint, dtype=np.int8)
    lookup = None if lookup is None else np.ascontiguousarray(lookup, dtype=np.int32)
    found = np.empty(len(name), dtype=np.int8)
    rows, hints = table.shape
    refused = library.dlprof_levels(
        len(name), _at(name), _at(lookup), first_lookup, _at(hint), _at(table), rows, hints, _at(markers), len(markers), marker,
        _at(found),
    )  # fmt: skip
    return None if refused else found


def note_levels(
    name: Codes,
    lookup: Codes | None,
    level: Levels | None,
    markers: Bools,
    marker: int,
    op: int,
    told: Bools,
    of_names: Bools,
    of_lookups: Bools,
) -> bool:
    """Notes which levels rows have, and which names, or what is looked up in their place, decide them (Levels.look); False where
    that was not done, or in part. told: of level + 1; of_names, of_lookups: shape (2, codes), of -1 and of `op`."""
    library = unless_python()
    if library is None:
        return False
    name = np.ascontiguousarray(name, dtype=np.int32)
    lookup = None if lookup is None else np.ascontiguousarray(lookup, dtype=np.int32)
    level = None if level is None else np.ascontiguousarray(level, dtype=np.int8)
    refused = library.dlprof_note_levels(
        len(name), _at(name), _at(lookup), _at(level), _at(markers), len(markers), of_names.shape[1], of_lookups.shape[1],
        marker, op, len(told), _at(told), _at(of_names), _at(of_lookups),
    )  # fmt: skip
    return not refused


def marked(name: Codes, markers: Bools) -> Ints | None:
    """Places of the rows whose name is a marker's."""
    library = unless_python()
    if library is None:
        return None
    name, at = np.ascontiguousarray(name, dtype=np.int32), np.empty(len(name), dtype=np.int64)
    count = library.dlprof_marked(len(name), _at(name), _at(markers), len(markers), _at(at))
    return None if count < 0 else at[:count]


def pass_over(
    level: Levels, needed: Bools, keep: Bools | None, self_ps: Ints, occurrences: Ints | None
) -> tuple[Ints, Ints, Ints, Ints] | None:
    """Where the rows are that have to be seen, the first among them, and of the others by level their number, executions (none
    where no occurrences are given) and self time."""
    library = unless_python()
    if library is None:
        return None
    level, self_ps = np.ascontiguousarray(level, dtype=np.int8), plain(self_ps)
    occurrences = None if occurrences is None else plain(occurrences)
    at, sums = np.empty(len(level), dtype=np.int64), np.empty((3, len(needed)), dtype=np.int64)
    seen = library.dlprof_pass_over(
        len(level),
        _at(level),
        len(needed),
        _at(needed),
        _at(keep),
        _at(self_ps),
        _at(occurrences),
        _at(at),
        *map(_at, sums),
    )
    return None if seen < 0 else (at[:seen], *sums)


def clip(start: Ints, end: Ints, low: Ints, high: Ints) -> tuple[Ints, Ints, Ints] | None:
    """The pieces of intervals that lie in windows, which are apart and in order: (index of the interval, start, end)."""
    library = unless_python()
    if library is None:
        return None
    start, end, low, high = map(plain, (start, end, low, high))
    capacity = len(start) + len(low)
    while True:
        pieces = np.empty((3, capacity), dtype=np.int64)
        windows = len(low), _at(low), _at(high)
        count = library.dlprof_clip(len(start), _at(start), _at(end), *windows, capacity, *map(_at, pieces))
        if count <= capacity:
            index, first, last = pieces[:, :count]
            return index, first, last
        capacity = count


def shares(start: Ints, end: Ints, group: Ints, groups: int, bits: int) -> tuple[Ints, Ints] | None:
    """Of each group the length of its intervals, each instant shared among all that hold it: whole, and in parts of 2**-bits."""
    library = unless_python()
    if library is None:
        return None
    start, end, group = map(plain, (start, end, group))
    order = np.argsort(np.concatenate([start, end]), kind="stable")
    whole, part = np.zeros((2, groups), dtype=np.int64)
    given = map(_at, (order, start, end, group))
    refused = library.dlprof_shares(len(start), *given, groups, bits, _at(whole), _at(part))
    return None if refused else (whole, part)
