"""Builds small event tables for the analysis tests: only what a test names, honest defaults for the rest."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from dlprof import schema


def events(*rows: dict[str, Any]) -> pa.Table:
    """An event table (schema.EVENTS) from rows with start and end in ns; everything else defaults."""
    full = []
    for number, row in enumerate(rows):
        row = dict(row)
        start, end = row.pop("start", 0), row.pop("end", None)
        start_ps = round(start * 1000)
        duration = 0 if end is None else round(end * 1000) - start_ps
        base: dict[str, Any] = {column.name: None for column in schema.EVENT_COLUMNS}
        base |= {
            "id": number,
            "source": "test.json",
            "device": "cpu:0",
            "stream": f"thread {row.get('track', 0)}",
            "track": 0,
            "level": "op",
            "name": row.get("op") or row.get("kernel") or "event",
            "start_ps": start_ps,
            "duration_ps": duration,
            "self_ps": duration,
            "occurrences": 1,
            "calls": 1,
        }
        full.append(base | row)
    return pa.Table.from_pylist(full, schema.EVENTS)


def op(canonical: str | None, start: float, end: float, /, **more: Any) -> dict[str, Any]:
    return {"op": canonical, "start": start, "end": end, **more}


def marker(name: str, start: float, end: float, **more: Any) -> dict[str, Any]:
    return {"name": name, "level": "marker", "track": 99, "start": start, "end": end, "calls": 0, **more}


def step(number: int, start: float, end: float, **more: Any) -> dict[str, Any]:
    return marker(f"dlprof:step={number}", start, end, step=number, **more)
