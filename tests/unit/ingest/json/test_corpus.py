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
FINDS_IN_MEANING = sorted(path for path in (FUZZ / "corpus_kineto").glob("*") if path.is_file())


def _harness(name: str = "fuzz_json") -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FUZZ / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("find", FINDS, ids=[path.name for path in FINDS])
def test_a_find_of_the_fuzzer_is_read_or_refused(find: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "CHUNK", stream.CHUNK)  # the harness sets it; put back afterwards
    _harness().one_input(find.read_bytes())


@pytest.mark.parametrize("find", FINDS_IN_MEANING, ids=[path.name for path in FINDS_IN_MEANING])
def test_a_find_in_what_traces_of_pytorch_mean_stays_mended(find: Path) -> None:
    _harness("fuzz_kineto").one_input(find.read_bytes())


def test_there_are_finds_to_replay() -> None:
    assert FINDS
