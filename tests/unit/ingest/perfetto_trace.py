"""Writes Perfetto's protobuf traces by hand, so that a test shows the trace it reads (field numbers: perfetto's protos)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from xspace_bytes import block, double, number, varint

BEGIN, END, INSTANT, COUNTER = 1, 2, 3, 4
CLEARED, NEEDS = 1, 2
REALTIME, MONOTONIC, BOOTTIME = 1, 3, 6
TICKING = 64
"""A clock of the sequence."""


def fixed64(tag: int, value: int) -> bytes:
    return varint(tag << 3 | 1) + struct.pack("<Q", value)


def packet(*parts: bytes) -> bytes:
    return block(1, b"".join(parts))


def event(*parts: bytes) -> bytes:
    return block(11, b"".join(parts))


def snapshot(clocks: dict[int, int], *, incremental: int = 0, primary: int = 0, multiplier: int = 0) -> bytes:
    """A ClockSnapshot; `incremental`: the clock that counts on."""
    told = [
        block(
            1,
            number(1, clock)
            + number(2, time)
            + (number(3, 1) if clock == incremental else b"")
            + (number(4, multiplier) if multiplier and clock == incremental else b""),
        )
        for clock, time in clocks.items()
    ]
    return block(6, b"".join(told) + (number(2, primary) if primary else b""))


def track(
    uuid: int,
    name: str = "",
    *,
    parent: int | None = None,
    process: tuple[int, str] | None = None,
    thread: tuple[int, int, str] | None = None,
    counter: bytes | None = None,
) -> bytes:
    """A TrackDescriptor."""
    data = number(1, uuid) + (block(2, name) if name else b"") + (number(5, parent) if parent is not None else b"")
    if process is not None:
        data += block(3, number(1, process[0]) + block(6, process[1]))
    if thread is not None:
        data += block(4, number(1, thread[0]) + number(2, thread[1]) + block(5, thread[2]))
    if counter is not None:
        data += block(8, counter)
    return block(60, data)


def note(name: str, value: object) -> bytes:
    """A DebugAnnotation with its name written out."""
    return block(4, block(10, name) + noted(value))


def noted(value: object) -> bytes:
    """The value of a DebugAnnotation."""
    if isinstance(value, bool):
        return number(2, int(value))
    if isinstance(value, int):
        return number(3 if value >= 0 else 4, value)
    if isinstance(value, float):
        return double(5, value)
    if isinstance(value, dict):
        return b"".join(block(11, block(10, key) + noted(one)) for key, one in value.items())
    if isinstance(value, list):
        return b"".join(block(12, noted(one)) for one in value)
    return block(6, str(value))


@dataclass
class Writer:
    """A sequence of packets as the SDK writes it: names by id, times that count on, defaults."""

    sequence: int = 1
    default_track: int = 0
    time: int = 0
    packets: list[bytes] = field(default_factory=list)
    names: dict[tuple[int, str], int] = field(default_factory=dict)
    pending: bytes = b""

    def start(self, time: int, realtime: int | None = None) -> None:
        """Begins the sequence anew, with its clock at `time` of the trace's."""
        self.names, self.time = {}, time
        clocks = {BOOTTIME: time, TICKING: time}
        if realtime is not None:
            clocks[REALTIME] = realtime
        self._add(snapshot(clocks, incremental=TICKING), flags=CLEARED)
        defaults = number(58, TICKING) + block(11, number(11, self.default_track))
        self._add(block(59, defaults))

    def describe(self, *args: object, **kwargs: object) -> None:
        self._add(track(*args, **kwargs))  # type: ignore[arg-type]

    def intern(self, kind: int, text: str) -> int:
        known = (kind, text)
        if known not in self.names:
            self.names[known] = len(self.names) + 1
            self.pending += block(kind, number(1, self.names[known]) + block(2, text))
        return self.names[known]

    def event(
        self,
        kind: int,
        time: int,
        name: str = "",
        category: str = "",
        *more: bytes,
        track: int | None = None,
        flow: int | None = None,
    ) -> None:
        """A TrackEvent at a time of the trace's clock."""
        parts = [number(9, kind)]
        if name:
            parts.append(number(10, self.intern(2, name)))
        if category:
            parts.append(number(3, self.intern(1, category)))
        if track is not None:
            parts.append(number(11, track))
        if flow is not None:
            parts.append(fixed64(47, flow))
        interned = block(12, self.pending) if self.pending else b""
        self.pending = b""
        self._add(interned, event(*parts, *more), number(8, time - self.time), flags=NEEDS)
        self.time = time

    def span(self, name: str, start: int, end: int, category: str = "", *more: bytes, **where: int | None) -> None:
        self.event(BEGIN, start, name, category, *more, **where)
        self.event(END, end, "", "", track=where.get("track"))

    def _add(self, *parts: bytes, flags: int = 0) -> None:
        stated = number(10, self.sequence) + (number(13, flags) if flags else b"")
        self.packets.append(packet(*parts, stated))

    def data(self) -> bytes:
        return b"".join(self.packets)


def rocprof(*, started: int = 200 * 86_400 * 10**9, realtime: int = 1_700_000_000 * 10**9) -> bytes:
    """As rocprofv3 writes them: a range of ROCTX around a launch and a copy, on a machine that is up for 200 days."""
    writer = Writer(default_track=77)
    writer.start(started, realtime)
    writer.describe(70, process=(4444, "app"))
    writer.describe(77, parent=70, thread=(4444, 4445, "main"))
    writer.describe(900, 'STREAM [" 1 "] ')
    at = started
    writer.span("hipLaunchKernel", at + 200, at + 300, "hip_api", note("corr_id", 5), flow=0xF00D_0000_0000_0005)
    writer.span("hipMemcpyAsync", at + 400, at + 500, "hip_api", note("corr_id", 6), flow=0xF00D_0000_0000_0006)
    writer.span("forward", at + 100, at + 9_000, "marker_api", note("corr_id", 4), flow=0xF00D_0000_0000_0004)
    writer.span(
        "MEMORY_COPY_HOST_TO_DEVICE",
        at + 2000,
        at + 2500,
        "memory_copy",
        note("dst_agent", "GPU-1"),
        note("src_agent", "CPU-0"),
        note("copy_bytes", 4096),
        note("corr_id", 6),
        track=900,
        flow=0xF00D_0000_0000_0006,
    )
    writer.span(
        "gemm(float*)",
        at + 600,
        at + 1600,
        "kernel_dispatch",
        note("agent", "GPU-1"),
        note("grid_size", 256),
        track=900,
        flow=0xF00D_0000_0000_0005,
    )
    return writer.data()
