"""Protobuf wire format, writing side: varints and fields, as bytes (protobuf.dev, "Encoding")."""

from __future__ import annotations


def varint(value: int) -> bytes:
    """An int64 as a varint; a negative one takes ten bytes, as two's complement."""
    value &= 0xFFFF_FFFF_FFFF_FFFF
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def integer(field: int, value: int) -> bytes:
    """A varint field."""
    return varint(field << 3) + varint(value)


def message(field: int, content: bytes | str) -> bytes:
    """A length-delimited field: a message, bytes or a string."""
    data = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(data)) + data


def entry(field: int, key: int, content: bytes) -> bytes:
    """One entry of a map from int64 to a message."""
    return message(field, integer(1, key) + message(2, content))
