"""msprof's trace view of Ascend devices (torch_npu, MindStudio): what its processes are, as a table, and whose NPU each is.

Its events have no category: the process tells. "Ascend Hardware" has the tasks of the NPU's streams; "Communication" (older:
HCCL) has the collectives, each on the thread of its communicator (`Group … Communication`), and beside them, on threads
`Plane N`, the copies and waits that each consists of, which repeat its time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from dlprof.ingest.dialects.kineto_args import Task, decoded
from dlprof.ingest.dialects.kineto_categories import Category
from dlprof.ingest.json.elements import Event
from dlprof.ingest.json.walk import Mask, Names

COLLECTIVES: Final = Category("kernel", "device", "npu", origin="ascend")
"""A collective as a whole, from its first task to its last."""
_HARDWARE: Final = Category("kernel", "device", "npu", origin="ascend")
_CALL: Final = Category("api", origin="ascend")

PROCESSES: Final = {
    "Ascend Hardware": _HARDWARE,
    "Task Scheduler": _HARDWARE,
    "Communication": COLLECTIVES,
    "HCCL": COLLECTIVES,
    "CANN": _CALL,
    "AscendCL": _CALL,
    "GE": _CALL,
    "Runtime": _CALL,
    "Python": Category("op", origin="ascend"),
    "Python GC": _CALL,
}
"""Name of a process of msprof's trace view → what its events are."""
DERIVED: Final = frozenset({"Overlap Analysis", "Step Trace", "Training Trace", "Subtask Time", "Thread Task Time"})
"""Processes of msprof whose events repeat the time of others."""
_TASKS: Final = {
    "MEMCPY_ASYNC": "copy",
    "SDMA": "copy",
    "PCIE_DMA": "copy",
    "EVENT_RECORD": "sync",
    "EVENT_WAIT": "sync",
    "NOTIFY_RECORD": "sync",
    "NOTIFY_WAIT": "sync",
    "CAPTURE_RECORD": "sync",
    "CAPTURE_WAIT": "sync",
    "WRITE_VALUE": "sync",
    "PLACE_HOLDER": "sync",
}
"""Task types of msprof that are no kernels, without the ending `_SQE` that some chips' have → level."""
_GROUP: Final = re.compile(r"(?:Group .* )?Communication")
_PLANE: Final = re.compile(r"Plane \d+")
_LABEL: Final = re.compile(r"NPU ?(\d{1,9})")


def repeating(events: Sequence[Event], names: Names) -> Mask | None:
    """Events that repeat the time of others: of a process that only derives, and parts of collectives; None for none."""
    processes = names.processes.items()
    derived = {pid for pid, name in processes if name in DERIVED}
    grouped = {pid for (pid, _), name in names.threads.items() if _GROUP.fullmatch(name)}
    grouped &= {pid for pid, name in processes if PROCESSES.get(name) is COLLECTIVES}
    if not derived and not grouped:
        return None
    found = (event.pid in derived or (event.pid in grouped and _is_part(event, names)) for event in events)
    return np.fromiter(found, dtype=bool, count=len(events))


def _is_part(event: Event, names: Names) -> bool:
    if event.cat is not None or event.ph != "X":
        return False
    return bool(_PLANE.fullmatch(names.threads.get((event.pid, event.tid), ""))) or decoded(Task, event.args).part != ""


def level(task: str | None) -> str | None:
    """The level of a task of the hardware by its type; None where it is a kernel."""
    return _TASKS.get((task or "").removesuffix("_SQE").replace(" ", "_").upper())


def npu(pid: Any, names: Names) -> int:
    """The device of a process: what its label says (`NPU 3`), else its place among the processes of its name."""
    label = _LABEL.fullmatch(names.labels.get(pid, ""))
    if label:
        return int(label[1])
    name = names.processes.get(pid)
    return [each for each, named in names.processes.items() if named == name].index(pid)
