"""Which protobuf a file is: XSpace, the old local.trace, or one of the profile plugin's results (which are no traces)."""

from __future__ import annotations

from typing import NoReturn

from dlprof.errors import TraceError
from dlprof.ingest.source import Source
from dlprof.ingest.wire import BYTES, Field, Malformed, varint

_TOOLS = ("overview_page", "input_pipeline", "tensorflow_stats", "kernel_stats", "memory_profile", "op_stats", "pod_viewer")


def proto_kind(head: bytes, source: Source) -> str:
    """xplane | tf-local-trace. Raises `TraceError`, saying what the file looks like instead."""
    for tool in _TOOLS:
        if source.path.name.endswith(f"{tool}.pb"):
            raise TraceError(
                f"{source.label}: a result of TensorBoard's profile plugin ({tool}), not a trace",
                hint="name the .xplane.pb or .trace.json.gz file that it was made from",
            )
    first = _first_field(head)
    if first is None or first.wire != BYTES:
        _unknown(head, source)
    if first.number in (2, 3, 4):
        # XSpace may begin with errors, warnings or host names; a Trace with its event list (field 4) holds messages.
        return "tf-local-trace" if first.number == 4 and _is_event(head, first) else "xplane"
    if first.number != 1:
        _unknown(head, source)
    return "xplane" if _is_plane(head, first) else "tf-local-trace"


def _first_field(head: bytes) -> Field | None:
    try:
        tag, at = varint(head, 0, len(head))
        size, body = varint(head, at, len(head))
    except Malformed:
        return None
    return Field(tag >> 3, tag & 7, 0, body, body + size, 0)


def _is_plane(head: bytes, field: Field) -> bool:
    """XPlane has id = 1 (varint), name = 2 (text); a Trace's devices are map entries: key = 1 (varint), value = 2 (message)
    that begins with a text field 1. A plane's name begins with `/` or is words; a Device message begins with 0x0a."""
    at = field.start
    try:
        tag, next_ = varint(head, at, len(head))
        if tag == 0x08:
            _, at = varint(head, next_, len(head))
            tag, next_ = varint(head, at, len(head))
        if tag != 0x12:
            return tag in (0x1A, 0x22, 0x2A, 0x32)
        size, body = varint(head, next_, len(head))
    except Malformed:
        return True
    return not (size and head[body : body + 1] in (b"\x0a", b"\x12", b"\x08"))


def _is_event(head: bytes, field: Field) -> bool:
    return head[field.start : field.start + 1] in (b"\x08", b"\x10", b"\x1a")


def _unknown(head: bytes, source: Source) -> NoReturn:
    raise TraceError(
        f"{source.label}: damaged at byte 0: expected a trace (JSON, XPlane or local.trace, plain, .gz or .zst), "
        f"found {head[:8].hex(' ')}",
        hint="name a profile.json, .xplane.pb, .trace.json(.gz) or local.trace file",
    )
