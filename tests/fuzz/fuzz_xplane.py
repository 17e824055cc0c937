"""Fuzzes the protobuf readers (XPlane, local.trace) and the finishing pass: any bytes must be read or refused with a TraceError.

    python tests/fuzz/fuzz_xplane.py --runs 500000                coverage-guided with atheris, where it is installed
    python tests/fuzz/fuzz_xplane.py --runs 500000 --engine own   mutations of written traces, no dependency
    python tests/fuzz/fuzz_xplane.py FILE…                        replays finds

Each input is read, with --repair too if it is refused, and every eighth goes through detection and the
finishing pass as a file would.
A crash, a broken column, a negative self time, damage in spite of --repair or an input that takes over two seconds of CPU
is a find: it
is kept below tests/fuzz/corpus_xplane, which a test replays. fuzz_json.py does the same for the JSON family.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus_xplane"
SLOW_S = 2.0
LARGEST = 20_000

sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent / "unit" / "ingest")]

RUN_AS_PROGRAM = Path(sys.argv[0]).name == Path(__file__).name
OWN = not RUN_AS_PROGRAM or "own" in sys.argv or any(Path(word).is_file() for word in sys.argv[1:])
if OWN:
    instrument = contextlib.nullcontext()
else:
    import atheris

    instrument = atheris.instrument_imports(include=["dlprof.ingest"])

with instrument:
    from dlprof.errors import TraceError
    from dlprof.ingest import localtrace, xplane  # noqa: F401  loaded here to be instrumented
    from dlprof.ingest.anomalies import Anomalies
    from dlprof.ingest.batch import NULLABLE_INTS, POOLED, Pools, RawBatch
    from dlprof.ingest.detect import reader_for
    from dlprof.ingest.finish import Finisher
    from dlprof.ingest.protosniff import proto_kind
    from dlprof.ingest.reader import Context, Damaged
    from dlprof.ingest.source import Source

from xspace_bytes import PlaneBytes, block, number, space  # noqa: E402  path set above

KINDS = ("xplane", "tf-local-trace")
TOKENS = [
    b"\x0a", b"\x12", b"\x1a", b"\x22", b"\x2a", b"\x08\x01", b"\x10\x05", b"\x18\xff\x01",
    b"\x22\x80\x01", b"\xff" * 9 + b"\x01",
    b"\xff" * 11, b"\x80", b"\x7f", b"\x0a\xff\xff\xff\xff\x7f", b"\x22\x00", b"\x11" + b"\xff" * 8, b"\x11" + bytes(7) + b"\x7f",
    b"\x20" + b"\xff" * 9 + b"\x01", b"\x28\x07", b"\x82\x01\x00", b"\xc3\x28", b"\xef\xbf\xbd", b"\0", b"/device:GPU:0",
    b"Stream #1", b"Steps", b"dlprof:step=1", b"dlprof:item=a#1", b"a/MatMul:MatMul", b"#id=1#",
]  # fmt: skip


class MemorySource(Source):
    """A source whose bytes are in memory, so that half a million inputs do not touch the disk."""

    def __init__(self, data: bytes, anomalies: Anomalies, repair: bool) -> None:
        super().__init__(Path("memory"), "memory", anomalies, repair)
        self._data = data

    def open(self):  # type: ignore[no-untyped-def]
        return io.BytesIO(self._data)

    def open_seekable(self):  # type: ignore[no-untyped-def]
        return io.BytesIO(self._data)

    def chunks(self, size: int = 1 << 20) -> Iterator[bytes]:
        yield from (self._data[at : at + size] for at in range(0, len(self._data), size))

    def head(self, size: int = 65_536) -> bytes:
        return self._data[:size]


def check(batch: RawBatch, context: Context) -> None:
    """What must hold of every batch."""
    rows = len(batch)
    assert (batch.duration_ps >= 0).all(), "negative duration"
    assert rows == len(batch.track) == len(batch.name), "columns of different length"
    assert batch.track.min() >= 0, "row without track"
    assert batch.track.max() < len(context.pools.tracks), "unknown track"
    for column in (*POOLED, *NULLABLE_INTS, "level", "occurrences", "value"):
        values = getattr(batch, column)
        if values is None:
            continue
        assert len(values) == rows, column
        if column in POOLED:
            assert values.min() >= -1, column
            assert values.max() < len(context.pools.text[column].values_list), column
    if batch.args is not None and hasattr(batch.args, "validate"):
        assert len(batch.args) == rows
        batch.args.validate(full=True)


def read_one(data: bytes, kind: str, repair: bool, finish: bool) -> bool:
    """Reads an input; says whether it was refused. Raises on what must not happen; `TraceError` is an answer."""
    anomalies = Anomalies()
    reader = reader_for(kind)
    context = Context("memory", "memory", Pools(), anomalies, repair, reader.producer)
    finisher = Finisher(context.pools, anomalies)
    refused = False
    try:
        for batch in reader.read(MemorySource(data, anomalies, repair), context):
            if len(batch):
                check(batch, context)
                finisher.add(batch, "memory")
    except TraceError:
        if repair:
            raise AssertionError("damage raised in spite of repair") from None
        refused = True
    except Damaged:
        assert repair, "the signal of repair without repair"
    if finish:
        finisher.finish({}.get, {"memory": 0}, lambda batch: batch.validate())
    finisher.close()
    return refused


def one_input(data: bytes) -> None:
    """The first byte chooses the reader and whether the finishing pass runs; the rest is the file."""
    choice = data[0] if data else 0
    body = data[1:]
    if choice & 128:
        try:
            kind = proto_kind(body, MemorySource(body, Anomalies(), False))
        except TraceError:
            return
    else:
        kind = KINDS[choice & 1]
    begin = time.process_time()
    if read_one(body, kind, repair=False, finish=choice & 14 == 14):
        read_one(body, kind, repair=True, finish=choice & 14 == 14)
    if time.process_time() - begin > SLOW_S:
        raise AssertionError(f"took {time.process_time() - begin:.1f} s of CPU")


def written() -> list[bytes]:
    """Small traces that reach every part of the readers."""
    host, gpu = PlaneBytes("/host:CPU"), PlaneBytes("/device:GPU:0")
    host.line(
        "python",
        [host.event("dlprof:step=1", 0, 900), host.event("dlprof:input", 10, 20, n=-1, x=0.5, t="s", r=("q",))],
    )
    host.line(
        "tf_Compute/1",
        [host.event("forward/d/MatMul:MatMul", 30, 50, shape="(f32[2])"),
         host.event("f/d/BiasAdd:BiasAdd", 90, 5, correlation_id=3),
         host.event("agg:Op", 0, 9, 4), host.event("hlo.3", 200, 9, hlo_op="dot.3")],
        timestamp_ns=5,
    )  # fmt: skip
    gpu.line(
        "Stream #1",
        [
            gpu.event("k", 100, 5, correlation_id=3, tf_op="a/b:C"),
            gpu.event("MemcpyH2D", 120, 5, memcpy_details="size:9 x"),
        ],
    )
    gpu.line("Steps", [gpu.event("0", 0, 900)])
    plane = space(host, gpu, errors=["lost"], start_ns=1_700_000_000_000_000_000)
    device = number(1, 0) + block(2, block(1, "/host:CPU") + block(3, number(1, 7) + block(2, block(1, "main"))))
    event = number(2, 7) + block(3, "MatMul") + number(9, 5_000_000) + number(10, 6_000_000)
    labelled = event + block(11, block(1, "label") + block(2, "id=0,device=/cpu:0"))
    local = block(1, device) + block(4, event) + block(4, labelled)
    return [b"\x00" + plane, b"\x0e" + plane, b"\x80" + plane, b"\x01" + local, b"\x0f" + local, b"\x8e" + local]


def seeds() -> list[bytes]:
    return [*written(), *(path.read_bytes() for path in sorted(CORPUS.glob("*")))]


def mutated(pool: list[bytes], chance: random.Random) -> bytes:
    """One mutation chain on a seed: bytes, tokens, slices of others, cuts, repetitions."""
    data = bytearray(chance.choice(pool))
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        at = chance.randrange(len(data) + 1)
        what = chance.randrange(8)
        if what in (0, 7) and data:
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
            token = chance.choice(TOKENS)
            data[at : at + len(token)] = token
        elif what == 5 and chance.random() < 0.3:
            del data[at:]
        elif what == 6:
            data[at:at] = bytes(data[at : at + 60]) * chance.choice((1, 2, 5))
    return bytes(data[:LARGEST])


def keep(data: bytes) -> Path:
    """Writes a find into the corpus."""
    CORPUS.mkdir(exist_ok=True)
    path = CORPUS / hashlib.sha256(data).hexdigest()[:16]
    path.write_bytes(data)
    return path


def run_own(runs: int, seed: int) -> int:
    """Own engine; returns the number of finds."""
    chance, pool, finds, number = random.Random(seed), seeds(), 0, 0
    begin = time.perf_counter()
    for number in range(1, runs + 1):
        data = mutated(pool, chance)
        try:
            one_input(data)
        except Exception as error:  # noqa: BLE001  the harness exists to see every one
            finds += 1
            print(f"find {keep(data)}: {type(error).__name__}: {error}", flush=True)  # noqa: T201
            if finds >= 20:
                break
        if number % 10_000 == 0:
            print(f"{number} inputs, {number / (time.perf_counter() - begin):.0f}/s, {finds} finds", flush=True)  # noqa: T201
    print(f"done: {number} inputs from {len(pool)} seeds, seed {seed}, {finds} finds", flush=True)  # noqa: T201
    return finds


def run_atheris(runs: int, seed: int) -> None:
    """Coverage-guided; libFuzzer ends the process, with a non-zero code on a find."""
    folder = HERE / ".work_xplane"
    folder.mkdir(exist_ok=True)
    for data in seeds():
        (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)

    def test_one(data: bytes) -> None:
        try:
            one_input(data)
        except Exception:
            keep(data)
            raise

    limits = [f"-runs={runs}", f"-seed={seed}", f"-max_len={LARGEST}", "-timeout=10", "-rss_limit_mb=2000"]
    atheris.Setup([sys.argv[0], *limits, str(folder)], test_one)
    atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--runs", type=int, default=500_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", choices=("atheris", "own"), default="atheris")
    options = parser.parse_args()
    for path in options.files:
        one_input(path.read_bytes())
    if options.files:
        return 0
    if options.engine == "atheris":
        run_atheris(options.runs, options.seed)
        return 0
    return 1 if run_own(options.runs, options.seed) else 0


if __name__ == "__main__":
    raise SystemExit(main())
