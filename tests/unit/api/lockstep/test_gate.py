"""How a comparison ends: success, or the error whose exit code the command has."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from dlprof.analysis.model import Comparison, Gate, GateState, ItemResult, Ratio, Side, VerdictWord
from dlprof.analysis.same_work.rules import Difference
from dlprof.analysis.timing import ranking
from dlprof.api.lockstep.gate import ending, exit_code
from dlprof.errors import Inconclusive, Interrupted, NotComparable, Regression

SIDE = Side("tf", "2", "cpu:0", "graph", "3.11", "TF")


def found(
    state: GateState | None, verdict: VerdictWord = "inconclusive", differences: Sequence[Difference] = ()
) -> Comparison:
    item = ItemResult("train_block", verdict, Ratio(1.0, 0.9, 1.1, 0.95, 6, "t"), 1.0, 1.0, "")
    gate = None if state is None else Gate(0.05, state, ())
    return Comparison("w", SIDE, SIDE, (item,), (), {}, {"a": None, "b": None}, tuple(differences), (), {}, gate=gate)


@pytest.mark.parametrize(
    ("state", "expected"),
    [("passed", None), ("failed", Regression), ("undecided", Inconclusive), ("not_comparable", NotComparable)],
)
def test_a_gate_s_state_is_how_the_command_ends(state, expected):
    assert ending(found(state), "") is expected


def test_without_a_gate_a_slower_side_is_no_failure():
    assert ending(found(None, "slower"), "") is None


def test_different_work_comes_before_the_gate_and_an_interruption_before_both():
    late = {"what": "rate", "where": "timed/matmul[size=50]", "item": "matmul[size=50]", "blocks": "yes"}
    assert ending(found("passed", differences=[late]), "") is NotComparable
    other = found("passed", "not_comparable")
    assert ending(other, "") is NotComparable
    assert ending(other, "interrupted after 3 trials") is Interrupted


def test_an_item_that_was_never_timed_for_being_different_work_leaves_the_others_to_the_gate():
    early = {"what": "array", "where": "out/matmul[size=50]", "item": "matmul[size=50]", "blocks": "yes"}
    allowed = {"what": "array", "where": "timed/matmul[size=50]@0", "item": "matmul[size=50]", "blocks": "no"}
    assert ending(found("passed", differences=[early, allowed]), "") is None


def test_the_exit_codes_are_those_of_the_errors():
    codes = [exit_code(one) for one in (None, Regression, Inconclusive, NotComparable, Interrupted)]
    assert codes == [0, 3, 4, 5, 130]


def ranked(**pairs: Comparison) -> ranking.Ranking:
    """Three sides by their pairs: ab, ac, bc."""
    comparisons = {(letters[0], letters[1]): one for letters, one in pairs.items()}
    heads = {pair: ranking.headline(one) for pair, one in comparisons.items()}
    return ranking.build(comparisons, heads, alpha=0.05)


def test_of_several_sides_one_that_fails_is_enough_and_pairs_without_the_first_have_no_gate():
    fine, slow, open_, none = found("passed"), found("failed"), found("undecided"), found(None, "slower")
    other = found(None, "not_comparable")
    assert ending(ranked(ab=fine, ac=fine, bc=none), "") is None
    assert ending(ranked(ab=open_, ac=slow, bc=none), "") is Regression
    assert ending(ranked(ab=fine, ac=open_, bc=none), "") is Inconclusive
    assert ending(ranked(ab=slow, ac=fine, bc=other), "") is NotComparable, "any two that did different work"
    assert ending(ranked(ab=slow, ac=fine, bc=other), "interrupted after 1 trials") is Interrupted
