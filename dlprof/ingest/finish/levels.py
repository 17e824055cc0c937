"""Which levels occur in a trace, known before its first row is finished: for who sums rows up, since they say what is work."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from dlprof import schema
from dlprof.ingest.batch import LEVEL, NO_TEXT, RawBatch
from dlprof.ingest.finish.meaning import Meaning
from dlprof.native import sums as native

_ASKED: Final = (NO_TEXT, LEVEL["op"])
"""Levels that the vocabulary may know better (Meaning.of)."""


class Levels:
    """`look` at all raw batches, then ask for the levels that `found` in them."""

    def __init__(self) -> None:
        self._told = np.zeros(len(schema.LEVELS) + 1, dtype=np.bool_)
        self._seen = {column: np.zeros((len(_ASKED), 0), dtype=np.bool_) for column in ("name", "lookup")}
        """Of each of _ASKED the codes that decide."""

    def look(self, batch: RawBatch, marks: npt.NDArray[np.bool_]) -> None:
        """Notes levels, and the names of those that names decide. marks: of each name, whether it is a marker's."""
        lookups = 0 if batch.lookup is None or not len(batch) else int(batch.lookup.max()) + 1
        tables = self._table("name", len(marks)), self._table("lookup", lookups)
        rows = batch.name, batch.lookup, batch.level
        if not native.note_levels(*rows, marks, LEVEL["marker"], LEVEL["op"], self._told, *tables):
            self._look(batch, marks)

    def _look(self, batch: RawBatch, marks: npt.NDArray[np.bool_]) -> None:
        """`look` without the compiled part."""
        mark = marks[batch.name]
        level = np.full(len(batch), NO_TEXT, dtype=np.int8) if batch.level is None else batch.level
        level = np.where(mark, LEVEL["marker"], level)
        here = np.bincount(level + 1, minlength=len(self._told)) > 0
        self._told |= here
        for at, hint in enumerate(_ASKED):
            if here[hint + 1]:
                rows = slice(None) if here.sum() == 1 else level == hint
                self._note(at, batch.name[rows], None if batch.lookup is None else batch.lookup[rows])

    def _note(self, at: int, name: npt.NDArray[np.int32], lookup: npt.NDArray[np.int32] | None) -> None:
        if lookup is not None and (asked := lookup != NO_TEXT).any():
            self._seen["lookup"][at, lookup[asked]] = True
            name = name[~asked]
        self._seen["name"][at, name] = True

    def _table(self, column: str, size: int) -> npt.NDArray[np.bool_]:
        """Which codes were seen, of so many at the least."""
        seen = self._seen[column]
        if seen.shape[1] < size:
            more = np.zeros((len(_ASKED), 2 * size - seen.shape[1]), dtype=np.bool_)
            seen = self._seen[column] = np.concatenate([seen, more], axis=1)
        return seen

    def found(self, meaning: Meaning) -> frozenset[str]:
        """All levels of the finished rows."""
        told = self._told.copy()
        told[[hint + 1 for hint in _ASKED]] = False
        for column, seen in self._seen.items():
            for hint, codes in zip(_ASKED, seen, strict=True):
                told[meaning.levels(np.flatnonzero(codes), hint, column) + 1] = True
        return frozenset(level for level, truth in zip(schema.LEVELS, told[1:].tolist(), strict=True) if truth)
