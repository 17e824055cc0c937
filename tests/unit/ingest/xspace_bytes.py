"""Writes XSpace bytes by hand, so that a test shows the trace it reads (field numbers: xplane.proto)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field


def varint(value: int) -> bytes:
    value &= 0xFFFF_FFFF_FFFF_FFFF
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(tag: int, value: int) -> bytes:
    return varint(tag << 3) + varint(value)


def block(tag: int, content: bytes | str) -> bytes:
    data = content.encode() if isinstance(content, str) else content
    return varint(tag << 3 | 2) + varint(len(data)) + data


def double(tag: int, value: float) -> bytes:
    return varint(tag << 3 | 1) + struct.pack("<d", value)


@dataclass
class PlaneBytes:
    """A plane under construction: `event` and `stat` give ids to names on first sight."""

    name: str
    events: dict[str, int] = field(default_factory=dict)
    stats: dict[str, int] = field(default_factory=dict)
    lines: list[bytes] = field(default_factory=list)
    plane_stats: bytes = b""
    metadata: dict[str, bytes] = field(default_factory=dict)
    """More of an event's metadata, by its name: display name, stats."""

    def stat(self, name: str, value: object) -> bytes:
        """An XStat: int → int64, float → double, str → str, bytes → bytes, tuple (text,) → ref."""
        id_ = self.stats.setdefault(name, len(self.stats) + 1)
        head = number(1, id_)
        if isinstance(value, tuple):
            return head + number(7, self.stats.setdefault(value[0], len(self.stats) + 1))
        if isinstance(value, float):
            return head + double(2, value)
        if isinstance(value, int):
            return head + number(4, value)
        return head + block(5 if isinstance(value, str) else 6, value)  # type: ignore[arg-type]

    def event(
        self, name: str, offset_ps: int, duration_ps: int, occurrences: int | None = None, **stats: object
    ) -> bytes:
        """An XEvent; `occurrences` writes num_occurrences instead of an offset."""
        id_ = self.events.setdefault(name, len(self.events) + 1)
        when = number(2, offset_ps) if occurrences is None else b""
        counted = b"" if occurrences is None else number(5, occurrences)
        length = number(3, duration_ps) if duration_ps else b""
        return number(1, id_) + when + length + b"".join(block(4, self.stat(k, v)) for k, v in stats.items()) + counted

    def describe(self, name: str, display_name: str = "", **stats: object) -> None:
        """Stats on the metadata of the events called `name`."""
        self.events.setdefault(name, len(self.events) + 1)
        shown = block(4, display_name) if display_name else b""
        self.metadata[name] = shown + b"".join(block(5, self.stat(k, v)) for k, v in stats.items())

    def line(self, name: str, events: Sequence[bytes], timestamp_ns: int = 0, id_: int = 1) -> None:
        body = number(1, id_) + block(2, name) + number(3, timestamp_ns)
        self.lines.append(body + b"".join(block(4, event) for event in events))

    def bytes(self) -> bytes:
        out = block(2, self.name) + b"".join(block(3, line) for line in self.lines)
        for name, id_ in self.events.items():
            more = self.metadata.get(name, b"")
            out += block(4, number(1, id_) + block(2, number(1, id_) + block(2, name) + more))
        out += self.plane_stats
        for name, id_ in self.stats.items():
            out += block(5, number(1, id_) + block(2, number(1, id_) + block(2, name)))
        return out


def space(*planes: PlaneBytes, errors: Sequence[str] = (), start_ns: int | None = None) -> bytes:
    """A whole file; start_ns: adds the plane `Task Environment` with profile_start_time."""
    out = b"".join(block(1, plane.bytes()) for plane in planes)
    if start_ns is not None:
        environment = PlaneBytes("Task Environment")
        environment.plane_stats = block(6, environment.stat("profile_start_time", start_ns))
        out += block(1, environment.bytes())
    return out + b"".join(block(2, error) for error in errors)
