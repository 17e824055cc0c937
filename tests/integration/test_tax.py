"""What profiling cost is part of a comparison: without, light (as it runs) and full (every step awaited), by class."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.frameworks


@pytest.mark.parametrize("side", ["a", "b"])
def test_each_side_has_its_three_levels_and_their_costs(comparison, side):
    found = json.loads(comparison.stdout)
    levels = {level["name"]: level for level in found["facts"]["tax"][side]["levels"]}
    assert list(levels) == ["off", "light", "full"]
    assert levels["full"]["step_ns"] == pytest.approx(found["ledger"][f"{side}_wall_ns"], abs=1)
    for name in ("light", "full"):
        assert levels[name]["cost_ns"] == pytest.approx(levels[name]["step_ns"] - levels["off"]["step_ns"])
    classes = levels["full"]["classes"]
    assert min(classes[name] for name in ("forward", "backward", "optimizer")) > 0
    assert sum(classes.values()) <= levels["full"]["step_ns"]
    assert found["facts"]["tax"][side]["difference_ns"] == found["ledger"]["untraced_gap_ns"]
