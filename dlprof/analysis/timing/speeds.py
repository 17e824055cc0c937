"""Sides whose processes run at two speeds, so that a mean over trials is one at which no process ran; in words."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from dlprof import stats
from dlprof.analysis.facts import TwoSpeeds
from dlprof.analysis.model import Side
from dlprof.analysis.timing import lockstep
from dlprof.units import format_ns


def of(timings: pa.Table, item: str, a: Side, b: Side) -> tuple[TwoSpeeds, ...]:
    """Of the trials of one item (schema.TIMINGS): `stats.two_speeds`, with trial numbers and a sentence."""
    trials = lockstep.by_item(timings).get(item, {})
    numbers = np.array(sorted(trials), dtype=np.int64)
    found = stats.two_speeds([trials[n].a_ns for n in numbers], [trials[n].b_ns for n in numbers])
    return tuple(
        TwoSpeeds(
            side=one.side,
            item=item,
            fast_ns=one.fast_ns,
            slow_ns=one.slow_ns,
            fast_trials=tuple(int(numbers[at]) for at in one.fast),
            slow_trials=tuple(int(numbers[at]) for at in one.slow),
            sentence=_sentence(one, b if one.side == "b" else a),
        )
        for one in found
    )


def _sentence(one: stats.Speeds, side: Side) -> str:
    """`B's processes come in two speeds: 9 ms (4 of 6 trials) and 12.5 ms (2 of 6) (MXNet …); …`."""
    n = len(one.fast) + len(one.slow)
    return (
        f"{one.side.upper()}'s processes come in two speeds: {format_ns(one.fast_ns)} ({len(one.fast)} of {n} trials) and "
        f"{format_ns(one.slow_ns)} ({len(one.slow)} of {n}) ({side.label}); "
        "the ratio is a mean over both, at which no process ran, and its interval is too narrow where one speed is much rarer "
        "than the other"
    )
