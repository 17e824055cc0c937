"""Peak memory of processes, as the kernel kept count."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil

from dlprof.capture.machine.peak_memory import peak_bytes, with_children


def test_a_process_had_at_least_as_much_as_it_has_now() -> None:
    peak = peak_bytes([os.getpid()])
    assert peak is not None
    assert peak >= psutil.Process().memory_info().rss * 0.9


def test_memory_that_was_given_back_counts_and_that_of_children_too() -> None:
    code = "x = bytearray(200 * 2**20); del x; print(1, flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        found = with_children(os.getpid())
        assert child.pid in found
        assert (peak_bytes([child.pid]) or 0) > 200 * 2**20
        child.communicate(b"\n")


def test_a_process_that_is_gone_tells_nothing() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    time.sleep(0.01)
    assert peak_bytes([gone.pid]) is None
