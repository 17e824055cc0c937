"""Every example in a docstring of the package is what it says."""

from __future__ import annotations

import doctest
import importlib

import pytest
from places import ROOT

MODULES = sorted(
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for file in (ROOT / "dlprof").rglob("*.py")
    if not {"runner", "adapter"} & set(file.parts) and ">>> " in file.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_do_what_they_say(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted
    assert not found.failed


def test_the_page_of_the_glossary_is_what_the_command_prints() -> None:
    from dlprof.report import glossary

    assert (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8") == glossary.markdown()
    assert list(glossary.TERMS) == sorted(glossary.TERMS)
