"""Broken JSON traces: what producers write is read and counted, damage is reported with its place, repair keeps the rest."""

from __future__ import annotations

import contextlib
import gzip
import json
import random
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from json_reading import Row, recorded, rows, rows_of
from places import TRACES

from dlprof.cli.main import main
from dlprof.errors import TraceError
from dlprof.store import Capture

SPAN = '{"ph": "X", "name": "%s", "pid": 1, "tid": 2, "ts": %d, "dur": 5}'


def _trace(*events: str, head: str = '{"traceEvents": [', tail: str = "]}") -> str:
    return head + ",\n".join(events) + tail


@pytest.mark.parametrize(
    ("text", "anomalies"),
    [
        (_trace(SPAN % ("a", 1)), {}),
        (_trace(SPAN % ("a", 1), head="[", tail="]"), {}),
        (_trace(SPAN % ("a", 1), head="\ufeff[", tail="]"), {}),
        (_trace(SPAN % ("a", 1), head="[", tail=""), {"json_unclosed": 1}),
        (_trace(SPAN % ("a", 1), head="[", tail=","), {"json_unclosed": 1}),
        (_trace(SPAN % ("a", 1), tail="]"), {"json_unclosed": 1}),
        (_trace(SPAN % ("a", 1), tail=",]}"), {"json_trailing_comma": 1}),
        (_trace(SPAN % ("a", 1), "{}"), {"json_empty_element": 1}),
        (_trace(SPAN % ("a", 1), tail='], "traceEvents": [{"ph": "X"}, {"ph": "X"}]}'), {"json_second_list": 2}),
        (_trace(SPAN % ("a", 1), '{"note": 1}', '{"args": {"x": 1}}', "{ }", '{"ts": 4.25}', '{"name": "b"}'),
         {"json_empty_element": 1, "no_phase": 4}),
        (_trace(SPAN % ("a", 1), "{}", '{"ts": 1700000000000000.125}', '{"b": 0}', "{}"),
         {"json_empty_element": 2, "no_phase": 2}),
        (_trace(SPAN % ("a", 1), "3", "null"), {"json_not_an_event": 2}),
        (_trace(SPAN % ("a", 1), head='{"z": {"traceEvents": [1]}, "traceEvents" : [', tail='], "y": "]"}'), {}),
        (_trace(SPAN % ("a", 1), '{"ph": "X", "name": "b", "ts": NaN, "dur": 1}'),
         {"json_nonfinite_number": 1, "no_time": 1}),
        (_trace(SPAN % ("a", 1), '{"ph": "X", "name": "b", "ts": 1e999, "dur": 1}'),
         {"json_odd_type": 1, "no_time": 1}),
        (_trace(SPAN % ("a", 1), '{"ph": "X", "name": "b", "ts": true, "dur": 1}'),
         {"json_odd_type": 1, "no_time": 1}),
        (_trace((SPAN % ("a", 1)) + "\n" + '{"ph": "s", "id": 1}'), {"json_missing_comma": 1, "unread_phase": 1}),
        (_trace((SPAN % ("a", 1)).replace('"tid": 2', '"tid": 0x7f3a')), {"json_hex_number": 1}),
        (_trace((SPAN % ("a", 1)).replace('"tid": 2', '"tid": 18446744073709551615')), {}),
        (_trace((SPAN % ("a", 1)).replace('"tid": 2', '"tid": [2]')), {"json_odd_type": 1}),
        (_trace((SPAN % ("a", 1)).replace('"ts": 1', '"ts": "1"')), {}),
    ],
)  # fmt: skip
def test_what_others_write_is_read_and_counted(text: str, anomalies: dict[str, int], tmp_path: Path) -> None:
    events, info = rows_of(text, tmp_path)
    assert [(row["name"], row["start_ps"], row["duration_ps"]) for row in events] == [("a", 1_000_000, 5_000_000)]
    assert info.anomalies == anomalies


@pytest.mark.parametrize(
    ("written", "name", "anomaly"),
    [
        (b'"a\x01b"', "a\x01b", "json_bad_string"),
        (b'"a\nb"', "a\nb", "json_bad_string"),
        (rb'"a\qb"', "a\\qb", "json_bad_string"),
        (rb'"\\u12"', "\\u12", None),
        (rb'"a\ud800b"', "a\ufffdb", "json_bad_string"),
        (rb'"a\ud83d\ude00b"', "a\U0001f600b", None),
        (b'"a\xffb"', "a\ufffdb", "text_not_utf8"),
        ('"ü\ufffd"'.encode(), "ü\ufffd", None),
    ],
)
def test_odd_strings_come_out_readable(written: bytes, name: str, anomaly: str | None, tmp_path: Path) -> None:
    text = b'{"traceEvents": [{"ph": "X", "name": ' + written + b', "pid": 1, "tid": 2, "ts": 1, "dur": 5}]}'
    events, info = rows_of(text, tmp_path)
    assert [row["name"] for row in events] == [name]
    assert info.anomalies == ({anomaly: 1} if anomaly else {})


def test_an_event_cut_in_two_is_damage_with_its_place_and_repair_keeps_all_before(tmp_path: Path) -> None:
    whole = _trace(SPAN % ("a", 1), SPAN % ("b", 7))
    text = whole[: whole.index('"b"') + 2]
    offset = whole.index('{"ph": "X", "name": "b"')
    with pytest.raises(TraceError, match=rf"damaged at byte {offset}: expected the rest of the event") as error:
        rows_of(text, tmp_path)
    assert "--repair" in (error.value.hint or "")
    events, info = rows_of(text, tmp_path, repair=True)
    assert [row["name"] for row in events] == ["a"]
    assert info.anomalies == {"damage_skipped": 1, "bytes_lost": len(text) - offset}


def test_garbage_between_events_is_damage_at_its_byte(tmp_path: Path) -> None:
    text = _trace(SPAN % ("a", 1), SPAN % ("b", 7)).replace('"b"', "%%%")
    with pytest.raises(TraceError, match=f"damaged at byte {text.index('%%%')}: expected valid JSON, but: "):
        rows_of(text, tmp_path)
    events, info = rows_of(text, tmp_path, repair=True)
    assert [row["name"] for row in events] == ["a"]
    assert info.anomalies["damage_skipped"] == 1


def test_damage_behind_mended_places_still_has_its_own_byte(tmp_path: Path) -> None:
    text = _trace(SPAN % ("a\x01\x02", 1), SPAN % ("b", 7)).replace('"b"', "%%%")
    with pytest.raises(TraceError, match=f"damaged at byte {text.index('%%%')}: "):
        rows_of(text, tmp_path)


def test_a_damaged_end_behind_the_events_loses_no_event(tmp_path: Path) -> None:
    text = _trace(SPAN % ("a", 1), tail='], "otherData": {"x": ')
    with pytest.raises(TraceError, match="the rest of the trace object behind its events"):
        rows_of(text, tmp_path)
    events, _ = rows_of(text, tmp_path, repair=True)
    assert [row["name"] for row in events] == ["a"]


def test_events_nested_too_deeply_are_no_crash(tmp_path: Path) -> None:
    deep = '{"ph": "X", "name": "b", "ts": 2, "dur": 1, "args": ' + "[" * 200_000 + "]" * 200_000 + "}"
    with pytest.raises(TraceError):
        rows_of(_trace(SPAN % ("a", 1), deep), tmp_path)
    events, info = rows_of(_trace(SPAN % ("a", 1), deep), tmp_path, repair=True)
    assert [row["name"] for row in events] == ["a"]
    assert info.anomalies["damage_skipped"] == 1


def test_a_file_that_is_no_trace_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(TraceError):
        rows_of('{"hello": [1, 2]}', tmp_path)


def test_times_beyond_int64_picoseconds_are_left_out_and_counted(tmp_path: Path) -> None:
    far = SPAN % ("far", 10**19)
    events, info = rows_of(_trace(SPAN % ("a", 1), far), tmp_path)
    assert [row["name"] for row in events] == ["a"]
    assert info.anomalies == {"time_out_of_range": 1}
    assert "'far', is written 115740741 days after them" in info.completeness["outlier"]


@pytest.mark.parametrize(("days", "kept"), [(-26, True), (26, True), (27, False), (60, False), (-100, False)])
def test_what_is_imported_can_be_read_however_far_times_lie_apart(tmp_path: Path, days: int, kept: bool) -> None:
    usual = [SPAN % ("a", 30 * 86_400 * 10**6 + at) for at in range(20)]
    file = tmp_path / "t.json"
    file.write_text(_trace(SPAN % ("far", (30 + days) * 86_400 * 10**6), *usual))
    assert main(["import", str(file), "-o", str(tmp_path / "made")]) == 0
    capture = Capture.open(tmp_path / "made")
    assert capture.events(["name"])["name"].to_pylist().count("far") == kept
    assert (capture.manifest.trace.anomalies.get("time_out_of_range", 0) == 0) is kept


def test_a_span_that_ends_before_it_starts_has_no_duration(tmp_path: Path) -> None:
    events, info = rows_of(_trace('{"ph": "X", "name": "a", "ts": 5, "dur": -3}'), tmp_path)
    assert [(row["start_ps"], row["duration_ps"]) for row in events] == [(5_000_000, 0)]
    assert info.anomalies == {"negative_duration": 1}


def test_spans_left_open_or_closed_twice_are_counted(tmp_path: Path) -> None:
    def mark(ph: str, name: str, ts: int) -> str:
        return json.dumps({"ph": ph, "name": name, "pid": 1, "tid": 1, "ts": ts})

    text = _trace(mark("B", "out", 1), mark("B", "in", 2), mark("E", "in", 3), mark("E", "out", 9), mark("E", "x", 10),
                  mark("B", "open", 11))  # fmt: skip
    events, info = rows_of(text, tmp_path)
    assert {row["name"]: row["duration_ps"] for row in events} == {"out": 8_000_000, "in": 1_000_000}
    assert info.anomalies == {"unmatched_begin": 1, "unmatched_end": 1}


def test_a_chunk_boundary_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nested = (
        '{"ph": "X", "name": "n%d},{", "pid": 1, "tid": 1, "ts": %d, "dur": 1, "args": {"l": [{"a": 1},{"b": "ü"}]}}'
    )
    text = _trace(*(nested % (n, 10 * n) for n in range(200)), tail='], "z": [{"y": 1}, {"x": 2}]}')
    whole, _ = rows_of(text, tmp_path)
    assert len(whole) == 200
    for size in (100, 150, 333, 4001):
        monkeypatch.setattr("dlprof.ingest.json.stream.CHUNK", size)
        assert rows_of(text, tmp_path)[0] == whole


def test_what_is_decoded_at_once_where_a_file_begins_changes_nothing(tmp_path: Path, monkeypatch) -> None:
    large = '{"ph": "X", "name": "large", "pid": 1, "tid": 1, "ts": 5, "dur": 1, "args": {"l": [%s 0]}}' % ("7," * 900)
    small = [f'{{"ph": "X", "name": "n{n}", "pid": 1, "tid": 1, "ts": {10 * n}, "dur": 1}}' for n in range(200)]
    text = _trace(large, *small[:90], large, *small[90:])
    whole, _ = rows_of(text, tmp_path)
    assert len(whole) == 202
    for beginning, chunk in ((64, 1 << 20), (64, 700), (1500, 5000), (2500, 1 << 20)):
        monkeypatch.setattr("dlprof.ingest.json.stream.BEGINNING", beginning)
        monkeypatch.setattr("dlprof.ingest.json.stream.CHUNK", chunk)
        assert rows_of(text, tmp_path)[0] == whole


def test_a_large_event_behind_damage_is_read(tmp_path: Path, monkeypatch) -> None:
    large = '{"ph": "X", "name": "large", "pid": 1, "tid": 1, "ts": 5, "dur": 1, "args": {"l": [%s 0]}}' % ("7," * 900)
    small = [f'{{"ph": "X", "name": "n{n}", "pid": 1, "tid": 1, "ts": {10 * n}, "dur": 1}}' for n in range(200)]
    text = _trace(small[0], '{"ph": "X", "name": tru}', small[1], large, *small[2:])
    monkeypatch.setattr("dlprof.ingest.json.stream.FIRST_WINDOW", 256)
    monkeypatch.setattr("dlprof.ingest.json.stream.CHUNK", 4000)
    events, info = rows_of(text, tmp_path, repair=True)
    assert len(events) == 201
    assert info.anomalies["damage_skipped"] == 1


RECORDED = [
    "mxnet/recorded-1.9.1-cpu/s_objs.json",
    "mxnet/recorded-1.9.1-cpu/unescaped_quotes.json",
    "mxnet/recorded-1.9.1-cpu/third_dump_no_header_no_footer.json",
    "tf1-timeline/GPU/timeline_01.json",
    "tf2-trace-json/8c859046be41.ant.amazon.com.trace.json.gz",
    "kineto/hta/amd_trace/mi250_minitoy_train_ROCm6_2_kineto.json.gz",
    "kineto/hta/triton_example/triton_example.json.gz",
    "kineto/hta/cpu_only/rank-34.Jul_15_10_52_41.1074.pt.trace.json.gz",
]


def _bytes(name: str) -> bytes:
    data = recorded(name).read_bytes()
    return gzip.decompress(data) if name.endswith(".gz") else data


def _attempt(data: bytes, folder: Path, *, repair: bool) -> tuple[list[Row], TraceError | None]:
    """(rows, None), or no rows and the refusal. Anything but a TraceError fails the test."""
    try:
        events, info = rows_of(data, folder, repair=repair)
    except TraceError as error:
        return [], error
    assert info.events == len(events)
    return events, None


@pytest.mark.parametrize("name", RECORDED)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_recorded_file_cut_at_any_byte_is_read_or_refused_but_never_crashes(
    name: str, data: st.DataObject, tmp_path: Path
) -> None:
    whole = _bytes(name)
    cut = data.draw(st.integers(0, len(whole)))
    full = rows(recorded(name))[0]
    plain, refusal = _attempt(whole[:cut], tmp_path, repair=False)
    assert len(plain) <= len(full)
    assert refusal is None or (refusal.hint and str(tmp_path) in refusal.message)
    kept, _ = _attempt(whole[:cut], tmp_path, repair=True)  # refused only where too little is left to tell the kind
    assert len(plain) <= len(kept) <= len(full)


@pytest.mark.parametrize("name", RECORDED)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_recorded_file_with_bytes_overwritten_is_read_or_refused_but_never_crashes(
    name: str, data: st.DataObject, tmp_path: Path
) -> None:
    whole = bytearray(_bytes(name))
    for at, value in data.draw(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=5)):
        whole[at] = value
    for repair in (False, True):
        _, refusal = _attempt(bytes(whole), tmp_path, repair=repair)
        assert refusal is None or refusal.hint


def test_the_recorded_files_are_where_these_tests_look() -> None:
    if TRACES.exists():
        assert all((TRACES / name).exists() for name in RECORDED)


@pytest.mark.parametrize("damage", ["no trailer", "cut", "flipped"])
def test_with_repair_all_that_a_damaged_gzip_file_still_gives_is_kept(damage: str, tmp_path: Path) -> None:
    rng = random.Random(3)
    whole = _trace(*(SPAN % (f"{rng.getrandbits(64):x}", 10 * k) for k in range(20_000))).encode()
    packed = bytearray(gzip.compress(whole, 1))
    if damage == "no trailer":
        del packed[-8:]
    elif damage == "cut":
        del packed[len(packed) * 2 // 3 :]
    else:
        packed[len(packed) * 2 // 3 :] = b"\xff" * (len(packed) // 3)
    path = tmp_path / "trace.json.gz"
    path.write_bytes(packed)
    with pytest.raises(TraceError, match="damaged"):
        rows(path)
    events, info = rows(path, repair=True)
    # zlib itself, a byte at a time, says how far the file can be decompressed.
    decompressor, readable = zlib.decompressobj(wbits=31), bytearray()
    with contextlib.suppress(zlib.error):
        for at in range(len(packed)):
            readable += decompressor.decompress(packed[at : at + 1])
    assert len(events) == readable.count(b"}", 0, whole.rindex(b"]"))
    assert info.anomalies["compressed_tail_damaged"] == 1


def test_an_event_that_is_nested_too_deeply_is_said_to_be(tmp_path: Path) -> None:
    deep = '{"ph": "X", "name": "b", "ts": 1, "dur": 1, "args": {"x": ' + "[" * 100_000 + "]" * 100_000 + "}}"
    with pytest.raises(TraceError, match="less deeply nested"):
        rows_of(_trace(SPAN % ("a", 1), deep), tmp_path)
    assert len(rows_of(_trace(SPAN % ("a", 1), deep), tmp_path, repair=True)[0]) == 1


def test_a_file_of_objects_alone_is_not_called_empty(tmp_path: Path) -> None:
    kept = '{"ph": "O", "id": 7, "name": "T", "ts": 1, "pid": 1, "args": {}}'
    rows, info = rows_of(_trace(*[kept] * 650), tmp_path)
    assert (rows, info.anomalies) == ([], {"unread_phase": 650})
    (said,) = (text for name, text in info.completeness.items() if name.endswith("empty"))
    assert "650 events without a time of their own" in said


def test_an_empty_list_of_events_is_whole(tmp_path: Path) -> None:
    assert rows_of("[]", tmp_path)[1].anomalies == {"empty_file": 1}


@pytest.mark.parametrize("head", ['{"note": "a"b", "traceEvents": [', '{"a": {"b": [1}, "traceEvents" :\n['])
def test_repair_of_a_damaged_beginning_goes_on_where_the_list_of_events_begins(head: str, tmp_path: Path) -> None:
    text = _trace(SPAN % ("a", 1), SPAN % ("b", 20), head=head)
    with pytest.raises(TraceError, match="damaged at byte 0: expected a trace object"):
        rows_of(text, tmp_path)
    found, info = rows_of(text, tmp_path, repair=True)
    assert [row["name"] for row in found] == ["a", "b"]
    assert (info.anomalies["damage_skipped"], info.anomalies["bytes_lost"]) == (1, head.index('"traceEvents"'))


@pytest.mark.parametrize("repair", [False, True])
def test_long_json_without_a_list_of_events_is_no_trace_and_not_damaged(repair: bool, tmp_path: Path) -> None:
    text = json.dumps({"workload_graph": [{"Id": number, "Name": "aten::mm"} for number in range(4000)]})
    with pytest.raises(TraceError, match="not a trace: it is JSON without a list of events") as raised:
        rows_of(text, tmp_path, repair=repair)
    assert "repair" not in (raised.value.hint or "")


def test_long_json_that_is_cut_off_before_any_list_of_events_is_damaged(tmp_path: Path) -> None:
    text = json.dumps({"workload_graph": [{"Id": number, "Name": "aten::mm"} for number in range(4000)]})
    with pytest.raises(TraceError, match="damaged at byte 0"):
        rows_of(text[:-9], tmp_path)
