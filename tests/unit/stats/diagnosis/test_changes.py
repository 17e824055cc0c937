"""Changes of level in a history: found where they are, and rarely told where there is none."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from dlprof import stats


def series(*levels: tuple[float, int], sd: float = 0.03, seed: int = 1) -> list[float]:
    """Stretches of (size of the change before it, revisions)."""
    generator = np.random.default_rng(seed)
    height, values = 0.0, list[float]()
    for change, count in levels:
        height += math.log1p(change)
        values += (height + generator.normal(0, sd, count)).tolist()
    return values


def test_a_change_is_found_with_its_place_and_its_size() -> None:
    (found,) = stats.level_changes(series((0.0, 25), (0.1, 15)))
    assert found.at == 25
    assert found.low < 1.1 < found.high
    assert found.p <= stats.CHANGE_LEVEL


def test_two_changes_are_two() -> None:
    found = stats.level_changes(series((0.0, 20), (0.2, 20), (-0.15, 20)))
    assert [one.at for one in found] == [20, 40]
    assert found[0].ratio > 1 > found[1].ratio


@pytest.mark.parametrize("seed", range(20))
def test_where_nothing_changed_nothing_is_told(seed: int) -> None:
    assert stats.level_changes(series((0.0, 40), seed=seed)) == ()


def test_one_bad_day_is_no_change() -> None:
    values = series((0.0, 30))
    values[20] += math.log(3)
    assert stats.level_changes(values) == ()


def test_two_revisions_after_a_change_are_too_few_to_tell_it() -> None:
    assert stats.level_changes(series((0.0, 30), (1.0, 2))) == ()


def test_values_that_are_all_the_same_have_no_change() -> None:
    assert stats.level_changes([0.1] * 30) == ()


def test_levels_without_any_noise_have_an_interval_of_no_width() -> None:
    (found,) = stats.level_changes([0.0] * 12 + [math.log(2)] * 12)
    assert (found.at, found.low, found.high) == (12, pytest.approx(2.0), pytest.approx(2.0))


@pytest.mark.parametrize("count", range(6))
def test_a_short_history_has_no_change(count: int) -> None:
    assert stats.level_changes(list(range(count))) == ()


def test_the_same_history_reads_the_same_every_time() -> None:
    values = series((0.0, 12), (0.03, 12), seed=5)
    assert stats.level_changes(values) == stats.level_changes(values)


def test_a_value_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        stats.level_changes([0.0, math.nan])


def _neighbours_alike(seed: int, r: float = 0.5, count: int = 100) -> NDArray[np.float64]:
    """An autoregression of first order."""
    own = np.random.default_rng(seed).normal(0, 0.03, count)
    values = own.copy()
    for at in range(1, count):
        values[at] = r * values[at - 1] + math.sqrt(1 - r * r) * own[at]
    return values


def test_neighbours_that_are_alike_make_no_change() -> None:
    """Without their likeness taken into account, three in twenty of these histories tell one."""
    assert sum(bool(stats.level_changes(_neighbours_alike(seed))) for seed in range(40)) <= 1


def test_a_change_among_neighbours_that_are_alike_is_found() -> None:
    values = _neighbours_alike(3, r=0.3)
    values[60:] += 0.1
    (found,) = stats.level_changes(values)
    assert abs(found.at - 60) <= 2
