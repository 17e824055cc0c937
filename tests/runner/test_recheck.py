"""Which operand sets the check after the timing writes over, and how work that was put off shows."""

import sys
import time

import numpy as np
import pytest
from places import RUNNER


@pytest.fixture(autouse=True)
def child(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(RUNNER), *sys.path])


def test_sets_between_the_ends_are_drawn_anew_for_each_seed():
    from dlprof_child.recheck import drawn

    big = 8 << 20  # two of them are checked
    first = drawn(50, big, 1)
    assert len(first) == 2
    assert first == drawn(50, big, 1)
    assert {0, 49}.isdisjoint(at for seed in range(200) for at in drawn(50, big, seed))
    assert {at for seed in range(400) for at in drawn(50, big, seed)} == set(range(1, 49)), "each comes about"


@pytest.mark.parametrize(("count", "many"), [(1, 0), (2, 0), (3, 1), (50, 48), (500, 64)])
def test_of_small_operands_all_or_many_are_drawn_and_of_large_ones_one(count, many):
    from dlprof_child.recheck import drawn

    found = drawn(count, 100, 5)
    assert len(found) == len(set(found)) == many
    assert len(drawn(count, 1 << 30, 5)) == min(many, 1)


class Backend:
    """Calls that are finished at once, or once they are read."""

    recomputes = False

    def __init__(self, late):
        self._late = late

    def function(self, *values):
        def work():
            time.sleep(0.004)
            return values[0] * 2

        return work if self._late else work()

    def finish(self, result):
        pass

    def value(self, result):
        return result() if callable(result) else result

    def rewrite(self, operand, value):
        raise AssertionError("NumPy arrays are written over in place")


@pytest.mark.parametrize("late", [False, True])
def test_a_call_that_waits_until_it_is_read_sees_the_operands_that_came_later(late):
    from dlprof_child import put_off, recheck

    class Item:
        creates, task = False, {}

    backend = Backend(late)
    sets = [(np.ones(4),) for _ in range(5)]
    fresh = [(np.arange(4.0) + at,) for at in range(5)]
    found = recheck.operator(backend, Item, backend.function, sets, fresh, [1, 3, 2])
    right = [np.array_equal(value, 2 * new[0]) for value, new in zip(found, fresh, strict=True)]
    assert right == [True, True, not late, not late, not late]
    assert (put_off.of_operator(backend, backend.function, sets) > 1) is late


def test_a_result_in_the_operands_own_memory_is_not_taken_for_work_that_was_put_off():
    from dlprof_child import recheck

    class Item:
        creates, task = False, {}

    sets = [(np.ones((2, 2)),) for _ in range(3)]
    fresh = [(np.arange(4.0).reshape(2, 2) + at,) for at in range(3)]
    found = recheck.operator(Backend(False), Item, lambda x: x.reshape(-1), sets, fresh, [1])
    np.testing.assert_array_equal(found[2], fresh[2][0].reshape(-1))


@pytest.mark.parametrize(("shape", "kept"), [((), 1), ((3, 5), 15), ((100, 100), 3334)])
def test_parts_of_a_result_are_spread_over_all_of_it(shape, kept):
    from dlprof_child.recheck import thin

    assert len(thin(np.zeros(shape))) == kept
