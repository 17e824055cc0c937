"""Protobuf's wire format: the vectorised reading against the plain one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xspace_bytes import block, double, number, varint

from dlprof.ingest.protobuf import wire
from dlprof.ingest.protobuf.chain import extents
from dlprof.ingest.protobuf.event_windows import DOUBLE, INT64, REF, STR, UINT64, parse
from dlprof.ingest.protobuf.wire import Malformed, Window

uint64 = st.integers(0, 2**64 - 1)


@settings(deadline=None)
@given(st.lists(uint64, min_size=1, max_size=50))
def test_tags_and_varints_of_any_length_are_read_at_once(values: list[int]) -> None:
    pieces = [b"\x10" + varint(value) for value in values]
    data = b"".join(pieces)
    at = np.cumsum([0, *(len(piece) for piece in pieces[:-1])]).astype(np.int64)
    tag, value, after = Window(data, 0).field(at)
    assert set(tag.tolist()) == {0x10}
    assert value.tolist() == values
    assert after.tolist() == [*at[1:].tolist(), len(data)]


@given(uint64)
def test_one_varint_is_read_as_it_was_written(value: int) -> None:
    assert wire.varint(varint(value), 0, 10) == (value, len(varint(value)))


def test_a_varint_that_does_not_end_is_malformed() -> None:
    with pytest.raises(Malformed):
        wire.varint(b"\xff" * 20, 0, 20)
    with pytest.raises(Malformed):
        Window(b"\x08" + b"\xff" * 20, 0).field(np.array([0]))


stat = st.one_of(
    st.tuples(st.just(UINT64), uint64),
    st.tuples(st.just(INT64), st.integers(-(2**63), 2**63 - 1)),
    st.tuples(st.just(REF), uint64),
    st.tuples(st.just(DOUBLE), st.floats(allow_nan=False)),
    st.tuples(st.just(STR), st.text(max_size=200)),
)
event = st.tuples(st.integers(1, 300), st.integers(0, 2**62), st.integers(0, 2**50), st.lists(stat, max_size=5))


def stat_bytes(kind: int, value: object) -> bytes:
    if kind == DOUBLE:
        return number(1, kind) + double(2, value)  # type: ignore[arg-type]
    if kind == STR:
        return number(1, kind) + block(5, value)  # type: ignore[arg-type]
    return number(1, kind) + number(kind, value)  # type: ignore[arg-type]


def event_bytes(id_: int, offset: int, duration: int, stats: list[tuple[int, object]]) -> bytes:
    return number(1, id_) + number(2, offset) + number(3, duration) + b"".join(block(4, stat_bytes(*s)) for s in stats)


@settings(deadline=None)
@given(st.lists(event, min_size=1, max_size=30))
def test_events_with_any_stats_are_parsed_as_they_were_written(events: list[tuple[int, int, int, list]]) -> None:  # type: ignore[type-arg]
    data = b"".join(block(4, event_bytes(*one)) for one in events)
    window = Window(data, 0)
    starts, ends, stop = extents(data, window.padded, 0, len(data))
    assert stop == len(data)
    got = parse(window, starts, ends)
    assert got.metadata_id.tolist() == [one[0] for one in events]
    assert got.offset_ps.tolist() == [one[1] for one in events]
    assert got.duration_ps.tolist() == [one[2] for one in events]
    wanted = [(row, kind, value) for row, one in enumerate(events) for kind, value in one[3]]
    assert got.stats.event.tolist() == [row for row, _, _ in wanted]
    for index, (_, kind, value) in enumerate(wanted):
        bits = got.stats.value[index : index + 1]
        if kind == STR:
            at = int(got.stats.at[index])
            assert data[at : at + int(bits[0])].decode() == value
        elif kind == DOUBLE:
            assert bits.view(np.float64)[0] == value
        else:
            assert int(bits.view(np.int64)[0] if kind == INT64 else bits[0]) == value


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32), st.integers(0, 24_000))
def test_the_chain_has_the_same_events_as_a_walk_from_the_first_byte(seed: int, cut: int) -> None:
    rng = np.random.default_rng(seed)
    # Bodies full of bytes that look like event tags, so that guesses go wrong.
    sizes = rng.choice([3, 20, 24, 90, 130, 300, 20_000], size=4_000, p=[0.2, 0.3, 0.3, 0.1, 0.05, 0.049, 0.001])
    data = b"".join(block(4, bytes(rng.choice([0x22, 0x04, 0x10, 0x7F], size=size).astype(np.uint8))) for size in sizes)
    data = data[: len(data) - cut] if cut % 2 else data + b"\x48\x01"
    starts, ends, stop = extents(data, Window(data, 0).padded, 0, len(data))
    at, wanted = 0, []
    while at < len(data) and data[at] == 0x22 and at + 4 < len(data):
        size, body = wire.varint(data, at + 1, len(data))
        if body + size > len(data):
            break
        wanted.append((body, body + size))
        at = body + size
    assert list(zip(starts.tolist(), ends.tolist(), strict=True)) == wanted
    assert stop == at


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_parsed_or_malformed_and_nothing_else(data: bytes) -> None:
    window = Window(data, 0)
    try:
        starts, ends, _ = extents(data, window.padded, 0, len(data))
        if len(starts):
            parse(window, starts, ends)
        parse(window, np.array([0]), np.array([len(data)]))
    except Malformed as error:
        assert 0 <= error.offset <= len(data)  # noqa: PT017  most inputs raise nothing


@pytest.mark.parametrize("head", [b"\x08\x05\x18\x07", b"\x10\x07", b"\x18\x07", b"\x28\x03\x08\x01", b""])
def test_events_of_a_shape_that_no_producer_writes_are_found_too(head: bytes) -> None:
    usual = [block(4, b"\x08\x05\x10" + bytes([n % 128]) + block(4, b"\x08\x01\x18\x02")) for n in range(900)]
    odd = [block(4, head + block(4, b"\x08\x01\x20" + bytes([n % 128]))) for n in range(900)]
    data = b"".join([*usual, *odd, *usual]) + b"\x52\x00"
    starts, ends, stop = extents(data, Window(data, 0).padded, 0, len(data))
    assert stop == len(data) - 2
    assert [data[a:b] for a, b in zip(starts.tolist(), ends.tolist(), strict=True)] == [
        event[2:] for event in [*usual, *odd, *usual]
    ]
