"""Lines that lie side by side in a plane are found as the walk over its fields finds them, whatever the bytes are."""

from __future__ import annotations

import io
import random
from pathlib import Path

import fuzz_xplane
import pytest

from dlprof.ingest.protobuf.space import ByteFile, Plane, SkeletonReader
from dlprof.ingest.protobuf.wire import BYTES, Malformed

LINE = 0x1A


def walked(file: ByteFile, start: int, end: int) -> list[tuple[int, int]]:
    """The whole lines that the walk hands out before anything else."""
    found = []
    try:
        for part in file.walk(start, end):
            if part.number != 3 or part.wire != BYTES or file.at(part.at, 1) != bytes([LINE]):
                break
            found.append((part.start, part.end))
    except Malformed:
        found = [(first, behind) for first, behind in found if behind < end or whole(file, first, behind)]
    return found


def whole(file: ByteFile, first: int, behind: int) -> bool:
    """Whether the field that ends at the message's end is as long as it says."""
    at = first - 1
    while file.at(at - 1, 1)[0] & 0x80:
        at -= 1
    size = sum((byte & 0x7F) << (7 * place) for place, byte in enumerate(file.at(at, first - at)))
    return size == behind - first


@pytest.mark.parametrize("on_disk", [True, False])
def test_lines_side_by_side_are_those_of_the_walk(tmp_path: Path, on_disk: bool):
    chance = random.Random(7)
    for number in range(400):
        lines = [bytes(chance.randrange(256) for _ in range(chance.choice([0, 1, 5, 130, 200]))) for _ in range(6)]
        data = bytearray(b"".join(bytes([LINE]) + size(len(line)) + line for line in lines) + b"\x08\x07")
        if number % 2:
            data[chance.randrange(len(data))] = chance.randrange(256)
        start, end = chance.choice([0, 0, 1]), len(data) - chance.choice([0, 1, 3, 90])
        path = tmp_path / f"{number}.pb"
        path.write_bytes(data)
        with path.open("rb", buffering=0) if on_disk else io.BytesIO(bytes(data)) as opened:
            file = ByteFile(opened)
            assert file.alike(start, end, LINE) == walked(file, start, end)


def size(length: int) -> bytes:
    """A length as a varint."""
    return bytes([length]) if length < 0x80 else bytes([length & 0x7F | 0x80, length >> 7])


def test_a_plane_has_the_lines_of_its_fields_in_their_order():
    for trace in fuzz_xplane.written():
        file = ByteFile(io.BytesIO(trace[1:]))
        for part in file.walk(0, file.size):
            if part.number == 1 and part.wire == BYTES:
                fields = [one for one in file.walk(part.start, part.end) if one.number == 3]
                plane, reader = Plane(), SkeletonReader(file, bytes.decode)
                reader._plane(plane, part.start, part.end)
                assert plane.lines == [(one.start, one.end) for one in fields]
