"""A lockstep trial: how it is to run, and what a finished one is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from dlprof.capture.workers.window import TracedSide, WindowPlan
from dlprof.errors import UsageError
from dlprof.manifest import Disturbance
from dlprof.names import SIDES
from dlprof.protocol import Ready

Grouping = Callable[[Sequence[str]], Sequence[Sequence[str]]]
"""Items → groups of items; see Plan."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How trials run. items: None = all that A offers, in its order. trials: at most so many.

    grouping: items → groups that are warmed up and timed one after the other, in random order in each trial, by the same
    workers: hundreds of items at once would throw each other's operands out of memory. None = one group.
    target_s: time for the timed rounds of one trial (with a grouping: and for the warm-up, which hundreds of items make
    long), shared among groups by their number of items; sets the number of rounds (in the first trial, then kept) between
    min_rounds and max_rounds, unless `RoundsOf` says it.
    burst: iterations per burst, the first of which is dropped; two or fewer leave an order effect of up to 14 %
    warm-up: at least warmup_floor iterations per item, then on until `Enough` or warmup_cap.
    window: the traced window after the timed rounds; None = nothing is traced
    sides: letters of the sides, two or more
    """

    trials: int
    seed: int = 0
    items: tuple[str, ...] | None = None
    grouping: Grouping | None = None
    target_s: float = 12.0
    min_rounds: int = 10
    max_rounds: int = 200
    burst: int = 3
    warmup_floor: int = 8
    warmup_cap: int = 40
    window: WindowPlan | None = None
    sides: tuple[str, ...] = SIDES

    def __post_init__(self) -> None:
        if self.burst < 3:
            raise UsageError(f"a burst of {self.burst} has an order effect", hint="3 iterations or more")
        if self.trials < 1 or self.min_rounds < 2 or self.max_rounds < self.min_rounds:
            raise UsageError("a plan needs at least one trial and two rounds", hint="raise --trials or --budget")
        if not 1 <= self.warmup_floor <= self.warmup_cap:
            raise UsageError("warm-up needs at least one iteration, and its cap must not be below its floor")


@dataclass(frozen=True, slots=True)
class Trial:
    """One finished trial.

    timings: schema.TIMINGS
    rounds: the fewest of any group
    idle: side → CPU fraction of a core used while another ran
    machine: `disturbance.between` over the timed rounds; None where that was not kept
    ready: what each side's worker said before it was asked anything
    not_warm: (side, item) pairs whose warm-up hit its cap
    windows: side → what it left of the traced window; empty where there was none
    marked: the window's marked steps a side
    """

    number: int
    timings: pa.Table
    rounds: int
    idle: Mapping[str, float]
    machine: Disturbance | None
    ready: Mapping[str, Ready]
    not_warm: tuple[tuple[str, str], ...]
    wall_s: float
    warnings: tuple[str, ...]
    group_rounds: tuple[int, ...] = ()
    windows: Mapping[str, TracedSide] = field(default_factory=dict)
    marked: int | None = None
