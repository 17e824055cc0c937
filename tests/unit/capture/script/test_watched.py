"""A recorded run comes to its window while the script still has steps to take, however short they and the script are."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from dlprof.capture.script import watched
from dlprof.capture.script.command import Command
from dlprof.capture.script.watched import Watched, WindowWish

BRIEF = """
import time
def step(n):
    return sum(range(n))
time.sleep(0.3)
for _ in range(90):
    step(200)
"""


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs a program of plain Python, which can be watched but not recorded: the window's opening is refused and told."""
    monkeypatch.chdir(tmp_path)

    def watch(text: str, wish: WindowWish) -> Watched:
        (tmp_path / "script.py").write_text(text)
        command = Command.of([sys.executable, "script.py"])
        return watched.watch(command, wish, tmp_path, tmp_path / "raw", step="__main__:step", say=lambda _: None)

    return watch


def test_a_script_of_ninety_steps_of_microseconds_is_held_where_its_window_begins(watch) -> None:
    found = watch(BRIEF, WindowWish())
    assert "open_window" in found.why
    assert found.returncode == 0
    assert 12 <= len(found.walls) <= 70
    assert len(found.beside) == watched.BESIDE


TIMED = """
import time
def step(n):
    time.sleep(0.005)
for n in range(500):
    step(n)
"""


def test_a_window_after_a_time_begins_at_the_end_of_the_step_that_is_under_way_then(watch) -> None:
    began = time.monotonic()
    found = watch(TIMED, WindowWish(after_s=0.6))
    assert "open_window" in found.why
    assert 0.1 < sum(found.walls) / 1e9 < time.monotonic() - began
