"""A gate asks whether B is more than an allowed slow-down slower: the same test as that of a difference, about another ratio."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dlprof import stats

QUIET = np.array([0.004, -0.006, 0.001, 0.008, -0.003, 0.002])


def trials(ratio: float, noise: np.ndarray = QUIET) -> np.ndarray:
    return math.log(ratio) + noise


@pytest.mark.parametrize(("ratio", "state"), [(1.0, "passed"), (1.2, "failed"), (1.05, "undecided"), (0.7, "passed")])
def test_above_at_or_below_what_is_allowed(ratio, state):
    found = stats.gate(trials(ratio), 0.05)
    assert found.state == state
    assert (found.more_trials is None) == (state != "undecided")


def test_the_ratio_is_told_against_what_is_allowed_and_its_interval_decides():
    found = stats.gate(trials(1.2), 0.05).result
    plain = stats.compare(trials(1.2))
    assert found.estimate == pytest.approx(plain.estimate / 1.05)
    assert (found.low, found.high) == pytest.approx((plain.low / 1.05, plain.high / 1.05))


def test_a_slow_down_that_is_negligible_by_the_margin_is_above_a_tighter_gate():
    enough = trials(1.025, np.tile(QUIET, 3))  # six trials may have missed a speed that would explain so little
    assert stats.compare(enough).verdict == "negligible"
    assert stats.gate(enough, 0.005).state == "failed"


def test_too_few_trials_and_trials_that_do_not_vary_decide_nothing():
    assert stats.gate(trials(2.0)[:5], 0.05).state == "undecided"
    assert stats.gate(np.zeros(6), 0.05).state == "undecided"
    assert stats.gate([], 0.05).state == "undecided"
    assert stats.gate(trials(2.0)[:4], 0.05, adaptive=True).state == "failed", "large, at the first look"


def test_p_is_one_sided():
    slow, fast = stats.gate(trials(1.2), 0.05), stats.gate(trials(0.9), 0.05)
    assert slow.p is not None
    assert fast.p is not None
    assert slow.p < 0.001
    assert fast.p > 0.999


def test_one_bad_item_among_twenty_is_caught_and_the_others_stand():
    generator = np.random.default_rng(3)
    items = [stats.gate(generator.normal(math.log(1.5 if one == 7 else 1), 0.02, 8), 0.1) for one in range(20)]
    state, each, q = stats.gate_all(items)
    assert state == "failed"
    assert [one for one, of in enumerate(each) if of == "failed"] == [7]
    assert q[7] is not None
    assert q[7] < 0.025


def test_an_item_just_above_by_itself_is_no_failure_among_twenty():
    noise = np.array([0.05, -0.05, 0.04, -0.04, 0.03, -0.03])
    above = stats.gate(math.log(1.05) + 0.0635 + noise, 0.05)
    assert above.state == "failed"
    others = [stats.gate(trials(1.05) + shift, 0.05) for shift in np.linspace(-0.001, 0.001, 19)]
    state, each, _ = stats.gate_all([above, *others])
    assert (state, each[0]) == ("undecided", "undecided")


def test_all_items_have_to_pass():
    passed, open_ = stats.gate(trials(1.0), 0.05), stats.gate(trials(1.05), 0.05)
    assert stats.gate_all([passed, passed])[0] == "passed"
    assert stats.gate_all([passed, open_])[0] == "undecided"
    assert stats.gate_all([])[0] == "undecided"


def test_at_exactly_the_allowed_slow_down_it_errs_as_rarely_as_a_comparison_of_equals():
    """10 000 gates that are judged at the looks of an adaptive comparison, a true slow-down of 5 % under a gate of 5 %."""
    draws = np.random.default_rng(11).normal(math.log(1.05), 0.06, (10_000, 30))
    codes, _, _ = stats.stop_each(draws - math.log(1.05), stats.look_schedule(), None, 1e-9)
    assert np.isin(codes, [3, 4]).mean() < 0.05
    for row, code in zip(draws[:40], codes[:40], strict=True):
        looks = (stats.gate(row[:n], 0.05, adaptive=True).state for n in stats.look_schedule())
        first = next((one for one in looks if one != "undecided"), "undecided")
        assert first == {3: "passed", 4: "failed"}.get(int(code), "undecided")


def test_a_negative_allowance_is_refused():
    with pytest.raises(ValueError, match="0 or more"):
        stats.gate(trials(1.0), -0.01)
