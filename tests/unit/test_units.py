"""Quantities in words: one form for percentages, one unit for the durations of a sentence; older results' words are the same."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import dlprof
from dlprof.api.differences import differences
from dlprof.units import counted, format_share, in_one_unit

OURS = Path(dlprof.__file__).parent


def test_shares_have_a_space_before_the_sign() -> None:
    assert [format_share(0.98531), format_share(0.98531, 1), format_share(-0.041, 1, signed=True)] == [
        "99 %", "98.5 %", "−4.1 %",
    ]  # fmt: skip
    assert format_share(0.1, 0, signed=True) == "+10 %"


def test_no_text_of_dlprofs_own_is_written_with_pythons_form_of_percentages() -> None:
    """But for options that are to be typed."""
    for path in OURS.rglob("*.py"):
        if {"runner", "adapter"} & set(path.relative_to(OURS).parts):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                text = ast.unparse(node)
                typed = re.sub(r"--[a-z-]+ \{[^}]*\}", "", text)
                assert not re.search(r":[^{}]*%\}", typed), (path, node.lineno, text)


def test_the_durations_of_a_sentence_have_the_unit_of_its_largest() -> None:
    words = in_one_unit([48.58e6, 11.01e6])
    assert [words(ns) for ns in (48.58e6, -448_400, 0, 12.0)] == ["+48.58 ms", "−0.4484 ms", "+0 ms", "+0.000012 ms"]
    assert in_one_unit([700])(900.0) == "+900 ns"
    assert in_one_unit([])(0) == "+0 ms"
    assert in_one_unit([1e6])(float("nan")) == "n/a"


@pytest.mark.parametrize("piece", ["9", "1.", "+1", "1 "])
def test_words_with_a_hundred_thousand_digits_are_compared_like_others(piece: str) -> None:
    many = piece * 100_000
    assert not list(differences({"warnings": [f"{many} ms, 98.5%"]}, {"warnings": [f"{many} ms, 98.5 %"]}))
    assert list(differences({"warnings": [f"{many} ms, 98.5%"]}, {"warnings": [f"{many}2 ms, 98.5 %"]}))


def test_a_note_in_an_older_releases_words_agrees_and_another_number_does_not() -> None:
    older, now = "1 traced window(s) a side: no intervals below 3", "traced windows a side: 1; intervals take 3"
    assert not list(differences({"warnings": [older]}, {"warnings": [now]}))
    assert list(differences({"warnings": [older.replace("1", "2")]}, {"warnings": [now]}))


@pytest.mark.parametrize(
    ("older", "same"),
    [
        ("B is 5 ms slower (4 trials, 98.5% confidence), unexplained +448.4 µs", True),
        ("B is 5 ms slower (4 trials, 98.5 % confidence), unexplained +0.4484 ms", True),
        ("B is 5 ms slower (4 trials, 98.5% confidence), unexplained +448.4 ms", False),
        ("B is 5 ms slower (4 trials, 98.5% confidence), unexplained -448.4 µs", False),
        ("B is 5 ms slower (4 trials, 98.4% confidence), unexplained +448.4 µs", False),
        ("B is 5 ms faster (4 trials, 98.5% confidence), unexplained +448.4 µs", False),
    ],
)
def test_a_result_whose_words_an_older_release_wrote_agrees_if_it_says_the_same(older: str, same: bool) -> None:
    now = "B is 5 ms slower (4 trials, 98.5 % confidence), unexplained +0.4484 ms"
    assert (not list(differences({"warnings": [older]}, {"warnings": [now]}))) is same


def test_one_of_a_thing_is_no_plural() -> None:
    assert (counted(1, "event"), counted(0, "event"), counted(2, "step")) == ("1 event", "0 events", "2 steps")
