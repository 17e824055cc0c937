"""Kernels of two traces side by side: which B added, which are gone, which it runs more or less often, and their time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from dlprof.analysis import columns
from dlprof.analysis.columns import NULL
from dlprof.analysis.model import KernelChange, KernelRow
from dlprof.analysis.trace import row_keys, steps
from dlprof.units import PS_PER_NS

Found = Mapping[str, tuple[float, float, tuple[str, ...]]]
"""Kernel → time (ns) and executions of one unit, and the operators it ran for."""


def build(a: Sequence[Found], b: Sequence[Found], units: tuple[int, int] = (1, 1)) -> tuple[KernelRow, ...]:
    """Kernels and copies of devices by name (`of_window` of each traced window), largest difference of time first; empty where
    neither side has any.

    Of the steps where both sides have some, else of the whole traces; units: steps of a window, or 1. Times and counts are
    those of one unit, means over a side's windows. A name is compared as recorded: another template argument is another
    kernel.
    """
    left, right = _side(a, units[0]), _side(b, units[1])
    none = (0.0, 0.0, ())
    rows = []
    for name in dict.fromkeys((*left, *right)):
        a_ns, a_count, a_ops = left.get(name, none)
        b_ns, b_count, b_ops = right.get(name, none)
        ops = tuple(dict.fromkeys((*a_ops, *b_ops)))
        rows.append(KernelRow(name, _change(a_count, b_count), ops, a_ns, b_ns, b_ns - a_ns, a_count, b_count))
    return tuple(sorted(rows, key=lambda row: (-abs(row.delta_ns), row.kernel)))


def _change(a_count: float, b_count: float) -> KernelChange:
    if not a_count:
        return "added"
    if not b_count:
        return "gone"
    return "more" if b_count > a_count else "less" if b_count < a_count else "same"


def _side(windows: Sequence[Found], units: int) -> Found:
    total: dict[str, tuple[float, float, tuple[str, ...]]] = {}
    for found in windows:
        for name, (ns, count, ops) in found.items():
            before = total.get(name, (0.0, 0.0, ()))
            total[name] = (before[0] + ns, before[1] + count, tuple(dict.fromkeys((*before[2], *ops))))
    share = max(len(windows), 1) * units
    return {name: (ns / share, count / share, ops) for name, (ns, count, ops) in total.items()}


def of_window(events: pa.Table) -> Found:
    """The kernels of one traced window; empty where it has none."""
    level = columns.text(events, "level")
    if not level.where("kernel").any():
        return {}
    mask = steps.work(events) & ~steps.outside(events)
    work = events.filter(pa.array(mask))
    kernel, name = columns.text(work, "kernel"), columns.text(work, "name")
    op = row_keys.key(events, mask, "op")
    groups = columns.group([kernel.codes, name.codes, op.codes])
    ns = groups.sum(columns.integers(work, "duration_ps")) / PS_PER_NS
    count = groups.sum(columns.integers(work, "occurrences"))
    found: dict[str, tuple[float, float, tuple[str, ...]]] = {}
    for index, at in enumerate(groups.first.tolist()):  # one entry per distinct kernel and operator, not per event
        own = kernel.values[kernel.codes[at]] if kernel.codes[at] != NULL else name.values[name.codes[at]]
        ops = (op.values[op.codes[at]],) if op.codes[at] != NULL else ()
        before = found.get(own, (0.0, 0.0, ()))
        found[own] = (before[0] + float(ns[index]), before[1] + int(count[index]), (*before[2], *ops))
    return found
