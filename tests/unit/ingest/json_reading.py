"""Reads JSON traces in tests with the real vocabularies: recorded files and small texts in, rows out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from places import TRACES
from reading import read

from dlprof.frameworks import vocabularies
from dlprof.ingest import TraceInfo

VOCABULARIES = {name: vocabularies()[name] for name in ("mxnet", "tensorflow", "pytorch")}

Row = dict[str, Any]


def recorded(name: str) -> Path:
    """A recorded trace; skips where the folder is absent."""
    path = TRACES / name
    if not path.exists():
        pytest.skip(f"recorded trace {name} is not here (../shared/traces)")
    return path


def table(path: Path, *, repair: bool = False) -> tuple[pa.Table, TraceInfo]:
    """(event table, facts) of one file."""
    return read(path, VOCABULARIES, repair)


def rows(path: Path, *, repair: bool = False) -> tuple[list[Row], TraceInfo]:
    """(rows, facts) of one file."""
    events, info = table(path, repair=repair)
    return events.to_pylist(), info


def rows_of(text: str | bytes, folder: Path, *, repair: bool = False) -> tuple[list[Row], TraceInfo]:
    """(rows, facts) of a trace given as text."""
    path = folder / "trace.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return rows(path, repair=repair)


def union_ps(spans: list[tuple[int, int]]) -> int:
    """Length of the union of (start, end) spans."""
    ordered = np.array(sorted(spans), dtype=np.int64).reshape(-1, 2)
    if not len(ordered):
        return 0
    reach = np.maximum.accumulate(ordered[:, 1])
    before = np.concatenate([ordered[:1, 0], reach[:-1]])
    return int(np.maximum(ordered[:, 1] - np.maximum(ordered[:, 0], before), 0).sum())
