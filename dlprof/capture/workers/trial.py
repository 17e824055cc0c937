"""A trial: how it is to run, and what a finished one is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from dlprof.capture.workers.window import TracedSide, WindowPlan
from dlprof.errors import ChildFailed, UsageError
from dlprof.manifest import Disturbance, Start, Used
from dlprof.names import SIDES
from dlprof.protocol import Ready

Grouping = Callable[[Sequence[str]], Sequence[Sequence[str]]]
"""Items → groups of items; see Plan."""


class NotTogether(ChildFailed):
    """The sides cannot be alive together: one cannot be made idle, they want the same thing, or there is no room for both."""


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
    joules: energy that the machine has used so far; None = it is not asked
    interleaved: the workers of a trial are alive one after the other instead of together; no plan with a grouping
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
    interleaved: bool = False
    joules: Callable[[], float] | None = None

    def __post_init__(self) -> None:
        if self.burst < 3:
            raise UsageError(f"a burst of {self.burst} has an order effect", hint="3 iterations or more")
        if self.trials < 1 or self.min_rounds < 2 or self.max_rounds < self.min_rounds:
            raise UsageError("a plan needs at least one trial and two rounds", hint="raise --trials or --budget")
        if not 1 <= self.warmup_floor <= self.warmup_cap:
            raise UsageError("warm-up needs at least one iteration, and its cap must not be below its floor")
        if self.interleaved and self.grouping is not None:
            raise UsageError("a family of items has no interleaved trials")


@dataclass(frozen=True, slots=True)
class Compiled:
    """Programs that one side's framework compiled after its first steps.

    warming: while it was warmed up
    timed: in timed bursts; bursts: in so many of these, of `of`
    left_out: those bursts have the stage `compiled`, and no part in the estimate
    """

    warming: int = 0
    timed: int = 0
    bursts: int = 0
    of: int = 0
    left_out: bool = False


@dataclass(frozen=True, slots=True)
class Trial:
    """One finished trial.

    timings: schema.TIMINGS
    rounds: the fewest of any group
    idle: side → CPU fraction of a core used while another ran; 0 where it was never alive together with another
    machine: `disturbance.between` over the timed rounds; None where that was not kept
    ready: what each side's worker said before it was asked anything
    not_warm: (side, item) pairs whose warm-up hit its cap
    windows: side → what it left of the traced window; empty where there was none
    marked: the window's marked steps a side
    compiled: side → what was compiled in it
    starts: side → what came before its timed steps, as far as that is told
    used: side → memory and energy of its processes
    joules: side → energy of a timed unit of the first item; empty where that was not asked
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
    compiled: Mapping[str, Compiled] = field(default_factory=dict)
    starts: Mapping[str, Start] = field(default_factory=dict)
    used: Mapping[str, Used] = field(default_factory=dict)
    joules: Mapping[str, float] = field(default_factory=dict)
