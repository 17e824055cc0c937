"""What is found in one trace, as frozen values: a breakdown, a view beyond it, how whole the trace is.

Apart from `model`, whose other values need a comparison's: showing a trace starts without them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Explained:
    """How much of the traced steps' wall time the events cover (union of intervals), per side, as a fraction.

    steps: 0 where the whole trace stands for the steps
    outside_ns: work (self time) that belongs to no step, and so to no figure per step; 0 where the whole trace is
        taken
    """

    steps: int
    wall_ns: float
    busy_ns: float
    fraction: float
    outside_ns: float = 0.0


@dataclass(frozen=True, slots=True)
class Completeness:
    """What a trace says of its own completeness: expected against seen per op and step, caps hit, unmatched, drops."""

    complete: bool | None
    statement: str
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class View:
    """One table of `dlprof show`.

    keys: names of the columns that its rows are grouped by
    table: these columns and count, total_ns, self_ns, …
    outside: the work that belongs to no step: by step it stands in no row, by other keys in the rows, of whose times
    wall_ns alone is that within steps; None by other keys where the trace marks no step
    where: work (executed work) or host (what the host's threads did)
    elsewhere: what stands on the other of these sides
    empty: why there is no row, or None
    workless: by step, the marked steps in which no work ran, which have no row: how many, and their wall time
    """

    by: str
    keys: tuple[str, ...]
    table: pa.Table
    anomalies: Mapping[str, int]
    completeness: Completeness
    outside: Outside | None = None
    where: Literal["work", "host"] = "work"
    elsewhere: Outside | None = None
    empty: str | None = None
    workless: Workless | None = None


@dataclass(frozen=True, slots=True)
class Workless:
    """Marked steps in which no work ran: their number and wall time. They are in no median of steps."""

    count: int
    wall_ns: float


@dataclass(frozen=True, slots=True)
class Outside:
    """Recorded work that a view leaves out: executions and their self time."""

    count: int
    self_ns: float


@dataclass(frozen=True, slots=True)
class Detail:
    """One view of `dlprof show --view`.

    tables: by title; units are in the columns' names
    empty: why all of them are empty, or None
    """

    view: str
    tables: Mapping[str, pa.Table]
    empty: str | None = None
