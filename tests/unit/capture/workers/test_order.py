"""The order of the sides in the rounds of a trial."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlprof.capture.workers.order import orders

LETTERS = "abcdefgh"


@given(st.integers(2, 8), st.integers(1, 40), st.integers(0, 2**32))
def test_each_round_has_every_side_once_and_of_even_rounds_each_runs_before_each_other_in_half(
    count: int, rounds: int, seed: int
) -> None:
    found = orders(LETTERS[:count], rounds, np.random.default_rng(seed))
    assert len(found) == rounds
    assert all(sorted(order) == list(LETTERS[:count]) for order in found)
    for one, other in combinations(LETTERS[:count], 2):
        first = sum(order.index(one) < order.index(other) for order in found)
        assert first in ((rounds // 2,) if rounds % 2 == 0 else (rounds // 2, rounds // 2 + 1))


@pytest.mark.parametrize(("count", "block"), [(3, 6), (4, 4), (5, 10), (6, 6)])
def test_whole_blocks_balance_places_and_who_went_before(count: int, block: int) -> None:
    found = orders(LETTERS[:count], 3 * block, np.random.default_rng(7))
    places = Counter((side, at) for order in found for at, side in enumerate(order))
    assert set(places.values()) == {3 * block // count}
    follows = Counter(pair for order in found for pair in pairwise(order))
    assert len(follows) == count * (count - 1)
    assert set(follows.values()) == {3 * block * (count - 1) // (count * (count - 1))}


def test_the_order_is_random_and_the_seed_decides_it() -> None:
    one, again, other = (orders("abcd", 12, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one == again != other
