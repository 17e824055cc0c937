"""A ranking on the terminal and as a page: places, pairs and whose ledger it is, within 80 columns."""

from __future__ import annotations

import csv as csv_reader
import dataclasses
import io
import re
from html import unescape
from html.parser import HTMLParser

import browser
import pytest

from dlprof.analysis.facts import Facts
from dlprof.analysis.model import Comparison, ItemResult, Ledger, LedgerLine, Ratio, Side
from dlprof.analysis.timing import ranking
from dlprof.analysis.timing.ranking import Ranking
from dlprof.names import Pair
from dlprof.report import csv
from dlprof.report.html import plots, ranking_html
from dlprof.report.text import ranking_text
from dlprof.stats import STANDS_OUT

NAMES = {"a": "TensorFlow 2.21.0 (graph)", "b": "MXNet 1.9.1 (hybrid)", "c": "PyTorch 2.13.0 (compile)"}
SIDES = {letter: Side("f", "1", "cpu:0", "m", "3.11", label) for letter, label in NAMES.items()}
NS = {"a": 5e6, "b": 10e6, "c": 2.5e6}
LINE = LedgerLine("Conv forward", "op", 5_000_000, 9_000_000, 4_000_000, None, None, 1.0)
LEDGER = Ledger("step", 8, 8, 1, 5_000_000, 9_000_000, 4_000_000, None, None, (LINE,), 0, "B's step is 4 ms longer")


def pair(a: str, b: str, ratio: float, warnings: tuple[str, ...] = (), *, ledger: bool = False) -> Comparison:
    held = Ratio(ratio, ratio * 0.98, ratio * 1.02, 0.9983, 12, "t")
    verdict = "slower" if ratio > 1 else "faster"
    item = ItemResult("train_block", verdict, held, NS[a], NS[b], "…", warnings=warnings, p=1e-6)
    return Comparison(
        "lenet", SIDES[a], SIDES[b], (item,), (), {}, {}, (), ("run", f"{a}{b} alone"), {}, Facts(kind="network"),
        ledger=LEDGER if ledger else None,
    )  # fmt: skip


@pytest.fixture
def found() -> Ranking:
    comparisons: dict[Pair, Comparison] = {
        ("a", "b"): pair("a", "b", 2.0, ("few", "order effect", f"{STANDS_OUT}: trial 1"), ledger=True),
        ("a", "c"): pair("a", "c", 0.5, ("few",), ledger=True),
        ("b", "c"): pair("b", "c", 0.25, ("few", f"{STANDS_OUT}: trial 2"), ledger=True),
    }
    comparisons["a", "b"] = dataclasses.replace(comparisons["a", "b"], ledger=None)
    heads = {of: ranking.headline(one) for of, one in comparisons.items()}
    return ranking.build(comparisons, heads, warnings=("run",), alpha=0.01)


def test_the_fastest_stands_first_and_every_line_fits_the_terminal(found):
    text = ranking_text.ranking(found, folder="/somewhere/four")
    lines = text.splitlines()
    assert lines[0] == "PyTorch 2.13.0 (compile) is the fastest of 3 (a training step, 12 trials); time"
    assert max(map(len, lines)) <= 80
    places = lines[lines.index("Ranking by time: training step (profiler off)") + 3 :][:3]
    assert [line.split()[:2] for line in places] == [["1", "PyTorch"], ["2", "TensorFlow"], ["3", "MXNet"]]
    assert "10 ms" in places[2]
    assert places[2].split()[-3:] == ["4", "[3.922,", "4.082]"]
    assert "All 3 intervals hold together with 99 % confidence, each with 99.83 %" in text
    assert "  All: /somewhere/four" in lines


def test_each_pair_has_its_ratio_as_named_and_a_verdict_that_names_its_side(found):
    lines = ranking_text.ranking(found).splitlines()
    pairs = [line for line in lines if " ÷ " in line[:6] and "÷ fastest" not in line][:3]
    assert [line.split()[:4] for line in pairs] == [
        ["b", "÷", "a", "2"],
        ["c", "÷", "a", "0.5"],
        ["c", "÷", "b", "0.25"],
    ]
    assert pairs[0].endswith("b slower")
    assert pairs[1].endswith("c faster")


def test_trials_that_stand_out_are_counted_over_the_pairs_those_of_all_pairs_told_once_and_others_with_their_pair(
    found,
):
    assert list(ranking_text.warning_words(found)) == [
        "few",
        "b ÷ a (B ÷ A): order effect",
        f"{STANDS_OUT} in 2 of 3 pairs; the page of a pair (--pair) names them",
    ]


def test_the_pairs_of_the_fastest_say_why_with_their_own_a_and_b_and_their_own_warnings(found):
    text = ranking_text.ranking(found)
    assert "A = TensorFlow 2.21.0 (graph); B = PyTorch 2.13.0 (compile) (the fastest)" in text
    assert text.count("Conv forward") == 2
    assert "! ac alone" in text
    assert "ab alone" not in text
    assert text.count("! run") == 1


class Headings(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = False
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open = tag == "h2"

    def handle_data(self, data: str) -> None:
        if self.open:
            self.found.append(data)
        self.open = False


def test_the_page_has_the_ranking_the_pairs_and_a_section_for_each_pair_of_the_fastest(found):
    page = ranking_html.ranking(found, ranking_html.Extras({"os": {"a": "x", "b": "x", "c": "y"}}, ("dlprof compare",)))
    read = Headings()
    read.feed(page)
    assert read.found[:4] == ["Ranking", "All pairs", "Why: c ÷ a", "Why: c ÷ b"]
    assert "Where the sides differ" in page


def test_the_page_answers_first_who_is_fastest_how_sure_and_why(found):
    text = ranking_html.ranking(found, ranking_html.Extras({}))
    top = " ".join(unescape(re.sub("<[^>]*>", " ", text[text.index("<h1") : text.index("Ranking by time")])).split())
    order = [top.index(found.statement.split(" (")[0]), top.index("How sure: All ")]
    order += [
        top.index(f"{found.labels[b]} (B) against {found.labels[a]} (A): How sure: ") for a, b in found.against_first
    ]
    assert order == sorted(order)
    assert len(found.against_first) > 1


@browser.needed
def test_axe_finds_no_serious_fault_in_the_page(found, tmp_path):
    text = ranking_html.ranking(found, ranking_html.Extras({"os": {"a": "x", "b": "x", "c": "y"}}, ("dlprof compare",)))
    assert browser.serious_faults(text, tmp_path) == []


def test_csv_has_a_line_a_pair(found):
    rows = list(csv_reader.DictReader(io.StringIO(csv.ranking(found))))
    assert [(row["a"], row["b"], row["verdict"], float(row["ratio"])) for row in rows] == [
        ("a", "b", "slower", 2.0), ("a", "c", "faster", 0.5), ("b", "c", "faster", 0.25)
    ]  # fmt: skip
    assert rows[0]["b_label"] == NAMES["b"]


def test_places_far_apart_are_drawn_on_a_logarithmic_axis_and_close_ones_are_not(found):
    (axis,) = plots.ranking(found).axes
    assert axis.get_xscale() == "log"
    assert "(logarithmic axis)" in axis.get_xlabel()
    low, high = axis.get_xlim()
    assert low < 1 < 4.08 < high
    assert {1.0, 2.0} <= {tick for tick in axis.get_xticks() if low <= tick <= high}
    close = {of: pair(*of, ratio) for of, ratio in ((("a", "b"), 1.2), (("a", "c"), 0.9), (("b", "c"), 0.75))}
    heads = {of: ranking.headline(one) for of, one in close.items()}
    (axis,) = plots.ranking(ranking.build(close, heads, warnings=(), alpha=0.01)).axes
    assert axis.get_xscale() == "linear"


def test_a_fact_that_differs_is_told_once_with_the_sides_of_each_value(found):
    def fact(a: str, b: str, blocks: str = "no") -> dict[str, str]:
        return {"what": "fact", "where": "layout", "a": a, "b": b, "blocks": blocks}

    array = {"what": "missing", "where": "logits", "a": "yes", "b": "no", "blocks": "yes"}
    parity = {("a", "b"): (fact("NHWC", "NCHW"),), ("a", "c"): (array,), ("b", "c"): (fact("NCHW", "NHWC", "yes"),)}
    comparisons = {of: dataclasses.replace(one, parity=parity[of]) for of, one in found.comparisons.items()}
    assert list(ranking_text.work_words(dataclasses.replace(found, comparisons=comparisons))) == [
        "! A = a, B = c: logits is not on both sides: A yes, B no",
        "! layout differs: a, c NHWC; b NCHW",
    ]


def test_a_first_side_that_may_have_another_place_is_not_called_the_fastest(found):
    first, *others = found.sides
    shared = dataclasses.replace(found, sides=(dataclasses.replace(first, worst=2), *others))
    assert "(compile) (the first by time)" in ranking_text.ranking(shared).replace("\n", " ")
