"""Does a timed block of training steps do what its steps do one by one? Asked of each side by itself.

Known steps of both sides can be held against each other from the weights that they began with, and only there: later on rounding
has led honest sides apart. So a side that does otherwise until something is set back, or in whole blocks alone, or in
every so many steps, is held against itself: the blocks that would have come next, before anything is set back, and the same
steps from the same state one by one (the child's `replay.py`), which have been held against the other side's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dlprof.analysis.same_work import moves
from dlprof.names import ArrayName
from dlprof.units import format_share

Arrays = Mapping[str, NDArray[Any]]

TOLERANCE: Final = 1e-4
"""Of the way that a parameter array moved. The frameworks of this package do the very same sums in a block and in single steps:
they were apart by nothing at all in all honest replays (benchmarks/honest_replays.py). bfloat16 is off by 1e-3."""

NOISE: Final = 3.0
"""How many times as far as two runs of the same single steps may be apart, where a framework sums in another order each time."""

MOST_NOISE: Final = 0.02
"""What such noise may excuse at most: one step in twenty that is left out is more."""


def apart(arrays: Arrays) -> Iterator[tuple[ArrayName, float, float]]:
    """(array of `moves.BLOCKS`, how far blocks led elsewhere than their steps, how far two runs of those steps are apart) of each
    parameter, in parts of the way. There are two runs where the first led elsewhere; the one that is further from the blocks
    counts: what is left out now and then need not be left out of each."""
    for text in sorted(arrays):
        name = ArrayName.parse(text)
        if name.kind != moves.BLOCKS:
            continue
        least, blocks = moves.floor(name, arrays), arrays[text]
        at = 2 * (name.number or 0)
        keys = [str(ArrayName(moves.SINGLY, name.of, number=number)) for number in (at, at + 1)]
        runs = [arrays[key] for key in keys if key in arrays]
        yield name, max(_gap(blocks, run, least) for run in runs), _gap(runs[0], runs[-1], least)


def check(side: str, arrays: Arrays) -> Iterator[tuple[ArrayName, str]]:
    """(array, what is wrong in words) of each parameter that whole blocks moved elsewhere than their steps do."""
    for name, gap, noise in apart(arrays):
        if not gap <= min(max(TOLERANCE, NOISE * noise), MOST_NOISE):  # nor where it is no number
            told = format_share(gap, 1) if gap >= 0.01 else f"{gap:.1g} of the way"
            yield name, f"whole blocks of {side} move {name.of} elsewhere than the same steps one by one: {told} apart"


def _gap(a: NDArray[Any], b: NDArray[Any], least: float) -> float:
    """In parts of the longer way, so that a run which does not move at all is as far as can be."""
    longer, shorter = (a, b) if np.linalg.norm(a) >= np.linalg.norm(b) else (b, a)
    return moves.between(longer, shorter, least).direction
