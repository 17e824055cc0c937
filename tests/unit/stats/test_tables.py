"""Tables: Benjamini-Hochberg and traced replicates, where a test that could not run is no evidence."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

from dlprof import stats


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_q_values_are_those_of_scipy(p):
    found = stats.benjamini_hochberg(p)
    assert found.q == pytest.approx(reference.false_discovery_control(p))
    assert (found.tested, found.untested) == (len(p), 0)


def test_the_paper_example_rejects_its_four_hypotheses():
    # Benjamini & Hochberg 1995, section 3.2: 15 p-values, 4 rejected at .05
    p = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.3240,
        0.4262,
        0.5719,
        0.6528,
        0.7590,
        1,
    ]
    assert stats.benjamini_hochberg(p, 0.05).significant.sum() == 4


def test_tests_that_could_not_run_are_not_significant_and_do_not_count():
    found = stats.benjamini_hochberg([0.01, math.nan, 0.04, None])
    assert found.significant.tolist() == [True, False, True, False]
    assert np.isnan(found.q).tolist() == [False, True, False, True]
    assert (found.tested, found.untested) == (2, 2)


def test_no_tests_give_no_discoveries():
    assert stats.benjamini_hochberg([]).tested == 0
    assert not stats.benjamini_hochberg([math.nan]).significant.any()


@pytest.mark.parametrize("bad", [-0.1, 1.1])
def test_a_p_that_is_no_probability_is_refused(bad):
    with pytest.raises(ValueError, match="between 0 and 1"):
        stats.benjamini_hochberg([0.5, bad])


def rows(seed=0, k=8, effect=0.0, m=22):
    """k traced replicates of m rows, drifting together; B's first row takes `effect` longer."""
    rng = np.random.default_rng(seed)
    base = np.linspace(10, 1000, m) * np.exp(0.3 * rng.normal(size=(k, 1)))
    a, b = (base * np.exp(0.05 * rng.normal(size=(k, m))) for _ in "ab")
    b[:, 0] *= 1 + effect
    return a, b


def test_differences_are_paired_t_intervals():
    a, b = rows(m=3)
    table = stats.compare_replicate_rows(a, b)
    for j in range(3):
        expected = reference.ttest_rel(b[:, j], a[:, j])
        low, high = expected.confidence_interval()
        assert (table.low[j], table.high[j]) == pytest.approx((low, high))
        assert table.p[j] == pytest.approx(expected.pvalue)
        assert table.delta[j] == pytest.approx((b - a)[:, j].mean())


def test_one_truly_slower_row_is_found_among_equal_ones():
    found = [stats.compare_replicate_rows(*rows(seed, effect=0.5)) for seed in range(20)]
    assert all(table.significant[0] for table in found)


def test_any_false_discovery_is_as_rare_as_promised():
    some = [stats.compare_replicate_rows(*rows(seed)).significant.any() for seed in range(600)]
    assert np.mean(some) <= 0.075  # ≤ .05 promised; SE .009


def test_below_six_replicates_there_are_sums_and_nothing_else():
    a, b = rows(k=5)
    table = stats.compare_replicate_rows(a, b)
    assert np.isfinite(table.delta).all()
    assert np.isnan([table.low, table.high, table.p, table.q]).all()
    assert not table.significant.any()
    assert table.tested == 0
    assert table.warnings == ("5 traced replicate(s) a side: sums without intervals (need ≥ 6)",)


def test_rows_that_do_not_vary_or_are_broken_are_no_evidence():
    a, b = rows(k=6, m=4)
    a[:, 0], b[:, 0] = 5.0, 7.0
    a[:, 1], b[:, 1] = 0.0, 0.0
    b[3, 2] = np.nan
    table = stats.compare_replicate_rows(a, b)
    assert not table.significant[:3].any()
    assert np.isnan(table.p[:3]).all()
    assert (table.tested, table.untested) == (1, 3)


def test_surplus_replicates_are_left_out_and_said_so():
    found = stats.compare_replicates([1, 2, 3, 4, 5, 6, 7], [2, 3, 4, 5, 6, 7.5])
    assert found.replicates == 6
    assert found.low <= found.delta <= found.high
    assert "1 replicate(s) without a partner on the other side left out" in found.warnings


def test_one_row_alone_carries_its_exact_cross_check():
    found = stats.compare_replicates([1, 2, 3, 4, 5, 6], [3, 4.1, 5, 6.2, 7, 8.1])
    assert found.p_signflip == 2 / 64
    assert stats.compare_replicates([1.0], [2.0]).p_signflip is None


def test_no_replicates_are_no_evidence():
    table = stats.compare_replicate_rows(np.empty((0, 3)), np.empty((0, 3)))
    assert np.isnan(table.delta).all()
    assert not table.significant.any()


def test_tables_with_different_rows_are_refused():
    with pytest.raises(ValueError, match="same rows"):
        stats.compare_replicate_rows(np.ones((6, 2)), np.ones((6, 3)))


def test_swapping_the_sides_mirrors_every_row():
    a, b = rows(effect=0.3)
    forth, back = stats.compare_replicate_rows(a, b), stats.compare_replicate_rows(b, a)
    assert back.delta == pytest.approx(-forth.delta)
    assert back.low == pytest.approx(-forth.high)
    assert back.significant.tolist() == forth.significant.tolist()
