"""All processes of a script are stopped while it waits: children in sessions of their own and daemons that left the family."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from dlprof.capture.script import processes as module
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


def test_processes_that_are_not_the_scripts_are_looked_at_for_a_second_and_no_longer(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, now = list[str](), [1000.0]
    has = module._has
    monkeypatch.setattr(module, "_has", lambda pid, mark: looked.append(pid) or has(pid, mark))
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    own = {str(pid) for pid in processes.alive(look=True)}
    assert len(own) == 3
    assert set(looked) > own, "this process, among others"
    for passed in (0.5, 0.6):  # looks in quick succession may both fall into the start of one
        looked.clear()
        now[0] += passed
        assert {str(pid) for pid in processes.alive(look=True)} == own
        assert str(os.getpid()) in looked
    looked.clear()
    with subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"],
        env=dict([processes.mark.split("=", 1)]),
        start_new_session=True,
    ) as later:
        now[0] += 0.1
        for _ in range(500):  # until it has become its program its environment is not there yet
            if later.pid in processes.alive(look=True):
                break
            time.sleep(0.01)
        assert later.pid in processes.alive(look=True), "one that came later is found"
        assert str(os.getpid()) not in looked
        later.kill()
    looked.clear()
    processes.stop(look=True)
    processes.kill()
    assert str(os.getpid()) in looked, "at the end every one is looked at again"


def test_one_that_is_left_running_is_named(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlprof.capture.script.processes.STOPPED_S", 0.1)
    everyone = processes.alive(look=True)
    os.kill(everyone[0], 19)
    assert sorted(processes.not_stopped()) == sorted(everyone[1:])
    os.kill(everyone[0], 18)
