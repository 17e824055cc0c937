"""Gates that no machine could decide are refused before anything runs, with the figure."""

from __future__ import annotations

import pytest
from paced_runs import compare_options, run_options

from dlprof import stats
from dlprof.api.lockstep import gate_power
from dlprof.errors import UsageError
from dlprof.names import FIRST_STEP, PEAK_MEMORY

MOST = stats.look_schedule()[-1]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"gate": 0.001}, "a gate of 0.1 % is tighter than 30 trials can show on any machine"),
        ({"gate": 0.03, "trials": 6}, "a gate of 3 % is tighter than 6 trials can show"),
        ({"gate": 0.05, "limits": {FIRST_STEP: 0.005}}, "a limit on first-step of 0.5 % is tighter than 30 trials"),
    ],
)
def test_a_limit_below_the_least_half_width_is_refused_with_what_would_do(asked, words: str):
    with pytest.raises(UsageError) as refused:
        gate_power.check(compare_options(run_options(), **asked), MOST)
    assert refused.value.message.startswith(words)
    tightest = next(float(word) for word in refused.value.hint.split() if word.endswith("%") for word in [word[:-1]])
    needed = int(refused.value.hint.split("--trials ")[1].split()[0])
    gate_power.check(compare_options(run_options(), gate=tightest / 100, trials=asked.get("trials")), MOST)
    limit = min(asked["gate"], *asked.get("limits", {"": 1.0}).values())
    gate_power.check(compare_options(run_options(), gate=limit, trials=needed), MOST)


@pytest.mark.parametrize(
    "asked",
    [
        {"gate": None},
        {"gate": 0.01},
        {"gate": 0.001, "trials": 1},  # no verdict at all, and said so
        {"gate": 0.05, "limits": {PEAK_MEMORY: 0.001}},  # the same in every trial, perhaps
    ],
)
def test_what_may_be_decided_is_not_refused(asked):
    gate_power.check(compare_options(run_options(), **asked), MOST)
