"""The gate over a comparison's items."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from dlprof.analysis.timing import gates

QUIET = (0.004, -0.006, 0.001, 0.008, -0.003, 0.002)


@dataclass
class Trial:
    log_ratio: float


def trials(shift: float) -> list[Trial]:
    return [Trial(shift + one) for one in QUIET]


def test_a_training_step_that_was_timed_in_two_ways_is_judged_once_as_people_train():
    found = gates.judge({"train_step_sync": trials(0.3), "train_block": trials(0.0), "infer_block": trials(0.0)}, 0.05)
    assert [one.item for one in found.items] == ["train_block", "infer_block"]
    assert found.state == "passed"


@pytest.mark.parametrize("name", ["train_step_sync", "train_block", "step", "matmul[size=9]"])
def test_what_was_timed_in_one_way_is_judged_whatever_it_is(name: str):
    assert gates.judge({name: trials(0.3)}, 0.05).state == "failed"
