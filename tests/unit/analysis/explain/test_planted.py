"""A planted cause is found: real MXNet runs with one thing made slow, and the ledger's first line must name it."""

from __future__ import annotations

import pytest
from planted_windows import HERE, Planted, rig

pytestmark = [pytest.mark.slow, pytest.mark.frameworks, pytest.mark.timeout(1800)]

PLANTS = {
    "sleep": "input pipeline",
    "copy": "copies (Copy) (B only)",
    "conv": "conv1",
    "float64": "conv2",
    "collect": "garbage collection",
}


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    """Six traced windows of the plain network and of each planted one, interleaved so that drift hits all alike."""
    # 64 filters in conv2 instead of 16, so that double precision there costs more than a busy machine's noise.
    made = rig(tmp_path_factory.mktemp("planted"), "mxnet", "hybrid", {"conv2": 64}, HERE / "planted_mxnet.py")
    return Planted(made, PLANTS)


@pytest.mark.parametrize("plant", PLANTS)
def test_the_first_line_names_the_planted_cause_with_an_interval_that_excludes_zero(windows, plant):
    found = windows.ledger(plant)
    first = found.lines[0]
    assert PLANTS[plant] in first.name, found.statement
    assert first.low_ns is not None
    assert 0 < first.low_ns <= first.delta_ns
    assert sum(line.delta_ns for line in found.lines) == found.gap_ns
