"""The arguments of Kineto events that have a column of their own, decoded a chunk at a time."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any, Final, TypeVar

import msgspec
import numpy as np

from dlprof.ingest.batch import NO_INT, Int64
from dlprof.ingest.json.elements import Event
from dlprof.ingest.reader import Context

NONE: Final = msgspec.Raw(b"")
T = TypeVar("T")


class Args(msgspec.Struct, gc=False):
    """Arguments with a column, NO_INT where the event has none; the 2020 schema writes `external id` and `Input dims`, AMD
    `size` for `bytes`, Ascend `connection_id` for `correlation` and `Stream Id` for `stream`."""

    correlation: int | None = NO_INT
    external: int | None = msgspec.field(default=NO_INT, name="External id")
    external_old: int | None = msgspec.field(default=NO_INT, name="external id")
    device: int | str | None = None
    stream: int | str | None = None
    bytes: int | str | None = None
    size: int | str | None = NO_INT
    flops: int | None = NO_INT
    dims: msgspec.Raw = msgspec.field(default=NONE, name="Input Dims")
    dims_old: msgspec.Raw = msgspec.field(default=NONE, name="Input dims")
    types: msgspec.Raw = msgspec.field(default=NONE, name="Input type")
    sequence: int | None = msgspec.field(default=NO_INT, name="Sequence number")
    forward_thread: int | None = msgspec.field(default=0, name="Fwd thread id")
    modules: str | None = msgspec.field(default=None, name="Module Hierarchy")
    stack: str | None = msgspec.field(default=None, name="Call stack")


class Memory(msgspec.Struct, gc=False):
    """Arguments of a `[memory]` instant.

    kind: c10::DeviceType
    device: index, -1 for the CPU
    """

    allocated: int | float | str | None = msgspec.field(default=None, name="Total Allocated")
    kind: int | str | None = msgspec.field(default=None, name="Device Type")
    device: int | str | None = msgspec.field(default=None, name="Device Id")


class Task(msgspec.Struct, gc=False):
    """Arguments of an event of msprof's trace view, and of a collective.

    part: type of a task that a collective consists of
    """

    connection: int | str | None = msgspec.field(default=None, name="connection_id")
    stream: int | str | None = msgspec.field(default=None, name="Stream Id")
    task: str | None = msgspec.field(default=None, name="Task Type")
    part: str = msgspec.field(default="", name="task type")
    collective: str | None = msgspec.field(default=None, name="Collective name")


_DECODER: Final = msgspec.json.Decoder(list[Args])
_ONE: Final = msgspec.json.Decoder(Args)
_LOOSE: Final = msgspec.json.Decoder(dict[str, Any])
_EMPTY: Final = Args()


def decode_args(rows: Sequence[Event], ctx: Context) -> list[Args]:
    """The arguments of each event; odd types are converted where possible and counted."""
    try:
        return _DECODER.decode(b"[" + b",".join([event.args for event in rows]) + b"]")
    except (msgspec.DecodeError, RecursionError):
        return [_single(event.args, ctx) for event in rows]


def _single(raw: msgspec.Raw, ctx: Context) -> Args:
    try:
        return _ONE.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        ctx.anomalies.count("json_odd_type")
    try:
        values = _LOOSE.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return _EMPTY
    external = values.get("External id", values.get("external id"))
    return Args(
        correlation=_int(values.get("correlation")),
        external=_int(external),
        device=_key(values.get("device")),
        stream=_key(values.get("stream")),
        bytes=_int(values.get("bytes", values.get("size"))),
        flops=_int(values.get("flops")),
        dims=_raw(values.get("Input Dims", values.get("Input dims"))),
        types=_raw(values.get("Input type")),
        sequence=_int(values.get("Sequence number")),
        forward_thread=_int(values.get("Fwd thread id")),
        modules=modules if isinstance(modules := values.get("Module Hierarchy"), str) else None,
        stack=stack if isinstance(stack := values.get("Call stack"), str) else None,
    )


def decoded(kind: type[T], raw: msgspec.Raw | bytes) -> T:
    """The arguments of one event as `kind` (Memory, Task); its defaults where they are something else."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, RecursionError):
        return kind()


def all_decoded(kind: type[T], raws: Sequence[msgspec.Raw | bytes]) -> list[T]:
    """The same of many events at once."""
    try:
        return msgspec.json.decode(b"[" + b",".join(raws) + b"]", type=list[kind])  # type: ignore[valid-type]
    except (msgspec.DecodeError, RecursionError):
        return [decoded(kind, raw) for raw in raws]


def of_memory(memories: Sequence[Memory]) -> tuple[Int64, Int64]:
    """Kind and index of each record's device, NO_INT where it tells none."""
    return numbers([memory.kind for memory in memories]), numbers([memory.device for memory in memories])


def numbers(values: list[Any]) -> Int64:
    """int64 with NO_INT where there is none (or one that does not fit)."""
    try:
        # The standard library's array takes a list in half the time that NumPy does.
        return np.frombuffer(array("q", values), dtype=np.int64)
    except (OverflowError, TypeError):
        pass
    try:
        return np.frombuffer(array("q", [NO_INT if value is None else value for value in values]), dtype=np.int64)
    except (OverflowError, TypeError):
        return np.array([number(value) for value in values], dtype=np.int64)


def number(value: object) -> int:
    """An int64, NO_INT for what is none or does not fit."""
    found = _int(value)
    return NO_INT if found is None or not -(2**63) < found < 2**63 else found


def text(data: bytes) -> str | None:
    """A JSON list as text, None where it is absent or holds nothing."""
    return data.decode() if data.strip(b'[]", \t\r\n') or b"[]" in data[1:-1] else None


def _int(value: object) -> int | None:
    if isinstance(value, str):
        try:
            return int(value, 0)
        except ValueError:
            return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _key(value: object) -> int | str | None:
    return value if isinstance(value, (int, str)) and not isinstance(value, bool) else None


def _raw(value: object) -> msgspec.Raw:
    return NONE if value is None else msgspec.Raw(msgspec.json.encode(value))
