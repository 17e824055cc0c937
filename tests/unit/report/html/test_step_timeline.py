"""The timeline of a step: what it shows for whom, and that mouse, keys, tooltips, print and narrow windows work in a browser."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import browser
import pytest
from report_tables import ALIGNED, ROWS, comparison, exhibits, ledger, timeline

from dlprof.analysis.step_timeline import Bar, Lane, Timeline
from dlprof.report.html import document, step_timeline
from dlprof.report.html.figure import page_style

TITLES = {"a": "A: TensorFlow", "b": "B: MXNet"}


def data(*sides: Timeline) -> dict[str, Any]:
    return step_timeline.data(sides, TITLES, ALIGNED, ledger())


def test_matched_work_has_one_number_on_both_sides() -> None:
    found = data(timeline("a"), timeline("b"))
    a, b = found["sides"]
    assert a["work"] == b["work"]
    assert [found["works"][at] for at in a["work"]] == [
        "Conv backward conv2",
        "Gemm forward dense1",
        "Adam optimizer",
        "odd",
    ]


def test_a_line_of_the_ledger_leads_to_its_work_or_to_when_none_ran() -> None:
    lines = {line["name"]: line for line in data(timeline("a"), timeline("b"))["lines"]}
    assert lines["Conv backward conv2"] == {"name": "Conv backward conv2", "works": [0]}
    assert lines["framework dispatch"] == {"name": "framework dispatch", "works": [], "when": "idle"}


def test_lanes_have_names_and_what_overlaps_gets_a_lane_of_its_own() -> None:
    bars = (
        Bar("outer", "Conv", None, None, 0.0, 100.0, 0),
        Bar("inner", "Relu", None, None, 10.0, 20.0, 0),
        Bar("beside", "Gemm", None, None, 90.0, 50.0, 0),
    )
    found = data(Timeline("a", 0, 200.0, (Lane("gpu:0", "7"),), bars, 0))["sides"][0]
    assert found["lanes"] == ["gpu:0 · stream 7", "gpu:0 · stream 7 · 2"]
    assert (found["lane"], found["depth"]) == ([0, 0, 1], [0, 1, 0])


def test_the_table_beside_the_canvas_has_the_longest_events_with_their_launch() -> None:
    with page_style():
        _, _, html = step_timeline.build([timeline("a"), timeline("b")], TITLES)
    table = html[html.index("<details>") : html.index("</details>")]
    assert "The longest 8 of 12 events" in table
    assert "cpu:0 · tf_Compute 1" in table
    assert "volta_sgemm" in table


def test_a_hostile_name_is_data_alone() -> None:
    evil = "</script><script>alert(1)</script>"
    with page_style():
        bars = (Bar(evil, evil, None, evil, 0.0, 5.0, 0, evil),)
        _, _, html = step_timeline.build([Timeline("a", 0, 9.0, (Lane(evil, evil),), bars, 0)], {"a": evil})
    assert html.count("<script") == 1
    assert html.count("</script>") == 1


DRIVE = Path(__file__).with_name("drive_timeline.js").read_text(encoding="utf-8")


def page(**changes: Any) -> str:
    found = comparison(ledger=ledger(), alignment=ALIGNED, **changes)
    return document.comparison(found, document.Extras(exhibits=exhibits()))


@browser.needed
def test_the_timeline_moves_zooms_tells_and_highlights_by_mouse_and_keys(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(page(), encoding="utf-8")
    seen = browser.opened(path, tmp_path / "profile", DRIVE)
    out = browser.results(seen)
    assert [line for line in seen.console if "getImageData" not in line] == [], (
        "that one is about the test's own reading"
    )
    assert out["still"] == "none", "the canvas stands in the place of the picture"

    low, high = out["whole"]
    assert low < 0 < 18e6 < high, "both sides whole, from their common start"
    assert out["colours"] == [True, True]

    def width(name: str) -> float:
        return float(out[name][1] - out[name][0])

    assert width("whole") > width("w") > width("plus")
    assert width("plus") == pytest.approx(width("a"))
    assert out["a"][0] < out["plus"][0] == pytest.approx(out["right"][0])
    assert width("s") == pytest.approx(width("w"))
    assert out["zero"] == out["whole"]
    assert out["pageKey"] is True, "the browser's own shortcuts stay its own"

    assert out["wheelOfPage"] == out["whole"], "the wheel scrolls the page until the timeline is asked for"
    assert width("wheel") < width("whole")
    assert out["drag"][0] > out["wheel"][0]
    assert width("drag") == pytest.approx(width("wheel"))
    assert out["dragChoseNothing"] == ""

    assert "Conv backward conv2" in out["tip"]
    assert "volta_sgemm" in out["tip"]
    assert "1.8 ms, from 0 ns to 1.8 ms" in out["tip"]
    assert "by cudaLaunchKernel at 0 ns" in out["tip"]
    assert out["lit"] == "Conv backward conv2"
    assert out["dimmed"] == [True, False], "what does not belong to it steps back, on both sides"
    assert (out["tipGone"], out["unlit"]) == (True, "")

    both = "A: TensorFlow 2.21.0 (graph): 1 event, 1.8 ms; B: MXNet 1.9.1 (hybrid): 1 event, 3.6 ms"
    assert out["first"].startswith("Conv backward conv2 A: TensorFlow 2.21.0 (graph): cpu:0 · main")
    assert both in out["first"]
    assert out["counterpart"].startswith("Conv backward conv2 B: MXNet")
    assert out["second"].startswith("Adam optimizer B: MXNet")
    assert out["letGo"] == ""
    assert out["clicked"].startswith("Conv backward conv2 A:")

    assert out["line"].startswith(f"Conv backward conv2 In the steps drawn: {both}.")
    assert out["lineLit"] == out["bar"] == "Conv backward conv2"
    assert width("lineView") < width("whole")
    assert out["focus"] is True
    assert "Shaded: when no work ran" in out["idle"]
    assert out["back"] == "framework dispatch"
    assert out["buttons"] == ["Zoom in", "Zoom out", "Earlier", "Later", "Whole step", "Highlight nothing"]


NARROW = Path(__file__).with_name("narrow_and_print.js").read_text(encoding="utf-8")


@browser.needed
def test_nothing_is_cut_in_print_and_wide_tables_scroll_in_a_narrow_window(tmp_path: Path) -> None:
    words = "src:f32::blocked:abcd::f0_wei:f32::blocked:Acdb16a::f0_dst:f32:a:blocked:aBcd16b::f0_attr-scratchpad:user"
    rows = [*ROWS, ROWS[0].__class__(words * 2, "forward", words, 1e5, 2e5, 1e5, 10, 10, 10, 10)]
    path = tmp_path / "report.html"
    path.write_text(page(rows=rows), encoding="utf-8")
    seen = browser.opened(path, tmp_path / "profile", NARROW)
    out = browser.results(seen)
    assert out["narrowPage"] is True, "the page itself never scrolls sideways"
    assert out["narrowLost"] == 0
    assert out["rules"] > 100
    assert out["cut"] == [], "no column leaves the sheet"
    assert out["printed"] == ["none", "block"], "paper gets the picture"
    before, during, after = out["folded"]
    assert (before > 0, during, after) == (True, 0, before), "paper gets what is folded, and the screen its folds back"


@browser.needed
@pytest.mark.parametrize("script", [True, False])
def test_a_printed_page_holds_what_is_folded(tmp_path: Path, script: bool) -> None:
    folded = page()
    if not script:  # the style alone does it too
        folded = re.sub(r"<script>.*?</script>", "", folded, flags=re.DOTALL)
    inside = "".join(f"<p>Line {number}</p>" for number in range(300))
    folded = folded.replace("</details>", f"{inside}</details>", 1)
    closed = sheets(folded, tmp_path / "closed.html")
    opened = sheets(folded.replace("<details>", "<details open>"), tmp_path / "open.html")
    without = sheets(folded.replace(inside, ""), tmp_path / "without.html")
    assert closed == opened > without


def sheets(html: str, path: Path) -> int:
    """Sheets of paper that a browser prints a page on."""
    program = browser.chromium()
    assert program is not None
    path.write_text(html, encoding="utf-8")
    printed = path.with_suffix(".pdf")
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer", f"--print-to-pdf={printed}")
    profile = f"--user-data-dir={path.with_suffix('.profile')}"
    subprocess.run([program, *options, profile, path.as_uri()], check=True, capture_output=True, timeout=250)
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", printed.read_bytes()))
