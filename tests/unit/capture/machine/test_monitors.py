"""Monitors see what dlprof's children use, each by itself, and say what looking at them cost."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from dlprof import schema
from dlprof.capture.machine import monitors as sampling
from dlprof.capture.machine.monitors import Monitors
from dlprof.capture.workers import process
from dlprof.capture.workers.launch import RUNNER
from dlprof.errors import StoreError

SPIN = "while True: pass"
WORK = """
import os, subprocess, sys, time
held = bytearray(80_000_000)
with open("written", "wb") as file:
    file.write(os.urandom(3_000_000)); file.flush(); os.fsync(file.fileno())
subprocess.Popen([sys.executable, "-c", "import time; held = bytearray(50_000_000); time.sleep(60)"])
time.sleep(60)
"""


def child(code: str, folder: Path, word: Path = RUNNER):
    """A child as `capture.launch` starts one: the runner is a word of its command line."""
    folder.mkdir()
    with (folder / "log").open("wb") as log:
        argv = [sys.executable, "-c", code, str(word)]
        return process.start(argv, env={}, cwd=folder, stdout=log, stderr=log)


def sampled(monitors: Monitors, enough) -> list[dict]:
    with monitors:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            time.sleep(0.1)
            rows = monitors.table().to_pylist()
            if enough(rows):
                return rows
    raise AssertionError(f"never seen: {rows[-3:]}")


def of(rows: list[dict], name: str) -> list[dict]:
    return [row for row in rows if row["process"] == name]


def test_each_child_is_seen_by_itself_with_its_descendants(tmp_path) -> None:
    busy, idle = child(SPIN, tmp_path / "trial-0-a"), child(WORK, tmp_path / ".b-exact-1.partial-77")
    stranger = child(SPIN, tmp_path / "other", word=tmp_path / "run.py")
    try:
        rows = sampled(
            Monitors(["cpu", "memory", "disk"], period_s=0.2),
            lambda rows: (
                len(of(rows, "trial-0-a")) > 4 and any(row["rss_bytes"] > 130_000_000 for row in of(rows, "b-exact-1"))
            ),
        )
        tree = [psutil.Process(idle.pid), *psutil.Process(idle.pid).children(recursive=True)]
        written = sum(one.io_counters().write_bytes for one in tree)
    finally:
        for one in (busy, idle, stranger):
            process.stop(one)
    assert {row["process"] for row in rows} == {"trial-0-a", "b-exact-1"}
    assert of(rows, "trial-0-a")[0]["cpu_percent"] is None, "one reading is no rate"
    assert max(row["cpu_percent"] for row in of(rows, "trial-0-a")[1:]) > 10
    assert of(rows, "b-exact-1")[-1]["write_bytes"] == written, "3 MB, but for a folder in memory"
    assert {row["gpu_percent"] for row in rows} == {None}


def test_what_was_not_asked_for_is_empty_and_the_cost_is_told(tmp_path) -> None:
    busy = child(SPIN, tmp_path / "trial-0-a")
    try:
        monitors = Monitors(["memory"], period_s=0.1)
        rows = sampled(monitors, lambda rows: len(rows) > 2)
    finally:
        process.stop(busy)
    assert {(row["cpu_percent"], row["read_bytes"]) for row in rows} == {(None, None)}
    monitors.write(tmp_path / "monitors.parquet")
    table = pq.read_table(tmp_path / "monitors.parquet")
    assert table.schema.equals(schema.MONITORS)
    facts = table.schema.metadata
    assert float(facts[b"period_s"]) == 0.1
    assert int(facts[b"samples"]) >= len(rows)
    assert float(facts[b"cost_cpu_s"]) > 0


def test_a_second_session_goes_on_after_the_first(tmp_path) -> None:
    busy = child(SPIN, tmp_path / "trial-0-a")
    try:
        first = Monitors(["cpu"], period_s=0.1)
        sampled(first, lambda rows: len(rows) > 2)
        earlier = first.table()
        second = Monitors(["cpu"], period_s=0.1, earlier=earlier)
        sampled(second, lambda rows: len(rows) > earlier.num_rows + 1)
    finally:
        process.stop(busy)
    whole = second.table()
    assert whole.slice(0, earlier.num_rows).to_pylist() == earlier.to_pylist()
    times = whole["t_ns"].to_pylist()
    assert times == sorted(times)
    assert int(whole.schema.metadata[b"samples"]) > int(earlier.schema.metadata[b"samples"])


def test_samples_are_saved_while_the_run_goes_on_since_it_may_be_killed(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("dlprof.capture.machine.monitors.SAVED_EVERY_S", 0.4)
    spare = tmp_path / "spare.parquet"
    busy = child(SPIN, tmp_path / "trial-0-a")
    try:
        sampled(Monitors(["cpu"], period_s=0.1, spare=spare), lambda rows: spare.exists())
    finally:
        process.stop(busy)
    saved = sampling.read(spare)
    assert saved.num_rows >= 3
    second = Monitors(["cpu"], period_s=0.1, earlier=saved)
    assert second.table().num_rows == saved.num_rows


def test_what_was_written_is_read_with_what_looking_cost(tmp_path) -> None:
    busy = child(SPIN, tmp_path / "trial-0-a")
    try:
        monitors = Monitors(["cpu"], period_s=0.1)
        sampled(monitors, lambda rows: len(rows) > 2)
    finally:
        process.stop(busy)
    monitors.write(tmp_path / "monitors.parquet")
    table = sampling.read(tmp_path / "monitors.parquet")
    assert table.equals(monitors.table(), check_metadata=True)


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        (None, "metadata period_s is missing"),
        ({"period_s": "1.0", "samples": "3"}, "metadata cost_cpu_s is missing"),
        ({"period_s": "1.0", "samples": "many", "cost_cpu_s": "0.1"}, "metadata samples: holds b'many', which is no number"),
        ({"period_s": "1.0", "samples": "-1", "cost_cpu_s": "0.1"}, "metadata samples: holds"),
        ({"period_s": "1.0", "samples": "1", "cost_cpu_s": "nan"}, "metadata cost_cpu_s: holds"),
        ({"period_s": "1.0", "samples": "9" * 5000, "cost_cpu_s": "0.1"}, "metadata samples: holds"),
    ],
)  # fmt: skip
def test_samples_of_another_program_are_refused_with_what_they_lack(tmp_path, metadata, told) -> None:
    table = schema.MONITORS.empty_table().replace_schema_metadata(metadata)
    pq.write_table(table, tmp_path / "monitors.parquet")
    with pytest.raises(StoreError, match=told):
        sampling.read(tmp_path / "monitors.parquet")
