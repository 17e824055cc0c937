"""Findings as sequences and frames: of a comparison and of a study alike."""

from __future__ import annotations

import importlib.util

import pytest
from places import ROOT

import dlprof


def test_items_of_a_comparison_and_of_a_study_are_sequences_of_items_with_the_same_columns() -> None:
    study = dlprof.load(ROOT / "analysis" / "audit" / "data")
    cell = study.cells[0].load()
    assert [one.verdict for one in study.items[: len(cell.items)]] == [one.verdict for one in cell.items]
    assert study.items[0].cell.id == study.cells[0].id
    columns = cell.items.to_arrow().column_names
    assert set(columns) <= set(study.items.to_arrow().column_names)
    assert cell.items.to_polars().columns == columns


def test_a_missing_pandas_is_told_with_what_to_install() -> None:
    if importlib.util.find_spec("pandas"):
        pytest.skip("pandas is installed here")
    with pytest.raises(ImportError, match=r"pip install 'dlprof\[notebook\]'"):
        dlprof.load(ROOT / "traces" / "lenet-tf-exact").view().to_pandas()


def test_results_say_what_they_are() -> None:
    capture = dlprof.load(ROOT / "traces" / "lenet-tf-exact")
    study = dlprof.load(ROOT / "analysis" / "audit" / "data")
    assert "inconclusive against TensorFlow" in repr(study.cells[0].load())
    for one in (capture, capture.view(), study, study.items):
        assert "<table>" in one._repr_html_()


def test_recordings_of_different_workloads_are_not_comparable_and_nothing_is_paired() -> None:
    found = dlprof.diff(ROOT / "traces" / "lenet-tf-exact", ROOT / "traces" / "matmul-tf-exact")
    assert (found.verdict, found.ratio, found.ledger) == ("not_comparable", None, None)
    assert found.sentence == "not comparable: A is lenet, B is matmul"
    assert not any(row["a_ns"] and row["b_ns"] for row in found.rows)
