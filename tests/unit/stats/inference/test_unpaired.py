"""Runs without partners: how often equal sides are called different, and what it takes to see a difference."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest

from dlprof.stats.inference.unpaired import compare_unpaired, permutation_pvalue

Draw = Callable[[np.random.Generator, int], np.ndarray]


def normal(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.normal(0.0, 0.1, n)


def two_speeds(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.normal(0.0, 0.02, n) + 0.1 * (rng.random(n) < 0.5)


def tailed(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.log1p(rng.exponential(0.2, n))


@pytest.mark.parametrize("world", [normal, two_speeds, tailed])
@pytest.mark.parametrize("runs", [(6, 6), (6, 15)])
def test_equal_sides_are_rarely_called_different(world: Draw, runs: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    found = [compare_unpaired(world(rng, runs[0]), world(rng, runs[1])) for _ in range(200)]
    wrong = sum(one.verdict in ("faster", "slower", "negligible") for one in found)
    assert wrong / len(found) <= 0.05


def test_a_clear_difference_of_six_runs_a_side_is_a_verdict_and_mirrors() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.normal(0.0, 0.02, 6), rng.normal(math.log(1.4), 0.02, 6)
    found, mirrored = compare_unpaired(a, b), compare_unpaired(b, a)
    assert (found.verdict, mirrored.verdict) == ("slower", "faster")
    assert found.low is not None
    assert mirrored.high is not None
    assert 1.3 < found.low < found.estimate < 1.5
    assert found.low * mirrored.high == pytest.approx(1.0)
    assert found.p == pytest.approx(2 / math.comb(12, 6))


def test_five_runs_of_a_side_are_no_verdict_whatever_they_show() -> None:
    rng = np.random.default_rng(5)
    found = compare_unpaired(rng.normal(0.0, 0.02, 5), rng.normal(1.0, 0.02, 9))
    assert found.verdict == "inconclusive"
    assert found.low is not None
    assert found.low > 1
    assert found.more is not None
    assert found.more >= 1


def test_equal_and_steady_sides_are_equivalent() -> None:
    rng = np.random.default_rng(5)
    assert compare_unpaired(rng.normal(0.0, 0.002, 20), rng.normal(0.0, 0.002, 20)).verdict == "equivalent"


@pytest.mark.parametrize(("a", "b"), [([0.0], [0.1, 0.2]), ([0.0, 0.0], [0.1, 0.2])])
def test_without_spread_there_is_no_interval(a: list[float], b: list[float]) -> None:
    found = compare_unpaired(a, b)
    assert (found.low, found.p, found.verdict) == (None, None, "inconclusive")
    assert found.warnings


def test_the_permutation_test_counts_divisions() -> None:
    """By hand: the 20 divisions of six values into threes; drawn ones agree with all of them."""
    a, b = np.array([1.0, 2.0, 4.0]), np.array([3.0, 7.0, 9.0])
    both = [*a.tolist(), *b.tolist()]
    far = [abs(sum(one) / 3 - (sum(both) - sum(one)) / 3) for one in combinations(both, 3)]
    assert permutation_pvalue(a, b) == sum(one >= abs(a.mean() - b.mean()) - 1e-9 for one in far) / 20
    rng = np.random.default_rng(1)
    x, y = rng.normal(0, 1, 8), rng.normal(0.8, 1, 8)  # 12 870 divisions: exact
    drawn = permutation_pvalue(np.append(x, x.mean()), np.append(y, y.mean()))  # 48 620: drawn
    assert drawn == pytest.approx(permutation_pvalue(x, y), abs=0.1)
