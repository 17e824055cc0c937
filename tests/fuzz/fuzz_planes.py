"""Fuzzes the native reader of XPlane against the one in Python: same rows, counts, pools, facts and errors.

    python tests/fuzz/fuzz_planes.py --runs 500000   the mutations of fuzz_xplane.py, of XPlanes and local.traces
    python tests/fuzz/fuzz_planes.py FILE…           replays finds

Each input is read twice. A difference is a find, kept below tests/fuzz/corpus_planes, which tests replay. Where dlprof was built
without its C part there is nothing to compare.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import fuzz_xplane  # noqa: E402  path set above
from engine import Harness, main  # noqa: E402
from fuzz_readers import differences  # noqa: E402


def one_input(data: bytes) -> None:
    """The first byte chooses the kind and whether damage is passed over; the rest is the file."""
    choice = data[0] if data else 0
    found = differences(data[1:], repair=choice >= 128, kind=fuzz_xplane.KINDS[choice & 1])
    assert not found, "; ".join(found)[:2000]


def seeds() -> list[bytes]:
    """Written traces, the finds of the harness of XPlane, and all differences found."""
    return [*fuzz_xplane.seeds(), *(path.read_bytes() for path in sorted(HARNESS.corpus.glob("*")))]


def mutated(pool: list[bytes], chance: random.Random) -> bytes:
    """What the harness of XPlane makes, of either kind."""
    return bytes([chance.choice((0, 0, 0, 1)) + 128 * chance.randrange(2)]) + fuzz_xplane.mutated(pool, chance)[1:]


HARNESS = Harness(HERE / "corpus_planes", fuzz_xplane.LARGEST, one_input, seeds, mutated)

if __name__ == "__main__":
    raise SystemExit(main(HARNESS, __doc__ or ""))
