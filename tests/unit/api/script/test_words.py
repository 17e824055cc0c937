"""What a comparison of scripts says of them: a short name, and how it is gone on with."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlprof.api.script.options import ScriptCompare
from dlprof.api.script.record import name_of
from dlprof.api.script.resume import words
from dlprof.capture.script.command import Command


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("python train.py --fused", "train"),
        ("python -m package.train --epochs 3", "package.train"),
        ("torchrun --nproc-per-node 2 jobs/run.py", "run"),
    ],
)
def test_a_command_is_called_by_what_runs(typed: str, name: str) -> None:
    assert name_of(Command.parse(typed)) == name


def test_a_stopped_comparison_is_gone_on_with_by_its_own_commands() -> None:
    asked = ScriptCompare(
        a=Command.parse("python train.py"), b=Command.parse("python train.py --name 'two words'"),
        budget_s=1.0, trials=None, precision=None, margin=0.05, traces=None, gate=None, output=None,
    )  # fmt: skip
    said = words(Path("my dir"), asked)
    assert said.startswith("dlprof compare --resume 'my dir' --a 'python train.py' --b ")
    assert "two words" in said
