"""Lanes: splits the events of one track so that within each lane every event nests in or follows the one before it.

Trace viewers draw a thread as a stack. An event that overlaps its neighbour without nesting (concurrent kernels on one
stream, asynchronous tasks) is drawn wrongly by chrome://tracing and dropped by Perfetto, so it gets a lane of its own.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dlprof.units import PS_PER_NS

Ints = npt.NDArray[np.int64]


def assign(start_ps: Ints, duration_ps: Ints, *, nest: bool = True) -> Ints:
    """Lane of each event, 0 first. Inputs: int64 ps, sorted by start, then longest first.

    An event must fit twice: by its exact times, and by the times that Perfetto keeps (start and duration each rounded
    to whole ns), because two events that just touch can overlap by 1 ns after rounding. nest False: events only follow
    each other, and one inside another gets a lane too.
    """
    ends, seen_starts = start_ps + duration_ps, _rounded(start_ps)
    seen_ends = seen_starts + _rounded(duration_ps)
    lanes: list[list[tuple[int, int]]] = []
    result = np.zeros(len(start_ps), dtype=np.int64)
    events = zip(start_ps.tolist(), ends.tolist(), seen_starts.tolist(), seen_ends.tolist(), strict=True)
    for at, (start, end, seen_start, seen_end) in enumerate(events):
        for lane, stack in enumerate(lanes):
            while stack and stack[-1][0] <= start and stack[-1][1] <= seen_start:
                stack.pop()
            if not stack or (nest and _nests(stack[-1], start, end, seen_start, seen_end)):
                stack.append((end, seen_end))
                result[at] = lane
                break
        else:
            result[at] = len(lanes)
            lanes.append([(end, seen_end)])
    return result


def _nests(outer: tuple[int, int], start: int, end: int, seen_start: int, seen_end: int) -> bool:
    open_both_ways = outer[0] > start and outer[1] > seen_start
    return open_both_ways and end <= outer[0] and seen_end <= outer[1]


def _rounded(ps: Ints) -> Ints:
    """Whole ns, as Perfetto's JSON importer rounds (half up for the values at hand, none of which is negative)."""
    return (ps + PS_PER_NS // 2) // PS_PER_NS
