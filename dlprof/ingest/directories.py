"""A directory as one run: the trace files of a TensorBoard logdir or of a folder with one trace per rank."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from dlprof.errors import TraceError
from dlprof.ingest.anomalies import Anomalies
from dlprof.ingest.dialects.registry import kind_of
from dlprof.ingest.source import Source

_SIDE_FILES: Final = (
    ".csv", ".txt", ".md", ".log", ".sha256", ".py", ".html", ".nvvp", ".parquet",
    ".profile-empty", ".memory_profile.json.gz", ".hlo_proto.pb", ".op_stats.pb", ".op_stats_v2.pb",
    ".cached", ".dcn_collective_stats.pb",
)  # fmt: skip
"""Endings of files that lie beside traces and never are one."""
_TOOL_FILES: Final = (
    "input_pipeline.pb", "overview_page.pb", "tensorflow_stats.pb", "kernel_stats.pb", "memory_profile.pb",
)  # fmt: skip


def traces_below(folder: Path) -> list[Path]:
    """The traces below a folder in path order. A TensorBoard profile run is taken alone: its newest, if there are several.

    Where one run holds both an XPlane and the trace.json made from it, the XPlane counts: it has everything the other has.
    Raises `TraceError` where the folder holds no trace.
    """
    candidates = [path for path in sorted(folder.rglob("*")) if path.is_file() and _possible(path)]
    profiles = sorted({path.parent for path in candidates if path.parent.parent.name == "profile"})
    if profiles:
        candidates = [path for path in candidates if path.parent == profiles[-1]]
    found = [path for path in candidates if _is_trace(path)]
    planes = {path.name.removesuffix(".xplane.pb") for path in found if path.name.endswith(".xplane.pb")}
    kept = [path for path in found if path.name.split(".trace.json")[0] not in planes]
    if not kept:
        raise TraceError(f"{folder}: no trace in this folder", hint="name a trace file, or a folder that holds one")
    return kept


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
