"""Parity: differences are found, named and judged; equal work passes."""

from __future__ import annotations

import numpy as np
import pytest

from dlprof.analysis.same_work import parity


def arrays(**changes):
    rng = np.random.default_rng(0)
    base = {
        "logits": rng.normal(size=(4, 10)),
        "loss": np.array(2.3),
        "grad/conv1/w": rng.normal(size=(5, 5, 1, 6)) * 1e-3,
    }
    return base | changes


def test_rounding_in_another_order_of_summation_is_the_same_work():
    a = arrays()
    assert parity.check(a, {name: value * (1 + 3e-6) for name, value in a.items()}) == ()


def test_a_swapped_gradient_is_named_with_where_and_how_far():
    a = arrays()
    wrong = a["grad/conv1/w"].copy()
    wrong[4, 3, 0, 2] += 0.5
    (found,) = parity.check(a, arrays(**{"grad/conv1/w": wrong}))
    assert (found["what"], found["where"], found["index"]) == ("array", "grad/conv1/w", "(4, 3, 0, 2)")
    assert float(found["max_abs"]) == pytest.approx(0.5, rel=1e-3)
    assert parity.blocking((found,)) == (found,)
    assert parity.statement(found).startswith("grad/conv1/w differs by up to 0.5")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"logits": np.zeros((4, 11))}, "shape"),
        ({"loss": np.array(np.nan)}, "not_finite"),
        ({"grad/x/w": np.zeros(2)}, "missing"),
    ],
)
def test_other_shapes_missing_arrays_and_nan_block(change, what):
    (found,) = parity.check(arrays(), arrays(**change))
    assert (found["what"], found["blocks"]) == (what, "yes")


def test_nothing_to_compare_is_not_parity():
    assert parity.blocking(parity.check({}, {}))


def test_a_tighter_type_has_a_tighter_tolerance():
    a = arrays()
    off = {name: value * (1 + 1e-6) for name, value in a.items()}
    assert parity.check(a, off, dtype="float64")
    assert not parity.check(a, off, dtype="float32")


def test_facts_that_differ_are_listed_and_only_those_that_change_the_work_block():
    a = {"python": "3.11.9", "threads": 2, "batch_size": 200, "layout": "NHWC", "dtype": "float32"}
    b = {"python": "3.11.9", "threads": 1, "batch_size": 100, "layout": "NCHW"}
    found = {d["where"]: d["blocks"] for d in parity.facts(a, b)}
    assert found == {"threads": "no", "batch_size": "yes", "layout": "no", "dtype": "no"}
