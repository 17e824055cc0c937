"""Primitives: why the same operator takes another time, from what oneDNN says on both sides (verbose.parse).

A gap splits into: same implementation at another speed, another implementation (algorithm), work that only one side
does, and reorders (layout conversions). Times are of separate short runs with printing on, so they rank reasons;
they decide nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from dlprof.analysis.explain.verbose import Verbose
from dlprof.analysis.facts import Primitive, Reason
from dlprof.units import minus

_NAMES: Final = {
    "pooling_v2": "pooling",
    "eltwise_v2": "eltwise",
    "softmax_v2": "softmax",
    "layer_normalization_v2": "layer_normalization",
}
_INNER: Final = re.compile(r"mb(\d+)_?ic(\d+)(?:ih(\d+))?(?:iw(\d+))?_?oc(\d+)")
_MATMUL: Final = re.compile(r"(?:\d+x)?(\d+)x(\d+):(?:\d+x)?(\d+)x(\d+)")


@dataclass(frozen=True, slots=True)
class Reasons:
    """Why oneDNN's work takes longer on one side: all its problems, largest difference first.

    by_reason: reason → sum of the differences, ns per unit
    absent: sides that printed nothing, about which nothing can be said
    statement: the same in words
    """

    primitives: tuple[Primitive, ...]
    by_reason: Mapping[Reason, float]
    a: Verbose
    b: Verbose
    absent: tuple[str, ...]
    statement: str


@dataclass(frozen=True, slots=True)
class _Run:
    label: str
    implementation: str
    layouts: str
    calls: float
    ns: float


_Key = tuple[str, str, str]


def explain(a: Verbose, b: Verbose, *, a_units: int = 1, b_units: int = 1) -> Reasons:
    """Set both sides' primitives side by side. units: steps (or calls of the operator) that each process ran, for
    counts.

    Matrix products are matched across `inner_product` and `matmul` by their dimensions; other problems by oneDNN's
    own notation. The propagation kinds forward_training and forward_inference count as one.
    """
    left, right = _runs(a, a_units), _runs(b, b_units)
    found = [_pair(key, left.get(key), right.get(key)) for key in dict.fromkeys((*left, *right))]
    found.sort(key=lambda primitive: -abs(primitive.delta_ns))
    by_reason: dict[Reason, float] = {}
    for primitive in found:
        by_reason[primitive.reason] = by_reason.get(primitive.reason, 0.0) + primitive.delta_ns
    absent = tuple(name for name, side in (("A", a), ("B", b)) if side.silent)
    return Reasons(tuple(found), by_reason, a, b, absent, _statement(found, by_reason, absent))


def _runs(side: Verbose, units: int) -> dict[_Key, _Run]:
    """Executions by problem; of several implementations of one problem the one that takes the most time names it."""
    gathered: dict[_Key, dict[tuple[str, str], list[float]]] = {}
    labels: dict[_Key, str] = {}
    for row in side.primitives.to_pylist():  # thousands at most: short runs
        key = _key(row)
        labels.setdefault(key, row["problem"])
        gathered.setdefault(key, {}).setdefault((row["implementation"] or row["primitive"], row["layouts"]), []).append(
            row["ns"]
        )
    result = {}
    for key, kinds in gathered.items():
        (implementation, layouts), _ = max(kinds.items(), key=lambda item: sum(item[1]))
        every = [ns for times in kinds.values() for ns in times]
        calls = len(every) / units
        result[key] = _Run(labels[key], implementation, layouts, calls, calls * float(np.median(every)))
    return result


def _key(row: Mapping[str, str]) -> _Key:
    primitive = _NAMES.get(row["primitive"], row["primitive"])
    prop = row["prop"]
    product = _product(primitive, prop, row["problem"])
    if product:
        return ("product", "", product)
    if primitive == "reorder":
        return ("reorder", "", row["problem"])
    return (primitive, "forward" if prop.startswith("forward") else prop, row["problem"])


def _product(primitive: str, prop: str, problem: str) -> str | None:
    """A matrix product as `K over M×N`, whatever primitive computes it; None for anything else."""
    if primitive == "inner_product":
        match = _INNER.match(problem)
        if not match:
            return None
        batch, outputs = int(match.group(1)), int(match.group(5))
        inputs = int(match.group(2)) * int(match.group(3) or 1) * int(match.group(4) or 1)
        inner, outer = {
            "backward_data": (outputs, (batch, inputs)),
            "backward_weights": (batch, (inputs, outputs)),
        }.get(prop, (inputs, (batch, outputs)))
    elif primitive in ("matmul", "gemm_api") and (match := _MATMUL.match(problem)):
        inner, outer = int(match.group(2)), (int(match.group(1)), int(match.group(4)))
    else:
        return None
    return f"{inner} over {min(outer)}×{max(outer)}"


def _pair(key: _Key, a: _Run | None, b: _Run | None) -> Primitive:
    reason: Reason
    if key[0] == "reorder":
        reason = "reorder"
    elif a is None or b is None:
        reason = "only in A" if b is None else "only in B"
    else:
        same = _generic(a.implementation) == _generic(b.implementation)
        reason = "same implementation" if same else "other implementation"
    return Primitive(
        primitive=key[0],
        prop=key[1],
        problem=key[2] if key[0] == "product" else (a or b or _NONE).label,
        reason=reason,
        a_implementation=a.implementation if a else None,
        b_implementation=b.implementation if b else None,
        a_layouts=a.layouts if a else None,
        b_layouts=b.layouts if b else None,
        a_calls=a.calls if a else 0.0,
        b_calls=b.calls if b else 0.0,
        a_ns=a.ns if a else None,
        b_ns=b.ns if b else None,
    )


_NONE: Final = _Run("", "", "", 0.0, 0.0)


def _generic(implementation: str) -> str:
    """The implementation without the name of its instruction set, which changes between releases.

    `x64:gemm:jit` = `gemm:jit`, `jit:avx512_common` = `jit:avx512_core`.
    """
    return (
        implementation.removeprefix("x64:").replace("avx512_common", "avx512_core").replace("brgconv", "brg_conv_fwd")
    )


def _statement(found: list[Primitive], by_reason: Mapping[Reason, float], absent: tuple[str, ...]) -> str:
    if absent:
        return f"{' and '.join(absent)} printed no oneDNN lines: nothing can be said about its primitives"
    if not found:
        return "no primitive was executed"
    ordered = sorted(by_reason.items(), key=lambda item: -abs(item[1]))
    parts = [f"{reason} {minus(f'{ns / 1e6:+.3g}')} ms" for reason, ns in ordered]
    top = found[0]
    where = f"{top.primitive} {top.prop} {top.problem}".replace("  ", " ")
    kinds = f"{top.a_implementation or 'nothing'} in A, {top.b_implementation or 'nothing'} in B"
    most = f"most in {where} ({kinds}, {minus(f'{top.delta_ns / 1e6:+.3g}')} ms)"
    return f"oneDNN's part of the difference per step: {', '.join(parts)}; {most}"
