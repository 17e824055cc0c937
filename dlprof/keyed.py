"""Rows of numbers that are found again by a key, of which there may be as many as a trace has events.

They are kept in sorted runs, from a few megabytes on in a temporary file. What is asked for together lies near together in a
trace (the kernels of a range of time, and their calls), so that parts of a few runs are read, never more than one run at once.
"""

from __future__ import annotations

import io
import tempfile
import weakref
from collections.abc import Mapping
from typing import IO, Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

RUN: Final = 65_536
"""Rows of a run, at most."""
IN_MEMORY: Final = 4 << 20
"""Bytes from which on all of them lie in a file."""
_SAMPLE: Final = 512

Ints = NDArray[np.int64]
Columns = dict[str, NDArray[Any]]


class Scratch:
    """Bytes that are written once and read again. Any number of tables may share it.

    limit: how many are kept in memory, None for IN_MEMORY
    """

    def __init__(self, limit: int | None = None) -> None:
        self._limit = IN_MEMORY if limit is None else limit
        self._file: IO[bytes] = io.BytesIO()
        self._end = 0

    def put(self, values: NDArray[Any]) -> int:
        """Keeps an array; returns where it lies."""
        at = self._end
        if isinstance(self._file, io.BytesIO) and at + values.nbytes > self._limit:
            memory, self._file = self._file, tempfile.TemporaryFile()  # noqa: SIM115  closed with this object
            weakref.finalize(self, self._file.close)
            self._file.write(memory.getbuffer())
        self._file.seek(at)
        self._end += self._file.write(np.ascontiguousarray(values).data.cast("B"))
        return at

    def get(self, at: int, kind: np.dtype[Any], count: int) -> NDArray[Any]:
        """The values that lie there."""
        self._file.seek(at)
        return np.frombuffer(self._file.read(kind.itemsize * count), dtype=kind)


class _Run(msgspec.Struct, frozen=True):
    """Rows in order of their keys, each of which is there once.

    sample: every _SAMPLE-th key. last: the last one. at: where the keys lie, and each column
    """

    rows: int
    sample: Ints
    last: int
    at: tuple[int, ...]


class Keyed:
    """Columns of numbers, found again by the key of their row: of several rows with one key the first that was added.

    run: rows of a run, at most, None for RUN
    """

    def __init__(self, scratch: Scratch | None = None, run: int | None = None) -> None:
        self._scratch = scratch or Scratch()
        self._run = run or RUN
        self._runs: list[_Run] = []
        self._kinds: dict[str, np.dtype[Any]] = {}
        self._waiting: list[tuple[Ints, tuple[NDArray[Any], ...]]] = []
        self._waiting_rows = 0

    def __bool__(self) -> bool:
        """Whether there is any row."""
        return bool(self._runs or self._waiting)

    def add(self, keys: Ints, columns: Mapping[str, NDArray[Any]] | None = None) -> None:
        """Takes rows. columns: the same in all calls; they are kept as they are until there are enough for a run."""
        if not len(keys):
            return
        columns = columns or {}
        self._kinds = self._kinds or {name: values.dtype for name, values in columns.items()}
        self._waiting.append((keys, tuple(columns[name] for name in self._kinds)))
        self._waiting_rows += len(keys)
        if self._waiting_rows >= self._run:
            self._write()

    def find(self, keys: Ints) -> tuple[NDArray[np.bool_], Columns]:
        """Of each key whether there is a row with it, and the columns of that row, 0 where there is none."""
        self._write()
        there = np.zeros(len(keys), dtype=np.bool_)
        found = {name: np.zeros(len(keys), dtype=kind) for name, kind in self._kinds.items()}
        for run in self._runs:
            left = np.flatnonzero(~there & (keys >= run.sample[0]) & (keys <= run.last))
            if len(left):
                self._look(run, keys, left, there, found)
        return there, found

    def _look(self, run: _Run, keys: Ints, left: Ints, there: NDArray[np.bool_], found: Columns) -> None:
        """Fills in what a run holds of the keys at the places `left`."""
        asked = keys[left]
        low, high = np.searchsorted(run.sample, [asked.min(), asked.max()], side="right").tolist()
        first, behind = _SAMPLE * (low - 1), min(_SAMPLE * high, run.rows)
        known = self._read(run.at[0], np.dtype(np.int64), first, behind)
        at = np.minimum(np.searchsorted(known, asked), len(known) - 1)
        hit = known[at] == asked
        if not hit.any():
            return
        rows, at = left[hit], at[hit]
        there[rows] = True
        for place, (name, kind) in zip(run.at[1:], self._kinds.items(), strict=True):
            found[name][rows] = self._read(place, kind, first, behind)[at]

    def _read(self, at: int, kind: np.dtype[Any], first: int, behind: int) -> NDArray[Any]:
        return self._scratch.get(at + kind.itemsize * first, kind, behind - first)

    def _write(self) -> None:
        """Makes runs of what waits."""
        if not self._waiting:
            return
        keys = np.concatenate([keys for keys, _ in self._waiting])
        columns = [np.concatenate(parts) for parts in zip(*(columns for _, columns in self._waiting), strict=True)]
        self._waiting, self._waiting_rows = [], 0
        if not (np.diff(keys) > 0).all():
            order = np.argsort(keys, kind="stable")
            order = order[np.diff(keys[order], prepend=keys[order[0]] - 1) != 0]
            keys, columns = keys[order], [values[order] for values in columns]
        for first in range(0, len(keys), self._run):
            part = slice(first, first + self._run)
            places = tuple(self._scratch.put(values[part]) for values in (keys, *columns))
            here = keys[part]
            self._runs.append(_Run(len(here), here[::_SAMPLE].copy(), int(here[-1]), places))
