"""The native reader gives what the one in Python gives, to the last value."""

from __future__ import annotations

import gzip
import os
import random
import re
from pathlib import Path

import fuzz_readers
import fuzz_spans
import pytest
from json_reading import recorded, table
from places import ROOT

from dlprof.ingest.json import stream
from dlprof.ingest.json.blocks import Scanner
from dlprof.ingest.json.text import Text
from dlprof.ingest.source import Source
from dlprof.native import library

built = pytest.mark.skipif(
    library.found().functions is None, reason=f"no native reader here: {library.found().missing}"
)

FINDS = [
    path
    for folder in ("corpus_json", "corpus_kineto", "corpus_readers")
    for path in sorted((ROOT / "tests" / "fuzz" / folder).glob("*"))
]
RECORDED = (
    "kineto/h100/Qwen_Qwen1.5-0.5B-Chat__1016005.json.gz",
    "kineto/mi300/Falconsai_nsfw_image_detection__1016002.json.gz",
    "kineto/hta/cpu_only/rank-34.Jul_15_10_52_41.1074.pt.trace.old.json.gz",
    "kineto/hta/rank_unavailable/rank_not_found.json.gz",
    "kineto/hta/amd_trace/mi250_minitoy_train_ROCm6_2_kineto.json.gz",
    "kineto/hta/large_integer_trace/rank-70.Mar_25_20_48_12.2861.pt.trace.json.gz",
)


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each block that the native reader was given, whether it read it."""
    seen: list[bool] = []
    scan = Scanner.scan

    def noted(self: Scanner, *arguments: object) -> object:
        found = scan(self, *arguments)  # type: ignore[arg-type]
        seen.append(found is not None)
        return found

    monkeypatch.setattr(Scanner, "scan", noted)
    return seen


@built
@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_trace_is_the_same_table_by_both_readers(
    name: str, blocks: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recorded(name)
    monkeypatch.setattr(stream, "CHUNK", 300_000)
    monkeypatch.setenv(library.VARIABLE, "python")
    python = table(path)
    assert not blocks
    monkeypatch.setenv(library.VARIABLE, "native")
    native = table(path)
    assert native[0].equals(python[0])
    assert native[1] == python[1]
    if len(gzip.decompress(path.read_bytes())) > 1_000_000:
        assert sum(blocks) > 2, "the native reader read next to nothing of it"


@built
@pytest.mark.parametrize("find", FINDS, ids=[f"{path.parent.name}-{path.name}" for path in FINDS])
def test_a_find_of_the_fuzzers_is_the_same_by_both_readers(find: Path) -> None:
    data = find.read_bytes()
    fuzz_readers.one_input(b"\x00" + data)
    fuzz_readers.one_input(b"\x82" + data)


@built
def test_mutations_are_the_same_by_both_readers_and_many_are_read_natively(
    blocks: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})  # no second thread, which costs more than a small input
    chance = random.Random(5)
    pool = fuzz_readers.seeds()
    for _ in range(60):
        fuzz_readers.one_input(fuzz_readers.mutated(pool, chance))
    assert sum(blocks) > 30


MXNET = (
    "mxnet/gpu-mnist-2019/gpu_mnist_cnn_profile_output.json",
    "mxnet/recorded-1.9.1-cpu/s_hyb.json",
    "mxnet/recorded-1.9.1-cpu/s_objs.json",
    "mxnet/recorded-1.9.1-cpu/s_plain.json",
    "mxnet/recorded-1.9.1-cpu/third_dump_no_header_no_footer.json",
    "mxnet/recorded-1.9.1-cpu/unescaped_quotes.json",
)


@built
@pytest.mark.parametrize("name", MXNET)
def test_a_recorded_profile_of_mxnet_is_the_same_by_both_readers(
    name: str, blocks: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recorded(name)
    monkeypatch.setattr(stream, "CHUNK", 9_000)
    tables = []
    for reader in ("python", "native"):
        monkeypatch.setenv(library.VARIABLE, reader)
        events, info = table(path)
        tables.append((sorted(map(repr, events.drop_columns(["id", "parent", "launch"]).to_pylist())), info))
    assert tables[0] == tables[1]
    assert sum(blocks) > (1 if "unescaped" in name else 2), "the native reader read next to nothing of it"


@built
def test_mutations_of_spans_are_the_same_by_both_readers_and_most_are_read_natively(
    blocks: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    chance = random.Random(5)
    pool = fuzz_spans.seeds()
    for _ in range(60):
        fuzz_spans.one_input(fuzz_spans.mutated(pool, chance))
    assert sum(blocks) > 60


SPANS = """{"traceEvents": [
{"name": "process_name", "ph": "M", "pid": 0, "args": {"name": "cpu/0"}},
{"name": "first", "cat": "operator", "ph": "B", "ts": 5, "pid": 0, "tid": 1},
{"name": "first", "cat": "operator", "ph": "E", "ts": 6, "pid": 0, "tid": 1},
%s
{"name": "last", "cat": "operator", "ph": "B", "ts": 90, "pid": 0, "tid": 1},
{"name": "last", "cat": "operator", "ph": "E", "ts": 95, "pid": 0, "tid": 1}
]}"""
SPAN = '{"name": "%s", "cat": "operator", "ph": "%s", "ts": %d, "pid": 0, "tid": %s},'


@built
@pytest.mark.parametrize(
    ("spans", "durations"),
    [
        ([("a", "B", 10, "1"), ("a", "E", 12, "1")], {"a": 2}),
        ([("a", "B", 10, "18446744073709551615"), ("a", "E", 12, "18446744073709551615")], {"a": 2}),
        ([("a", "B", 10, "0"), ("a", "E", 12, "-0")], {"a": 2}),
        ([("a", "B", 10, "1"), ("b", "B", 11, "1"), ("b", "E", 15, "1"), ("a", "E", 18, "1")], {"a": 8, "b": 4}),
        ([("a", "B", 10, "1"), ("a", "B", 11, "2"), ("a", "E", 15, "1"), ("a", "E", 21, "2")], {"a": 15}),
        ([("a", "B", 10, "1"), ("a", "E", 9, "1")], {"a": 0}),
        ([("a", "B", 10, "1"), ("a", "b", 11, "1"), ("a", "e", 12, "1"), ("a", "E", 14, "1")], {"a": 4}),
        ([("a", "b", 10, "1"), ("a", "e", 14, "1")], {}),
        ([("a", "E", 10, "1"), ("a", "B", 14, "1")], {}),
    ],
)
def test_spans_of_two_events_have_their_durations_wherever_a_block_ends(spans, durations, monkeypatch) -> None:
    text = (SPANS % "\n".join(SPAN % span for span in spans)).encode()
    begin = text.index(b'"first"')
    for chunk in range(begin + 120, len(text) + 40, 13):
        monkeypatch.setattr(stream, "CHUNK", chunk)
        for reader in ("python", "native"):
            source = fuzz_spans.MemorySource(text, fuzz_spans.Anomalies(), False)
            said = fuzz_readers.told(source, reader, False, fuzz_spans.KIND)
            names = said["pools"]["name"]
            found: dict[str, int] = {}
            for batch in said["batches"]:
                for name, duration in zip(batch["name"], batch["duration_ps"], strict=True):
                    found[names[name]] = found.get(names[name], 0) + duration // 1_000_000
            assert found == {"first": 1, "last": 5, **durations}, (reader, chunk)


EVENT = '{"ph":"X","cat":"cpu_op","name":"a","pid":1,"tid":1,"ts":%s,"dur":%s,"args":%s}'


@built
@pytest.mark.parametrize(
    ("ts", "dur", "args", "natively"),
    [
        ("5", "1", "{}", True),
        ("5.000001", "0.1234560", "{}", False),  # seven places are left to the other reader
        ("5.999999", "0.999999", "{}", True),
        ("-0.5", "-1", "{}", True),
        ("2147483648.25", "1.5", "{}", True),
        ("1e3", "1", "{}", False),
        ("05", "1", "{}", False),
        ('"5"', "1", "{}", False),
        ("99999999999999999999", "1", "{}", False),
        ("9223372036854775807", "1", "{}", False),
        ("5", "NaN", "{}", False),
        ("5", "null", "{}", False),
        ("5", "1", '{"External id":1,"External id":2,"external id":3}', True),
        ("5", "1", '{"External id":9223372036854775807}', True),
        ("5", "1", '{"External id":9223372036854775808}', False),
        ("5", "1", '{"External id":1.0}', False),
        ("5", "1", '{"correlation":null}', False),
        ("5", "1", '{"bytes":"12"}', False),
        ("5", "1", '{"Input Dims":[[1,[2]],[]],"Input type":["float",""]}', True),
        ("5", "1", '{"Input Dims":' + "[" * 59 + "]" * 59 + "}", True),
        ("5", "1", '{"Input Dims":' + "[" * 90 + "]" * 90 + "}", False),
        ("5", "1", '{"x":"\\ud83d\\ude00"}', False),
        ("5", "1", '{"x":"\\u00e9\\n\\"","Call stack":"a.py(3): \\u00e9"}', True),
        ("5", "1", '{"x":"\\q"}', False),
        ("5", "1", '{"\\u0064evice":3}', False),
        ("5", "1", '{"device":0,"stream":"7","x":1e400}', False),
        ("5", "1", '{"x":1,}', False),
        ("5", "1", "[]", False),
        ("5", "1", '{"x":truE}', False),
        ("5", "1", '{"x":[1 2]}', False),
    ],
)
def test_what_is_not_plain_is_left_to_the_reader_in_python(
    ts: str, dur: str, args: str, natively: bool, blocks: list[bool]
) -> None:
    plain = EVENT % (5, 1, "{}")
    text = '{"schemaVersion":1,"traceEvents":[' + plain + "," + EVENT % (ts, dur, args) + "]}"
    start = text.index(plain)
    chunk = start + len(plain) + 2  # the first chunk, which tells the origin, ends with the first event
    found = fuzz_readers.stream.CHUNK
    fuzz_readers.stream.CHUNK = chunk  # type: ignore[misc]
    try:
        assert not fuzz_readers.differences(text.encode(), repair=False)
    finally:
        fuzz_readers.stream.CHUNK = found  # type: ignore[misc]
    assert any(blocks) == natively


@built
@pytest.mark.parametrize("cut", ["\u00e9", "\u20ac", "\U0001f600"])
@pytest.mark.parametrize("behind", ["", ","])
@pytest.mark.parametrize("repair", [False, True])
def test_part_of_a_character_between_a_piece_of_a_file_and_the_next_is_damage_to_both(
    cut: str, behind: str, repair: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its ends are more than are guessed at, so that all is taken up to the part.
    nested = EVENT % (7, 1, '{"x":[{},{},{},{},{},{}]}')
    head = '{"schemaVersion":1,"traceEvents":[' + EVENT % (5, 1, "{}") + "," + nested + ","
    part = cut.encode()[:-1]
    first = head.replace(":[", ":[" + " " * ((len(head) + len(part)) % 2), 1).encode() + part
    monkeypatch.setattr(stream, "CHUNK", len(first) // 2)
    rest = behind + ",".join(EVENT % (at, 1, "{}") for at in (9, 11)) + "]}"
    assert fuzz_readers.differences(first + rest.encode(), repair) == []
    source = fuzz_readers.MemorySource(first + rest.encode(), fuzz_readers.Anomalies(), repair)
    read = fuzz_readers.told(source, "native", repair)
    assert source.anomalies.counts["text_not_utf8"] == 1
    place = re.search(r"damaged at byte (\d+)", str(read["error"] or read["completeness"]))
    assert place is not None
    assert abs(int(place[1]) - len(first)) <= 4


@built
@pytest.mark.parametrize("size", [0, 100, 700])
@pytest.mark.parametrize("piece", [2, 3, 4, 5])
@pytest.mark.parametrize("repair", [False, True])
def test_of_a_file_that_becomes_shorter_while_it_is_read_both_say_where_it_ended(
    size: int, piece: int, repair: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, read = tmp_path / "t.json", Text._piece
    events = ",".join(EVENT % (at, 1, '{"x":"longer"}') for at in range(30))
    told = []
    monkeypatch.setattr(stream, "CHUNK", 330)
    for reader in ("python", "native"):
        path.write_text('{"schemaVersion":1,"traceEvents":[' + events + "]}")
        pieces = 0

        def cut(self: Text, size_: int) -> bytes:
            nonlocal pieces
            pieces += 1
            if pieces > piece:
                os.truncate(path, size)
            return read(self, size_)

        monkeypatch.setattr(Text, "_piece", cut)
        source = Source(path, "memory", fuzz_readers.Anomalies(), repair)
        told.append(fuzz_readers.told(source, reader, repair))
    assert told[0] == told[1]
    assert repair or "damaged at byte" in told[1]["error"][0]


@built
@pytest.mark.parametrize("repair", [False, True])
def test_what_stands_before_damage_is_kept_by_both_though_a_span_is_open_there(
    repair: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [SPAN % ("a", letter, 10 + at, "1") for at, letter in enumerate("BE" * 8)]
    whole = '{"name": "whole", "cat": "operator", "ph": "X", "ts": 41, "dur": 1, "pid": 0, "tid": 1},'
    damaged = '{"name": "damaged" "ph": 3},'
    inside = [SPAN % ("open", "B", 40, "1"), whole, damaged, SPAN % ("open", "E", 47, "1")]
    text = (SPANS % "\n".join(before + inside)).encode()
    for chunk in range(300, 900, 30):
        monkeypatch.setattr(stream, "CHUNK", chunk)
        for reader in ("python", "native"):
            source = fuzz_spans.MemorySource(text, fuzz_spans.Anomalies(), repair)
            said = fuzz_spans.in_no_order(fuzz_readers.told(source, reader, repair, fuzz_spans.KIND))
            assert len(said["rows"]) == (12 if repair else 10), (reader, chunk)
            lost = {"damage_skipped": 1, "bytes_lost": len(damaged) + 1} if repair else {}
            assert {name: said["anomalies"].get(name) for name in lost} == lost, (reader, chunk)
            assert "unmatched_end" not in said["anomalies"]


@built
@pytest.mark.parametrize("key", ["pid", "tid", "id"])
@pytest.mark.parametrize(
    ("number", "damaged"),
    [
        ("09223372036854775808", True),
        ("00000000000000000001", True),
        ("18446744073709551615", False),
        ("18446744073709551616", False),
        ("-9223372036854775809", False),
    ],
)
def test_a_number_of_a_place_is_what_json_has_for_both_readers(key: str, number: str, damaged: bool) -> None:
    plain = EVENT % (5, 1, "{}")
    odd = EVENT.replace('"pid":1,"tid":1', f'"{key}":{number}') % (7, 1, "{}")
    text = '{"schemaVersion":1,"traceEvents":[' + ",".join([plain] * 3 + [odd] + [plain] * 3) + "]}"
    found = stream.CHUNK
    fuzz_readers.stream.CHUNK = 150  # type: ignore[misc]
    try:
        for kind in ("kineto", fuzz_spans.KIND):
            assert fuzz_readers.differences(text.encode(), repair=False, kind=kind) == []
            source = fuzz_readers.MemorySource(text.encode(), fuzz_readers.Anomalies(), False)
            assert (fuzz_readers.told(source, "native", False, kind)["error"] is not None) == damaged
    finally:
        fuzz_readers.stream.CHUNK = found  # type: ignore[misc]


MEMORY = (
    '{"ph":"i","s":"t","name":"[memory]","pid":%d,"tid":1,"ts":%d,'
    '"args":{"Total Allocated":%s,"Device Type":%s,"Device Id":%s}}'
)


@built
def test_memory_of_many_devices_and_processes_is_the_same_by_both_readers(blocks: list[bool]) -> None:
    plain = EVENT % (5, 1, "{}")
    told = [(1, "512", "1", "1"), (2, "0.5", "0", "-1"), (1, "7", "0", "-1"), (1, "null", "1", "1"), (1, "3", '"x"', "0"),
            (2, "12345678901234567890", "20", "3"), (1, '"0x10"', "1", "0"), (1, "4.0", "1", "1")]  # fmt: skip
    events = [plain, *(MEMORY % (pid, 6 + at, *rest) for at, (pid, *rest) in enumerate(told))]
    text = '{"schemaVersion":1,"traceEvents":[' + ",".join(events) + "]}"
    found = fuzz_readers.stream.CHUNK
    fuzz_readers.stream.CHUNK = text.index(plain) + len(plain) + 2  # type: ignore[misc]
    try:
        assert not fuzz_readers.differences(text.encode(), repair=False)
    finally:
        fuzz_readers.stream.CHUNK = found  # type: ignore[misc]
    assert any(blocks)
    read = fuzz_readers.told(fuzz_readers.MemorySource(text.encode(), fuzz_readers.Anomalies(), False), "native", False)
    values = [value for batch in read["batches"] for value in batch["value"]]
    assert values == ["nan", "512.0", "0.5", "7.0", "nan", "3.0", "nan", "16.0", "4.0"]
    tracks = [read["tracks"][track] for batch in read["batches"] for track in batch["track"]]
    assert [(track.device, track.process) for track in tracks[1:]] == [
        ("gpu:1", "1"), ("cpu:0", "2"), ("cpu:0", "1"), ("gpu:1", "1"), ("cpu:0", "1"),
        ("privateuse1:3", "2"), ("gpu:0", "1"), ("gpu:1", "1"),
    ]  # fmt: skip


ODD_MEMORY = (
    "{}",
    '{"Device Type":1,"Device Id":0,"Total Allocated":5}',
    '{"Device Type":"1","Device Id":0}',
    '{"Device Type":1.0,"Device Id":2}',
    '{"Device Type":1,"Device Id":null}',
    '{"Device Type":1,"Device Id":0,"Total Allocated":{"a":1}}',
    '{"Total Allocated":true,"Device Type":1,"Device Id":0}',
    '{"Device Type":99999999999999999999,"Device Id":0}',
    '{"Device Type":[1],"Device Id":0}',
    '{"Device Type":0,"Device Id":-1,"Device Type":1}',
)


@built
@pytest.mark.parametrize("odd", ODD_MEMORY)
def test_of_whose_memory_a_record_is_both_say_where_sums_are_asked_for(odd, monkeypatch):
    monkeypatch.setattr(stream, "CHUNK", 300)
    records = [odd, '{"Device Type":1,"Device Id":3,"Total Allocated":7}'] * 20
    events = ",".join(
        f'{{"ph":"i","s":"t","name":"[memory]","pid":1,"tid":1,"ts":{at},"args":{args}}}'
        for at, args in enumerate(records)
    )
    data = f'{{"schemaVersion":1,"traceEvents":[{events}]}}'.encode()
    for wanted in (None, fuzz_readers.SUMS):
        assert fuzz_readers.differences(data, False, wanted=wanted) == []
