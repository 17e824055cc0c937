"""Captures as evidence: their event tables are read when one is asked for, and no longer kept than it is used."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pyarrow as pa

from dlprof import schema
from dlprof.api.findings.evidence import evidence_of, side_of
from dlprof.manifest import ImportOptions, Manifest
from dlprof.store import Capture, CaptureWriter

ROWS = 20_000


def recorded(place: Path) -> Capture:
    """A capture of so many rows without a meaning."""
    columns = []
    for field in schema.EVENTS:
        text = pa.types.is_dictionary(field.type)
        plain = field.type.value_type if text else field.type
        values = pa.array(["op"] * ROWS if pa.types.is_string(plain) else np.arange(ROWS), plain)
        columns.append(values.dictionary_encode().cast(field.type) if text else values)
    with CaptureWriter(place) as writer:
        writer.sink(pa.RecordBatch.from_arrays(columns, schema=schema.EVENTS))
        options = ImportOptions(sources=["trace.json"], repair=False)
        writer.commit(
            Manifest(
                kind="import", dlprof_version="0", created="2026-01-01T00:00:00+00:00", options=options, workload={}
            )
        )
    return Capture.open(place)


def test_the_evidence_of_many_captures_holds_no_events(tmp_path: Path) -> None:
    captures = [recorded(tmp_path / str(number)) for number in range(6)]
    size = captures[0].events().nbytes
    gc.collect()
    before = pa.total_allocated_bytes()
    evidence = evidence_of(captures, side_of(captures[0], path=None))
    gc.collect()
    held = pa.total_allocated_bytes() - before
    assert held < 2 * size, "at most what reading the last one left, where all six would be held"
    assert len(evidence.exact) == 6
    assert evidence.exact[-1].equals(captures[5].events())
    assert [one.num_rows for one in evidence.exact[1:3]] == [ROWS, ROWS]
