"""A framework's profiler in a script: there is one only, and the script's own goes first."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest


@pytest.fixture
def module(inject: Callable[[str], Any]) -> Any:
    return inject("profilers")


def test_before_the_script_starts_its_own_profiler_ours_is_given_up_and_afterwards_nothing_is_changed(
    module: Any,
) -> None:
    said: list[str] = []

    def start(where: str) -> str:
        said.append(f"started in {where}")
        return "its own"

    framework = SimpleNamespace(start=start)
    alone = module.Alone([(framework, "start"), (framework, "of another release"), (None, "start")])
    alone.guard(lambda: (said.append("given up"), alone.release()))
    assert framework.start("there") == "its own"
    assert framework.start("again") == "its own"
    assert said == ["given up", "started in there", "started in again"]
    assert vars(framework) == {"start": start}
