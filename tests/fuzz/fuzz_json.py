"""Fuzzes the JSON readers: any bytes must be read or refused with a TraceError, in bounded time and memory.

    python tests/fuzz/fuzz_json.py --runs 500000                coverage-guided with atheris, where it is installed
    python tests/fuzz/fuzz_json.py --runs 500000 --engine own   mutations of recorded and written traces, no dependency
    python tests/fuzz/fuzz_json.py FILE…                        replays finds

Each input is read twice, without and with --repair. A crash, a row with a negative duration, an event lost without a counter,
or an input that takes over two seconds is a find: it is kept below tests/fuzz/corpus_json, which tests replay.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import hashlib
import io
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus_json"
TRACES = HERE.parents[2] / "shared" / "traces"
SLOW_S = 2.0
LARGEST = 40_000

sys.path.insert(0, str(HERE.parents[1]))

OWN = (
    "own" in sys.argv
    or any(Path(word).is_file() for word in sys.argv[1:])
    or Path(sys.argv[0]).name != Path(__file__).name
)
if OWN:
    instrument = contextlib.nullcontext()
else:
    import atheris

    instrument = atheris.instrument_imports(include=["dlprof.ingest"])  # coverage of the readers alone

with instrument:
    from dlprof.errors import TraceError
    from dlprof.ingest import chrome, json_stream, kineto, mxnet, tf_json  # noqa: F401  loaded here to be instrumented
    from dlprof.ingest.anomalies import Anomalies
    from dlprof.ingest.batch import Pools
    from dlprof.ingest.detect import reader_for
    from dlprof.ingest.reader import Context, Damaged
    from dlprof.ingest.sniff import json_kind
    from dlprof.ingest.source import Source

KINDS = ("mxnet-profile", "kineto", "tf-trace-json", "tf1-timeline", "chrome-trace")
TOKENS = [
    b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\\u12", b"\\ud800", b"\n", b"\0", b"\xff", b"\xc3", b"NaN", b"-Infinity",
    b"null", b"true", b"1e999", b"-1", b"0x7f", b"18446744073709551616", b"9223372036854775807", b"1751410836000000.123456789",
    b'"ph": "B"', b'"ph": "E"', b'"ph": "b"', b'"ph": "M"', b'"ph": "C"', b'"ph": ""', b'"args": {', b'"args": []', b'"ts": ',
    b'"dur": -5', b'"traceEvents": [', b'"baseTimeNanoseconds": 1', b'"cat": "operator"', b'"cat": "kernel"', b"{}", b"},{",
    b"\xef\xbb\xbf",
]  # fmt: skip


class MemorySource(Source):
    """A source whose bytes are in memory, so that half a million inputs do not touch the disk."""

    def __init__(self, data: bytes, anomalies: Anomalies, repair: bool) -> None:
        super().__init__(Path("memory"), "memory", anomalies, repair)
        self._data = data

    def open(self):  # type: ignore[no-untyped-def]
        return io.BytesIO(self._data)

    def chunks(self, size: int = 1 << 20) -> Iterator[bytes]:
        yield from (self._data[at : at + size] for at in range(0, len(self._data), size))

    def head(self, size: int = 65_536) -> bytes:
        return self._data[:size]


def read_one(data: bytes, kind: str, repair: bool) -> int:
    """Reads an input; returns its rows. Raises on what must not happen; `TraceError` is an answer."""
    anomalies = Anomalies()
    source = MemorySource(data, anomalies, repair)
    reader = reader_for(kind)
    context = Context("memory", "memory", Pools(), anomalies, repair, reader.producer)
    rows = 0
    try:
        for batch in reader.read(source, context):
            rows += len(batch)
            assert (batch.duration_ps >= 0).all(), "negative duration"
            assert len(batch.track) == len(batch.name) == len(batch.start_ps), "columns of different length"
            assert batch.track.min(initial=0) >= 0, "row without track"
            assert batch.track.max(initial=-1) < len(context.pools.tracks), "unknown track"
            for column in ("name", "category", "kernel", "shape", "dtype", "op_path", "lookup"):
                codes = getattr(batch, column)
                if codes is not None and len(codes):
                    assert codes.min() >= -1, column
                    assert codes.max() < len(context.pools.text[column].values_list), column
            if batch.args is not None and hasattr(batch.args, "validate"):
                batch.args.validate(full=True)
    except TraceError:
        if repair:
            raise AssertionError("damage raised in spite of repair") from None
    except Damaged:
        pass
    return rows


def one_input(data: bytes) -> None:
    """The first byte chooses chunk size and reader; the rest is the file."""
    choice = data[0] if data else 0
    body = data[1:]
    json_stream.CHUNK = (64, 1024, 4 << 20)[choice % 3]  # type: ignore[misc]
    kind = json_kind(body) if choice & 128 else KINDS[choice // 3 % len(KINDS)]
    if kind is None:
        return
    begin = time.perf_counter()
    for repair in (False, True):
        read_one(body, kind, repair)
    if time.perf_counter() - begin > SLOW_S:
        raise AssertionError(f"took {time.perf_counter() - begin:.1f} s")


def seeds() -> list[bytes]:
    """Starts of recorded traces where they are here, and a small trace of each dialect."""
    found = [path.read_bytes() for path in sorted(CORPUS.glob("*"))]
    for path in sorted(TRACES.rglob("*.json*")) if TRACES.exists() else []:
        data = path.read_bytes()
        data = gzip.decompress(data) if path.suffix == ".gz" else data
        events = data.find(b'"ph"')
        found += [b"\x80" + data[:3000] + data[-300:], b"\x00" + data[max(events - 100, 0) : events + 2500]]
    for dialect in range(len(KINDS)):
        found.append(
            bytes([3 * dialect])
            + b'[{"ph":"X","name":"a","cat":"kernel","pid":0,"tid":1,"ts":1.5,"dur":2,"args":{"stream":7}}]'
        )
    return [seed[:LARGEST] for seed in found]


def mutated(pool: list[bytes], chance: random.Random) -> bytes:
    """One mutation chain on a seed: bytes, tokens, slices of others, cuts."""
    data = bytearray(chance.choice(pool))
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        at = chance.randrange(len(data) + 1)
        what = chance.randrange(7)
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
    if data and chance.random() < 0.85:
        data[0] += (2 - data[0] % 3) if data[0] < 254 else 0  # the large chunk: tiny ones take ten times as long
    return bytes(data[:LARGEST])


def keep(data: bytes) -> Path:
    """Writes a find into the corpus."""
    CORPUS.mkdir(exist_ok=True)
    path = CORPUS / hashlib.sha256(data).hexdigest()[:16]
    path.write_bytes(data)
    return path


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def run_own(runs: int, seed: int) -> int:
    """Own engine; returns the number of finds."""
    chance, pool, finds = random.Random(seed), seeds(), 0
    begin = time.perf_counter()
    for number in range(1, runs + 1):
        data = mutated(pool, chance)
        try:
            one_input(data)
        except Exception as error:  # noqa: BLE001  the harness exists to see every one
            finds += 1
            _say(f"find {keep(data)}: {type(error).__name__}: {error}")
            if finds >= 20:
                break
        if number % 10_000 == 0:
            rate = number / (time.perf_counter() - begin)
            _say(f"{number} inputs, {rate:.0f}/s, {finds} finds")
    _say(f"done: {number} inputs from {len(pool)} seeds, seed {seed}, {finds} finds")
    return finds


def run_atheris(runs: int, seed: int) -> None:
    """Coverage-guided; libFuzzer ends the process, with a non-zero code on a find."""
    folder = HERE / ".work"
    folder.mkdir(exist_ok=True)
    for data in seeds():
        (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)

    def test_one(data: bytes) -> None:
        try:
            one_input(data)
        except Exception:
            keep(data)
            raise

    options = [
        f"-runs={runs}",
        f"-seed={seed}",
        f"-max_len={LARGEST}",
        "-timeout=10",
        "-rss_limit_mb=2000",
        str(folder),
    ]
    atheris.Setup([sys.argv[0], *options], test_one)
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
    return 1 if run_own(options.runs, options.seed) else 0


if __name__ == "__main__":
    raise SystemExit(main())
