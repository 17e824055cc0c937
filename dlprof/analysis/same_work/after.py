"""Did the objects that were timed do the work? What both sides' workers answer to `recheck`, held against each other.

Parity (`rules.check`) is computed before the timing on objects of its own. A side that behaves otherwise later passes it: one
that remembers its first result, leaves out updates, or trains on its first batch again and again. So after the last timed
round of a trial the timed objects themselves are asked, on operands that they have not seen (the child's `recheck.py` says
how, and of networks its `replay.py`, and names the arrays).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dlprof.analysis.same_work import blocks, moves, parity, rules
from dlprof.analysis.same_work.rules import Difference
from dlprof.names import ArrayName
from dlprof.units import format_share
from dlprof.workload import Workload

Arrays = Mapping[str, NDArray[Any]]


RUN_TOLERANCE: Final = 0.05
"""Relative difference of how far all weights have moved over a whole run. Measured after 700 steps: at most 3e-3, as rounding
makes honest sides drift apart; a side that leaves out every second update, or sees one batch only, is off by 30 % or more."""

PRECISION_TOLERANCE: Final[Mapping[str, float]] = {"float32": 2e-5, "float64": 1e-13}
"""Root mean square of the difference over that of the result. Measured in float32 over all shipped operators: at most 6e-7.
TensorFloat-32 makes 3e-4, bfloat16 3e-3: within no tolerance that is meant for sums in another order."""

_UPDATES: Final = str(ArrayName("run", "updates"))
_MOVED: Final = str(ArrayName("run", "moved"))
_PASSES: Final = tuple(ArrayName("replay", one) for one in ("logits", "fed_logits", "known"))
_LOSSES: Final = (ArrayName("replay", "losses"), ArrayName("replay", "fed_losses"))

DEFERRED_LIMIT: Final = 0.5
"""Share of the calls' time that may be spent when a result is read, beyond copying it."""

SAVED_LIMIT: Final = 0.5
"""Share of the passes' time that may be saved where the same images were passed just before."""

AGAIN: Final = 2
"""How often a network is asked again, on other batches, where known steps led elsewhere and nothing else is wrong.

Where rounding decides whether a unit is on, a gradient jumps and Adam steps elsewhere: a chance of a batch, seen in some honest
replays of a hundred (benchmarks/honest_replays.py). Other work (a loss, a rate, dropout, padding) shows on every batch, or leads
further than rounding does (`moves.Moves.jump`, `LOSSES_JUMP`), which other batches do not excuse.
"""

LOSSES_JUMP: Final = 1e-3
"""Relative difference of the losses of known steps that rounding may make on one batch: ten times what parity allows."""

_ELSEWHERE: Final = "elsewhere"
"""What a difference is called that rounding may make on one batch, and not on every one."""

_OF_NETWORKS: Final = ("run", "replay", *moves.OF_PARAMETERS)
"""Kinds of array that a network's timed object gives."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one side's worker answered.

    arrays: by the names that the child's recheck.py gives them
    deferred: item → share of its time that was put off until its results were read
    saved: item → share of its time that is saved where it has seen its input before
    Shares are None where the machine was too busy to tell.
    """

    arrays: Arrays
    deferred: Mapping[str, float | None]
    saved: Mapping[str, float | None] = field(default_factory=dict)


def scales(arrays: Arrays) -> dict[str, float]:
    """Parameter → root mean square of its gradients of the first batch, where it has any, of parity."""
    grads = {ArrayName.parse(name).of: value for name, value in arrays.items() if ArrayName.parse(name).kind == "grad"}
    sizes = {
        name: float(np.sqrt(np.mean(np.square(value, dtype=np.float64)))) for name, value in grads.items() if value.size
    }
    return {name: size for name, size in sizes.items() if np.isfinite(size) and size}


def check(
    a: Answer, b: Answer, workloads: Mapping[str, Workload], allow: Collection[str] = ()
) -> tuple[Difference, ...]:
    """Every disagreement, those that forbid a verdict with blocks = yes; one of a single op item names it under `item`."""
    dtype = rules.dtype_of(workloads["a"])
    found = [
        one
        for side, answer in (("A", a), ("B", b))
        for one in (*_updates(side, answer), *_left_out(side, answer), *_in_blocks(side, answer))
    ]
    of_a_side = (moves.BLOCKS, moves.SINGLY)  # held against each other, as often as it took
    for name in sorted({*a.arrays, *b.arrays} - {_UPDATES}):
        if ArrayName.parse(name).kind in of_a_side:
            continue
        found.extend(_held(name, a.arrays, b.arrays, dtype))
    return tuple(rules.judged((rules.placed(_told(one)) for one in found), workloads, allow))


def doubtful(differences: Collection[Difference]) -> bool:
    """Whether known steps led elsewhere, by no more than rounding may do on one batch, and nothing else blocks."""
    blocking = parity.blocking(tuple(differences))
    return bool(blocking) and all(map(_elsewhere, blocking))


def confirmed(first: Collection[Difference], again: Collection[Difference]) -> tuple[Difference, ...]:
    """The first answer's differences, held against those on other batches: known steps block only if those lead elsewhere too, by
    however much; what else is wrong there is added. Differences that do not block are kept, with the reason why."""
    if blocking := parity.blocking(tuple(again)):
        return (*first, *(one for one in blocking if not _elsewhere(one)))
    return tuple(_excused(one) if _elsewhere(one) else one for one in first)


def _elsewhere(difference: Difference) -> bool:
    """Whether it is a blocking one of where known steps led, and no further off than rounding may lead."""
    return difference["blocks"] == "yes" and difference["what"] == _ELSEWHERE


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
        item = "infer_block" if name in _PASSES else "train_block"
        return {**difference, "sentence": f"after timing: {item}: {parity.statement(difference)}"}
    return (
        {**difference, "sentence": f"after timing: {difference['sentence']}"}
        if "sentence" in difference
        else difference
    )


def _held(name: str, of_a: Arrays, of_b: Arrays, dtype: str) -> Iterator[Difference]:
    a, b = of_a.get(name), of_b.get(name)
    if a is None or b is None:
        yield from parity.check({} if a is None else {name: a}, {} if b is None else {name: b})
        return
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if x.shape != y.shape or not (np.isfinite(x).all() and np.isfinite(y).all()):
        yield from parity.check({name: a}, {name: b}, dtype=dtype)
    elif name == _MOVED:
        yield from _distance(name, float(x), float(y))
    elif (parsed := ArrayName.parse(name)).kind in moves.OF_PARAMETERS:
        if sentence := moves.check(parsed, of_a, of_b):
            what = _ELSEWHERE if moves.by_rounding(parsed, of_a, of_b) else "array"
            yield _difference(name, f"{np.linalg.norm(x):.6g}", f"{np.linalg.norm(y):.6g}", sentence, what=what)
    elif parsed in _LOSSES:
        near = np.abs(x - y).max() <= LOSSES_JUMP * np.abs(x).max()
        for one in parity.check({name: a}, {name: b}, dtype=dtype):
            yield {**one, "what": _ELSEWHERE, "sentence": parity.statement(one)} if near else one
    else:
        yield from parity.check({name: a}, {name: b}, dtype=dtype) or _precision(name, x, y, dtype)


def _distance(name: str, a: float, b: float) -> Iterator[Difference]:
    if abs(a - b) > RUN_TOLERANCE * max(a, b):
        sentence = f"the weights moved over the timed run by {a:.4g} on A and {b:.4g} on B"
        yield _difference(name, f"{a:.6g}", f"{b:.6g}", sentence)


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


def _left_out(side: str, answer: Answer) -> Iterator[Difference]:
    for item, share in answer.deferred.items():
        if share is None:
            yield _unsettled(side, item, "puts work off")
        elif share > DEFERRED_LIMIT:
            sentence = (
                f"{item} of {side} does {format_share(share)} as much work again when its results are read: the timed "
                "calls end before their work is done"
            )
            yield _difference(str(ArrayName("timed", item)), "done", "put off", sentence, what="deferred")
    for item, share in answer.saved.items():
        if share is None:
            yield _unsettled(side, item, "keeps results")
        elif share > SAVED_LIMIT:
            sentence = (
                f"{item} of {side} saves {format_share(share)} of its time where it has seen its input before: "
                "it keeps results"
            )
            yield _difference(str(ArrayName("timed", item)), "done", "kept", sentence, what="saved")


def _unsettled(side: str, item: str, what: str) -> Difference:
    """No evidence either way, which forbids nothing."""
    sentence = (
        f"whether {item} of {side} {what} was not settled in a trial: other programs had the processors all the time"
    )
    difference = _difference(str(ArrayName("timed", item)), "done", "not settled", sentence, what=f"unsettled: {what}")
    return {**difference, "blocks": "no"}


def _in_blocks(side: str, answer: Answer) -> Iterator[Difference]:
    for name, sentence in blocks.check(side, answer.arrays):
        yield _difference(str(name), "one by one", "otherwise", sentence)


def _difference(where: str, a: str, b: str, sentence: str, what: str = "array") -> Difference:
    return {"what": what, "where": where, "a": a, "b": b, "blocks": "yes", "sentence": sentence}
