"""A capture exported to Chrome's format and read back is the capture: every event, what it means, and what launched it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from json_reading import recorded, rows_of, table
from places import ROOT, TRACES

from dlprof import schema
from dlprof.analysis.trace import breakdown
from dlprof.errors import TraceError
from dlprof.report.traces import chrome

_SAME = [
    field.name
    for field in schema.EVENTS
    if field.name not in ("id", "source", "track", "start_ps", "launch", "parent", "value")
]
_OWN = [
    *sorted((ROOT / "tests/unit/ingest/data").rglob("*.trace.json.gz")),
    *sorted((ROOT / "tests/unit/ingest/data").rglob("*.timeline.json")),
    *sorted((ROOT / "tests/unit/ingest/data").rglob("*.pb")),
    *sorted((ROOT / "traces").glob("*/raw")),
]
_OF_OTHERS = (
    *(
        f"faults/{name}.json"
        for name in ("autograd17", "graph", "mem", "merged_ranks", "mtia", "othercats", "overflow")
    ),
    *(f"faults/{name}.json" for name in ("privateuse1", "steps_plus_tail", "two_kernels", "ascend_trace_view")),
    "faults/ddp",
    "faults/multinode",
    "faults/tpu_sparsecore_megascale.xplane.pb",
    "faults/flax_paths.xplane.pb",
    "kineto/h100/gaunernst_bert-small-uncased__1016001.json.gz",
    "kineto/mi300/Falconsai_nsfw_image_detection__1016002.json.gz",
    "kineto/hta/alexnet",
    "kineto/hta/amd_trace",
    "kineto/hta/triton_example/triton_example.json.gz",
    "mxnet/recorded-1.9.1-cpu/s_plain.json",
    "mxnet/recorded-1.9.1-cpu/s_hyb.json",
    "mxnet/recorded-1.9.1-cpu/s_objs.json",
    "tf1-timeline/GPU/timeline_03_merged_5_runs.json",
    "tf1-timeline/CPU/timeline_03_merged_5_runs.json",
    "tf2-trace-json/8c859046be41.ant.amazon.com.trace.json.gz",
    "xplane/jax-mi300x-gemm",
    "xplane/jax-mi300x-conv",
)


def back(events: pa.Table, folder: Path) -> tuple[pa.Table, Any]:
    path = folder / "exported.json"
    path.write_bytes(b"".join(chrome.export(events, "PyTorch [a {strange} title]")))
    return table(path)


def told(events: pa.Table) -> Counter[tuple[Any, ...]]:
    """Each event but counters with all that the table states of it; events that it points at by name and time."""
    every = events.to_pylist()
    by_id = {row["id"]: row for row in every}
    first = min((row["start_ps"] for row in every), default=0)

    def pointed(row: dict[str, Any], column: str) -> Any:
        other = by_id.get(row[column])
        return other and (other["name"], other["start_ps"] - first)

    return Counter(
        (*(row[name] for name in _SAME), row["start_ps"] - first, pointed(row, "launch"), pointed(row, "parent"))
        for row in every
        if row["level"] != "counter"
    )


def check(path: Path, folder: Path) -> int:
    """Events of the trace: the recordings of others hold files in which their profiler wrote none, which stay empty."""
    events, _ = table(path)
    again, info = back(events, folder)
    assert set(info.kinds.values()) == {"dlprof-chrome"}
    assert told(again) == told(events)
    for by in ("op", "phase", "device", "step"):
        assert breakdown.view(again, by).to_pylist() == breakdown.view(events, by).to_pylist()
    values = [
        table.filter(pa.compute.equal(table["level"], "counter"))["value"].drop_null() for table in (again, events)
    ]
    assert sorted(values[0].to_pylist()) == sorted(values[1].to_pylist())
    return int(events.num_rows)


@pytest.mark.parametrize("path", _OWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_projects_own_traces_come_back(path: Path, tmp_path: Path) -> None:
    assert check(path, tmp_path)


@pytest.mark.parametrize("name", _OF_OTHERS)
def test_traces_of_others_come_back(name: str, tmp_path: Path) -> None:
    assert check(recorded(name), tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not TRACES.exists(), reason="recorded traces are not here (../shared/traces)")
@pytest.mark.parametrize("folder", ["kineto", "xplane", "mxnet"])
def test_every_other_trace_of_others_comes_back(folder: str, tmp_path: Path) -> None:
    found = [path for ending in (".json", ".json.gz", ".xplane.pb") for path in (TRACES / folder).rglob(f"*{ending}")]
    kept = [path for path in found if not {"corrupt"} & set(path.parts) and "xprof" not in str(path)]
    read = [check(path, tmp_path) for path in sorted(kept)]
    assert sum(count > 0 for count in read) > len(read) / 2


def test_numbers_that_are_none_and_args_of_other_kinds_are_counted_and_end_nothing(tmp_path: Path) -> None:
    head = {"exporter": "dlprof", "content": "capture", "origin_ns": "no"}
    event = {"ph": "X", "pid": 1, "tid": 2, "ts": 1, "dur": 2, "name": "aten::mm", "cat": "op"}
    events = [
        event | {"args": {"id": 0, "op": "Gemm", "calls": 0, "occurrences": 0}},
        event | {"args": {"id": "x"}, "ts": 5},
        event | {"args": {"bytes": 2**70}, "ts": 9},
        event | {"args": [1], "ts": 13},
        event | {"args": {"step": 2**40, "occurrences": -3, "calls": 2**62, "correlation": -(2**70)}, "ts": 15},
        {"ph": "M", "name": "process_name", "pid": 1, "args": {"name": "x", "rank": 2**70, "device": 3}},
        {"ph": "M", "name": "thread_name", "pid": 1, "tid": 2, "args": {"name": "x", "track": 2**70}},
        event | {"cat": "nothing", "args": {"op": "A", "phase": "no phase"}, "ts": 17},
    ]
    found, info = rows_of(json.dumps({"otherData": head, "traceEvents": events}), tmp_path)
    assert next(row["op"] for row in found) == "Gemm"
    assert len(found) == len(events) - 2
    assert info.anomalies["json_odd_type"] >= 1


def test_a_table_exported_as_json_is_told_from_a_damaged_trace(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text('{\n "schema_version": 2,\n "kind": "events",\n "rows": []}')
    with pytest.raises(TraceError, match="a table that dlprof exported as JSON, not a trace"):
        table(tmp_path / "t.json")
