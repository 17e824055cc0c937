"""Parity: did the two sides do the same work? Outputs compared number by number, facts compared one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dlprof.analysis.facts import Tolerance
from dlprof.units import format_share

_LOGITS_TOLERANCE: Final = {"float32": 1e-4, "float64": 1e-9, "float16": 2e-2, "bfloat16": 1e-1}
"""Largest accepted |a − b| ÷ (scale of the array), by element type. float32: the issue's bound for logits; sums of
a few hundred products in another order differ by a few 1e-6, a wrong layout or constant by 1e-1 and more."""

BLOCKING_FACTS: Final = frozenset(
    {"batch_size", "layers", "loss", "optimizer", "dtype", "steps", "data", "weights", "order", "workload", "items"}
)
"""Facts that make the two sides different work; others (Python, threads, layouts) are stated, for they are part of
what a framework is or of how it was asked to run."""


def tolerance(dtype: str) -> Tolerance:
    """The default tolerance for an element type; that of float32 for one that is not listed."""
    return Tolerance(relative=_LOGITS_TOLERANCE.get(dtype, _LOGITS_TOLERANCE["float32"]))


def check(
    a: Mapping[str, NDArray[Any]],
    b: Mapping[str, NDArray[Any]],
    accepted: Tolerance | None = None,
    *,
    dtype: str = "float32",
) -> tuple[Mapping[str, str], ...]:
    """Compare the arrays that both sides made of one batch (logits, loss, grad/<layer>/<w|b>), by name.

    Returns one mapping per difference: what (array | missing | shape | not_finite), where (the array's name), a, b
    (what each has), max_abs, max_rel (largest |a − b| ÷ largest |a|), blocks ('yes'). Empty = the same work within
    tolerance.
    """
    accepted = accepted or tolerance(dtype)
    found = []
    for name in sorted({*a, *b}):
        if name not in a or name not in b:
            found.append(
                _difference("missing", name, "present" if name in a else "absent", "present" if name in b else "absent")
            )
            continue
        difference = _compare(
            name, np.asarray(a[name], dtype=np.float64), np.asarray(b[name], dtype=np.float64), accepted
        )
        if difference:
            found.append(difference)
    if not a and not b:
        found.append(_difference("missing", "all arrays", "absent", "absent"))
    return tuple(found)


def distances(a: Mapping[str, NDArray[Any]], b: Mapping[str, NDArray[Any]]) -> dict[str, float]:
    """Name → largest |a − b| ÷ largest |a| of every array that both have in the same shape and finite; 0 where equal."""
    found = {}
    for name in sorted(a.keys() & b.keys()):
        x, y = np.asarray(a[name], dtype=np.float64), np.asarray(b[name], dtype=np.float64)
        if x.shape == y.shape and x.size and np.isfinite(x).all() and np.isfinite(y).all():
            scale, gap = float(np.abs(x).max()), float(np.abs(x - y).max())
            found[name] = gap / scale if scale else gap
    return found


def _compare(
    name: str, x: NDArray[np.float64], y: NDArray[np.float64], accepted: Tolerance
) -> Mapping[str, str] | None:
    if x.shape != y.shape:
        return _difference("shape", name, str(x.shape), str(y.shape))
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return _difference("not_finite", name, f"{(~np.isfinite(x)).sum()} values", f"{(~np.isfinite(y)).sum()} values")
    if not x.size:
        return None
    gap = np.abs(x - y)
    scale = float(np.abs(x).max())
    worst = int(gap.argmax())
    if float(gap.max()) <= accepted.absolute + accepted.relative * scale:
        return None
    index = str(tuple(int(i) for i in np.unravel_index(worst, x.shape)))
    errors = {"max_abs": f"{gap.max():.3g}", "max_rel": f"{gap.max() / scale if scale else np.inf:.3g}", "index": index}
    return _difference("array", name, f"{x.flat[worst]:.6g}", f"{y.flat[worst]:.6g}", **errors)


def _difference(what: str, where: str, a: str, b: str, *, blocks: str = "yes", **more: str) -> Mapping[str, str]:
    return {"what": what, "where": where, "a": a, "b": b, "blocks": blocks, **more}


def facts(a: Mapping[str, object], b: Mapping[str, object]) -> tuple[Mapping[str, str], ...]:
    """Compare what each side says of itself (python, threads, layouts, synchronisation, dtypes, batch_size, …), by
    name.

    Returns one mapping per difference: what = fact, where = its name, a, b, blocks = yes where it makes the work
    unequal. A fact that one side does not state is 'not stated', and never blocks.
    """
    found = []
    for name in sorted({*a, *b}):
        left, right = a.get(name, "not stated"), b.get(name, "not stated")
        if left != right:
            stated = name in a and name in b
            blocks = "yes" if stated and name in BLOCKING_FACTS else "no"
            found.append(_difference("fact", name, str(left), str(right), blocks=blocks))
    return tuple(found)


def blocking(differences: Sequence[Mapping[str, str]]) -> tuple[Mapping[str, str], ...]:
    """Those differences that forbid a verdict (not_comparable)."""
    return tuple(difference for difference in differences if difference.get("blocks") == "yes")


def statement(difference: Mapping[str, str]) -> str:
    """One difference in words: `logits differs by up to 0.12 (41.0 % of its scale) at (0, 3): A 0.29, B 0.17`."""
    if "sentence" in difference:
        return difference["sentence"]
    if difference["what"] == "array":
        return (
            f"{difference['where']} differs by up to {difference['max_abs']} "
            f"({format_share(float(difference['max_rel']), 1)} of its scale) at {difference['index']}: "
            f"A {difference['a']}, B {difference['b']}"
        )
    word = {
        "missing": "is not on both sides",
        "shape": "has other shapes",
        "not_finite": "has values that are not finite",
    }
    return f"{difference['where']} {word.get(difference['what'], 'differs')}: A {difference['a']}, B {difference['b']}"
