"""How a comparison asks the objects that were timed: again where known steps led elsewhere, and how often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dlprof.api.compare.work_checks import WorkChecks
from dlprof.errors import NotComparable
from dlprof.workload import resolve


@dataclass
class Child:
    """A worker's answers in a row: True where its known steps lead elsewhere, by what rounding may do."""

    elsewhere: list[bool]
    trained: int = 20
    asked: list[tuple[int, int]] = field(default_factory=list)
    brief: list[bool] = field(default_factory=list)

    def recheck(
        self, seed: int, steps: int, scales: Mapping[str, float], *, brief: bool
    ) -> tuple[dict[str, Any], dict[str, float]]:
        self.brief.append(brief)
        further = 1.08 if self.elsewhere[len(self.asked)] else 1.0
        self.asked.append((seed, steps))
        moved = np.random.default_rng(seed).normal(0, 1e-3, (20, 64))
        return {"replay/losses": np.array([2.3, 2.2]), "replay/moved/dense1/w": further * moved}, {}


def asked_after(a: list[bool], b: list[bool], *, brief: bool = False) -> tuple[Any, list[tuple[int, int]], list[str]]:
    """(what was said of the pair, what B was asked, what the user was told); a refusal is raised."""
    said: list[str] = []
    bench = SimpleNamespace(progress=SimpleNamespace(say=said.append), warn=said.append)
    workloads = {side: resolve("mlp", framework="tf") for side in "ab"}
    measured = SimpleNamespace(between={})
    options = SimpleNamespace(run=SimpleNamespace(seed=0, device="cpu"), allow=())
    checks = WorkChecks(options, bench, workloads, measured, 0)
    children = {"a": Child(a), "b": Child(b)}
    try:
        checks.after(0, children, brief=brief)
    except NotComparable as error:
        said.append(str(error))
    assert set(children["b"].brief) == {brief}
    return measured.between["a", "b"].differences, children["b"].asked, said


def test_sides_that_agree_are_asked_once() -> None:
    differences, asked, said = asked_after([False], [False])
    assert (differences, said) == ((), [])
    assert asked == [(1000, 20)]


@pytest.mark.parametrize("more", [1, 2])
def test_known_steps_that_lead_elsewhere_on_some_batches_are_no_other_work(more: int) -> None:
    """Training steps that were missing are made up for once; batches are others each time."""
    differences, asked, said = asked_after([False] * (more + 1), [True] * more + [False])
    assert asked == [(1000, 20), (1001, 0), (1002, 0)][: more + 1]
    assert [one["blocks"] for one in differences] == ["no"]
    assert said == []


@pytest.mark.parametrize("brief", [False, True])
def test_known_steps_that_lead_elsewhere_on_three_batches_are_refused(brief: bool) -> None:
    """After a traced window too, when less is asked."""
    differences, asked, said = asked_after([False] * 3, [True] * 3, brief=brief)
    assert len(asked) == 3
    assert [one["blocks"] for one in differences] == ["yes"]
    assert "did different work while they were timed" in said[-1]
