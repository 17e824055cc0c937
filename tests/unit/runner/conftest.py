"""What is put into scripts, which is not importable otherwise."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dlprof.capture.script.command import INJECTED


@pytest.fixture
def inject(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """Imports one of its modules."""
    monkeypatch.syspath_prepend(str(INJECTED))
    yield lambda name: importlib.import_module(f"dlprof_inject.{name}")
    for name in [name for name in sys.modules if name.split(".")[0] == "dlprof_inject"]:
        del sys.modules[name]
