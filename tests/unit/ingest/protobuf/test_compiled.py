"""XPlane's events by the native reader: what the one in Python gives, to the last value, of recordings, mutations and finds."""

from __future__ import annotations

import contextlib
import dataclasses
import random
from collections.abc import Iterator
from pathlib import Path

import fuzz_planes
import fuzz_xplane
import numpy as np
import pytest
from engine import MemorySource
from json_reading import table
from places import ROOT, TRACES
from xspace_bytes import PlaneBytes, block, double, number, space

from dlprof.ingest.anomalies import Anomalies
from dlprof.ingest.batch import Pools
from dlprof.ingest.dialects.xplane import READER
from dlprof.ingest.protobuf import compiled, small_lines
from dlprof.ingest.protobuf.chain import Chain, bodies, ends
from dlprof.ingest.protobuf.event_windows import BYTES_VALUE, STR, Stats, parse_in_python
from dlprof.ingest.protobuf.wire import Malformed, Window
from dlprof.ingest.reader import Context, Damaged
from dlprof.ingest.xplane.other_stats import Objects, all_ascii
from dlprof.native import library

pytestmark = pytest.mark.skipif(
    library.found().functions is None, reason=f"no native reader here: {library.found().missing}"
)
RECORDED = [
    ROOT / "tests" / "unit" / "ingest" / "data" / "lenet-tf-2.21.xplane.pb",
    *sorted((TRACES / "xplane").rglob("*.xplane.pb"), key=lambda path: path.stat().st_size)[:12],
]
FINDS = [path for name in ("xplane", "planes") for path in sorted((ROOT / "tests/fuzz" / f"corpus_{name}").glob("*"))]


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each window that the native reader was given, whether it read it."""
    seen: list[bool] = []
    events = compiled.events

    def noted(*arguments: object) -> object:
        found = events(*arguments)  # type: ignore[arg-type]
        seen.append(found is not None)
        return found

    monkeypatch.setattr(compiled, "events", noted)
    return seen


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name[:50])
def test_a_recorded_trace_is_the_same_table_by_both_readers(
    path: Path, windows: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(library.VARIABLE, "python")
    python = table(path, repair=True)
    assert not windows
    monkeypatch.setenv(library.VARIABLE, "native")
    native = table(path, repair=True)
    assert native[0].equals(python[0])
    assert native[1] == python[1]
    assert any(windows) or not native[0].num_rows


@pytest.mark.parametrize("path", FINDS, ids=lambda path: path.name)
def test_what_was_found_before_is_read_alike(path: Path) -> None:
    fuzz_planes.one_input(path.read_bytes())


def test_mutations_are_read_alike() -> None:
    chance, pool = random.Random(22), fuzz_planes.seeds()
    for _ in range(150):
        fuzz_planes.one_input(fuzz_planes.mutated(pool, chance))


def runs() -> Iterator[bytes]:
    """Runs of events, plain, cut, and with bytes changed."""
    chance = random.Random(4)
    for _ in range(400):
        events = []
        for _ in range(chance.choice((1, 3, 60))):
            texts = block(5, "é" * chance.randrange(90)), block(6, b"\xff"), b""
            stat = number(1, chance.randrange(300)) + chance.choice(
                (number(4, chance.getrandbits(64)), number(3, 5), number(7, 2**63), *texts)
            )
            fields = [
                number(1, chance.getrandbits(20)),
                number(2, chance.getrandbits(63)),
                number(3, 7),
                block(4, stat),
            ]
            fields += [block(4, number(1, 2) + b"\x11" + chance.randbytes(8)), number(5, 3)][: chance.randrange(3)]
            events.append(block(4, b"".join(chance.sample(fields, chance.randrange(len(fields) + 1)))))
        data = bytearray(b"".join(events))
        for _ in range(chance.choice((0, 0, 1, 4))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        yield bytes(data[: chance.choice((len(data), chance.randrange(len(data) + 1)))])


def starts(data: bytes, view: np.ndarray) -> tuple[list[int], int] | str:
    try:
        found, stop = Chain(data, view, 0, len(data)).run(0, len(data))
    except Malformed as error:
        return str(error)
    return found.tolist(), stop


def test_runs_of_events_begin_and_hold_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    functions = library.found().functions
    assert functions is not None
    plain = 0
    for data in runs():
        window = Window(data, 0)
        monkeypatch.setenv(library.VARIABLE, "python")
        chain = starts(data, window.padded)
        monkeypatch.setenv(library.VARIABLE, "native")
        assert starts(data, window.padded) == chain
        if isinstance(chain, str) or not chain[0]:
            continue
        begun = np.array(chain[0])
        extents = bodies(window.padded, begun), ends(begun, chain[1])
        found = compiled.events(functions, window, *extents)
        if found is None:
            continue  # the reader in Python takes it: that it is right is its own tests' business
        plain += 1
        python = parse_in_python(window, *extents)
        assert python.unknown_fields == 0
        for name, column in zip(
            ("metadata_id", "offset_ps", "duration_ps", "occurrences", "aggregated"), found[0], strict=True
        ):
            assert column.tolist() == getattr(python, name).tolist(), name
        texts = np.isin(python.stats.kind, [STR, BYTES_VALUE])
        for name, column in zip(("event", "id", "kind", "value", "at"), found[1], strict=True):
            told = getattr(python.stats, name)
            assert (column[texts] if name == "at" else column).tolist() == (
                told[texts] if name == "at" else told
            ).tolist()
        wanted = np.array([id_ % 3 == plain % 3 for id_ in range(plain % 7 + 1)])
        some = compiled.events(functions, window, *extents, wanted)
        assert some is not None
        asked = (python.stats.id >= 0) & (python.stats.id < len(wanted))
        asked[asked] = wanted[python.stats.id[asked]]
        unasked = Stats(*(getattr(python.stats, one.name)[~asked] for one in dataclasses.fields(Stats)))
        asked |= not all_ascii(unasked, window)
        assert [column.tolist() for column in some[0]] == [column.tolist() for column in found[0]]
        assert [column.tolist() for column in some[1]] == [column[asked].tolist() for column in found[1]]
    assert plain > 100


def test_a_window_that_is_not_plain_is_left_to_python() -> None:
    functions = library.found().functions
    for body in (
        number(9, 1),
        b"\x08",
        b"\x08" + b"\xff" * 10,
        b"\x22\x05\x08\x01",
        block(4, b"\x2a\x7f"),
        block(4, b"\x11\0"),
    ):
        window = Window(body, 0)
        extent = np.array([0]), np.array([len(body)])
        assert compiled.events(functions, window, *extent) is None, body  # type: ignore[arg-type]
    outside = np.array([0]), np.array([99])
    assert compiled.events(functions, Window(b"\x08\x01", 0), *outside) is None  # type: ignore[arg-type]


def test_texts_beyond_ascii_are_found_whatever_the_numbers_around_them() -> None:
    def ascii_only(text: str | bytes, field: int = 5) -> bool:
        body = number(2, 2**62) + block(4, number(1, 200) + block(field, text))
        window = Window(body, 0)
        return all_ascii(parse_in_python(window, np.array([0]), np.array([len(body)])).stats, window)

    assert ascii_only("plain")
    assert not ascii_only("Ö")
    assert not ascii_only(b"\xc3(")
    assert ascii_only(b"\xff", 6)  # bytes are no text


def told(data: bytes, columns: tuple[str, ...] | None) -> tuple[list[object], dict[str, int]]:
    """The columns of a trace's batches without the arguments and shapes, and what was counted."""
    anomalies = Anomalies()
    context = Context("m", "m", Pools(), anomalies, repair=True, columns=columns)
    found: list[object] = []
    with contextlib.suppress(Damaged):
        for batch in READER.read(MemorySource(data, anomalies, True), context):
            found += [
                (name, str(getattr(batch, name)))
                for name in batch.__struct_fields__
                if name not in ("args", "shape", "dtype")
            ]
    return found, anomalies.counts


def test_arguments_that_nobody_asks_for_leave_all_else_as_it_is() -> None:
    chance, pool = random.Random(5), [*fuzz_xplane.written(), b"0" + odd_text()]
    counted = 0
    for data in [*pool, *(fuzz_xplane.mutated(pool, chance) for _ in range(60))]:
        whole = told(data[1:], None)
        assert told(data[1:], ("id", "name")) == whole
        counted += whole[1].get("text_not_utf8", 0)
    assert counted


def odd_text() -> bytes:
    """A trace with an argument that is not UTF-8."""
    host = PlaneBytes("/host:CPU")
    host.line("python", [host.event("a", 0, 9, note="some text")])
    return space(host).replace(b"some text", b"some t\xc3(t")


def told_of(group: small_lines.Group) -> tuple[object, ...]:
    columns = (group.number, group.rows, group.starts, group.ends)
    return group.lines, *(column.tolist() for column in columns), group.names


def test_lines_of_a_window_say_and_hold_the_same() -> None:
    functions = library.found().functions
    assert functions is not None
    chance, plain, refused = random.Random(6), 0, 0
    for _ in range(300):
        parts: list[bytes] = []
        extents: list[tuple[int, int]] = []
        for _ in range(chance.randrange(1, 5)):
            events = b"".join(block(4, number(1, at)) for at in range(chance.choice((0, 1, 90))))
            fields = [
                events,
                number(1, chance.getrandbits(64)),
                number(3, chance.getrandbits(60)),
                block(2, "é"),
                block(2, b""),
            ]
            fields += [block(11, b"\xff shown"), number(9, 5), block(4, number(1, 2)), block(12, "more")]
            data = bytearray(b"".join(chance.sample(fields, chance.randrange(len(fields) + 1))))
            if data and not chance.randrange(4):
                data[chance.randrange(len(data))] = chance.randrange(256)
            begin = sum(map(len, parts))
            extents.append((7 + begin, 7 + begin + len(data)))
            parts.append(bytes(data))
        window = Window(b"".join(parts), 7)
        native = compiled.lines(functions, window, np.array(extents) - 7)
        try:
            python = told_of(small_lines._in_python(window, extents))
        except Malformed:
            refused += 1
            assert native is None
            continue
        if native is not None:
            plain += 1
            assert told_of(small_lines._group(window, *native)) == python
    assert plain > 150
    assert refused > 10
    outside = np.array([[0, 1], [0, 99]])
    assert compiled.lines(functions, Window(b"\x08\x01", 0), outside) is None


ARGUMENTS = [
    block(5, text)
    for text in (
        'q"\\/',
        "\b\f\n\r\t\x00\x1f\x7f",
        "é€😀\ud7ff\ue000\ufffd",
        'a text of more than sixteen bytes, quoted " there',
        "",
    )
] + [
    block(6, b"\x00\xff\x1a"),
    block(6, b""),
    *(number(4, value) for value in (0, 9, -1, 2**63 - 1, -(2**63))),
    *(number(3, value) for value in (0, 2**64 - 1)),
    *(number(7, value) for value in (1, 2, 77, 2**64 - 3)),
    *(double(2, value) for value in (0.403068, -0.0, 1e300, 5e-324, float("nan"), float("-inf"))),
]
NOT_UTF8 = [
    b"\xc3(",
    b"\xe0\x80\x80",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xf5",
    b"\x80",
    b"ok \xe2\x82",
    b"\xc0\xaf",
    b"\xf0\x8f\xbf\xbf",
]


def rendered(events: list[list[bytes]], reader: str, monkeypatch: pytest.MonkeyPatch) -> tuple[object, list[bytes]]:
    """The arguments of events, and which texts were not UTF-8."""
    monkeypatch.setenv(library.VARIABLE, reader)
    odd: list[bytes] = []

    def decode(raw: bytes) -> str:
        odd.append(raw)
        return raw.decode(errors="replace")

    parts = [b"".join(block(4, stat) for stat in stats) for stats in events]
    edges = np.cumsum([0, *map(len, parts)])
    window = Window(b"".join(parts), 0)
    objects = Objects({1: "one", 2: 'two "quoted"', 3: "taken", -4: "é"}, decode, frozenset({3}))
    found = objects.of(parse_in_python(window, edges[:-1], edges[1:]).stats, window, len(parts))
    return None if found is None else found.array().to_pylist(), odd


def test_arguments_are_the_same_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    chance, some = random.Random(8), 0
    for turn in range(200):
        events = [
            [
                number(1, chance.choice((1, 2, 3, -4, 5, -5))) + chance.choice(ARGUMENTS)
                for _ in range(chance.choice((0, 0, 1, 3)))
            ]
            for _ in range(chance.choice((0, 1, 40)))
        ]
        if not turn % 5 and events:
            events[0].append(number(1, 1) + block(5, chance.choice(NOT_UTF8)))
        python, native = (rendered(events, reader, monkeypatch) for reader in ("python", "native"))
        assert native == python
        assert len(native[1]) == (not turn % 5 and bool(events))
        some += native[0] is not None
    assert some > 80


def test_room_for_arguments_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "_FIRST_ROOM", 1)
    events = [[number(1, 1) + block(5, "\x01" * 5000)], [], [number(1, 2) + block(6, b"\x02" * 5000)]]
    python, native = (rendered(events, reader, monkeypatch) for reader in ("python", "native"))
    assert native == python
