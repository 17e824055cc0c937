"""A framework's profiler in a script: there is one only, and the script's own goes first."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from dlprof.capture.script.command import INJECTED


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(INJECTED))
    yield importlib.import_module("dlprof_inject.profilers")
    for name in [name for name in sys.modules if name.split(".")[0] == "dlprof_inject"]:
        del sys.modules[name]


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
