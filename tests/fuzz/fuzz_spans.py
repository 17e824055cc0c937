"""Fuzzes the native reader of MXNet's profiles against the one in Python: same rows, counts, facts and errors.

    python tests/fuzz/fuzz_spans.py --runs 500000    mutations of documents whose spans are two events each
    python tests/fuzz/fuzz_spans.py FILE…            replays finds

The native reader ends a block before a span that is open, so that both readers make batches of other events: compared are all
rows of a file, with their texts, in no order. A difference is a find, kept below tests/fuzz/corpus_spans, which tests replay.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import fuzz_json  # noqa: E402  path set above
from engine import Harness, MemorySource, main  # noqa: E402
from fuzz_readers import CHUNKS, COUNTS, told  # noqa: E402

from dlprof.ingest.anomalies import Anomalies  # noqa: E402
from dlprof.ingest.batch import POOLED  # noqa: E402
from dlprof.ingest.json import stream  # noqa: E402
from dlprof.native import library  # noqa: E402

LARGEST = 8_000
KIND = "mxnet-profile"


def in_no_order(said: dict[str, Any]) -> dict[str, Any]:
    """What `fuzz_readers.told` says of a file, its rows with texts and tracks instead of codes, sorted."""
    rows = []
    for batch in said["batches"]:
        columns = {name: values for name, values in batch.items() if values is not None}
        for name in POOLED:
            if name in columns:
                texts = [*said["pools"][name], None]
                columns[name] = [texts[code] for code in columns[name]]
        columns["track"] = [repr(said["tracks"][code]) for code in columns["track"]]
        rows += [repr(row) for row in zip(*(columns[name] for name in sorted(columns)), strict=True)]
    gone = ("batches", "pools", "tracks")
    return {**{name: value for name, value in said.items() if name not in gone}, "rows": sorted(rows)}


def one_input(data: bytes) -> None:
    """The first byte chooses the chunk size and whether damage is passed over; the rest is the file."""
    before, at = stream.CHUNK, data[0] if data else 0
    stream.CHUNK = CHUNKS[at % len(CHUNKS)]  # type: ignore[misc]
    try:
        python, native = (
            in_no_order(told(MemorySource(data[1:], Anomalies(), at >= 128), reader, at >= 128, KIND))
            for reader in ("python", "native")
        )
    finally:
        stream.CHUNK = before  # type: ignore[misc]
    for said in (python, native):
        said["anomalies"].pop("json_missing_comma", None)  # is not counted between two batches, which end elsewhere
    found = [f"{name}: {python[name]} / {native[name]}" for name in python if python[name] != native[name]]
    assert not found, "; ".join(found)[:2000]


PLACE = '"pid": %s,\n        "tid": %s\n    }'
TIDS = ("1", "13912377324699317743", "18446744073709551615", '"1"', "-0", "0", "-5")
NAMES = ("dot", "MXInvoke", "a,b", "\\u0061", "\u00e9", "CopyCPU2GPU", "")
CATEGORIES = ("operator", "MXNET_C_API", "category", "task")
PROCESS = '{"ph": "M", "args": {"name": "gpu/0"}, "pid": 1, "name": "process_name"}'
MARKS = [
    '{"name": "mark", "cat": "task", "ph": "i", "ts": %d, "s": "p", "pid": 0, "tid": 1}',
    '{"name": "Memory: gpu/0", "cat": "Device Storage", "ph": "C", "ts": %d, "args": {"Memory: gpu/0": 512}, "pid": 3}',
    '{"name": "whole", "cat": "task", "ph": "X", "ts": %d, "dur": 7, "pid": 0, "tid": 1}',
    '{"name": "calls", "cat": "MXNET_C_API", "ph": "C", "ts": %d, "args": {"calls": 1, "more": -2.5}, "pid": 3, "tid": 4}',
]


def _span(chance: random.Random, at: int, inside: list[str]) -> list[str]:
    """A span with what lies in it: mostly as MXNet writes them, each end behind the other."""
    name, category, pid, tid = chance.choice(NAMES), chance.choice(CATEGORIES), chance.randrange(3), chance.choice(TIDS)
    letters = chance.choice(("BE", "BE", "be"))
    identity = f'"id": {tid}, ' if letters == "be" and chance.random() < 0.8 else ""
    begin, end = (
        f'{{"name": "{name}", "cat": "{category}", "ph": "{letter}", "ts": {at + shift}, {identity}{PLACE % (pid, tid)}'
        for letter, shift in zip(letters, (0, chance.choice((1, 5, -1, 0))), strict=True)
    )
    return [begin, *inside, end]


def document(chance: random.Random, count: int) -> bytes:
    """A profile that is plain from end to end, but for spans that nest, or are never closed. A process is named in front, as by
    MXNet: for which rows a later name counts depends on where batches end, with either reader."""
    base = chance.choice((0, 1000, 1559670501648380))
    events = [PROCESS] * chance.randrange(2)
    for at in range(count):
        what, ts = chance.random(), base + 7 * at
        mark = chance.choice(MARKS)
        if what < 0.7:
            events += _span(chance, ts, [])
        elif what < 0.75:
            events += _span(chance, ts, _span(chance, ts + 1, []))
        elif what < 0.78:
            events += _span(chance, ts, [])[:1]
        else:
            events.append(mark % ts)
    return ('{\n    "traceEvents": [\n' + "\n,\n".join(events) + '\n    ],\n    "displayTimeUnit": "ms"\n}\n').encode()


def seeds() -> list[bytes]:
    """Documents, those of the harness of JSON, and all finds."""
    found = [path.read_bytes() for path in sorted(HARNESS.corpus.glob("*"))]
    chance = random.Random(1)
    return [
        *found,
        *(b"\x00" + document(chance, count) for count in (4, 10)),
        *(seed[:LARGEST] for seed in fuzz_json.seeds()),
    ]


def mutated(pool: list[bytes], chance: random.Random) -> bytes:
    """Documents with a change or none, and what the harness of JSON makes."""
    what = chance.random()
    first = bytes([chance.randrange(256)])
    text = document(chance, chance.choice(COUNTS))
    if what < 0.4:
        return first + text
    return first + fuzz_json.mutated([b"\x00" + text] if what < 0.9 else pool, chance)[1:]


HARNESS = Harness(HERE / "corpus_spans", LARGEST, one_input, seeds, mutated)

if __name__ == "__main__":
    if library.found().functions is None:
        raise SystemExit(f"nothing to compare: {library.found().missing}")
    raise SystemExit(main(HARNESS, __doc__ or ""))
