"""Findings as versioned JSON, described by the JSON Schemas in report/schemas; NaN and infinities become null.

Rejected: `json.dumps` with its default `allow_nan`, which writes the bare word NaN that no other JSON reader accepts.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
import numpy as np
import pyarrow as pa

from dlprof import schema
from dlprof.analysis.model import Amount, Comparison, Ledger, Side, View
from dlprof.analysis.ranks.model import Ranks
from dlprof.analysis.ranks.two_jobs import TwoJobs
from dlprof.analysis.timing.recorded import RecordedRuns
from dlprof.names import SIDES
from dlprof.report import facts_json
from dlprof.report.text import gate_text
from dlprof.report.text.verdict import verdict_word

if TYPE_CHECKING:
    from dlprof.analysis.history import History  # with it comes SciPy

SCHEMA_VERSION: Final = 1
"""Version of the JSON that `--format json` writes; it rises when a key is renamed, removed or changes its meaning."""

_BATCH: Final = 20_000


def comparison(found: Comparison) -> str:
    """A comparison in the terms of schemas/comparison.schema.json, indented, with a final newline."""
    return dump(comparison_value(found))


def comparison_value(found: Comparison) -> dict[str, Any]:
    """The same as plain values: what the report page embeds."""
    first = found.items[0] if found.items else None
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "comparison",
        **_gate(found),
        "workload": found.workload,
        "a": _side(found.a),
        "b": _side(found.b),
        "verdict": verdict_word(found),
        "ratio": plain(first.ratio) if first else None,
        "ratio_of": first.item if first else None,
        "basis": found.basis,
        "items": plain(found.items),
        "rows": plain(found.rows),
        "kernels": plain(found.kernels),
        "explained": plain(found.explained),
        "profiling_overhead": {side: plain(found.profiling_overhead.get(side)) for side in SIDES},
        "ledger": _ledger(found.ledger),
        "alignment": plain(found.alignment),
        "parity": plain(found.parity),
        "warnings": plain(found.warnings),
        "anomalies": plain(found.anomalies),
        "facts": {key: plain(value) for key, value in facts_json.pairs(found.facts)},
    }


def _gate(found: Comparison) -> dict[str, Any]:
    """The gate with its sentence; nothing where none was asked for."""
    if found.gate is None:
        return {}
    stated = plain(found.gate) | {"sentence": gate_text.words(found), "more_trials": found.gate.more_trials}
    return {"gate": stated}


def _ledger(ledger: Ledger | None) -> dict[str, Any] | None:
    """The ledger with the bridge's main figures beside the gap; they are null for traces that belong to no timed trials."""
    if ledger is None:
        return None
    value: dict[str, Any] = plain(ledger)
    bridge = ledger.bridge
    for name in ("timed", "traced"):
        amount: Amount | None = getattr(bridge, name, None)
        value[f"{name}_gap_low_ns"], value[f"{name}_gap_high_ns"] = (
            (None, None) if amount is None else (amount.low_ns, amount.high_ns)
        )
    value["timed_gap_ns"] = None if bridge is None else bridge.timed.ns
    for name in ("explained_share", "explained_low", "explained_high", "agrees"):
        value[name] = getattr(bridge, name, None)
    if bridge is not None:
        value["bridge"] = {name: value["bridge"][name] for name in ("trials", "parts", "profiling", "disagreement")}
    return value


def _side(side: Side) -> dict[str, Any]:
    value: dict[str, Any] = plain(side)
    return value


def view(found: View) -> str:
    """One `show` table in the terms of schemas/view.schema.json: a row a group, times in ns."""
    return dump(
        {
            "schema_version": SCHEMA_VERSION,
            "kind": "view",
            "by": found.by,
            "keys": list(found.keys),
            "rows": plain(found.table.to_pylist()),
            "where": found.where,
            **({"elsewhere": plain(found.elsewhere)} if found.elsewhere else {}),
            **({"outside": plain(found.outside)} if found.outside else {}),
            **({"workless": plain(found.workless)} if found.workless else {}),
            "anomalies": plain(found.anomalies),
            "completeness": plain(found.completeness),
        }
    )


def ranks(found: Ranks) -> str:
    """What is found of a job's ranks in the terms of schemas/ranks.schema.json; times in ns."""
    return dump({"schema_version": SCHEMA_VERSION, "kind": "ranks", **plain(found)})


def two_jobs(found: TwoJobs) -> str:
    """Two recorded jobs in the terms of schemas/two_jobs.schema.json; times in ns."""
    return dump({"schema_version": SCHEMA_VERSION, "kind": "two_jobs", **plain(found)})


def recorded_runs(found: RecordedRuns) -> str:
    """Several recorded runs a side in the terms of schemas/recorded_runs.schema.json; times in ns."""
    return dump({"schema_version": SCHEMA_VERSION, "kind": "recorded_runs", **plain(found)})


def history(found: History) -> str:
    """How a figure went; values are ratios, or of the unit that it names."""
    return dump({"schema_version": SCHEMA_VERSION, "kind": "history", **plain(found)})


def events(table: pa.Table, title: str) -> Iterator[bytes]:
    """An event table as one JSON object, streamed: the version of its schema, columns with unit and meaning, rows."""
    described = [
        {"name": c.name, "type": str(c.type), "unit": c.unit, "nullable": c.nullable, "meaning": c.meaning}
        for c in schema.EVENT_COLUMNS
        if c.name in table.column_names
    ]
    origin = (table.schema.metadata or {}).get(b"origin_ns")
    head = {
        "schema_version": schema.SCHEMA_VERSION,
        "kind": "events",
        "title": title,
        "origin_ns": int(origin) if origin else None,
        "columns": described,
    }
    yield dump(head).rstrip("}\n").rstrip().encode() + b',\n "rows": ['
    separator = b"\n"
    for batch in table.to_batches(max_chunksize=_BATCH):
        rows = [json.dumps(plain(row), ensure_ascii=False, allow_nan=False) for row in batch.to_pylist()]
        if rows:
            yield separator + ",\n".join(rows).encode()
            separator = b",\n"
    yield b"\n ]\n}\n"


def json_schema(
    kind: Literal[
        "comparison", "ranking", "view", "detail", "study", "ranks", "two_jobs", "recorded_runs", "brief", "progress"
    ],
) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of what `comparison`, `view` and the rooms beside them write, as shipped in the package."""
    text = resources.files("dlprof.report").joinpath(f"schemas/{kind}.schema.json").read_text(encoding="utf-8")
    value: dict[str, Any] = json.loads(text)
    return value


def plain(value: object) -> Any:
    """A value as JSON knows them. Raises `TypeError` for a type that has no JSON form, rather than writing its repr."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, pa.Table):
        return plain(value.to_pylist())
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, msgspec.Struct):
        return plain(msgspec.to_builtins(value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    raise TypeError(f"{type(value).__name__} has no JSON form")


def dump(value: object) -> str:
    """Indented JSON with a final newline; raises `ValueError` for NaN, which callers make null with `plain`."""
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
