"""The threads beside a reading: how they give Python's lock to one another."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pytest
from kineto_files import launched, write

from dlprof import ingest
from dlprof.errors import TraceError
from dlprof.ingest.background import TURN_S, short_turns


def test_threads_take_short_turns_while_a_trace_is_read_and_as_before_when_it_was(tmp_path: Path) -> None:
    path = write(tmp_path / "t.json", launched("aten::mm", [("gemm", 20, 9)], at=0, length=10))
    before, seen = sys.getswitchinterval(), []

    def sink(batch: pa.RecordBatch) -> None:
        seen.append(sys.getswitchinterval())

    ingest.read([path], root=tmp_path, vocabularies={}, sink=sink)
    assert seen
    assert all(each == pytest.approx(TURN_S) for each in seen)
    assert sys.getswitchinterval() == pytest.approx(before)
    assert before > TURN_S
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(TraceError):
        ingest.read([path], root=tmp_path, vocabularies={}, sink=sink)
    assert sys.getswitchinterval() == pytest.approx(before)


def test_of_two_readings_at_a_time_the_last_to_end_sets_back_what_was_before_both() -> None:
    before = sys.getswitchinterval()
    one, other = short_turns(), short_turns()
    one.__enter__()
    other.__enter__()
    one.__exit__(None, None, None)
    assert sys.getswitchinterval() == pytest.approx(TURN_S)
    other.__exit__(None, None, None)
    assert sys.getswitchinterval() == pytest.approx(before)
