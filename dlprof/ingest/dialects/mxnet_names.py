"""What MXNet's names mean: devices, transfers, bulked and backward operators."""

from __future__ import annotations

import re
from typing import Final

from dlprof.plugin import Operator, Vocabulary

HOST: Final = "host"
TRANSFERS: Final = frozenset({"CopyCPU2CPU", "CopyCPU2GPU", "CopyGPU2CPU", "CopyGPU2GPU"})
NAME_LIMIT: Final = 127
"""A name field holds 128 bytes with its end mark, so a bulk's list of members is cut there, in the middle of a name."""

_DEVICE: Final = re.compile(r"(cpu|gpu)(?:/(\d+)| (pinned|shared)/)")


def device_of(process: str | None) -> str | None:
    """cpu:0, gpu:1, cpu_pinned:0, cpu_shared:0 from `cpu/0`, `gpu/1`, `cpu pinned/`, `cpu shared/`; None for others."""
    match = _DEVICE.fullmatch(process or "")
    if match is None:
        return None
    return f"{match[1]}_{match[3]}:0" if match[3] else f"{match[1]}:{match[2]}"


def bulk_operator(name: str, vocabulary: Vocabulary) -> Operator | None:
    """The operator of a bulk such as `Activation,Pooling,Flatten` or `[a,b]`; None where the name is not one.

    It is one row, never split: only the whole has a duration. `fuses` lists the canonical operators of the members that
    the vocabulary knows; a member cut off by the name limit is not guessed. phase: that of all members, else None.
    """
    listed = name.removeprefix("[").removesuffix("]")
    if "," not in listed and listed == name:
        return None
    members = [part.strip() for part in listed.split(",") if part.strip()]
    if len(name.encode()) >= NAME_LIMIT:
        members = members[:-1]
    known = [vocabulary.get(member) or backward_operator(member, vocabulary) for member in members]
    fuses = tuple(operator.op for operator in known if operator is not None)
    phases = {operator.phase if operator else None for operator in known}
    phase = phases.pop() if len(phases) == 1 else None
    return Operator("Bulk", phase=phase, fuses=fuses)


def backward_operator(name: str, vocabulary: Vocabulary) -> Operator | None:
    """`_backward_X` of a known X: the same operator in the backward phase."""
    forward = vocabulary.get(name.removeprefix("_backward_")) if name.startswith("_backward_") else None
    if forward is None:
        return None
    return Operator(forward.op, phase="backward", level=forward.level, fuses=forward.fuses, calls=forward.calls)
