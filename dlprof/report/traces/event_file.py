"""TensorBoard's event files, writing side: records of protobuf messages with their checksums, without TensorBoard.

A record is its length, the length's checksum, the message, the message's checksum (TensorFlow's TFRecord). Each message is an
`Event` with one `Summary.Value`: a tensor, and the name of the plugin that shows it. Numbers of fields are those of
TensorBoard's compat/proto (event.proto, summary.proto, tensor.proto).
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, Final

import numpy as np

from dlprof.report.traces.protobuf_wire import integer, message, varint

_FLOAT, _DOUBLE, _STRING = 1, 2, 7
"""TensorProto.dtype."""
_SCALAR, _TENSOR, _BLOBS = 1, 2, 3
"""SummaryMetadata.data_class."""
_BUCKETS: Final = 30
_AS_TENSOR: Final = integer(2, 1)
"""ImagePluginData.converted_to_tensor."""


def _checksums() -> tuple[int, ...]:
    """CRC-32C (Castagnoli) of each byte."""
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return tuple(table)


_TABLE: Final = _checksums()


def masked_checksum(data: bytes) -> int:
    """The CRC-32C of a record, rotated and offset as TFRecord has it, so that a checksum of checksums is none of itself."""
    value = 0xFFFF_FFFF
    for byte in data:
        value = value >> 8 ^ _TABLE[(value ^ byte) & 0xFF]
    value ^= 0xFFFF_FFFF
    return ((value >> 15 | value << 17) + 0xA282_EAD8) & 0xFFFF_FFFF


class EventFile:
    """One run's event file, made in the folder at once; every event has the same wall time (Unix seconds)."""

    def __init__(self, folder: Path, wall_time: float) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"events.out.tfevents.{int(wall_time):010d}.dlprof"
        self._wall_time = wall_time
        self._stream = self.path.open("wb")
        self._event(message(3, "brain.Event:2"))

    def scalar(self, tag: str, value: float, step: int = 0) -> None:
        """A point of a line."""
        self._value(tag, _tensor(_FLOAT, (), struct.pack("<f", value)), "scalars", _SCALAR, step)

    def histogram(self, tag: str, values: np.ndarray[Any, Any]) -> None:
        """Values as left edge, right edge and count of `_BUCKETS` buckets of one width."""
        counts, edges = np.histogram(values, bins=_BUCKETS)
        buckets = np.stack([edges[:-1], edges[1:], counts], axis=1).astype("<f8")
        self._value(tag, _tensor(_DOUBLE, buckets.shape, buckets.tobytes()), "histograms", _TENSOR)

    def text(self, tag: str, markdown: str) -> None:
        """A text that the text plugin shows as Markdown."""
        self._value(tag, _strings((), markdown.encode()), "text", _TENSOR)

    def image(self, tag: str, png: bytes, width: int, height: int) -> None:
        """An encoded image: width, height and the image, as strings (tensorboard/plugins/image)."""
        tensor = _strings((3,), str(width).encode(), str(height).encode(), png)
        self._value(tag, tensor, "images", _BLOBS, content=_AS_TENSOR)

    def close(self) -> None:
        self._stream.close()

    def _value(
        self, tag: str, tensor: bytes, plugin: str, data_class: int, step: int = 0, content: bytes = b""
    ) -> None:
        shown_by = message(1, message(1, plugin) + (message(2, content) if content else b""))
        metadata = shown_by + message(2, tag) + integer(4, data_class)
        value = message(1, tag) + message(8, tensor) + message(9, metadata)
        self._event(integer(2, step) + message(5, message(1, value)))

    def _event(self, content: bytes) -> None:
        data = varint(1 << 3 | 1) + struct.pack("<d", self._wall_time) + content
        length = struct.pack("<Q", len(data))
        sums = struct.pack("<I", masked_checksum(length)), struct.pack("<I", masked_checksum(data))
        self._stream.write(length + sums[0] + data + sums[1])


def _tensor(dtype: int, shape: tuple[int, ...], content: bytes) -> bytes:
    return integer(1, dtype) + _shape(shape) + message(4, content)


def _strings(shape: tuple[int, ...], *values: bytes) -> bytes:
    return integer(1, _STRING) + _shape(shape) + b"".join(message(8, value) for value in values)


def _shape(sizes: tuple[int, ...]) -> bytes:
    return message(2, b"".join(message(2, integer(1, size)) for size in sizes))
