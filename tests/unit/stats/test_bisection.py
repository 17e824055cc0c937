"""Where a change came in, after trials at some revisions: sure when it may be, one or two, and next where a trial tells most."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from dlprof.api.bisect.search import Search, Untestable
from dlprof.stats.design.bisection import least_change, left_over, rest, suspects

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
    assert known.found(0.9) is None, "three trials of it do not tell that nothing came after it"
    assert known.next_probe(range(1, 9), 0.9) == 5
    known = suspects({8: [0.1, 0.101, 0.099], 4: quiet, 5: [0.1, 0.102, 0.099, 0.1]}, 8)
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

    search = Search(names, {names[-1]: [SLOWER + noise() for _ in range(6)]}, margin=0.05)
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


def one_by_one(trials: dict[int, list[float]], last: int, two: float) -> tuple[np.ndarray, np.ndarray, float]:
    """The same posterior from its definition, place by place."""
    count = sum(map(len, trials.values()))

    def log_weight(*changes: int) -> float:
        parts: dict[int, list[float]] = {}
        for revision, values in trials.items():
            parts.setdefault(sum(revision >= one for one in changes), []).extend(values)
        rest = sum(
            sum(x * x for x in values) - (sum(values) ** 2 / len(values) if part else 0)
            for part, values in parts.items()
        )
        free = max(count - len(changes), 1)
        return -0.5 * free * np.log(max(rest / count, 1e-8)) - 0.5 * len(changes) * np.log(count)

    first, second, both = np.zeros(last + 1), np.zeros(last + 1), 0.0
    for i in range(1, last + 1):
        first[i] += (1 - two) / last * np.exp(log_weight(i))
        for j in range(i + 1, last + 1):
            weight = two / (last * (last - 1) / 2) * np.exp(log_weight(i, j))
            first[i], second[j], both = first[i] + weight, second[j] + weight, both + weight
    return first / first.sum(), second / both, both / first.sum()


def test_blocks_of_places_give_what_all_places_one_by_one_would():
    generator = np.random.default_rng(9)
    for _ in range(25):
        last = int(generator.integers(2, 11))
        tried = generator.choice(np.arange(last + 1), int(generator.integers(1, last + 1)), replace=False)
        trials = {
            int(one): list(generator.normal(0.1 * (one > 4), 0.05, int(generator.integers(1, 4)))) for one in tried
        }
        known = suspects(trials, last, two=0.3)
        first, second, two = one_by_one(trials, last, 0.3)
        assert known.first == pytest.approx(first)
        assert known.second == pytest.approx(second)
        assert known.two == pytest.approx(two)


def test_a_hundred_thousand_commits_are_searched_as_64_are():
    names = range(100_001)
    generator = np.random.default_rng(10)
    known = suspects({100_000: [0.1] * 6, 50_000: [0.0, 0.01], 75_000: list(generator.normal(0.1, 0.02, 3))}, 100_000)
    assert known.first.size == 100_001
    assert 50_000 < known.next_probe(names[1:], 0.98) < 75_000


def test_one_change_of_two_leaves_something_of_the_ends_difference_over():
    whole, half = [0.19, 0.2, 0.21, 0.2], [0.1, 0.11, 0.09]
    assert left_over(whole, [half]) < 0.001
    assert left_over(whole, [half, half]) > 0.5
    assert left_over(half, [half]) > 0.9
    assert left_over([0.2], [half]) == 1.0, "one value tells no spread"


def test_what_is_left_has_the_interval_of_welchs_t():
    whole, half = [0.19, 0.2, 0.21, 0.2], [0.1, 0.11, 0.09]
    left, scipys = rest(whole, [half]), scipy.stats.ttest_ind(whole, half, equal_var=False)
    assert left.gap == pytest.approx(0.1)
    assert left.interval(0.95) == pytest.approx(tuple(scipys.confidence_interval(0.95)))
    assert left_over(whole, [half]) == pytest.approx(scipys.pvalue)
    assert rest([0.2], [half]) is None, "one value tells no spread"


def test_what_is_left_over_of_a_large_difference_and_is_too_small_to_be_of_interest_is_nothing():
    ends, found = [3.6, 3.59, 3.61, 3.6], [3.57, 3.58, 3.56]
    assert left_over(ends, [found]) < 0.05
    assert left_over(ends, [found], least=0.1) == 1.0
    assert left_over(ends, [found], least=0.031) < 0.05, "it may be larger than that"


def test_a_change_is_of_interest_from_the_margin_or_half_of_the_ends_difference_and_a_tenth_of_what_is_added():
    assert np.expm1(least_change([np.log(1.3)], 0.05)) == pytest.approx(0.05)
    assert least_change([np.log(1.1)], 0.05) == pytest.approx(np.log(1.1) / 2)
    assert least_change([np.log(1.1)], 0.0) == pytest.approx(-np.log(1 - 0.1 * (1 - 1 / 1.1)))
    times = np.log(35.27)
    last_change = least_change([times], 0.05)
    assert 35.27 - 35.27 / np.exp(last_change) == pytest.approx(0.1 * (35.27 - 1)), "a tenth of the time that is added"
    assert least_change([-times], 0.05) == last_change, "of what got faster as well"
    assert least_change([], 0.05) == 0, "nothing is known to be too small"


@pytest.mark.parametrize("steps", [(3.56, 0.04), (0.04, 3.56), (3.56, -0.04)], ids=["after", "before", "faster"])
def test_whether_there_is_a_second_change_too_small_to_be_of_interest_is_not_asked(steps):
    generator = np.random.default_rng(12)
    heights = np.cumsum([0, *steps, 0])
    large = str(1 + int(steps[1] > 1))
    for _ in range(20):
        search = Search(["0", "1", "2", "3"], margin=0.05)
        for _ in range(6):
            search.add("3", heights[3] + float(generator.normal(0, 0.01)))
        search.go(lambda name: heights[int(name)] + float(generator.normal(0, 0.01)))
        assert search.found() == (large,)
        assert search.made <= 12, search.trials
        assert search.known().two < 0.01


def test_a_second_change_of_interest_is_told_apart_with_a_margin_too():
    generator = np.random.default_rng(13)
    for _ in range(10):
        search = Search([str(at) for at in range(33)], margin=0.05)
        heights = 0.1 * (np.arange(33) >= 9) + 0.07 * (np.arange(33) >= 22)
        for _ in range(6):
            search.add("32", heights[-1] + float(generator.normal(0, 0.02)))
        search.go(lambda name, heights=heights: heights[int(name)] + float(generator.normal(0, 0.02)))
        assert search.found() == ("9", "22")


def test_a_search_that_is_told_of_another_change_looks_for_it():
    generator = np.random.default_rng(11)

    def measure(name: str) -> float:
        return 0.1 * (int(name) >= 20) + 0.1 * (int(name) >= 24) + float(generator.normal(0, 0.02))

    search = Search([str(at) for at in range(33)])
    for _ in range(6):
        search.add("32", measure("32"))
    search.look_for_another()
    search.go(measure)
    assert search.found() == ("20", "24")


def test_a_search_is_the_same_whether_its_trials_come_at_once_or_one_by_one():
    whole = searched(lambda: 0.0005, 11, last=16)
    again = Search(whole.row)
    for name, values in whole.trials.items():
        for value in values:
            again.add(name, value)
    assert again.known().first == pytest.approx(whole.known().first)
    assert again.found() == whole.found()
