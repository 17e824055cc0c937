"""Programs that a mode needs: found on PATH, or named with what they are for."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlprof import frameworks
from dlprof.capture.machine import tools
from dlprof.errors import Unsupported


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is all of PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_compile_of_pytorch_is_refused_in_words_without_a_compiler_and_eager_is_not(path: Path) -> None:
    spec = frameworks.get("torch").env("2.13", "cpu")
    tools.require(spec, "eager")
    with pytest.raises(Unsupported, match=r"mode compile of torch .* no g\+\+ or clang\+\+ on PATH") as error:
        tools.require(spec, "compile")
    assert "install a C++ compiler" in str(error.value.hint)
    compiler = path / "clang++"
    compiler.write_text("#!/bin/sh\n")
    compiler.chmod(0o755)
    tools.require(spec, "compile")
    assert tools.found(spec.tools["compile"]) == str(compiler)
