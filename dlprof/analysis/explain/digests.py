"""What a comparison takes of each traced window, one after another: the event tables of many trials would fill the memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from dlprof.analysis.explain import kernels, rows, windows
from dlprof.analysis.explain.windows import Window
from dlprof.analysis.trace import layers, places, steps
from dlprof.workload_shape import Layer


@dataclass(frozen=True, slots=True)
class Digest:
    """One window.

    steps: those that it marks
    median_ns: median wall time of a marked step, None where it marks none
    cells, kernels: its work, its kernels
    split: its time in parts, None where it holds no work
    anomalies: what could not be given a layer
    """

    steps: int
    median_ns: float | None
    cells: Mapping[rows.Key, rows.Cell]
    kernels: kernels.Found
    split: Window | None
    anomalies: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Digests:
    """Of one side. first: the events of its first window, layers and phases filled in; none without a window."""

    first: Sequence[pa.Table] = ()
    windows: Sequence[Digest] = ()


def of(tables: Sequence[pa.Table], known: Sequence[Layer], *, unmarked: bool = False, whole: bool = False) -> Digests:
    """Each table (schema.EVENTS) is let go before the next one is asked for, but for the first.

    known: the workload's layers. unmarked: as if no steps were marked. whole: times are split as of the whole window, not of
    a step
    """
    first: list[pa.Table] = []
    found: list[Digest] = []
    for at in range(len(tables)):  # an iterator would hold the one before
        assigned = layers.assign(places.apart(tables[at]), known)
        events = steps.unmarked(assigned.events) if unmarked else assigned.events
        found.append(_digest(events, assigned.anomalies, whole))
        first = first or [events]
        del assigned, events
    return Digests(first, found)


def _digest(events: pa.Table, anomalies: Mapping[str, int], whole: bool) -> Digest:
    marked = steps.table(events).num_rows
    return Digest(
        steps=marked,
        median_ns=steps.step_median_ns(events, every=True),
        cells=rows.side_cells(events),
        kernels=kernels.of_window(events),
        split=windows.split(events, bool(marked) and not whole) if steps.span(events).length else None,
        anomalies=anomalies,
    )
