"""Launch → kernel links: host events by correlation id and operators by the producer's own id, per file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from dlprof.ingest.batch import LEVEL, NO_INT, NO_TEXT, Int32, Int64

NO_EVENT: Final = -1
_OPS: Final = 2**20
"""More than there are canonical operators."""


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
class ByNumber:
    """A column of forward operators, as codes, by the number that autograd gives them and their gradients, of one process."""

    pairs: list[Int64] = field(default_factory=list)
    codes: list[Int32] = field(default_factory=list)
    table: tuple[Int64, Int32] | None = None

    def through(self, own: Int32, pair: Int64, asked: Int64 | None, position: Int64 | None) -> Int32:
        """The column of the rows of a span; a gradient without a code of its own has that of its operator.

        pair: above 0 on a forward operator. asked: the number whose operator a row takes after, NO_INT for none. position: the
        thread of each row, where the span holds several.
        """
        found = own
        if position is None:
            self.add(pair, own)
        if asked is not None:
            told = self.find(asked) if position is None else self.so_far(asked, pair, own, position)
            found = np.where(own == NO_TEXT, told, own).astype(np.int32)
        if position is not None:
            self.add(pair, own)
        return found

    def add(self, pair: Int64, own: Int32) -> None:
        """Takes the rows of a span."""
        rows = np.flatnonzero((pair > 0) & (own != NO_TEXT))
        if len(rows):
            self.pairs.append(pair[rows])
            self.codes.append(own[rows])
            self.table = None

    def find(self, pair: Int64) -> Int32:
        """The code of the last operator with each number, NO_TEXT where there is none: those before it with the same number
        have no gradient."""
        if not self.pairs:
            return np.full(len(pair), NO_TEXT, dtype=np.int32)
        if self.table is None:
            pairs, codes = np.concatenate(self.pairs), np.concatenate(self.codes)
            order = np.argsort(pairs, kind="stable")
            last = np.append(np.diff(pairs[order]) != 0, True)
            self.table = pairs[order][last], codes[order][last]
            self.pairs, self.codes = [self.table[0]], [self.table[1]]
        known, codes = self.table
        at = np.minimum(np.searchsorted(known, pair), len(known) - 1)
        return np.where(known[at] == pair, codes[at], NO_TEXT).astype(np.int32)

    def so_far(self, asked: Int64, pair: Int64, own: Int32, position: Int64) -> Int32:
        """As `find`, for rows of several threads that are not added yet: each sees the threads before it, and its own."""
        before = self.find(asked)
        rows = np.flatnonzero((pair > 0) & (own != NO_TEXT))
        keys = np.concatenate((pair[rows], asked))
        question = np.arange(len(keys)) >= len(rows)
        order = np.lexsort((question, np.concatenate((position[rows], position)), keys))
        known = np.maximum.accumulate(np.where(question[order], -1, np.arange(len(keys))))
        here = question[order] & (known >= 0)
        here &= keys[order] == keys[order][known]
        before[order[here] - len(rows)] = own[rows][order[known[here]]]
        return before


@dataclass(frozen=True, slots=True)
class Gradients:
    """What gradients take from the operators that they are of."""

    layers: ByNumber = field(default_factory=ByNumber)
    lines: ByNumber = field(default_factory=ByNumber)


@dataclass(slots=True)
class _Host:
    """What a launch has from where it was made, by id: codes of phase, layer and source line, id of the outermost operator of
    the call."""

    ids: list[Int64] = field(default_factory=list)
    phase: list[Int32] = field(default_factory=list)
    layer: list[Int32] = field(default_factory=list)
    line: list[Int32] = field(default_factory=list)
    root: list[Int64] = field(default_factory=list)

    def found(self, launch: Int64) -> tuple[Int32, Int32, Int32, Int64]:
        """Phase, layer, line and root of each launch; NO_TEXT and the launch itself where nothing is known."""
        none = np.full(len(launch), NO_TEXT, dtype=np.int32)
        if not self.ids:
            return none, none, none, launch
        if len(self.ids) > 1:
            # Ids grow with time of writing, so that pieces lie in order.
            self.ids, self.phase = [np.concatenate(self.ids)], [np.concatenate(self.phase)]
            self.layer, self.line = [np.concatenate(self.layer)], [np.concatenate(self.line)]
            self.root = [np.concatenate(self.root)]
        ids = self.ids[0]
        at = np.minimum(np.searchsorted(ids, launch), len(ids) - 1)
        hit = ids[at] == launch
        phase, layer, line = (
            np.where(hit, values[0][at], NO_TEXT).astype(np.int32) for values in (self.phase, self.layer, self.line)
        )
        return phase, layer, line, np.where(hit, self.root[0][at], launch)


@dataclass(slots=True)
class Launches:
    """The launch table of one process. Host rows are added first, then device rows are resolved."""

    calls: _Index = field(default_factory=_Index)
    operators: _Index = field(default_factory=_Index)
    linked: _Index = field(default_factory=_Index)
    begun: _Index = field(default_factory=_Index)
    """When each call began, ps, in the place of its id."""
    host: _Host = field(default_factory=_Host)
    gradients: Gradients = field(default_factory=Gradients)
    seen: Int64 = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    """(root, op) of the calls whose first kernel was met, as one number."""
    numbered: bool = False
    """Whether calls bear an operator's id that is not their own correlation id: PyTorch 2.0 and 2.1 write that one twice."""

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
        bearing = rows[(level[rows] == LEVEL["api"]) & (link[rows] != NO_INT)]
        self.numbered |= bool((link[bearing] != correlation[bearing]).any())
        self.calls.add(correlation[rows], ids[rows])
        self.begun.add(correlation[rows], start[rows])
        above = operator[rows]
        found = above != NO_EVENT
        self.operators.add(correlation[rows][found], above[found])

    def place(
        self, ids: Int64, rows: npt.NDArray[np.bool_], phase: Int32, layer: Int32, line: Int32, root: Int64
    ) -> None:
        """Where launching rows stand: for what they launch."""
        if rows.any():
            self.host.ids.append(ids[rows])
            self.host.phase.append(phase[rows])
            self.host.layer.append(layer[rows])
            self.host.line.append(line[rows])
            self.host.root.append(root[rows])

    def first_of_call(self, root: Int64, op: Int32) -> npt.NDArray[np.bool_]:
        """Device rows that stand for their call: of what one call launched, the first for each operator."""
        key = root * _OPS + (op.astype(np.int64) + 1)
        distinct, first = np.unique(key, return_index=True)
        new = ~np.isin(distinct, self.seen, assume_unique=True)
        self.seen = np.union1d(self.seen, distinct[new])
        result = np.zeros(len(root), dtype=bool)
        result[first[new]] = True
        return result

    def resolve(self, correlation: Int64, link: Int64) -> Int64:
        """The launching event's id per device row: the op by link, else the op around the API call, else the call.

        A link that is the correlation id may be that and no operator's id: the op around the call comes first.
        """
        twice = (link == correlation) & bool(self.calls.keys)
        launch = self.linked.find(np.where(twice, NO_INT, link))
        for index in (self.operators, self.calls):
            missing = launch == NO_EVENT
            if missing.any():
                launch[missing] = index.find(correlation[missing])
        missing = twice & (launch == NO_EVENT)
        if self.numbered and missing.any():
            launch[missing] = self.linked.find(link[missing])
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
