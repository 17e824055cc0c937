"""Messages that no profiler writes, by hand: each XPlane ends in the right rows with a count, or in an error that says where."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hlo_bytes import Hlo, metadata_plane, module
from reading import read
from xspace_bytes import PlaneBytes, block, number, space, varint

from dlprof import frameworks
from dlprof.errors import TraceError

FURTHEST = 2**63 - 1
Row = tuple[str, int, int]
"""Name, start and duration in ps."""


@dataclass(frozen=True)
class Attack:
    """A message, and the right answer to it.

    rows: what the table holds
    counts: the anomalies that are counted, but for operators that no vocabulary knows
    refused: a text of the error, where there is no table
    """

    data: bytes
    rows: tuple[Row, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    refused: str = ""


GOOD: tuple[Row, ...] = (("a", 0, 50), ("b", 60, 9))


def line(events: bytes, head: bytes | None = None) -> bytes:
    """A line of a plane. head: what stands before its events, by default id 1 and the name t."""
    return block(3, (number(1, 1) + block(2, "t") if head is None else head) + events)


def named(id_: int, name: str) -> bytes:
    """An entry of a plane's table of events."""
    return block(4, number(1, id_) + block(2, number(1, id_) + block(2, name)))


def event(id_: int, offset: int, duration: int, more: bytes = b"") -> bytes:
    return block(4, number(1, id_) + number(2, offset) + number(3, duration) + more)


NAME = block(2, "/host:CPU")
LINE = line(event(1, 0, 50) + event(2, 60, 9))
NAMES = named(1, "a") + named(2, "b")
PLANE = NAME + LINE + NAMES


def plane(*parts: bytes) -> bytes:
    return block(1, b"".join(parts))


def events(*each: bytes, names: bytes = NAMES) -> bytes:
    return plane(NAME, line(b"".join(each)), names)


def hlo(inside: bytes, name: str = "fusion.1") -> bytes:
    """A host's event of an instruction of a module."""
    host = PlaneBytes("/host:CPU")
    host.line("tf_XLAEigen/1", [host.event(name, 0, 9, hlo_op=(name,), program_id=7)])
    return space(metadata_plane(jit_f=(7, inside)), host)


def gpu(**stats: object) -> bytes:
    device = PlaneBytes("/device:GPU:0")
    device.line("Stream #1", [device.event("k", 0, 9, **stats)])
    return space(device)


def steps(*names: str) -> bytes:
    device = PlaneBytes("/device:TPU:0")
    device.line("XLA Ops", [device.event("dot.1", 0, 40)], id_=2)
    device.line("Steps", [device.event(name, 20 * at, 30) for at, name in enumerate(names)], id_=1)
    return space(device)


def environment(**stats: object) -> bytes:
    other = PlaneBytes("Task Environment")
    other.plane_stats = b"".join(block(6, other.stat(name, value)) for name, value in stats.items())
    return plane(PLANE) + space(other)


def nested(depth: int) -> bytes:
    data = b""
    for _ in range(depth):
        data = block(9, data)
    return data


LOOP = [Hlo("p", "parameter"), Hlo("fusion.1", "fusion", "jit(f)/a/mul", kind="kLoop", calls=[1])]
ATTACKS: dict[str, Attack] = {
    # the wire
    "a group, which protobuf no longer has": Attack(plane(PLANE) + varint(9 << 3 | 3), refused="wire type 3"),
    "a reserved wire type": Attack(plane(PLANE) + varint(1 << 3 | 6), refused="wire type 6"),
    "field number 0": Attack(plane(PLANE) + b"\x00\x00", refused="field 0"),
    "a number of eleven bytes": Attack(plane(PLANE + b"\x08" + b"\xff" * 11), refused="damaged at byte"),
    "a number that never ends": Attack(plane(PLANE) + b"\x28" + b"\x80" * 9, refused="damaged at byte"),
    "a field number of 61 bits": Attack(plane(PLANE) + varint((2**61 - 1) << 3) + b"\x01", GOOD, {"unknown_field": 1}),
    "a plane longer than the file": Attack(plane(PLANE)[:-3], refused="damaged at byte"),
    "a plane of 2^63 bytes": Attack(b"\x0a" + varint(2**63) + PLANE, refused="damaged at byte"),
    "a line longer than its plane": Attack(plane(NAME, b"\x1a\x7f" + LINE[2:]), refused="damaged at byte"),
    "an event longer than its line": Attack(plane(NAME, line(b"\x22\x7f" + bytes(4)), NAMES), refused="damaged at byte"),
    "a message nested 3 000 deep where no field is known": Attack(plane(PLANE + nested(3_000)), GOOD, {"unknown_field": 1}),
    "an event nested 3 000 deep": Attack(
        events(event(1, 0, 50, nested(3_000)), event(2, 60, 9)), GOOD, {"unknown_field": 1}),
    "the end of a gzip file cut off": Attack(gzip.compress(plane(PLANE) * 50)[:-12], refused="compressed"),
    "text where a plane should be": Attack(block(1, "hello, this is no plane at all") + plane(PLANE), refused="not a trace"),
    # tables of names
    "names before the lines": Attack(plane(NAMES, NAME, LINE), GOOD),
    "an event of an id that no table has": Attack(events(event(1, 0, 50), event(77, 60, 9)), (("a", 0, 50), ("event#77", 60, 9)),
                                                  {"unknown_event_metadata": 1}),
    "an event of a negative id": Attack(events(event(1, 0, 50), event(-5, 60, 9)), (("a", 0, 50), ("event#-5", 60, 9)),
                                        {"unknown_event_metadata": 1}),
    "an event without an id": Attack(events(block(4, number(2, 3) + number(3, 4))), (("event#0", 0, 4),),
                                     {"unknown_event_metadata": 1}),
    "a negative id that the table has": Attack(events(event(-5, 0, 50), names=named(-5, "a")), (("a", 0, 50),)),
    "the furthest id that the table has": Attack(events(event(FURTHEST, 0, 50), names=named(FURTHEST, "a")), (("a", 0, 50),)),
    "one id named twice": Attack(events(event(1, 0, 50), names=named(1, "old") + named(1, "a")), (("a", 0, 50),)),
    "an entry whose key is not its id": Attack(
        events(event(1, 0, 50), names=block(4, number(1, 1) + block(2, number(1, 99) + block(2, "a")))), (("a", 0, 50),)),
    "a plane whose name is a number": Attack(plane(number(2, 7), LINE, NAMES), refused="not a trace"),
    "no plane has a name": Attack(plane(LINE, NAMES), GOOD),
    "a line whose name is a number": Attack(plane(NAME, line(event(1, 0, 50) + event(2, 60, 9), number(2, 7)), NAMES), GOOD),
    "a name that is no UTF-8": Attack(events(event(1, 0, 50), names=block(4, number(1, 1) + block(2, b"\x12\x02\xc3\x28"))),
                                      (("\ufffd(", 0, 50),), {"text_not_utf8": 1}),
    "two planes of one name": Attack(plane(PLANE) + plane(PLANE), (*GOOD, *GOOD)),
    "two lines of one id": Attack(plane(NAME, LINE, LINE, NAMES), (*GOOD, *GOOD)),
    "a negative line id": Attack(plane(NAME, line(event(1, 0, 50) + event(2, 60, 9), number(1, -1)), NAMES), GOOD),
    "10 000 lines without events": Attack(plane(NAME, line(b"") * 10_000, LINE, NAMES), GOOD),
    # times
    "a negative duration": Attack(events(event(1, 0, 50), event(2, 60, -9)), (("a", 0, 50), ("b", 60, 0)),
                                  {"negative_duration": 1}),
    "an end beyond int64": Attack(events(event(1, 0, 50), event(2, FURTHEST, FURTHEST)), (("a", 0, 50),),
                                  {"time_out_of_range": 1}),
    "a duration of 106 days": Attack(events(event(1, 0, 50), event(2, 60, FURTHEST)), (("a", 0, 50),),
                                     {"time_out_of_range": 1}),
    "a line that begins at the end of time": Attack(
        plane(NAME, LINE, line(event(1, 0, 50), number(1, 2) + number(3, FURTHEST)), NAMES), GOOD, {"time_out_of_range": 1}),
    "a line that begins before all time": Attack(
        plane(NAME, LINE, line(event(1, 0, 50), number(1, 2) + number(3, -FURTHEST)), NAMES), GOOD, {"time_out_of_range": 1}),
    "an offset told twice, of which the last counts": Attack(events(event(1, 7, 50, number(2, 0)), event(2, 60, 9)), GOOD),
    "an offset that is a text": Attack(events(block(4, number(1, 1) + block(2, "x") + number(3, 50))), (("a", 0, 50),),
                                         {"unknown_field": 1}),
    "a profile that began before 1970": Attack(environment(profile_start_time=-5), GOOD),
    "a profile that began at a text": Attack(environment(profile_start_time="noon"), GOOD),
    # counts, steps and other stats
    "2^63 − 1 occurrences": Attack(
        events(block(4, number(1, 1) + number(3, 50) + number(5, FURTHEST)), event(2, 60, 9)), (("a", 0, 50), ("b", 60, 9)),
        {"odd_occurrences": 1}),
    "minus three occurrences": Attack(
        events(block(4, number(1, 1) + number(3, 50) + number(5, -3))), (("a", 0, 50),), {"odd_occurrences": 1}),
    "a stat of an id that no table has": Attack(
        events(event(1, 0, 50, block(4, number(1, 99) + number(4, 3))), event(2, 60, 9)), GOOD),
    "a stat that refers to no text": Attack(gpu(tf_op=3), (("k", 0, 9),), {"orphan_kernel": 1}),
    "a correlation id that is no number": Attack(gpu(correlation_id=float("nan")), (("k", 0, 9),), {"orphan_kernel": 1}),
    "a correlation id that is a text": Attack(gpu(correlation_id="x"), (("k", 0, 9),), {"orphan_kernel": 1}),
    "a copy of more bytes than there are": Attack(gpu(memcpy_details="kind_src:host size:99999999999999999999999 dest:0"),
                                                  (("k", 0, 9),), {"orphan_kernel": 1}),
    "a device number of forty digits": Attack(
        plane(block(2, "/device:GPU:" + "9" * 40), line(event(1, 0, 50), block(2, "Stream #1")), NAMES), (("a", 0, 50),),
        {"orphan_kernel": 1}),
    "steps that overlap, and names that are no numbers": Attack(steps("1", "-7", "9" * 30, "x"), (("1", 0, 30), ("dot.1", 0, 40)),
                                                                {"derived_line_events": 3, "orphan_kernel": 1}),
    "a step number beyond int64": Attack(
        events(event(1, 0, 50, block(4, number(1, 1) + number(3, 2**64 - 1))), event(2, 60, 9),
               names=NAMES + block(5, number(1, 1) + block(2, number(1, 1) + block(2, "step_num")))), GOOD),
    "a thousand errors that would steer the terminal": Attack(
        plane(PLANE) + block(2, "\x1b]0;owned\x07") * 1_000, GOOD, {"profiler_errors": 1_000}),
    # compiled modules
    "a fusion that calls itself": Attack(hlo(module("jit_f", [LOOP])), (("fusion.1", 0, 9),)),
    "fusions that call each other": Attack(
        hlo(module("jit_f", [[Hlo("fusion.2", "fusion", kind="kLoop", calls=[2])],
                             [Hlo("fusion.1", "fusion", kind="kLoop", calls=[1])]])), (("fusion.1", 0, 9),)),
    "a fusion that calls what is not there": Attack(
        hlo(module("jit_f", [[Hlo("fusion.1", "fusion", kind="kLoop", calls=[10**6, 2**63, 0])]])), (("fusion.1", 0, 9),)),
    "frames that call each other": Attack(
        hlo(module("jit_f", [[Hlo("fusion.1", "add", "jit(f)/a/add", frame=1)]], [("a.py", 1, 2), ("b.py", 2, 1)])),
        (("fusion.1", 0, 9),)),
    "a module that is cut off": Attack(hlo(module("jit_f", [LOOP])[:-9]), (("fusion.1", 0, 9),), {"hlo_module_damaged": 1}),
    "a module that is a text": Attack(hlo(b"not a module"), (("fusion.1", 0, 9),), {"hlo_module_damaged": 1}),
    "an instruction that no module has": Attack(hlo(module("jit_f", [LOOP]), "dot.404"), (("dot.404", 0, 9),)),
    "a path of 200 000 scopes": Attack(
        hlo(module("jit_f", [[Hlo("fusion.1", "add", "/".join(["jit(f)"] * 200_000))]])), (("fusion.1", 0, 9),)),
}  # fmt: skip


@pytest.mark.parametrize("what", ATTACKS)
def test_an_attack_ends_in_the_right_rows_or_in_an_error(
    attack: Callable[..., object], attacked: Callable[..., None], tmp_path: Path, what: str
) -> None:
    given = ATTACKS[what]
    path = tmp_path / ("t.xplane.pb" + (".gz" if given.data[:2] == b"\x1f\x8b" else ""))
    path.write_bytes(given.data)
    attacked()
    if given.refused:
        with pytest.raises(TraceError, match=given.refused):
            read(path, frameworks.vocabularies())
    else:
        table, info = read(path, frameworks.vocabularies())
        first = min(table["start_ps"].to_pylist(), default=0)
        found = zip(table["name"], table["start_ps"], table["duration_ps"], strict=True)
        assert sorted((name.as_py(), start.as_py() - first, length.as_py()) for name, start, length in found) == sorted(
            given.rows
        )
        assert {name: count for name, count in info.anomalies.items() if name != "unknown_operator"} == given.counts
    for view in ((), ("--by", "step"), ("--view", "slowest")):
        done = attack("show", path, *view)
        assert done.code == (1 if given.refused else 0), done.stderr
        assert "\x1b" not in done.stdout + done.stderr
