"""What the original study's way of measuring says of its timings; every part of it is labelled unsound."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import pyarrow as pa

from dlprof.analysis import columns
from dlprof.analysis.facts import Facts
from dlprof.analysis.model import Comparison, ItemResult, Ratio, Side
from dlprof.analysis.same_work import parity
from dlprof.analysis.timing import design
from dlprof.api.findings import stored
from dlprof.names import SIDES
from dlprof.store import Capture

UNSOUND: Final = (
    "UNSOUND METHOD (as published): CPU seconds of all threads instead of elapsed time, no wait for MXNet's asynchronous "
    "engine, MXNet always first, one process. MXNet is charged for queueing its work, which then runs in TensorFlow's "
    "time. It reproduces an old conclusion and decides nothing"
)
METHOD: Final = (
    "UNSOUND, as published: process_time, no synchronisation, MXNet first, one process; median of repetitions"
)


def build(*, workload: str, a: Side, b: Side, timings: pa.Table, facts: Facts) -> Comparison:
    """The ratios of that method, CPU time of B ÷ A an item, never with an interval and never with a verdict.

    timings: schema.TIMINGS of one trial, rounds being repetitions. A (TensorFlow) and B (MXNet) as everywhere.
    """
    item = columns.text(timings, "item")
    items = tuple(_item(name, timings.filter(pa.array(item.where(name))), a, b) for name in item.values)
    design_faults = [parity.statement(finding) for finding in design.check(timings)]
    return Comparison(
        workload=workload,
        a=a,
        b=b,
        items=items,
        rows=(),
        explained={},
        profiling_overhead=dict.fromkeys(SIDES),
        parity=(),
        warnings=(UNSOUND, *design_faults),
        anomalies={},
        facts=replace(facts, method="as-published", unsound=UNSOUND, summary=_summary(items, a, b)),
    )


def found(capture: Capture) -> Comparison:
    """What a kept directory says, computed anew from its timings."""
    held = stored.read(capture)
    return build(workload=held.workload, a=held.a, b=held.b, timings=capture.timings(), facts=held.facts)


def _item(name: str, rows: pa.Table, a: Side, b: Side) -> ItemResult:
    unit_ns = columns.integers(rows, "cpu_ns") / np.maximum(columns.integers(rows, "units"), 1)
    is_b = columns.text(rows, "side").where("b")
    a_ns, b_ns = (float(np.median(unit_ns[mask])) for mask in (~is_b, is_b))
    if a_ns <= 0 or b_ns <= 0:
        text = f"UNSOUND, as published: {name} took no CPU time that the clock could see"
        return ItemResult(name, "inconclusive", None, a_ns, b_ns, text)
    ratio = Ratio(b_ns / a_ns, None, None, 0.0, 1, METHOD)
    text = (
        f"UNSOUND, as published: {a.label} seems to take {a_ns / b_ns:.3g} times the CPU seconds of {b.label} for {name}; "
        "no verdict"
    )
    return ItemResult(name, "inconclusive", ratio, a_ns, b_ns, text)


def _summary(items: tuple[ItemResult, ...], a: Side, b: Side) -> str:
    ratios = [1 / item.ratio.estimate for item in items if item.ratio is not None]
    if not ratios:
        return UNSOUND
    span = f"{min(ratios):.3g}" if len(ratios) == 1 else f"{min(ratios):.3g} to {max(ratios):.3g}"
    return f"{UNSOUND}. By it {a.label} seems to take {span} times as long as {b.label}"
