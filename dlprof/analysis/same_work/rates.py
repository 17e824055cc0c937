"""Is a side faster than its processor can be? Floating-point operations a second against the machine's peak."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dlprof.analysis.same_work import rules
from dlprof.analysis.same_work.rules import Difference
from dlprof.names import ArrayName, Item
from dlprof.workload import Workload


def operations(workload: Workload, multiply_adds: int | None) -> dict[str, float]:
    """Item → the fewest float operations in one unit of it, for those items of which that is known.

    multiply_adds: of one forward pass of a network over one example; a training step takes at least twice as many, for the
    gradients of the weights alone. Of op workloads the product of two square matrices is known.
    """
    description = workload.description
    if multiply_adds is not None:
        forward = 2.0 * multiply_adds * int(description["run"]["batch_size"])
        return {"train_block": 2 * forward, "train_step_sync": 2 * forward, "infer_block": forward}
    return dict(_products(description))


def _products(description: Mapping[str, object]) -> Iterator[tuple[str, float]]:
    run, tasks = description.get("run"), description.get("tasks")
    if not isinstance(run, Mapping) or not isinstance(tasks, list):
        return
    for task in tasks:
        shapes = [operand.get("shape") for operand in task["operands"]]
        if task.get("op") == "MatMul" and shapes == [["n", "n"], ["n", "n"]]:
            for size in run.get("sizes") or task.get("sizes") or ():
                for call in ((), *((("call", name),) for name in task["calls"])):
                    yield str(Item(task["name"], (*call, ("size", str(size))))), 2.0 * int(size) ** 3


def check(
    times_ns: Mapping[str, Mapping[str, float]], known: Mapping[str, float], peak: float
) -> tuple[Difference, ...]:
    """Items that a side does faster than `peak` float operations a second. times_ns: item → side → time of one unit."""
    found = []
    for item, sides in times_ns.items():
        for side, ns in sides.items():
            rate = known.get(item, 0.0) / (ns / 1e9) if ns > 0 else 0.0
            if rate > peak:
                found.append(_refusal(item, side.upper(), rate, peak))
    return tuple(found)


def _refusal(item: str, side: str, rate: float, peak: float) -> Difference:
    told = (
        f"{item} of {side} would do {rate / 1e9:.4g} billion float operations a second, where this machine's processors "
        f"can do {peak / 1e9:.4g} at most: its work is not done"
    )
    return rules.placed(
        {
            "what": "rate",
            "where": str(ArrayName("timed", item)),
            "a": f"{rate:.3g}",
            "b": f"{peak:.3g}",
            "blocks": "yes",
            "sentence": told,
        }
    )
