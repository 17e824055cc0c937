"""What an operator is within its layer, where only its neighbours tell: the product of a dense layer, what a kernel fuses.

Works on TensorFlow's name scopes: a layer's operators and variables share one, and their gradients repeat it below
`gradient_tape/`. `Scopes` knows where a run's biases and norms are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from dlprof.ingest.finish.paths import BACKWARD
from dlprof.plugin import Operator

FURTHER: Final = "*"
"""In a vocabulary's `fuses`: what follows depends on the place."""
_ACTIVATIONS: Final = ("Relu", "Relu6", "Elu", "LeakyRelu", "Sigmoid", "Tanh", "Gelu", "Selu", "Softplus", "Swish")
_CANONICAL: Final = {"Relu6": "Clip"}
_PRODUCT: Final = "MatMul"
_SECOND: Final = "MatMul_1"
_BIAS: Final = "BiasAdd"
_NORM: Final = "FusedBatchNormV3"
_DEEPEST: Final = 256
"""Components of a path that are looked at for a neighbour: what lies deeper is no layer of a network."""


class Scopes:
    """Where the run's operator paths have a neighbour that others are asked for; the gradients' scopes are those of what they
    differentiate."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._known: set[str] = set()
        for path in paths:
            parts, _ = _forward(path)
            for length, part in enumerate(parts[:_DEEPEST], 1):
                if part in (_BIAS, _NORM):
                    self._known.add("/".join(parts[:length]))

    def has(self, parts: list[str], name: str) -> bool:
        """Whether a bias or norm, `name`, lies in the scope `parts`."""
        return "/".join([*parts, name]) in self._known


def special(operator: Operator) -> bool:
    """Whether `refine` may change this operator."""
    return operator.op == _PRODUCT or FURTHER in operator.fuses


def refine(operator: Operator, path: str, scopes: Scopes) -> Operator:
    """The operator as it is at this path.

    A MatMul with a BiasAdd beside it is a Gemm. Its two gradients, `MatMul/MatMul` (input) and `MatMul/MatMul_1` (weights),
    are one call as in frameworks that have one event for both; a first layer has `MatMul/MatMul` alone, which is one too.
    """
    parts, backward = _forward(path)
    if FURTHER in operator.fuses:
        return replace(operator, fuses=_fused(operator, parts, scopes))
    if operator.op == _PRODUCT:
        layer = parts[: parts.index(_PRODUCT)] if _PRODUCT in parts else parts[:-1]
        if scopes.has(layer, _BIAS):
            return replace(operator, op="Gemm", calls=0 if backward and parts[-1] == _SECOND else operator.calls)
    return operator


def _fused(operator: Operator, parts: list[str], scopes: Scopes) -> tuple[str, ...]:
    """A kernel stands at the path of the last operator it fuses: forward/conv1/Relu computes conv1's BiasAdd too."""
    fused = [op for op in operator.fuses if op != FURTHER]
    last = _last(parts)
    if last == _BIAS or scopes.has(parts[:-1], _BIAS):
        fused.append(_BIAS)
    elif scopes.has(parts[:-1], _NORM):
        fused.append("BatchNormalization")
    if last in _ACTIVATIONS:
        fused.append(_CANONICAL.get(last, last))
    elif last.startswith("add"):
        fused.append("Add")
    return tuple(fused)


def _last(parts: list[str]) -> str:
    """The last component without the number that makes it unique in its scope."""
    if not parts:
        return ""
    name, _, number = parts[-1].rpartition("_")
    return name if name and number.isdigit() else parts[-1]


def _forward(path: str) -> tuple[list[str], bool]:
    """(components without the gradients' scopes, whether there was one)."""
    parts = [part for part in path.split("/") if part]
    kept = [part for part in parts if part not in BACKWARD]
    return kept, len(kept) < len(parts)
