"""What each executed row goes by: its operator, phase, layer, kernel …, where it has none that of the row that launched it.

Of a whole table, or batch by batch as a trace is read: then the codes of texts are the same in all batches, and what a row takes
from one of an earlier batch is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from dlprof.analysis import columns
from dlprof.analysis.columns import NULL, Bools, Ints, Text
from dlprof.analysis.trace import places
from dlprof.keyed import Keyed

FOLLOWED: Final = frozenset({"op", "phase", "layer", "source_line"})
"""Keys that a row without one has from its launch."""
_LAUNCHER: Final = "launching operator"


def key(events: pa.Table, mask: Bools, name: str) -> Text:
    """op, phase, layer or source line of the rows of `mask`: their own; of a kernel or copy without, that of its launch.

    An op that nobody knows is shown by the raw name of the operator that launched it, else by its kernel's or its own
    (`known` tells them apart): the launching operator is what two GPUs, or two releases, have in common. A copy is
    no part of the operator that launched it: it goes by its own name (`Memset`, `Memcpy DtoH`).
    """
    rows = Rows(events)
    if name == "op":
        return rows.operator(mask)
    return Text(rows.followed(name)[mask], rows.text(name).values)


def known(events: pa.Table) -> Bools:
    """Rows whose operator the vocabulary knows: their own or that of what launched them. A copy is what it is."""
    return Rows(events).known()


class Earlier:
    """What the rows of a batch have from the batches before it.

    launched: whether any row names the row that launched it; then those that may be meant are kept. launchers: the ids of those
    that are meant, in order, where they are known
    """

    def __init__(self, *, launched: bool = True, launchers: Ints | None = None) -> None:
        self.launched = launched
        self.launchers = launchers
        self.pools: dict[str, columns.Pool] = {}
        self.joined: dict[str, _Joined] = {}
        self.wanted: dict[Callable[[str], bool], list[bool]] = {}
        self._kept = Keyed()

    def keep(self, ids: Ints, codes: dict[str, Ints]) -> None:
        """Rows that may launch later ones, in order of their ids."""
        self._kept.add(ids, {name: values.astype(np.int32) for name, values in codes.items()})

    def find(self, wanted: Ints) -> dict[str, Ints]:
        """What was kept of the row with each id; NULL for none."""
        there, found = self._kept.find(wanted)
        return {name: np.where(there, values, NULL).astype(np.int64) for name, values in found.items()}


class Rows:
    """The rows of a table, or of one batch of it."""

    def __init__(self, events: pa.Table, earlier: Earlier | None = None) -> None:
        self.events = events
        self._earlier = earlier or Earlier()
        self._texts: dict[str, Text] = {}
        self._followed: dict[str, Ints] = {}
        self._links: tuple[Ints, Ints, dict[str, Ints]] | None = None

    def text(self, name: str) -> Text:
        """A text column; codes of one column mean the same in all batches."""
        if name not in self._texts:
            pool = self._earlier.pools.setdefault(name, columns.Pool())
            self._texts[name] = pool.text(self.events.column(name))
        return self._texts[name]

    def integers(self, name: str) -> Ints:
        return columns.integers(self.events, name)

    def named(self, is_wanted: Callable[[str], bool], rows: Ints) -> Bools:
        """Of rows at these places, whether their raw name is wanted; each name is asked once."""
        name = self.text("name")
        told = self._earlier.wanted.setdefault(is_wanted, [])
        told += map(is_wanted, name.values[len(told) :])
        return Text(name.codes[rows], name.values).flags(told)

    def followed(self, name: str) -> Ints:
        """Codes of a text column, null ones filled in from the launching row."""
        if name not in self._followed:
            self._followed[name] = self._follow(name, self.text(name).codes)
        return self._followed[name]

    def launcher(self, mask: Bools) -> Ints:
        """Code of the raw name of the operator that launched each row; of an operator that is no row of `mask`, its own."""
        if _LAUNCHER not in self._followed:
            of_ops = np.where(self.text("level").where("op") & ~mask, self.text("name").codes, NULL)
            self._followed[_LAUNCHER] = self._follow(_LAUNCHER, of_ops)
        return self._followed[_LAUNCHER]

    def known(self) -> Bools:
        found: Bools = (self.followed("op") != NULL) | self.text("level").where("copy")
        return found

    def operator(self, mask: Bools) -> Text:
        """What `key` says of op."""
        own, names, copy = self.text("op"), self.text("name"), self.text("level").where("copy")[mask]
        joined = self._joined("op")
        name = names.codes[mask]
        found = joined.codes("op", own.values, own.codes[mask])
        if copy.any():
            found = _either(found, joined.codes("copy", names.values, np.where(copy, name, NULL), _without_kinds))
        found = _either(found, joined.codes("op", own.values, self.followed("op")[mask]))
        launcher = self.launcher(mask)
        if (found == NULL).any():
            found = _either(found, joined.codes("name", names.values, launcher[mask]))
        if (found == NULL).any():
            kernel = self.text("kernel")
            found = _either(found, joined.codes("kernel", kernel.values, kernel.codes[mask]))
            found = _either(found, joined.codes("name", names.values, name))
        return Text(found, joined.values)

    def kernel(self, mask: Bools) -> Text:
        """The kernel that ran, or where none is told the raw name."""
        kernel, names, joined = self.text("kernel"), self.text("name"), self._joined("kernel")
        found = joined.codes("kernel", kernel.values, kernel.codes[mask])
        return Text(_either(found, joined.codes("name", names.values, names.codes[mask])), joined.values)

    def place(self) -> Text:
        """The place of each row (places.of)."""
        here, joined = places.of(self.events), self._joined("place")
        return Text(joined.numbers(here.values)[here.codes], joined.values)

    def handed_on(self, mask: Bools, names: Sequence[str]) -> None:
        """Keeps what later rows may take from these. names: the keys that are asked for."""
        if not self._earlier.launched or not self.events.num_rows:
            return
        may = self._launching()
        codes = {name: self.followed(name)[may] for name in names if name in FOLLOWED}
        if "op" in codes:
            codes[_LAUNCHER] = self.launcher(mask)[may]
        if codes:
            self._earlier.keep(self.integers("id")[may], codes)

    def _launching(self) -> Bools:
        """Rows that may launch later ones."""
        if self._earlier.launchers is not None:
            known: Bools = places_of(self._earlier.launchers, self.integers("id")) != NULL
            return known
        level = self.text("level")
        may: Bools = level.where("op", "api")
        if "correlation" in self.events.column_names:  # else it is not known which calls launched anything
            may &= level.where("op") | (self.integers("correlation") != NULL)
        return may

    def _joined(self, name: str) -> _Joined:
        return self._earlier.joined.setdefault(name, _Joined())

    def _linked(self) -> tuple[Ints, Ints, dict[str, Ints]]:
        """Rows with a launch, the place of that in this batch, NULL for none, and what was kept of it before."""
        if self._links is None:
            launch = self.integers("launch")
            rows = np.flatnonzero(launch != NULL)
            here = positions(self.integers("id"), launch[rows]) if len(rows) else rows
            self._links = rows, here, self._earlier.find(np.where(here == NULL, launch[rows], NULL))
        return self._links

    def _follow(self, name: str, codes: Ints) -> Ints:
        """Fill null codes from the launching row; two hops, for a kernel may hang on an API call that hangs on an op."""
        rows, here, before = self._linked()
        if not len(rows):
            return codes
        kept = before.get(name, np.full(len(rows), NULL, dtype=np.int64))
        filled = codes.copy()
        for _ in range(2):
            need = filled[rows] == NULL
            if not need.any():
                break
            told = np.where(here == NULL, kept, filled[here])
            filled[rows[need]] = told[need]
        return filled


class _Joined:
    """Texts of several columns under one code each."""

    def __init__(self) -> None:
        self.values: list[str] = []
        self._first: dict[str, int] = {}
        self._numbered: dict[str, Ints] = {}

    def codes(self, source: str, values: Sequence[str], codes: Ints, as_: Callable[[str], str] = str) -> Ints:
        """The codes here of codes of a column, whose values are numbered as they grow."""
        there = self._numbered.get(source)
        if there is None or len(there) <= len(values):
            old = np.zeros(0, dtype=np.int64) if there is None else there[:-1]
            more = self.numbers([as_(value) for value in values[len(old) :]])
            there = self._numbered[source] = np.concatenate([old, more, [NULL]])
        return there[codes]

    def numbers(self, values: Sequence[str]) -> Ints:
        """The codes of texts."""
        for value in values:
            if value not in self._first:
                self._first[value] = len(self.values)
                self.values.append(value)
        return np.array([self._first[value] for value in values], dtype=np.int64)


def process(device: str, stream: str | None) -> str:
    """The process in a plain chrome trace's `process · thread`; the device of a trace whose streams name no process."""
    return stream.partition(" · ")[0] if stream is not None and " · " in stream else device


def _without_kinds(copy: str) -> str:
    """A copy's name without the kinds of memory behind it: `Memcpy HtoD (Pinned -> Device)` → Memcpy HtoD."""
    return copy.partition(" (")[0] if copy.endswith(")") else copy


def _either(codes: Ints, others: Ints) -> Ints:
    return np.where(codes == NULL, others, codes)


def positions(ids: Ints, wanted: Ints) -> Ints:
    """Where each wanted id stands among the ids; NULL for none."""
    if len(ids) and (np.diff(ids) == 1).all():
        at = wanted - ids[0]
        return np.where((at >= 0) & (at < len(ids)), at, NULL)
    order = np.argsort(ids, kind="stable")
    at = order[np.minimum(np.searchsorted(ids[order], wanted), len(ids) - 1)]
    return np.where(ids[at] == wanted, at, NULL)


def places_of(ids: Ints, wanted: Ints) -> Ints:
    """Where each wanted id stands among ids in order; NULL for none."""
    if not len(ids) or not len(wanted):
        return np.full(len(wanted), NULL, dtype=np.int64)
    at = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    return np.where(ids[at] == wanted, at, NULL)
