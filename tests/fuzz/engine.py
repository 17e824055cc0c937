"""What the fuzz harnesses share: a source in memory, coverage-guided runs with atheris, replay, and the keeping of finds."""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import random
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dlprof.ingest.anomalies import Anomalies
from dlprof.ingest.source import Source

HERE = Path(__file__).resolve().parent
SLOW_S = 2.0
"""CPU time that no input may take."""
MEMORY_MB = 700
"""Resident memory that no run may exceed: interpreter, NumPy and Arrow take 150 of it, the coverage map most of the rest."""


class MemorySource(Source):
    """A source whose bytes are in memory, so that a million inputs do not touch the disk. packed: as of a compressed file, which
    is read from its beginning to its end alone."""

    def __init__(self, data: bytes, anomalies: Anomalies, repair: bool, packed: bool = False) -> None:
        super().__init__(Path("memory"), "memory", anomalies, repair)
        self._data, self._packed = data, packed

    def compression(self) -> str:
        return "gzip" if self._packed else "none"

    def open(self):  # type: ignore[no-untyped-def]
        return io.BytesIO(self._data)

    def open_seekable(self):  # type: ignore[no-untyped-def]
        return io.BytesIO(self._data)

    def chunks(self, size: int = 1 << 20) -> Iterator[bytes]:
        yield from (self._data[at : at + size] for at in range(0, len(self._data), size))

    def head(self, size: int = 65_536) -> bytes:
        return self._data[:size]


@dataclass(frozen=True, slots=True)
class Harness:
    """One harness. one_input raises on what must not happen; mutated(pool, chance) makes an input from others."""

    corpus: Path
    largest: int
    one_input: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    mutated: Callable[[list[bytes], random.Random], bytes]

    def checked(self, data: bytes) -> None:
        """Runs an input; what breaks, or takes too long, is kept in the corpus of finds and raised."""
        begin = time.process_time()
        try:
            self.one_input(data)
            took = time.process_time() - begin
            assert took < SLOW_S, f"took {took:.1f} s of CPU"
        except Exception:
            keep(self.corpus, data)
            raise


def keep(corpus: Path, data: bytes) -> None:
    """Puts a find into the corpus that tests replay."""
    corpus.mkdir(exist_ok=True)
    (corpus / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


def coverage_guided() -> bool:
    """Whether this process was started to fuzz with atheris, which must be known before the readers are imported."""
    return "--atheris" in sys.argv[1:]


def run_own(harness: Harness, runs: int, seed: int, seconds: int = 0) -> int:
    """Mutations without guidance and without dependency; returns the number of finds. seconds: after which it stops, 0: never."""
    # The readers then start no second thread, which would cost a small input more than its reading.
    os.sched_getaffinity = lambda _: {0}  # type: ignore[assignment]
    warnings.simplefilter("ignore")  # Python's own, about the numbers of a call that is no expression
    chance, pool, finds, tried = random.Random(seed), harness.seeds(), 0, 0
    end = time.monotonic() + seconds if seconds else float("inf")
    while tried < runs and (tried % 64 or time.monotonic() < end):
        tried += 1
        try:
            harness.checked(harness.mutated(pool, chance))
        except Exception as error:  # noqa: BLE001  the harness exists to see every one
            finds += 1
            print(f"find: {type(error).__name__}: {error}", flush=True)  # noqa: T201
    print(f"done: {tried} inputs from {len(pool)} seeds, seed {seed}, {finds} finds", flush=True)  # noqa: T201
    return finds


def run_atheris(harness: Harness, options: argparse.Namespace) -> None:
    """Coverage-guided until the runs or the seconds are over; libFuzzer then ends the process, and at a find."""
    import atheris

    options.work.mkdir(parents=True, exist_ok=True)
    pool = harness.seeds()
    for data in pool:
        (options.work / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)

    def mutate(data: bytes, largest: int, seed: int) -> bytes:
        # Half by libFuzzer, which knows what comparisons wanted; half by the harness, which knows the format.
        if seed % 2:
            return bytes(atheris.Mutate(data, largest))
        return harness.mutated([data, *pool[seed // 2 % len(pool) :][:1]], random.Random(seed))[:largest]

    # One core: the readers then start no second thread, which would cost a small input more than its reading.
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[options.seed % len(cores)]})
    arguments = [
        f"-runs={options.runs}", f"-max_total_time={options.seconds}", f"-seed={options.seed}",
        f"-max_len={harness.largest}", "-timeout=30", f"-rss_limit_mb={MEMORY_MB}", "-print_final_stats=1",
        f"-artifact_prefix={options.work}-artifact-", str(options.work),
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *arguments], harness.checked, custom_mutator=mutate)
    atheris.Fuzz()


def main(harness: Harness, description: str) -> int:
    """The command line of a harness."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="finds to replay")
    parser.add_argument("--atheris", action="store_true", help="guided by coverage; without it plain mutations")
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=0, help="stop after so long (0: never)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", type=Path, default=HERE / ".work" / "corpus", help="with --atheris: its own corpus")
    options = parser.parse_args()
    for path in options.files:
        harness.one_input(path.read_bytes())
    if options.files:
        return 0
    if options.atheris:
        run_atheris(harness, options)
        return 0
    return 1 if run_own(harness, options.runs, options.seed, options.seconds) else 0
