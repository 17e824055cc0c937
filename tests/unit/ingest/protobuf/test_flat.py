"""All fields of many messages at once: the same as walking each by itself, and the same damage."""

from __future__ import annotations

import random
import struct

import numpy as np
import pytest
from xspace_bytes import varint

from dlprof.ingest.protobuf.flat import Flat, flat
from dlprof.ingest.protobuf.wire import Malformed, Window, fields


def message(chance: random.Random, most: int = 12) -> bytes:
    parts = []
    for _ in range(chance.randrange(most)):
        number, wire = chance.choice((1, 8, 15, 16, 58, 900, 2**29 - 1)), chance.choice((0, 1, 2, 5))
        value = chance.choice((0, 1, 127, 128, 2**21, 2**35 - 1, 2**63, 2**64 - 1))
        content = {
            0: varint(value),
            1: struct.pack("<Q", value),
            2: varint(len(data := bytes(chance.randrange(300)))) + data,
            5: struct.pack("<I", value & 0xFFFFFFFF),
        }[wire]
        parts.append(varint(number << 3 | wire) + content)
    return b"".join(parts)


def read(messages: list[bytes]) -> Flat:
    ends = np.cumsum([3 + len(one) for one in messages], dtype=np.int64)
    starts = ends - np.array([len(one) for one in messages], dtype=np.int64)
    return flat(Window(b"".join(b"\xff\xff\xff" + one for one in messages), 0), starts, ends)


@pytest.mark.parametrize("count", [1, 30, 400])
@pytest.mark.parametrize("seed", range(3))
def test_fields_are_those_of_walking_each_message(count: int, seed: int) -> None:
    chance = random.Random(seed)
    messages = [message(chance) for _ in range(count)] + [message(chance, 300)]
    found, at, expected = read(messages), 0, []
    for owner, data in enumerate(messages):
        at += 3
        expected += [
            (owner, one.number, one.wire, one.value, at + one.start, at + one.end) for one in fields(data, 0, len(data))
        ]
        at += len(data)
    rows = list(zip(*(column.tolist() for column in found), strict=True))
    # A field of bytes has no value; here it is its length.
    assert [(*row[:3], 0 if row[2] == 2 else row[3], *row[4:]) for row in rows] == expected


@pytest.mark.parametrize("count", [1, 30])
@pytest.mark.parametrize(
    "broken",
    [
        b"\x08", b"\x08\x80", b"\x08" + b"\xff" * 10 + b"\x01", b"\x0a\x05abc", b"\x09" + bytes(7), b"\x0d" + bytes(3),
        b"\x0b", b"\x0c\x01", b"\x00\x01", b"\x80", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x0a",
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_where_it_stands(count: int, broken: bytes) -> None:
    whole = varint(8) + varint(5)
    with pytest.raises(Malformed):
        list(fields(broken, 0, len(broken)))
    with pytest.raises(Malformed) as refused:
        read([*[whole] * (count - 1), whole + broken])
    assert refused.value.offset >= 5 * (count - 1) + 5
    assert len(read([whole] * count).owner) == count


def test_the_last_of_a_repeated_field_counts_and_where_there_is_none_it_is_told() -> None:
    found = read([varint(8) + varint(5) + varint(8) + varint(2**64 - 1), b"", varint(16) + varint(7)])
    assert found.last(1, 0, 3, missing=9).tolist() == [2**64 - 1, 9, 9]
    assert found.has(2, 0, 3).tolist() == [False, False, True]
    assert found.of(1, 0).value.tolist() == [5, 2**64 - 1]
