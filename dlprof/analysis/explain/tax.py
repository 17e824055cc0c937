"""Tax: what profiling itself costs, at each of its levels, by step and by class of operator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from dlprof import names
from dlprof.analysis import columns
from dlprof.analysis.facts import Level, Tax
from dlprof.analysis.model import Ledger
from dlprof.analysis.trace import cells, steps
from dlprof.names import Marker
from dlprof.units import PS_PER_NS, format_ns, format_signed_ns


def build(
    off_ns: Sequence[float], light: pa.Table | None, full: Iterable[pa.Table], *, difference_ns: float | None = None
) -> Tax:
    """The tax of one side.

    off_ns: wall times of untraced synchronised steps. light: event table of a native window, if there is one. full: event
    tables of the exact windows, as many steps in each.
    difference_ns: the untraced difference per step under discussion. A full trace awaits each step, as off_ns must too;
    a light one does not, so its cost can be below zero where waiting costs more than tracing.
    """
    off = float(np.mean(off_ns)) if len(off_ns) else None
    levels = [Level("off", len(off_ns), off, None, {})] if off is not None else []
    for name, windows in (("light", [light] if light is not None else []), ("full", full)):
        steps_ns = [(found, _times(events)) for events in windows if (found := step_ns(events)) is not None]
        if steps_ns:
            count = sum(found[0] for found, _ in steps_ns)
            mean = float(np.mean([found[1] for found, _ in steps_ns]))
            cost = None if off is None else mean - off
            levels.append(Level(name, count, mean, cost, _classes([times for _, times in steps_ns], count)))
    costs = [level.cost_ns for level in levels if level.name == "full" and level.cost_ns is not None]
    explains = abs(costs[0]) <= abs(difference_ns) if costs and difference_ns is not None else None
    return Tax(tuple(levels), difference_ns, explains, _statement(levels, difference_ns, explains))


def limits(ledger: Ledger, costs_ns: Mapping[str, float | None]) -> tuple[str, ...]:
    """Why the traces cannot explain the difference under discussion, in words; nothing where they can.

    costs_ns: what profiling added to a synchronised step of each side (None: not measured). Two reasons: the traced gap
    points the other way than the untraced one, or profiling costs a side more than the whole traced gap.
    """
    found = []
    gap, untraced = ledger.gap_ns, ledger.untraced_gap_ns
    if untraced is not None and gap * untraced < 0:
        found.append(
            f"without profiler B's step is {_compared(untraced)}, with it {_compared(gap)}: "
            "the traces cannot explain this difference"
        )
    known = {side: cost for side, cost in costs_ns.items() if cost is not None}
    worst = max(known, key=lambda side: abs(known[side]), default=None)
    if worst is not None and abs(known[worst]) > abs(gap):
        found.append(
            f"profiling changes a step of {worst.upper()} by {format_ns(abs(known[worst]))}, and the traced steps differ by "
            f"{format_ns(abs(gap))} only: the traces cannot explain this difference"
        )
    return tuple(found)


def exceeds(ledger: Ledger) -> str:
    """That profiling changes the gap by more than the gap itself; '' where it does not, or where that is not known."""
    gap, profiling = ledger.untraced_gap_ns, ledger.profiling_ns
    if gap is None or profiling is None or abs(profiling) <= abs(gap):
        return ""
    return (
        f"profiling changes the gap by {format_ns(abs(profiling))}, more than the gap itself without profiler "
        f"({format_ns(abs(gap))}): the traces cannot explain this difference"
    )


def _compared(gap_ns: float) -> str:
    return f"{format_ns(abs(gap_ns))} {'longer' if gap_ns >= 0 else 'shorter'}"


def step_ns(events: pa.Table) -> tuple[int, float] | None:
    """(steps, mean wall time of a step in ns) of a traced window; None without marked steps.

    Unsynchronised steps have no end of their own: the window from the first one's start to the end of the wait that follows
    the last one (or of the last work) is divided by their number.
    """
    found = steps.table(events)
    if found.num_rows:
        return found.num_rows, float(found["wall_ns"].to_numpy().mean())
    name, times = columns.text(events, "name"), steps.Times.of(events)
    marked = name.flags([_is_unsynchronised_step(value) for value in name.values])
    if not marked.any():
        return None
    last = int(times.end[marked].max())
    waits = name.where(names.SYNC) & (times.end >= last)
    work = steps.work(events)
    end = int(times.end[waits].min()) if waits.any() else max(last, int(times.end[work].max(initial=last)))
    count = int(marked.sum())
    return count, (end - int(times.start[marked].min())) / count / PS_PER_NS


def _is_unsynchronised_step(name: str) -> bool:
    marker = Marker.parse(name)
    return marker is not None and marker.kind == "step" and not marker.synchronised


def _times(events: pa.Table) -> list[tuple[str, float]]:
    """Class of operators and ns of each cell of a window."""
    return [
        ("copies" if cell.copy else cell.phase or ("bulks" if cell.op in cells.OPAQUE else "unknown"), cell.ns)
        for cell in cells.gather(events).cells
    ]


def _classes(windows: Sequence[Sequence[tuple[str, float]]], count: int) -> dict[str, float]:
    """Class of operators → ns a step, over `count` steps of all windows."""
    found: dict[str, float] = {}
    for name, ns in (one for times in windows for one in times):
        found[name] = found.get(name, 0.0) + ns / count
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _statement(levels: Sequence[Level], difference_ns: float | None, explains: bool | None) -> str:
    costs = [f"{level.name} {format_signed_ns(level.cost_ns)} a step" for level in levels if level.cost_ns is not None]
    if not costs:
        return "what profiling costs was not measured"
    text = f"profiling costs: {', '.join(costs)}"
    if explains is False and difference_ns is not None:
        return f"{text}; that is more than the difference of {format_ns(abs(difference_ns))}, which these traces cannot explain"
    return text
