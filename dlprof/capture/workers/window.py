"""A traced window inside a trial: after the timed rounds the same workers go on in lockstep, now under their profilers.

Bursts of steps (of an op workload: calls of each item) alternate between the sides in balanced random order, as the timed
rounds do, so that what disturbs the machine meets all sides' traces alike. Bursts without profiler just before and just after
say what profiling costs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from dlprof.capture.workers.order import orders
from dlprof.protocol import TracedWindow, Window

LEAST: Final = 4
"""Marked steps (of an op workload: marked calls of each item) that a side's window has at least, however long they take."""


class TracedWorker(Protocol):
    """What a window needs of a worker (`worker.Worker`)."""

    @property
    def control(self) -> Path: ...
    def open_window(self, items: Sequence[str], units: int) -> None: ...
    def traced(self, item: str, iterations: int) -> list[int]: ...
    def unprofiled(self, item: str, iterations: int) -> list[int]: ...
    def close_window(self) -> TracedWindow: ...
    def cpu_ns(self) -> int: ...


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """Which trials end with a traced window, and how long it is.

    trials: the first so many; None = all
    seconds: time of the marked steps of all sides together, within the bounds of the next two
    most: marked steps a side at most (of an op workload: marked calls of each item)
    items: the timed items → those whose steps or calls are traced
    marked: marked steps a side, as the first window had them, so that all windows weigh alike; None = not chosen yet
    """

    trials: int | None = None
    seconds: float = 3.0
    most: int = 40
    items: Callable[[Sequence[str]], Sequence[str]] = tuple
    marked: int | None = None

    def wanted(self, trial: int) -> bool:
        """Whether the trial of this number (from 0) has a window."""
        return self.trials is None or trial < self.trials


@dataclass(frozen=True, slots=True)
class Shape:
    """rounds: turns of all sides, an even number. burst: marked steps of a turn, before which one runs unmarked."""

    rounds: int
    burst: int

    @property
    def units(self) -> int:
        """Steps of a side under the profiler, unmarked ones too."""
        return self.rounds * (self.burst + 1)

    @property
    def marked(self) -> int:
        """Marked steps of a side."""
        return self.rounds * self.burst


@dataclass(frozen=True, slots=True)
class TracedSide:
    """What one side left: its folder, what it said when the window closed, and the window with its times."""

    control: Path
    answer: TracedWindow
    window: Window


def shape_of(plan: WindowPlan, unit_ns: float) -> Shape:
    """The window's shape. unit_ns: what one marked step takes on all sides together, or one call of every item."""
    marked = plan.marked or min(max(int(plan.seconds * 1e9 / max(unit_ns, 1.0)), LEAST), plan.most)
    rounds = next((rounds for rounds, enough in ((8, 32), (4, 12)) if marked >= enough), 2)
    return Shape(rounds, max(marked // rounds, 2))


@dataclass(slots=True)
class Recording:
    """The window of one trial under way. order: the trial's random numbers. idle, waited: ns that a side that waited used,
    and waited, while another was traced."""

    workers: Mapping[str, TracedWorker]
    items: Sequence[str]
    shape: Shape
    order: np.random.Generator
    idle: dict[str, int] = field(init=False)
    waited: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.idle, self.waited = dict.fromkeys(self.workers, 0), dict.fromkeys(self.workers, 1)

    def run(self) -> dict[str, TracedSide]:
        """Record it. Profilers start and stop outside of all bursts."""
        beside: dict[str, list[int]] = {side: [] for side in self.workers}
        self._unprofiled(beside, further=int(self.order.integers(self.shape.marked // 2)))
        began = time.perf_counter_ns()
        for side in self.workers:
            self.workers[side].open_window(self.items, self.shape.units)
        for sides in self._orders(self.shape.rounds):
            self._round(sides)
        answers = {side: self.workers[side].close_window() for side in self.workers}
        wall_ns = time.perf_counter_ns() - began
        self._unprofiled(beside)
        return {
            side: TracedSide(
                control=self.workers[side].control,
                answer=answer,
                window=answer.window.timed(wall_ns, beside[side]),
            )
            for side, answer in answers.items()
        }

    @property
    def idle_fraction(self) -> dict[str, float]:
        """Side → CPU fraction of a core that it used while another was traced."""
        return {side: self.idle[side] / self.waited[side] for side in self.workers}

    def _round(self, sides: Sequence[str]) -> None:
        for at in self.order.permutation(len(self.items)):
            for side in sides:
                others = [other for other in self.workers if other != side]
                cpu, clock = {other: self.workers[other].cpu_ns() for other in others}, time.perf_counter_ns()
                self.workers[side].traced(self.items[at], self.shape.burst)
                waited = time.perf_counter_ns() - clock
                for other in others:
                    self.waited[other] += waited
                    self.idle[other] += self.workers[other].cpu_ns() - cpu[other]

    def _unprofiled(self, beside: dict[str, list[int]], further: int = 0) -> None:
        """Half as many steps as are traced, shared between before and after.

        further: steps that go before them and are not looked at, as many on every side. Trials take equally many steps before
        their windows, so without a random number of them what happens in every 20th step (a collection of garbage, a log) would
        lie at the same place of every window, and be counted too often or too rarely in all of them alike.
        """
        for sides in self._orders(math.ceil(self.shape.rounds / 4)):
            for item in self.items:
                for side in sides:
                    beside[side] += self.workers[side].unprofiled(item, further + self.shape.burst)[further:]
            further = 0

    def _orders(self, rounds: int) -> list[tuple[str, ...]]:
        return orders(tuple(self.workers), rounds, self.order)
