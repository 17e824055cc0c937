"""Categories of a Kineto file that no table knows: counted with their time, so that nothing is left out in silence."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dlprof.ingest.batch import Int32, Int64
from dlprof.ingest.json.walk import Mask
from dlprof.ingest.reader import Context
from dlprof.units import PS_PER_NS, counted, format_ns


@dataclass(slots=True)
class Unknown:
    """Events and time (ps) of each category code."""

    events: dict[int, int] = field(default_factory=dict)
    time: dict[int, int] = field(default_factory=dict)

    def add(self, category: Int32, unknown: Mask, duration: Int64) -> None:
        """Takes the rows of a chunk that are of an unknown category."""
        if not unknown.any():
            return
        for code in np.unique(category[unknown]).tolist():
            rows = unknown & (category == code)
            self.events[code] = self.events.get(code, 0) + int(rows.sum())
            self.time[code] = self.time.get(code, 0) + int(duration[rows].sum())

    def report(self, ctx: Context) -> None:
        """Counts them and says which they are."""
        names = ctx.pool("category").values_list
        ctx.anomalies.count("unknown_category", sum(self.events.values()))
        told = sorted(self.events, key=lambda code: (-self.time[code], names[code]))
        parts = [
            f"{names[code] or 'one without a name'} ({counted(self.events[code], 'event')}, "
            f"{format_ns(self.time[code] / PS_PER_NS)})"
            for code in told
        ]
        if parts:
            ctx.completeness["unknown_category"] = (
                f"of categories that dlprof does not know, and counted as no work: {', '.join(parts)}"
            )
