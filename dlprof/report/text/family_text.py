"""What items of an op workload say, as text: the crossover of each operator's sizes, what traces hold and explain of each."""

from __future__ import annotations

from dlprof.analysis.model import Comparison
from dlprof.analysis.timing.families import DISPATCH_BOUND
from dlprof.names import SIDES, Item
from dlprof.report.text.layout import heading, paragraph
from dlprof.units import format_share


def lines(found: Comparison, *, colour: bool) -> list[str]:
    """Nothing for a comparison that is not of an op workload."""
    said = []
    for sweep in found.facts.sweeps or ():
        said += paragraph(sweep.sentence, first="  ", rest="    ")
    result = [*heading("Over the sizes", colour=colour), *said] if said else []
    silent = [*_without_events(found), *_dispatch_bound(found)]
    return [*result, *heading("Traces of the items", colour=colour), *silent] if silent else result


def _without_events(found: Comparison) -> list[str]:
    """Items of which a side's trace holds no event: not zero time, but nothing that its profiler records."""
    counts = found.facts.events_of_items or {}
    told: list[str] = []
    for name, side in zip(SIDES, (found.a, found.b), strict=True):
        events = counts.get(name, {})
        silent = [item for item, count in events.items() if not count]
        if silent:
            text = f"{side.label} records no event for {len(silent)} of {len(events)} items: {_listed(silent)}"
            told += paragraph(text, first="  ", rest="    ")
    return told


def _dispatch_bound(found: Comparison) -> list[str]:
    """Items whose operators cover so little of a call that its time is the framework's way to them."""
    shares = found.facts.explained_of_items or {}
    told: list[str] = []
    for name, side in zip(SIDES, (found.a, found.b), strict=True):
        known = shares.get(name, {})
        bound = {item: share for item, share in known.items() if share < DISPATCH_BOUND}
        if bound:
            least, most = format_share(min(bound.values())), format_share(max(bound.values()))
            text = (
                f"{side.label}: {len(bound)} of {len(known)} items are dispatch-bound, operators cover "
                f"{least if least == most else f'{least} to {most}'} of a call: {_listed(list(bound))}"
            )
            told += paragraph(text, first="  ", rest="    ")
    return told


def _listed(items: list[str]) -> str:
    """Operators with the number of their sizes, rather than hundreds of items."""
    count: dict[str, int] = {}
    for item in items:
        task = Item.parse(item).task
        count[task] = count.get(task, 0) + 1
    return ", ".join(f"{task} ({n} size{'' if n == 1 else 's'})" for task, n in count.items())
