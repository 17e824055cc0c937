"""Exhibits: the numbers behind each figure of the report; tables in, frozen values out, nothing drawn."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from dlprof import stats
from dlprof.analysis import columns, step_timeline
from dlprof.analysis.columns import Floats
from dlprof.analysis.model import Comparison, Ratio
from dlprof.analysis.step_timeline import Timeline
from dlprof.analysis.timing import lockstep
from dlprof.analysis.trace import memory as trace_memory
from dlprof.analysis.trace import places, steps
from dlprof.names import Item
from dlprof.protocol import Epoch
from dlprof.units import PS_PER_NS


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
        timelines=tuple(
            line for side, table in events.items() if (line := step_timeline.build(side, table)) is not None
        ),
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
    """None unless each size is another (not 1 and 1.0) and was measured in the same trials, as stats.crossover needs."""
    known = [trials_ for trials_ in per_trial if trials_ is not None]
    if not len(known) == len(sizes) == len(set(sizes)) or len({trials_.trials for trials_ in known}) != 1:
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
