"""Means over the steps of one recording: how often their intervals miss, and what a disturbed step does to them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from dlprof.stats.sample.steps import OverSteps, over_steps, typical

Draw = Callable[[np.random.Generator, int], np.ndarray]
LEVEL = 0.0125  # of each of four ranks


def normal(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.normal(size=n)


def alike(rng: np.random.Generator, n: int) -> np.ndarray:
    """Steps that resemble their neighbours: an autocorrelation of .3."""
    noise, found = rng.normal(size=n + 20), np.zeros(n + 20)
    for at in range(1, n + 20):
        found[at] = 0.3 * found[at - 1] + noise[at]
    return found[20:]


def disturbed(rng: np.random.Generator, n: int) -> np.ndarray:
    """One step in ten is off by twenty deviations."""
    return rng.normal(size=n) + 20 * (rng.random(n) < 0.1) * rng.choice([-1, 1], n)


@pytest.mark.parametrize("world", [normal, alike, disturbed])
@pytest.mark.parametrize("steps", [6, 8, 20])
@pytest.mark.parametrize("measure", [typical, over_steps])
def test_intervals_keep_their_level(measure: Callable[..., OverSteps], steps: int, world: Draw) -> None:
    rng = np.random.default_rng(7)
    found = [measure(world(rng, steps), LEVEL) for _ in range(600)]
    missed = sum(not one.low <= 0 <= one.high for one in found if one.low is not None and one.high is not None)
    assert missed / len(found) < LEVEL + 3 * np.sqrt(LEVEL / len(found))


def test_a_disturbed_step_moves_the_typical_one_by_next_to_nothing() -> None:
    steps = [30.0, 31.0, 29.5, 30.5, -60.0, 30.2, 29.8, 30.1]
    usual, mean = typical(steps, LEVEL), over_steps(steps, LEVEL)
    assert mean.low is not None
    assert usual.low is not None
    assert usual.high is not None
    assert mean.low < 0 < usual.low < 30 < usual.high < 32
    assert usual.mean == pytest.approx(30.0, abs=0.2)


def test_the_interval_of_a_trimmed_mean_is_tukeys_and_mclaughlins() -> None:
    """Ten values by hand: two are left out at each end, the winsorised deviation is divided by √(h(h − 1)), t has 5 degrees."""
    values = np.array([4.0, 1.0, 3.0, 9.0, 2.0, 8.0, 5.0, 7.0, 6.0, 10.0])
    kept = np.clip(values, 3.0, 8.0)
    error = np.sqrt(((kept - kept.mean()) ** 2).sum() / (6 * 5))
    found = typical(values, 0.05)
    assert found.mean == 5.5
    assert found.high is not None
    assert found.low is not None
    assert found.high - found.mean == pytest.approx(found.mean - found.low)
    widened = (found.high - found.mean) / (2.570582 * error)
    assert 1.0 <= widened <= 2.0  # for the autocorrelation that is assumed and found


def test_fewer_than_six_steps_have_no_interval() -> None:
    assert (typical([1.0] * 5, 0.05).low, typical([1.0] * 5, 0.05).mean) == (None, 1.0)
