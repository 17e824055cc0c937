"""Whether the traces tell a side's fast processes from its slow ones."""

from __future__ import annotations

import pytest
from analysis_tables import events, op, step

from dlprof.analysis.explain import ledger, speeds_traced
from dlprof.analysis.facts import TwoSpeeds

SPEEDS = TwoSpeeds("b", "train_block", 1000.0, 1400.0, (0, 1, 3, 4), (2, 5), "B's processes come in two speeds")
CONV = {"phase": "forward", "layer": "conv1", "step": 0}


def window(conv_ns: int, loss_ns: int = 200):
    return events(
        step(0, 0, conv_ns + loss_ns), op("Conv", 0, conv_ns, **CONV), op("Softmax", conv_ns, conv_ns + loss_ns, step=0)
    )


def told(conv: list[int], loss: list[int], found: TwoSpeeds = SPEEDS) -> str | None:
    b = [window(one, other) for one, other in zip(conv, loss, strict=True)]
    explanation = ledger.build([window(800)] * len(b), b)
    return speeds_traced.told(found, explanation, list(range(len(b))))


def test_windows_that_differ_as_the_timings_do_name_the_line_that_makes_it() -> None:
    said = told([800, 810, 1200, 790, 805, 1210], [200, 190, 205, 210, 200, 195])
    assert said == (
        "Their traced windows differ too: 1.001 µs a traced step in the fast ones, 1.405 µs in the slow, most in "
        "Conv forward conv1 +403.8 ns."
    )


def test_windows_that_are_alike_are_said_to_be_so() -> None:
    said = told([800, 810, 790, 805, 800, 812], [200] * 6)
    assert said is not None
    assert said.startswith("Their traced windows do not tell them apart")


def test_a_difference_in_no_single_line_is_said_to_be_in_none() -> None:
    said = told([800, 1000, 1200, 800, 1000, 1000], [200, 0, 200, 200, 0, 400])
    assert said is not None
    assert said.endswith("and no single line tells them apart.")


@pytest.mark.parametrize("slow", [(6, 7), ()])
def test_speeds_of_which_one_has_no_window_are_not_spoken_of(slow: tuple[int, ...]) -> None:
    found = TwoSpeeds("b", "train_block", 1000.0, 1400.0, (0, 1, 2, 3, 4, 5), slow, "")
    assert told([800] * 6, [200] * 6, found) is None
