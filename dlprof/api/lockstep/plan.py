"""How the trials of a workload run: what is timed, in which groups, how long, and when it is warm."""

from __future__ import annotations

from typing import Final

from dlprof import stats
from dlprof.api.lockstep import items
from dlprof.api.options import Design
from dlprof.capture.workers.schedule import Enough, steady
from dlprof.capture.workers.trial import Plan
from dlprof.workload import Workload

START_ESTIMATE_S: Final = 15.0
"""Of a trial of two sides: starting the workers, first calls, warm-up."""

OP_ROUNDS: Final = (6, 40)
"""Rounds of an op workload's trial: at least, and as many as micro-operations want (docs/statistics.md)."""

OP_WARMUP: Final = (1, 13)
"""Iterations of an op before it is timed, at least (four more are needed to see a level) and at most. Each of them is
`count` calls, 50 unless asked otherwise, so that the least are 250 calls."""

ITEM_S: Final = 1.0
"""What one item of a family takes in a trial with few rounds: start, warm-up and rounds on both sides."""

FAMILY_TRIALS: Final = 10
"""Trials of a family of items at most: with the first six an effect of 10 % is found in four of five cases."""


def plan_of(workload: Workload, *, trials: int, seed: int, budget_s: float) -> Plan:
    """How trials of this workload run; for a network `Rounds` says the number of rounds. A trial of an op workload takes a sixth
    of the budget (also where the number of trials is fixed: of the default one), or 40 rounds if that is less."""
    if workload.kind != "op":
        return Plan(trials=trials, seed=seed, items=_items(workload))
    few, many = OP_ROUNDS
    share = budget_s / stats.MIN_TRIALS
    return Plan(
        trials=trials,
        seed=seed,
        grouping=items.grouping(workload),
        target_s=max(share - START_ESTIMATE_S, share / 2),
        min_rounds=few,
        max_rounds=many,
        warmup_floor=OP_WARMUP[0],
        warmup_cap=OP_WARMUP[1],
    )


def enough_of(workload: Workload) -> Enough:
    """When an item of this workload is warm: (its warm-up iterations' wall times in ns) → whether it is."""
    if workload.kind == "op":
        return lambda walls_ns: stats.warm_up(walls_ns, floor=OP_WARMUP[0]).steady
    return steady


def fitted(options: Design, workload: Workload) -> Workload:
    """The workload with as many sizes as six trials within the budget can hold; all with a fixed number of trials."""
    if options.trials is not None:
        return workload
    return items.thinned(workload, int(options.budget_s / stats.MIN_TRIALS / ITEM_S))


def _items(workload: Workload) -> tuple[str, ...] | None:
    """What is timed: of a network the task's own items, of other kinds all that the child offers."""
    if workload.kind != "network":
        return None
    return ("infer_block",) if workload.description.get("task") == "infer" else ("train_block", "train_step_sync")
