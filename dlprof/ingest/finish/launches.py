"""Launch → kernel links: host events by correlation id and operators by the producer's own id, per file."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from dlprof.ingest.batch import LEVEL, NO_INT, NO_TEXT, Int32, Int64
from dlprof.ingest.finish.spill import the_same
from dlprof.keyed import Columns, Keyed, Scratch

NO_EVENT: Final = -1
_OPS: Final = 2**20
"""More than there are canonical operators."""
_CODES: Final = ("phase", "layer", "line")


class ByNumber(msgspec.Struct):
    """A column of forward operators, as codes, by the number that autograd gives them and their gradients, of one process."""

    pairs: list[Int64] = msgspec.field(default_factory=list)
    codes: list[Int32] = msgspec.field(default_factory=list)
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


class Gradients(msgspec.Struct, frozen=True):
    """What gradients take from the operators that they are of."""

    layers: ByNumber = msgspec.field(default_factory=ByNumber)
    lines: ByNumber = msgspec.field(default_factory=ByNumber)


class Launches:
    """The launch table of one process. Host rows are added first, then device rows are resolved.

    scratch: where the rows lie, for they grow with a trace
    """

    def __init__(self, scratch: Scratch | None = None) -> None:
        scratch = scratch or Scratch()
        self._calls = Keyed(scratch)
        """By correlation id: a call's id, and when it began, ps."""
        self._operators = Keyed(scratch)
        """By correlation id: the operator around the call."""
        self._linked = Keyed(scratch)
        """By the producer's own id: an operator's."""
        self._host = Keyed(scratch)
        """By the id of what may launch: codes of phase, layer and source line, id of the outermost operator of the call."""
        self._seen = Keyed(scratch)
        """(root, op) of the calls whose first kernel was met, as one number."""
        self._numbered = False
        """Whether calls bear an operator's id that is not their own correlation id: PyTorch 2.0 and 2.1 write that one twice."""
        self.gradients = Gradients()

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
        if the_same(link) != NO_INT:
            own = (level == LEVEL["op"]) & (link != NO_INT)
            self._linked.add(link[own], {"id": ids[own]})
        if the_same(correlation) == NO_INT:
            return
        rows = np.flatnonzero((correlation != NO_INT) & (correlation != 0))
        if not len(rows):
            return
        bearing = rows[(level[rows] == LEVEL["api"]) & (link[rows] != NO_INT)]
        self._numbered |= bool((link[bearing] != correlation[bearing]).any())
        self._calls.add(correlation[rows], {"id": ids[rows], "begun": start[rows]})
        above = operator[rows]
        found = above != NO_EVENT
        self._operators.add(correlation[rows][found], {"id": above[found]})

    def place(
        self, ids: Int64, rows: npt.NDArray[np.bool_], phase: Int32, layer: Int32, line: Int32, root: Int64
    ) -> None:
        """Where launching rows stand: for what they launch."""
        columns: Columns = {"phase": phase, "layer": layer, "line": line, "root": root}
        self._host.add(ids[rows], {name: values[rows] for name, values in columns.items()})

    def placed(self, launch: Int64) -> tuple[Int32, Int32, Int32, Int64]:
        """What each launch has from where it was made: phase, layer, line and root; NO_TEXT and the launch itself where nothing
        is known."""
        there, found = self._host.find(launch)
        if not there.any():
            none = np.full(len(launch), NO_TEXT, dtype=np.int32)
            return none, none, none, launch
        phase, layer, line = (np.where(there, found[name], NO_TEXT).astype(np.int32) for name in _CODES)
        return phase, layer, line, np.where(there, found["root"], launch)

    def first_of_call(self, root: Int64, op: Int32) -> npt.NDArray[np.bool_]:
        """Device rows that stand for their call: of what one call launched, the first for each operator."""
        key = root * _OPS + (op.astype(np.int64) + 1)
        distinct, first = np.unique(key, return_index=True)
        new = ~self._seen.find(distinct)[0]
        self._seen.add(distinct[new])
        result = np.zeros(len(root), dtype=bool)
        result[first[new]] = True
        return result

    def resolve(self, correlation: Int64, link: Int64) -> Int64:
        """The launching event's id per device row: the op by link, else the op around the API call, else the call.

        A link that is the correlation id may be that and no operator's id: the op around the call comes first.
        """
        twice = (link == correlation) & bool(self._calls)
        launch = _ids(self._linked, np.where(twice, NO_INT, link))
        for index in (self._operators, self._calls):
            missing = launch == NO_EVENT
            if missing.any():
                launch[missing] = _ids(index, correlation[missing])
        missing = twice & (launch == NO_EVENT)
        if self._numbered and missing.any():
            launch[missing] = _ids(self._linked, link[missing])
        return launch

    def too_early(self, correlation: Int64, start: Int64) -> int:
        """Device rows that begin before the call that launched them (none does where the two clocks agree)."""
        there, found = self._calls.find(correlation)
        return int(np.count_nonzero(there & (start < found["begun"]))) if there.any() else 0

    def called(self, correlation: Int64, start: Int64, end: Int64) -> tuple[Int64, Int64]:
        """Time that tells which unawaited step device rows belong to: that of the call that launched them, twice.

        Before every step where the call was not recorded (it was made before the window); the rows' own start and end where
        the file records no call at all.
        """
        if not self._calls:
            return start, end
        there, found = self._calls.find(correlation)
        begun = np.where(there, found["begun"], np.iinfo(np.int64).min)
        return begun, begun


def _ids(index: Keyed, keys: Int64) -> Int64:
    """The first event id of each key, NO_EVENT where there is none."""
    there, found = index.find(keys)
    return np.where(there, found["id"], NO_EVENT) if there.any() else np.full(len(keys), NO_EVENT, dtype=np.int64)
