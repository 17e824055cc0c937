"""What is said of a script in which no step was seen: what was looked for, and what was there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dlprof.capture.script import worker as workers
from dlprof.capture.script.command import Command
from dlprof.capture.script.link import NoStep
from dlprof.capture.script.no_step import LOOKED_FOR, words
from dlprof.capture.script.worker import Launch, ScriptWorker
from dlprof.errors import ChildFailed


@pytest.mark.parametrize(
    ("told", "step", "said"),
    [
        (
            [],
            None,
            f": none of these frameworks was imported by a Python that could be watched; looked for: {LOOKED_FOR}",
        ),
        (
            [NoStep(pid=1, python="3.8.18", executable="venv/bin/python", frameworks={"tensorflow": "2.13.1"})],
            None,
            f", though tensorflow 2.13.1 was imported by venv/bin/python (Python 3.8.18); looked for: {LOOKED_FOR}",
        ),
        ([], "__main__:step", "; looked for calls of __main__:step, which no Python that could be watched has"),
        ([NoStep(pid=1, named="absent")], "a:step", "; looked for calls of a:step, which is not there"),
        (
            [NoStep(pid=1, named="absent"), NoStep(pid=2, named="found")],
            "a:step",
            "; a:step is there and was never called",
        ),
    ],
)
def test_what_was_there_is_told_beside_what_was_looked_for(told: list[NoStep], step: str | None, said: str) -> None:
    assert words(told, step) == said


def test_a_side_without_any_framework_says_what_was_looked_for_and_its_last_words(tmp_path: Path) -> None:
    command = Command.of([sys.executable, "-c", "import torch_that_is_not_installed"])
    worker = ScriptWorker(Launch(command, tmp_path, tmp_path / "control", 0))
    with pytest.raises(ChildFailed) as failed:
        _ = worker.ready
    worker.stop()
    assert LOOKED_FOR in failed.value.message
    assert "ModuleNotFoundError" in failed.value.message


@pytest.mark.parametrize(
    ("step", "what"),
    [(None, f"looked for: {LOOKED_FOR}; else name the function"), ("a:b", "a:b has not been called yet")],
)
def test_a_script_that_runs_on_without_a_step_is_told_while_it_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str | None, what: str
) -> None:
    monkeypatch.setattr(workers, "FIRST_STEPS_S", 0.1)
    said: list[str] = []
    command = Command.of([sys.executable, "-c", "import time; time.sleep(60)"])
    worker = ScriptWorker(Launch(command, tmp_path, tmp_path / "control", 0, step=step, timeout_s=1.0, say=said.append))
    with pytest.raises(ChildFailed, match=r"took no step that was seen within 1 s"):
        _ = worker.ready
    worker.stop()
    assert 2 <= len(said) <= 4, "at 0.1 s, 0.2, 0.4, 0.8, not at each look"
    assert all(what in text and "1 s at most: --timeout" in text for text in said)
