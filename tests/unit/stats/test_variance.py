"""Variance components: known ones come back, balanced or not, and the advice follows from them."""

import numpy as np
import pytest

from dlprof import stats


def nested(process=0.3, round_=0.1, iteration=0.15, shape=(200, 15, 3), seed=0):
    rng = np.random.default_rng(seed)
    p, r, _ = (index.ravel() for index in np.indices(shape))
    noise = process * rng.normal(size=shape[0])[p] + round_ * rng.normal(size=shape[:2])[p, r]
    return noise + iteration * rng.normal(size=p.size), p, r


def test_known_components_come_back():
    found = stats.variance_components(*nested())
    assert found.sds == pytest.approx((0.3, 0.1, 0.15), rel=0.12)
    assert (found.processes, found.rounds, found.values) == (200, 3000, 9000)
    assert found.warnings == ()


def test_missing_values_do_not_bias_them():
    x, p, r = nested(seed=1)
    kept = np.random.default_rng(2).random(x.size) < 0.6
    assert stats.variance_components(x[kept], p[kept], r[kept]).sds == pytest.approx((0.3, 0.1, 0.15), rel=0.15)


def test_the_balanced_case_is_the_textbook_table():
    x, p, r = nested(shape=(4, 3, 2), seed=3)
    cube = x.reshape(4, 3, 2)
    ms_e = cube.var(axis=2, ddof=1).mean()
    ms_b = 2 * cube.mean(axis=2).var(axis=1, ddof=1).mean()
    ms_a = 6 * cube.mean(axis=(1, 2)).var(ddof=1)
    found = stats.variance_components(x, p, r)
    assert found.iteration == pytest.approx(ms_e)
    assert found.round == pytest.approx(max((ms_b - ms_e) / 2, 0))
    assert found.process == pytest.approx(max((ms_a - max(ms_b, ms_e)) / 6, 0))


def test_a_negative_estimate_is_zero_and_said_so():
    found = [stats.variance_components(*nested(0.0, 0.0, 1.0, (4, 3, 3), seed)) for seed in range(10)]
    assert min(min(c.process, c.round) for c in found) == 0
    assert any("negative" in warning for c in found for warning in c.warnings)


def test_labels_may_be_anything_and_rounds_count_within_their_process():
    x, p, r = nested(shape=(5, 4, 3))
    names = np.array(["v", "w", "x", "y", "z"])[p]
    assert stats.variance_components(x, names, r + 7) == stats.variance_components(x, p, r)


@pytest.mark.parametrize("shape", [(1, 5, 5), (5, 1, 5), (5, 5, 1)])
def test_a_level_without_repetition_is_refused(shape):
    with pytest.raises(ValueError, match="need ≥ 2 processes"):
        stats.variance_components(*nested(shape=shape))


def test_dear_processes_ask_for_more_rounds():
    found = stats.variance_components(*nested())
    best = stats.best_repetitions(found, process_cost=8.0, round_cost=0.1, iteration_cost=0.02)
    assert best.rounds == int(np.ceil(np.sqrt(80 * found.round / found.process)))
    assert best.iterations == int(np.ceil(np.sqrt(5 * found.iteration / found.round)))
    dearer = stats.best_repetitions(found, process_cost=80.0, round_cost=0.1, iteration_cost=0.02)
    assert dearer.rounds > best.rounds
    with pytest.raises(ValueError, match="positive"):
        stats.best_repetitions(found, process_cost=0.0, round_cost=0.1, iteration_cost=0.02)
