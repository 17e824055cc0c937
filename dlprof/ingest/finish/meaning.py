"""What raw names mean, worked out once per distinct name and applied to rows as table look-ups."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dlprof import schema
from dlprof.ingest.batch import LEVEL, NO_TEXT, Int32, Int64, Pool, Pools
from dlprof.ingest.finish.layer_parts import FURTHER, Scopes, refine, special
from dlprof.ingest.finish.paths import place
from dlprof.ingest.finish.spill import Columns, the_same
from dlprof.names import Marker
from dlprof.native import sums as native
from dlprof.plugin import Operator

_NONE: Final = np.int32(NO_TEXT)
_PHASE: Final = {phase: code for code, phase in enumerate(schema.PHASES)}
_WORK: Final = np.array([level in ("op", "kernel", "copy", "sync") for level in schema.LEVELS])

_HINTS: Final = np.arange(NO_TEXT, len(schema.LEVELS))
"""What a row may say of its level: nothing, or one."""


@dataclass(frozen=True, slots=True)
class Meanings:
    """What each row means, as codes, shape (n,); NO_TEXT = none.

    level: as LEVEL
    op, fuses: codes into `ops` and `fused`
    phase: code into schema.PHASES
    layer: code into `layers`
    line: code into the pool of source lines
    calls: canonical calls per occurrence
    mark: the phase that a name gives to what is inside
    scope: code into `scopes`: the part of the model that the event spans
    unknown: number of rows of level op without a canonical operator
    around: the phase of each row's place, whatever its level; None where nesting was not asked
    """

    level: npt.NDArray[np.int8]
    op: Int32
    fuses: Int32
    phase: Int32
    layer: Int32
    line: Int32
    calls: Int64
    mark: Int32
    scope: Int32
    unknown: int
    around: Int32 | None = None

    def replaced(self, **columns: Any) -> Meanings:
        """The same with other columns."""
        return replace(self, **columns)

    def of_rows(self, at: Int64) -> Meanings:
        """Those of some rows; `unknown` stays that of all."""
        values = ((each.name, getattr(self, each.name)) for each in fields(self))
        chosen: dict[str, Any] = {name: column[at] for name, column in values if isinstance(column, np.ndarray)}
        return replace(self, **chosen)


_ATTRIBUTES: Final = ("known", "named", "op", "fuses", "phase", "level", "calls", "scope", "special")


class _Names:
    """Operator of each name of a pool, as arrays indexed by code (the last element serves NO_TEXT)."""

    def __init__(
        self, pool: Pool, resolve: Callable[[str], Operator | None], ops: Pool, fused: Pool, scopes: Pool
    ) -> None:
        size = len(pool.values_list) + 1
        self.known = np.zeros(size, dtype=bool)
        self.named = np.zeros(size, dtype=bool)
        self.op = np.full(size, NO_TEXT, dtype=np.int32)
        self.fuses = np.full(size, NO_TEXT, dtype=np.int32)
        self.phase = np.full(size, NO_TEXT, dtype=np.int32)
        self.level = np.full(size, NO_TEXT, dtype=np.int8)
        self.calls = np.ones(size, dtype=np.int64)
        self.scope = np.full(size, NO_TEXT, dtype=np.int32)
        self.special = np.zeros(size, dtype=bool)
        self.operators: dict[int, Operator] = {}
        for code, name in enumerate(pool.values_list):
            operator = resolve(name)
            if operator is None:
                continue
            self.known[code] = True
            # Of a gradient of the user's own the phase is known, and not the operator; a frame around one calls none.
            self.named[code] = bool(operator.op) or not operator.calls
            self.op[code] = ops[operator.op] if operator.op else NO_TEXT
            sure = [part for part in operator.fuses if part != FURTHER]
            self.fuses[code] = fused[",".join(sure)] if sure else NO_TEXT
            self.phase[code] = _PHASE[operator.phase] if operator.phase else NO_TEXT
            self.level[code] = LEVEL[operator.level]
            self.calls[code] = operator.calls
            self.scope[code] = scopes[operator.layer] if operator.layer else NO_TEXT
            self.special[code] = special(operator)
            if self.special[code]:
                self.operators[code] = operator


class Meaning:
    """Turns codes into meanings.

    resolve: raw operator name → Operator or None (the reader's `operator` with its table)
    columns: those of schema.EVENTS that are asked for, None for all
    """

    def __init__(
        self, pools: Pools, resolve: Callable[[str], Operator | None], columns: Collection[str] | None = None
    ) -> None:
        self._fusing = columns is None or "fuses" in columns
        self.ops, self.fused, self.layers = Pool(), Pool(), Pool()
        scopes = Pool()
        self.scopes = scopes.values_list
        self._paths = pools.text["op_path"].values_list
        self._scopes = Scopes(self._paths)
        names = _Names(pools.text["name"], resolve, self.ops, self.fused, scopes)
        self._lookups = _Names(pools.text["lookup"], resolve, self.ops, self.fused, scopes)
        self._first_lookup = len(names.known)
        self._tables = {
            attribute: np.concatenate([getattr(names, attribute), getattr(self._lookups, attribute)])
            for attribute in _ATTRIBUTES
        }
        self._levels = self._of_hints()
        markers = [Marker.parse(text) is not None for text in pools.text["name"].values_list]
        self._markers = np.array([*markers, False], dtype=bool)
        self._refined: dict[tuple[int, int], tuple[int, int, int]] = {}
        self._told = np.array(
            [*(self.layers[text] for text in pools.text["layer"].values_list), NO_TEXT], dtype=np.int32
        )
        size = len(self._paths) + 1
        self._path_phase = np.full(size, NO_TEXT, dtype=np.int32)
        self._path_layer = np.full(size, NO_TEXT, dtype=np.int32)
        for code, path in enumerate(self._paths):
            where = place(path)
            self._path_phase[code] = _PHASE[where.phase] if where.phase else NO_TEXT
            self._path_layer[code] = self.layers[where.layer] if where.layer else NO_TEXT

    def level(self, rows: Columns) -> npt.NDArray[np.int8]:
        """The levels of rows; columns name, lookup and level are read."""
        name, lookup = rows["name"], rows["lookup"]
        asked = None if the_same(lookup) == NO_TEXT else lookup
        table = self._levels.reshape(-1, len(_HINTS))
        compiled = native.levels(name, asked, self._first_lookup, rows["level"], table, self._markers, LEVEL["marker"])
        return self._level(rows) if compiled is None else compiled

    def _level(self, rows: Columns) -> npt.NDArray[np.int8]:
        """`level` without the compiled part."""
        at = self._asked(rows) * np.int32(len(_HINTS))
        at += rows["level"]
        at += 1
        told = self._levels.take(at)
        return np.where(self._markers[rows["name"]], LEVEL["marker"], told)

    def _asked(self, rows: Columns) -> Int32:
        """Where in the tables each row's name stands, or what is looked up in its place."""
        name, lookup = rows["name"], rows["lookup"]
        if the_same(lookup) == NO_TEXT:
            return name
        return np.where(lookup != NO_TEXT, lookup + np.int32(self._first_lookup), name)

    def of(self, rows: Columns, level: npt.NDArray[np.int8] | None = None, *, nested: bool = True) -> Meanings:
        """The meanings of rows; columns name, lookup, op_path, layer, source_line and level are read. level: where known. nested:
        whether rows inside are to have `mark` and `scope` of them; else none has any."""
        name, lookup, path = rows["name"], rows["lookup"], rows["op_path"]
        none = np.broadcast_to(_NONE, len(name))
        at = self._asked(rows)

        def pick(attribute: str) -> npt.NDArray[Any]:
            return self._tables[attribute].take(at)

        level = self.level(rows) if level is None else level
        work = _WORK[level]
        op = np.where(work, pick("op"), _NONE)
        fuses = np.where(work, pick("fuses"), _NONE) if self._fusing else none
        calls = pick("calls")
        self._refine(work & pick("special"), lookup, path, op, fuses, calls)
        told_phase = pick("phase")
        phase = np.where(work & (told_phase != NO_TEXT), told_phase, self._path_phase[path])
        phase[(phase == NO_TEXT) & (level == LEVEL["copy"])] = _PHASE["transfer"]
        unknown = int(np.count_nonzero((level == LEVEL["op"]) & ~pick("named")))
        layer = self._path_layer[path]
        if the_same(rows["layer"]) != NO_TEXT:
            told = self._told[rows["layer"]]
            layer = np.where(told == NO_TEXT, layer, told)
        mark, scope = (np.where(self._markers[name], _NONE, told_phase), pick("scope")) if nested else (none, none)
        line = rows["source_line"]
        return Meanings(level, op, fuses, phase, layer, line, calls, mark, scope, unknown)

    def _of_hints(self) -> npt.NDArray[np.int8]:
        """The level of each name by the level that a row says (_HINTS), name by name."""
        asked = (_HINTS == NO_TEXT) | np.isin(_HINTS, LEVEL["op"])
        known, level = self._tables["known"][:, None], self._tables["level"][:, None]
        told = np.where(known & asked, level, _HINTS)
        return np.where(told == NO_TEXT, LEVEL["api"], told).astype(np.int8).ravel()

    def levels(self, codes: Int64, hint: int, column: str) -> npt.NDArray[np.int8]:
        """The levels of names, or of what is looked up in their place (`column`), of rows with a hint that these decide."""
        at = codes + self._first_lookup if column == "lookup" else codes
        level = np.where(self._tables["known"][at], self._tables["level"][at], hint)
        return np.where(level == NO_TEXT, LEVEL["api"], level).astype(np.int8)

    def _refine(
        self,
        mask: npt.NDArray[np.bool_],
        lookup: npt.NDArray[Any],
        path: npt.NDArray[Any],
        op: Int32,
        fuses: Int32,
        calls: Int64,
    ) -> None:
        """Fits operators to their place in the layer, in place, once per distinct (operator, path)."""
        rows = np.flatnonzero(mask & (path != NO_TEXT) & (lookup != NO_TEXT))
        if not len(rows):
            return
        key = lookup[rows].astype(np.int64) << 32 | path[rows].astype(np.int64)
        distinct, inverse = np.unique(key, return_inverse=True)
        table = np.array([self._at(int(pair) >> 32, int(pair) & 0xFFFF_FFFF) for pair in distinct], dtype=np.int64)
        op[rows], told, calls[rows] = table[inverse].T
        if self._fusing:
            fuses[rows] = told

    def _at(self, lookup: int, path: int) -> tuple[int, int, int]:
        found = self._refined.get((lookup, path))
        if found is None:
            operator = refine(self._lookups.operators[lookup], self._paths[path], self._scopes)
            fuses = self.fused[",".join(operator.fuses)] if operator.fuses else NO_TEXT
            found = self._refined[lookup, path] = self.ops[operator.op], fuses, operator.calls
        return found
