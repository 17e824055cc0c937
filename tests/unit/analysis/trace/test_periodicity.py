"""The trace checks what was taken for a step: several equal rounds in one, or a part of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from analysis_tables import events, marker, op, step

from dlprof.analysis.trace import periodicity

FORWARD = ["MatMul", "Relu", "MatMul", "Loss"]
TRAIN = (
    [(name, "forward") for name in FORWARD] + [(f"{name}Grad", "backward") for name in FORWARD] + [("Sgd", "optimizer")]
)


def _trace(*steps: Sequence[tuple[str, str]], settle: int = 0) -> pa.Table:
    """Marked steps one after the other; every so many-th is one that settles."""
    rows: list[dict[str, Any]] = []
    number = 0
    for at, content in enumerate(steps):
        start = at * 1000.0
        if settle and at % settle == 0:
            rows.append(marker("dlprof:settle", start, start + 999))
        else:
            rows.append(step(number, start, start + 999))
            number += 1
        for place, (name, phase) in enumerate(content):
            rows.append(op(None, start + 10 * place + 1, start + 10 * place + 9, name=name, phase=phase))
    return events(*rows)


def test_a_step_that_is_one_is_left_alone() -> None:
    found = periodicity.of(_trace(*[TRAIN] * 20))
    assert (found.rounds, found.period, found.statement) == (1, 1, "")


def test_two_real_steps_in_one_are_told() -> None:
    found = periodicity.of(_trace(*[TRAIN * 2] * 12))
    assert found.rounds == 2
    assert (
        "2 equal rounds of training work in what was taken for one step: a step may be a half of it" in found.statement
    )


def test_half_a_step_is_told() -> None:
    forward, rest = TRAIN[:4], TRAIN[4:]
    found = periodicity.of(_trace(*[forward, rest] * 8, settle=5))
    assert found.period == 2
    assert "repeats only every 2 of what were taken for steps" in found.statement


def test_micro_batches_with_an_optimizer_now_and_then_are_parts_of_a_step() -> None:
    micro = TRAIN[:8] * 3
    assert periodicity.of(_trace(*[micro, micro, micro, [*micro, TRAIN[8]]] * 5)).period == 4


@pytest.mark.parametrize(
    "steps",
    [
        [[(name, "forward") for name in FORWARD[:2]] * 4] * 12,  # inference through equal layers
        [TRAIN[:8] * 4 + TRAIN[8:]] * 12,  # accumulation over four batches
        [[*TRAIN, ("Item", "")] if at % 5 == 0 else TRAIN * 1 for at in range(20)],  # a log now and then
        [TRAIN[:8] * 6 + TRAIN[8:] + ([("Item", "")] if at % 5 == 0 else []) for at in range(20)],
    ],
)
def test_what_repeats_inside_a_step_or_comes_now_and_then_is_no_step(steps: list[Any]) -> None:
    assert periodicity.of(_trace(*steps)).statement == ""


def test_steps_of_which_none_is_like_another_say_nothing() -> None:
    found = periodicity.of(_trace(*[[(f"Op{at}", "forward")] * 5 for at in range(12)]))
    assert (found.period, found.statement) == (None, "")


def test_a_trace_without_marks_is_not_asked() -> None:
    assert periodicity.of(events(op("MatMul", 0, 5))) is None
