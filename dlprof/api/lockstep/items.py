"""The items of op workloads as the parent sees them: checked, weighed, thinned, and grouped as they fit into memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import psutil

from dlprof.capture.workers.trial import Grouping
from dlprof.errors import Unsupported, UsageError
from dlprof.names import Item
from dlprof.toml_shape import convert
from dlprof.units import format_bytes
from dlprof.workload import Workload
from dlprof.workload_shape import Ops

GROUP_BYTES: Final = 200 << 20
"""Operands that are timed together, a worker: below what the child keeps between bursts (256 MiB), so that none is made
anew in between."""

_LIST_ELEMENT: Final = 32
"""Bytes of one float in a Python list: the object and its place."""


def check(workload: Workload, framework: str) -> None:
    """That an op workload is whole, has calls for the framework, and fits into memory; other kinds pass.

    Raises `UsageError` for what is wrong in its file, `Unsupported` for what is missing or too large.
    """
    if workload.kind != "op":
        return
    ops = convert(workload.description, Ops, workload.name, "docs/adding-a-workload.md shows the format")
    for task in ops.tasks:
        if framework not in task.calls.get("idiomatic", {}):
            raise Unsupported(
                f"{workload.name}: {task.name} has no call for {framework}",
                hint=f'add one under [tasks.calls.idiomatic]: {framework} = "…"',
            )
        strangers = set(task.by) - {operand.name for operand in task.operands}
        if strangers:
            raise UsageError(f"{workload.name}: {task.name}: by names no operand: {', '.join(sorted(strangers))}")
        if not (ops.run.sizes or task.sizes):
            raise UsageError(f"{workload.name}: {task.name} has no sizes", hint="give run.sizes, or sizes in the task")
    _check_memory(workload)


def _check_memory(workload: Workload) -> None:
    """Raises `Unsupported` for an item whose operands, once more for results, exceed the memory that is free now."""
    free = psutil.virtual_memory().available
    for task, size in _tasks(workload):
        needed = _needed_bytes(workload, task, size)
        if needed > free:
            raise Unsupported(
                f"{Item(task['name'], (('size', str(size)),))}: its operands and results need about {format_bytes(needed)}, "
                f"{format_bytes(free)} of memory are free",
                hint="use a smaller --set size=… or --set count=…",
            )


def largest_bytes(workload: Workload) -> int:
    """What the largest item needs on one side: its operands, once more for results; 0 for other kinds than `op`."""
    return max((_needed_bytes(workload, task, size) for task, size in _tasks(workload)), default=0)


def _needed_bytes(workload: Workload, task: Mapping[str, Any], size: int) -> int:
    return 2 * operand_bytes(task, size, workload.description["run"])


def unmatched(workload: Workload) -> Mapping[str, Sequence[str]]:
    """What a framework has and the other has not, by framework, where a workload says so (losses)."""
    found: Mapping[str, Sequence[str]] = workload.description.get("unmatched", {})
    return found


def count(workload: Workload) -> int:
    """How many items each call variant of an op workload has; 1 for other kinds (their headline)."""
    return sum(1 for _ in _tasks(workload)) or 1


def thinned(workload: Workload, most: int) -> Workload:
    """The workload with so many sizes of each task that it has at most `most` items: the smallest, the largest and evenly
    between them, two of each task at least. Sizes that were asked for are not touched."""
    run = workload.description.get("run", {})
    if workload.kind != "op" or count(workload) <= most or "sizes" in workload.chosen or "size" in workload.chosen:
        return workload
    tasks = workload.description["tasks"]
    each = max(most // len(tasks), 2)
    slim = [{**task, "sizes": _spread(run.get("sizes") or task["sizes"], each)} for task in tasks]
    description = {**workload.description, "tasks": slim, "run": {**run, "sizes": []}}
    return msgspec.structs.replace(workload, description=description)


def _spread(sizes: Sequence[int], most: int) -> list[int]:
    """`most` of the sizes, both ends among them."""
    if len(sizes) <= most:
        return list(sizes)
    return [sizes[round(i * (len(sizes) - 1) / (most - 1))] for i in range(most)]


def operand_bytes(task: Mapping[str, Any], size: int, run: Mapping[str, Any]) -> int:
    """Memory of all operand sets of an item on one side, bytes."""
    total = 0
    for operand in task["operands"]:
        elements = math.prod(size if part == "n" else int(part) for part in operand["shape"])
        element = np.dtype(operand.get("dtype", run["dtype"])).itemsize
        each = _LIST_ELEMENT if operand.get("as") == "list" else element
        total += elements * each
    return total * int(run["count"])


def grouping(workload: Workload, limit: int = GROUP_BYTES) -> Grouping:
    """Items in their order, a new group where the task changes or the operands would exceed `limit` bytes."""
    run = workload.description["run"]
    tasks = {task["name"]: task for task in workload.description["tasks"]}

    def weigh(item: str) -> tuple[str, int]:
        named = Item.parse(item)
        if named.size is None or named.task not in tasks:
            return item, 0
        return named.task, operand_bytes(tasks[named.task], named.size, run)

    def grouped(items: Sequence[str]) -> Sequence[Sequence[str]]:
        groups: list[list[str]] = []
        last, held = "", 0
        for item in items:
            task, weight = weigh(item)
            if task != last or held + weight > limit:
                groups.append([])
                held = 0
            groups[-1].append(item)
            last, held = task, held + weight
        return groups

    return grouped


def _tasks(workload: Workload) -> Iterator[tuple[Mapping[str, Any], int]]:
    """(task, size) of every item; none for other kinds than `op`."""
    run = workload.description.get("run", {})
    for task in workload.description.get("tasks", []) if workload.kind == "op" else []:
        for size in run.get("sizes") or task["sizes"]:
            yield task, int(size)
