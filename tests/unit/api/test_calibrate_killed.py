"""Trials of a calibration: one that was killed between its two files counts nothing twice."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dlprof import schema
from dlprof.api.calibrate import _Kept
from dlprof.capture.workers.trial import Trial


def trial(number: int) -> Trial:
    row = {"trial": number, "side": "a", "item": "step", "stage": "timed", "kept": True, "wall_ns": 1000 + number}
    values = [row.get(name, 0) for name in schema.TIMINGS.names]
    arrays = [pa.array([value], field.type) for value, field in zip(values, schema.TIMINGS, strict=True)]
    table = pa.Table.from_arrays(arrays, schema=schema.TIMINGS)
    return Trial(number, table, 2, {"a": 0.0, "b": 0.0}, None, {}, (), 1.0, (), (2,))


def test_rows_of_a_trial_that_trials_json_does_not_name_yet_are_left_out(tmp_path: Path):
    kept = _Kept(tmp_path)
    kept.add(trial(0))
    named = (tmp_path / "trials.json").read_bytes()
    kept.add(trial(1))
    (tmp_path / "trials.json").write_bytes(named)  # killed after timings.parquet and before trials.json
    again = _Kept(tmp_path)
    assert again.count == 1
    again.add(trial(1))
    assert pq.read_table(tmp_path / "timings.parquet")["trial"].to_pylist() == [0, 1]
