"""Fuzzes the native reader against the one in Python: the same rows, counts, pools, facts and errors, to the last value.

    python tests/fuzz/fuzz_readers.py --runs 500000   mutations of documents of PyTorch, and of any trace
    python tests/fuzz/fuzz_readers.py FILE…           replays finds

Each input is read twice, in chunks so small that the native reader gets most of it. A difference is a find, kept below
tests/fuzz/corpus_readers, which tests replay. Where dlprof was built without its C part there is nothing to compare.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import fuzz_json  # noqa: E402  path set above
import fuzz_kineto  # noqa: E402
from engine import Harness, MemorySource, main  # noqa: E402

from dlprof.errors import TraceError  # noqa: E402
from dlprof.ingest.anomalies import Anomalies  # noqa: E402
from dlprof.ingest.batch import Pools  # noqa: E402
from dlprof.ingest.dialects.registry import reader_for  # noqa: E402
from dlprof.ingest.json import stream  # noqa: E402
from dlprof.ingest.reader import Context, Damaged  # noqa: E402
from dlprof.ingest.source import Source  # noqa: E402
from dlprof.ingest.texts import gathered  # noqa: E402
from dlprof.native import library  # noqa: E402

CHUNKS = (64, 250, 1000)
SUMS = (
    "id",
    "name",
    "level",
    "op",
    "kernel",
    "layer",
    "phase",
    "start_ps",
    "duration_ps",
    "step",
    "launch",
    "correlation",
)
"""Columns of which a breakdown is made, about."""


def told(
    source: Source, reader: str, repair: bool, kind: str = "kineto", wanted: Collection[str] | None = None
) -> dict[str, Any]:
    """All that one of both readers (python, native) tells of a file of a kind. wanted: columns that are asked for; None: all."""
    os.environ[library.VARIABLE] = reader
    of_kind = reader_for(kind)
    context = Context("memory", "memory", Pools(), source.anomalies, repair, of_kind.producer, columns=wanted)
    said: dict[str, Any] = {"error": None}
    batches = []
    try:
        for batch in of_kind.read(source, context):
            columns: dict[str, Any] = {}
            for column in batch.__struct_fields__:
                values = getattr(batch, column)
                if column == "args" and wanted is not None and "args" not in wanted:
                    continue  # each reader may leave them out
                if column == "args":
                    lengths, data = gathered(values, None)
                    values = None if lengths is None else (lengths.tolist(), bytes(data))
                elif values is not None:
                    values = [repr(each) for each in values.tolist()] if values.dtype.kind == "f" else values.tolist()
                columns[column] = values
            batches.append(columns)
    except TraceError as error:
        said["error"] = (error.message, error.hint)
    except Damaged:
        said["error"] = "damaged"
    finally:
        del os.environ[library.VARIABLE]
    return said | {
        "batches": batches,
        "pools": {name: pool.values_list for name, pool in context.pools.text.items()},
        "tracks": context.pools.tracks,
        "anomalies": source.anomalies.counts,
        "completeness": context.completeness,
        "facts": context.facts,
        "place": (context.origin_ns, context.host, context.rank, context.process, context.producer),
        "runs": [None if table is None else table.tolist() for table in (context.run_steps, context.run_launches)],
    }


def differences(
    data: bytes, repair: bool, kind: str = "kineto", wanted: Collection[str] | None = None, packed: bool = False
) -> list[str]:
    """Where both readers differ on a file; as text. wanted: as of `told`; packed: as of MemorySource."""
    python, native = (
        told(MemorySource(data, Anomalies(), repair, packed), reader, repair, kind, wanted)
        for reader in ("python", "native")
    )
    found = [
        f"{name}: {python[name]} / {native[name]}"
        for name in python
        if python[name] != native[name] and name != "batches"
    ]
    for one, other in zip(python["batches"], native["batches"], strict=False):
        found += [f"{name}: {one[name]} / {other[name]}" for name in one if one[name] != other[name]]
    return found + ["batches"] * (len(python["batches"]) != len(native["batches"]))


def one_input(data: bytes) -> None:
    """The first byte chooses the chunk size, whether all columns are asked for or those of sums, and whether the file is packed;
    the rest is the file."""
    before, at = stream.CHUNK, data[0] if data else 0
    stream.CHUNK = CHUNKS[at % len(CHUNKS)]  # type: ignore[misc]
    try:
        found = differences(data[1:], repair=at >= 128, wanted=SUMS if at & 64 else None, packed=bool(at & 32))
    finally:
        stream.CHUNK = before  # type: ignore[misc]
    assert not found, "; ".join(found)[:2000]


EVENTS = [
    b'{"ph":"X","cat":"cpu_op","name":"aten::mm","pid":1,"tid":1,"ts":%d.125,"dur":10,"args":{"External id":7,'
    b'"Input Dims":[[2,3]],"Input type":["float"],"Sequence number":4,"Fwd thread id":0,"Call stack":"a.py(3): f;b.py(4): g"}}',
    b'{"ph": "X", "cat": "kernel", "name": "void k<\\"a\\">(int)", "pid": 0, "tid": "stream 7", "ts": %d, "dur": 3.5, "args": {'
    b'"stream": 7, "device": 0, "correlation": 12, "External id": 7, "external id": 8, "External id": 9, '
    b'"nested": {"a": [1, {"b": null}], "c": 1e3}}}',
    b'{"ph":"X","cat":"cuda_runtime","name":"cudaLaunchKernel","pid":1,"tid":-2,"ts":%d,"dur":-4,'
    b'"args":{"correlation":12,"bytes":5}}',
    b'{"ph":"X","cat":"gpu_memcpy","name":"Memcpy","pid":0,"tid":7,"ts":%d,"dur":0,'
    b'"args":{"stream":7,"device":0,"size":64,"flops":1}}',
    b'{"ph":"i","s":"t","name":"[memory]","pid":1,"tid":1,"ts":%d,'
    b'"args":{"Total Allocated":512,"Device Type":1,"Device Id":0}}',
    b'{"ph":"s","id":12,"pid":1,"tid":1,"ts":%d,"cat":"ac2g","name":"ac2g"}',
    b'{"ph":"X","cat":"python_function","name":"m.py(3): f","pid":1,"tid":1,"ts":%d,"dur":1,'
    b'"args":{"Module Hierarchy":"TOP(N)::f.a(B)"}}',
    b'{"ph":"X","cat":"user_annotation","name":"ProfilerStep#\\u0031","pid":1,"tid":1,"ts":%d.000001,"dur":1}',
    b'{"name":"process_name","ph":"M","ts":%d,"pid":1,"tid":0,"args":{"name":"python"}}',
    b'{"ph":"X","cat":"new_engine","name":"\xc3\xa9","pid":1,"tid":1,"ts":%d,"dur":1,"args":{}}',
]
"""What the native reader reads: one of each kind of event."""


def plain(chance: random.Random, count: int) -> bytes:
    """A document that is plain from end to end."""
    base = chance.choice((0, 1000, 2**31 - 20, 1751410836000000))
    events = [chance.choice(EVENTS) % (base + 3 * at) for at in range(count)]
    space = chance.choice((b"", b"\n  "))
    return (
        b'{"schemaVersion":1,"traceEvents":['
        + space
        + (b"," + space).join(events)
        + b"],"
        + b'"baseTimeNanoseconds":5}'
    )


def seeds() -> list[bytes]:
    """Plain documents, those of the harnesses of JSON and of Kineto, and all finds."""
    found = [path.read_bytes() for path in sorted(HARNESS.corpus.glob("*"))]
    chance = random.Random(1)
    found += [bytes([2]) + plain(chance, count) for count in (5, 12, 20, 20)]
    return [*found, *(seed[:LARGEST] for seed in fuzz_json.seeds()), *(b"\x01" + seed for seed in fuzz_kineto.seeds())]


def mutated(pool: list[bytes], chance: random.Random) -> bytes:
    """Plain documents with a change or none, and what the other harnesses make."""
    what = chance.random()
    first = bytes([chance.randrange(256)])
    if what < 0.82:
        return first + fuzz_json.mutated([b"\x00" + plain(chance, chance.choice(COUNTS))], chance)[1:]
    if what < 0.87:
        return first + plain(chance, chance.choice(COUNTS))
    if what < 0.9:
        return first + fuzz_kineto.mutated(_KINETO, chance)
    return first + fuzz_json.mutated(pool, chance)[1:]


COUNTS = (1, 1, 2, 2, 3, 4, 6, 12, 30)
"""Events of a document: mostly few, of which many more are tried in the same time."""
LARGEST = 8_000
_KINETO = fuzz_kineto.seeds()
HARNESS = Harness(HERE / "corpus_readers", LARGEST, one_input, seeds, mutated)

if __name__ == "__main__":
    if library.found().functions is None:
        raise SystemExit(f"nothing to compare: {library.found().missing}")
    raise SystemExit(main(HARNESS, __doc__ or ""))
