"""Lockstep trials: a fresh worker of each side, all alive together, take turns at short bursts in balanced random order.

Where the plan says so they are interleaved instead: each worker is alone, one after the other, in an order that is balanced
over the trials. Everything else of a trial is the same: warm-up, rounds, checks, the traced window.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from dlprof import schema
from dlprof.capture.machine import disturbance
from dlprof.capture.workers import window
from dlprof.capture.workers.order import orders, turns
from dlprof.capture.workers.trial import Compiled, Plan, Trial
from dlprof.capture.workers.window import TracedSide, TracedWorker
from dlprof.errors import UsageError
from dlprof.manifest import Disturbance
from dlprof.protocol import Burst, Ready
from dlprof.stats import warm_up
from dlprof.units import format_share

IDLE_LIMIT = 0.02
"""CPU that a waiting worker may use, as a fraction of one core, before it counts as not idle."""


class LockstepWorker(TracedWorker, Protocol):
    """What the schedule needs of a worker (`worker.Worker`). Started but perhaps not ready yet."""

    @property
    def ready(self) -> Ready: ...
    def run(self, item: str, iterations: int, *, timed: bool = False) -> Burst: ...
    def close(self) -> Any: ...
    def stop(self) -> None: ...


FEW_COMPILE = 0.2
"""Where no more than this share of a side's timed bursts compile something, they are left out: its steady step does not. Where
more do, compilation is part of its step."""

StartWorker = Callable[[str, int], LockstepWorker]
"""(side, trial) → a worker that has been started; both are started before either is waited for."""

Enough = Callable[[Sequence[int]], bool]
"""Wall times (ns) of an item's warm-up iterations so far → whether the item is warm."""

RoundsOf = Callable[[int, float, float], int]
"""(trial, seconds since it began, seconds that a round will take) → rounds of the trial; asked after its warm-up, before anything
is timed."""


@dataclass(frozen=True, slots=True)
class Trials:
    """All finished trials. interrupted: Ctrl-C ended the run; the trial it hit is not among them."""

    timings: pa.Table
    trials: tuple[Trial, ...]
    interrupted: bool


OnTrial = Callable[[Trial], bool]
"""Called after each finished trial, to persist it; False stops the run (enough is known, or the budget is spent)."""
OnReady = Callable[[int, Mapping[str, Any]], Collection[str] | None]
"""(trial, workers by side) when both are ready and nothing is timed yet (parity is checked here, in trial 0), when the last round
is timed and both still live (the timed objects are checked here, in every trial), and after a traced window. Returns items
that are not to be timed from then on."""
OnStep = Callable[[int, str, float], None]
"""(trial, stage, fraction of the trial's rounds done), for a progress display."""


_Check = Callable[[int, Mapping[str, Any]], None]


def _nothing_to_check(_: int, __: Mapping[str, Any]) -> None: ...


def _no_display(_: int, __: str, ___: float) -> None: ...


def steady(durations_ns: Sequence[int]) -> bool:
    """Warm by stats' changepoint test (needs at least 4 level iterations past the floor)."""
    return warm_up(durations_ns).steady


def run_trials(
    plan: Plan,
    start_worker: StartWorker,
    on_trial: OnTrial,
    *,
    on_ready: OnReady = _nothing_to_check,
    on_timed: OnReady = _nothing_to_check,
    on_traced: OnReady = _nothing_to_check,
    on_step: OnStep = _no_display,
    enough: Enough = steady,
    first: int = 0,
    rounds: tuple[int, ...] | None = None,
    rounds_of: RoundsOf | None = None,
) -> Trials:
    """Run up to `plan.trials` trials, numbered from `first` (a resumed run goes on with fresh numbers and seeds, and with
    the `rounds` of each group that its first trial chose). rounds_of: says the number of rounds of each trial, for a plan
    without grouping.

    Ctrl-C stops the workers and returns the finished trials with `interrupted`. Any other error of a worker is raised
    after all are stopped; `on_trial` has been given all trials finished before.
    """
    done: list[Trial] = []
    interrupted = False
    skipped: set[str] = set()

    def noted(asked: OnReady) -> _Check:
        return lambda number, workers: skipped.update(asked(number, workers) or ())

    checks = noted(on_ready), noted(on_timed), noted(on_traced)
    try:
        for number in range(first, first + plan.trials):
            trial = _Run(plan, number, start_worker, checks, on_step, enough, skipped, rounds_of).trial(rounds)
            done.append(trial)
            rounds = None if rounds_of else trial.group_rounds
            if plan.window is not None:
                plan = replace(plan, window=replace(plan.window, marked=trial.marked))
            if not on_trial(trial):
                break
    except KeyboardInterrupt:
        interrupted = True
    table = pa.concat_tables([trial.timings for trial in done], promote_options="none") if done else _table([])
    return Trials(table.unify_dictionaries(), tuple(done), interrupted)


def rounds_for(plan: Plan, round_ns: float) -> int:
    """Even number of rounds of `round_ns` each that fill the plan's target, within its bounds."""
    wanted = int(plan.target_s * 1e9 / max(round_ns, 1.0))
    even = wanted + wanted % 2
    return min(max(even, plan.min_rounds), plan.max_rounds)


@dataclass(frozen=True, slots=True)
class _Part:
    """What workers that were alive together left; of a trial in lockstep this is the trial. As in `Trial`.

    tracing: how busy each side was while another was traced
    """

    ready: Mapping[str, Ready]
    rounds: tuple[int, ...]
    machine: Disturbance
    windows: Mapping[str, TracedSide]
    tracing: Mapping[str, float]
    marked: int | None


@dataclass(slots=True)
class _Run:
    """One trial under way: its workers, its random order, and the rows measured so far.

    joules: side → energy and units of each timed burst of the first item, where the plan asks for energy
    compiled: side → (item, round; -1 before the timed ones) → programs compiled in it
    workers: those that are alive; place: how many were alone before them
    """

    plan: Plan
    number: int
    start_worker: StartWorker
    checks: tuple[_Check, _Check, _Check]
    on_step: OnStep
    enough: Enough
    skipped: AbstractSet[str]
    rounds_of: RoundsOf | None = None
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    not_warm: list[tuple[str, str]] = field(default_factory=list)
    compiled: dict[str, dict[tuple[str, int], int]] = field(init=False)
    round_ns: dict[tuple[str, str], float] = field(default_factory=dict)
    unit_ns: dict[tuple[str, str], float] = field(default_factory=dict)
    idle_ns: dict[str, int] = field(init=False)
    waited_ns: dict[str, int] = field(init=False)
    workers: dict[str, LockstepWorker] = field(default_factory=dict)
    joules: dict[str, list[tuple[float, int]]] = field(default_factory=dict)
    place: int = 0
    began: float = 0.0
    generator: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([self.plan.seed, self.number])))
        self.idle_ns, self.waited_ns = dict.fromkeys(self.plan.sides, 0), dict.fromkeys(self.plan.sides, 0)
        self.compiled = {side: {} for side in self.plan.sides}

    def trial(self, rounds: tuple[int, ...] | None) -> Trial:
        self.began = time.monotonic()
        plan, parts = self.plan, list[_Part]()
        marked = plan.window.marked if plan.window else None
        together = [(side,) for side in turns(plan.sides, plan.seed, self.number)] if plan.interleaved else [plan.sides]
        for self.place, sides in enumerate(together):
            parts.append(self._part(sides, rounds, marked))
            rounds, marked = parts[-1].rounds, parts[-1].marked
        counts = parts[-1].rounds
        compiled = {side: self._compiled(side) for side in plan.sides}
        ready = {side: part.ready[side] for part in parts for side in part.ready}
        idle: dict[str, float] = {side: self.idle_ns[side] / max(self.waited_ns[side], 1) for side in plan.sides}
        return Trial(
            number=self.number,
            timings=_table(self.rows),
            rounds=min((count for count in counts if count), default=0),
            idle=idle,
            machine=disturbance.together([part.machine for part in parts]),
            ready={side: ready[side] for side in plan.sides},
            not_warm=tuple(self.not_warm),
            wall_s=time.monotonic() - self.began,
            warnings=_warnings(self.number, idle, parts[0].tracing, self.not_warm),
            group_rounds=counts,
            windows={side: part.windows[side] for part in parts for side in part.windows},
            marked=marked,
            compiled=compiled,
            joules={side: _per_unit(found) for side, found in self.joules.items()},
        )

    def _part(self, sides: Sequence[str], rounds: tuple[int, ...] | None, marked: int | None) -> _Part:
        """The workers that are alive together, from their start to their end; of a trial in lockstep all of them."""
        self.workers = {}
        with ExitStack() as stack:
            self.on_step(self.number, "start", 0.0)
            for side in orders(sides, 1, self.generator)[0]:
                self.workers[side] = self.start_worker(side, self.number)
                stack.callback(self.workers[side].stop)
            self.workers = {side: self.workers[side] for side in sides}
            ready = {side: worker.ready for side, worker in self.workers.items()}
            self._items(ready)
            before, timed, traced = self.checks
            before(self.number, dict(self.workers))
            groups = self._groups(ready)
            rounds, machine = self._all_timed(groups, rounds or (0,) * len(groups))
            self.on_step(self.number, "checking the work", 1.0)
            timed(self.number, dict(self.workers))
            windows, tracing, marked = self._traced([item for group in groups for item in group], marked)
            if windows:
                traced(self.number, dict(self.workers))
            for worker in self.workers.values():
                worker.close()
        return _Part(ready, rounds, machine, windows, tracing, marked)

    def _traced(
        self, items: Sequence[str], marked: int | None
    ) -> tuple[dict[str, TracedSide], dict[str, float], int | None]:
        """The traced window, how busy each side was while another was traced, and how many steps were marked. marked: as many
        as an earlier window had."""
        plan = self.plan.window
        wanted = [item for item in (plan.items(items) if plan else ()) if item not in self.skipped]
        if plan is None or not plan.wanted(self.number) or not wanted:
            return {}, {}, marked
        self.on_step(self.number, "tracing", 1.0)
        unit_ns = sum(self.unit_ns[side, item] for side in self.workers for item in wanted) * self._share
        shape = window.shape_of(replace(plan, marked=marked), unit_ns)
        recording = window.Recording(dict(self.workers), wanted, shape, self.generator)
        return recording.run(), recording.idle_fraction, shape.marked

    @property
    def _share(self) -> float:
        """How many times as long as those that are alive all sides will take."""
        return len(self.plan.sides) / len(self.workers)

    def _groups(self, ready: Mapping[str, Ready]) -> tuple[tuple[str, ...], ...]:
        """The plan's groups without the skipped items; a plan without grouping has one of all items."""
        items = self._items(ready)
        groups = self.plan.grouping(items) if self.plan.grouping else (items,)
        return tuple(tuple(item for item in group if item not in self.skipped) for group in groups)

    def _all_timed(self, groups: Sequence[Sequence[str]], rounds: Sequence[int]) -> tuple[tuple[int, ...], Disturbance]:
        """Warm up and time each group; the rounds of each, and what the machine did meanwhile."""
        total, done, counts = max(sum(map(len, groups)), 1), 0, list(rounds)
        left_s = self.plan.target_s
        own, before = self._own_cpu_ns(), disturbance.snapshot()
        for at in self.generator.permutation(len(groups)):
            items = groups[at]
            if not items:
                continue
            began = time.monotonic()
            self._warm_up(items)
            warming_s = time.monotonic() - began if self.plan.grouping else 0.0
            round_ns = sum(self.round_ns[side, item] for side in self.workers for item in items) * self._share
            target_s = max(left_s * len(items) / (total - done) - warming_s, 0.0)
            counts[at] = counts[at] or self._rounds(target_s, round_ns)
            left_s -= warming_s + counts[at] * round_ns / 1e9
            self._timed(items, counts[at], done / total, len(items) / total)
            done += len(items)
        after = disturbance.snapshot()
        return tuple(counts), disturbance.between(before, after, (self._own_cpu_ns() - own) / 1e9)

    def _rounds(self, target_s: float, round_ns: float) -> int:
        """Rounds of a group whose turn it is, and whose rounds may take `target_s`."""
        if self.rounds_of is not None:
            return self.rounds_of(self.number, (time.monotonic() - self.began) * self._share, round_ns / 1e9)
        return rounds_for(replace(self.plan, target_s=target_s), round_ns)

    def _items(self, ready: Mapping[str, Ready]) -> tuple[str, ...]:
        offered = {side: ready[side].items for side in ready}
        items = self.plan.items or tuple(next(iter(offered.values())))
        for side in ready:
            missing = [item for item in items if item not in offered[side]]
            if missing:
                raise UsageError(
                    f"side {side} has no item {', '.join(missing)}", hint=f"it offers: {', '.join(offered[side])}"
                )
        return items

    def _sides(self) -> tuple[str, ...]:
        """Those that are alive in random order."""
        return orders(tuple(self.workers), 1, self.generator)[0]

    def _warm_up(self, items: Sequence[str]) -> None:
        """First call and warm-up of every item on both sides; keeps the steady time that sizes the rounds."""
        for item in items:
            for position, side in enumerate(self._sides()):
                self.on_step(self.number, "warm-up", 0.0)
                self._keep(side, item, "first_call", self.workers[side].run(item, 1), position=position)
                walls, between = list[int](), 0
                wanted = min(self.plan.warmup_floor + 4, self.plan.warmup_cap)
                while wanted:
                    asked = time.perf_counter_ns()
                    burst = self.workers[side].run(item, wanted)
                    between = max(time.perf_counter_ns() - asked - sum(burst.wall_ns), 0)
                    self._keep(side, item, "warmup", burst, position=position, offset=len(walls))
                    walls += burst.wall_ns
                    wanted = 0 if self.enough(walls) else min(4, self.plan.warmup_cap - len(walls))
                if not self.enough(walls):
                    self.not_warm.append((side, item))
                one = statistics.median(walls[-4:])
                self.round_ns[side, item] = self.plan.burst * one + between
                self.unit_ns[side, item] = one / burst.units

    def _timed(self, items: Sequence[str], rounds: int, done: float, part: float) -> None:
        """The rounds of one group, which is `part` of the trial after `done` of it."""
        order = {item: orders(tuple(self.workers), rounds, self.generator) for item in items}
        for number in range(rounds):
            for item in self._shuffled(items):
                for position, side in enumerate(order[item][number]):
                    burst = self._burst(side, item)
                    self._keep(side, item, "timed", burst, number=number, position=position)
            self.on_step(self.number, "timed", done + part * (number + 1) / rounds)

    def _burst(self, side: str, item: str) -> Burst:
        """Run one burst and charge the other sides' CPU time meanwhile to their idleness."""
        others = [other for other in self.workers if other != side]
        cpu, clock = {other: self.workers[other].cpu_ns() for other in others}, time.perf_counter_ns()
        spent = self.plan.joules() if self.plan.joules else 0.0
        burst = self.workers[side].run(item, self.plan.burst, timed=True)
        if self.plan.joules and item == next(iter(self.workers[side].ready.items)):
            units = burst.units * self.plan.burst
            self.joules.setdefault(side, []).append((self.plan.joules() - spent, units))
        waited = time.perf_counter_ns() - clock
        for other in others:
            self.waited_ns[other] += waited
            self.idle_ns[other] += self.workers[other].cpu_ns() - cpu[other]
        return burst

    def _compiled(self, side: str) -> Compiled:
        """What a side compiled; its timed bursts that did so are left out, unless they are many."""
        timed = {where: count for where, count in self.compiled[side].items() if where[1] >= 0}
        bursts = len({row[2:5] for row in self.rows if row[1] == side and row[3] == "timed"})
        left_out = bool(timed) and len(timed) <= FEW_COMPILE * bursts
        if left_out:
            self.rows = [
                (*row[:3], "compiled", *row[4:7], False, *row[8:])
                if row[1] == side and (row[2], row[4]) in timed
                else row
                for row in self.rows
            ]
        warming = sum(self.compiled[side].values()) - sum(timed.values())
        return Compiled(warming, sum(timed.values()), len(timed), bursts, left_out)

    def _own_cpu_ns(self) -> int:
        return time.process_time_ns() + sum(worker.cpu_ns() for worker in self.workers.values())

    def _shuffled(self, items: Sequence[str]) -> Iterator[str]:
        return (items[i] for i in self.generator.permutation(len(items)))

    def _keep(
        self, side: str, item: str, stage: str, burst: Burst, *, position: int, number: int = -1, offset: int = 0
    ) -> None:
        place = self.place + position
        if burst.compiled:
            self.compiled[side][item, number] = self.compiled[side].get((item, number), 0) + burst.compiled
        for i, (wall, cpu, start) in enumerate(zip(burst.wall_ns, burst.cpu_ns, burst.start_ns, strict=True)):
            kept = stage == "timed" and i > 0
            self.rows.append(
                (self.number, side, item, stage, number, place, offset + i, kept, burst.units, wall, cpu, start)
            )


def _per_unit(bursts: Sequence[tuple[float, int]]) -> float:
    return sum(joules for joules, _ in bursts) / max(sum(units for _, units in bursts), 1)


def _table(rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema.TIMINGS)
    arrays = [pa.array(list(values), column.type) for values, column in zip(columns, schema.TIMINGS, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema.TIMINGS)


def _warnings(
    number: int,
    timing: Mapping[str, float],
    tracing: Mapping[str, float],
    not_warm: Sequence[tuple[str, str]],
) -> tuple[str, ...]:
    another = "the other" if len(timing) == 2 else "another"
    busy = [
        f"trial {number}: the waiting worker of side {side} used {format_share(share, 1)} of a core while {another} was {what}"
        for what, idle in (("timed", timing), ("traced", tracing))
        for side, share in idle.items()
        if share > IDLE_LIMIT
    ]
    return (
        *busy,
        *(f"trial {number}: {item} of side {side} was not steady after its warm-up" for side, item in not_warm),
    )
