"""Sums of rows by group, and what each track is busy with, by the compiled part (groups.c); None where that is not active, or
where NumPy has to take the rows: dlprof.analysis.columns, trace.groups and trace.pieces.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from dlprof.native.arrays import address, plain
from dlprof.native.library import unless_python

Ints = npt.NDArray[np.int64]
_LARGEST: Final = 1 << 20
"""Combinations of keys that a table is made for."""


def group(keys: Sequence[Ints]) -> tuple[Ints, Ints] | None:
    """The group of each row, rows being grouped by equal keys and groups numbered in order of these, and each one's first row."""
    library, count = unless_python(), len(keys[0])
    if library is None or not count:
        return None
    keys = [plain(key) for key in keys]
    low = [int(key.min()) for key in keys]
    span = [int(key.max()) - least + 1 for key, least in zip(keys, low, strict=True)]
    size = 1
    for one in span:
        size *= one
    if size > min(max(4 * count, 1 << 16), _LARGEST):
        return None
    place, inverse, first = np.zeros(size, dtype=np.int64), *np.empty((2, count), dtype=np.int64)
    addresses = np.array([address(key) for key in keys], dtype=np.uintp)
    lows, spans = np.array(low, dtype=np.int64), np.array(span, dtype=np.int64)
    groups = library.dlprof_group(
        count, len(keys), *map(address, (addresses, lows, spans)), size, *map(address, (place, inverse, first))
    )
    return None if groups < 0 else (inverse, first[:groups].copy())


def add_up(codes: Ints, values: Ints, size: int) -> Ints | None:
    """The sum of the values of each code in [0, size)."""
    library = unless_python()
    if library is None:
        return None
    codes, values, total = plain(codes), plain(values), np.zeros(size, dtype=np.int64)
    refused = library.dlprof_add_up(len(codes), address(codes), address(values), size, address(total))
    return None if refused else total


def reach(codes: Ints, start: Ints, end: Ints, size: int) -> tuple[Ints, Ints] | None:
    """The lowest start and the highest end of each code in [0, size); of one without rows the highest and the lowest number."""
    library = unless_python()
    if library is None:
        return None
    codes, start, end = map(plain, (codes, start, end))
    low, high = np.full(size, np.iinfo(np.int64).max), np.full(size, np.iinfo(np.int64).min)
    refused = library.dlprof_reach(len(codes), *map(address, (codes, start, end)), size, address(low), address(high))
    return None if refused else (low, high)


class _Work(ctypes.Structure):
    """`struct work` of groups.c."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in ("track", "start", "end", "group", "place"))


def pieces(
    leaves: tuple[Ints, Ints, Ints],
    work: Sequence[Ints],
    carried: int,
    since: int,
    last: int,
    cut: int,
    held: Sequence[int] | None,
) -> Ints | None:
    """Pieces, shape (5, n), of leaves (nesting.leaves) of work, both as track, start, end, group and place, touching ones made
    one; None where they are not in order. Leaves of track `carried` begin at `since`, those of track `last` end at `cut`. held: a
    piece that is before them and may go on."""
    library = unless_python()
    if library is None:
        return None
    leaves_, work_ = [plain(values) for values in leaves], [plain(values) for values in work]
    made = np.empty((5, len(leaves_[0]) + 1), dtype=np.int64)
    if held is not None:
        made[:, 0] = held
    given, room = _Work(*map(address, work_)), _Work(*map(address, made))
    count = library.dlprof_pieces(
        len(leaves_[0]), *map(address, leaves_), len(work_[0]), ctypes.addressof(given), carried, since, last, cut,
        int(held is not None), ctypes.addressof(room),
    )  # fmt: skip
    return None if count < 0 else made[:, :count]
