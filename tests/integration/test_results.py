"""What a comparison left on disk is read back, reported and drawn the same."""

from __future__ import annotations

import json

import pytest

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(900)]


def test_a_loaded_comparison_says_what_the_command_said(comparison):
    import dlprof

    loaded = dlprof.load(comparison.path)
    told = json.loads(comparison.stdout)
    assert isinstance(loaded, dlprof.ComparisonResult)
    assert loaded.verdict == told["verdict"]
    assert loaded.ratio is not None
    assert loaded.ratio.estimate == pytest.approx(told["ratio"]["estimate"], rel=1e-12)
    assert loaded.rows.to_arrow().num_rows == len(told["rows"])
    assert sum(row["a_ns"] or 0 for row in loaded.rows.rows) == pytest.approx(sum(r["a_ns"] or 0 for r in told["rows"]))
    assert "inconclusive" in loaded._repr_html_()


def test_the_ledger_of_a_loaded_comparison_adds_up_to_the_gap(comparison):
    import dlprof

    loaded = dlprof.load(comparison.path)
    ledger = loaded.found.ledger
    assert ledger is not None
    assert sum(line["a_ns"] for line in loaded.ledger.rows) == ledger.a_wall_ns
    assert sum(line["b_ns"] for line in loaded.ledger.rows) == ledger.b_wall_ns
    assert sum(line["delta_ns"] for line in loaded.ledger.rows) == ledger.gap_ns == ledger.b_wall_ns - ledger.a_wall_ns


def test_the_captures_of_a_comparison_break_down(comparison):
    import dlprof

    capture = dlprof.load(comparison.path).captures["b-exact-1"]
    layers = set(capture.view("layer").table.column("layer").to_pylist())
    assert {"conv1", "conv2", "dense1"} <= layers
    assert capture.completeness.complete is True


def test_the_public_names_are_those_in_all():
    import dlprof

    assert sorted(dlprof.__all__) == [
        "CaptureResult", "ComparisonResult", "DlprofError", "Frame", "RankingResult", "Records", "StudyCell", "StudyItem",
        "StudyResult", "ViewResult", "__version__", "compare", "diff", "load",
    ]  # fmt: skip
    assert dir(dlprof) == sorted(dlprof.__all__)
    for name in dlprof.__all__:
        assert getattr(dlprof, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'compute'"):
        dlprof.compute  # noqa: B018


def test_the_report_is_one_page_under_two_megabytes(here, comparison, tmp_path):
    page = tmp_path / "report.html"
    done = here("report", comparison.path, "-o", page)
    assert done.returncode == 0, done.stderr
    text = page.read_text()
    assert len(text) < 2_000_000
    assert "inconclusive" in text
    assert 'src="http' not in text
    assert "dlprof compare lenet" in text


@pytest.mark.parametrize("kind", ["waterfall", "breakdown", "timeline", "steps", "trials", "epochs"])
def test_every_figure_of_a_comparison_is_drawn(here, comparison, tmp_path, kind):
    picture = tmp_path / f"{kind}.svg"
    done = here("plot", comparison.path, "--kind", kind, "-o", picture)
    assert done.returncode == 0, done.stderr
    assert picture.read_text().lstrip().startswith("<?xml")


def test_a_figure_without_data_is_refused_with_the_reason(here, comparison, tmp_path):
    done = here("plot", comparison.path, "--kind", "sweep", "-o", tmp_path / "sweep.svg")
    assert done.returncode == 2
    assert "several sizes" in done.stderr
    assert not (tmp_path / "sweep.svg").exists()
