"""Lanes: what a trace viewer draws as a thread. Splits a track into lanes in which events nest or follow, and names tracks.

Trace viewers draw a thread as a stack. An event that overlaps its neighbour without nesting (concurrent kernels on one
stream, asynchronous tasks) is drawn wrongly by chrome://tracing and dropped by Perfetto, so it gets a lane of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

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


_NUMBERED: Final = re.compile(r"(?P<stem>.*?)[\s/:#_-]*(?P<number>-?\d+|0x[0-9a-fA-F]+)", re.DOTALL)
_LONG: Final = 8
"""Digits from which on a number is a handle of the operating system or a hash, which nobody reads or types."""
_HOSTS: Final = ("host", "cpu")


def names(tracks: Iterable[tuple[str, str]]) -> Mapping[tuple[str, str], str]:
    """What to call the streams and threads of (device, stream): `stream 7`, `tf_Compute 2`, `thread 1`, else their own name.

    A long number is replaced by a small one, counted among those of the same stem in the order given; a thread that
    stands under two devices keeps its number.
    """
    found: dict[tuple[str, str], str] = {}
    counted: dict[str, dict[str, int]] = {}
    for device, stream in tracks:
        match = _NUMBERED.fullmatch(stream)
        if match is None or (match["stem"] and len(match["number"]) < _LONG):
            found[device, stream] = stream
            continue
        stem = match["stem"] or ("thread" if _of_host(device) else "stream")
        number = match["number"]
        if len(number) >= _LONG:
            numbers = counted.setdefault(stem, {})
            number = str(numbers.setdefault(number, len(numbers) + 1))
        found[device, stream] = f"{stem} {number}"
    return found


def _of_host(device: str) -> bool:
    return re.split(r"[/ ]", device)[-1].partition(":")[0] in _HOSTS
