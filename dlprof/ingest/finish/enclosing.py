"""What an event has from the events around it on its own thread: found by jumping up the chain of parents, all at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dlprof.ingest.batch import Int64


def nearest(parent: Int64, wanted: npt.NDArray[np.bool_]) -> Int64:
    """Index of the innermost enclosing event that is wanted, -1 for none. Shape (n,).

    parent: index of the innermost enclosing event, -1 for none (nesting.parents). Each round doubles how far every
    pointer jumps, so a stack of a hundred Python frames takes seven rounds.
    """
    up = parent.copy()
    rows = np.flatnonzero(up >= 0)
    while len(rows := rows[~wanted[up[rows]]]):
        up[rows] = up[up[rows]]
        rows = rows[up[rows] >= 0]
    return up
