"""Fuzzes comparison.json: any bytes are findings of which every field is what it must be, or refused with file and field.

    python tests/fuzz/fuzz_comparison.py --runs 100000      mutations of documents that dlprof wrote
    python tests/fuzz/fuzz_comparison.py FILE…              replays finds

What is no answer of dlprof's own errors is a find, kept below tests/fuzz/corpus_comparison, which a test replays.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT)]

from documents import Mutator, as_json, thinned  # noqa: E402  path set above
from engine import Harness, main  # noqa: E402

from dlprof.api.findings.stored import Stored, stored_of  # noqa: E402
from dlprof.errors import StoreError  # noqa: E402
from dlprof.stored_files import decoded  # noqa: E402

FILE = Path("theirs/comparison.json")


def one_input(data: bytes) -> None:
    """Reads it; what was read fits its own types again."""
    try:
        found = stored_of(decoded(data, FILE), FILE)
    except StoreError as error:
        assert str(FILE) in error.message, error.message
        return
    assert msgspec.convert(msgspec.to_builtins(found), Stored) == found or b"NaN" in data, "does not fit its own types"


def _documents() -> list[dict[str, object]]:
    found = sorted(
        [*(ROOT / "tests" / "older").rglob("comparison.json"), *(ROOT / "analysis").rglob("comparison.json")]
    )
    return [thinned(msgspec.json.decode(path.read_bytes()), 1) for path in found[::3]]


MUTATOR = Mutator(_documents(), as_json)
HARNESS = Harness(HERE / "corpus_comparison", 200_000, one_input, MUTATOR.seeds, MUTATOR.mutated)

if __name__ == "__main__":
    raise SystemExit(main(HARNESS, __doc__ or ""))
