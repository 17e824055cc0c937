"""How steps of a network that was timed moved its parameters, on either side: does the same step do the same?

The steps are the child's (`replay.py` says which, and names the arrays). Limits are what honest sides showed, with a margin
(benchmarks/honest_replays.py; the table stands in docs/same-work.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dlprof.names import ArrayName
from dlprof.units import format_share

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Moves:
    """How a few steps moved a parameter array, on either side.

    what: the steps, in words
    distance: allowed relative difference of how far; None where a limit of whereto says enough
    direction: allowed |moved_a - moved_b| over |moved_a|, norms of the array; of several such steps that of the closest
    jump: the most of either that rounding may do on one batch and not on another; 0 where it may do no such thing
    """

    what: str
    distance: float | None
    direction: float
    jump: float = 0.0


MOVES: Final[Mapping[str, Moves]] = {
    "replay/moved": Moves("known steps", 1e-2, 5e-2, jump=0.12),
    "replay/fed": Moves("known steps on the timed feed's batches", 1e-2, 5e-2, jump=0.12),
    "replay/given": Moves("updates with given gradients", 5e-5, 5e-5),
    "replay/one": Moves("single steps through the timed feed", None, 3e-4, jump=3e-3),
    "replay/bright": Moves("a step with large gradients", 1e-2, 5e-2, jump=0.12),
}
"""Kind of array → what moved the weights that it is of.

Where rounding decides whether a unit is on, the gradients of what lies below it jump, on one batch or another: known steps and
bright ones have wide limits for that, single steps are asked on several batches, of which the closest counts. bfloat16 in
gradients is off by 1e-3 of a single step on every batch, and by 2e-4 of given updates of Adam; float16, by 1e-4 of a single
step, is not told from rounding.

What one batch did is excused where others show nothing, up to a jump. The furthest of all honest replays led .04 of the way
elsewhere (docs/same-work.md), known steps of which one is left out .38: their jump is as many times one as it is in the other.
"""

LAST_TOLERANCE: Final = 0.999
"""Relative difference of how far a block more, after the timed ones, moves a parameter array: thousand-fold. Rounding has made
honest sides drift apart by then (two-fold after 700 steps of LeNet; a small bias under Adam a hundred-fold after 1 000 to 2 000
steps on random images), so it finds what stands still."""

_ROUNDING: Final = 2.0**-23
"""Of a weight, by which its movement cannot be told more closely."""

_LEAST: Final = 10
"""How many roundings of its elements a movement must be to be told from standing still: steps of a network that has converged are
lost in them, on one side and not on the other."""

_LAST: Final = "run/last"
BLOCKS: Final = "run/blocks"
SINGLY: Final = "run/singly"
_SINGLE: Final = "replay/one"
_STILL: Final = "replay/still"
_SIZE: Final = "replay/size"
OF_PARAMETERS: Final = (*MOVES, _LAST, BLOCKS, SINGLY, _STILL, _SIZE)
"""Kinds of array of which each parameter has its own."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Two sides' movements of a parameter array by the same steps.

    a, b: norms
    distance: relative difference of the norms
    direction: norm of the difference over the norm of A's; less what rounding of the weights alone may do to it
    """

    a: float
    b: float
    distance: float
    direction: float


def gap(name: ArrayName, a: Arrays, b: Arrays) -> Gap:
    """How far apart the movements are that `name` is of, of all single steps the closest; both sides have it."""
    if name.kind != _SINGLE:
        return between(a[str(name)], b[str(name)], floor(name, a))
    numbered = [one for one in sorted(a.keys() & b.keys()) if ArrayName.parse(one).of == name.of and _single(one)]
    return min((between(a[one], b[one], floor(name, a)) for one in numbered), key=lambda found: found.direction)


def check(name: ArrayName, a: Arrays, b: Arrays) -> str | None:
    """What is wrong with the movement that `name` is of, in words; None where the same steps did the same."""
    if name.kind in (_SIZE, BLOCKS, SINGLY) or (name.kind == _SINGLE and name.number != 0):
        return (
            None  # of single steps the first stands for all; blocks are held against the same side's steps (blocks.py)
        )
    found = gap(name, a, b)
    if name.kind == _LAST:
        what = f"a block more after the timed ones moves {name.of}"
        moves_at_all = max(found.a, found.b) > _LEAST * _unmoved(name, a)
        return _far(what, found) if moves_at_all and found.distance > LAST_TOLERANCE else None
    if name.kind == _STILL:
        what = f"steps whose gradient of {name.of} is zero move it"
        return _far(what, found) if (found.a == 0) != (found.b == 0) else None
    moves = MOVES[name.kind]
    if moves.distance is not None and found.distance > moves.distance:
        return _far(f"{moves.what} move {name.of}", found)
    if found.direction > moves.direction:
        apart = format_share(found.direction, 1) if found.direction >= 0.01 else f"{found.direction:.1g} of the way"
        return f"the same steps move {name.of} elsewhere: {apart} apart ({moves.what})"
    return None


def by_rounding(name: ArrayName, a: Arrays, b: Arrays) -> bool:
    """Whether the movement is no further off than rounding, which decides whether a unit is on, may lead on one batch."""
    if name.kind not in MOVES:
        return False
    found = gap(name, a, b)
    far = found.direction if MOVES[name.kind].distance is None else max(found.distance, found.direction)
    return far <= MOVES[name.kind].jump


def parameters(a: Arrays, b: Arrays, kind: str) -> Iterator[ArrayName]:
    """The arrays of a kind that both sides have, of single steps the first."""
    for text in sorted(a.keys() & b.keys()):
        if (name := ArrayName.parse(text)).kind == kind and not name.number:
            yield name


def _far(what: str, found: Gap) -> str:
    return f"{what} by {found.a:.4g} on A and {found.b:.4g} on B"


def between(a: NDArray[Any], b: NDArray[Any], least: float) -> Gap:
    """Two movements; `least`: what rounding may do to an element, as a root mean square."""
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    left, right, apart = (float(np.linalg.norm(one)) for one in (x, y, x - y))
    most = max(left, right)
    beyond = max(apart - least * float(np.sqrt(x.size)), 0.0)
    return Gap(left, right, abs(left - right) / most if most else 0.0, beyond / left if left else most)


def floor(name: ArrayName, a: Arrays) -> float:
    """What rounding of a weight can do to the movement of an element, as a root mean square."""
    size = a.get(str(ArrayName(_SIZE, name.of)))
    return 0.0 if size is None or name.kind in (_LAST, _STILL) else _ROUNDING * float(size)


def _unmoved(name: ArrayName, a: Arrays) -> float:
    """The norm of a rounding of each element of a parameter; 0 where its elements are not known."""
    size, moved = (a.get(str(ArrayName(kind, name.of))) for kind in (_SIZE, "replay/moved"))
    return 0.0 if size is None or moved is None else _ROUNDING * float(size) * float(np.sqrt(moved.size))


def _single(text: str) -> bool:
    return ArrayName.parse(text).kind == _SINGLE
