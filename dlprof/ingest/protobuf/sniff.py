"""Which protobuf a file is: XSpace, the old local.trace, or one of the profile plugin's results (which are no traces)."""

from __future__ import annotations

from typing import Final

from dlprof.errors import TraceError
from dlprof.ingest.protobuf.wire import BYTES, Field, Malformed, varint
from dlprof.ingest.source import Source

_TOOLS: Final = (
    *("overview_page", "input_pipeline", "tensorflow_stats", "kernel_stats", "memory_profile"),
    *("op_stats", "op_stats_v2", "pod_viewer"),
)


def is_xplane(head: bytes) -> bool:
    """The XSpace of TensorFlow, JAX and PyTorch/XLA."""
    return _kind(head) == "xplane"


def is_local_trace(head: bytes) -> bool:
    """The Trace that TensorFlow 2.0 and 2.1 write as local.trace."""
    return _kind(head) == "tf-local-trace"


def check_no_result(source: Source) -> None:
    """Raises `TraceError` for a result of TensorBoard's profile plugin, which lies beside the trace."""
    for tool in _TOOLS:
        if source.path.name.endswith(f"{tool}.pb"):
            raise TraceError(
                f"{source.label}: a result of TensorBoard's profile plugin ({tool}), not a trace",
                hint="name the .xplane.pb or .trace.json.gz file that it was made from",
            )


def unknown(head: bytes, source: Source) -> TraceError:
    """The error of a file that is no trace."""
    return TraceError(
        f"{source.label}: not a trace: expected JSON, XPlane or local.trace, plain, .gz or .zst, and found "
        f"{_looks_like(head)}",
        hint="name a profile.json, .xplane.pb, .trace.json(.gz) or local.trace file",
    )


def _kind(head: bytes) -> str | None:
    first = _first_field(head)
    if first is None or first.wire != BYTES:
        return None
    if first.number == 1:
        return _first_part(head, first)
    text = head[first.start : min(first.end, first.start + 64)]
    if first.number == 4 and text[:1] in (b"\x08", b"\x10", b"\x1a"):
        return "tf-local-trace"  # a Trace without devices: its first event
    # An XSpace may begin with errors, warnings or host names, which are text.
    return "xplane" if first.number in (2, 3, 4) and _is_text(text) else None


def _first_field(head: bytes) -> Field | None:
    try:
        tag, at = varint(head, 0, len(head))
        size, body = varint(head, at, len(head))
    except Malformed:
        return None
    return Field(tag >> 3, tag & 7, 0, body, body + size, 0)


def _first_part(head: bytes, field: Field) -> str | None:
    """A plane has id = 1 (varint) and name = 2 (text); a Trace's device entry has key = 1 (varint) and value = 2, a Device
    that begins with its name (0x0a)."""
    at, end = field.start, min(field.end, len(head))
    if at == end:
        return "xplane"
    try:
        tag, next_ = varint(head, at, end)
        keyed = tag == 0x08
        if keyed:
            _, at = varint(head, next_, end)
            tag, next_ = varint(head, at, end)
        if tag != 0x12:
            return "xplane" if tag in (0x1A, 0x22, 0x2A, 0x32) else None
        size, body = varint(head, next_, end)
    except Malformed:
        return "xplane" if field.end > len(head) or at >= end else None
    text = head[body : min(body + size, end)]
    if keyed and text[:1] == b"\x0a":
        return "tf-local-trace"
    return "xplane" if _is_text(text) else None


def _is_text(raw: bytes) -> bool:
    return all(byte >= 0x20 for byte in raw)


def _looks_like(head: bytes) -> str:
    """The beginning of a file as a person would call it."""
    start = head[:200]
    try:
        text = start.decode("utf-8", errors="strict" if len(head) < len(start) else "ignore")
    except UnicodeDecodeError:
        text = ""
    if text.lstrip("\ufeff \t\r\n")[:1] in ("{", "["):
        return f"JSON without trace events, which begins with {text.split(chr(10))[0].strip()[:40]!r}"
    if text and all(character.isprintable() or character.isspace() for character in text):
        return f"text that begins with {text.split(chr(10))[0].strip()[:40]!r}"
    return f"the bytes {head[:8].hex(' ')}"
