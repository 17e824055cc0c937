"""What PyTorch's operator names mean beyond the vocabulary's own: autograd nodes, wrappers, Triton's fused kernels."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from dlprof.plugin import Operator, Vocabulary

_EVALUATE: Final = "autograd::engine::evaluate_function: "
_BACKWARD: Final = re.compile(r"(\w+Backward)\d+")
_NUMBERED: Final = re.compile(r"(Torch-Compiled Region).*")
_MARKER: Final = re.compile(r"(?:ProfilerStep|Optimizer\.\w+|enumerate\(\w+\))#.*")
_TRITON: Final = re.compile(r"triton_[a-z]+_fused_(\w+?)_\d+(?:d.*)?")
FUSED: Final = "Fused"


def operator(name: str, vocabulary: Vocabulary) -> Operator | None:
    """The meaning of a name; None = unknown."""
    found = vocabulary.get(name)
    if found is not None:
        return found
    if name.startswith(_EVALUATE):
        # The engine's frame around a node, which is an event of its own inside: no call, and no operator twice.
        inner = operator(name.removeprefix(_EVALUATE), vocabulary)
        return replace(inner, calls=0) if inner else None
    if match := _BACKWARD.fullmatch(name) or _NUMBERED.fullmatch(name):
        return vocabulary.get(match[1])
    if _MARKER.fullmatch(name):
        return Operator("", phase="optimizer" if name.startswith("Optimizer.step#") else None, level="marker")
    return _triton(name, vocabulary)


def _triton(name: str, vocabulary: Vocabulary) -> Operator | None:
    """`triton_poi_fused_add_cos_sin_0`: one kernel for add, cos and sin. Words that are no operator are not guessed."""
    match = _TRITON.fullmatch(name)
    if match is None:
        return None
    fuses, words = [], match[1].split("_")
    while words:
        for size in range(len(words), 0, -1):
            part = "_".join(words[:size])
            found = vocabulary.get(f"aten::{part}") or vocabulary.get(f"aten::_{part}")
            if found is not None:
                fuses.append(found.op)
                break
        words = words[size:]
    return Operator(FUSED, fuses=tuple(fuses))
