"""Reads an operator vocabulary: a CSV table `raw,op,phase,level,fuses,calls`, one per framework."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

from dlprof.plugin import Operator, Vocabulary


@cache
def read(file: Path) -> Vocabulary:
    """The vocabulary of a file: raw operator name → meaning. Empty cells: phase None, level op, calls 1."""
    text = file.read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if line and not line.startswith("#"))
    return {row["raw"]: _operator(row) for row in rows}


def _operator(row: dict[str, str]) -> Operator:
    return Operator(
        op=row["op"],
        phase=row.get("phase") or None,
        level=row.get("level") or "op",
        fuses=tuple(part for part in (row.get("fuses") or "").split(",") if part),
        calls=int(row.get("calls") or 1),
    )
