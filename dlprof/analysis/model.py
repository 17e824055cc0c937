"""The findings as frozen values: what `analysis` returns and `report` shows, in the terms of the JSON contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa

VerdictWord = Literal["faster", "slower", "equivalent", "negligible", "inconclusive", "not_comparable"]


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison. label: for people, such as `TensorFlow 2.21.0 (graph)`. capture: path or None."""

    framework: str
    version: str
    device: str
    mode: str
    python: str
    label: str
    capture: str | None = None
    manifest_digest: str | None = None


@dataclass(frozen=True, slots=True)
class Ratio:
    """Time of B ÷ time of A with its interval; below 1 means that B is faster. Null ends where there is no interval."""

    estimate: float
    low: float | None
    high: float | None
    confidence: float
    trials: int
    method: str


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the side-by-side breakdown. Times: ns summed over the traced steps (self time). None = side has
    no such row.

    count: canonical calls; events: recorded events (they differ where a framework splits one call).
    """

    op: str
    phase: str | None
    layer: str | None
    a_ns: float | None
    b_ns: float | None
    delta_ns: float | None
    a_count: int
    b_count: int
    a_events: int
    b_events: int
    low_ns: float | None = None
    high_ns: float | None = None
    q: float | None = None


@dataclass(frozen=True, slots=True)
class ItemResult:
    """The verdict on one timed item; median_*_ns: wall time of one unit of work (a training step, an op call)."""

    item: str
    verdict: VerdictWord
    ratio: Ratio | None
    a_median_ns: float | None
    b_median_ns: float | None
    sentence: str
    more_trials: int | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Explained:
    """How much of the traced steps' wall time the events cover (union of intervals), per side, as a fraction."""

    steps: int
    wall_ns: float
    busy_ns: float
    fraction: float


@dataclass(frozen=True, slots=True)
class Completeness:
    """What a trace says of its own completeness: expected against seen per op and step, caps hit, unmatched, drops."""

    complete: bool | None
    statement: str
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that `dlprof compare` and `dlprof diff` found. `items[0]` is the headline."""

    workload: str
    a: Side
    b: Side
    items: tuple[ItemResult, ...]
    rows: tuple[Row, ...]
    explained: Mapping[str, Explained]
    profiling_overhead: Mapping[str, float | None]
    parity: tuple[Mapping[str, str], ...]
    warnings: tuple[str, ...]
    anomalies: Mapping[str, int]
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class View:
    """One table of `dlprof show`: keys name the group columns; the table holds them and count, total_ns, self_ns, …"""

    by: str
    keys: tuple[str, ...]
    table: pa.Table
    anomalies: Mapping[str, int]
    completeness: Completeness
