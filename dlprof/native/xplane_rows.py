"""Rows of a thread from an XPlane's events, by the compiled part (xplane_rows.c); None where that is not active, or where
something is counted or left out. What calls this finds the same with NumPy: dlprof.ingest.xplane.rows.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from dlprof.native.arrays import address as _at
from dlprof.native.library import unless_python

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Levels = npt.NDArray[np.int8]
Bools = npt.NDArray[np.bool_]

FURTHEST_PS: Final = 2**61
"""27 days: sums of four such times fit int64."""
_PS_PER_NS: Final = 1000


class _Call(ctypes.Structure):
    """`struct rows` of xplane_rows.c."""

    _fields_ = (
        ("count", ctypes.c_int64),
        ("metadata_id", ctypes.c_void_p),
        ("offset_ps", ctypes.c_void_p),
        ("duration_ps", ctypes.c_void_p),
        ("runs", ctypes.c_int64),
        ("line", ctypes.c_void_p),
        ("events", ctypes.c_void_p),
        ("base_ps", ctypes.c_void_p),
        ("track_of", ctypes.c_void_p),
        ("furthest", ctypes.c_int64),
        ("ids", ctypes.c_int64),
        ("place_of", ctypes.c_void_p),
        ("names", ctypes.c_int64),
        ("name_of", ctypes.c_void_p),
        ("level_of", ctypes.c_void_p),
        ("lookup_of", ctypes.c_void_p),
        ("path_of", ctypes.c_void_p),
        ("executes", ctypes.c_void_p),
        ("dispatches", ctypes.c_void_p),
        ("dispatched", ctypes.c_void_p),
        ("op", ctypes.c_int64),
        ("last", ctypes.c_int64),
        ("lookups", ctypes.c_int64),
        ("kernel_of", ctypes.c_void_p),
        ("place", ctypes.c_void_p),
        ("name", ctypes.c_void_p),
        ("level", ctypes.c_void_p),
        ("lookup", ctypes.c_void_p),
        ("path", ctypes.c_void_p),
        ("kernel", ctypes.c_void_p),
        ("start_ps", ctypes.c_void_p),
        ("track", ctypes.c_void_p),
    )


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs of lines that events are in.

    line: of each, which line it is in; events: how many it has; base_ns: its line's own zero; track: its line's code
    """

    line: Ints
    events: Sequence[int]
    base_ns: Sequence[int]
    track: Sequence[int]


@dataclass(frozen=True, slots=True)
class Names:
    """What the names of a plane's events are.

    places: of each id from -1 on the place of its name; of one without a name the number of names
    name, level, lookup, path: of each name; arrays may be longer
    eager: of each name whether it is an execution, whether it dispatches an operator, and the code of that; None where none does
    op: the level of an operator
    """

    count: int
    places: Ints
    name: Codes
    level: Levels
    lookup: Codes
    path: Codes
    eager: tuple[Bools, Bools, Codes] | None
    op: int


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows, shape (n,), and the operator that was dispatched last.

    place: of each row's name among those of the plane; all others: see batch.RawBatch
    """

    place: Ints
    name: Codes
    level: Levels
    lookup: Codes
    path: Codes
    kernel: Codes
    start_ps: Ints
    track: Codes
    last: int


def host_rows(events: tuple[Ints, Ints, Ints], runs: Runs, names: Names, kernels: Codes, last: int) -> Rows | None:
    """The rows of events, as (id, offset, duration). kernels: of each code in `lookup` that of the kernel, the last one for none.
    last: the operator that was dispatched before, on the same line."""
    library = unless_python()
    if library is None or any(abs(base) * _PS_PER_NS > FURTHEST_PS for base in runs.base_ns):
        return None
    count = len(events[0])
    given = [np.ascontiguousarray(values, dtype=np.int64) for values in (*events, runs.line, runs.events)]
    base = np.array(runs.base_ns, dtype=np.int64) * _PS_PER_NS
    track = np.array(runs.track, dtype=np.int32)
    name, lookup, path, kernel, tracks = (np.empty(count, dtype=np.int32) for _ in range(5))
    level = np.empty(count, dtype=np.int8)
    place, start = (np.empty(count, dtype=np.int64) for _ in range(2))
    executes, dispatches, dispatched = names.eager or (None, None, None)
    ids, offset, duration, line, sizes = map(_at, given)
    call = _Call(
        count=count, metadata_id=ids, offset_ps=offset, duration_ps=duration,
        runs=len(base), line=line, events=sizes, base_ps=_at(base), track_of=_at(track), furthest=FURTHEST_PS,
        ids=len(names.places), place_of=_at(names.places), names=names.count, name_of=_at(names.name),
        level_of=_at(names.level), lookup_of=_at(names.lookup), path_of=_at(names.path),
        executes=_at(executes), dispatches=_at(dispatches), dispatched=_at(dispatched), op=names.op, last=last,
        lookups=len(kernels), kernel_of=_at(kernels), place=_at(place), name=_at(name), level=_at(level),
        lookup=_at(lookup), path=_at(path), kernel=_at(kernel), start_ps=_at(start), track=_at(tracks),
    )  # fmt: skip
    if library.dlprof_host_rows(ctypes.addressof(call)):
        return None
    return Rows(place, name, level, lookup, path, kernel, start, tracks, int(call.last))
