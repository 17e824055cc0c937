"""Asked: the lines of idle time, one for each phase that is large enough, and what either side asked for more often there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from dlprof.analysis.explain.windows import Window
from dlprof.analysis.trace import idle
from dlprof.analysis.trace.idle import Place
from dlprof.schema import PHASES

LARGE: Final = 0.01
"""Part of a step from which on idle time of one phase, of either side, has a line of its own."""

ELSEWHERE: Final = "elsewhere"
"""What is in no phase, or in one without a line, where others have one."""

_OFTEN: Final = 1.2
"""Times as many calls as the other side's from which on a call is named. Below, counts that vary by themselves would be."""

_MOST: Final = 0.25
"""Part of a line's difference that calls of a name must account for to be named."""

_OPERATORS: Final = 2
"""Operators that are named."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of idle time. key: the same in all windows of a comparison. places: what of the windows belongs to it."""

    part: str
    phase: str | None
    name: str
    key: str
    places: tuple[Place, ...]


def lines(part: str, a: Sequence[Window], b: Sequence[Window]) -> list[Line]:
    """The lines of one part: a phase each, in the order of a step, and one of all the rest."""
    found = {phase for side in (a, b) for window in side for of, phase in window.idle if of == part}
    ordered = sorted(phase for phase in found if phase)
    ordered.sort(key=lambda phase: PHASES.index(phase) if phase in PHASES else len(PHASES))
    large = [phase for phase in ordered if max(_share((part, phase), side) for side in (a, b)) >= LARGE]
    rest = tuple((part, phase) for phase in (*ordered, None) if phase not in large)
    name = f"{part}, {ELSEWHERE}" if large else part
    return [
        *(Line(part, phase, f"{part}, {phase}", f"{part}, {phase}", ((part, phase),)) for phase in large),
        Line(part, None, name, part, rest),
    ]


def _share(place: Place, side: Sequence[Window]) -> float:
    """Of a side's mean wall, the part that this idle time takes."""
    wall = float(np.mean([window.wall_ps for window in side]))
    return float(np.mean([window.idle.get(place, 0.0) for window in side])) / wall if wall else 0.0


def grown(line: Line, delta_ps: float, a: Sequence[Window], b: Sequence[Window], unit: str) -> str:
    """What the side that is idle longer asked for more often in this line's time, in words: a call, and operators; '' where
    neither accounts for the difference. Sides that have no call in common (other frameworks) are not set against each other.

    delta_ps: the line's difference, B − A. unit: what the counts are of, `step` or `trace`.
    """
    if line.part not in idle.DIVIDED or not delta_ps:
        return ""
    called = [_means([window.calls.counts for window in side]) for side in (a, b)]
    if (called[0] or called[1]) and not called[0].keys() & called[1].keys():
        return ""
    more, other = ("B", "A") if delta_ps > 0 else ("A", "B")
    said, per = [], f" a {unit}"
    for verb, most in (("calls", 1), ("runs", _OPERATORS)):
        counted = []
        for name, counts in _accounting(line.places, delta_ps, a, b, verb == "calls")[:most]:
            counted.append(f"{name} {_times(max(counts))}{per}, {other} {_count(min(counts))}")
            per = ""
        if counted:
            said.append(f"{verb} {', and '.join(counted)}")
    return f"{more} {', and '.join(said)}" if said else ""


def _accounting(
    places: Sequence[Place], delta_ps: float, a: Sequence[Window], b: Sequence[Window], calls: bool
) -> list[tuple[str, tuple[float, float]]]:
    """Calls (else operators) whose idle time in these places accounts for the difference and that are asked for more often, with
    the counts of A and B; what accounts for most first, of operators a framework's bookkeeping last. Of calls within one
    another the outermost accounts for most."""
    counts, times = [], []
    for side in (a, b):
        asked = [window.calls if calls else window.ops for window in side]
        counts.append(_means([one.counts for one in asked]))
        times.append(_means([one.ps.get(place, {}) for one in asked for place in places], len(asked)))
    kept = {cell.op for window in (*a, *b) for cell in window.cells if cell.phase == "bookkeeping" and not calls}
    found = []
    for name in {**times[0], **times[1]}:
        both = counts[0].get(name, 0.0), counts[1].get(name, 0.0)
        few, many = both if delta_ps > 0 else both[::-1]
        by = (times[1].get(name, 0.0) - times[0].get(name, 0.0)) / delta_ps
        if by >= _MOST and many - few >= 1 and many >= _OFTEN * few:
            found.append((by, name, both))
    return [(name, both) for by, name, both in sorted(found, key=lambda one: (one[1] in kept, -one[0], one[1]))]


def _means(found: Sequence[Mapping[str, float]], of: int | None = None) -> dict[str, float]:
    """Name → mean over so many windows, one that lacks it counting as 0."""
    total: dict[str, float] = {}
    for one in found:
        for name, value in one.items():
            total[name] = total.get(name, 0.0) + value
    return {name: value / (of or len(found)) for name, value in total.items()}


def _times(value: float) -> str:
    return "once" if round(value, 2) == 1 else f"{_count(value)} times"


def _count(value: float) -> str:
    return f"{round(value, 2):g}"
