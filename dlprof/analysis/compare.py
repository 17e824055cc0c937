"""Compare: timings and traces of two sides in, one model.Comparison out. Timings decide; traces only explain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa

from dlprof.analysis import columns
from dlprof.analysis.evidence import Evidence, Taken, each, on_one_basis, taken
from dlprof.analysis.explain import bridge, kernels, ledger, rows, tax
from dlprof.analysis.facts import NOTHING, Facts, ProfilingCost
from dlprof.analysis.model import Comparison, Explained, Gate, ItemResult, Ratio, Side
from dlprof.analysis.same_work import after, parity, traced_work
from dlprof.analysis.timing import design, gates, verdicts
from dlprof.analysis.timing.beside import Beside
from dlprof.analysis.trace import periodicity, steps
from dlprof.names import RUNTIME_THREADS, SIDES, STEPS_FOUND
from dlprof.units import format_ns

SINGLE_RUN: Final = (
    "one run against one run decides nothing: identical configurations differ between runs by 20–30 %; "
    "`dlprof compare` runs enough trials for an interval"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was measured of both sides, beside their traces.

    workload: its name
    timings: schema.TIMINGS
    parity: differences in the work, found before the timing or after
    margin: below which a difference is negligible (0.05 = 5 %)
    adaptive: whether the ratios decided when to stop
    sides: how many sides the comparison has, these two among them
    warnings: of what was done, in words
    facts: those that no table holds
    gate: the slow-down of B that a gate allows; None where none was asked for
    others: what the trials told beside their timed items; limits: those of them that the gate judges, and what it allows
    """

    workload: str
    timings: pa.Table
    parity: Sequence[Mapping[str, str]] = ()
    margin: float = 0.05
    adaptive: bool = False
    sides: int = 2
    warnings: Sequence[str] = ()
    facts: Facts = NOTHING
    gate: float | None = None
    others: Mapping[str, Beside] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)


def build(a: Evidence, b: Evidence, measured: Measured) -> Comparison:
    """Everything a comparison found: verdicts from the timings, rows and explanations from the traces.

    A blocking parity difference makes every verdict not_comparable: sides that did different work are not compared. One
    that names an `item` concerns that item alone; it comes after those that were compared.
    profiling_overhead per side = traced step ÷ untraced step − 1, medians; facts.profiling says of what.
    """
    left, right = on_one_basis(taken(a), taken(b))
    explained = _explained(left, right)
    timings = measured.timings
    items = verdicts.items(
        timings, left.side, right.side, margin=measured.margin, adaptive=measured.adaptive, sides=measured.sides
    )
    items = _judged(items, parity.blocking(measured.parity), left.side, right.side)
    items = _with_allowed(items, [one for one in measured.parity if one.get("allowed") == "yes"])
    profiling: dict[str, ProfilingCost] = {
        side: _profiling(evidence, timings, side) for side, evidence in zip(SIDES, (left, right), strict=True)
    }
    notes = [*measured.warnings, *left.warnings, *right.warnings, *_trace_warnings(left, right)]
    notes += [parity.statement(finding) for finding in (*design.check(timings), *_same_work(left, right))]
    explanation = _explanation(left, right, _untraced_steps(left, right, timings))
    crossing = bridge.build(timings, _windows(left, right, explanation)) if explanation else None
    if explanation and crossing is None:
        notes += tax.limits(explanation.ledger, {side: value.cost_ns for side, value in profiling.items()})
    return Comparison(
        workload=measured.workload,
        a=left.side,
        b=right.side,
        items=items,
        rows=rows.build(*each(left, right, "cells"), _units(explained)),
        kernels=kernels.build(*each(left, right, "kernels"), _units(explained)),
        explained=explained,
        profiling_overhead={side: value.overhead for side, value in profiling.items()},
        parity=tuple(measured.parity),
        warnings=tuple(dict.fromkeys(notes)),
        anomalies=_anomalies(left, right),
        facts=replace(measured.facts, profiling=profiling),
        ledger=bridge.spread(explanation.ledger, crossing) if explanation else None,
        alignment=explanation.alignment if explanation else None,
        gate=None if measured.gate is None else _gate(measured, items, measured.gate),
    )


def _gate(measured: Measured, items: Sequence[ItemResult], allowed: float) -> Gate:
    """Work that was found to be unequal only after it was timed refuses the whole gate: it was measured for nothing."""
    refused = bool(parity.blocking(after.found_late(measured.parity)))
    return gates.of(
        measured.timings,
        items,
        allowed,
        adaptive=measured.adaptive,
        sides=measured.sides,
        refused=refused,
        others=measured.others,
        limits=measured.limits,
    )


def diff(a: Evidence, b: Evidence, *, workload: str = "") -> Comparison:
    """Two recordings side by side: an estimate with a warning, never a verdict and never an interval.

    The ratio is that of the median step where both traces mark steps, else that of the busy time (union of all work), and
    `sentence` says which. Recordings of different workloads are not comparable: each side's operators are still counted up, but
    nothing of one is set against anything of the other.
    """
    left, right = on_one_basis(taken(a), taken(b))
    explained = _explained(left, right)
    item = _single(left, right, explained)
    differences = traced_work.workloads(left.workload, right.workload)
    other = traced_work.other_workload(left.workload, right.workload)
    if other is not None:
        item = _unlike(item, other)
    else:
        differences = (*_same_work(left, right), *differences)
    explanation = None if other else _explanation(left, right, None)
    found = [parity.statement(difference) for difference in differences]
    warned = [*left.warnings, *right.warnings, *_workless(left, right), *_trace_warnings(left, right)]
    notes = [*([] if other else [SINGLE_RUN]), *warned, *found]
    return Comparison(
        workload=workload,
        a=left.side,
        b=right.side,
        items=(item,),
        rows=rows.build(*each(left, right, "cells"), _units(explained)),
        kernels=() if other else kernels.build(*each(left, right, "kernels"), _units(explained)),
        explained=explained,
        profiling_overhead=dict.fromkeys(SIDES),
        parity=differences,
        warnings=tuple(dict.fromkeys(notes)),
        anomalies=_anomalies(left, right),
        ledger=explanation.ledger if explanation else None,
        alignment=explanation.alignment if explanation else None,
    )


def explain(a: Evidence, b: Evidence) -> ledger.Explanation | None:
    """The ledger of the traces alone with its windows; None where a side has no trace with work in it."""
    return _explanation(*on_one_basis(taken(a), taken(b)), None)


def _explanation(a: Taken, b: Taken, untraced_ns: tuple[float, float] | None) -> ledger.Explanation | None:
    """The ledger, where both sides have a trace with work in it."""
    of_a, of_b = ([one.split for one in side.windows if one.split is not None] for side in (a, b))
    if not of_a or not of_b or len(of_a) + len(of_b) < len(a.windows) + len(b.windows):
        return None
    by_step = all(one.steps for side in (a, b) for one in side.windows)
    threads = [_threads(e.runtime) for e in (a, b)]
    contrasts = {}
    if threads[0] and threads[1] and threads[0] != threads[1]:
        contrasts["threads"] = (threads[0], threads[1])
    return ledger.of_windows(of_a, of_b, by_step, untraced_ns=untraced_ns, contrasts=contrasts)


def _windows(a: Evidence, b: Evidence, found: ledger.Explanation) -> dict[int, bridge.Window]:
    """Trial → what its traced windows say, of the trials whose two sides were both traced."""
    windows = {}
    for at, (trial, other) in enumerate(zip(a.trials, b.trials, strict=False)):
        if trial is not None and trial == other:
            beside = [float(np.mean(e.untraced[at])) if len(e.untraced[at]) else None for e in (a, b)]
            windows[trial] = bridge.Window(
                walls=(found.walls[0][at], found.walls[1][at]),
                beside=None if beside[0] is None or beside[1] is None else (beside[0], beside[1]),
                unexplained=(found.unexplained[0][at], found.unexplained[1][at]),
            )
    return windows


def _same_work(a: Taken, b: Taken) -> tuple[traced_work.Finding, ...]:
    """What the first traced window of each side shows of differences in the work, and what the sides say of their runs.

    A window without waits is named once: by its events, which say how much work lies outside the steps, where they do.
    """
    if not (a.first and b.first):
        return ()
    shown = traced_work.traces(a.first[0], b.first[0])
    seen = {(finding["what"], finding["where"]) for finding in shown}
    said = traced_work.sides(a.side, b.side, a.stated, b.stated)
    return (*shown, *(finding for finding in said if (finding["what"], finding["where"]) not in seen))


def _threads(runtime: Mapping[str, object]) -> str | None:
    """Threads that an operator may use, as each framework's child names them."""
    found = (runtime.get(name) for name in RUNTIME_THREADS)
    return next((str(value) for value in found if value), None)


def _untraced_steps(a: Evidence, b: Evidence, timings: pa.Table) -> tuple[float, float] | None:
    """Mean untraced time of a synchronised step on both sides, ns: the like of the traced walls, which are means too.

    From the trials where they have it: many processes a side, in turns, as the verdict. Else from the steps beside the traced
    windows, which are of one process or a few.
    """
    found = [_untraced(timings, "train_step_sync", side, np.mean) for side in SIDES]
    if found[0] is not None and found[1] is not None:
        return found[0], found[1]
    if all(e.untraced and all(len(times) for times in e.untraced) for e in (a, b)):
        means = [float(np.mean([np.mean(times) for times in e.untraced])) for e in (a, b)]
        return means[0], means[1]
    return None


def _workless(a: Taken, b: Taken) -> list[str]:
    """What is said of marked steps that the median step leaves out."""
    told = []
    for side in (a, b):
        marked, none = (sum(count(one).num_rows for one in side.first) for count in (steps.table, steps.workless))
        if 0 < none < marked:
            told.append(
                f"{side.side.label}: no work ran in {none} of {marked} marked steps; the median step leaves them out"
            )
    return told


def _single(a: Taken, b: Taken, explained: Mapping[str, Explained]) -> ItemResult:
    medians = [steps.step_median_ns(e.first[0]) if e.first else None for e in (a, b)]
    basis, item = "median traced step", "step"
    if None in medians:
        basis, item = "busy time of the whole trace (not both sides mark steps)", "busy"
        medians = [explained[side].busy_ns if side in explained else None for side in SIDES]
    a_ns, b_ns = medians
    if not a_ns or not b_ns:
        text = f"{b.side.label} against {a.side.label}: nothing to compare, a trace holds no executed work"
        return ItemResult(item, "inconclusive", None, a_ns, b_ns, text)
    ratio = Ratio(b_ns / a_ns, None, None, 0.0, 1, basis)
    text = (
        f"{b.side.label} against {a.side.label}: {ratio.estimate:.3g}× the time by {basis} "
        f"({format_ns(b_ns)} against {format_ns(a_ns)}); one run each, so no verdict"
    )
    return ItemResult(item, "inconclusive", ratio, a_ns, b_ns, text, warnings=(SINGLE_RUN,))


def _unlike(item: ItemResult, names: tuple[str, str]) -> ItemResult:
    """The item of two recordings of different workloads: their times, but no ratio of them."""
    text = f"not comparable: A is {names[0]}, B is {names[1]}"
    return replace(item, verdict="not_comparable", ratio=None, sentence=text, warnings=())


def _judged(
    items: tuple[ItemResult, ...], blocks: Sequence[Mapping[str, str]], a: Side, b: Side
) -> tuple[ItemResult, ...]:
    """The verdicts with those refused that parity forbids: all of them, or single items (timed or not) at the end."""
    general = [block for block in blocks if "item" not in block]
    if general:
        return tuple(_refused(item, general) for item in items) or (_nothing_timed(a, b, general),)
    of_item: dict[str, list[Mapping[str, str]]] = {}
    for block in blocks:
        of_item.setdefault(block["item"], []).append(block)
    timed = {item.item: item for item in items}
    empty = (ItemResult(name, "not_comparable", None, None, None, "") for name in of_item if name not in timed)
    refused = [_refused(item, of_item[item.item]) for item in (*items, *empty) if item.item in of_item]
    return (*(item for item in items if item.item not in of_item), *refused)


def _with_allowed(items: tuple[ItemResult, ...], allowed: Sequence[Mapping[str, str]]) -> tuple[ItemResult, ...]:
    """The verdicts with the differences that the user allowed by name, which make the work of a step another one."""
    if not allowed:
        return items
    said = "; ".join(parity.statement(one) for one in allowed)
    return tuple(
        replace(item, sentence=f"{item.sentence.rstrip('.')}; not the same work, as was allowed: {said}.")
        for item in items
    )


def _refused(item: ItemResult, blocks: Sequence[Mapping[str, str]]) -> ItemResult:
    why = "; ".join(parity.statement(block) for block in blocks[:3])
    return ItemResult(
        item.item,
        "not_comparable",
        item.ratio,
        item.a_median_ns,
        item.b_median_ns,
        f"not comparable: the two sides did different work ({why})",
        warnings=item.warnings,
    )


def _nothing_timed(a: Side, b: Side, blocks: Sequence[Mapping[str, str]]) -> ItemResult:
    empty = ItemResult(verdicts.HEADLINES[0], "not_comparable", None, None, None, f"{b.label} against {a.label}")
    return _refused(empty, blocks)


def _units(explained: Mapping[str, Explained]) -> tuple[int, int]:
    """What each side's sums are divided by: its steps where both mark some (on_one_basis), else 1."""
    a, b = (part.steps if (part := explained.get(side)) else 0 for side in SIDES)
    return (a, b) if a and b else (1, 1)


def _explained(a: Taken, b: Taken) -> dict[str, Explained]:
    return {side: steps.explained(e.first[0]) for side, e in zip(SIDES, (a, b), strict=True) if e.first}


def _profiling(evidence: Taken, timings: pa.Table, side: str) -> ProfilingCost:
    """What tracing cost a step, and against what: untraced steps of the same process beside the window, else the
    trials.

    The machine drifts by more than profiling costs within minutes, so the trials' steps are a poor second; then
    train_step_sync is the like of a traced step, for the exact fidelity waits after each. Steps in which no work ran count on
    both sides, for the untraced ones cannot be told apart.
    """
    traced = [window.median_ns for window in evidence.windows if window.median_ns is not None]
    beside = [float(np.median(times)) for times in evidence.untraced if len(times)]
    if traced and len(beside) == len(traced):
        cost = float(np.median(np.array(traced) / np.array(beside))) - 1
        untraced, against = float(np.median(beside)), "synchronised steps of the same process beside the window"
    else:
        found = ((item, _untraced(timings, item, side)) for item in ("train_step_sync", "train_block"))
        against, trial_ns = next(((item, ns) for item, ns in found if ns), ("", None))
        if not traced or trial_ns is None:
            return ProfilingCost()
        untraced = trial_ns
        cost = float(np.median(traced)) / untraced - 1
    return ProfilingCost(cost, float(np.median(traced)), untraced, against)


def _untraced(timings: pa.Table, item: str, side: str, average: Callable[..., Any] = np.median) -> float | None:
    """Median (or mean) over the kept timed iterations of one unit of work, ns."""
    rows_ = columns.text(timings, "item").where(item) & columns.text(timings, "side").where(side)
    rows_ &= columns.text(timings, "stage").where("timed") & timings.column("kept").to_numpy()
    if not rows_.any():
        return None
    unit_ns = columns.integers(timings, "wall_ns")[rows_] / columns.integers(timings, "units")[rows_]
    return float(average(unit_ns))


def _trace_warnings(a: Taken, b: Taken) -> list[str]:
    found = []
    counts = [e.windows[0].steps if e.windows else 0 for e in (a, b)]
    if a.windows and b.windows and counts[0] != counts[1]:
        found.append(f"the traces hold {counts[0]} steps (A) and {counts[1]} (B): compare times per step, not totals")
    for name, evidence in (("A", a), ("B", b)):
        differing = rows.differing_counts([window.cells for window in evidence.windows])
        if differing:
            more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
            found.append(f"{name}'s traced windows disagree in counts: {'; '.join(differing[:3])}{more}")
        if STEPS_FOUND in evidence.runtime and evidence.first:
            checked = periodicity.of(evidence.first[0])
            found += [f"{name}: {checked.statement}"] if checked and checked.statement else []
    return found


def _anomalies(a: Evidence, b: Evidence) -> dict[str, int]:
    """Counters of both sides, each under its side's letter."""
    return {
        f"{side}.{name}": count
        for side, e in zip(SIDES, (a, b), strict=True)
        for name, count in sorted(e.anomalies.items())
    }
