"""Places, ratios and q of more than two sides, from what is said of their pairs."""

from __future__ import annotations

import pytest

from dlprof.analysis.model import Comparison, ItemResult, Ratio, Side, VerdictWord
from dlprof.analysis.timing import ranking
from dlprof.analysis.timing.ranking import Ranking
from dlprof.names import Pair

SIDES = {name: Side("np", "1", "cpu:0", name, "3.11", f"NumPy ({name})") for name in "abcd"}


def pair(a: str, b: str, ratio: float, verdict: VerdictWord, p: float | None = 0.001) -> Comparison:
    held = Ratio(ratio, ratio * 0.9, ratio * 1.1, 0.99, 6, "t")
    item = ItemResult("train_block", verdict, held, 1e6, 1e6 * ratio, f"{b} against {a}", p=p)
    return Comparison("w", SIDES[a], SIDES[b], (item,), (), {}, {}, (), (), {})


def built(**pairs: tuple[float, VerdictWord]) -> Ranking:
    found: dict[Pair, Comparison] = {(name[0], name[1]): pair(name[0], name[1], *said) for name, said in pairs.items()}
    heads = {of: ranking.headline(one) for of, one in found.items()}
    return ranking.build(found, heads, warnings=["w", "w"], alpha=0.05)


def places(found: Ranking) -> list[tuple[str, int, int]]:
    return [(one.letter, one.best, one.worst) for one in found.sides]


def test_sides_come_in_the_order_of_their_times_with_the_places_that_the_pairs_leave():
    found = built(ab=(2.0, "slower"), ac=(0.5, "faster"), bc=(0.25, "faster"))
    assert places(found) == [("c", 1, 1), ("a", 2, 2), ("b", 3, 3)]
    assert found.statement.startswith(
        "NumPy (c) is the fastest of 3 (a training step, 6 trials); time of the others: NumPy (a)"
    )
    assert found.warnings == ("w",)
    assert found.against_first == (("a", "c"), ("b", "c"))


def test_a_ratio_to_the_fastest_is_turned_around_where_the_fastest_was_named_later():
    found = built(ab=(2.0, "slower"), ac=(0.5, "faster"), bc=(0.25, "faster"))
    first, second, third = (one.ratio for one in found.sides)
    assert first is None
    assert (second.estimate, third.estimate) == (2.0, 4.0)
    assert (second.low, second.high) == (pytest.approx(2 / 1.1), pytest.approx(2 / 0.9))


def test_sides_that_are_not_told_apart_share_their_places_and_may_all_be_the_first():
    found = built(ab=(1.02, "inconclusive"), ac=(1.5, "slower"), bc=(1.5, "slower"))
    assert places(found) == [("a", 1, 2), ("b", 1, 2), ("c", 3, 3)]
    assert found.statement == (
        "NumPy (a) or NumPy (b) is the fastest of 3, which of them is not shown (a training step, 6 trials)"
    )
    alike = built(ab=(1.01, "equivalent"), ac=(1.02, "equivalent"), bc=(1.01, "equivalent"))
    assert places(alike) == [("a", 1, 3), ("b", 1, 3), ("c", 1, 3)]
    assert alike.statement.startswith("No side is shown to be the fastest of 3")


def test_a_difference_within_the_margin_is_an_order_all_the_same():
    assert places(built(ab=(1.02, "negligible"), ac=(1.5, "slower"), bc=(1.5, "slower")))[0] == ("a", 1, 1)


def test_q_is_adjusted_over_the_pairs():
    found = ranking.build(
        comparisons := {
            ("a", "b"): pair("a", "b", 2.0, "slower", p=0.01),
            ("a", "c"): pair("a", "c", 3.0, "slower", p=0.02),
            ("b", "c"): pair("b", "c", 1.5, "inconclusive", p=None),
        },
        {of: ranking.headline(one) for of, one in comparisons.items()},
    )
    assert [one.q for one in found.pairs] == [pytest.approx(0.02), pytest.approx(0.02), None]


def test_sides_of_one_name_are_told_apart_by_their_letters():
    found = built(ab=(2.0, "slower"), ac=(3.0, "slower"), bc=(1.5, "slower"))
    same = {of: pair("a", "a", 2.0, "slower") for of in found.comparisons}
    labels = ranking.build(same, {of: ranking.headline(one) for of, one in same.items()}).labels
    assert labels == {letter: f"NumPy (a) [{letter}]" for letter in "abc"}


def test_nothing_that_did_different_work_is_put_in_order():
    found = built(ab=(2.0, "not_comparable"), ac=(3.0, "slower"), bc=(1.5, "slower"))
    assert found.statement == "No order of 3 sides: some of them did different work"
