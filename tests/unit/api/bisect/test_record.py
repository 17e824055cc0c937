"""bisect.json goes on with the same search alone, and its words say what is known."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from dlprof.analysis.bisection import Bisection, Compared, Culprit, Place, Probe
from dlprof.analysis.facts import Ratio
from dlprof.api.bisect import record
from dlprof.errors import StoreError, UsageError
from dlprof.report.text import bisect_text

ROW = (Place("a" * 40, "aaaaaaa start"), Place("b" * 40, "bbbbbbb rename"), Place("c" * 40, "ccccccc float64 sums"))
RATIO = Ratio(1.098, 1.061, 1.136, 0.99, 8, "t")
FOUND = Bisection(
    command="python train.py", package="", row=ROW, state="found",
    ends=Compared("slower", "B is slower", RATIO, "ends"),
    probes=(Probe("c" * 40, 0.09, "ends"), Probe("b" * 40, 0.002, "trial-002")),
    suspects={"c" * 40: 0.99},
    culprits=(Culprit("c" * 40, 0.99, "b" * 40, (), Compared("slower", "B is slower", RATIO, "culprit", ("Conv +1 ms",))),),
)  # fmt: skip


def test_it_is_read_as_it_was_written(tmp_path):
    record.write(FOUND, tmp_path)
    assert record.read(tmp_path) == FOUND
    assert record.held(tmp_path, replace(FOUND, probes=(), state="under way")) == FOUND


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"command": "sh evil"}, "command"),
        ({"package": "jax"}, "package"),
        ({"row": ROW[1:]}, "row"),
        ({"how": ("--step other:step",)}, "options"),
    ],
)
def test_another_command_line_does_not_go_on_with_it(tmp_path, changed, said):
    record.write(FOUND, tmp_path)
    with pytest.raises(UsageError, match=f"its {said}"):
        record.held(tmp_path, replace(FOUND, **changed))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"schema_version": 2, "kind": "bisection"}', '{"schema_version": 1, "kind": "x"}']
)
def test_what_is_none_is_a_clear_error(tmp_path, text):
    (tmp_path / record.FILE).write_text(text)
    with pytest.raises(StoreError, match=record.FILE):
        record.read(tmp_path)


def test_a_folder_without_one(tmp_path):
    with pytest.raises(StoreError, match="no bisection"):
        record.read(tmp_path)


def test_the_answer_names_the_commit_its_size_and_how_it_was_found():
    said = bisect_text.statement(FOUND)
    assert said == (
        "ccccccc float64 sums made it slower: +9.8 % [+6.1 %, +13.6 %] (8 trials), by the trials with 99 % probability. "
        "Searched: 2 commits, 2 trials at 2 of them."
    )
    assert "What grew: Conv +1 ms." in bisect_text.text(FOUND)


def test_of_one_change_it_is_said_how_small_a_second_one_was_not_looked_for():
    bounded = replace(FOUND, least=0.0488, two=0.0004)
    assert (
        "A second change of 5.0 % or more has a probability of less than 0.1 %; a smaller one was not looked for."
        in bisect_text.statement(bounded)
    )
    assert "a probability of 0.7 %" in bisect_text.statement(replace(bounded, two=0.0071))
    without = [
        replace(bounded, row=ROW[1:]),
        replace(bounded, skipped={"b" * 40: "SyntaxError"}),
        replace(bounded, culprits=2 * FOUND.culprits),
        replace(bounded, state="in part"),
    ]
    assert not any("A second change" in bisect_text.statement(one) for one in without), "none can be, or there is one"


def test_where_trials_ended_with_a_second_change_open_the_first_is_told():
    said = bisect_text.statement(replace(FOUND, state="open", least=0.0488, two=0.23))
    assert said.startswith("ccccccc float64 sums made it slower: +9.8 %")
    assert "Whether there is a second change of 5.0 % or more is not known: its probability is 23.0 %" in said


def test_a_neighbour_that_cannot_be_run_may_be_it_and_one_that_shows_nothing_is_said():
    between = replace(FOUND, culprits=(replace(FOUND.culprits[0], before="a" * 40, between=("b" * 40,)),))
    assert "or one of bbbbbbb rename, which cannot be run, made it slower" in bisect_text.statement(between)
    neighbours = replace(FOUND.culprits[0].neighbours, verdict="inconclusive")
    open_ = replace(FOUND, state="not confirmed", culprits=(replace(FOUND.culprits[0], neighbours=neighbours),))
    assert "is the likeliest" in bisect_text.statement(open_)
    assert "it has no verdict: inconclusive after " in bisect_text.statement(open_)
    assert "More time may tell (--budget, with --resume)." in bisect_text.statement(open_)
    equal = replace(open_.culprits[0], neighbours=replace(neighbours, verdict="equivalent"))
    assert "More time" not in bisect_text.statement(replace(open_, culprits=(equal,))), "that is an answer"
    assert bisect_text.statement(replace(FOUND, state="no difference")).startswith("Nothing to search for")
    assert "more trials are needed. Left: ccccccc float64 sums (99 %)" in bisect_text.statement(
        replace(FOUND, state="open", culprits=())
    )


def test_a_row_that_has_moved_on_says_how_to_name_the_old_ends(tmp_path):
    record.write(FOUND, tmp_path)
    with pytest.raises(UsageError) as refused:
        record.held(tmp_path, replace(FOUND, row=(*ROW, Place("d" * 40, "ddddddd new"))))
    assert f"--good {'a' * 40} --bad {'c' * 40}" in str(refused.value.hint)


def test_ends_that_are_not_known_to_differ_are_not_said_to_be_alike():
    def ends(verdict: str, state: str) -> str:
        return bisect_text.statement(
            replace(FOUND, state=state, ends=replace(FOUND.ends, verdict=verdict), culprits=(), probes=())
        )

    assert ends("inconclusive", "open").startswith("Not known: whether the ends differ takes more time")
    assert "do not differ" in ends("equivalent", "no difference")
    assert "a smaller --margin searches for it" in ends("negligible", "no difference")


LEFT = Ratio(1.09, 1.03, 1.16, 0.95, 20, "Welch's t, log scale")


def test_one_change_that_explains_a_part_says_what_is_left_and_that_a_second_was_looked_for():
    part = replace(FOUND, state="in part", left=LEFT, ends=replace(FOUND.ends, ratio=replace(RATIO, estimate=1.2)))
    said = bisect_text.statement(part)
    assert (
        "That does not make up the difference between the ends: +9.8 % of +20.0 %, which leaves +9.0 % [+3.0 %, +16.0 %] "
        "(95 % confidence). A second one was looked for, and where it came is not known; more trials tell (--most, with "
        "--resume)." in said
    )
    assert "third" not in said
    without = bisect_text.statement(replace(part, left=None))  # as an earlier dlprof wrote it
    assert "That does not make up the difference between the ends. A second one was looked for" in without


def two(first: str, before: str, second: str, last: str, **changes: object) -> Bisection:
    """Two changes of 9.8 %, ends that differ by 33 %, commits named by letters."""
    row = tuple(Place(letter * 40, f"{7 * letter} change {letter}") for letter in "abcdefg")
    culprits = tuple(
        replace(FOUND.culprits[0], revision=one * 40, before=other * 40)
        for one, other in ((first, before), (second, last))
    )
    ends = replace(FOUND.ends, ratio=replace(RATIO, estimate=1.33))
    return replace(FOUND, row=row, ends=ends, culprits=culprits, state="in part", left=LEFT, **changes)


def test_two_changes_that_explain_a_part_say_what_is_left_that_no_third_is_searched_for_and_what_searches_for_it():
    said = bisect_text.statement(two("c", "b", "f", "e"))
    assert said.count("made it slower") == 2
    assert (
        "These changes do not make up the difference between the ends: +20.6 % together of +33.0 %, which leaves +9.0 % "
        "[+3.0 %, +16.0 %] (95 % confidence). A third one is not searched for; a bisection of a part of the row does that: "
        "--good ccccccc --bad eeeeeee or --good aaaaaaa --bad bbbbbbb or --good fffffff --bad ggggggg." in said
    )
    assert "another change" not in said, "it is not known to be one"
    assert "does that: --good bbbbbbb --bad fffffff." in bisect_text.statement(two("b", "a", "g", "f"))
    apart = bisect_text.statement(two("d", "a", "g", "d"))
    assert "No revision is left that a third one can have come with: the comparisons disagree" in apart
    releases = replace(two("c", "b", "f", "e"), package="jax")
    assert f"--good {40 * 'c'} --bad {40 * 'e'} or" in bisect_text.statement(releases), "a release by its name"


def test_what_is_left_is_kept_and_read_and_may_be_missing(tmp_path):
    part = two("c", "b", "f", "e")
    record.write(part, tmp_path)
    assert record.read(tmp_path) == part
    file = tmp_path / record.FILE
    plain = json.loads(file.read_text())
    assert plain["left"] == {
        "estimate": 1.09, "low": 1.03, "high": 1.16, "confidence": 0.95, "trials": 20, "method": "Welch's t, log scale",
    }  # fmt: skip
    del plain["left"]
    file.write_text(json.dumps(plain))
    assert record.read(tmp_path) == replace(part, left=None)
