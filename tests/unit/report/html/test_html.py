"""The page is one file that fetches nothing, shows the numbers of the JSON, and works in a real browser with the network off."""

from __future__ import annotations

import functools
import json as stdlib_json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import browser
import pytest
from report_tables import ALIGNED, ROWS, TF, comparison, exhibits, ledger, view

from dlprof.report import json
from dlprof.report.html import document, waterfall

EXTRAS = document.Extras(
    exhibits=exhibits(),
    environment=(("python", "3.11.7", "3.11.7"), ("threads", "2", "1")),
    commands=("dlprof compare lenet --trials 6",),
    created="2026-01-02T03:04:05+00:00",
)


class Outline(HTMLParser):
    """Ids, references and open elements of a page."""

    VOID = frozenset({"meta", "link", "input", "br", "img"})

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.references: list[str] = []
        self.open: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [value for key, value in attrs if key == "id" and value]
        self.references += [value or "" for key, value in attrs if key in ("href", "src", "xlink:href")]
        self.references += re.findall(r"url\(([^)]+)\)", " ".join(value or "" for value in given.values()))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def outline(page: str) -> Outline:
    found = Outline()
    found.feed(page)
    assert found.open == []
    return found


@functools.cache
def full_page() -> str:
    """The page with everything on it; drawing takes a second or two."""
    return document.comparison(comparison(), EXTRAS)


def embedded(page: str) -> dict[str, Any]:
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert match
    value: dict[str, Any] = stdlib_json.loads(match[1])
    return value


def test_everything_the_page_refers_to_is_in_the_page() -> None:
    page = full_page()
    found = outline(page)
    assert len(found.ids) == len(set(found.ids))
    for reference in found.references:
        assert reference.removeprefix("#") in found.ids or reference == "data:,", reference
    assert len(page) < 2_000_000


def test_the_page_embeds_exactly_the_json_of_the_comparison() -> None:
    found = comparison()
    assert embedded(document.comparison(found, EXTRAS)) == stdlib_json.loads(json.comparison(found))


def test_the_verdict_stands_first() -> None:
    texts = [text.replace("\u00a0", " ") for text in outline(full_page()).texts if "slower than" in text]
    assert texts[0].startswith("MXNet 1.9.1 (hybrid) is slower than TensorFlow 2.21.0 (graph): +111.3 %")


def test_what_comes_next_is_how_sure_and_the_largest_causes_with_their_shares() -> None:
    texts = [text.replace("\u00a0", " ") for text in outline(document.comparison(comparison(ledger=ledger()))).texts]
    sure, why = (next(text for text in texts if text.startswith(word)) for word in ("How sure: ", "Why: "))
    assert "interval [" in sure
    assert re.search(r"The largest causes: .+ \(\d+ % of the gap\), .+ other parts", why)


def test_the_words_of_the_page_are_explained_on_it() -> None:
    page = document.comparison(comparison())
    for term in ("lockstep", "trial", "hybrid", "bulked", "exact", "native", "self time"):
        assert f"<dt>{term}</dt>" in page
    assert "<code>native</code>" in page


def test_many_differing_settings_are_one_line_that_unfolds() -> None:
    settings = [
        {"what": "workload", "where": f"key{at}", "a": str(at), "b": "absent", "blocks": "yes"} for at in range(60)
    ]
    page = document.comparison(comparison(parity=(*comparison().parity, *settings)))
    assert page.count("60 settings of the workloads differ") == 1
    section = page[page.index('id="parity"') : page.index("</section>", page.index('id="parity"'))]
    before, folded = section.split("<details>")
    assert "threads" in before
    assert "key59" not in before
    assert folded.count("<tr>") == 61


def test_names_cannot_break_out_of_the_page() -> None:
    evil = "</script><script>alert(1)</script><!--"
    found = comparison(
        rows=[ROWS[0].__class__(evil, evil, evil, 1e6, 2e6, 1e6, 1, 1, 1, 1)], warnings=(evil,), workload=evil
    )
    page = document.comparison(found, document.Extras(commands=(evil,), environment=((evil, evil, "b"),)))
    assert page.count("<script") == 2
    assert "alert(1)</script>" not in page
    assert embedded(page)["warnings"] == [evil]


def test_the_waterfall_sums_from_a_to_b_and_folds_without_loss() -> None:
    for lines in (2, 3, 20):
        built = waterfall.build(comparison(), lines)
        assert built is not None
        assert len(built.steps) <= lines
        assert built.start_ms + sum(step.delta_ms for step in built.steps) == pytest.approx(built.end_ms)
        assert built.start_ms == pytest.approx(6.605)


def test_what_was_not_recorded_has_no_section() -> None:
    bare = comparison(items=(), rows=(), explained={}, profiling_overhead={}, parity=(), warnings=(), anomalies={})
    page = document.comparison(bare)
    outline(page)
    assert 'id="timeline"' not in page
    assert "Nothing was timed." in page
    assert "No trace was recorded" in page
    assert "What the traces explain" not in page
    halved = replace(bare, explained={"a": comparison().explained["a"]})
    assert "Neither trace holds an operator." in document.comparison(halved)


def test_the_same_findings_give_the_same_page() -> None:
    assert document.comparison(comparison(), EXTRAS) == full_page()


def test_one_capture_has_a_page_of_its_own() -> None:
    row = {"phase": "forward", "count": 3, "total_ns": 2.5e6, "self_ns": 2.5e6}
    extras = document.Extras(environment=(("mode", "graph", "graph"),))
    page = document.capture(TF, [view(), view("phase", ("phase",), [row])], extras)
    outline(page)
    assert "Complete: all 240 steps hold every expected operator" in page
    assert "2.500" in page


def test_a_notebook_shows_the_verdict() -> None:
    piece = document.notebook(comparison())
    assert piece.startswith("<p><strong>MXNet 1.9.1 (hybrid) is slower")
    outline(piece)


@browser.needed
def test_the_browser_opens_it_from_disk_without_a_complaint(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(full_page(), encoding="utf-8")
    seen = browser.opened(page, tmp_path / "profile")
    assert seen.console == []
    assert 'aria-sort="' not in seen.dom
    assert seen.dom.count('<th scope="col"') > 10
    assert '<button type="button">Operator</button>' in seen.dom


DRIVE = """
const table = [...document.querySelectorAll("table")].find((t) => t.caption.textContent === "All operators");
const head = [...table.tHead.rows[0].cells];
const column = (name) => head.findIndex((cell) => cell.textContent === name);
const cells = (name) => [...table.tBodies[0].rows].filter((r) => !r.hidden).map((r) => r.cells[column(name)].textContent);
const out = {};
head[column("B, ms")].querySelector("button").click();
out.falling = cells("B, ms"); out.sort = head[column("B, ms")].getAttribute("aria-sort");
head[column("B, ms")].querySelector("button").click();
out.rising = cells("B, ms");
head[column("Operator")].querySelector("button").click();
out.names = cells("Operator");
const input = table.closest(".wide").previousElementSibling.previousElementSibling.querySelector("input");
input.value = "conv back"; input.dispatchEvent(new Event("input"));
out.found = cells("Operator"); out.told = table.closest(".wide").previousElementSibling.textContent;
const fall = [...document.querySelectorAll("table")].find((t) => t.caption.textContent.startsWith("Operator time"));
out.waterfall = [...fall.tBodies[0].rows].map((r) => [r.cells[0].textContent, r.cells[1].textContent]);
out.data = JSON.parse(document.getElementById("data").textContent).verdict;
const pre = document.createElement("pre"); pre.id = "out"; pre.textContent = JSON.stringify(out); document.body.append(pre);
"""


@browser.needed
def test_sorting_and_searching_work_and_the_waterfall_tells_the_json(tmp_path: Path) -> None:
    many = [
        *ROWS,
        *(ROWS[0].__class__(f"Op{i}", "forward", None, 1e5 * i, 2e5 * i, 1e5 * i, 10, 10, 10, 10) for i in range(4)),
    ]
    found = comparison(rows=many)
    page = tmp_path / "report.html"
    page.write_text(document.comparison(found), encoding="utf-8")
    seen = browser.opened(page, tmp_path / "profile", DRIVE)
    out = browser.results(seen)
    assert out["falling"][:2] == ["9.000", "5.250"]
    assert out["falling"][-1] == "–"
    assert out["sort"] == "descending"
    assert out["rising"] == out["falling"][::-1] or out["rising"][-1] == "9.000"
    assert out["names"] == sorted(out["names"])
    assert out["found"] == ["Conv"]
    assert out["told"].strip() == "1 of 10 rows"
    value = stdlib_json.loads(json.comparison(found))
    per_step = {side: value["explained"][side]["steps"] * 1e6 for side in ("a", "b")}
    shown = dict(out["waterfall"])
    for row in value["rows"]:
        name = " · ".join(part for part in (row["op"], row["phase"], row["layer"]) if part)
        delta = (row["b_ns"] or 0) / per_step["b"] - (row["a_ns"] or 0) / per_step["a"]
        assert shown[name] == f"{delta:+.3f}".replace("-", "−")
    assert out["data"] == "slower"


@browser.needed
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_no_serious_fault(tmp_path: Path, dark: bool) -> None:
    page = document.comparison(comparison(ledger=ledger(), alignment=ALIGNED), EXTRAS)
    assert browser.serious_faults(page, tmp_path, dark=dark) == []


@browser.needed
@pytest.mark.parametrize("wrong", [False, True], ids=["as it is", "with an image without words"])
def test_axe_finds_no_serious_fault_in_the_page_of_one_capture(tmp_path: Path, wrong: bool) -> None:
    row = {"phase": "forward", "count": 3, "total_ns": 2.5e6, "self_ns": 2.5e6}
    extras = document.Extras(environment=(("mode", "graph", "graph"),))
    page = document.capture(TF, [view(), view("phase", ("phase",), [row])], extras)
    if wrong:
        page = page.replace("<table", '<img src="data:,"><table', 1)
    found = browser.serious_faults(page, tmp_path)
    assert [fault.partition(": <")[0] for fault in found] == ["image-alt"] * wrong
