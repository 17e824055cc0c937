"""Perfetto traces as nobody's tracer writes them: damage, lengths beyond the file, cycles, missing ids, impossible times."""

from __future__ import annotations

import gzip
import random
import struct
import zlib
from pathlib import Path

import pytest
import zstandard
from perfetto_trace import (
    BEGIN,
    BOOTTIME,
    COUNTER,
    END,
    INSTANT,
    NEEDS,
    REALTIME,
    Writer,
    event,
    note,
    packet,
    rocprof,
    snapshot,
    track,
)
from reading import read_bytes
from xspace_bytes import block, number, varint

from dlprof import ingest
from dlprof.cli.main import main
from dlprof.errors import TraceError
from dlprof.ingest.dialects.registry import told
from dlprof.ingest.perfetto import packets as packets_module
from dlprof.ingest.perfetto import slices as slices_module

NAME = "t.pftrace"


def written(time: int, kind: int, *more: bytes, sequence: int = 7) -> bytes:
    return packet(event(number(9, kind), *more), number(8, time), number(10, sequence))


def span(name: str, start: int, end: int, *more: bytes) -> bytes:
    return written(start, BEGIN, block(23, name), *more) + written(end, END, *more)


def test_a_call_its_kernel_and_the_range_around_are_linked_as_in_rocpd(tmp_path: Path) -> None:
    rows, info = read_bytes(rocprof(), tmp_path, NAME)
    by_name = {row["name"]: row for row in rows}
    by_id = {row["id"]: row for row in rows}
    kernel, copy = by_name["gemm(float*)"], by_name["Memcpy HtoD"]
    assert by_id[kernel["launch"]]["name"] == "hipLaunchKernel"
    assert (kernel["level"], kernel["device"], kernel["phase"], kernel["kernel"]) == (
        *("kernel", "gpu:1", "forward", "gemm(float*)"),
    )
    assert by_id[copy["launch"]]["name"] == "hipMemcpyAsync"
    assert (copy["level"], copy["bytes"], copy["op"], copy["device"]) == ("copy", 4096, "Copy", "gpu:1")
    assert (by_name["forward"]["level"], by_name["forward"]["stream"]) == ("marker", "main")
    assert by_name["hipLaunchKernel"]["level"] == "api"
    assert (info.producer, info.origin_ns) == ("rocprofv3", 1_700_000_000_000_000_100)
    assert info.anomalies == {}


@pytest.mark.parametrize("packed", ["gzip", "deflate", "zstd"])
def test_compressed_traces_and_packets_are_the_same(tmp_path: Path, packed: str) -> None:
    plain, _ = read_bytes(rocprof(), tmp_path, NAME)
    writer = packet(number(10, 1), number(8, 0))
    data = {
        "gzip": gzip.compress(rocprof()),
        "deflate": writer + packet(block(50, zlib.compress(rocprof()))),
        "zstd": writer + packet(block(133, zstandard.compress(rocprof()))),
    }[packed]
    assert read_bytes(data, tmp_path, NAME)[0] == plain


def test_what_a_file_holds_beyond_is_said(tmp_path: Path) -> None:
    data = span("a", 10, 20) + packet(block(1, b""), number(8, 5), number(10, 7)) * 3
    data += written(30, INSTANT, block(23, "i"), block(33, b"")) + packet(block(53, b""), number(8, 9))
    data += packet(block(35, block(1, number(3, 4) + number(19, 2))), number(10, 7)) + packet(block(33, b""))
    _, info = read_bytes(data, tmp_path, NAME)
    assert info.completeness == {
        "packets": "not read, and in no sum: ftrace_events (3), gpu_render_stage_event (1)",
        "fields of events": "not read, by their numbers in TrackEvent: 33 (1)",
        "profiler": "the tracing service lost events: 4 chunks overwritten, 2 packets lost by their writer",
    }


def test_names_that_were_never_told_and_lost_state_are_counted(tmp_path: Path) -> None:
    writer = Writer(default_track=1)
    writer.start(1000)
    writer.span("seen", 1010, 1020, "c")
    gone = packet(event(number(9, BEGIN), number(10, 9), number(3, 8)), number(8, 5), number(10, 1), number(13, NEEDS))
    lost = packet(number(10, 1), number(42, 1)) + gone
    rows, info = read_bytes(writer.data() + gone + written(5000, INSTANT, number(10, 4)) + lost, tmp_path, NAME)
    assert sorted(row["name"] for row in rows) == ["name #4", "seen"]
    assert info.anomalies == {
        "dropped_packets": 1, "lost_state": 1, "missing_text": 3, "unknown_track": 1, "unmatched_begin": 1,
    }  # fmt: skip


def test_a_track_of_several_writers_is_paired_in_the_order_of_time(tmp_path: Path) -> None:
    ends = b"".join(written(time, END, number(11, 5), sequence=8) for time in (30, 40, 90))
    data = written(10, BEGIN, block(23, "a"), number(11, 5)) + ends + written(20, BEGIN, block(23, "b"), number(11, 5))
    rows, info = read_bytes(data, tmp_path, NAME)
    assert sorted((row["name"], row["duration_ps"]) for row in rows) == [("a", 30_000), ("b", 10_000)]
    assert info.anomalies["unmatched_end"] == 1


def test_clocks_that_no_snapshot_relates_are_counted(tmp_path: Path) -> None:
    odd = packet(event(number(9, INSTANT), block(23, "x")), number(8, 5), number(58, 77), number(10, 7))
    timeless = packet(event(number(9, INSTANT), block(23, "y")), number(10, 7))
    rows, info = read_bytes(span("a", 10, 20) + odd + timeless, tmp_path, NAME)
    assert [row["name"] for row in rows] == ["a"]
    assert (info.anomalies["unknown_clock"], info.anomalies["no_time"]) == (1, 1)


@pytest.mark.parametrize("far", [2**63 - 1, 2**63, 2**64 - 1])
def test_times_that_cannot_be_are_counted_and_left_out(tmp_path: Path, far: int) -> None:
    data = span("a", 1000, 2000) + span("far", far, far) + written(1500, INSTANT, block(23, "i"), note("n", 1))
    rows, info = read_bytes(packet(snapshot({BOOTTIME: 5, REALTIME: far})) + data, tmp_path, NAME)
    assert sorted(row["name"] for row in rows) == ["a", "i"]
    assert info.anomalies["time_out_of_range"] == 1
    assert next(row["args"] for row in rows if row["name"] == "i") == '{"n":1}'


def test_tracks_that_are_their_own_ancestors(tmp_path: Path) -> None:
    around = (
        packet(number(10, 7), track(1, "a", parent=2))
        + packet(track(2, "b", parent=1))
        + packet(track(3, "c", parent=3))
    )
    deep = b"".join(packet(track(at, f"t{at}", parent=at + 1)) for at in range(10, 3000))
    data = around + deep + b"".join(span(f"s{at}", 10, 20, number(11, at)) for at in (1, 2, 3, 10, 99_999))
    rows, info = read_bytes(data, tmp_path, NAME)
    assert {row["stream"] for row in rows} == {"a", "b", "c", "t10", "track 99999"}
    assert (info.anomalies["track_cycle"], info.anomalies["unknown_track"]) == (3, 1)


def test_arguments_of_every_kind(tmp_path: Path) -> None:
    deep: object = 1
    for _ in range(40):
        deep = {"k": deep}
    old = block(8, number(1, 1) + block(2, "k") + block(3, number(5, 7)) + block(2, "l") + block(3, block(8, "s")))
    notes = [
        note("i", -5), note("u", 2**64 - 1), note("d", 0.5), note("b", True), note("s", 'q"\n'), note("l", [1, "x"]),
        note("m", {"a": {"b": [False]}}), block(4, block(10, "p") + number(7, 255)), block(4, block(10, "n")),
        block(4, block(10, "nan") + varint(5 << 3 | 1) + struct.pack("<d", float("nan"))),
        block(4, block(10, "j") + block(9, '{"x": 1}')), block(4, block(10, "broken") + block(9, "{x")),
        block(4, block(10, "old") + old), block(4, number(1, 3) + number(17, 4)), block(4, block(10, "z") + b"\x11"),
    ]  # fmt: skip
    rows, info = read_bytes(written(5, INSTANT, block(23, "e"), *notes[:-1]), tmp_path, NAME)
    assert rows[0]["args"] == (
        '{"i":-5,"u":18446744073709551615,"d":0.5,"b":true,"s":"q\\"\\n","l":[1,"x"],"m":{"a":{"b":[false]}},"p":"0xff",'
        '"n":null,"nan":null,"j":{"x":1},"broken":"{x","old":{"k":7,"l":"s"},"argument #3":"text #4"}'
    )
    assert info.anomalies["missing_text"] == 2
    rows, info = read_bytes(written(5, INSTANT, block(23, "e"), note("deep", deep)), tmp_path, NAME)
    assert rows[0]["args"].count("k") == 33
    with pytest.raises(TraceError, match="damaged at byte"):
        read_bytes(written(5, INSTANT, block(23, "e"), *notes), tmp_path, NAME)
    rows, info = read_bytes(written(5, INSTANT, block(23, "e"), *notes), tmp_path, NAME, repair=True)
    assert (len(rows), info.anomalies["damage_skipped"]) == (1, 1)


def test_counters_count_in_their_unit(tmp_path: Path) -> None:
    data = packet(track(5, "mem", counter=number(4, 1024) + number(5, 1)))
    for at, value in enumerate((3, 4, -2)):
        data += written(10 + at, COUNTER, number(30, value), number(11, 5))
    rows, _ = read_bytes(data, tmp_path, NAME)
    assert [(row["name"], row["level"], row["value"]) for row in rows] == [
        ("mem", "counter", 3072.0), ("mem", "counter", 7168.0), ("mem", "counter", 5120.0),
    ]  # fmt: skip


@pytest.mark.parametrize("claimed", [200, 1 << 25, 1 << 30, 1 << 62])
def test_a_length_beyond_the_file_is_damage(tmp_path: Path, claimed: int) -> None:
    data = span("a", 10, 20) + b"\x0a" + varint(claimed) + b"x" * 100
    with pytest.raises(TraceError, match=r"t\.pftrace: damaged at byte \d+: expected a (whole )?packet"):
        read_bytes(data, tmp_path, NAME)
    rows, info = read_bytes(data, tmp_path, NAME, repair=True)
    assert ([row["name"] for row in rows], info.anomalies["damage_skipped"]) == (["a"], 1)


def test_a_packet_that_is_too_large_is_passed_over_in_flat_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packets_module, "_LARGEST", 1 << 22)
    large = packet(block(900, bytes(9 << 20)), number(10, 7))
    rows, info = read_bytes(span("a", 10, 20) + large + span("b", 30, 40), tmp_path, NAME)
    assert ([row["name"] for row in rows], info.anomalies) == (["a", "b"], {"large_packet": 1})


def test_a_packet_larger_than_a_piece_is_read(tmp_path: Path) -> None:
    large = packet(event(number(9, INSTANT), block(23, "n" * (5 << 20))), number(8, 5), number(10, 7))
    rows, _ = read_bytes(span("a", 10, 20) + large + span("b", 30, 40), tmp_path, NAME)
    assert sorted(len(row["name"]) for row in rows) == [1, 1, 5 << 20]


@pytest.mark.parametrize("repair", [False, True])
def test_a_compressed_packet_that_unpacks_without_end(tmp_path: Path, repair: bool) -> None:
    bomb = packet(block(50, zlib.compress(bytes(100 << 20))), number(10, 7), number(8, 1))
    if not repair:
        with pytest.raises(TraceError, match="a compressed packet, but it is larger than 64 MiB"):
            read_bytes(span("a", 10, 20) + bomb, tmp_path, NAME)
        return
    rows, info = read_bytes(span("a", 10, 20) + bomb + span("b", 30, 40), tmp_path, NAME, repair=True)
    assert ([row["name"] for row in rows], info.anomalies["damage_skipped"]) == (["a", "b"], 1)


@pytest.mark.parametrize("repair", [False, True])
def test_a_compressed_packet_that_claims_more_than_there_is_memory(tmp_path: Path, repair: bool) -> None:
    frame = zstandard.FRAME_HEADER + b"\xe0" + struct.pack("<Q", 2**60) + b"\x01\x00\x00"
    data = span("a", 10, 20) + packet(block(133, frame)) + span("b", 30, 40)
    if not repair:
        with pytest.raises(TraceError, match="a compressed packet, but it is larger than 64 MiB"):
            read_bytes(data, tmp_path, NAME)
        return
    rows, info = read_bytes(data, tmp_path, NAME, repair=True)
    assert ([row["name"] for row in rows], info.anomalies["damage_skipped"]) == (["a", "b"], 1)


def test_repair_keeps_what_stands_before_damage_and_behind_a_damaged_compressed_packet(tmp_path: Path) -> None:
    garbage = number(1, 1) * 20
    rows, info = read_bytes(span("a", 10, 20) + span("b", 30, 40) + garbage, tmp_path, NAME, repair=True)
    assert ([row["name"] for row in rows], info.anomalies["bytes_lost"]) == (["a", "b"], len(garbage))
    packed = zlib.compress(span("in", 12, 13) + garbage)
    data = span("a", 10, 20) + packet(block(50, packed)) + span("b", 30, 40)
    with pytest.raises(TraceError, match=f"damaged at byte {data.index(packed)}: .*, in a compressed packet"):
        read_bytes(data, tmp_path, NAME)
    rows, info = read_bytes(data, tmp_path, NAME, repair=True)
    assert ([row["name"] for row in rows], info.anomalies["bytes_lost"]) == (["a", "in", "b"], len(garbage))


def test_spans_of_several_writers_that_are_open_when_room_is_made_are_closed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices_module, "_MOST", 4)
    begun = b"".join(
        written(at, BEGIN, block(23, f"s{at}"), number(11, 5), sequence=7 + at % 2) for at in range(10, 14)
    )
    ends = b"".join(written(at, END, number(11, 5), sequence=7 + at % 2) for at in range(20, 24))
    packed = packet(
        block(50, zlib.compress(begun))
    )  # what was compressed is a piece by itself, behind which room is made
    rows, info = read_bytes(packed + ends, tmp_path, NAME)
    assert [(row["name"], row["duration_ps"]) for row in rows] == [
        ("s10", 13_000), ("s11", 11_000), ("s12", 9_000), ("s13", 7_000),
    ]  # fmt: skip
    assert not {"unmatched_begin", "unmatched_end"} & set(info.anomalies)


def test_spans_open_at_once_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices_module, "_MOST", 5)
    data = b"".join(written(at, BEGIN, block(23, "x")) for at in range(10, 20)) + written(30, END) * 2
    rows, info = read_bytes(data, tmp_path, NAME)
    assert (len(rows), info.anomalies["unmatched_begin"]) == (2, 8)


def test_a_message_of_very_many_fields_takes_linear_time(tmp_path: Path) -> None:
    many = packet(number(8, 5), number(10, 7), event(number(9, INSTANT), block(23, "e"), number(3, 1) * 200_000))
    rows, info = read_bytes(many, tmp_path, NAME)
    assert info.anomalies["missing_text"] == 200_000
    assert rows[0]["name"] == "e"


@pytest.mark.parametrize("seed", range(2))
def test_any_mutation_is_read_or_refused(tmp_path: Path, seed: int) -> None:
    chance, whole = random.Random(seed), rocprof()
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(data))
            match chance.randrange(4):
                case 0:
                    data[at] = chance.randrange(256)
                case 1:
                    del data[at : at + chance.randrange(1, 30)]
                case 2:
                    data[at:at] = data[: chance.randrange(40)]
                case _:
                    data[at : at + 1] = varint(chance.choice((2**31, 2**63 - 1, 2**64 - 1)))
        if told(bytes(data)) != "perfetto":
            continue
        try:
            read_bytes(bytes(data), tmp_path, NAME)
        except TraceError:
            read_bytes(bytes(data), tmp_path, NAME, repair=True)


@pytest.mark.parametrize(
    "data",
    [
        packet(number(3, 1000), number(10, 1)),
        packet(block(6, b"")) * 3 + packet(number(8, 1)),
        packet(number(10, 1), block(33, bytes(100_000))),
    ],
)
def test_a_trace_is_told_by_its_first_bytes(data: bytes) -> None:
    assert told(data[:65_536]) == "perfetto"


def test_other_protobufs_are_not_taken_for_it() -> None:
    from xspace_bytes import PlaneBytes, space

    assert told(space(PlaneBytes("/host:CPU"))) == "xplane"
    assert told(b"\x0a\x00") == "xplane"


def test_a_trace_is_shown_and_compared_like_any(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "results.pftrace"
    path.write_bytes(rocprof())
    assert ingest.detect(path) == "perfetto"
    assert main(["show", str(path), "--by", "kernel"]) == 0
    assert "gemm(float*)" in capsys.readouterr().out
    assert main(["diff", str(path), str(path)]) == 0
