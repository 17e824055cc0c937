"""Details: the views of `dlprof show --view` beyond a plain breakdown, each as one or two named tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa

from dlprof.analysis import columns
from dlprof.analysis.model import Detail
from dlprof.analysis.trace import gaps, launches, memory, occupancy, outliers, places, row_keys, steps
from dlprof.errors import UsageError
from dlprof.units import PS_PER_NS

_EMPTY: Final = {
    "kernels": "No work was recorded.",
    "launches": "No kernel or copy of a device was recorded: launches are a matter of GPU traces.",
    "gaps": "No two pieces of work of a device stream were recorded with time between them.",
    "overlap": "No work was recorded.",
    "occupancy": "No work was recorded.",
    "idle": "All of the time is covered by recorded work.",
    "memory": "No memory was recorded: MXNet and PyTorch need profile_memory, TensorFlow records its allocator on the host.",
    "outliers": "No steps are marked in the trace.",
    "slowest": "No work was recorded.",
}


_BY_PLACE: Final = frozenset({"launches", "gaps", "overlap", "occupancy", "idle", "memory", "outliers"})
"""Views whose figures are of one host and rank each; the others list events, whose device says where they ran."""


def detail(events: pa.Table, view: str) -> Detail:
    """The view `view` of an event table. Raises `UsageError` for one that does not exist."""
    if view not in VIEWS:
        raise UsageError(f"no such view: {view!r}", hint=f"there are: {', '.join(VIEWS)}")
    tables = places.each(events, VIEWS[view]) if view in _BY_PLACE else VIEWS[view](places.labelled(events))
    empty = all(table.num_rows == 0 for table in tables.values())
    return Detail(view=view, tables=tables, empty=_EMPTY[view] if empty else None)


def kernels(events: pa.Table) -> pa.Table:
    """Which kernels (or copies) ran for which operator, longest first.

    Columns: op, phase, kernel, device, count, total_ns, mean_ns, min_ns, max_ns, share (of the time of all).
    """
    mask, times = steps.work(events), steps.Times.of(events)
    work = events.filter(pa.array(mask))
    ran, raw = columns.text(work, "kernel"), columns.text(work, "name")
    named = columns.Text(
        np.where(ran.codes == columns.NULL, raw.codes + len(ran.values), ran.codes), ran.values + raw.values
    )
    keys = {name: row_keys.key(events, mask, name) for name in ("op", "phase")}
    keys |= {"kernel": named, "device": columns.text(work, "device")}
    groups = columns.group([key.codes for key in keys.values()])
    duration = (times.end - times.start)[mask]
    low, high = np.full(groups.size, np.iinfo(np.int64).max), np.zeros(groups.size, dtype=np.int64)
    np.minimum.at(low, groups.inverse, duration)
    np.maximum.at(high, groups.inverse, duration)
    count, total = groups.sum(columns.integers(work, "occurrences")), groups.sum(duration)
    shown = {name: pa.array(key.decode(key.codes[groups.first]), pa.string()) for name, key in keys.items()}
    table = pa.table(
        {
            **shown,
            "count": pa.array(count),
            "total_ns": pa.array(total / PS_PER_NS),
            "mean_ns": pa.array(total / np.maximum(count, 1) / PS_PER_NS),
            "min_ns": pa.array(low / PS_PER_NS),
            "max_ns": pa.array(high / PS_PER_NS),
            "share": pa.array(total / max(int(total.sum()), 1)),
        }
    )
    return table.sort_by([("total_ns", "descending"), ("kernel", "ascending")])


def _records(rows: list[dict[str, Any]], kind: type, leave: tuple[str, ...] = ()) -> pa.Table:
    """A table of dataclass fields; with no rows it still has its columns."""
    names = [field.name for field in dataclasses.fields(kind) if field.name not in leave]
    return pa.table({name: pa.array([row[name] for row in rows]) for name in names})


def _launches(events: pa.Table) -> Mapping[str, pa.Table]:
    return {"streams": _records([dataclasses.asdict(one) for one in launches.summaries(events)], launches.Summary)}


def _memory(events: pa.Table) -> Mapping[str, pa.Table]:
    found = memory.series(events)
    rows: list[dict[str, Any]] = [
        {
            "name": one.name,
            "samples": len(one.bytes),
            "peak_bytes": one.peak_bytes,
            "peak_ns": one.peak_ns,
            "peak_step": one.peak_step,
            "running": ", ".join(one.running),
        }
        for one in found
    ]
    live: list[dict[str, Any]] = [{"name": one.name, **dataclasses.asdict(part)} for one in found for part in one.live]
    names = ("name", "samples", "peak_bytes", "peak_ns", "peak_step", "running")
    return {
        "peaks": pa.table({name: pa.array([row[name] for row in rows]) for name in names}),
        "live at the peak": pa.table(
            {name: pa.array([row[name] for row in live]) for name in ("name", "op", "bytes", "allocations")}
        ),
    }


def _outliers(events: pa.Table) -> Mapping[str, pa.Table]:
    found = outliers.step_times(events)
    if found is None:
        return {"steps": _records([], outliers.StepTimes, ("outliers",))}
    return {
        "steps": _records([dataclasses.asdict(found)], outliers.StepTimes, ("outliers",)),
        "outliers": _records([dataclasses.asdict(one) for one in found.outliers], outliers.Outlier),
    }


VIEWS: Final[Mapping[str, Callable[[pa.Table], Mapping[str, pa.Table]]]] = {
    "kernels": lambda events: {"kernels": kernels(events)},
    "launches": _launches,
    "gaps": lambda events: {"gaps": gaps.table(events)},
    "overlap": lambda events: {"devices": occupancy.devices(events)},
    "occupancy": lambda events: {
        "at once": occupancy.concurrency(events),
        "over time": occupancy.over_time(events, bins=20),
    },
    "idle": lambda events: {"causes": occupancy.idle(events)},
    "memory": _memory,
    "outliers": _outliers,
    "slowest": lambda events: {"executions": outliers.slowest(events)},
}
"""What `--view` takes → its tables by title."""
