"""What an XPlane's planes, lines and event names say: device, derived or real, operator path and type."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_DERIVED: Final = re.compile(
    r"(?:Sparse Core )?(?:Steps|Modules)|XLA Modules|(?:TensorFlow|Framework) (?:Ops|Name Scope)|Name Scope|XLA TraceMe"
    r"|Launch Stats|Source [Cc]ode|Host Offload Ops(?: row \d+)?"
)
"""Lines that the profiler derives from others: their time is already there once (tsl/profiler/utils/xplane_schema.cc)."""
ASYNC: Final = re.compile(r"(?:.* )?Async .*Ops.*")
"""From an operation's start to its end, beside the operators of `XLA Ops`: the time that it costs stands there."""
STEPS: Final = re.compile(r"(?:Sparse Core )?Steps")
"""A device's own steps."""
STEPS_STREAM: Final = "Steps"
"""Stream of the markers that these become."""
XLA_OPS: Final = "XLA Ops"
"""Derived on GPUs, where it repeats the streams' kernels; on TPUs it is where the work is."""

_WORK: Final = re.compile(r"(?:XLA|Sparse Core) Ops")
"""Where a TPU's work is, and a sparse core's."""

_DEVICE: Final = re.compile(r"/device:(GPU|TPU):?[^:\d]*(\d+)?(?: +SparseCore +(\d+))?")
_CUSTOM: Final = re.compile(r"/device:CUSTOM:(.*)|#(Megascale.*?)#?", re.IGNORECASE)
NETWORK: Final = "megascale"
"""Kind of device that only sends and receives."""
_STREAM: Final = re.compile(r"Stream #-?\d+.*")
_OP_NAME: Final = re.compile(r"[A-Za-z0-9._][A-Za-z0-9_.\\/>\-()\[\]=,]*")
_OP_TYPE: Final = re.compile(r"[A-Z_][A-Za-z0-9_]*")
_COPY: Final = re.compile(r"(?i)mem(cpy|set)|copy(host|device|peer|array)")
_DTYPE: Final = re.compile(r"\(?([a-z][a-z0-9]*)\[")
_LONGEST_INDEX: Final = 9
"""Digits of a device's number; where there are more, they are its name."""


def device(plane: str) -> tuple[str, int | str] | None:
    """(kind, index) of a device plane's name, None for a host plane.

    kind: gpu, tpu; sparsecore, with the index TPU.CORE, as it works beside the TPU's own core; megascale, the network between
    slices of TPUs; else what the profiler that made the plane calls it.
    """
    if match := _DEVICE.match(plane):
        index = _index(match[2])
        return ("sparsecore", f"{index}.{_index(match[3])}") if match[3] else (match[1].lower(), index)
    if match := _CUSTOM.fullmatch(plane):
        numbered = match[1] if match[1] is not None else match[2]
        name = numbered.rstrip("0123456789")
        kind = re.sub(r"\W+", "-", re.sub(r"(?i)\btrace\b", "", name)).strip("-_").lower()
        return kind or "custom", _index(numbered[len(name) :])
    return None


def _index(digits: str | None) -> int | str:
    return int(digits or 0) if len(digits or "") <= _LONGEST_INDEX else str(digits)


def is_stream(line: str) -> bool:
    """Whether a device line is a stream (`Stream #134(Compute)`)."""
    return _STREAM.fullmatch(line) is not None


def is_derived(kind: str, line: str) -> bool:
    """Whether a line of a device plane repeats the time of others."""
    return _DERIVED.fullmatch(line) is not None or (kind == "gpu" and (line == XLA_OPS or not is_stream(line)))


def is_async(line: str) -> bool:
    """Whether a line of a device plane holds operations that run beside others, from start to end."""
    return ASYNC.fullmatch(line) is not None


def is_work(line: str) -> bool:
    """Whether a line of a TPU or a sparse core is the one that holds its work, beside which no other does."""
    return _WORK.fullmatch(line) is not None


def nests(kind: str) -> bool:
    """Whether a device runs one operator at a time, so that one inside another, as a loop's body, is its part."""
    return kind in ("tpu", "sparsecore")


def is_copy(name: str) -> bool:
    """Whether a device event is a copy or a memset."""
    return _COPY.match(name) is not None


def dtype(shape: str) -> str | None:
    """Element type of the first tensor of a shape text such as `(float32[200,28,28,1];int32[2])`."""
    match = _DTYPE.match(shape)
    return match[1] if match else None


@dataclass(frozen=True, slots=True)
class OpName:
    """A TensorFlow operator as the name of an event tells it.

    path: its scope and name
    type: its raw operator type; None where the name does not tell
    """

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
