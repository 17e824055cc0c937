"""Numbers of steps that begin again: counted on, and what bears one of them given to the right step."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dlprof.ingest.finish.markers import counted_on, last_begun, last_not_after

SMALL = st.lists(st.integers(-2, 3), max_size=12)


def ints(values: list[int]) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def test_counting_goes_on_from_the_highest_number() -> None:
    found = counted_on(ints([3, 4, 5, 3, 4, 0, 3]), ints([1] * 7))
    assert found.tolist() == [3, 4, 5, 6, 7, 8, 11]


def test_a_step_that_two_threads_mark_one_after_the_other_is_one() -> None:
    assert counted_on(ints([0, 0, 1, 1]), ints([1, 2, 1, 2])).tolist() == [0, 0, 1, 1]
    assert counted_on(ints([0, 0, 1, 1]), ints([1, 1, 1, 1])).tolist() == [0, 1, 2, 3]


def test_numbers_that_would_leave_the_range_of_integers_stay_as_they_are() -> None:
    high = 2**63 - 1
    assert counted_on(ints([high, high]), ints([1, 1])).tolist() == [high, high]


@given(SMALL)
def test_no_two_steps_of_a_thread_have_one_number_and_order_is_kept_within_a_count(written: list[int]) -> None:
    found = counted_on(ints(written), ints([1] * len(written))).tolist()
    assert len(set(found)) == len(found)
    if len(set(written)) == len(written):
        assert found == written


@given(SMALL, st.lists(st.tuples(st.integers(-3, 4), st.integers(-5, 130)), max_size=12))
def test_of_the_steps_of_a_number_the_last_that_had_begun_is_meant(
    written: list[int], asked: list[tuple[int, int]]
) -> None:
    start = [10 * at for at in range(len(written))]
    result = [1000 + at for at in range(len(written))]
    if not written:
        return

    def expected(number: int, at: int) -> int:
        mine = [place for place, one in enumerate(written) if one == number]
        begun = [place for place in mine if start[place] <= at]
        return result[(begun or mine[:1])[-1]] if mine else number

    numbers, times = ints([one for one, _ in asked]), ints([at for _, at in asked])
    found = last_begun(numbers, times, ints(written), ints(start), ints(result))
    assert found.tolist() == [expected(*one) for one in asked]


@given(
    st.lists(st.integers(-3, 40), max_size=12),
    st.lists(st.integers(-5, 45), min_size=1, max_size=8),
    st.booleans(),
    st.integers(1, 900),
)
def test_the_last_that_is_not_after_is_the_same_for_many_in_order(
    known: list[int], at: list[int], ordered: bool, times: int
) -> None:
    asked = np.repeat(ints(sorted(at) if ordered else at), times)
    found = last_not_after(ints(sorted(known)), asked)
    assert found.dtype == np.int64
    assert found[::times].tolist() == [sum(one <= each for one in known) - 1 for each in asked[::times].tolist()]
    assert (found.reshape(-1, times) == found[::times, None]).all()
