"""Threads cut to one is found: the same network with two threads and with one, and the ledger's first line says so."""

from __future__ import annotations

import os

import psutil
import pytest
from planted_windows import rig, until_told

from dlprof import stats
from dlprof.analysis.compare import diff
from dlprof.analysis.evidence import Evidence
from dlprof.analysis.model import Side

pytestmark = [pytest.mark.slow, pytest.mark.frameworks, pytest.mark.timeout(1800)]

BUSY = 25.0


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_the_first_line_names_the_threads_that_differ_with_an_interval_that_excludes_zero(tmp_path):
    # The scheduler shares a busy machine among sessions, whatever their threads: there one thread is as fast as two.
    taken = psutil.cpu_percent(2.0)
    if taken > BUSY:
        pytest.skip(f"needs two idle cores: {taken:.0f} % of the machine's CPU time is taken")
    # convolutions wide enough for a second thread to matter
    made = rig(tmp_path, "tf", "graph", {"conv1": 32, "conv2": 192})
    tables = {2: [], 1: []}
    said = {}

    def more():
        for threads, windows in tables.items():
            events, said[threads] = made.window(f"{threads}-threads-{len(windows)}", threads=threads)
            windows.append(events)

    for _ in range(stats.MIN_TRIALS):
        more()
    side = Side("tf", "", "cpu:0", "graph", "", "TensorFlow")

    def build():
        found = diff(*(Evidence(side, tables[threads], runtime=said[threads]) for threads in (2, 1))).ledger
        assert found is not None
        return found

    found = until_told(build, more)
    first = found.lines[0]
    assert "[threads 2 → 1]" in first.name, found.statement
    # One thread runs nothing beside anything: what two overlapped may cost more than each convolution's own share of it.
    assert "Conv" in first.name or first.kind == "concurrency"
    told = sum(line.delta_ns for line in found.lines if "[threads 2 → 1]" in line.name)
    assert told > 0.5 * found.gap_ns
    assert first.low_ns is not None
    assert 0 < first.low_ns <= first.delta_ns
