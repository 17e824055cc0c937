"""Inputs that once broke a JSON reader stay mended."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from places import ROOT

from dlprof.ingest.json import stream

FUZZ = ROOT / "tests" / "fuzz"
FINDS = sorted(path for path in (FUZZ / "corpus_json").glob("*") if path.is_file())


def _harness() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_json", FUZZ / "fuzz_json.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("find", FINDS, ids=[path.name for path in FINDS])
def test_a_find_of_the_fuzzer_is_read_or_refused(find: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "CHUNK", stream.CHUNK)  # the harness sets it; put back afterwards
    _harness().one_input(find.read_bytes())


def test_there_are_finds_to_replay() -> None:
    assert FINDS
