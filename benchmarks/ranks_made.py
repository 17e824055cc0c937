"""A job of many ranks made of four recorded ones: their steps again and again, on hosts whose clocks differ, with one
rank that sleeps.

The recordings (data/ranks-recorded: the job of the tests, PyTorch with gloo, four processes, twelve steps, nothing
planted) are real; made is what a machine of two processors cannot record. Rank r is recording r mod 4, written as
PyTorch writes it. In each step the rank at fault does nothing for `SLEEP_NS` when its forward pass begins: whatever it
did later is later by that, and what was under way lasts longer. The others are as much longer in the all-reduce of that
step. Hosts of eight ranks each have a clock of their own, which `baseTimeNanoseconds` tells. The same every time, to
the byte.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

RECORDED = Path(__file__).parent / "data" / "ranks-recorded"
AT_FAULT = 5
SLEEP_NS = 30_000_000
HOST_OF = 8
"""Ranks of a host."""
CLOCKS_NS = 50e6
"""Standard deviation of a host's clock."""
_GAP_NS = 100_000
_IDS = ("External id", "Ev Idx", "Sequence number", "id")
"""Numbers of events, which are others each time that the recording is repeated."""


@dataclass(frozen=True, slots=True)
class _Event:
    """Its text, with places for what changes: the step's number (of those that are one), begin, duration (of those that
    have one), ns, and numbers of events."""

    text: str
    step: int | None
    begin: int
    duration: int | None
    numbers: tuple[int, ...]


def made(folder: Path, ranks: int, size: int) -> int:
    """A folder with a trace of about `size` bytes for each rank. How many steps each has. Raises `FileExistsError`."""
    folder.mkdir(parents=True)
    recordings = [_recording(file) for file in sorted(RECORDED.glob("rank*.json.gz"))]
    first = min(_steps(one)[0][0] for one in recordings)
    last = max(_steps(one)[-1][1] for one in recordings)
    planted = last - first + SLEEP_NS * len(_steps(recordings[0])) + _GAP_NS
    offsets = np.random.default_rng(23).normal(0.0, CLOCKS_NS, -(-ranks // HOST_OF)).astype(np.int64)
    bodies: dict[tuple[int, bool], list[_Event]] = {}
    cycles = 0
    for at, recording in enumerate(recordings):
        for fault in {at == AT_FAULT % len(recordings) and ranks > AT_FAULT, False}:
            bodies[at, fault] = [*_events(recording, first, fault=fault)]
            cycles = cycles or max(1, round(size / len("".join(_repeated(bodies[at, fault], 0, planted)))))
    for key, events in bodies.items():
        text = ",".join("".join(_repeated(events, cycle, planted)) for cycle in range(cycles)).encode()
        at, fault = key
        for rank in range(at, ranks, len(recordings)):
            if (rank == AT_FAULT) == fault:
                head = _head(recordings[at], rank, ranks, int(offsets[rank // HOST_OF]))
                with (folder / f"rank{rank}.json").open("wb") as file:
                    file.writelines([head, text, b'\n  ],"traceName": "made of recorded ranks" }'])
    return cycles * len(_steps(recordings[0]))


def _recording(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress(file.read_bytes()))
    return found


def _ns(us: float) -> int:
    return round(us * 1000)


def _named(recording: dict[str, Any], beginning: str) -> list[tuple[int, int]]:
    """Begin and end of the events of a name, ns, in order."""
    events = (one for one in recording["traceEvents"] if one["name"].startswith(beginning) and "dur" in one)
    return sorted((_ns(one["ts"]), _ns(one["ts"]) + _ns(one["dur"])) for one in events)


def _steps(recording: dict[str, Any]) -> list[tuple[int, int]]:
    return _named(recording, "ProfilerStep#")


def _later(recording: dict[str, Any], *, fault: bool) -> list[int]:
    """When, in each step, nothing happens for `SLEEP_NS`: as the forward pass begins, or in the first all-reduce."""
    spans = _named(recording, "forward" if fault else "gloo:all_reduce")
    return [next(begin for begin, _ in spans if start <= begin < end) + 1000 for start, end in _steps(recording)]


def _events(recording: dict[str, Any], first: int, *, fault: bool) -> Iterator[_Event]:
    """What lies in steps, moved apart by what was planted in each, from 0 on."""
    moments = np.array(_later(recording, fault=fault))
    steps = {f"ProfilerStep#{at}": at for at in range(100)}
    for one in recording["traceEvents"]:
        if one["ph"] not in ("X", "s", "f") or one.get("cat") == "Trace":
            continue
        begin = _ns(one["ts"])
        moved = begin - first + SLEEP_NS * int(np.searchsorted(moments, begin, side="right"))
        duration = None
        if "dur" in one:
            end = begin + _ns(one["dur"])
            slept = int(np.searchsorted(moments, end, side="left") - np.searchsorted(moments, begin, side="right"))
            duration = end - begin + SLEEP_NS * slept
        step = steps.get(one["name"])
        numbers: list[int] = []
        name = _plain(one["name"]) if step is None else '"ProfilerStep#%d"'
        yield _Event(_text(one, name, numbers), step, moved, duration, tuple(numbers))


def _plain(value: object) -> str:
    return json.dumps(value).replace("%", "%%")


def _text(event: dict[str, Any], name: str, numbers: list[int]) -> str:
    """As PyTorch lays an event out, `%d` and `%03d` in the place of what changes; its numbers are added to `numbers`."""

    def counted(name: str, value: object) -> str:
        if name not in _IDS:
            return f'"{name}": {_plain(value)}'
        assert isinstance(value, int)
        numbers.append(value)
        return f'"{name}": %d'

    rest = {
        key: value
        for key, value in event.items()
        if key not in ("ph", "cat", "name", "pid", "tid", "ts", "dur", "args")
    }
    lines = [f'"ph": {_plain(event["ph"])}', f'"cat": {_plain(event["cat"])}', f'"name": {name}']
    lines += [f'"pid": {_plain(event["pid"])}', f'"tid": {_plain(event["tid"])}', '"ts": %d.%03d']
    lines += ['"dur": %d.%03d'] if "dur" in event else []
    lines += [counted(key, value) for key, value in rest.items()]
    if "args" in event:
        args = ", ".join(counted(key, value) for key, value in event["args"].items())
        lines.append(f'"args": {{\n      {args}\n    }}')
    return "\n  {\n    " + ",\n    ".join(lines) + "\n  }"


def _repeated(events: list[_Event], cycle: int, length: int) -> Iterator[str]:
    """The recording for the cycle-th time, as text."""
    stride = 1 + max(max(one.numbers, default=0) for one in events)
    steps = sum(one.step is not None for one in events)
    for at, one in enumerate(events):
        step = () if one.step is None else (one.step + cycle * steps,)
        duration = () if one.duration is None else divmod(one.duration, 1000)
        numbers = (number + cycle * stride for number in one.numbers)
        text = one.text % (*step, *divmod(one.begin + cycle * length, 1000), *duration, *numbers)
        yield f",{text}" if at else text


def _head(recording: dict[str, Any], rank: int, ranks: int, ahead: int) -> bytes:
    told = recording["distributedInfo"]
    (group,) = told["pg_config"]
    told = {
        **told,
        "rank": rank,
        "world_size": ranks,
        "pg_config": [{**group, "pg_size": ranks, "ranks": [*range(ranks)]}],
    }
    head = {
        "schemaVersion": recording["schemaVersion"],
        "deviceProperties": [],
        "record_shapes": 1,
        "distributedInfo": told,
        "host_name": f"node{rank // HOST_OF}",
        "displayTimeUnit": "ms",
        "baseTimeNanoseconds": recording["baseTimeNanoseconds"] + ahead,
    }
    return (json.dumps(head, indent=2)[:-2] + ',\n  "traceEvents": [').encode()
