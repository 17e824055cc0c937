"""Exhibits: the numbers behind each figure of the report; tables in, frozen values out, nothing drawn."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from dlprof import stats
from dlprof.analysis import columns
from dlprof.analysis.columns import Bools, Floats
from dlprof.analysis.model import Comparison, Ratio
from dlprof.analysis.timing import lockstep
from dlprof.analysis.trace import breakdown, places, steps
from dlprof.analysis.trace import memory as trace_memory
from dlprof.names import Item
from dlprof.protocol import Epoch
from dlprof.units import PS_PER_NS

TIMELINE_EVENTS: Final = 2000
"""Most events that a timeline keeps, the longest first; more cannot be told apart on a page, and the rest is counted."""


@dataclass(frozen=True, slots=True)
class Trials:
    """Each trial's ratio (time of B ÷ time of A) of one item, in the order of the trials; NaN where a trial has none."""

    item: str
    trials: tuple[int, ...]
    ratios: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class StepTimes:
    """Times of one unit of work, ns: untraced (kept iterations of the item, profiler off) and traced steps."""

    side: str
    item: str
    untraced_ns: tuple[float, ...]
    traced_ns: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """One executed event of a timeline, drawn as a bar.

    start_ns: from the start of the step
    row: number of its track, from 0
    """

    name: str
    op: str
    phase: str | None
    layer: str | None
    start_ns: float
    duration_ns: float
    row: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """The events of one step, that whose wall time is nearest to the median.

    rows: names of the tracks
    left_out: how many shorter events are not kept
    """

    side: str
    step: int
    wall_ns: float
    rows: tuple[str, ...]
    bars: tuple[Bar, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class Epochs:
    """What training reached on one side, epoch by epoch; None where it was not measured."""

    side: str
    epochs: tuple[int, ...]
    train_loss: tuple[float | None, ...]
    validation_accuracy: tuple[float | None, ...]
    test_accuracy: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Sweep:
    """One operator over sizes: ratios with intervals, medians, and where the faster side changes (None: not shown)."""

    stem: str
    key: str
    sizes: tuple[float, ...]
    ratios: tuple[Ratio | None, ...]
    a_ns: tuple[float | None, ...]
    b_ns: tuple[float | None, ...]
    crossover: stats.Crossover | None


@dataclass(frozen=True, slots=True)
class Memory:
    """One recorded counter: times in ns from the first sample of the side, and its values as the producer wrote them."""

    side: str
    name: str
    time_ns: tuple[float, ...]
    value: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Exhibits:
    """All that the figures of a report show; empty where there is nothing to show."""

    trials: tuple[Trials, ...] = ()
    step_times: tuple[StepTimes, ...] = ()
    timelines: tuple[Timeline, ...] = ()
    epochs: tuple[Epochs, ...] = ()
    sweeps: tuple[Sweep, ...] = ()
    memory: tuple[Memory, ...] = ()


def build(
    found: Comparison | None,
    timings: pa.Table | None,
    events: Mapping[str, pa.Table],
    epochs: Mapping[str, Sequence[Epoch]],
) -> Exhibits:
    """Exhibits of a comparison, or of one capture (found None, one entry in `events`).

    timings: schema.TIMINGS. events: side (a, b) → events of one traced window (schema.EVENTS). epochs: side → the
    child's epochs. Where the comparison is of whole traces, no figure is of a side's steps.
    """
    events = {side: places.apart(table) for side, table in events.items()}
    if found is not None and found.basis == "trace":
        events = {side: steps.unmarked(table) for side, table in events.items()}
    item = found.items[0].item if found is not None and found.items else None
    per_trial = trials(timings) if timings is not None else ()
    return Exhibits(
        trials=per_trial,
        step_times=tuple(
            t for side, table in events.items() if (t := _step_times(side, item, timings, table)) is not None
        ),
        timelines=tuple(line for side, table in events.items() if (line := timeline(side, table)) is not None),
        epochs=tuple(_epochs(side, rows) for side, rows in epochs.items() if rows),
        sweeps=sweeps(found, per_trial) if found is not None else (),
        memory=tuple(m for side, table in events.items() for m in memory(side, table)),
    )


def trials(timings: pa.Table) -> tuple[Trials, ...]:
    """Each timed item's ratio per trial, by the estimator that the verdict rests on (stats.trial_ratios)."""
    return tuple(
        Trials(name, tuple(found), tuple(math.exp(trial.log_ratio) for trial in found.values()))
        for name, found in lockstep.by_item(timings).items()
    )


def _step_times(side: str, item: str | None, timings: pa.Table | None, events: pa.Table) -> StepTimes | None:
    untraced: list[float] = []
    if timings is not None and item is not None:
        rows = columns.text(timings, "item").where(item) & columns.text(timings, "side").where(side)
        rows &= columns.text(timings, "stage").where("timed") & timings.column("kept").to_numpy()
        untraced = (columns.integers(timings, "wall_ns")[rows] / columns.integers(timings, "units")[rows]).tolist()
    traced = np.asarray(steps.table(events)["wall_ns"].to_numpy(), dtype=np.float64).tolist()
    return StepTimes(side, item or "step", tuple(untraced), tuple(traced)) if untraced or traced else None


def timeline(side: str, events: pa.Table) -> Timeline | None:
    """The representative step's executed work; None without synchronised steps."""
    table = steps.table(events)
    if not table.num_rows:
        return None
    wall = np.asarray(table["wall_ns"].to_numpy(), dtype=np.float64)
    chosen = int(np.argsort(np.abs(wall - np.median(wall)), kind="stable")[0])
    low, high = columns.integers(table, "start_ps")[chosen], columns.integers(table, "end_ps")[chosen]
    times = steps.Times.of(events)
    inside = steps.work(events) & (times.start >= low) & (times.end <= high) & (times.end > times.start)
    kept, left_out = _longest(inside, times.end - times.start)
    bars, rows = _bars(events, kept, int(low))
    return Timeline(side, columns.integers(table, "step")[chosen].item(), float(wall[chosen]), rows, bars, left_out)


def _longest(mask: Bools, length: columns.Ints) -> tuple[Bools, int]:
    rows = np.flatnonzero(mask)
    if len(rows) <= TIMELINE_EVENTS:
        return mask, 0
    longest = rows[np.argsort(-length[rows], kind="stable")[:TIMELINE_EVENTS]]
    kept = np.zeros_like(mask)
    kept[longest] = True
    return kept, len(rows) - TIMELINE_EVENTS


def _bars(events: pa.Table, kept: Bools, origin_ps: int) -> tuple[tuple[Bar, ...], tuple[str, ...]]:
    """The kept rows as bars; a kernel has the operator, phase and layer of what launched it."""
    names = ("name", "device", "stream", "track", "start_ps", "duration_ps")
    shown = events.filter(pa.array(kept)).select(list(names))
    for name in ("op", "phase", "layer"):
        key = breakdown.key(events, kept, name)
        shown = shown.append_column(name, pa.array(key.decode(key.codes), pa.string()))
    records = shown.sort_by("start_ps").to_pylist()
    rows: dict[int, str] = {}
    for record in sorted(records, key=lambda r: (r["device"], r["track"])):
        rows.setdefault(record["track"], f"{record['device']} · {record['stream']}")
    place = {track: row for row, track in enumerate(rows)}
    bars = tuple(
        Bar(
            name=record["name"],
            op=record["op"] or record["name"],
            phase=record["phase"],
            layer=record["layer"],
            start_ns=(record["start_ps"] - origin_ps) / PS_PER_NS,
            duration_ns=record["duration_ps"] / PS_PER_NS,
            row=place[record["track"]],
        )
        for record in records
    )
    return bars, tuple(rows.values())


def _epochs(side: str, trained: Sequence[Epoch]) -> Epochs:
    return Epochs(
        side=side,
        epochs=tuple(one.epoch for one in trained),
        train_loss=tuple(one.train_loss for one in trained),
        validation_accuracy=tuple(one.validation_accuracy for one in trained),
        test_accuracy=tuple(one.test_accuracy for one in trained),
    )


def sweeps(found: Comparison, per_trial: Sequence[Trials]) -> tuple[Sweep, ...]:
    """Items that differ in their last number only (matmul[size=50], matmul[size=100], …), gathered and sorted by it.

    One size is no sweep.
    """
    groups: dict[tuple[str, str], list[tuple[float, int]]] = {}
    for at, item in enumerate(found.items):
        if sized := Item.parse(item.item).sweep:
            stem, key, value = sized
            groups.setdefault((stem, key), []).append((value, at))
    ratios = {trials_.item: trials_ for trials_ in per_trial}
    result = []
    for (stem, key), members in groups.items():
        if len(members) < 2:
            continue
        members.sort()
        items = [found.items[at] for _, at in members]
        result.append(
            Sweep(
                stem=stem,
                key=key,
                sizes=tuple(size for size, _ in members),
                ratios=tuple(item.ratio for item in items),
                a_ns=tuple(item.a_median_ns for item in items),
                b_ns=tuple(item.b_median_ns for item in items),
                crossover=_crossover([size for size, _ in members], [ratios.get(item.item) for item in items]),
            )
        )
    return tuple(result)


def _crossover(sizes: Sequence[float], per_trial: Sequence[Trials | None]) -> stats.Crossover | None:
    """None unless every size was measured in the same trials, as stats.crossover needs."""
    known = [trials_ for trials_ in per_trial if trials_ is not None]
    if len(known) != len(sizes) or len({trials_.trials for trials_ in known}) != 1:
        return None
    logs: Floats = np.log(np.array([trials_.ratios for trials_ in known], dtype=np.float64)).T
    return stats.crossover(sizes, logs)


def memory(side: str, events: pa.Table) -> tuple[Memory, ...]:
    """Recorded counters of memory (their name says so), each as a series in order of time; PyTorch's for each device apart."""
    of_devices = tuple(
        Memory(side, one.name, tuple(at - one.time_ns[0] for at in one.time_ns), tuple(map(float, one.bytes)))
        for one in trace_memory.instants(events)
    )
    return (*of_devices, *_counters(side, events))


def _counters(side: str, events: pa.Table) -> tuple[Memory, ...]:
    name = columns.text(events, "name")
    says = [
        value != trace_memory.INSTANT and re.search("memory|bytes", value.lower()) is not None for value in name.values
    ]
    is_memory = name.flags(says)
    rows = events.filter(pa.array(columns.text(events, "level").where("counter") & is_memory)).sort_by("start_ps")
    if not rows.num_rows:
        return ()
    text, start = columns.text(rows, "name"), columns.integers(rows, "start_ps")
    value = np.asarray(rows["value"].to_numpy(), dtype=np.float64)
    found = []
    for series in text.values:
        mine = text.where(series) & np.isfinite(value)
        time_ns = (start[mine] - start[0]) / PS_PER_NS
        found.append(Memory(side, series, tuple(time_ns.tolist()), tuple(value[mine].tolist())))
    return tuple(found)
