"""A planted cause is found in TensorFlow too: real runs with one thing made slow, and the ledger's first line names it."""

from __future__ import annotations

import pytest
from planted_windows import HERE, Planted, rig

pytestmark = [pytest.mark.slow, pytest.mark.frameworks, pytest.mark.timeout(1800)]

PLANTS = {"sleep": "input pipeline", "float64": "conv2"}


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    """Six traced windows of the plain network and of each planted one, interleaved so that drift hits all alike."""
    adapter = HERE / "planted_tf.py"
    made = rig(tmp_path_factory.mktemp("planted-tf"), "tf", "graph", {"conv2": 192}, adapter)
    return Planted(made, PLANTS)


@pytest.mark.parametrize("plant", PLANTS)
def test_the_first_line_names_what_was_planted_in_tensorflow(windows, plant):
    found = windows.ledger(plant)
    first = found.lines[0]
    assert PLANTS[plant] in first.name, found.statement
    assert first.low_ns is not None
    assert 0 < first.low_ns <= first.delta_ns
    assert sum(line.delta_ns for line in found.lines) == found.gap_ns
