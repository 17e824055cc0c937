"""The traced window of a trial with fake workers: its shape, who runs when, and what is kept of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlprof.capture.workers import window
from dlprof.capture.workers.window import LEAST, Recording, Shape, WindowPlan, shape_of
from dlprof.protocol import Artefact, TracedSteps, TracedWindow


class Worker:
    """Writes what it was asked to a journal that both sides share."""

    def __init__(self, side: str, journal: list[Any], busy_ns: int = 0) -> None:
        self.side, self.journal, self.busy_ns, self.used_ns = side, journal, busy_ns, 0
        self.control = Path("/control") / side

    def open_window(self, items: Sequence[str], units: int) -> None:
        self.journal.append(("open", self.side, tuple(items), units))

    def traced(self, item: str, iterations: int) -> list[int]:
        self.journal.append(("traced", self.side, item, iterations))
        return [1] * iterations

    def unprofiled(self, item: str, iterations: int) -> list[int]:
        self.journal.append(("unprofiled", self.side, item, iterations))
        return [7 if self.side == "a" else 9] * iterations

    def close_window(self) -> TracedWindow:
        self.journal.append(("close", self.side))
        return TracedWindow(
            artefacts=[Artefact(kind="fake", path="raw/x")],
            window=TracedSteps(steps=8, synchronised=True, expected={"Conv": 2}),
        )

    def cpu_ns(self) -> int:
        self.used_ns += self.busy_ns
        return self.used_ns


def record(
    shape: Shape, items: Sequence[str] = ("step",), seed: int = 0, **busy: int
) -> tuple[Recording, Any, list[Any]]:
    journal: list[Any] = []
    workers = {side: Worker(side, journal, busy.get(side, 0)) for side in ("a", "b")}
    recording = Recording(workers, items, shape, np.random.default_rng(seed))  # type: ignore[arg-type]
    return recording, recording.run(), journal


@given(st.floats(1e3, 1e11), st.integers(LEAST, 64))
def test_a_window_fills_its_time_within_bounds_and_its_shape_is_kept_by_the_next_ones(
    unit_ns: float, most: int
) -> None:
    plan = WindowPlan(seconds=3.0, most=most)
    shape = shape_of(plan, unit_ns)
    assert LEAST <= shape.marked <= most
    assert shape.rounds % 2 == 0, "half of the rounds begin with either side"
    assert shape.marked == LEAST or shape.marked * unit_ns <= 3e9
    again = WindowPlan(seconds=3.0, most=most, marked=shape.marked)
    assert shape_of(again, unit_ns / 7) == shape, "however fast the machine is meanwhile"


def test_profilers_start_and_stop_outside_of_bursts_and_the_unprofiled_ones_lie_before_and_after() -> None:
    _, _, journal = record(Shape(rounds=4, burst=3))
    kinds = [entry[0] for entry in journal]
    assert kinds == ["unprofiled"] * 2 + ["open"] * 2 + ["traced"] * 8 + ["close"] * 2 + ["unprofiled"] * 2
    assert [entry for entry in journal if entry[0] == "open"] == [("open", side, ("step",), 16) for side in "ab"]


@pytest.mark.parametrize("seed", range(5))
def test_each_side_begins_half_of_the_rounds(seed: int) -> None:
    _, _, journal = record(Shape(rounds=8, burst=5), seed=seed)
    turns = [entry[1] for entry in journal if entry[0] == "traced"]
    assert sorted(turns[::2]) == ["a"] * 4 + ["b"] * 4
    assert all({first, second} == {"a", "b"} for first, second in zip(turns[::2], turns[1::2], strict=True))


def test_every_item_is_traced_in_every_round() -> None:
    _, _, journal = record(Shape(rounds=2, burst=2), items=("x", "y", "z"))
    asked = [entry[1:] for entry in journal if entry[0] == "traced"]
    assert sorted(asked) == sorted([(side, item, 2) for side in "ab" for item in "xyz"] * 2)


def test_a_window_keeps_what_the_worker_said_and_the_steps_beside_it() -> None:
    _, found, _ = record(Shape(rounds=8, burst=5))
    assert set(found) == {"a", "b"}
    for side, ns in (("a", 7), ("b", 9)):
        traced = found[side].window
        assert (traced.steps, traced.synchronised, traced.expected) == (8, True, {"Conv": 2})
        assert traced.untraced_step_ns == [ns] * 20, "two bursts of five before and two after"
        assert traced.wall_ns > 0
        assert found[side].control == Path("/control") / side


def test_a_window_begins_at_a_random_step_which_is_the_same_on_all_sides() -> None:
    """Else what happens in every 20th step is in every window as often, and as often just beside its marked steps."""
    further = []
    for seed in range(400):
        _, found, journal = record(Shape(rounds=8, burst=5), seed=seed)
        before = journal[: [entry[0] for entry in journal].index("open")]
        steps = {side: sum(entry[3] for entry in before if entry[1] == side) for side in "ab"}
        assert steps["a"] == steps["b"]
        assert len(found["a"].window.untraced_step_ns) == 20
        further.append(steps["a"] - 10)
    assert (min(further), max(further)) == (0, 19)
    counts = np.bincount(further, minlength=20)
    assert ((counts - 20) ** 2 / 20).sum() < 43.8, "chi square of 19 degrees of freedom, 0.1 %"


def test_a_side_that_is_busy_while_the_other_is_traced_is_seen() -> None:
    recording, _, _ = record(Shape(rounds=2, burst=2), b=10**9)
    assert recording.idle_fraction["a"] == 0
    assert recording.idle_fraction["b"] > 1


def test_a_plan_says_which_trials_have_a_window() -> None:
    assert [WindowPlan(trials=2).wanted(trial) for trial in range(4)] == [True, True, False, False]
    assert all(WindowPlan().wanted(trial) for trial in range(40))
    assert window.LEAST >= 4
