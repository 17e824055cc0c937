"""The critical path of a job: from its last end back to its first start, always on the rank that all wait for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dlprof.analysis.columns import Bools, Ints

LOCAL, TRANSFER = 0, 1


@dataclass(frozen=True, slots=True)
class Pieces:
    """The path in pieces that follow each other, latest first.

    column: of the rank on the path; start, end: on one clock, ps
    kind: LOCAL (what the rank itself does) or TRANSFER (a collective, from its last arrival to its end)
    collective: row of that collective; NULL for local pieces
    """

    column: Ints
    start: Ints
    end: Ints
    kind: Ints
    collective: Ints


def walk(start: Ints, exposed: Ints, until: Ints, there: Bools, first: Ints, last: Ints) -> Pieces:
    """The path. start, exposed, until: of synchronising collectives (collectives, ranks) on one clock: a rank's arrival, and
    when it did nothing but wait; first, last: where each rank's steps begin and end.

    On a rank it goes back to the latest collective that the rank did nothing but wait for when its last rank arrived; from
    there to that rank's arrival, and on with that rank. A collective that ran beside compute holds up nobody.
    """
    arrival = np.where(there, start, np.iinfo(np.int64).min)
    who = arrival.argmax(axis=1) if arrival.size else np.zeros(0, dtype=np.int64)
    when = arrival[np.arange(len(arrival)), who] if arrival.size else who
    held = there & (exposed <= when[:, None]) & (until > when[:, None])
    behind = [np.flatnonzero(held[:, at]) for at in range(there.shape[1])]
    behind = [rows[np.argsort(until[rows, at], kind="stable")] for at, rows in enumerate(behind)]
    ends = [until[rows, at] for at, rows in enumerate(behind)]
    column, now = int(last.argmax()), int(last.max())
    found: list[tuple[int, int, int, int, int]] = []
    while now > first[column]:
        at = int(np.searchsorted(ends[column], now, side="right")) - 1
        if at < 0:
            found.append((column, int(first[column]), now, LOCAL, -1))
            break
        row = int(behind[column][at])
        found.append((column, int(ends[column][at]), now, LOCAL, -1))
        found.append((column, int(when[row]), int(ends[column][at]), TRANSFER, row))
        column, now = int(who[row]), int(when[row])
    pieces = np.array(found, dtype=np.int64).reshape(-1, 5)
    pieces = pieces[pieces[:, 2] > pieces[:, 1]]
    return Pieces(*(pieces[:, at] for at in range(5)))
