"""Intervals: unions, nesting and shares agree with a plain count of instants."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dlprof.analysis import intervals

TRIPLES = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30), st.integers(0, 12)), max_size=25)


def arrays(triples):
    array = np.array(triples, dtype=np.int64).reshape(-1, 3)
    return array[:, 0], array[:, 1], array[:, 1] + array[:, 2]


def owners_by_instant(track, start, end, one, instant):
    """The latest-started (then shortest, then later) event of a track that holds the instant; the plain definition."""
    holding = [i for i in range(len(track)) if track[i] == one and start[i] <= instant < end[i]]
    return max(holding, key=lambda i: (start[i], -end[i], i), default=None)


@settings(deadline=None)  # a busy machine is no failure
@given(TRIPLES)
def test_a_union_covers_exactly_the_instants_that_some_interval_holds(triples):
    _, start, end = arrays(triples)
    merged = intervals.union(start, end)
    held = {t for s, e in zip(start, end, strict=True) for t in range(s, e)}
    assert merged.length == len(held)
    for t in range(45):
        times = np.array([t, t + 1])
        assert np.diff(merged.covered(times))[0] == (t in held)


@settings(deadline=None)  # a busy machine is no failure
@given(TRIPLES, TRIPLES)
def test_gaps_are_what_the_windows_hold_and_the_union_does_not(triples, others):
    merged, frame = (intervals.union(*arrays(t)[1:]) for t in (triples, others))
    gaps = merged.gaps(frame)
    for t in range(45):
        times = np.array([t, t + 1])
        free = bool(np.diff(frame.covered(times))[0]) and not np.diff(merged.covered(times))[0]
        assert bool(np.diff(gaps.covered(times))[0]) == free


@settings(deadline=None)  # a busy machine is no failure
@given(TRIPLES)
def test_each_instant_of_a_track_belongs_to_the_latest_started_event_even_where_events_do_not_nest(triples):
    track, start, end = arrays(triples)
    parts = intervals.leaves(track, start, end)
    for one in range(3):
        for t in range(45):
            mine = [
                o for o, s, e in zip(parts.owner, parts.start, parts.end, strict=True) if track[o] == one and s <= t < e
            ]
            expected = owners_by_instant(track, start, end, one, t)
            assert mine == ([] if expected is None else [expected])


@settings(deadline=None)  # a busy machine is no failure
@given(TRIPLES, TRIPLES)
def test_exclusive_times_share_each_instant_among_tracks_and_sum_to_the_covered_time(triples, others):
    track, start, end = arrays(triples)
    frame = intervals.union(*arrays(others)[1:])
    expected = np.zeros(len(track))
    for t in range(45):
        if not np.diff(frame.covered(np.array([t, t + 1])))[0]:
            continue
        owners = [o for one in range(3) if (o := owners_by_instant(track, start, end, one, t)) is not None]
        for owner in owners:
            expected[owner] += 1 / len(owners)
    assert np.allclose(intervals.divide(track, start, end, frame).share, expected)


@settings(deadline=None)  # a busy machine is no failure
@given(TRIPLES, TRIPLES, st.booleans())
def test_own_times_count_each_track_in_full_and_share_among_devices_alone(triples, others, several):
    """Tracks 0 and 1 are of one device, 2 of another where there are several."""
    track, start, end = arrays(triples)
    frame = intervals.union(*arrays(others)[1:])
    unit = track // 2 if several else np.zeros_like(track)
    expected = np.zeros(len(track))
    for t in range(45):
        if not np.diff(frame.covered(np.array([t, t + 1])))[0]:
            continue
        owners = [o for one in range(3) if (o := owners_by_instant(track, start, end, one, t)) is not None]
        for owner in owners:
            expected[owner] += 1 / len({int(unit[o]) for o in owners})
    assert np.allclose(intervals.divide(track, start, end, frame, unit).own, expected)


@settings(deadline=None)  # a busy machine is no failure
@given(TRIPLES, TRIPLES)
def test_clipping_keeps_exactly_the_part_inside_the_windows(triples, others):
    _, start, end = arrays(triples)
    frame = intervals.union(*arrays(others)[1:])
    index, low, high = intervals.clip(start, end, frame)
    inside = frame.covered(end) - frame.covered(start)
    assert np.array_equal(np.bincount(index, weights=high - low, minlength=len(start)), inside)
