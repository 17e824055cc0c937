"""Whether the processes of all sides fit into memory at once: asked before they start, and of those that live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import psutil

from dlprof.api.lockstep import items
from dlprof.errors import Unsupported
from dlprof.units import format_bytes
from dlprof.workload import Workload

LEAST: Final = 150 << 20
"""What a process with a framework takes before it computes anything, as a lower bound: what needs more is refused for sure."""

_SHORT: Final = 0.5
"""Share of the largest side's memory that has to be left while all of them live."""


def check(workloads: Mapping[str, Workload]) -> None:
    """Raises `Unsupported` where more than two sides cannot fit; two are let try, as ever."""
    if len(workloads) < 3:
        return
    needed = sum(LEAST + items.largest_bytes(workload) for workload in workloads.values())
    free = psutil.virtual_memory().available
    if needed > free:
        raise Unsupported(
            f"{len(workloads)} sides, all alive at once, need about {format_bytes(needed)} at least, and "
            f"{format_bytes(free)} of memory are free",
            hint="compare fewer sides at once, or choose a smaller --batch-size or --set size=…",
        )


def crowded(pids: Sequence[int]) -> str:
    """A warning where the living workers leave little memory; '' where they leave enough, or one has gone meanwhile."""
    try:
        taken = [psutil.Process(pid).memory_info().rss for pid in pids]
    except psutil.NoSuchProcess:
        return ""
    memory = psutil.virtual_memory()
    if memory.available >= _SHORT * max(taken):
        return ""
    return (
        f"the {len(pids)} sides together take {format_bytes(sum(taken))}, and {format_bytes(memory.available)} of memory are "
        "left: times of sides that swap say nothing; compare fewer at once"
    )
