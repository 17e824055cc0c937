"""Every irregularity that reading a trace can count, declared once: name, severity, what it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Anomaly:
    """What a counter counts. info: normal for this producer; warning: numbers may mislead; error: data was lost."""

    severity: Severity
    meaning: str


ANOMALIES: Final[Mapping[str, Anomaly]] = {
    # any format
    "damage_skipped": Anomaly("error", "damaged places that --repair stepped over; what followed in that part is lost"),
    "bytes_lost": Anomaly("error", "bytes that --repair could not read"),
    "compressed_tail_damaged": Anomaly("error", "compressed files whose end is missing or corrupt"),
    "text_not_utf8": Anomaly("warning", "strings with bytes that are not UTF-8; the bytes were replaced by U+FFFD"),
    "negative_duration": Anomaly("error", "events that end before they start; their duration was set to 0"),
    "time_out_of_range": Anomaly("error", "events whose time does not fit 106 days from the origin; left out"),
    "unknown_operator": Anomaly("info", "operator events whose name the vocabulary does not know; op is empty"),
    "overlapping_step_markers": Anomaly("warning", "step markers that overlap an earlier one of the same file"),
    "orphan_kernel": Anomaly(
        "info", "kernels or copies with no recorded launch, such as those launched before the window"
    ),
    "partial_overlap": Anomaly("info", "events of a CPU thread that overlap a neighbour without nesting in it"),
    "empty_file": Anomaly("warning", "trace files without a single event"),
    # XPlane
    "derived_line_events": Anomaly(
        "info",
        "events of derived lines (Steps, TensorFlow Ops, XLA Modules …) that repeat "
        "the time of others; left out of the table",
    ),
    "profiler_errors": Anomaly("error", "errors that the profiler itself recorded in the trace (XSpace.errors)"),
    "profiler_warnings": Anomaly(
        "warning", "warnings that the profiler itself recorded in the trace (XSpace.warnings)"
    ),
    "unknown_event_metadata": Anomaly("error", "events whose metadata id the file does not define; named event#ID"),
    "unknown_field": Anomaly("info", "protobuf fields that this version of dlprof does not know; skipped"),
}
"""Readers add theirs here, in a block of their own; `Anomalies.count` refuses a name that is not declared."""


@dataclass(slots=True)
class Anomalies:
    """Counters by declared name."""

    counts: dict[str, int] = field(default_factory=dict)

    def count(self, name: str, times: int = 1) -> None:
        """Adds to a counter. Raises `KeyError` for a name that is not declared in ANOMALIES."""
        if name not in ANOMALIES:
            raise KeyError(f"anomaly {name!r} is not declared in ANOMALIES")
        if times:
            self.counts[name] = self.counts.get(name, 0) + int(times)
