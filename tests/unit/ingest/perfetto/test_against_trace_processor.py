"""What Perfetto's own trace_processor makes of a trace and what dlprof does: the same slices, names, times and counters."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from perfetto_trace import (
    BEGIN,
    BOOTTIME,
    CLEARED,
    COUNTER,
    END,
    INSTANT,
    MONOTONIC,
    NEEDS,
    Writer,
    event,
    fixed64,
    note,
    packet,
    rocprof,
    snapshot,
    track,
)
from reading import read
from xspace_bytes import block, double, number

SLICES = "select name, category, ts, dur from slice"
ARGUMENTS = (
    "select s.name, s.ts, a.key, a.display_value as value from slice s join args a using (arg_set_id) "
    "where a.key like 'debug.%'"
)
COUNTERS = "select t.name, c.ts, c.value from counter c join counter_track t on c.track_id = t.id"
FLOWS = (
    "select a.name as source, b.name as target from flow f "
    "join slice a on f.slice_out = a.id join slice b on f.slice_in = b.id"
)
BASE = 5_000_000_000


def busy(seed: int) -> bytes:
    """Nested spans of three writers on threads and on tracks that they share, instants, counters, arguments, clears."""
    chance = random.Random(seed)
    writers = [Writer(sequence=one + 1, default_track=100 + one) for one in range(3)]
    for one, writer in enumerate(writers):
        writer.start(BASE + one)
        writer.describe(10, process=(1234, "python"))
        writer.describe(100 + one, parent=10, thread=(1234, 2000 + one, f"worker {one}"))
        writer.describe(200 + one, f"queue {one}", parent=10)
    writers[0].describe(300, "memory", parent=10, counter=number(3, 1) + number(4, 1024))
    time = BASE
    open_: dict[tuple[int, int], int] = Counter()
    for step in range(400):
        time += chance.randrange(1, 50) * 10
        which = chance.randrange(3)
        writer, where = writers[which], (100 if chance.random() < 0.6 else 200) + which
        kind = chance.choice((BEGIN, BEGIN, END, END, INSTANT, COUNTER))
        if kind == END and not open_[which, where]:
            kind = BEGIN
        if kind == COUNTER:
            writers[0].event(COUNTER, time, "", "", number(30, chance.randrange(99)), track=300)
        elif kind == END:
            writer.event(END, time, track=where)
            open_[which, where] -= 1
        else:
            more = [note("n", step), note("deep", {"a": [1, 2.5, "x"]})] if chance.random() < 0.3 else []
            writer.event(kind, time, f"op{chance.randrange(9)}", f"cat{chance.randrange(3)}", *more, track=where)
            open_[which, where] += kind == BEGIN
        if step == 200:
            for one in writers:
                one.start(time)
    for (which, where), count in open_.items():
        for _ in range(count):
            time += 10
            writers[which].event(END, time, track=where)
    pieces = [writer.packets for writer in writers]
    data = b""
    while any(pieces):  # as a service does: some packets of one writer, then some of another
        data += b"".join(one.pop(0) for one in [chance.choice([piece for piece in pieces if piece])] for _ in one[:5])
    return data


def plain_packets() -> bytes:
    """Without a clock of the sequence's own: names and categories written out, times of two clocks, a second snapshot."""
    parts = [packet(snapshot({BOOTTIME: 1000, MONOTONIC: 400}), number(10, 7))]
    parts.append(packet(track(5, thread=(9, 11, "main")), number(10, 7)))

    def add(time: int, kind: int, *more: bytes, clock: int = 0) -> None:
        stated = number(8, time) + (number(58, clock) if clock else b"") + number(10, 7)
        parts.append(packet(event(number(9, kind), number(11, 5), *more), stated))

    add(1100, BEGIN, block(23, "whole"), block(22, "a"), block(22, "b"))
    add(600, BEGIN, block(23, "monotonic"), block(22, "a"), clock=MONOTONIC)
    add(700, END, clock=MONOTONIC)
    parts.append(packet(snapshot({BOOTTIME: 2000, MONOTONIC: 1300}), number(10, 7)))
    add(1350, BEGIN, block(23, "later"), block(22, "a"), clock=MONOTONIC)
    add(1400, END, clock=MONOTONIC)
    add(2500, END)
    parts.append(packet(track(6, "rate", counter=number(5, 1)), number(10, 7)))
    for time, value in ((1200, 1.5), (1300, 2.0), (1400, -0.5)):
        parts.append(
            packet(event(number(9, COUNTER), number(11, 6), double(44, value)), number(8, time), number(10, 7))
        )
    return b"".join(parts)


def older() -> bytes:
    """Chrome's older events: a phase, times in µs that count on, spans by id."""
    parts = [packet(snapshot({BOOTTIME: 5_000_000, MONOTONIC: 5_000_000}), number(10, 3), number(13, CLEARED))]
    thread = number(1, 21) + number(2, 22) + block(5, "CrMain") + number(6, 6000)
    names = b"".join(block(2, number(1, at) + block(2, text)) for at, text in enumerate(("X1", "BE", "async"), 1))
    names += block(1, number(1, 1) + block(2, "blink"))
    parts.append(packet(block(44, thread), block(12, names), number(10, 3)))

    def add(phase: str, name: int, *more: bytes, delta: int) -> None:
        legacy = number(1, name) + number(2, ord(phase)) + b"".join(more)
        parts.append(packet(event(number(1, delta), number(3, 1), block(6, legacy)), number(10, 3), number(13, NEEDS)))

    add("X", 1, number(3, 40), delta=5)
    add("B", 2, delta=50)
    add("b", 3, number(6, 0xABC), delta=5)
    add("E", 2, delta=5)
    add("e", 3, number(6, 0xABC), delta=9)
    add("S", 3, number(6, 0xDEF), delta=3)
    add("T", 3, number(6, 0xDEF), delta=4)
    add("F", 3, number(6, 0xDEF), delta=5)
    return b"".join(parts)


def launched() -> bytes:
    """Flows from calls to what they launched, on another track."""
    writer = Writer(default_track=1)
    writer.start(BASE)
    writer.describe(1, thread=(5, 6, "main"))
    writer.describe(2, "stream")
    for at in range(20):
        writer.span(f"call{at}", BASE + at * 100 + 1, BASE + at * 100 + 9, "hip_api", fixed64(47, at + 1))
        writer.span(
            f"k{at}", BASE + at * 100 + 20, BASE + at * 100 + 70, "kernel_dispatch", fixed64(47, at + 1), track=2
        )
    return writer.data()


def flattened(key: str, value: object) -> Iterator[tuple[str, str]]:
    """Arguments as trace_processor has them: a key for each plain value."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from flattened(f"{key}.{name}", one)
    elif isinstance(value, list):
        for at, one in enumerate(value):
            yield from flattened(f"{key}[{at}]", one)
    else:
        yield key, str(value)


@pytest.mark.parametrize(
    "data",
    [*(busy(seed) for seed in range(4)), plain_packets(), older(), rocprof(), launched()],
    ids=["0", "1", "2", "3", "plain", "older", "rocprof", "flows"],
)
def test_slices_counters_and_flows_are_those_of_trace_processor(
    perfetto: Callable[..., list[list[dict[str, Any]]]], tmp_path: Path, data: bytes
) -> None:
    path = tmp_path / "t.pftrace"
    path.write_bytes(data)
    slices, counters, flows, arguments = perfetto(path, SLICES, COUNTERS, FLOWS, ARGUMENTS)
    table, info = read(path)
    rows = table.to_pylist()
    assert info.kinds == {"t.pftrace": "perfetto"}
    assert slices
    first = min(row["ts"] for row in (*slices, *counters))
    theirs = Counter((row["name"], row["category"], row["ts"] - first, row["dur"]) for row in slices)
    spans = [row for row in rows if row["level"] != "counter"]
    for row in spans:
        if row["level"] == "copy":
            row["name"] = "MEMORY_COPY_HOST_TO_DEVICE"  # which is Memcpy HtoD in the table
    ours = Counter((row["name"], row["category"], row["start_ps"] // 1000, row["duration_ps"] // 1000) for row in spans)
    assert ours == theirs
    said = Counter(
        (row["name"], row["start_ps"] // 1000, key, value)
        for row in spans
        if row["args"]
        for key, value in flattened("debug", json.loads(row["args"]))
    )
    assert said == Counter((row["name"], row["ts"] - first, row["key"], row["value"]) for row in arguments)
    counted = Counter((row["name"], row["start_ps"] // 1000, row["value"]) for row in rows if row["level"] == "counter")
    assert counted == Counter((row["name"], row["ts"] - first, row["value"]) for row in counters)
    by_id = {row["id"]: row for row in rows}
    launches = Counter(
        (by_id[row["launch"]]["name"], row["name"])
        for row in rows
        if row["level"] == "kernel" and row["launch"] is not None
    )
    kernels = {row["name"] for row in rows if row["level"] == "kernel"}
    assert launches == Counter((row["source"], row["target"]) for row in flows if row["target"] in kernels)
    assert not {"unmatched_begin", "unmatched_end", "lost_state", "missing_text"} & set(info.anomalies)
