"""One short comparison of LeNet in both real frameworks, shared by the tests that look at results."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

STEPS = 12


class Made(NamedTuple):
    """The comparison's directory and what the command printed."""

    path: Path
    stdout: str


@pytest.fixture(scope="session")
def comparison(dlprof, tmp_path_factory) -> Made:
    """`dlprof compare lenet` with one trial and short traces, as JSON."""
    target = tmp_path_factory.mktemp("comparison") / "made"
    done = dlprof("compare", "lenet", "--trials", 1, "--epochs", 1, "--max-steps", STEPS, "--format", "json",
                  "-o", target, timeout=800)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Made(target, done.stdout)
