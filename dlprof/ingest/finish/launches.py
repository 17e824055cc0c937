"""Launch → kernel links: host events by correlation id and operators by the producer's own id, per file."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from dlprof.ingest.batch import LEVEL, NO_INT, Int64

NO_EVENT = -1


@dataclass(slots=True)
class _Index:
    """Key → event id, collected in pieces and sorted once."""

    keys: list[Int64] = field(default_factory=list)
    ids: list[Int64] = field(default_factory=list)
    table: tuple[Int64, Int64] | None = None

    def add(self, keys: Int64, ids: Int64) -> None:
        if len(keys):
            self.keys.append(keys)
            self.ids.append(ids)
            self.table = None

    def find(self, keys: Int64) -> Int64:
        """The first event id of each key, NO_EVENT where there is none."""
        if not self.keys:
            return np.full(len(keys), NO_EVENT, dtype=np.int64)
        if self.table is None:
            self.table = self._sorted()
        known, ids = self.table
        at = np.minimum(np.searchsorted(known, keys), len(known) - 1)
        return np.where((known[at] == keys) & (keys != NO_INT), ids[at], NO_EVENT)

    def _sorted(self) -> tuple[Int64, Int64]:
        """Distinct keys in order with the first id of each. Copies are let go one by one: there may be millions."""
        self.keys, self.ids = [np.concatenate(self.keys)], [np.concatenate(self.ids)]
        if not (np.diff(self.keys[0]) > 0).all():
            order = np.argsort(self.keys[0], kind="stable")
            self.keys[0] = self.keys[0][order]
            self.ids[0] = self.ids[0][order]
            del order
            first = np.diff(self.keys[0], prepend=self.keys[0][0] - 1) != 0
            self.keys[0], self.ids[0] = self.keys[0][first], self.ids[0][first]
        return self.keys[0], self.ids[0]


@dataclass(slots=True)
class Launches:
    """The launch table of one file. Host rows are added first, then device rows are resolved."""

    calls: _Index = field(default_factory=_Index)
    operators: _Index = field(default_factory=_Index)
    linked: _Index = field(default_factory=_Index)
    begun: _Index = field(default_factory=_Index)
    """When each call began, ps, in the place of its id."""

    def add(
        self,
        ids: Int64,
        level: npt.NDArray[np.int8],
        correlation: Int64,
        link: Int64,
        start: Int64,
        operator: Int64,
    ) -> None:
        """Host rows. ids: event ids. start: ps. operator: id of the innermost op around each row, or NO_EVENT."""
        own = (level == LEVEL["op"]) & (link != NO_INT)
        self.linked.add(link[own], ids[own])
        rows = np.flatnonzero((correlation != NO_INT) & (correlation != 0))
        if not len(rows):
            return
        self.calls.add(correlation[rows], ids[rows])
        self.begun.add(correlation[rows], start[rows])
        above = operator[rows]
        found = above != NO_EVENT
        self.operators.add(correlation[rows][found], above[found])

    def resolve(self, correlation: Int64, link: Int64) -> Int64:
        """The launching event's id per device row: the op by link, else the op around the API call, else the call."""
        launch = self.linked.find(link)
        for index in (self.operators, self.calls):
            missing = launch == NO_EVENT
            if missing.any():
                launch[missing] = index.find(correlation[missing])
        return launch

    def too_early(self, correlation: Int64, start: Int64) -> int:
        """Device rows that begin before the call that launched them (none does where the two clocks agree)."""
        begun = self.begun.find(correlation)
        return int(np.count_nonzero((begun != NO_EVENT) & (start < begun)))

    def called(self, correlation: Int64, start: Int64, end: Int64) -> tuple[Int64, Int64]:
        """Time that tells which unawaited step device rows belong to: that of the call that launched them, twice.

        Before every step where the call was not recorded (it was made before the window); the rows' own start and end where
        the file records no call at all.
        """
        if not self.begun.keys:
            return start, end
        begun = self.begun.find(correlation)
        begun = np.where(begun == NO_EVENT, np.iinfo(np.int64).min, begun)
        return begun, begun
