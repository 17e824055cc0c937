"""What a Kineto file does not tell: categories that no table knows, with their time; kernels that were launched alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from dlprof.ingest.batch import Int32, Int64
from dlprof.ingest.json.walk import Mask
from dlprof.ingest.reader import Context
from dlprof.units import PS_PER_NS, counted, format_ns

_LAUNCH: Final = re.compile(r"(?:cuda|cu|hip)\w*?(?:LaunchKernel|LaunchCooperative|GraphLaunch|ModuleLaunch)")


class Unknown(msgspec.Struct):
    """Events and time (ps) of each category code."""

    events: dict[int, int] = msgspec.field(default_factory=dict)
    time: dict[int, int] = msgspec.field(default_factory=dict)

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


class Unrecorded(msgspec.Struct):
    """Calls that launch kernels, and whether any work of a device is in the file."""

    calls: int = 0
    worked: bool = False
    known: dict[int, bool] = msgspec.field(default_factory=dict)
    """Name code → whether it is called so."""

    def add(self, name: Int32, calls: Mask, work: Mask, names: Sequence[str]) -> None:
        """Takes the rows of a chunk: which are calls of an accelerator's library, which are work of one."""
        self.worked |= bool(work.any())
        if self.worked or not calls.any():
            return
        codes, counts = np.unique(name[calls], return_counts=True)
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
            if code not in self.known:
                self.known[code] = _LAUNCH.match(names[code]) is not None
            self.calls += count * self.known[code]

    def report(self, ctx: Context) -> None:
        """Counts what was launched where nothing that ran was recorded."""
        if not self.worked:
            ctx.anomalies.count("work_not_recorded", self.calls)
