"""A directory as one run: the trace files of a TensorBoard logdir or of a folder with one trace per rank."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dlprof.errors import TraceError
from dlprof.ingest.anomalies import Anomalies
from dlprof.ingest.dialects.registry import kind_of
from dlprof.ingest.source import Source

_SIDE_FILES: Final = (
    ".csv",
    ".txt",
    ".md",
    ".log",
    ".sha256",
    ".py",
    ".html",
    ".nvvp",
    ".parquet",
    ".profile-empty",
    ".memory_profile.json.gz",
    ".hlo_proto.pb",
    ".op_stats.pb",
    ".op_stats_v2.pb",
    ".cached",
    ".dcn_collective_stats.pb",
)
"""Endings of files that lie beside traces and never are one."""
_TOOL_FILES: Final = (
    "input_pipeline.pb",
    "overview_page.pb",
    "tensorflow_stats.pb",
    "kernel_stats.pb",
    "memory_profile.pb",
)

_TRACE_NAMES: Final = (".xplane.pb", ".trace.json.gz", ".trace.json")
"""What the profilers of TensorFlow and JAX call a host's trace, behind its name."""


@dataclass(frozen=True, slots=True)
class Found:
    """The traces below a folder in path order, and what of it is not read: older profile runs, files that are empty."""

    traces: list[Path]
    older_runs: list[Path]
    empty: list[Path]


def traces_below(folder: Path) -> Found:
    """The traces below a folder. A TensorBoard profile run is taken alone: its newest by name, if there are several.

    Where one run holds both an XPlane and the trace.json made from it, the XPlane counts: it has everything the other has.
    Raises `TraceError` where the folder holds no trace.
    """
    candidates = [path for path in sorted(folder.rglob("*")) if path.is_file() and _possible(path)]
    runs = {path.parent for path in candidates if path.parent.parent.name == "profile"}
    profiles = sorted(runs, key=lambda run: (run.name, str(run)))
    if profiles:
        candidates = [path for path in candidates if path.parent == profiles[-1]]
    found = [path for path in candidates if _is_trace(path)]
    planes = {path.name.removesuffix(".xplane.pb") for path in found if path.name.endswith(".xplane.pb")}
    kept = [path for path in found if path.name.split(".trace.json")[0] not in planes]
    empty = [path for path in candidates if path.name.endswith(_TRACE_NAMES) and not path.stat().st_size]
    if not kept:
        raise _nothing(folder, empty, profiles[:-1])
    return Found(kept, profiles[:-1], empty)


def _nothing(folder: Path, empty: list[Path], older_runs: list[Path]) -> TraceError:
    """The error for a folder without a trace: which of its files are empty, and which older run could be named instead."""
    if not empty:
        return TraceError(f"{folder}: no trace in this folder", hint="name a trace file, or a folder that holds one")
    names = ", ".join(str(path.relative_to(folder)) for path in empty)
    instead = f"name an older profile run, such as {older_runs[-1]}" if older_runs else "record the trace again"
    return TraceError(f"{folder}: no trace in this folder but empty files: {names}", hint=instead)


def host_of(path: Path) -> str | None:
    """The machine that a profile of several is named after, `HOST.xplane.pb` or `HOST.trace.json.gz`; None for other names."""
    for ending in _TRACE_NAMES:
        if path.name.endswith(ending):
            return path.name.removesuffix(ending) or None
    return None


def _possible(path: Path) -> bool:
    hidden = path.name.startswith(".") or path.name.startswith("events.out.tfevents")
    return not hidden and not path.name.endswith(_SIDE_FILES) and not path.name.endswith(_TOOL_FILES)


def _is_trace(path: Path) -> bool:
    source = Source(path, str(path), Anomalies(), repair=True)
    try:
        kind = kind_of(source)
    except TraceError:
        return False
    # Any JSON array could be a chrome trace; among the files of a folder only one that shows an event counts.
    return kind != "chrome-trace" or b'"ph"' in source.head()
