"""Fuzzes manifest.json: any bytes are a manifest that is written again as it was read, or refused with its file's name.

    python tests/fuzz/fuzz_manifest.py --runs 100000      mutations of documents that dlprof wrote
    python tests/fuzz/fuzz_manifest.py FILE…              replays finds

What is no answer of dlprof's own errors is a find, kept below tests/fuzz/corpus_manifest, which a test replays.
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

from dlprof.errors import StoreError  # noqa: E402
from dlprof.store import manifest_of  # noqa: E402
from dlprof.stored_files import decoded  # noqa: E402

FILE = Path("theirs/manifest.json")


def one_input(data: bytes) -> None:
    """Reads it, asks what every report asks of it, and writes it again."""
    try:
        manifest = manifest_of(decoded(data, FILE), FILE)
    except StoreError as error:
        assert str(FILE.parent) in error.message, error.message
        return
    manifest.window, manifest.epochs  # noqa: B018  asked of every capture
    if manifest.kind != "compare":
        manifest.described  # noqa: B018
    assert manifest_of(msgspec.json.decode(manifest.encoded()), FILE) == manifest, "another manifest when written again"


def _documents() -> list[dict[str, object]]:
    found = sorted([*(ROOT / "tests" / "older").rglob("manifest.json"), *(ROOT / "analysis").rglob("manifest.json")])
    known = {as_json(thinned(msgspec.json.decode(path.read_bytes()))) for path in found[::4] + found[:8]}
    return [msgspec.json.decode(one) for one in sorted(known)]


MUTATOR = Mutator(_documents(), as_json)
HARNESS = Harness(HERE / "corpus_manifest", 100_000, one_input, MUTATOR.seeds, MUTATOR.mutated)

if __name__ == "__main__":
    raise SystemExit(main(HARNESS, __doc__ or ""))
