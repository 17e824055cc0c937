"""The compiled part of the readers is chosen, built and told of; what cannot be had is said."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest
from places import ROOT

from dlprof.errors import UsageError
from dlprof.native import library


def test_an_unknown_reader_and_one_that_was_not_built_are_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(library.VARIABLE, "rust")
    with pytest.raises(UsageError, match="DLPROF_READER=rust is no reader"):
        library.functions()
    monkeypatch.setattr(library, "found", lambda: library.load(tmp_path / "nothing.so"))
    monkeypatch.setenv(library.VARIABLE, "native")
    with pytest.raises(UsageError, match="was installed without a C compiler"):
        library.functions()
    monkeypatch.delenv(library.VARIABLE)
    assert library.functions() is None
    assert library.statement().startswith("python (dlprof was installed without a C compiler; for the native one")
    (tmp_path / "nothing.so").write_bytes(b"no library")
    assert "cannot be loaded" in library.load(tmp_path / "nothing.so").missing


@pytest.fixture
def hook() -> object:
    pytest.importorskip("hatchling", reason="the build hook needs hatchling, which only building installs")
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler here")
def test_the_library_is_compiled_without_a_warning_and_loads(
    hook: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CC", raising=False)
    target = tmp_path / library.FILE
    assert hook.compiled(ROOT / "dlprof" / "native" / "json_events.c", target, "-Werror", "-O0") == ""  # type: ignore[attr-defined]
    assert library.load(target).missing == ""


def test_without_a_compiler_it_is_said_why_nothing_is_built(
    hook: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = ROOT / "dlprof" / "native" / "json_events.c", tmp_path / library.FILE
    monkeypatch.setenv("CC", str(tmp_path / "nothing"))
    assert "cannot be run" in hook.compiled(source, target)  # type: ignore[attr-defined]
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert hook.compiled(source, target) == "no C compiler (cc, gcc, clang) is on PATH"  # type: ignore[attr-defined]
    assert not list(tmp_path.iterdir())
