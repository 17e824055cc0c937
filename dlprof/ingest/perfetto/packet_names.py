"""What packets hold that is not read, by the numbers of perfetto's trace_packet.proto; and which file is such a trace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dlprof.ingest.protobuf.wire import BYTES, VARINT, Malformed, varint

_NAMES: Final[Mapping[int, str]] = {
    1: "ftrace_events",
    2: "process_tree",
    5: "chrome_events",
    7: "sys_stats",
    9: "process_stats",
    37: "profile_packet",
    39: "android_log",
    40: "power_rails",
    47: "packages_list",
    48: "chrome_benchmark_metadata",
    49: "perfetto_metatrace",
    51: "chrome_metadata",
    52: "gpu_counter_event",
    53: "gpu_render_stage_event",
    54: "streaming_profile_packet",
    57: "graphics_frame_event",
    61: "module_symbols",
    62: "vulkan_memory_event",
    63: "gpu_log",
    65: "vulkan_api_event",
    66: "perf_sample",
    68: "smaps_packet",
    71: "gpu_mem_total_event",
    73: "memory_tracker_snapshot",
    95: "etw_events",
    99: "v8_js_code",
    129: "generic_gpu_frequency_event",
    135: "stack_sample",
}
_PLACES: Final = frozenset({3, 8, 10, 13, 41, 42, 58, 79, 87, 98})
"""Varints that tell when and by whom a packet was written: nearly every packet has one, and a plane of XPlane none."""
_TRIED: Final = 256
"""Packets that are looked at."""


def packet_name(number: int) -> str:
    """What a part of a packet is called."""
    return _NAMES.get(number, f"field {number}")


def is_perfetto(head: bytes) -> bool:
    """A Trace of perfetto, from its first bytes: packets, of which one tells when or by whom it was written."""
    at, end = 0, len(head)
    for _ in range(_TRIED):
        try:
            tag, body = varint(head, at, end)
            size, body = varint(head, body, end)
        except Malformed:
            return False
        if tag != 0x0A:
            return False
        told = _told(head, body, min(body + size, end), cut=body + size > end)
        if told is not None:
            return told
        at = body + size
        if at >= end:
            return False
    return False


def _told(head: bytes, at: int, end: int, cut: bool) -> bool | None:
    """Whether a message is a packet: True where a field says so, False where it cannot be one, None where nothing tells.

    All of its fields are looked at, for the first letters of a text are fields too. cut: the message goes on behind `end`
    """
    told: bool | None = None
    while at < end:
        try:
            tag, body = varint(head, at, end)
            number, wire = tag >> 3, tag & 7
            if wire == VARINT:
                _, body = varint(head, body, end)
            elif wire == BYTES:
                size, body = varint(head, body, end)
                body += size
            else:
                return False  # no field of a packet is of fixed size
        except Malformed:
            return told if cut else None
        if number == 1 and wire == VARINT:
            return False  # the id of a plane
        if number in _PLACES and wire == VARINT:
            told = True
        if not number or number > 1000:
            return False
        at = body
    return told if cut or at == end else None
