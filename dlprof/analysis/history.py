"""A history of comparisons: what was kept of each, and how a figure went from revision to revision.

It tells when something changed, for people who look back. It is no gate: each of its points was measured at another time, and a
machine is 20 to 30 % faster or slower at another hour.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from dlprof import stats
from dlprof.stats.sample.location import t_bounds

Metric = Literal["ratio", "time"]
METRICS: Final[tuple[Metric, ...]] = ("ratio", "time")

_LARGEST_LOG: Final = 50.0
"""No side is e^50 times as fast as another; with it the ends of an interval of two trials are still numbers."""

_LEAST: Final = 1e-12
"""What is less was not measured: a figure of a side is in ns, s, bytes or joules."""

LogRatio = Annotated[float, msgspec.Meta(ge=-_LARGEST_LOG, le=_LARGEST_LOG)]
Amount = Annotated[float, msgspec.Meta(ge=0, le=2.0**62)]
Text = Annotated[str, msgspec.Meta(max_length=2_000)]
"""What others may have written in a kept file: longer ones are none of ours."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One item of a comparison, trial by trial; or, of a calibration, of a side against itself.

    log_ratios: ln(head ÷ base)
    base, head: median of each side; of a calibration none
    unit: of these
    """

    log_ratios: tuple[LogRatio, ...]
    base: tuple[Amount, ...] = ()
    head: tuple[Amount, ...] = ()
    unit: Text = "ns"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is kept of one comparison, or of one calibration.

    revision: what was measured (side B), a commit or whatever the user calls it
    title: the commit's, '' where none is known
    when: of the commit, else of the measurement; the order of a history (ISO 8601)
    measured: when it was measured
    base: side A and its revision, in words; of a calibration the side
    head: side B in words
    machine: in words; figures of two machines are not one history
    verdict, gate: of the comparison, '' without one
    items: the headline first
    """

    kind: Literal["comparison", "calibration"]
    revision: Text
    when: Text
    measured: Text
    base: Text
    head: Text
    machine: Text
    items: Annotated[dict[Text, Figures], msgspec.Meta(min_length=1)]
    title: Text = ""
    verdict: Text = ""
    gate: Text = ""
    dlprof_version: Text = ""


@dataclass(frozen=True, slots=True)
class Point:
    """A revision of a history. value: of the metric, with its 95 % interval; None where too few trials give none."""

    revision: str
    title: str
    when: str
    value: float
    low: float | None
    high: float | None
    trials: int
    gate: str


@dataclass(frozen=True, slots=True)
class Step:
    """A change of level.

    at: position of the first point after it; several points may be of one revision
    revision, before: of the first after it and the last before it
    ratio: level after ÷ level before, with its 95 % interval; p: of no change
    """

    at: int
    revision: str
    before: str
    ratio: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, slots=True)
class History:
    """How one figure went.

    metric: ratio, head ÷ base; or time, the head's own figure
    unit: '' of a ratio
    base: what the ratios are to; '' of times
    points: oldest first
    steps: changes of level among them
    notes: what is left out, and what a reader must know
    """

    name: str
    item: str
    metric: Metric
    unit: str
    base: str
    machine: str
    points: tuple[Point, ...]
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = field(default=())


def of(name: str, entries: Sequence[Entry], *, item: str | None = None, metric: Metric = "ratio") -> History:
    """The history of one item: of the newest comparison's machine, and for ratios of its base. Raises `ValueError` where there is
    no comparison, or none with this item."""
    made = sorted((one for one in entries if one.kind == "comparison"), key=lambda one: (one.when, one.measured))
    if not made:
        raise ValueError(f"{name}: no comparison is kept")
    item = item or next(iter(made[-1].items))
    having = [one for one in made if item in one.items]
    if not having:
        known = ", ".join(dict.fromkeys(known for one in made for known in one.items))
        raise ValueError(f"{name}: no item {item}; it has {known}")
    newest, notes = having[-1], list[str]()
    if len(having) < len(made):
        notes.append(f"{_several(len(made) - len(having))} without {item}: left out")
    chosen = [one for one in having if one.machine == newest.machine]
    if len(chosen) < len(having):
        notes.append(f"{_several(len(having) - len(chosen))} of another machine: left out")
    if metric == "ratio":
        of_base = [one for one in chosen if one.base == newest.base]
        if len(of_base) < len(chosen):
            notes.append(
                f"{_several(len(chosen) - len(of_base))} against another base: left out (--metric time shows all, with what "
                "the machine did from day to day)"
            )
        chosen = of_base
    else:
        notes.append(
            "times of different hours: the machine itself is 20 to 30 % faster or slower from one to the other"
        )
    notes += _calibrations(entries, newest.machine)
    told = [(one, _point(one, one.items[item], metric)) for one in chosen]
    points = tuple(point for _, point in told if point is not None)
    if len(points) < len(chosen):
        notes.append(f"{_several(len(chosen) - len(points))} without a usable trial: left out")
    return History(
        name=name,
        item=item,
        metric=metric,
        unit="" if metric == "ratio" else newest.items[item].unit,
        base=newest.base if metric == "ratio" else "",
        machine=newest.machine,
        points=points,
        steps=_steps(points),
        notes=tuple(notes),
    )


def _several(count: int) -> str:
    return f"{count} comparison{'' if count == 1 else 's'}"


def _calibrations(entries: Sequence[Entry], machine: str) -> list[str]:
    """What the newest calibration of this machine says of the spread."""
    found = [one for one in entries if one.kind == "calibration" and one.machine == machine]
    if not found:
        return []
    newest = max(found, key=lambda one: one.measured)
    item, figures = next(iter(newest.items.items()))
    usable = _usable(figures.log_ratios)
    if usable.size < 2:
        return []
    spread = f"SD between trials {usable.std(ddof=1):.3f}, {usable.size} trials"
    return [f"calibrated {newest.measured[:10]}: {newest.head} against itself, {item}: {spread}"]


def _usable(values: Sequence[float]) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    return array[np.isfinite(array)]


def _point(entry: Entry, figures: Figures, metric: Metric) -> Point | None:
    """The mean of the logarithms over trials, with Student's interval."""
    if metric == "ratio":
        logs = _usable(figures.log_ratios)
    else:
        logs = np.log([value for value in figures.head if math.isfinite(value) and value >= _LEAST])
    if not logs.size:
        return None
    low = high = None
    if logs.size > 1:
        low, high = (math.exp(end) for end in t_bounds(logs, stats.FIXED_ALPHA))
    value = math.exp(float(logs.mean()))
    return Point(entry.revision, entry.title, entry.when, value, low, high, int(logs.size), entry.gate)


def _steps(points: Sequence[Point]) -> tuple[Step, ...]:
    found = stats.level_changes([math.log(point.value) for point in points])
    return tuple(
        Step(one.at, points[one.at].revision, points[one.at - 1].revision, one.ratio, one.low, one.high, one.p)
        for one in found
    )
