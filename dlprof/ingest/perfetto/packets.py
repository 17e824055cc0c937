"""A Perfetto trace as windows of whole packets: bounded memory, whatever length a packet claims; compressed packets unpacked."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

import numpy as np
import zstandard

from dlprof.ingest.batch import Int64
from dlprof.ingest.protobuf.flat import Flat, flat
from dlprof.ingest.protobuf.wire import BYTES, Malformed, Window, fields, varint
from dlprof.ingest.reader import Context
from dlprof.ingest.source import Source

_CHUNK: Final = 1 << 21
_PACKET: Final = 0x0A
"""Tag of a packet in a Trace."""
_LARGEST: Final = 1 << 26
"""Bytes of a packet that is read. The service splits what is larger."""
_COMPRESSED: Final = 50
_ZSTD: Final = 133
_UNPACKED: Final = 1 << 26
"""Bytes that compressed packets of one packet may unpack to."""


@dataclass(frozen=True, slots=True)
class Packets:
    """Packets that follow each other: their bytes, where each lies in them, and their fields."""

    window: Window
    starts: Int64
    fields: Flat

    def __len__(self) -> int:
        return len(self.starts)


def packets(source: Source, ctx: Context) -> Iterator[Packets]:
    """The packets of a file, in its order. Where one is damaged inside, reading goes on behind it under --repair."""
    for data, base, extents in _framed(source, ctx):
        found = _whole(Window(data, base), np.array(extents, dtype=np.int64).reshape(-1, 2), ctx)
        yield from _unpacked(found, ctx)


def _framed(source: Source, ctx: Context) -> Iterator[tuple[bytes, int, list[tuple[int, int]]]]:
    """Pieces of the file, the offset of each, and the extents of the packets in it."""
    with source.open() as stream:
        rest, base = b"", 0
        while chunk := stream.read(_CHUNK):
            data = rest + chunk
            extents, at, needed, wrong = _walk(data, ctx)
            if extents:
                yield data, base, extents
            if wrong:
                ctx.damage(base + at, wrong, lost=len(data) - at)
            rest, base = data[at:], base + at
            if needed > _LARGEST:
                base, rest = _passed(stream, len(rest), needed, base, ctx), b""
            elif needed > len(rest) + _CHUNK:
                rest += stream.read(needed - len(rest) - _CHUNK)
        if rest:
            ctx.damage(base, f"a whole packet, but the file ends after {len(rest)} bytes of it", lost=len(rest))


def _walk(data: bytes, ctx: Context) -> tuple[list[tuple[int, int]], int, int, str]:
    """Extents of the whole packets, where what is left begins, how many bytes a packet that is cut there needs, and what was
    expected there in place of damage, "" for none."""
    extents: list[tuple[int, int]] = []
    at, end = 0, len(data)
    while at < end:
        # Nearly all: a packet of less than 16 KiB that is there as a whole.
        if data[at] == _PACKET and at + 3 < end:
            size, body = data[at + 1], at + 2
            if size >= 0x80 and data[body] < 0x80:
                size, body = size & 0x7F | data[body] << 7, body + 1
            if size < 0x4000 and data[body - 1] < 0x80 and body + size <= end:
                extents.append((body, body + size))
                at = body + size
                continue
        try:
            tag, body = varint(data, at, end)
            size, body = varint(data, body, end)
        except Malformed as error:
            if end - at < 20:
                break
            return extents, at, 0, error.expected
        if tag & 7 != BYTES:
            return extents, at, 0, f"a packet, found the tag {tag}"
        if body + size > end:
            return extents, at, body + size - at, ""
        if tag == _PACKET:
            extents.append((body, body + size))
        else:
            ctx.anomalies.count("unknown_field")
        at = body + size
    return extents, at, 0, ""


def _passed(stream: BinaryIO, there: int, needed: int, base: int, ctx: Context) -> int:
    """Reads past a packet that is too large to be read; where the next one begins."""
    left = needed - there
    while left and (piece := stream.read(min(left, _CHUNK))):
        left -= len(piece)
    if left:
        lost = needed - left
        ctx.damage(base, f"a packet of {needed} bytes, but {lost} are left", lost=lost)
    ctx.anomalies.count("large_packet")
    return base + needed


def _whole(window: Window, extents: Int64, ctx: Context) -> Packets:
    """The packets whose fields fit."""
    starts, ends = extents[:, 0].copy(), extents[:, 1].copy()
    try:
        return Packets(window, starts, flat(window, starts, ends))
    except Malformed:
        good = np.flatnonzero([_fits(window, low, high, ctx) for low, high in extents.tolist()])
        return Packets(window, starts[good], flat(window, starts[good], ends[good]))


def _fits(window: Window, start: int, end: int, ctx: Context) -> bool:
    try:
        for _ in fields(window.data, start, end):
            pass
    except Malformed as error:
        ctx.skip(window.base + error.offset, error.expected, lost=end - start)
        return False
    return True


def _unpacked(found: Packets, ctx: Context) -> Iterator[Packets]:
    """The packets with those that were compressed in their place. Compressed ones in compressed ones there are none."""
    packed = found.fields.at(
        np.flatnonzero(np.isin(found.fields.number, (_COMPRESSED, _ZSTD)) & (found.fields.wire == BYTES))
    )
    if not len(packed.owner):
        yield found
        return
    done = 0
    for owner, number, start, end in zip(
        packed.owner.tolist(), packed.number.tolist(), packed.start.tolist(), packed.end.tolist(), strict=True
    ):
        yield _between(found, done, owner)
        done = owner + 1
        offset = found.window.base + start
        data = _inflated(found.window.data[start:end], number, offset, ctx)
        if data:
            extents, at, _, wrong = _walk(data, ctx)
            if at < len(data):
                ctx.skip(offset, f"{wrong or 'whole packets'}, in a compressed packet", lost=len(data) - at)
            yield _whole(Window(data, offset), np.array(extents, dtype=np.int64).reshape(-1, 2), ctx)
    yield _between(found, done, len(found))


def _between(found: Packets, low: int, high: int) -> Packets:
    owner = found.fields.owner
    kept = found.fields.at(np.arange(owner.searchsorted(low), owner.searchsorted(high)))
    return Packets(found.window, found.starts[low:high], kept._replace(owner=kept.owner - low))


def _inflated(data: bytes, number: int, offset: int, ctx: Context) -> bytes:
    """What a compressed packet holds."""
    wrong, large = "ends too early", "is larger than 64 MiB"
    try:
        if number == _ZSTD:
            # The size that a frame claims is made room for at once, whatever the most is.
            if zstandard.frame_content_size(data) <= _UNPACKED:
                return zstandard.ZstdDecompressor().decompress(data, max_output_size=_UNPACKED)
            wrong = large
        else:
            inflating = zlib.decompressobj()
            unpacked = inflating.decompress(data, _UNPACKED)
            if inflating.eof:
                return unpacked
            wrong = large if len(unpacked) == _UNPACKED else wrong
    except (zlib.error, zstandard.ZstdError) as error:
        wrong = str(error)
    ctx.skip(offset, f"a compressed packet, but it {wrong}", lost=len(data))
    return b""
