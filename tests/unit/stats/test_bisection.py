"""Where a change came in, after trials at some revisions: sure when it may be, one or two, and next where a trial tells most."""

from __future__ import annotations

import numpy as np
import pytest

from dlprof.api.bisect.search import Search, Untestable
from dlprof.stats.design.bisection import suspects

SLOWER = np.log(1.1)


def test_probabilities_are_of_all_places_and_what_no_trial_tells_apart_shares_them():
    known = suspects({8: [0.1, 0.098, 0.103, 0.1]}, 8)
    assert known.first.sum() == pytest.approx(1)
    assert known.first[0] == 0
    assert np.ptp(known.first[1:]) < 0.02, "the ends alone say nothing of the place"
    assert known.next_probe(range(1, 9), 0.98) in (4, 5)


def test_a_fast_and_a_slow_neighbour_leave_one_place():
    quiet = [0.001, -0.002, 0.001]
    known = suspects({8: [0.1, 0.101, 0.099], 4: quiet, 5: [0.1, 0.102, 0.099]}, 8)
    assert known.first[5] > 0.95
    assert known.found(0.9) == (5,)


def test_two_steps_are_two_changes():
    trials = {
        j: [height + one for one in (0.001, -0.002, 0.002)]
        for j, height in ((2, 0.0), (3, 0.1), (5, 0.1), (6, 0.2), (8, 0.2))
    }
    known = suspects(trials, 8)
    assert known.two > 0.95
    assert known.found(0.9) == (3, 6)


def searched(noise, change: int, last: int = 64, broken: tuple[int, ...] = ()) -> Search:
    names = [f"r{at}" for at in range(last + 1)]

    def measure(name: str) -> float:
        at = int(name[1:])
        if at in broken:
            raise Untestable("it does not compile")
        return (SLOWER if at >= change else 0.0) + noise()

    search = Search(names, {names[-1]: [SLOWER + noise() for _ in range(6)]})
    search.go(measure)
    return search


def test_one_of_64_is_found_in_a_few_dozen_trials_and_hardly_ever_another():
    generator = np.random.default_rng(5)
    right = made = 0
    for _ in range(40):
        change = int(generator.integers(1, 65))
        search = searched(lambda: generator.normal(0, 0.04), change)
        right += search.found() == (f"r{change}",)
        made += search.made
    assert right >= 36
    assert made / 40 < 40


def test_revisions_that_cannot_be_run_leave_the_row_and_are_named_where_the_change_may_lie_in_them():
    generator = np.random.default_rng(6)
    search = searched(lambda: generator.normal(0, 0.02), 30, broken=(29, 30, 31))
    assert search.found() == ("r32",)
    last, between = search.before("r32")
    assert (last, between) == ("r28", ("r29", "r30", "r31"))
    assert set(search.skipped) <= {"r29", "r30", "r31"}


def test_where_nothing_between_can_be_run_the_change_lies_in_all_of_it():
    search = Search(["good", "one", "two", "bad"], {"bad": [0.1, 0.11]})

    def broken(name: str) -> float:
        raise Untestable(f"{name} does not compile")

    search.go(broken)
    assert search.found() == ("bad",)
    assert search.before("bad") == ("good", ("one", "two"))


def test_it_ends_after_so_many_trials_though_it_is_open():
    generator = np.random.default_rng(7)
    search = Search([f"r{at}" for at in range(65)])
    search.go(lambda _: generator.normal(0, 1), most=20)
    assert search.made == 20
