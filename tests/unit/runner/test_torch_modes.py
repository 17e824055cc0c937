"""What PyTorch's half of the child sets before PyTorch is imported."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from places import ADAPTERS, RUNNER


@pytest.fixture
def cache_of_this_run(monkeypatch: pytest.MonkeyPatch):
    """The child's function, which no code of dlprof imports."""
    monkeypatch.setattr(sys, "path", [str(RUNNER), *ADAPTERS, *sys.path])
    from torch_modes import cache_of_this_run

    return cache_of_this_run


@pytest.mark.parametrize(("mode", "where"), [("compile", "torchinductor"), ("eager", None)])
def test_code_that_torch_compile_makes_is_shared_by_the_children_of_a_run_and_with_no_other(
    cache_of_this_run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: str, where: str | None
) -> None:
    """Else a compiler that was stopped half-way leaves a library that is cut off where every later run finds it."""
    (tmp_path / "a-exact-1").mkdir()
    monkeypatch.chdir(tmp_path / "a-exact-1")
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    cache_of_this_run(mode)
    found = os.environ.pop("TORCHINDUCTOR_CACHE_DIR", None)
    assert found == (where and str(tmp_path / where))


@pytest.mark.parametrize(
    ("call", "creates", "how"),
    [
        ("torch.relu(x)", False, "compile"),
        ("torch.tensor(x)", True, "eager"),
        ("torch._fused_sgd_([w], [g], [])", False, "eager"),
    ],
)
def test_what_torch_compile_cannot_compile_runs_as_it_is_and_is_said_to(
    monkeypatch: pytest.MonkeyPatch, call: str, creates: bool, how: str
) -> None:
    monkeypatch.setattr(sys, "path", [str(RUNNER), *ADAPTERS, *sys.path])
    from torch_ops import TorchCalls

    calls = TorchCalls(None, "compile", SimpleNamespace(type="cpu"))
    assert calls.execution({"call": call}, creates) == how
