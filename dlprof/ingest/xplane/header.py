"""What an XPlane file says of its recording as a whole: who wrote it, on which host, from when to when, and what was lost."""

from __future__ import annotations

import re
from typing import Final

from dlprof.ingest.protobuf.space import Space
from dlprof.ingest.reader import Context
from dlprof.ingest.xplane.producers import producer

_DROPPED: Final = re.compile(r"(\d{1,18}) events dropped")
"""As CUPTI's collector tells it, in a warning: `7 events dropped because total device(activity) events reaches max;`."""


def note_header(space: Space, ctx: Context) -> None:
    """Notes in `ctx` who recorded the file, where, when and with what losses."""
    ctx.anomalies.count("profiler_errors", len(space.errors))
    ctx.anomalies.count("profiler_warnings", len(space.warnings))
    dropped = _DROPPED.findall(" ".join((*space.errors, *space.warnings)))
    ctx.anomalies.count("profiler_dropped_events", sum(map(int, dropped)))
    ctx.anomalies.count("large_stat", space.large_stats)
    ctx.anomalies.count("unknown_field", space.unknown_fields)
    for word, texts in (("errors", space.errors), ("warnings", space.warnings)):
        if texts:
            ctx.completeness[f"profiler {word}"] = "; ".join(texts)
    if space.hostnames:
        ctx.facts["hostnames"] = list(space.hostnames)
    if len(space.hostnames) == 1:
        ctx.host = space.hostnames[0] or None
    for plane in space.planes:
        start = plane.value("profile_start_time") if plane.name == "Task Environment" else None
        if isinstance(start, int) and 0 < start < 2**63:
            ctx.origin_ns = start
            stop = plane.value("profile_stop_time")
            if isinstance(stop, int) and stop >= start:
                ctx.facts["profile_ns"] = stop - start
        if plane.name == "/host:metadata" or "XlaModule" in plane.name:
            ctx.facts.setdefault("hlo_modules", len(plane.events))
    ctx.producer = producer(space)
