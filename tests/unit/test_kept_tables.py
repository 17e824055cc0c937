"""Tables that benchmarks make of measured runs are, in their documents, those of the runs that are kept."""

from __future__ import annotations

import importlib
import sys

import pytest
from places import ROOT

TABLES = (
    ("script_overhead", "docs/guides/own-script.md"),
    ("script_rates", "docs/statistics.md"),
    ("script_rounds", "docs/statistics.md"),
    ("gate_rates", "docs/statistics.md"),
    ("bisect_toys", "docs/bisect.md"),
    ("ingest_stages", "docs/formats.md"),
)


@pytest.mark.parametrize(("name", "document"), TABLES)
def test_a_document_holds_the_table_of_the_runs_that_are_kept(monkeypatch, name: str, document: str) -> None:
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
    made, kept, marked = (importlib.import_module(one) for one in (name, "kept", "marked"))
    text = (ROOT / document).read_text(encoding="utf-8")
    shown = text.partition(made.BEGIN)[2].partition(made.END)[0].strip()
    expected = marked.percents(made.table()) if kept.read(made.FILE) else ""
    assert shown == expected, f"write it anew by benchmarks/{name}.py --into {document}, as it says itself"
