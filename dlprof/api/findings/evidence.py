"""From captures on disk to what analysis takes: events with layers, the side's name, completeness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, overload

import pyarrow as pa

from dlprof import frameworks, schema
from dlprof.analysis.of_one_trace import Completeness, View
from dlprof.analysis.trace import breakdown, completeness
from dlprof.manifest import CaptureOptions, ImportOptions, Manifest
from dlprof.store import Capture
from dlprof.workload_shape import Layer

if TYPE_CHECKING:
    from dlprof.analysis.evidence import Evidence
    from dlprof.analysis.model import Recording, Side


def side_of(capture: Capture, *, path: str | None) -> Side:
    """How a capture is named in reports; what a foreign trace does not tell is 'unknown'."""
    from dlprof.analysis.model import Side  # late: with it come the values of comparisons

    manifest = capture.manifest
    label = frameworks.label_of(manifest.framework or "unknown")
    where = f", {manifest.device}" if manifest.mode and (manifest.device or "").startswith("gpu") else ""
    stated = [text for text in (manifest.version, f"({manifest.mode}{where})" if manifest.mode else None) if text]
    sources = manifest.options.sources if isinstance(manifest.options, ImportOptions) else None
    where = f" [{', '.join(sources)}]" if sources else ""
    return Side(
        framework=manifest.framework or "unknown",
        version=manifest.version or "unknown",
        device=manifest.device or "unknown",
        mode=manifest.mode or "unknown",
        python=manifest.child.versions.get("python", "unknown"),
        label=" ".join([label, *stated]) + where,
        capture=path,
        manifest_digest=capture.digest if path else None,
    )


def workload_layers(capture: Capture) -> Sequence[Layer]:
    """The layers of the workload that was captured; none for a foreign trace."""
    return capture.manifest.described.model.layers


COMPARED: Final = tuple(
    name
    for name in schema.EVENTS.names
    if name not in ("source", "op_path", "source_line", "correlation", "bytes", "value", "args")
)
"""What a diff reads of schema.EVENTS."""


def evidence_of(captures: Sequence[Capture], side: Side, columns: Sequence[str] | None = None) -> Evidence:
    """The evidence of one side from its captures of fidelity exact (or the one trace that a diff was given).

    columns: of the events; None for all
    """
    from dlprof.analysis.evidence import (
        Evidence,
    )  # with it comes SciPy, half a second that a breakdown need not wait for

    anomalies: dict[str, int] = {}
    warnings: list[str] = []
    tables = _Events(captures, columns)
    for capture, events in zip(captures, tables, strict=True):
        trace = capture.manifest.trace
        for name, count in (trace.anomalies if trace else {}).items():
            anomalies[name] = anomalies.get(name, 0) + count
        found = completeness_of(capture, events)
        if found.complete is False:
            warnings.append(f"{side.label}: the trace is {found.statement}")
        if trace and isinstance(
            capture.manifest.options, ImportOptions
        ):  # others' traces; of its own dlprof knows more
            told = completeness.said({name: str(text) for name, text in trace.completeness.items()})
            warnings += [f"{side.label}: {text}" for text in told]
    return Evidence(
        side=side,
        exact=tables,
        layers=workload_layers(captures[0]) if captures else (),
        anomalies=anomalies,
        warnings=warnings,
        runtime=captures[0].manifest.child.runtime if captures else {},
        workload=captures[0].manifest.workload if captures else {},
        stated=_stated(captures[0] if captures else None),
        untraced=[untraced_step_ns(capture) for capture in captures],
        trials=[trial_of(capture) for capture in captures],
    )


@dataclass(frozen=True, slots=True)
class _Events(Sequence[pa.Table]):
    """The event tables of captures, read where one is asked for and kept by none: those of many trials would fill the memory."""

    captures: Sequence[Capture]
    columns: Sequence[str] | None = None

    def __len__(self) -> int:
        return len(self.captures)

    @overload
    def __getitem__(self, at: int) -> pa.Table: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[pa.Table]: ...
    def __getitem__(self, at: int | slice) -> pa.Table | Sequence[pa.Table]:
        if isinstance(at, slice):
            return _Events(self.captures[at], self.columns)
        return self.captures[at].events(self.columns)


def _stated(capture: Capture | None) -> Recording:
    """How a window was recorded; of a trace from elsewhere that is not known."""
    from dlprof.analysis.model import Recording

    window = capture.manifest.window if capture else None
    return Recording(profiler=True, synchronised=window.synchronised) if window else Recording()


def trial_of(capture: Capture) -> int | None:
    """The trial whose workers recorded it; None for a run of its own."""
    options = capture.manifest.options
    if isinstance(options, CaptureOptions) and isinstance(options.trial, int):
        return options.trial
    return None


def untraced_step_ns(capture: Capture) -> Sequence[int]:
    """Wall times of the synchronised steps without profiler beside the traced window; none for a trace from elsewhere."""
    window = capture.manifest.window
    return window.untraced_step_ns if window else []


def placed_events(capture: Capture, names: Sequence[str] | None = None) -> tuple[pa.Table, Mapping[str, int]]:
    """The event table, or the named columns of it, with layers and phases filled in from the workload, and what that counted."""
    from dlprof.analysis.trace import layers  # late: a raw trace has no workload

    assigned = layers.assign(capture.events(names), workload_layers(capture))
    return assigned.events, assigned.anomalies


def view_of(
    capture: Capture, events: pa.Table, counted: Mapping[str, int], by: str, where: Literal["work", "host"] = "work"
) -> View:
    """A breakdown of a capture's events (placed_events, and what that counted). Raises `UsageError` for an unknown `by`."""
    return view_from(capture.manifest, breakdown.of(events, by, where), counted, completeness_of(capture, events))


def view_stored(capture: Capture, by: str, where: Literal["work", "host"] = "work") -> View:
    """A breakdown of what lies in a capture's directory, of which no more is kept in memory than it needs: but the whole table
    where a workload's layers are to be found in it, or what a window should hold. Raises `UsageError` for an unknown `by`."""
    if capture.manifest.window is None and not workload_layers(capture):
        from dlprof.api.findings.streamed import broken_down

        found = broken_down(capture, by, where)
        if found is not None:
            return view_unstored(capture.manifest, found)
    return view_of(capture, *placed_events(capture, breakdown.columns_of(by)), by, where)


def view_from(
    manifest: Manifest[Any], found: breakdown.Breakdown, counted: Mapping[str, int], complete: Completeness
) -> View:
    """The view of a breakdown that has taken all events of a capture."""
    table, trace = found.table(), manifest.trace
    return View(
        by=found.by,
        keys=found.keys(),
        table=table,
        anomalies={**(trace.anomalies if trace else {}), **counted},
        completeness=complete,
        outside=found.outside() if found.by == "step" or breakdown.has_wall(table) else None,
        where=found.where,
        elsewhere=found.elsewhere(),
        empty=None if table.num_rows else found.empty(),
        workless=found.workless() if found.by == "step" and found.where == "work" else None,
    )


def view_unstored(manifest: Manifest[Any], found: breakdown.Breakdown) -> View:
    """The view of a breakdown that has taken all events of a trace that has neither a window nor a workload of ours, which would
    say what it should hold."""
    trace = manifest.trace
    told = completeness.check(None, anomalies=trace.anomalies, reader=trace.completeness) if trace else None
    return view_from(manifest, found, {}, told or completeness.check(None))


def completeness_of(capture: Capture, events: pa.Table) -> Completeness:
    """What the capture says of its own completeness."""
    trace, window = capture.manifest.trace, capture.manifest.window
    return completeness.check(
        events,
        expected=window.expected if window else None,
        window_steps=window.steps if window and window.synchronised else None,
        anomalies=trace.anomalies if trace else {},
        reader=trace.completeness if trace else {},
    )
