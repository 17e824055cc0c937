"""Reads an operator vocabulary: a CSV table `raw,op,phase,level,fuses,calls`, one per framework."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from dlprof.plugin import Operator, Vocabulary


@cache
def read(file: Path) -> Vocabulary:
    """The vocabulary of a file: raw operator name → meaning. Empty cells: phase None, level op, calls 1."""
    text = file.read_text(encoding="utf-8")
    rows = csv.reader(line for line in text.splitlines() if line and not line.startswith("#"))
    return _Rows(next(rows), rows)


class _Rows(Mapping[str, Operator]):
    """The rows of a table, each made an operator when it is asked for: a trace holds few of the thousands there are."""

    def __init__(self, header: Sequence[str], rows: Iterator[list[str]]) -> None:
        self._header, raw = header, header.index("raw")
        self._rows = {row[raw]: row for row in rows}
        self._operators: dict[str, Operator] = {}

    def __getitem__(self, name: str) -> Operator:
        operator = self._operators.get(name)
        if operator is None:
            operator = self._operators[name] = _operator(dict(zip(self._header, self._rows[name], strict=False)))
        return operator

    def __contains__(self, name: object) -> bool:
        return name in self._rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def _operator(row: dict[str, str]) -> Operator:
    return Operator(
        op=row["op"],
        phase=row.get("phase") or None,
        level=row.get("level") or "op",
        fuses=tuple(part for part in (row.get("fuses") or "").split(",") if part),
        calls=int(row.get("calls") or 1),
    )
