"""What an XPlane's planes, lines and event names say: device, derived or real, operator path and type."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

DERIVED_LINES: Final = frozenset({
    "Steps", "TensorFlow Ops", "TensorFlow Name Scope", "XLA Modules", "Launch Stats", "Source code", "Framework Ops",
    "Framework Name Scope", "XLA TraceMe", "Source Code", "Name Scope", "Sparse Core Steps", "Host Offload Ops",
})  # fmt: skip
"""Lines that the profiler derives from others: their time is already there once (tsl/profiler/utils/xplane_schema.cc)."""
XLA_OPS: Final = "XLA Ops"
"""Derived on GPUs, where it repeats the streams' kernels; on TPUs it is where the work is."""

_DEVICE: Final = re.compile(r"/device:(GPU|TPU|CUSTOM):?[^:\d]*(\d+)?")
_STREAM: Final = re.compile(r"Stream #-?\d+.*")
_OP_NAME: Final = re.compile(r"[A-Za-z0-9._][A-Za-z0-9_.\\/>\-()\[\]=,]*")
_OP_TYPE: Final = re.compile(r"[A-Z_][A-Za-z0-9_]*")
_COPY: Final = re.compile(r"(?i)mem(cpy|set)|copy(host|device|peer|array)")
_DTYPE: Final = re.compile(r"\(?([a-z]+[0-9]*[a-z0-9]*)\[")


def device(plane: str) -> tuple[str, int] | None:
    """(gpu | tpu, index) of a device plane's name, None for a host plane."""
    match = _DEVICE.match(plane)
    if not match:
        return None
    kind = "gpu" if match[1] == "GPU" else "tpu"
    return kind, int(match[2] or 0)


def is_stream(line: str) -> bool:
    """Whether a device line is a stream (`Stream #134(Compute)`)."""
    return _STREAM.fullmatch(line) is not None


def is_derived(kind: str, line: str) -> bool:
    """Whether a line of a device plane repeats the time of others."""
    return line in DERIVED_LINES or (kind == "gpu" and (line == XLA_OPS or not is_stream(line)))


def is_copy(name: str) -> bool:
    """Whether a device event is a copy or a memset."""
    return _COPY.match(name) is not None


def dtype(shape: str) -> str | None:
    """Element type of the first tensor of a shape text such as `(float32[200,28,28,1];int32[2])`."""
    match = _DTYPE.match(shape)
    return match[1] if match else None


@dataclass(frozen=True, slots=True)
class OpName:
    """path: the operator's scope and name; type: its raw operator type, None where the name does not tell."""

    path: str
    type: str | None


def host_op(name: str) -> OpName | None:
    """The operator behind the name of a host event, `scope/op:Type`, None for any other event (xprof's rules).

    The stages of a tf.data pipeline (`Iterator::Batch::Map`) are operators of type Dataset there, so here too.
    """
    if name.startswith("Iterator::"):
        return OpName(name, "Dataset")
    path, colon, kind = name.partition(":")
    if not colon or not _OP_TYPE.fullmatch(kind) or not _OP_NAME.fullmatch(path):
        return None
    return OpName(path, kind)


def annotation(text: str) -> OpName:
    """The operator behind a device event's annotation: `scope/op:Type#k=v#`, or JAX's `jit(f)/jit(main)/dot_general:`."""
    base = text.split("#", 1)[0] if text.endswith("#") else text
    path, _, kind = base.partition(":")
    if not kind:
        last = path.rsplit("/", 1)[-1].split("[", 1)[0]
        return OpName(path, last or None)
    return OpName(path, kind)
