"""Did the objects that were timed do the work? What both sides' workers answer to `recheck`, held against each other.

Parity (`rules.check`) is computed before the timing on objects of its own. A side that behaves otherwise later passes it: one
that remembers its first result, leaves out updates, or trains on its first batch again and again. So after the last timed
round of a trial the timed objects themselves are asked, on operands that they have not seen (the child's `recheck.py` says
how, and names the arrays).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dlprof.analysis.same_work import parity, rules
from dlprof.analysis.same_work.rules import Difference
from dlprof.names import ArrayName
from dlprof.workload import Workload

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Moves:
    """How a few steps moved a parameter array, on either side.

    what: the steps, in words
    distance: allowed relative difference of how far
    direction: allowed |moved_a - moved_b| over |moved_a|, norms of the array
    """

    what: str
    distance: float
    direction: float


MOVES: Final[Mapping[str, Moves]] = {
    "replay/moved": Moves("known steps", 1e-2, 5e-2),
    "replay/given": Moves("updates with given gradients", 1e-3, 2e-2),
}
"""Kind of array → what moved the weights that it is of.

Measured by Adam (benchmarks/honest_replays.py) in 45 replays of LeNet in TensorFlow and MXNet: given gradients move them alike to
1.1e-5, where a learning rate that differs by 1 % makes 1e-2. Known steps move them as far to 8e-4 and the same way to 4e-3
(PyTorch's and JAX's: 2e-3 and 9e-3 in 30), in most replays to 3e-5: where rounding decides whether a unit is on, a small bias's
gradient jumps. Another loss, padding or dropout turns all elements.
"""

RUN_TOLERANCE: Final = 0.05
"""Relative difference of how far all weights have moved over a whole run. Measured after 700 steps: at most 3e-3, as rounding
makes honest sides drift apart; a side that leaves out every second update, or sees one batch only, is off by 30 % or more."""

PRECISION_TOLERANCE: Final[Mapping[str, float]] = {"float32": 2e-5, "float64": 1e-13}
"""Root mean square of the difference over that of the result. Measured in float32 over all shipped operators: at most 6e-7.
TensorFloat-32 makes 3e-4, bfloat16 3e-3: within no tolerance that is meant for sums in another order."""

_UPDATES: Final = str(ArrayName("run", "updates"))
_MOVED: Final = str(ArrayName("run", "moved"))
_LOGITS: Final = ArrayName("replay", "logits")
_LOSSES: Final = ArrayName("replay", "losses")

DEFERRED_LIMIT: Final = 0.5
"""Share of the calls' time that may be spent when a result is read, beyond copying it."""

AGAIN: Final = 2
"""How often a network is asked again, on other batches, where known steps led elsewhere and nothing else is wrong.

Where rounding decides whether a unit is on, a gradient jumps and Adam steps elsewhere: a chance of a batch, seen in some honest
replays of a hundred (benchmarks/honest_replays.py). Other work (a loss, a rate, dropout, padding) shows on every batch.
"""

_OF_NETWORKS: Final = ("run", "replay", "replay/moved", "replay/given")
"""Kinds of array that a network's timed object gives."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one side's worker answered.

    arrays: by the names that the child's recheck.py gives them
    deferred: item → share of its time that was put off until its results were read
    """

    arrays: Arrays
    deferred: Mapping[str, float]


def check(
    a: Answer, b: Answer, workloads: Mapping[str, Workload], allow: Collection[str] = ()
) -> tuple[Difference, ...]:
    """Every disagreement, those that forbid a verdict with blocks = yes; one of a single op item names it under `item`."""
    dtype = rules.dtype_of(workloads["a"])
    found = [*_updates("A", a), *_updates("B", b), *_deferred("A", a), *_deferred("B", b)]
    names = sorted({*a.arrays, *b.arrays} - {_UPDATES})
    for name in names:
        found.extend(_held(name, a.arrays.get(name), b.arrays.get(name), dtype))
    return tuple(rules.judged((rules.placed(_told(one)) for one in found), workloads, allow))


def doubtful(differences: Collection[Difference]) -> bool:
    """Whether known steps led elsewhere and nothing else blocks: rounding may do that on one batch, but not on every one."""
    blocking = parity.blocking(tuple(differences))
    return bool(blocking) and all(map(_elsewhere, blocking))


def confirmed(first: Collection[Difference], again: Collection[Difference]) -> tuple[Difference, ...]:
    """The first answer's differences, held against those on other batches: known steps block only if they led elsewhere there
    too. Those that did not are kept, with the reason why they do not block."""
    if any(map(_elsewhere, again)):
        return tuple(first)
    return tuple(_excused(one) if _elsewhere(one) else one for one in first)


def _elsewhere(difference: Difference) -> bool:
    """Whether it is a blocking one of where known steps led."""
    name = ArrayName.parse(difference["where"])
    return difference["blocks"] == "yes" and (name.kind == "replay/moved" or name == _LOSSES)


def _excused(difference: Difference) -> Difference:
    excuse = "not on other batches, so by rounding, which may decide whether a unit is on"
    return {**difference, "blocks": "no", "sentence": f"{parity.statement(difference)} ({excuse})"}


def found_late(differences: Collection[Difference]) -> tuple[Difference, ...]:
    """Those of a comparison's differences that were found after or by the timing, and not by parity before it."""
    return tuple(difference for difference in differences if ArrayName.parse(difference["where"]).late)


def _told(difference: Difference) -> Difference:
    """With a sentence that says when it was found, and of an array of a network in which item."""
    name = ArrayName.parse(difference["where"])
    if name.kind in _OF_NETWORKS:
        item = "infer_block" if name == _LOGITS else "train_block"
        return {**difference, "sentence": f"after timing: {item}: {parity.statement(difference)}"}
    return (
        {**difference, "sentence": f"after timing: {difference['sentence']}"}
        if "sentence" in difference
        else difference
    )


def _held(name: str, a: NDArray[Any] | None, b: NDArray[Any] | None, dtype: str) -> Iterator[Difference]:
    if a is None or b is None:
        yield from parity.check({} if a is None else {name: a}, {} if b is None else {name: b})
        return
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if x.shape != y.shape or not (np.isfinite(x).all() and np.isfinite(y).all()):
        yield from parity.check({name: a}, {name: b}, dtype=dtype)
    elif name == _MOVED:
        yield from _distance(name, x, y, RUN_TOLERANCE, "the weights moved over the timed run")
    elif moves := MOVES.get((parsed := ArrayName.parse(name)).kind):
        found = _distance(name, x, y, moves.distance, f"{moves.what} move {parsed.of}")
        yield from found or _direction(name, parsed.of, x, y, moves.direction)
    else:
        yield from parity.check({name: a}, {name: b}, dtype=dtype) or _precision(name, x, y, dtype)


def _distance(name: str, x: NDArray[Any], y: NDArray[Any], limit: float, what: str) -> tuple[Difference, ...]:
    left, right = float(np.linalg.norm(x)), float(np.linalg.norm(y))
    gap = abs(left - right) / max(left, right) if max(left, right) else 0.0
    if gap <= limit:
        return ()
    return (_difference(name, f"{left:.6g}", f"{right:.6g}", f"{what} by {left:.4g} on A and {right:.4g} on B"),)


def _direction(name: str, parameter: str, x: NDArray[Any], y: NDArray[Any], limit: float) -> tuple[Difference, ...]:
    norm = float(np.linalg.norm(x))
    gap = float(np.linalg.norm(x - y)) / norm if norm else 0.0
    if gap <= limit:
        return ()
    return (_difference(name, "its own", "its own", f"the same steps move {parameter} elsewhere: {gap:.1%} apart"),)


def _precision(name: str, x: NDArray[Any], y: NDArray[Any], dtype: str) -> tuple[Difference, ...]:
    scale = float(np.sqrt(np.mean(np.square(x)))) if x.size else 0.0
    limit = PRECISION_TOLERANCE.get(dtype)
    if limit is None or not scale:
        return ()
    gap = float(np.sqrt(np.mean(np.square(x - y)))) / scale
    if gap <= limit:
        return ()
    sentence = (
        f"{name} agrees to {gap:.1g} of its scale only, where {dtype} on both sides gives {limit:.1g} or better: "
        "one side computes in a lower precision"
    )
    return (_difference(name, dtype, "lower", sentence, what="precision"),)


def _updates(side: str, answer: Answer) -> Iterator[Difference]:
    """Training steps that were asked for, against what the optimizer itself has counted."""
    asked, counted = (int(n) for n in answer.arrays.get(_UPDATES, (0, -1)))
    if counted >= 0 and abs(counted - asked) > asked // 1000:
        sentence = f"{side} was asked for {asked} training steps, and its optimizer has made {counted} updates"
        yield _difference(_UPDATES, str(asked), str(counted), sentence, what="updates")


def _deferred(side: str, answer: Answer) -> Iterator[Difference]:
    for item, share in answer.deferred.items():
        if share > DEFERRED_LIMIT:
            sentence = (
                f"{item} of {side} does {share:.0%} as much work again when its results are read: the timed "
                "calls end before their work is done"
            )
            yield _difference(str(ArrayName("timed", item)), "done", "put off", sentence, what="deferred")


def _difference(where: str, a: str, b: str, sentence: str, what: str = "array") -> Difference:
    return {"what": what, "where": where, "a": a, "b": b, "blocks": "yes", "sentence": sentence}
