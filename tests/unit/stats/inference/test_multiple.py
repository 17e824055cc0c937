"""Tables: Benjamini-Hochberg, where a test that could not run is no evidence."""

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
