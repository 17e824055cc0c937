"""What the compiled modules say of the instructions that events name, as columns: each instruction is looked up once."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from dlprof.ingest.batch import NO_INT, NO_TEXT, Growing, Int32, Int64, arrow
from dlprof.ingest.reader import Context
from dlprof.ingest.source_lines import source_line
from dlprof.ingest.xplane.hlo_module import Modules
from dlprof.ingest.xplane.hlo_names import instruction, moving, spelled

_POOLED: Final = ("op_path", "lookup", "kernel", "category", "source_line")


class HloColumns:
    """Columns by name, indexed by an instruction's code; they grow as instructions are met."""

    def __init__(self, modules: Modules, ctx: Context) -> None:
        self._modules = modules
        self._ctx = ctx
        self._codes: dict[tuple[int, int, str], int] = {}
        self._columns = {column: Growing(NO_TEXT) for column in _POOLED}
        self._known = Growing(False, np.bool_)
        self._moving = Growing(False, np.bool_)
        self._module_names: dict[str, int] = {}
        self._module_list: list[str] = []

    def module(self, name: str) -> int:
        """A code for a module's name, for `codes`."""
        code = self._module_names.get(name)
        if code is None:
            code = self._module_names[name] = len(self._module_list)
            self._module_list.append(name)
        return code

    def code(self, program: int, module: int, name: str) -> int:
        """The code of an instruction. program: its id, or NO_INT; module: see `module`, or NO_TEXT."""
        key = (program, module, name)
        code = self._codes.get(key)
        if code is None:
            code = self._codes[key] = len(self._known)
            self._look_up(program, module, name)
        return code

    def codes(self, name: Int32, names: list[str], program: Int64 | None, module: Int32 | None) -> Int32:
        """The code of each event's instruction, NO_TEXT where it names none; all shape (n,).

        name: codes into `names`. program, module: as for `code`, None where no event has one.
        """
        found = np.full(len(name), NO_TEXT, dtype=np.int32)
        rows = np.flatnonzero(name != NO_TEXT)
        parts = [name[rows].astype(np.int64)]
        for column, missing in ((program, NO_INT), (module, NO_TEXT)):
            parts.append(np.full(len(rows), missing) if column is None else column[rows].astype(np.int64))
        coded, distinct = _distinct(parts)
        table = [self.code(program_, module_, names[name_]) for name_, program_, module_ in distinct]
        found[rows] = np.array(table, dtype=np.int32)[coded]
        return found

    def column(self, name: str, codes: Int32) -> Int32:
        """The pool codes of a column, NO_TEXT where the modules say nothing."""
        found: Int32 = self._columns[name].array[codes]
        return found

    def known(self, codes: Int32) -> npt.NDArray[np.bool_]:
        """Whether the instruction was found in a module."""
        found: npt.NDArray[np.bool_] = self._known.array[codes]
        return found

    def moving(self, codes: Int32) -> npt.NDArray[np.bool_]:
        """Whether the instruction sends, receives or copies (hlo_names.moving), by its name where no module has it."""
        found: npt.NDArray[np.bool_] = self._moving.array[codes]
        return found

    def _look_up(self, program: int, module: int, name: str) -> None:
        asked = self._module_list[module] if module != NO_TEXT else None
        described = self._modules.find(program if program != NO_INT else None, asked, name)
        base = instruction(name)
        moved = moving(base)
        texts = {"op_path": "", "lookup": moved or base, "kernel": base, "category": "", "source_line": ""}
        if described is not None:
            own = described.instruction
            texts = {
                "op_path": own.op_name.partition(";")[0] if "/" in own.op_name else "",
                "lookup": spelled(described),
                "kernel": base,
                "category": own.category,
                "source_line": source_line(own.source),
            }
            moved = moving(texts["lookup"])
        self._known.extend([described is not None])
        self._moving.extend([moved is not None])
        for column, text in texts.items():
            self._columns[column].extend([self._ctx.pool(column)[text] if text else NO_TEXT])


def _distinct(parts: list[Int64]) -> tuple[Int64, list[tuple[int, ...]]]:
    """(number of each row's tuple, the distinct tuples)."""
    combined = np.zeros(len(parts[0]), dtype=np.int64)
    tables = []
    for part in parts:
        coded = arrow(part).dictionary_encode()
        values = coded.dictionary.to_numpy()
        combined = combined * max(len(values), 1) + coded.indices.to_numpy()
        tables.append(values)
    coded = arrow(combined).dictionary_encode()
    keys = coded.dictionary.to_numpy().copy()
    columns = []
    for values in reversed(tables):
        size = max(len(values), 1)
        columns.append(values[keys % size].tolist() if len(values) else [])
        keys //= size
    return coded.indices.to_numpy(), list(zip(*reversed(columns), strict=True))
