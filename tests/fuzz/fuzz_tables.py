"""Fuzzes reports of Nsight Systems: any bytes in the place of a Parquet table or of the database are read or a TraceError.

    python tests/fuzz/fuzz_tables.py --runs 10000
    python tests/fuzz/fuzz_tables.py FILE…                     replays finds

The first byte of an input says which file of a report the rest stands for; the report's other files are whole. What is refused is
read with --repair too. Arrow and SQLite are compiled: a find may also end the process, and then lies in `.work/`.
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1]), str(HERE.parent / "unit" / "ingest")]

from engine import Harness, main  # noqa: E402  path set above
from nsys_report import as_parquet, plain  # noqa: E402

from dlprof import ingest  # noqa: E402
from dlprof.errors import TraceError  # noqa: E402

LARGEST = 60_000
DATABASE = 255
TABLES = ("CUPTI_ACTIVITY_KIND_KERNEL", "StringIds", "NVTX_EVENTS", "CUPTI_ACTIVITY_KIND_RUNTIME")
_CURRENT = HERE / ".work" / "tables"


_MADE: list[Path] = []


def report() -> Path:
    """A whole report: a folder with the database, and one with the tables. Made again where a test's cleaning took it away."""
    if not _MADE or not _MADE[-1].exists():
        folder = Path(tempfile.mkdtemp(prefix="dlprof-fuzz-"))
        as_parquet(plain(folder / "r.sqlite"), folder / "r_pqtdir")
        _MADE.append(folder)
    return _MADE[-1]


def one_input(data: bytes) -> None:
    """Reads the report with one file replaced; raises on what must not happen."""
    which, body = data[:1] or b"\0", data[1:]
    _CURRENT.parent.mkdir(exist_ok=True)
    _CURRENT.write_bytes(data)
    trace = report() / "r_pqtdir"
    place = trace / f"{TABLES[which[0] % len(TABLES)]}.parquet"
    if which[0] == DATABASE:
        trace = place = report() / "r.sqlite"
    whole = place.read_bytes()
    place.write_bytes(body)
    try:
        _read(trace)
    finally:
        place.write_bytes(whole)


def _read(trace: Path) -> None:
    for repair in (False, True):
        try:
            ingest.detect(trace)
        except TraceError:
            return  # no such report any more
        try:
            ingest.read([trace], root=trace.parent, vocabularies={}, sink=lambda batch: batch.validate(), repair=repair)
        except TraceError:
            if repair:
                raise AssertionError("damage raised in spite of repair") from None
            continue
        return


def seeds() -> list[bytes]:
    """Each file of the report, and all finds."""
    folder = report() / "r_pqtdir"
    tables = [bytes([at]) + (folder / f"{name}.parquet").read_bytes() for at, name in enumerate(TABLES)]
    kept = [path.read_bytes() for path in sorted(HARNESS.corpus.glob("*"))]
    return [*tables, bytes([DATABASE]) + (report() / "r.sqlite").read_bytes(), *kept]


def mutated(pool: list[bytes], chance: random.Random) -> bytes:
    """Bytes, bits and numbers changed, pieces cut out or repeated; the first byte stays."""
    data = bytearray(chance.choice(pool))
    for _ in range(chance.choice((1, 1, 2, 5))):
        at = chance.randrange(1, len(data)) if len(data) > 1 else 0
        what = chance.randrange(6)
        if what == 0:
            data[at] = chance.randrange(256)
        elif what in (1, 2):
            data[at] ^= 1 << chance.randrange(8)
        elif what == 3:
            data[at : at + 4] = chance.randbytes(4)
        elif what == 4:
            del data[at : at + chance.choice((1, 4, 100))]
        elif at:
            data[at:at] = data[at : at + chance.choice((1, 8, 60))]
    return bytes(data[: LARGEST * 4])


HARNESS = Harness(HERE / "corpus_tables", LARGEST * 4, one_input, seeds, mutated)

if __name__ == "__main__":
    raise SystemExit(main(HARNESS, __doc__ or ""))
