"""Where each event of a run begins and ends: the chain of lengths, followed in hundreds of places at once.

Event k + 1 begins where event k ends, so the chain is sequential, and a Python step for each of millions of events costs
more than all the rest of reading. But the format synchronises itself: start anywhere at a byte that looks like an event, and
the chain of lengths soon falls in step with the true one. So lanes start at guesses spread over the run and walk together, one
NumPy operation moving all of them. What a lane found counts only from where the true chain, coming from the lane before,
meets it; up to there it is walked step by step. The result is exact whatever the guesses were.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from dlprof.ingest.batch import Int64
from dlprof.ingest.wire import varint

TAG: Final = 0x22
_STRIDE: Final = 4096
"""Bytes of a lane: about 160 events, so that steps are few and a lane's start-up costs little."""
_SEARCH: Final = 128
"""Bytes behind a lane's mark in which its start is looked for."""

Bytes = npt.NDArray[np.uint8]


def extents(data: bytes, view: Bytes, at: int, end: int) -> tuple[Int64, Int64, int]:
    """Bodies [start, end) of the run of events that begins at `at`, and where it stops: at another field, or at an event
    that is cut by `end`. view: `data` with padding. Raises `wire.Malformed` for a length that is no varint."""
    if end - at < 4 * _STRIDE:
        starts, stop = _walk(data, at, end, None)
        return _bodies(view, np.array(starts, dtype=np.int64), stop)
    pieces: list[Int64] = []
    position = at
    for chain, lane_end in zip(*_lanes(view, at, end), strict=True):
        if position >= lane_end:
            continue
        joined = int(np.searchsorted(chain, position))
        if joined == len(chain) or chain[joined] != position:
            # Out of step: the guess fell on a stat inside an event, say. Walk on until the lane's chain is met.
            steps, position = _walk(data, position, end, set(chain.tolist()))
            pieces.append(np.array(steps, dtype=np.int64))
            joined = int(np.searchsorted(chain, position))
            if joined == len(chain) or chain[joined] != position:
                return _bodies(view, np.concatenate(pieces), position)
        pieces.append(chain[joined:])
        position = lane_end
    steps, stop = _walk(data, position, end, None)
    pieces.append(np.array(steps, dtype=np.int64))
    return _bodies(view, np.concatenate(pieces), stop)


def _walk(data: bytes, at: int, end: int, chain: set[int] | None) -> tuple[list[int], int]:
    """Starts (of the tag byte) of events from `at` on, and where it stops: the end, another field, or a place of `chain`."""
    starts: list[int] = []
    while at + 1 < end and data[at] == TAG and not (chain and at in chain):
        size = data[at + 1]
        body = at + 2
        if size >= 0x80:
            if end - at < 12 and all(byte >= 0x80 for byte in data[at + 1 : end]):
                break
            size, body = varint(data, at + 1, end)
        if body + size > end:
            break
        starts.append(at)
        at = body + size
    return starts, at


def _bodies(view: Bytes, starts: Int64, stop: int) -> tuple[Int64, Int64, int]:
    """The bodies of events whose tags are at `starts`, one behind the other up to `stop`."""
    ends = np.append(starts[1:], stop) if len(starts) else starts
    body = starts + 2
    long = np.flatnonzero(view[starts + 1] >= 0x80)
    while len(long):
        body[long] += 1
        long = long[view[body[long] - 1] >= 0x80]
    return body, ends, stop


def _next(view: Bytes, at: Int64) -> Int64:
    """End of the event at each place; -1 where there is none or its length has more than two bytes."""
    first = view[at + 1].astype(np.int64)
    second = view[at + 2].astype(np.int64)
    two = first >= 0x80
    after = at + 2 + first
    after = np.where(two, at + 3 + ((first & 0x7F) | (second << 7)), after)
    return np.where((view[at] != TAG) | (two & (second >= 0x80)), -1, after)


def _lanes(view: Bytes, at: int, end: int) -> tuple[list[Int64], list[int]]:
    """Chains of event starts and ends of all lanes. The first lane starts at `at`, the others at guesses."""
    marks = np.arange(at + _STRIDE, end - _STRIDE, _STRIDE)
    starts = np.concatenate([[at], _guesses(view, marks, end)])
    starts = np.unique(starts[starts >= 0])
    limits = np.append(starts[1:], end)
    position = starts.copy()
    alive = np.arange(len(starts))
    trail: list[tuple[Int64, Int64]] = [(alive[:0], starts[:0])]
    while len(alive):
        here = position[alive]
        after = _next(view, here)
        moves = (after >= 0) & (after <= end)
        if not moves.all():
            alive, here, after = alive[moves], here[moves], after[moves]
        trail.append((alive, here))
        position[alive] = after
        alive = alive[after < limits[alive]]
    lane = np.concatenate([lanes for lanes, _ in trail])
    found = np.concatenate([places for _, places in trail])
    order = np.argsort(lane, kind="stable")
    edges = np.searchsorted(lane[order], np.arange(1, len(starts)))
    return np.split(found[order], edges), position.tolist()


def _guesses(view: Bytes, marks: Int64, end: int) -> Int64:
    """For each mark the first place behind it that looks like three events in a row; -1 where none does."""
    places = marks[:, None] + np.arange(_SEARCH)
    lane, offset = np.nonzero(view[places] == TAG)
    at = places[lane, offset]
    good = np.ones(len(at), dtype=bool)
    probe = at
    for _ in range(3):
        after = _next(view, np.minimum(probe, end))
        good &= (after > 0) & (after < end)
        probe = np.where(good, after, at)
    good &= view[np.minimum(probe, end)] == TAG
    guesses = np.full(len(marks), -1, dtype=np.int64)
    # Written back to front, so that the first good place of a lane is the one that stays.
    guesses[lane[good][::-1]] = at[good][::-1]
    return guesses
