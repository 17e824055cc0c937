"""All processes of a script are stopped while it waits: children in sessions of their own and daemons that left the family."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from dlprof.capture.script.processes import Processes

FAMILY = """
import os, sys, time
def spin():
    while True:
        pass
if os.fork() == 0:      # a child that begins a session of its own
    os.setsid()
    spin()
if os.fork() == 0:      # a daemon: its parent is gone
    os.setsid()
    if os.fork() == 0:
        spin()
    os._exit(0)
os.wait()
print("made", flush=True)
spin()
"""


@pytest.fixture
def processes() -> Iterator[Processes]:
    mark = f"DLPROF_SOCKET=/nowhere/{os.getpid()}"
    name, _, value = mark.partition("=")
    with subprocess.Popen(
        [sys.executable, "-c", FAMILY], env={**os.environ, name: value}, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = Processes(process.pid, mark)
        yield found
        found.stop(look=True)
        process.kill()
        found.kill()
    end = time.monotonic() + 5
    while left := found.alive(look=True)[1:]:
        assert time.monotonic() < end, left


def test_all_of_them_are_stopped_and_go_on(processes: Processes) -> None:
    assert len(processes.alive(look=True)) == 3
    processes.stop(look=True)
    assert processes.not_stopped() == []
    assert processes.busy(0.1) < 0.02
    processes.go_on()
    time.sleep(0.05)
    assert processes.busy(0.2) > 0.1
    assert processes.memory_bytes() > 1_000_000


def test_one_that_is_left_running_is_named(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlprof.capture.script.processes.STOPPED_S", 0.1)
    everyone = processes.alive(look=True)
    os.kill(everyone[0], 19)
    assert sorted(processes.not_stopped()) == sorted(everyone[1:])
    os.kill(everyone[0], 18)
