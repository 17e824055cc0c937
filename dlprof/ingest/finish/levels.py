"""Which levels occur in a trace, known before its first row is finished: for who sums rows up, since they say what is work."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from dlprof import schema
from dlprof.ingest.batch import LEVEL, NO_TEXT, RawBatch
from dlprof.ingest.finish.meaning import Meaning

_ASKED: Final = (NO_TEXT, LEVEL["op"])
"""Levels that the vocabulary may know better (Meaning.of)."""


class Levels:
    """`look` at all raw batches, then ask for the levels that `found` in them."""

    def __init__(self) -> None:
        self._told = np.zeros(len(schema.LEVELS) + 1, dtype=np.bool_)
        self._names: dict[tuple[int, str], npt.NDArray[np.bool_]] = {}

    def look(self, batch: RawBatch, marks: npt.NDArray[np.bool_]) -> None:
        """Notes levels, and the names of those that names decide. marks: of each name, whether it is a marker's."""
        mark = marks[batch.name]
        level = np.full(len(batch), NO_TEXT, dtype=np.int8) if batch.level is None else batch.level
        level = np.where(mark, LEVEL["marker"], level)
        here = np.bincount(level + 1, minlength=len(self._told)) > 0
        self._told |= here
        for hint in _ASKED:
            if here[hint + 1]:
                rows = slice(None) if here.sum() == 1 else level == hint
                self._look(hint, batch.name[rows], None if batch.lookup is None else batch.lookup[rows])

    def _look(self, hint: int, name: npt.NDArray[np.int32], lookup: npt.NDArray[np.int32] | None) -> None:
        if lookup is not None and (asked := lookup != NO_TEXT).any():
            self._note((hint, "lookup"), lookup[asked])
            name = name[~asked]
        self._note((hint, "name"), name)

    def _note(self, key: tuple[int, str], codes: npt.NDArray[np.int32]) -> None:
        if not len(codes):
            return
        seen = self._names.get(key, np.zeros(0, dtype=np.bool_))
        if len(seen) <= int(codes.max()):
            seen = np.append(seen, np.zeros(2 * int(codes.max()) + 1 - len(seen), dtype=np.bool_))
            self._names[key] = seen
        seen[codes] = True

    def found(self, meaning: Meaning) -> frozenset[str]:
        """All levels of the finished rows."""
        told = self._told.copy()
        told[[hint + 1 for hint in _ASKED]] = False
        for (hint, column), seen in self._names.items():
            told[meaning.levels(np.flatnonzero(seen), hint, column) + 1] = True
        return frozenset(level for level, truth in zip(schema.LEVELS, told[1:].tolist(), strict=True) if truth)
