"""A breakdown of a stored capture is added up as its events go by: to the last digit that of the whole table."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from kineto_files import launched, step, write
from places import ROOT, TRACES

from dlprof import schema
from dlprof.analysis.trace import breakdown
from dlprof.api import load
from dlprof.api.findings import evidence, streamed
from dlprof.api.findings.evidence import placed_events, view_of
from dlprof.api.import_traces import import_files
from dlprof.errors import StoreError, TraceError
from dlprof.store import EVENTS_FILE, Capture, capture, write_events

WHERE: Final[tuple[Literal["work", "host"], ...]] = ("work", "host")
OWN = [path for path in sorted((ROOT / "traces").glob("*/raw")) if path.is_dir()]
OTHERS = sorted(
    path for path in TRACES.rglob("*") if path.is_file() and path.suffix not in (".md", ".txt", ".csv", ".sql")
)
LARGE = 5000
"""Events from which on not every key is looked at."""


def stored(path: Path, folder: Path) -> Capture:
    try:
        return import_files([path], folder / "capture", repair=True, copy=False)
    except TraceError as error:
        pytest.skip(f"no trace: {error}")


def asked(events: int) -> list[tuple[str, Literal["work", "host"]]]:
    if events > LARGE:
        return [("op", "work"), ("step", "work"), ("stream", "work"), ("layer", "host")]
    return [(by, where) for by in breakdown.KEYS for where in WHERE]


@pytest.mark.parametrize("path", [*OWN, *OTHERS], ids=lambda path: f"{path.parent.name}-{path.name}"[:60])
def test_every_view_of_what_was_recorded(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = stored(path, tmp_path)
    events, counted = placed_events(found)
    monkeypatch.setattr(capture, "_ROWS", max(events.num_rows // 7, 1))

    def refused(*_: object) -> None:
        raise AssertionError("the whole table is read")

    for by, where in asked(events.num_rows):
        expected = view_of(found, events, counted, by, where)
        with monkeypatch.context() as whole:
            whole.setattr(Capture, "events", refused)
            assert load.viewed(found.path, by, where) == expected, (by, where)


@pytest.fixture
def gpu(tmp_path: Path) -> Capture:
    """Two operators whose kernels run after both, in steps."""
    rows = [launched("aten::mm", [("gemm", 50, 9), ("gemm", 60, 9)], at=2, length=20, first=1)]
    rows += [launched("aten::relu", [("relu", 80, 5)], at=25, first=10)]
    return import_files([write(tmp_path / "t.json", *rows, step(1, 0, 40))], tmp_path / "c", repair=False, copy=False)


@pytest.mark.parametrize("by", breakdown.KEYS)
def test_one_event_at_a_time(gpu: Capture, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "_ROWS", 1)
    events, counted = placed_events(gpu)
    for where in WHERE:
        found = streamed.broken_down(gpu, by, where)
        assert found is not None
        assert evidence.view_unstored(gpu.manifest, found) == view_of(gpu, events, counted, by, where)


def test_only_what_launched_something_is_kept(gpu: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "_ROWS", 3)
    found = streamed.broken_down(gpu, "op", "work")
    assert found is not None
    told = gpu.events(["launch"])["launch"].drop_null().unique().to_pylist()
    ids = np.sort(gpu.events(["id"])["id"].to_numpy())
    kept, _ = found._earlier._kept.find(ids)
    assert sorted(told) == ids[kept].tolist()
    assert found.table()["op"].to_pylist() == ["MatMul", "Relu"]


def changed(events: pa.Table, **columns: list[Any]) -> pa.Table:
    for name, values in columns.items():
        at = events.schema.get_field_index(name)
        events = events.set_column(at, events.schema.field(at), pa.array(values, events.schema.field(at).type))
    return events


def backwards(events: pa.Table) -> pa.Table:
    return events.take(list(range(events.num_rows))[::-1])


def numbered_from_one(events: pa.Table) -> pa.Table:
    return changed(events, id=[one + 1 for one in events["id"].to_pylist()])


def launched_by_a_later_one(events: pa.Table) -> pa.Table:
    launch = events["launch"].to_pylist()
    return changed(events, launch=[None if one is None else events.num_rows - 1 for one in launch])


def around_on_another_track(events: pa.Table) -> pa.Table:
    return changed(events, parent=[None] * (events.num_rows - 1) + [0])


@pytest.mark.parametrize("how", [backwards, numbered_from_one, launched_by_a_later_one, around_on_another_track])
@pytest.mark.parametrize("rows", [2, 1000])
def test_a_table_in_another_order_is_taken_whole(
    gpu: Capture, how: Any, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "_ROWS", rows)
    write_events(how(gpu.events()), gpu.path / EVENTS_FILE)
    assert streamed.broken_down(gpu, "op", "work") is None
    events, counted = placed_events(gpu)
    for by in breakdown.KEYS:
        assert load.viewed(gpu.path, by) == view_of(gpu, events, counted, by)


def test_an_older_table_lacks_columns(gpu: Capture) -> None:
    expected = load.viewed(gpu.path, "op")
    write_events(gpu.events().drop_columns(["source_line", "host", "rank"]), gpu.path / EVENTS_FILE)
    with pytest.raises(StoreError, match="column host is missing"):
        load.viewed(gpu.path, "op")
    older = Capture(gpu.path, msgspec.structs.replace(gpu.manifest, schema_version=schema.SCHEMA_VERSION - 2))
    assert evidence.view_stored(older, "op") == expected


def test_damage_is_told_as_of_the_whole_table(gpu: Capture) -> None:
    events = gpu.events()
    write_events(changed(events, parent=[events.num_rows] * events.num_rows), gpu.path / EVENTS_FILE)
    with pytest.raises(StoreError, match=r"column parent: holds \d+, which cannot be"):
        load.viewed(gpu.path, "op")
    data = (gpu.path / EVENTS_FILE).read_bytes()
    (gpu.path / EVENTS_FILE).write_bytes(data[: len(data) // 2])
    with pytest.raises(StoreError, match="cannot be read"):
        load.viewed(gpu.path, "op")
    (gpu.path / EVENTS_FILE).unlink()
    with pytest.raises(StoreError, match=r"has no events\.parquet"):
        load.viewed(gpu.path, "op")
