"""What two sides bring to a comparison: their traced windows, what is taken of each, and both on one basis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import pyarrow as pa

from dlprof.analysis.explain import digests
from dlprof.analysis.model import Recording, Side
from dlprof.workload_shape import Layer


@dataclass(frozen=True, slots=True)
class Evidence:
    """One side's traces.

    exact: event tables (schema.EVENTS), one per traced window of fidelity exact, or whatever trace a diff was given; gone through
        one after another
    layers: the workload's `model.layers`
    anomalies: counters of ingest, summed over the windows
    runtime: what the child said of itself (threads)
    untraced: per window, wall times (ns) of synchronised steps without the profiler, just before and after it in its process
    workload: the resolved description, empty for a trace from elsewhere
    stated: how it was recorded, as far as that is known
    trials: per window, the trial that it belongs to; None for a run of its own
    """

    side: Side
    exact: Sequence[pa.Table] = ()
    layers: Sequence[Layer] = ()
    anomalies: Mapping[str, int] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    runtime: Mapping[str, object] = field(default_factory=dict)
    untraced: Sequence[Sequence[int]] = ()
    workload: Mapping[str, Any] = field(default_factory=dict)
    stated: Recording = field(default_factory=Recording)
    trials: Sequence[int | None] = ()


@dataclass(frozen=True, slots=True)
class Taken(Evidence):
    """With what was taken of each window.

    first: the events of its first window, layers and phases filled in, hosts and ranks apart; none without a window
    """

    first: Sequence[pa.Table] = ()
    windows: Sequence[digests.Digest] = ()


def taken(evidence: Evidence) -> Taken:
    """The evidence with what is taken of each of its windows."""
    found = digests.of(evidence.exact, evidence.layers)
    told = {one.name: getattr(evidence, one.name) for one in fields(evidence)}
    anomalies = dict(evidence.anomalies)
    for window in found.windows:
        for name, count in window.anomalies.items():
            anomalies[name] = anomalies.get(name, 0) + count
    return Taken(**{**told, "anomalies": anomalies}, first=found.first, windows=found.windows)


def _again(taken: Taken, **how: bool) -> Taken:
    """The same, its windows gone through once more."""
    found = digests.of(taken.exact, taken.layers, **how)
    return replace(taken, first=found.first, windows=found.windows)


def on_one_basis(a: Taken, b: Taken) -> tuple[Taken, Taken]:
    """Both sides per step, or both as whole traces: where one side marks no steps, the other's are taken for unmarked.

    A step of one side beside the whole trace of the other (or work per step beside work of all steps) is no comparison.
    """
    counts = [_marked(a), _marked(b)]
    if a.windows and b.windows and bool(counts[0]) != bool(counts[1]):
        marks, name, other = (a, "A", "B") if counts[0] else (b, "B", "A")
        marked = f"{max(counts)} step{'' if max(counts) == 1 else 's'}"
        said = (
            f"{name} marks {marked} and {other} none: the whole traces are set against each other, however much work "
            "each of them holds"
        )
        plain = replace(_again(marks, unmarked=True), warnings=(*marks.warnings, said))
        a, b = (plain, b) if counts[0] else (a, plain)
    if all(window.steps for side in (a, b) for window in side.windows):
        return a, b
    # Of a side that marks steps in some of its windows only, all are split as wholes.
    return _as_wholes(a), _as_wholes(b)


def _as_wholes(taken: Taken) -> Taken:
    return _again(taken, whole=True) if any(window.steps for window in taken.windows) else taken


def _marked(taken: Taken) -> int:
    """Steps of a side's first traced window; 0 where any of its windows marks none."""
    counts = [window.steps for window in taken.windows]
    return counts[0] if counts and all(counts) else 0


def each(a: Taken, b: Taken, what: str) -> tuple[list[Any], list[Any]]:
    """Something of each window of both sides."""
    return [getattr(one, what) for one in a.windows], [getattr(one, what) for one in b.windows]
