"""Outliers: how step times are distributed, which steps stand out and what took longer in them, the slowest executions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from dlprof.analysis import columns
from dlprof.analysis.columns import NULL, Floats
from dlprof.analysis.trace import cells, host, row_keys, steps
from dlprof.units import PS_PER_NS

_MAD_TO_SD: Final = 1.4826
_FAR: Final = 5.0
"""A step stands out from 5 robust standard deviations on, and only if it is also 10 % longer than the median: with
the narrow core and heavy tail that step times have, deviations alone would name every tenth step."""
_LONGER: Final = 0.10


@dataclass(frozen=True, slots=True)
class Outlier:
    """A step that took far longer than the median.

    cause: the operator or host part with the largest excess over its own median step, and that excess
    excess_ns: of the whole step
    """

    step: int
    wall_ns: float
    excess_ns: float
    cause: str
    cause_ns: float


@dataclass(frozen=True, slots=True)
class StepTimes:
    """Distribution of the synchronised steps' wall times, ns."""

    steps: int
    mean_ns: float
    median_ns: float
    p05_ns: float
    p95_ns: float
    largest_ns: float
    outliers: tuple[Outlier, ...]


def step_times(events: pa.Table) -> StepTimes | None:
    """The distribution of the steps of a trace and the steps that stand out, longest first; None without steps."""
    found = steps.table(events)
    wall = found["wall_ns"].to_numpy()
    if not len(wall):
        return None
    median = float(np.median(wall))
    spread = _MAD_TO_SD * float(np.median(np.abs(wall - median)))
    far = np.flatnonzero((wall > median + _FAR * spread) & (wall > median * (1 + _LONGER)))
    far = far[np.argsort(-wall[far], kind="stable")]
    return StepTimes(
        steps=len(wall),
        mean_ns=float(wall.mean()),
        median_ns=median,
        p05_ns=float(np.quantile(wall, 0.05)),
        p95_ns=float(np.quantile(wall, 0.95)),
        largest_ns=float(wall.max()),
        outliers=_explained(events, found, far, wall - median) if len(far) else (),
    )


def _explained(events: pa.Table, found: pa.Table, far: columns.Ints, excess: Floats) -> tuple[Outlier, ...]:
    names, parts = per_step(events)
    over = parts - np.median(parts, axis=0)
    numbers, wall = columns.integers(found, "step"), found["wall_ns"].to_numpy()
    result = []
    for row in far.tolist():
        worst = int(over[row].argmax())
        cause_ns = float(over[row, worst]) / PS_PER_NS
        result.append(Outlier(int(numbers[row]), float(wall[row]), float(excess[row]), names[worst], cause_ns))
    return tuple(result)


def per_step(events: pa.Table) -> tuple[list[str], Floats]:
    """Names of all parts (operators, then host parts) and their exclusive time in each step: (steps, parts), ps."""
    found = steps.table(events)
    start, end = columns.integers(found, "start_ps"), columns.integers(found, "end_ps")
    gathered = cells.gather(events)
    at = np.searchsorted(start, columns.integers(events, "start_ps"), side="right") - 1
    rows = np.flatnonzero((gathered.row != NULL) & (at >= 0))
    count = len(gathered.cells)
    flat = np.bincount(at[rows] * count + gathered.row[rows], gathered.own_ps[rows], minlength=len(start) * count)
    idle = host.split(events).parts
    waits = [np.array(part.covered(end) - part.covered(start), dtype=np.float64) for part in idle.values()]
    matrix = np.concatenate([flat.reshape(len(start), count), np.stack(waits, axis=1)], axis=1)
    return [cell.label for cell in gathered.cells] + list(idle), matrix


def slowest(events: pa.Table, count: int = 20) -> pa.Table:
    """The `count` executions that took longest.

    Columns: id, op, phase, layer, name, device, step, start_ns, duration_ns, times_median (duration ÷ median of the same op,
    phase, layer and kernel: 30 means an outlier, 1 an operator that is always slow).
    """
    mask, times = steps.work(events), steps.Times.of(events)
    keys = {name: row_keys.key(events, mask, name) for name in ("op", "phase", "layer")}
    work = events.filter(pa.array(mask))
    duration = (times.end - times.start)[mask]
    kernel = columns.text(work, "kernel")
    groups = columns.group([*(key.codes for key in keys.values()), kernel.codes])
    top = np.argsort(-duration, kind="stable")[:count]
    medians = [float(np.median(duration[groups.inverse == group])) for group in groups.inverse[top].tolist()]
    shown = {name: pa.array(key.decode(key.codes[top]), pa.string()) for name, key in keys.items()}
    name, device = columns.text(work, "name"), columns.text(work, "device")
    step = columns.integers(work, "step")[top]
    return pa.table(
        {
            "id": pa.array(columns.integers(work, "id")[top]),
            **shown,
            "name": pa.array(name.decode(name.codes[top]), pa.string()),
            "device": pa.array(device.decode(device.codes[top]), pa.string()),
            "step": pa.array(step, mask=step == NULL),
            "start_ns": pa.array(times.start[mask][top] / PS_PER_NS),
            "duration_ns": pa.array(duration[top] / PS_PER_NS),
            "times_median": pa.array(duration[top] / np.maximum(medians, 1)),
        }
    )
