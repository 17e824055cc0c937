"""The finishing pass: spans, steps, phases, launches, occurrences, on raw batches written by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from dlprof import keyed, schema
from dlprof.ingest.anomalies import Anomalies
from dlprof.ingest.batch import LEVEL, NO_INT, Pools, RawBatch, Track, arrow
from dlprof.ingest.finish import spill
from dlprof.ingest.finish.finisher import Finisher
from dlprof.ingest.json.elements import EMPTY
from dlprof.ingest.texts import RawTexts
from dlprof.plugin import Operator

HOST = Track("a.json", "cpu:0", "main", "1", False)
WORKER = Track("a.json", "cpu:0", "worker", "2", False)
STREAM = Track("a.json", "gpu:0", "stream 7", "7", True)


class Trace:
    """Raw events → finished rows."""

    def __init__(self) -> None:
        self.pools = Pools()
        self.anomalies = Anomalies()
        self.finisher = Finisher(self.pools, self.anomalies)

    def add(self, track: Track, *events: tuple[str, int, int], level: str | None = None, **columns: Any) -> None:
        """Events (name, start, duration) of one track; `columns`: further columns of the raw batch, texts as str."""
        name, start, duration = zip(*events, strict=True)
        extra: dict[str, Any] = {}
        for key, values in columns.items():
            pooled = key in self.pools.text
            extra[key] = self.pools.text[key].encode(values) if pooled else np.array(values)
        code = -1 if level is None else LEVEL[level]
        batch = RawBatch(
            track=np.full(len(name), self.pools.track(track), dtype=np.int32),
            name=self.pools.text["name"].encode(name),
            start_ps=np.array(start, dtype=np.int64),
            duration_ps=np.array(duration, dtype=np.int64),
            level=np.full(len(name), code, dtype=np.int8),
            **extra,
        )
        self.finisher.add(batch, track.source)

    def finish(self, operators: Mapping[str, Operator] | None = None) -> list[dict[str, Any]]:
        batches: list[pa.RecordBatch] = []
        self.finisher.finish((operators or {}).get, {"a.json": 0, "b.json": 0}, batches.append)
        self.finisher.close()
        return pa.Table.from_batches(batches, schema=schema.EVENTS).to_pylist()


def column(rows: list[dict[str, Any]], name: str) -> list[Any]:
    return [row[name] for row in rows]


def test_ids_count_rows_in_order_of_track_and_start() -> None:
    trace = Trace()
    trace.add(WORKER, ("b", 5, 1), ("a", 1, 1))
    trace.add(HOST, ("c", 0, 1))
    rows = trace.finish()
    assert column(rows, "name") == ["a", "b", "c"]
    assert column(rows, "id") == [0, 1, 2]
    assert column(rows, "track") == [0, 0, 1]


def test_a_name_of_the_vocabulary_is_an_operator_and_any_other_an_api_call() -> None:
    trace = Trace()
    trace.add(HOST, ("Convolution", 0, 5), ("malloc", 6, 1))
    rows = trace.finish({"Convolution": Operator("Conv", "forward", fuses=("Conv", "Relu"))})
    assert column(rows, "level") == ["op", "api"]
    assert column(rows, "op") == ["Conv", None]
    assert column(rows, "fuses") == ["Conv,Relu", None]
    assert trace.anomalies.counts == {}


def test_an_operator_that_the_vocabulary_lacks_is_counted_not_guessed() -> None:
    trace = Trace()
    trace.add(HOST, ("Mystery", 0, 5), level="op")
    assert column(trace.finish(), "op") == [None]
    assert trace.anomalies.counts == {"unknown_operator": 1}


def test_steps_hold_what_lies_wholly_inside_on_any_thread() -> None:
    trace = Trace()
    trace.add(HOST, ("dlprof:step=3", 100, 50), ("dlprof:step=4", 200, 50), ("dlprof:unsynced_step=5", 300, 50))
    trace.add(WORKER, ("in", 100, 50), ("ends late", 140, 11), ("between", 160, 10), ("x", 210, 1), ("y", 310, 1))
    rows = {row["name"]: row["step"] for row in trace.finish()}
    assert rows == {
        "dlprof:step=3": 3, "dlprof:step=4": 4, "dlprof:unsynced_step=5": None,
        "in": 3, "ends late": None, "between": None, "x": 4, "y": None,
    }  # fmt: skip


def test_step_markers_that_overlap_are_counted_and_the_earlier_one_holds() -> None:
    trace = Trace()
    trace.add(HOST, ("dlprof:step=1", 0, 100), ("dlprof:step=2", 50, 100))
    trace.add(WORKER, ("a", 60, 10), ("b", 120, 10))
    rows = {row["name"]: row["step"] for row in trace.finish()}
    assert (rows["a"], rows["b"]) == (1, None)
    assert trace.anomalies.counts["overlapping_step_markers"] == 1


def test_steps_of_one_file_do_not_hold_events_of_another() -> None:
    trace = Trace()
    trace.add(HOST, ("dlprof:step=1", 0, 100))
    trace.add(Track("b.json", "cpu:0", "main", "1", False), ("a", 10, 10))
    assert {row["name"]: row["step"] for row in trace.finish()}["a"] is None


@pytest.mark.parametrize("separator", ["@", "#"])  # '#' in captures made before TensorFlow was seen to cut names there
def test_the_item_of_an_op_workload_is_its_step_and_its_layer(separator: str) -> None:
    trace = Trace()
    trace.add(HOST, (f"dlprof:item=matmul[size=50]{separator}12", 0, 100))
    trace.add(WORKER, ("dot", 10, 10))
    dot = next(row for row in trace.finish({"dot": Operator("MatMul")}) if row["name"] == "dot")
    assert (dot["step"], dot["layer"]) == (12, "matmul[size=50]")


def test_a_host_phase_marker_gives_its_phase_only_on_its_own_thread() -> None:
    trace = Trace()
    trace.add(HOST, ("dlprof:input", 0, 100), ("copy in", 10, 10), ("after", 200, 10))
    trace.add(WORKER, ("queued earlier", 10, 10))
    rows = {row["name"]: row["phase"] for row in trace.finish()}
    assert rows == {"dlprof:input": None, "copy in": "input", "after": None, "queued earlier": None}


def test_a_kernel_points_at_its_operator_by_link_else_around_its_launch_else_at_the_launch() -> None:
    trace = Trace()
    trace.add(HOST, ("aten::mm", 0, 100), ("aten::add", 200, 10), level="op", link=[11, 12])
    trace.add(HOST, ("cudaLaunch", 10, 5), ("cudaMemcpy", 300, 5), level="api", correlation=[1, 2])
    trace.add(
        STREAM, ("by link", 0, 1), ("around", 5, 1), ("bare", 9, 1), ("before the window", 10, 1), level="kernel",
        correlation=[1, 1, 2, 77], link=[12, NO_INT, NO_INT, NO_INT],
    )  # fmt: skip
    rows = trace.finish()
    launched = {row["name"]: rows[row["launch"]]["name"] for row in rows if row["launch"] is not None}
    assert launched == {"by link": "aten::add", "around": "aten::mm", "bare": "cudaMemcpy"}
    assert trace.anomalies.counts["orphan_kernel"] == 1


def test_calls_are_occurrences_times_what_one_event_stands_for() -> None:
    trace = Trace()
    trace.add(HOST, ("first", 0, 9), ("second", 10, 9), occurrences=[4, 4])
    rows = trace.finish({"first": Operator("Conv"), "second": Operator("Conv", calls=0)})
    assert column(rows, "occurrences") == [4, 4]
    assert column(rows, "calls") == [4, 0]


def test_further_columns_and_missing_values_come_through() -> None:
    trace = Trace()
    trace.add(HOST, ("a", 0, 1), ("b", 1, 1), category=["op", None], bytes=[7, NO_INT], value=[np.nan, 0.5])
    rows = trace.finish()
    assert column(rows, "category") == ["op", None]
    assert column(rows, "bytes") == [7, None]
    assert column(rows, "value") == [None, 0.5]


@pytest.mark.parametrize("seed", range(20))
def test_a_track_larger_than_a_span_is_finished_as_if_it_were_one(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    start = rng.integers(0, 3_000, 2_000)
    events = [
        (f"e{i % 7}", int(s), int(d)) for i, (s, d) in enumerate(zip(start, rng.integers(0, 200, 2_000), strict=True))
    ]
    events += [("outer", 0, 5_000), ("late outer", 1_500, 1_400)]
    launch = rng.integers(1, 300, len(events))

    def run() -> tuple[list[dict[str, Any]], dict[str, int]]:
        trace = Trace()
        for part in range(0, len(events), 100):
            trace.add(HOST, *events[part : part + 100], correlation=launch[part : part + 100])
        trace.add(STREAM, *((f"k{c}", 10 * c, 5) for c in range(300)), level="kernel", correlation=range(300))
        return trace.finish({"e1": Operator("A"), "outer": Operator("B")}), trace.anomalies.counts

    whole, counts = run()
    monkeypatch.setattr(spill, "RANGE_ROWS", 50)
    monkeypatch.setattr(spill, "_SAMPLE", 5)
    monkeypatch.setattr(keyed, "RUN", 40)
    monkeypatch.setattr(keyed, "IN_MEMORY", 1000)
    parts, part_counts = run()
    # Ties keep the order of arrival in both, so every column must agree, ids and launches included.
    assert parts == whole
    counts.pop("partial_overlap", None), part_counts.pop("partial_overlap", None)
    assert part_counts == counts


@pytest.mark.parametrize("as_raw", [False, True])
def test_arguments_come_back_with_their_events_however_small_the_pieces(
    monkeypatch: pytest.MonkeyPatch, as_raw: bool
) -> None:
    rng = np.random.default_rng(5)
    monkeypatch.setattr(spill, "RANGE_BYTES", 100)
    monkeypatch.setattr(spill, "_SAMPLE", 4)
    monkeypatch.setattr(spill, "_VIEWS", 2)
    pools = Pools()
    finisher = Finisher(pools, Anomalies())
    codes = np.array([pools.track(track) for track in (HOST, WORKER, STREAM)], dtype=np.int32)
    expected = []
    for _ in range(12):
        start = rng.integers(0, 1_000, 40)
        track = rng.integers(0, 3, 40)
        texts = [None if s % 5 == 0 else f'{{"ü": "{t}/{s}"}}' for t, s in zip(track, start, strict=True)]
        expected += zip(track.tolist(), start.tolist(), texts, strict=True)
        raws = [EMPTY if text is None else msgspec.Raw(text) for text in texts]
        batch = RawBatch(codes[track], pools.text["name"].encode(["n"] * 40), start, np.ones(40, dtype=np.int64),
                         args=RawTexts(raws, EMPTY) if as_raw else texts)  # fmt: skip
        finisher.add(batch, "a.json")
    batches: list[pa.RecordBatch] = []
    finisher.finish({}.get, {"a.json": 0}, batches.append)
    finisher.close()
    rows = pa.Table.from_batches(batches, schema=schema.EVENTS).to_pylist()
    found = [(row["track"], row["start_ps"], row["args"]) for row in rows]
    assert sorted(found, key=repr) == sorted(expected, key=repr)
    assert [row[:2] for row in found] == sorted(row[:2] for row in found)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("dtype", ["i1", "u1", "i4", "i8", "u8", "f8", "?"])
def test_an_arrow_column_is_the_numpy_column_with_its_nulls(dtype: str, masked: bool) -> None:
    values = np.arange(-4, 33).astype(dtype)
    for column in (values, values[5:], values[::3], values[:0]):
        mask = np.arange(len(column)) % 3 == 0 if masked else None
        made = arrow(column, mask)
        made.validate(full=True)
        assert made.equals(pa.array(column, mask=mask))
