"""Traces compressed with zstd: whole, cut short, with something behind them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import zstandard
from json_reading import rows

from dlprof.errors import TraceError
from dlprof.ingest.anomalies import Anomalies
from dlprof.ingest.dialects.registry import kind_of
from dlprof.ingest.source import Source

TEXT = json.dumps(
    {"traceEvents": [{"ph": "X", "name": f"op{n}", "pid": 1, "tid": 1, "ts": n, "dur": n % 7} for n in range(40_000)]}
).encode()


def read(path: Path, *, repair: bool = False) -> tuple[bytes, Anomalies]:
    anomalies = Anomalies()
    return b"".join(Source(path, str(path), anomalies, repair).chunks(10_000)), anomalies


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    path = tmp_path / "t.json.zst"
    path.write_bytes(zstandard.ZstdCompressor(write_checksum=True).compress(TEXT))
    return path


def test_several_frames_and_a_skippable_one_are_one_file(whole: Path) -> None:
    skippable = b"\x53\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"hello"
    half = zstandard.ZstdCompressor()
    whole.write_bytes(half.compress(TEXT[:1000]) + skippable + half.compress(TEXT[1000:]))
    assert read(whole)[0] == TEXT


@pytest.mark.parametrize("lost", [1, 3, 100, 20_000])
def test_a_file_that_is_cut_short_is_said_to_be_and_read_as_far_as_it_goes_under_repair(whole: Path, lost: int) -> None:
    whole.write_bytes(whole.read_bytes()[:-lost])
    with pytest.raises(TraceError, match=r"damaged compression after .* the file ends within a frame"):
        read(whole)
    data, anomalies = read(whole, repair=True)
    assert TEXT.startswith(data)
    assert anomalies.counts["compressed_tail_damaged"] == 1


@pytest.mark.parametrize("packed", ["gzip", "zstd"])
def test_a_damaged_file_that_a_reader_opens_twice_is_counted_once(tmp_path: Path, packed: str) -> None:
    events = [
        {"ph": "X", "cat": "cpu_op", "name": f"aten::{n}", "pid": 1, "tid": 1, "ts": n, "dur": 1} for n in range(9999)
    ]
    text = json.dumps({"schemaVersion": 1, "traceEvents": events}).encode()
    data = gzip.compress(text) if packed == "gzip" else zstandard.ZstdCompressor().compress(text)
    path = tmp_path / "t.pt.trace.json"
    path.write_bytes(data[:-300])
    _, info = rows(path, repair=True)
    assert info.anomalies["compressed_tail_damaged"] == 1


def test_what_stands_behind_the_last_frame_is_said_with_its_size(whole: Path) -> None:
    whole.write_bytes(whole.read_bytes() + b"something else")
    with pytest.raises(TraceError, match="14 bytes behind the last frame are no zstd"):
        read(whole)
    assert read(whole, repair=True)[0] == TEXT
    assert kind_of(Source(whole, "t", Anomalies())) == "chrome-trace"


def test_a_file_of_which_nothing_can_be_read_is_not_called_empty(whole: Path) -> None:
    whole.write_bytes(whole.read_bytes()[:20])
    with pytest.raises(TraceError, match="damaged compression: nothing of it can be read"):
        kind_of(Source(whole, "t.json.zst", Anomalies()))


def _with_window(path: Path, log: int) -> Path:
    """TEXT as a frame that asks for a window of 2**log bytes, as `zstd --long` writes it."""
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=log)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    path.write_bytes(stream.compress(TEXT) + stream.flush())
    return path


def test_a_window_that_is_too_large_is_said_and_no_damage(tmp_path: Path) -> None:
    path = _with_window(tmp_path / "t.json.zst", 28)
    with pytest.raises(TraceError, match="zstd with a window of 256 MiB; 128 MiB is the most that is read") as raised:
        rows(path)
    assert raised.value.hint == "decompress it: zstd -d --long=31 t.json.zst"
    assert read(_with_window(path, 27))[0] == TEXT
