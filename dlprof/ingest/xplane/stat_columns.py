"""Stats of events that have a column of their own: correlation, operator path, shape, bytes, flops."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from dlprof.ingest.batch import NO_INT, NO_TEXT, Int32, Int64, Pool
from dlprof.ingest.protobuf.event_windows import DOUBLE, REF, STR, Stats
from dlprof.ingest.protobuf.space import Plane
from dlprof.ingest.protobuf.wire import Uint64
from dlprof.ingest.reader import Context
from dlprof.ingest.source_lines import source_line
from dlprof.ingest.xplane.hlo_columns import HloColumns
from dlprof.ingest.xplane.plane_names import annotation, dtype

_SIZE: Final = re.compile(r"(?:^|\s)(?:size|num_bytes):(\d{1,18})(?:\s|$)")
_SOURCE: Final = re.compile(r".+:\d+")
"""A stat `source` that is a line of the program, `/home/me/model.py:42`."""
_PATHS: Final = ("tf_op", "name", "annotation", "level 0")
"""Stats that may name the operator of a device event, best first; XLA writes `XlaModule:` into tf_op when it knows none."""
_NUMBERS: Final = {"correlation_id": "correlation", "bytes_accessed": "bytes", "flops": "flops"}
_TAKEN_ON_HOST: Final = ("correlation_id", "shape", "hlo_op")
_TAKEN_ON_DEVICE: Final = ("correlation_id", "shape", "bytes_accessed", "flops", *_PATHS)
_KEPT_TOO: Final = ("hlo_op", "tf_op", "name", "annotation", "level 0")
"""Read into a column in part only, so they stay in args as well."""

_READ: Final = frozenset(
    {"correlation_id", "shape", "bytes_accessed", "flops", "memcpy_details", "memset_details", "device_duration_ps"}
    | {"step_num", "run_id", "program_id", "group_id", "hlo_op", "hlo_module", "source", *_PATHS}
)
"""All stats that are read here."""
_HIGHEST: Final = 1 << 16
"""Ids below which a table of all of them is made: profilers count from one."""


@dataclass(frozen=True, slots=True)
class Found:
    """The stats of a window's events that dlprof has columns for, shape (n,).

    NO_TEXT or NO_INT where an event has no such stat; None for a column where no event has.

    hlo: codes of HloColumns
    duration: ps, as the device's own clock tells it
    step: number on a step's marker
    run: id of the execution, where the plane has steps too; module, program: what it executes (HloColumns.module)
    group: id of the events of a step
    """

    correlation: Int64 | None
    bytes: Int64 | None
    flops: Int64 | None
    shape: Int32 | None
    dtype: Int32 | None
    op_path: Int32
    source_line: Int32 | None
    lookup: Int32
    hlo: Int32 | None
    duration: Int64 | None
    step: Int64 | None
    run: Int64 | None
    module: Int32 | None
    program: Int64 | None
    group: Int64 | None
    is_copy: npt.NDArray[np.bool_]


def without(stats: Stats, ids: frozenset[int]) -> Stats:
    """The stats that go to args: what has a column to itself is not repeated there."""
    if not len(stats.event) or not ids:
        return stats
    rest = ~np.isin(stats.id, np.fromiter(ids, dtype=np.int64))
    if rest.all():
        return stats
    return Stats(stats.event[rest], stats.id[rest], stats.kind[rest], stats.value[rest], stats.at[rest])


class StatColumns:
    """Finds the stats that dlprof has columns for by name, in one plane.

    roles: ids of stats that only a column takes
    """

    def __init__(self, plane: Plane, ctx: Context, hlo: HloColumns, *, on_device: bool) -> None:
        self._ctx = ctx
        self._hlo = hlo
        self._instructions = Pool()
        self._on_device = on_device
        self._ids: dict[str, list[int]] = {}
        for id_, name in plane.stat_names.items():
            if name in _READ:
                self._ids.setdefault(name, []).append(id_)
        taken = _TAKEN_ON_DEVICE if on_device else _TAKEN_ON_HOST
        self.roles = frozenset(id_ for name in taken if name not in _KEPT_TOO for id_ in self._ids.get(name, ()))
        if not (ctx.wants("shape") or ctx.wants("dtype")):
            self._ids.pop("shape", None)
        self.runs = not on_device and all(name in self._ids for name in ("step_num", "run_id"))
        self._stat_names = plane.stat_names
        self._shape_codes: list[int] = []
        self._dtype_codes: list[int] = []
        self._path_codes: list[int] = []
        self._type_codes: list[int] = []
        self._sizes: list[int] = []
        self._memory: dict[tuple[str, int | bytes], int] = {}

    def wanted(self) -> npt.NDArray[np.bool_] | None:
        """Of each id whether its stats are read here; None where ids are too large for a table."""
        ids = [id_ for of_name in self._ids.values() for id_ in of_name]
        if not all(0 <= id_ < _HIGHEST for id_ in ids):
            return None
        table = np.zeros(max(ids, default=0) + 1, dtype=np.bool_)
        table[ids] = True
        return table

    def read(self, stats: Stats, data: bytes, count: int) -> Found:
        """The columns of a window with `count` events; data: the window's bytes."""
        shape, kinds = self._texts(stats, data, count, "shape", self._shape), None
        if shape is not None:
            kinds = np.array([*self._dtype_codes, NO_TEXT], dtype=np.int32)[shape]
            shape = np.array([*self._shape_codes, NO_TEXT], dtype=np.int32)[shape]
        copied, size = self._copies(stats, data, count)
        moved = self._numbers(stats, count, "bytes_accessed")
        if size is not None:
            moved = size if moved is None else np.where(moved == NO_INT, size, moved)
        op_path, lookup = self._operators(stats, data, count)
        return Found(
            correlation=self._numbers(stats, count, "correlation_id"),
            bytes=moved,
            flops=self._numbers(stats, count, "flops"),
            shape=shape,
            dtype=kinds,
            op_path=op_path,
            source_line=self._texts(stats, data, count, "source", self._line) if self._on_device else None,
            lookup=lookup,
            hlo=self._hlo_codes(stats, data, count),
            duration=self._numbers(stats, count, "device_duration_ps") if self._on_device else None,
            step=None if self._on_device else self._numbers(stats, count, "step_num"),
            run=self._numbers(stats, count, "run_id") if self.runs else None,
            module=self._texts(stats, data, count, "hlo_module", self._hlo.module) if self.runs else None,
            program=self._numbers(stats, count, "program_id") if self.runs else None,
            group=self._numbers(stats, count, "group_id"),
            is_copy=copied,
        )

    def _hlo_codes(self, stats: Stats, data: bytes, count: int) -> Int32 | None:
        """The instruction that each event executes: by its name and its program's id, else its module's name."""
        names = self._texts(stats, data, count, "hlo_op", lambda text: self._instructions[text] if text else NO_TEXT)
        if names is None:
            return None
        program = self._numbers(stats, count, "program_id")
        module = None if program is not None else self._texts(stats, data, count, "hlo_module", self._hlo.module)
        return self._hlo.codes(names, self._instructions.values_list, program, module)

    def _rows(self, stats: Stats, name: str) -> Int64:
        ids = self._ids.get(name)
        if not ids or not len(stats.id):
            return np.empty(0, dtype=np.int64)
        return np.flatnonzero(stats.id == ids[0] if len(ids) == 1 else np.isin(stats.id, ids))

    def _numbers(self, stats: Stats, count: int, name: str) -> Int64 | None:
        rows = self._rows(stats, name)
        if len(rows):
            rows = rows[~np.isin(stats.kind[rows], (STR, REF))]
        if not len(rows):
            return None
        column = np.full(count, NO_INT, dtype=np.int64)
        values = stats.value[rows].view(np.int64)
        real = stats.kind[rows] == DOUBLE
        if real.any():
            numbers = stats.value[rows].view(np.float64)
            fits = np.isfinite(numbers) & (np.abs(numbers) < 2.0**62)
            values = np.where(real, np.where(fits, numbers, 0).astype(np.int64), values)
        column[stats.event[rows]] = values
        return column

    def _texts(self, stats: Stats, data: bytes, count: int, name: str, code: Callable[[str], int]) -> Int32 | None:
        """Codes of a text stat per event; `code` turns a distinct text into its code, once."""
        rows = self._rows(stats, name)
        if not len(rows):
            return None
        column = np.full(count, NO_TEXT, dtype=np.int32)
        if (stats.kind[rows] == REF).all():
            column[stats.event[rows]] = self._referred(name, stats.value[rows], code)
            return column
        memory = self._memory
        codes = []
        kinds, values, places = (column[rows].tolist() for column in (stats.kind, stats.value, stats.at))
        for kind, value, place in zip(kinds, values, places, strict=True):
            key = (name, value if kind == REF else data[place : place + value] if kind == STR else -1)
            known = memory.get(key)
            if known is None:
                text = (
                    self._stat_names.get(value, "")
                    if kind == REF
                    else data[place : place + value].decode(errors="replace")
                    if kind == STR
                    else ""
                )
                known = memory[key] = code(text)
            codes.append(known)
        column[stats.event[rows]] = codes
        return column

    def _referred(self, name: str, values: Uint64, code: Callable[[str], int]) -> Int32:
        """Codes of texts that are names of stats, in the order of their first rows."""
        distinct, first, inverse = np.unique(values, return_index=True, return_inverse=True)
        codes = np.empty(len(distinct), dtype=np.int32)
        for at in np.argsort(first).tolist():
            value = int(distinct[at])
            key: tuple[str, int | bytes] = (name, value)
            if key not in self._memory:
                self._memory[key] = code(self._stat_names.get(value, ""))
            codes[at] = self._memory[key]
        return codes[inverse]

    def _shape(self, text: str) -> int:
        if not text:
            return NO_TEXT
        kind = dtype(text)
        self._shape_codes.append(self._ctx.pool("shape")[text])
        self._dtype_codes.append(NO_TEXT if kind is None else self._ctx.pool("dtype")[kind])
        return len(self._shape_codes) - 1

    def _line(self, text: str) -> int:
        return self._ctx.pool("source_line")[source_line(text)] if _SOURCE.fullmatch(text) else NO_TEXT

    def _operators(self, stats: Stats, data: bytes, count: int) -> tuple[Int32, Int32]:
        """Operator path and type of each event, from the best stat that names one."""
        best = np.broadcast_to(np.int32(NO_TEXT), count)
        if self._on_device or "hlo_op" in self._ids:
            for name in _PATHS:
                codes = self._texts(stats, data, count, name, self._annotated)
                if codes is not None:
                    best = np.where(best == NO_TEXT, codes, best)
        if not best.strides[0]:
            return best, best
        return (
            np.array([*self._path_codes, NO_TEXT], dtype=np.int32)[best],
            np.array([*self._type_codes, NO_TEXT], dtype=np.int32)[best],
        )

    def _annotated(self, text: str) -> int:
        if not text or text == "XlaModule:":
            return NO_TEXT
        operator = annotation(text)
        self._path_codes.append(self._ctx.pool("op_path")[operator.path])
        self._type_codes.append(self._ctx.pool("lookup")[operator.type] if operator.type else NO_TEXT)
        return len(self._path_codes) - 1

    def _copies(self, stats: Stats, data: bytes, count: int) -> tuple[npt.NDArray[np.bool_], Int64 | None]:
        """Which events are copies by their details, and how many bytes those say."""
        copied: npt.NDArray[np.bool_] = np.broadcast_to(np.False_, count)
        sizes: Int64 | None = None
        for name in ("memcpy_details", "memset_details"):
            codes = self._texts(stats, data, count, name, self._size)
            if codes is None:
                continue
            copied = copied | (codes != NO_TEXT)
            here = np.array([*self._sizes, NO_INT], dtype=np.int64)[codes]
            sizes = here if sizes is None else np.where(sizes == NO_INT, here, sizes)
        return copied, sizes

    def _size(self, text: str) -> int:
        match = _SIZE.search(text)
        self._sizes.append(int(match[1]) if match else NO_INT)
        return len(self._sizes) - 1
