"""Fuzzes the JSON readers: any bytes must be read or refused with a TraceError, in bounded time and memory.

    python tests/fuzz/fuzz_json.py --atheris --runs 500000   coverage-guided
    python tests/fuzz/fuzz_json.py --runs 500000             the same mutations without guidance or dependency
    python tests/fuzz/fuzz_json.py FILE…                     replays finds

Each input is read, with --repair too if it is refused or its first byte says so. A crash, a row with a negative duration, an
event lost without a counter, or an input that takes over two seconds is a find: it is kept below tests/fuzz/corpus_json, which
tests replay. campaign.py runs this and fuzz_xplane.py and keeps the log.
"""

from __future__ import annotations

import contextlib
import gzip
import random
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TRACES = HERE.parents[2] / "shared" / "traces"

sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from engine import Harness, MemorySource, coverage_guided, main  # noqa: E402  path set above

instrument = contextlib.nullcontext()
if coverage_guided():
    import atheris

    instrument = atheris.instrument_imports(include=["dlprof.ingest"])  # coverage of the readers alone

with instrument:
    from dlprof.errors import TraceError
    from dlprof.ingest.anomalies import Anomalies
    from dlprof.ingest.batch import Pools
    from dlprof.ingest.dialects import chrome, kineto, mxnet, tf_json  # noqa: F401  loaded here to be instrumented
    from dlprof.ingest.dialects.registry import reader_for, told
    from dlprof.ingest.json import stream
    from dlprof.ingest.reader import Context, Damaged

KINDS = ("mxnet-profile", "kineto", "tf-trace-json", "tf1-timeline", "chrome-trace")
OWN = "dlprof-chrome"
"""An export of dlprof's own, read where detection says so."""
TOKENS = [
    b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\\u12", b"\\ud800", b"\n", b"\0", b"\xff", b"\xc3", b"NaN", b"-Infinity",
    b"null", b"true", b"1e999", b"-1", b"0x7f", b"18446744073709551616", b"9223372036854775807", b"1751410836000000.123456789",
    b'"ph": "B"', b'"ph": "E"', b'"ph": "b"', b'"ph": "M"', b'"ph": "C"', b'"ph": ""', b'"args": {', b'"args": []', b'"ts": ',
    b'"dur": -5', b'"traceEvents": [', b'"baseTimeNanoseconds": 1', b'"cat": "operator"',
    b'"cat": "mtia_ccp_events"', b'"name": "[memory]"',
    b'"pid": "CUDA functions"', b'"Module Hierarchy": "TOP(N)::f.a(B)::f."',
    b'"Sequence number": 3', b'"name": "record_param_comms"',
    b'"name": "Ascend Hardware"', b'"name": "Communication"', b'"task type": "SDMA"',
    b'"exporter": "dlprof", "content": "capture"', b'"labels": "NPU 3"', b"1751410836000000000", b"19978045970716470",
    b'"cat": "kernel"', b"{}", b"},{",
    b"\xef\xbb\xbf",
]  # fmt: skip


def read_one(data: bytes, kind: str, repair: bool) -> bool:
    """Reads an input; says whether it was refused. Raises on what must not happen; `TraceError` is an answer."""
    anomalies = Anomalies()
    source = MemorySource(data, anomalies, repair)
    reader = reader_for(kind)
    context = Context("memory", "memory", Pools(), anomalies, repair, reader.producer)
    try:
        for batch in reader.read(source, context):
            assert (batch.duration_ps >= 0).all(), "negative duration"
            assert len(batch.track) == len(batch.name) == len(batch.start_ps), "columns of different length"
            assert batch.track.min(initial=0) >= 0, "row without track"
            assert batch.track.max(initial=-1) < len(context.pools.tracks), "unknown track"
            for column in ("name", "category", "kernel", "shape", "dtype", "op_path", "lookup", "layer"):
                codes = getattr(batch, column)
                if codes is not None and len(codes):
                    assert codes.min() >= -1, column
                    assert codes.max() < len(context.pools.text[column].values_list), column
            if batch.args is not None and hasattr(batch.args, "validate"):
                batch.args.validate(full=True)
    except TraceError:
        if repair:
            raise AssertionError("damage raised in spite of repair") from None
        return True
    except Damaged:
        pass
    return False


def one_input(data: bytes) -> None:
    """The first byte chooses chunk size and reader; the rest is the file."""
    choice = data[0] if data else 0
    body = data[1:]
    stream.CHUNK = (64, 1024, 4 << 20)[choice % 3]  # type: ignore[misc]
    kind = told(body) if choice & 128 else KINDS[choice // 3 % len(KINDS)]
    if kind not in (*KINDS, OWN):
        return
    if read_one(body, kind, repair=False) or choice & 64:
        read_one(body, kind, repair=True)


def seeds() -> list[bytes]:
    """Starts of recorded traces where they are here, and a small trace of each dialect."""
    found = [path.read_bytes() for path in sorted(HARNESS.corpus.glob("*"))]
    for path in sorted(TRACES.rglob("*.json*")) if TRACES.exists() else []:
        data = path.read_bytes()
        data = gzip.decompress(data) if path.suffix == ".gz" else data
        events = data.find(b'"ph"')
        found += [b"\x80" + data[:900] + data[-200:], b"\x00" + data[max(events - 100, 0) : events + 900]]
    for dialect in range(len(KINDS)):
        found.append(
            bytes([3 * dialect])
            + b'[{"ph":"X","name":"a","cat":"kernel","pid":0,"tid":1,"ts":1.5,"dur":2,"args":{"stream":7}}]'
        )
    found += [b"\x82" + head + events for head in (_OWN_HEAD,) for events in (_OWN_EVENTS, _OWN_EVENTS[:-2])]
    return [seed[:LARGEST] for seed in found]


_OWN_HEAD = b'{"otherData":{"exporter":"dlprof","content":"capture","origin_ns":5,"producer":"jax"},"traceEvents":['
_OWN_EVENTS = (
    b'{"ph":"M","pid":1,"name":"process_name","args":{"name":"p","device":"gpu:0","host":"h","rank":2}},'
    b'{"ph":"M","pid":1,"tid":1,"name":"thread_name","args":{"name":"t","track":0,"stream":"s","nests":true}},'
    b'{"ph":"X","name":"Conv","cat":"op","pid":1,"tid":1,"ts":1.5,"dur":2,"args":{"id":1,"op":"Conv","phase":"forward","step":1,'
    b'"layer":"a/b","source_line":"a.py:3"}},'
    b'{"ph":"X","name":"k","cat":"kernel","pid":1,"tid":1,"ts":2,"dur":1,"args":{"id":2,"launch":1,"fuses":"Add,Mul","bytes":8,'
    b'"occurrences":3,"recorded":"{}"}},'
    b'{"ph":"C","name":"m","pid":1,"ts":2,"args":{"bytes":7.5}}]}'
)


_MEMBER = re.compile(rb'"[^"\\]*"\s*:\s*("[^"\\]*"|[-+.\w]+|\{[^{}]*\}|\[[^\[\]]*\])')
_EVENT = re.compile(rb"\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}")
VALUES = [
    b"0", b"-1", b"1.5", b"1e300", b"18446744073709551616", b'"12"', b'"0x7f"', b'""', b"null", b"true", b"[]", b"{}", b"NaN",
    b'"X"', b'"B"', b'"E"', b'"b"', b'"e"', b'"M"', b'"C"', b'"i"', b'"kernel"', b'"operator"', b'"process_name"', b'"a,b"',
    b'{"name":"x"}', b"9223372036854775807", b"1751410836000000.123", b'"\xff"', rb'"\u00e9\ud800"',
]  # fmt: skip
"""Values that a reader must expect anywhere."""


def reshape(data: bytearray, chance: random.Random) -> None:
    """One change that keeps the text JSON, in place: another value for a member, a member or an event twice, moved or gone."""
    found = list((_EVENT if chance.random() < 0.4 else _MEMBER).finditer(data))
    if not found:
        return
    one, other = chance.choice(found), chance.choice(found)
    what = chance.randrange(4)
    if what == 0:
        data[one.start() : one.end()] = bytes(other[0])
    elif what == 1:
        data[one.start() : one.start()] = bytes(other[0]) + b","
    elif what == 2 and one.re is _MEMBER:
        data[one.start(1) : one.end(1)] = chance.choice(VALUES)
    else:
        del data[one.start() : one.end() + (data[one.end() : one.end() + 1] == b",")]


def mutated(pool: list[bytes], chance: random.Random) -> bytes:
    """One mutation chain on a seed: bytes, tokens, slices of others, cuts."""
    data = bytearray(chance.choice(pool))
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        at = chance.randrange(len(data) + 1)
        what = chance.randrange(12)
        if what == 0 and data:
            data[min(at, len(data) - 1)] = chance.randrange(256)
        elif what == 1:
            data[at:at] = chance.choice(TOKENS)
        elif what == 2:
            del data[at : at + chance.choice((1, 2, 10, 100))]
        elif what == 3:
            other = chance.choice(pool)
            start = chance.randrange(len(other))
            data[at:at] = other[start : start + chance.choice((5, 50, 500))]
        elif what == 4:
            data[at : at + len(token)] = (token := chance.choice(TOKENS))
        elif what == 5 and chance.random() < 0.3:
            del data[at:]
        elif what == 6:
            data[at:at] = bytes(data[at : at + 60]) * chance.choice((1, 2, 5))
        elif what > 6:
            reshape(data, chance)
    if data and chance.random() < 0.85:
        data[0] += (2 - data[0] % 3) if data[0] < 254 else 0  # the large chunk: tiny ones take ten times as long
    return bytes(data[:LARGEST])


LARGEST = 6_000
HARNESS = Harness(HERE / "corpus_json", LARGEST, one_input, seeds, mutated)

if __name__ == "__main__":
    raise SystemExit(main(HARNESS, __doc__ or ""))
