"""Rows with a start and an end in ns as batches: times that are none, names by numbers, arguments as JSON."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from dlprof.ingest.anomalies import Anomalies
from dlprof.ingest.batch import NO_INT, Pool, Pools
from dlprof.ingest.reader import Context
from dlprof.ingest.tables.rows import arguments, batch, coded, timed


def context(columns: Collection[str] | None = None) -> Context:
    return Context("r.sqlite", "r.sqlite", Pools(), Anomalies(), columns=columns)


def column(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def test_rows_without_a_time_and_times_that_cannot_be_are_counted() -> None:
    ctx = context()
    rows = {"start": column(5, NO_INT, 2**62, 9), "end": column(8, 4, 2**62 + 5, 7), "size": column(1, 2, 3, 4)}
    kept = timed(ctx, rows)
    assert kept["size"].tolist() == [1, 3, 4]
    zeros = np.zeros(3, dtype=np.int32)
    found = batch(ctx, kept, track=zeros, name=zeros, bytes=kept["size"])
    assert (found.start_ps.tolist(), found.duration_ps.tolist()) == ([5_000, 9_000], [3_000, 0])
    assert found.bytes is not None
    assert found.bytes.tolist() == [1, 4]
    assert ctx.anomalies.counts == {"no_time": 1, "negative_duration": 1, "time_out_of_range": 1}


def test_each_number_is_asked_once_for_its_text_in_the_order_of_first_rows() -> None:
    asked: list[int] = []
    pool = Pool()
    codes = coded(pool, column(7, 3, 7, 3, 9), lambda at: asked.append(at) or f"text {at // 7}")
    assert asked == [7, 3, 9]
    assert [pool.values_list[code] for code in codes] == ["text 1", "text 0", "text 1", "text 0", "text 1"]


def test_arguments_are_json_without_what_a_row_has_not() -> None:
    rows = {"grid": column(1, NO_INT), "block": column(NO_INT, -2)}
    found = arguments(context(), rows, ("grid", "block"))
    assert found is not None
    assert found.to_pylist() == ['{"grid":1}', '{"block":-2}']
    assert arguments(context(("name",)), rows, ("grid", "block")) is None
