"""How a comparison ends: success, or the error whose exit code the command has."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from dlprof.analysis.model import Comparison, ItemResult, Ratio, Side, VerdictWord
from dlprof.analysis.same_work.rules import Difference
from dlprof.analysis.timing import ranking
from dlprof.api.lockstep.gate import ending, exit_code
from dlprof.errors import Inconclusive, Interrupted, NotComparable, Regression

SIDE = Side("tf", "2", "cpu:0", "graph", "3.11", "TF")


def found(
    low: float | None, high: float | None, verdict: VerdictWord = "inconclusive", differences: Sequence[Difference] = ()
) -> Comparison:
    ratio = Ratio(1.0, low, high, 0.95, 6, "t")
    item = ItemResult("train_block", verdict, ratio, 1.0, 1.0, "")
    return Comparison("w", SIDE, SIDE, (item,), (), {}, {"a": None, "b": None}, tuple(differences), (), {})


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.95, 1.05, None),
        (0.95, 1.0501, Inconclusive),
        (1.0501, 1.2, Regression),
        (1.05, 1.2, Inconclusive),
        (None, None, Inconclusive),
    ],
)
def test_a_gate_of_five_percent(low, high, expected):
    assert ending(found(low, high), 0.05, "") is expected


def test_without_a_gate_a_slower_side_is_no_failure():
    assert ending(found(1.5, 1.6, "slower"), None, "") is None


def test_different_work_comes_before_the_gate_and_an_interruption_before_both():
    late = {"what": "rate", "where": "timed/matmul[size=50]", "item": "matmul[size=50]", "blocks": "yes"}
    assert ending(found(0.9, 0.95, differences=[late]), 0.05, "") is NotComparable
    other = found(0.9, 0.95, "not_comparable")
    assert ending(other, 0.05, "") is NotComparable
    assert ending(other, 0.05, "interrupted after 3 trials") is Interrupted


def test_an_item_that_was_never_timed_for_being_different_work_leaves_the_others_to_the_gate():
    early = {"what": "array", "where": "out/matmul[size=50]", "item": "matmul[size=50]", "blocks": "yes"}
    allowed = {"what": "array", "where": "timed/matmul[size=50]@0", "item": "matmul[size=50]", "blocks": "no"}
    assert ending(found(0.9, 0.95, differences=[early, allowed]), 0.05, "") is None


def test_the_exit_codes_are_those_of_the_errors():
    codes = [exit_code(one) for one in (None, Regression, Inconclusive, NotComparable, Interrupted)]
    assert codes == [0, 3, 4, 5, 130]


def ranked(**pairs: Comparison) -> ranking.Ranking:
    """Three sides by their pairs: ab, ac, bc."""
    comparisons = {(letters[0], letters[1]): one for letters, one in pairs.items()}
    heads = {pair: ranking.headline(one) for pair, one in comparisons.items()}
    return ranking.build(comparisons, heads, alpha=0.05)


def test_of_several_sides_the_gate_asks_each_other_one_against_the_first_and_one_regression_is_enough():
    fine, slow, open_, other = found(0.95, 1.0), found(1.06, 1.2), found(0.95, 1.1), found(0.9, 0.95, "not_comparable")
    assert ending(ranked(ab=fine, ac=fine, bc=slow), 0.05, "") is None, "b against c is not asked"
    assert ending(ranked(ab=open_, ac=slow, bc=fine), 0.05, "") is Regression
    assert ending(ranked(ab=fine, ac=open_, bc=slow), 0.05, "") is Inconclusive
    assert ending(ranked(ab=slow, ac=slow, bc=fine), None, "") is None
    assert ending(ranked(ab=slow, ac=fine, bc=other), 0.05, "") is NotComparable, "any two that did different work"
    assert ending(ranked(ab=slow, ac=fine, bc=other), 0.05, "interrupted after 1 trials") is Interrupted
