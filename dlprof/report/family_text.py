"""What many items say together, as text: the crossover of each operator's sizes, and items without a recorded event."""

from __future__ import annotations

from collections.abc import Mapping

from dlprof.analysis.model import Comparison
from dlprof.report.layout import heading, paragraph


def lines(found: Comparison, *, colour: bool) -> list[str]:
    """Nothing for a comparison of one item."""
    said = []
    sweeps = found.facts.get("sweeps")
    for sweep in sweeps if isinstance(sweeps, list | tuple) else []:
        said += paragraph(str(sweep["sentence"]), first="  ", rest="    ")
    result = [*heading("Over the sizes", colour=colour), *said] if said else []
    silent = _without_events(found)
    return [*result, *heading("Traces of the items", colour=colour), *silent] if silent else result


def _without_events(found: Comparison) -> list[str]:
    """Items of which a side's trace holds no event: not zero time, but nothing that its profiler records."""
    counts = found.facts.get("events_of_items")
    told: list[str] = []
    for name, side in (("a", found.a), ("b", found.b)):
        events: Mapping[str, int] = counts.get(name, {}) if isinstance(counts, Mapping) else {}
        silent = [item for item, count in events.items() if not count]
        if silent:
            text = f"{side.label} records no event for {len(silent)} of {len(events)} items: {_listed(silent)}"
            told += paragraph(text, first="  ", rest="    ")
    return told


def _listed(items: list[str]) -> str:
    """Operators with the number of their sizes, rather than hundreds of items."""
    count: dict[str, int] = {}
    for item in items:
        stem = item.partition("[")[0]
        count[stem] = count.get(stem, 0) + 1
    return ", ".join(f"{stem} ({n} size{'' if n == 1 else 's'})" for stem, n in count.items())
