"""What a trace tells of a collective beyond its time: which it is, its process group, its number in it, its bytes."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from dlprof.analysis import columns
from dlprof.analysis.columns import NULL, Ints

_WORDS: Final = (
    ("allreduce", "AllReduce"),
    ("reducescatter", "ReduceScatter"),
    ("allgather", "AllGather"),
    ("alltoall", "AllToAll"),
    ("broadcast", "Broadcast"),
    ("barrier", "Barrier"),
    ("scatter", "Scatter"),
    ("gather", "Gather"),
    ("sendrecv", "SendRecv"),
    ("reduce", "Reduce"),
    ("send", "Send"),
    ("recv", "Recv"),
)
"""Part of what torch.distributed calls a collective, without `_` → canonical operator, as in `op`."""

_SIZES: Final = {
    "double": 8,
    "long": 8,
    "long int": 8,
    "float": 4,
    "int": 4,
    "half": 2,
    "c10::half": 2,
    "c10::bfloat16": 2,
    "bfloat16": 2,
    "short": 2,
    "byte": 1,
    "char": 1,
    "signed char": 1,
    "unsigned char": 1,
    "bool": 1,
}
"""Element types as Kineto writes them → bytes."""


@dataclass(frozen=True, slots=True)
class Told:
    """Of one collective; None where the trace does not tell."""

    op: str
    group: str | None
    members: int | None
    sequence: int | None
    bytes: int | None


def of(events: pa.Table, rows: Ints) -> list[Told]:
    """What is told of each row. A kernel that says less is known by the operator that launched it, and those around that."""
    name, op = columns.text(events, "name"), columns.text(events, "op")
    launch, parent = columns.integers(events, "launch"), columns.integers(events, "parent")
    size = columns.integers(events, "bytes")
    known = columns.integers(events, "id")
    args = events.column("args").take(rows.tolist()).to_pylist() if len(rows) else []
    found = []
    for row, text in zip(rows.tolist(), args, strict=True):
        arguments = _arguments(text)
        named = _canonical(str(arguments.get("Collective name", ""))) or (
            op.values[op.codes[row]] if op.codes[row] != NULL else None
        )
        named = named or _canonical(name.values[name.codes[row]]) or "Communication"
        at = int(launch[row])
        while named in ("SendRecv", "Communication") and at != NULL:
            around = min(int(np.searchsorted(known, at)), len(known) - 1)
            named = _canonical(name.values[name.codes[around]]) or named
            at = int(parent[around])
        found.append(
            Told(
                op=named,
                group=_group(arguments),
                members=_whole(arguments.get("Group size")),
                sequence=_whole(arguments.get("Seq")),
                bytes=_bytes(arguments) if size[row] == NULL else int(size[row]),
            )
        )
    return found


def _arguments(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _canonical(name: str) -> str | None:
    plain = name.replace("_", "").lower()
    return next((canonical for word, canonical in _WORDS if word in plain), None)


def _group(arguments: dict[str, Any]) -> str | None:
    """Its members where they are told, since two groups may have one name on different ranks; else its name."""
    for key in ("Process Group Ranks", "Process Group Name"):
        value = arguments.get(key)
        if isinstance(value, (str, int, list)) and str(value) not in ("", "[]"):
            name = arguments.get("Process Group Name")
            return f"{name}: {value}" if key.endswith("Ranks") and name not in (None, "") else str(value)
    return None


def _bytes(arguments: dict[str, Any]) -> int | None:
    """Elements that the rank puts in times their size."""
    elements = _whole(arguments.get("In msg nelems"))
    kind = arguments.get("dtype")
    if elements is None:
        dims, types = arguments.get("Input Dims"), arguments.get("Input type")
        if not isinstance(dims, list) or not isinstance(types, list):
            return None
        pairs = [
            (math.prod(one), str(kind).lower())
            for one, kind in zip(dims, types, strict=False)
            if isinstance(one, list) and one and all(isinstance(n, int) for n in one)
        ]
        known = [count * _SIZES[kind] for count, kind in pairs if kind in _SIZES]
        return sum(known) if known and len(known) == len(pairs) else None
    size = _SIZES.get(str(kind).lower())
    return None if size is None else elements * size


def _whole(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**62 else None
