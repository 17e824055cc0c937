"""What an accelerator's event metadata say of every event of that name: operator, source line, flops, bytes, category.

GPUs write such stats on each event; TPUs write them once, on the metadata of the HLO instruction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from dlprof.ingest.batch import NO_INT, NO_TEXT, Int32, Int64
from dlprof.ingest.protobuf.space import EventName, Plane
from dlprof.ingest.reader import Context
from dlprof.ingest.source_lines import source_line
from dlprof.ingest.xplane.hlo_columns import HloColumns
from dlprof.ingest.xplane.hlo_names import instruction, moving
from dlprof.ingest.xplane.plane_names import annotation

_TEXTS: Final = ("op_path", "lookup", "category", "source_line", "hlo")
_NUMBERS: Final = ("flops", "bytes")
_Code = TypeVar("_Code", np.int32, np.int64)


class SharedStats:
    """Columns by name, indexed by position of the event's name; one position more stands for unknown names."""

    def __init__(self, plane: Plane, names: Sequence[EventName], ctx: Context, hlo: HloColumns) -> None:
        self._ctx = ctx
        self._hlo = hlo
        self._texts = {column: np.full(len(names) + 1, NO_TEXT, dtype=np.int32) for column in _TEXTS}
        self._numbers = {column: np.full(len(names) + 1, NO_INT, dtype=np.int64) for column in _NUMBERS}
        for row, name in enumerate(names):
            if name.stats:
                self._note(row, name, plane.named(name.stats))

    def texts(self, column: str, at: Int64, own: Int32 | None) -> Int32:
        """Codes of the events' own stats, and of the metadata's where an event has none. at: positions of the names.

        `hlo` has codes of HloColumns, the others of the pool of their name.
        """
        return _filled(own, self._texts[column][at], np.int32(NO_TEXT))

    def numbers(self, column: str, at: Int64, own: Int64 | None) -> Int64:
        """The same for flops and bytes."""
        return _filled(own, self._numbers[column][at], np.int64(NO_INT))

    def _note(self, row: int, name: EventName, stats: dict[str, object]) -> None:
        path, category = stats.get("tf_op"), stats.get("hlo_category")
        text = name.display_name or _instruction_name(name.name)
        moved = moving(text, category if isinstance(category, str) else None)
        if isinstance(path, str) and path:
            operator = annotation(path)
            self._texts["op_path"][row] = self._ctx.pool("op_path")[operator.path]
            self._texts["lookup"][row] = self._ctx.pool("lookup")[moved or operator.type or operator.path]
        elif text:
            self._texts["lookup"][row] = self._ctx.pool("lookup")[moved or instruction(text)]
        if isinstance(category, str):
            self._texts["category"][row] = self._ctx.pool("category")[category]
        if isinstance(line := stats.get("source"), str) and line:
            self._texts["source_line"][row] = self._ctx.pool("source_line")[source_line(line)]
        program = stats.get("program_id")
        if isinstance(program, int) and text and -(2**63) < program < 2**63:
            self._texts["hlo"][row] = self._hlo.code(program, NO_TEXT, text)
        for column, stat in (("flops", "flops"), ("bytes", "bytes_accessed")):
            value = stats.get(stat)
            if isinstance(value, int) and -(2**63) < value < 2**63:
                self._numbers[column][row] = value


def _instruction_name(text: str) -> str:
    """The name in an instruction's text, `%fusion.1 = f32[8]{0} fusion(…)`."""
    name, equals, _ = text.partition(" = ")
    return name.lstrip("%") if equals else ""


def _filled(own: npt.NDArray[_Code] | None, shared: npt.NDArray[_Code], missing: _Code) -> npt.NDArray[_Code]:
    return shared if own is None else np.where(own == missing, shared, own)
