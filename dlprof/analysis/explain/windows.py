"""One traced window, split into parts by stable keys: a pure function of its events, so that windows can be stacked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import pyarrow as pa

from dlprof.analysis.trace import cells, host, idle, steps
from dlprof.analysis.trace.cells import Cell
from dlprof.analysis.trace.idle import Place
from dlprof.units import PS_PER_NS

Key = tuple[str, str | None, str | None]
"""Operator, phase and layer: the same in every window of a side."""


@dataclass(frozen=True, slots=True)
class Asked:
    """As idle.Asked, of one unit. counts: name → calls. ps: place → idle time by name."""

    counts: Mapping[str, float] = field(default_factory=dict)
    ps: Mapping[Place, Mapping[str, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, asked: idle.Asked, units: int) -> Self:
        """Per unit, of so many."""
        per_unit = {place: {name: ps / units for name, ps in by.items()} for place, by in asked.ps.items()}
        return cls({name: count / units for name, count in asked.counts.items()}, per_unit)


@dataclass(frozen=True, slots=True)
class Window:
    """One traced window, split, ps of one unit (a step, or the whole trace); share and idle sum to wall_ps.

    work: time of each cell on its threads and streams
    share: the same with instants shared among concurrent work
    idle: time without work by what the host did (host.KINDS) and by phase
    waits: how often the host waited for work
    calls, ops: recorded calls of the host and operators, and the idle time in which they were asked for
    """

    units: int
    wall_ps: float
    work: Mapping[Key, float]
    share: Mapping[Key, float]
    idle: Mapping[Place, float]
    cells: tuple[Cell, ...]
    waits: float = 0.0
    calls: Asked = field(default_factory=Asked)
    ops: Asked = field(default_factory=Asked)


def split(events: pa.Table, by_step: bool) -> Window:
    """Split one window, per step or as a whole."""
    free, gathered = host.split(events), cells.gather(events)
    divided = idle.divide(events, free)
    units = steps.table(events).num_rows if by_step else 1
    keys = [key(cell) for cell in gathered.cells]
    return Window(
        units=units,
        wall_ps=free.frame.length / units,
        work=dict(zip(keys, (gathered.thread_times() / units).tolist(), strict=True)),
        share=dict(zip(keys, (gathered.times() / units).tolist(), strict=True)),
        idle={place: ps / units for place, ps in divided.ps.items()},
        cells=gathered.cells,
        waits=free.waits / units,
        calls=Asked.of(divided.calls, units),
        ops=Asked.of(divided.ops, units),
    )


def key(cell: Cell) -> Key:
    """What a cell is of."""
    return (cell.op, cell.phase, cell.layer)


def merge(windows: Sequence[Window]) -> tuple[Cell, ...]:
    """One side's cells over all its windows: mean time per unit; calls per unit of the first window that has the cell."""
    found: dict[Key, Cell] = {}
    for window in windows:
        for cell in window.cells:
            mean = float(np.mean([other.share.get(key(cell), 0.0) for other in windows])) / PS_PER_NS
            per_unit = replace(cell, ns=mean, calls=round(cell.calls / window.units, 6))
            found.setdefault(key(cell), per_unit)
    return tuple(found.values())
