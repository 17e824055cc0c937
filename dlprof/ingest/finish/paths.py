"""What an operator's path tells: its phase and its layer.

Paths are TensorFlow's name scopes (`forward/conv1/Conv2D`, `gradient_tape/forward/conv1/Conv2DBackpropFilter`) or JAX's name
stacks (`jit(step)/transpose(jvp(Model))/layers_0/mlp/dot_general`), which Flax, Haiku, Keras and MaxText fill.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import msgspec

BACKWARD: Final = frozenset({"gradient_tape", "gradients", "grad", "backward"})
_OPTIMIZERS: Final = (
    "optimizer",
    "adam",
    "adamw",
    "adamax",
    "nadam",
    "radam",
    "sgd",
    "rmsprop",
    "adagrad",
    "adadelta",
    "adafactor",
    "adabelief",
    "ftrl",
    "lamb",
    "lars",
    "lion",
    "muon",
    "yogi",
    "shampoo",
    "novograd",
    "optax",
    "apply_updates",
    "apply_gradients",
    "apply_if_finite",
    "add_decayed_weights",
    "clip_by_global_norm",
    "loss_scale_optimizer",
)
_PHASES: Final = {
    "forward": "forward",
    "loss": "loss",
    "input": "input",
    "sequential": "forward",
    "functional": "forward",
    "model": "forward",
    "compute_loss": "loss",
    "compile_loss": "loss",
    "loss_fn": "loss",
    **dict.fromkeys(_OPTIMIZERS, "optimizer"),
}
"""First scope of a path (a trailing _N cut off, lower case) → phase; the Keras names are those of Keras 2 and 3."""
_LOSS: Final = re.compile(r".*_loss|.*cross_?entropy.*")
_OPTAX: Final = re.compile(r"scale_by_\w+")
_WRAPPERS: Final = re.compile(
    r"(StatefulPartitionedCall|PartitionedCall|while|cond|body|replica)(_\d+)?|jit\(.*\)|pjit"
)
_NUMBER: Final = re.compile(r"_\d+$")

_STACK: Final = re.compile(r"(?:^|[/(])(?:p?jit|p?map|xmap|jvp|vjp|vmap|transpose)\(")
"""What only a name stack of JAX has: a transformation written as a call."""
_CALL: Final = re.compile(r"(\w+)\((.*)\)", re.DOTALL)
_TRANSFORMS: Final = frozenset(
    (
        "jvp",
        "vjp",
        "vmap",
        "transpose",
        "linearize",
        "checkpoint",
        "remat",
        "remat2",
        "custom_jvp",
        "custom_vjp",
        "scan",
    )
)
"""Transformations whose argument is the scope that they begin at. Of all others (`jit(f)`, `pmap(f)`) it is a function's name."""
_CONTROL: Final = re.compile(
    r"while|body|cond|scan|branch_\d+_fun|checkpoint|remat|remat2|remat_call|rematted_computation|(?:core_)?closed_call|core_call"
    r"|xla_call|pjit|jit|xla_pmap|pmap|shard_map|custom_[jv][vj]p_call(?:_jaxpr)?|custom_lin|custom_partitioning|named_call"
    r"|run_state|pallas_call|main|<lambda>|~.*"
)
"""Components that JAX writes for control flow and calls, and Haiku for methods (`~`, `~create`): no scopes of the model."""
_METHOD: Final = re.compile(r"([A-Za-z_]\w*)\.\w+")
"""Flax names a module's methods other than `__call__` so: embedder.attend."""
_EINSUM: Final = re.compile(r"[\w.]*(?:,[\w.]*)+(?:->[\w.]*)?|[\w.]*->[\w.]*")
_CLASS: Final = re.compile(r"[A-Z][A-Za-z0-9]*")
"""A Flax module that nobody named is called after its class, with a number unless it is the whole model."""


class Place(msgspec.Struct, frozen=True):
    """What a path tells; None where it does not."""

    phase: str | None
    layer: str | None


@lru_cache(maxsize=16_384)  # asked by the module's reader and by the finishing pass
def place(path: str) -> Place:
    """Phase and layer of an operator path.

    The layer is what stands between the phase's scope and the operator: in TensorFlow the scopes in lower case (layers are
    named so, operators are not: `forward/conv1/Conv2D/ReadVariableOp` → conv1), in JAX every scope of the model.
    """
    if _STACK.search(path):
        return _place_in_stack(path.partition(";")[0])  # XLA joins the names of what it merged
    parts = [part for part in path.split("/") if part]
    backward = any(part in BACKWARD for part in parts)
    scopes = [part for part in parts if part not in BACKWARD and not _WRAPPERS.fullmatch(part)]
    named = _PHASES.get(_word(scopes[0])) if len(scopes) > 1 else None
    inner = scopes[1:-1] if named else scopes[:-1]
    layer = "/".join(_leading_layers(inner)) if named in (None, "forward") else ""
    return Place("backward" if backward else named, layer or None)


def _word(scope: str) -> str:
    return _NUMBER.sub("", scope).lower()


def _leading_layers(scopes: list[str]) -> list[str]:
    layers = []
    for scope in scopes:
        if not scope[:1].islower():
            break
        layers.append(scope)
    return layers


def _place_in_stack(stack: str) -> Place:
    """Phase and layer of a JAX name stack; its last component is the primitive.

    `transpose` and rematerialised computations are backward, what is differentiated (`jvp`) is forward unless its scope says loss
    or optimizer, and so is what a model's class stands for (Flax: `Transformer/…`). A model within the loss function's scope is
    forward, not loss. Where nothing but the phase's scope or the model's class stands before the primitive, that is the layer.
    """
    transforms: set[str] = set()
    scopes = _scopes(_components(stack)[:-1], transforms)
    named = _stack_phase(scopes[0]) if scopes else None
    if named == "forward" and _CLASS.fullmatch(scopes[0]):
        named = None  # a class that happens to be called Model
    first = scopes[:1] if named else []
    inner = scopes[len(first) :]
    model = inner[:1] if inner and _CLASS.fullmatch(inner[0]) else []
    inner = inner[len(model) :]
    if model and named in (None, "loss"):
        named = "loss" if inner and _stack_phase(inner[0]) == "loss" else "forward"
    elif named in ("loss", "optimizer"):
        inner = []
    if not inner:
        inner = model or [scope for scope in first if named in ("loss", "optimizer")]
    layer = "/".join(inner) or None
    if transforms & {"transpose", "rematted_computation", *BACKWARD}:
        return Place("backward", layer)
    return Place(named or ("forward" if transforms & {"jvp", "vjp", "linearize"} else None), layer)


def _stack_phase(scope: str) -> str | None:
    word = _word(scope)
    known = _PHASES.get(word)
    if known is None and _LOSS.fullmatch(word):
        return "loss"
    return "optimizer" if known is None and _OPTAX.fullmatch(word) else known


def _scopes(components: list[str], transforms: set[str]) -> list[str]:
    """The model's scopes among the components; adds the transformations that were met to `transforms`.

    Inside a checkpoint JAX writes the whole stack again (`transpose(jvp(M))/a/jvp(M)/a/checkpoint/b`): the last one counts.
    """
    scopes: list[str] = []
    begun = 0
    for component in components:
        names, applied = _unwrapped(component)
        transforms |= applied
        if applied & {"jvp", "transpose"}:
            begun = len(scopes)
        scopes += names
        if 0 < begun < len(scopes) and scopes[begun] == scopes[0]:
            del scopes[:begun]
            begun = 0
    return scopes


def _unwrapped(component: str) -> tuple[list[str], set[str]]:
    """(scopes, transformations) of one component: `transpose(jvp(a))` → [a], {transpose, jvp}."""
    applied: set[str] = set()
    while match := _CALL.fullmatch(component):
        applied.add(match[1])
        component = match[2] if match[1] in _TRANSFORMS else ""
    names = []
    for name in component.split("/"):
        if name == "rematted_computation" or name in BACKWARD:
            applied.add(name)
        elif name and not _CONTROL.fullmatch(name) and not _EINSUM.fullmatch(name):
            method = _METHOD.fullmatch(name)
            names.append(method[1] if method else name)
    return names, applied


def _components(stack: str) -> list[str]:
    """The components between slashes, those within parentheses or brackets excepted."""
    found, depth, begin = [], 0, 0
    for at, letter in enumerate(stack):
        if letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
        elif letter == "/" and depth <= 0:
            found.append(stack[begin:at])
            begin = at + 1
    return [part for part in (*found, stack[begin:]) if part]
