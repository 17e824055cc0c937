"""Lines of a TPU that nobody knows, beside that of its operators: they stay out of all sums and are said with their time."""

from __future__ import annotations

from dataclasses import dataclass, field

from dlprof.ingest.reader import Context
from dlprof.units import PS_PER_NS, counted, format_ns


@dataclass(slots=True)
class UnknownLines:
    """Number of events and their time (ps) by the line's name."""

    events: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, line: str, count: int, time_ps: int) -> None:
        """Takes events of a line."""
        before = self.events.get(line, (0, 0))
        self.events[line] = before[0] + count, before[1] + time_ps

    def report(self, ctx: Context) -> None:
        """Counts them and says which they are."""
        ctx.anomalies.count("unknown_line", sum(count for count, _ in self.events.values()))
        parts = [
            f"{line} ({counted(count, 'event')}, {format_ns(time / PS_PER_NS)})"
            for line, (count, time) in sorted(self.events.items())
        ]
        if parts:
            ctx.completeness["unknown_line"] = (
                f"lines of a TPU that dlprof does not know, counted as no work: {', '.join(parts)}"
            )
