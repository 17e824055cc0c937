"""What an operator's path tells: its phase and its layer.

Paths are TensorFlow's name scopes (`forward/conv1/Conv2D`, `gradient_tape/forward/conv1/Conv2DBackpropFilter`) and JAX's
(`jit(step)/transpose(jvp(forward))/conv1/dot_general`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

BACKWARD: Final = frozenset({"gradient_tape", "gradients", "grad", "backward"})
_PHASES: Final = {
    "forward": "forward",
    "loss": "loss",
    "optimizer": "optimizer",
    "input": "input",
    "sequential": "forward",
    "functional": "forward",
    "model": "forward",
    "compute_loss": "loss",
    "adam": "optimizer",
    "sgd": "optimizer",
    "rmsprop": "optimizer",
    "adagrad": "optimizer",
    "adamw": "optimizer",
}
"""First scope of a path (a trailing _N cut off, lower case) → phase; the Keras names are those of Keras 2 and 3."""
_WRAPPERS: Final = re.compile(
    r"(StatefulPartitionedCall|PartitionedCall|while|cond|body|replica)(_\d+)?|jit\(.*\)|pjit"
)
_NUMBER: Final = re.compile(r"_\d+$")
_TRANSFORM: Final = re.compile(r"(?:jvp|vmap|checkpoint|remat|transpose|custom_jvp|custom_vjp)\((.*)\)")


@dataclass(frozen=True, slots=True)
class Place:
    """What a path tells; None where it does not."""

    phase: str | None
    layer: str | None


def place(path: str) -> Place:
    """Phase and layer of an operator path.

    The layer is what stands between the phase's scope and the operator: the scopes in lower case (layers are named so,
    operators are not: `forward/conv1/Conv2D/ReadVariableOp` → conv1), the last component excepted.
    """
    parts = [part for part in path.split("/") if part]
    backward = False
    scopes: list[str] = []
    for part in parts:
        if part in BACKWARD or part.startswith("transpose("):
            backward = True
        while match := _TRANSFORM.fullmatch(part):
            part = match.group(1)
        if part and part not in BACKWARD and not _WRAPPERS.fullmatch(part):
            scopes.append(part)
    named = _PHASES.get(_NUMBER.sub("", scopes[0]).lower()) if len(scopes) > 1 else None
    inner = scopes[1:-1] if named else scopes[:-1]
    layer = "/".join(_leading_layers(inner)) if named in (None, "forward") else ""
    return Place("backward" if backward else named, layer or None)


def _leading_layers(scopes: list[str]) -> list[str]:
    layers = []
    for scope in scopes:
        if not scope[:1].islower():
            break
        layers.append(scope)
    return layers
