"""Completeness: does a trace hold all the work of its window? Expected executions per step against those seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pyarrow as pa

from dlprof.analysis import columns
from dlprof.analysis.columns import NULL
from dlprof.analysis.of_one_trace import Completeness
from dlprof.analysis.trace import steps

_LOSS: Final = (
    "lost",
    "damage",
    "capped",
    "truncated",
    "dropped",
    "out_of_range",
    "unmatched",
    "profiler_errors",
    "no_time",
)
"""Stems of anomaly counters that mean lost events, as opposed to repaired or renamed ones."""
_NAMED: Final = 4
"""Files that a statement names."""


def check(
    events: pa.Table | None,
    *,
    expected: Mapping[str, int] | None = None,
    window_steps: int | None = None,
    anomalies: Mapping[str, int] | None = None,
    reader: Mapping[str, object] | None = None,
) -> Completeness:
    """What the trace says of its own completeness.

    events: None only where neither of the next two is told
    expected: raw op name → executions per step (protocol.Window.expected); window_steps: steps the child ran in the
    window (protocol.Window.steps); anomalies: counters of ingest; reader: further facts of ingest (its own
    completeness findings). `complete` is None where nothing is known to check against: then the trace is neither
    called whole nor broken.
    """
    details: dict[str, str] = {str(key): str(value) for key, value in (reader or {}).items()}
    wrong = lost(anomalies or {})
    if wrong:
        details["lost"] = ", ".join(wrong)
    checked = False
    seen = 0 if events is None or (window_steps is None and not expected) else steps.table(events).num_rows
    if window_steps is not None:
        checked = True
        details["steps"] = f"{seen} of {window_steps} marked"
        if seen != window_steps:
            wrong.append(f"{seen} of {window_steps} steps are marked")
    if expected and seen and events is not None:
        checked = True
        short = _against(events, expected, seen)
        details |= {name: text for name, (text, _) in short.items()}
        wrong += [f"{name}: {text}" for name, (text, bad) in short.items() if bad]
    if wrong:
        return Completeness(False, f"incomplete: {'; '.join(wrong)}", details)
    if checked:
        ops = f", {len(expected)} ops as expected" if expected else ""
        return Completeness(True, f"complete: {seen} steps{ops}", details)
    if reader:
        return Completeness(None, f"unknown: {'; '.join(said(details))}", details)
    return Completeness(None, "unknown: the trace does not say how much work it should hold", details)


def lost(anomalies: Mapping[str, int]) -> list[str]:
    """Of the counters of ingest those that mean lost events, in words."""
    return [f"{name}: {count}" for name, count in sorted(anomalies.items()) if count and _is_loss(name)]


def said(details: Mapping[str, str]) -> list[str]:
    """What a reader says of a trace, once each.

    What is said of several files (`a.json: place`) begins with their names, of many with the first.
    """
    names: dict[str, list[str]] = {}
    for name, text in details.items():
        names.setdefault(text, []).append(name.rpartition(": ")[0] or name)
    found = []
    for text, of in names.items():
        more = f" and {len(of) - _NAMED} more" if len(of) > _NAMED else ""
        found.append(f"{', '.join(of[:_NAMED])}{more}: {text}" if len(of) > 1 else text)
    return found


def _is_loss(name: str) -> bool:
    return any(stem in name for stem in _LOSS)


def _against(events: pa.Table, expected: Mapping[str, int], marked: int) -> dict[str, tuple[str, bool]]:
    """Raw op name → (statement, whether it differs); counted per step, so that one lost event is seen."""
    name, kernel = columns.text(events, "name"), columns.text(events, "kernel")
    mask = steps.work(events)
    step, occurrences = columns.integers(events, "step"), columns.integers(events, "occurrences")
    numbers = columns.integers(steps.table(events), "step")
    result = {}
    for raw, per_step in expected.items():
        rows = mask & (name.where(raw) | kernel.where(raw)) & (step != NULL)
        found = {int(number): 0 for number in numbers}
        for number, count in zip(*_totals(step[rows], occurrences[rows]), strict=True):
            found[int(number)] = int(count)
        off = [number for number, count in found.items() if count != per_step]
        total = sum(found.values())
        where = f"; not {per_step} in {len(off)} steps, first in step {min(off)}" if off else ""
        result[raw] = (f"{total} of {per_step * marked}{where}", bool(off))
    return result


def _totals(keys: columns.Ints, values: columns.Ints) -> tuple[columns.Ints, columns.Ints]:
    unique, inverse = np.unique(keys, return_inverse=True)
    totals = np.zeros(len(unique), dtype=np.int64)
    np.add.at(totals, inverse, values)
    return unique, totals
