"""Reads traces in tests: bytes or a path in, rows out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from dlprof import ingest, schema
from dlprof.ingest import TraceInfo
from dlprof.plugin import Operator, Vocabulary


def read(
    path: Path, vocabularies: Mapping[str, Vocabulary] | None = None, repair: bool = False
) -> tuple[pa.Table, TraceInfo]:
    batches: list[pa.RecordBatch] = []
    root = path if path.is_dir() else path.parent
    info = ingest.read([path], root=root, vocabularies=vocabularies or {}, sink=batches.append, repair=repair)
    for batch in batches:
        assert batch.schema.equals(schema.EVENTS)
    return pa.Table.from_batches(batches, schema=schema.EVENTS), info


def read_bytes(
    data: bytes, folder: Path, name: str = "t.xplane.pb", operators: Mapping[str, Operator] | None = None,
    repair: bool = False,
) -> tuple[list[dict[str, Any]], TraceInfo]:  # fmt: skip
    """Rows as dicts in the table's order; `operators`: the TensorFlow vocabulary."""
    path = folder / name
    path.write_bytes(data)
    table, info = read(path, dict.fromkeys(("tensorflow", "jax", "xla"), operators or {}), repair)
    return table.to_pylist(), info
