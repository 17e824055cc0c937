"""Fuzzes workload files: any bytes are a workload whose settings and presets can be chosen, or refused in dlprof's own words.

    python tests/fuzz/fuzz_workload.py --runs 100000      mutations of documents that dlprof wrote
    python tests/fuzz/fuzz_workload.py FILE…              replays finds

What is no answer of dlprof's own errors is a find, kept below tests/fuzz/corpus_workload, which a test replays.
"""

from __future__ import annotations

import sys
import tomllib
import zlib
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT)]

from documents import Mutator, as_toml, thinned  # noqa: E402  path set above
from engine import Harness, main  # noqa: E402

from dlprof import workload  # noqa: E402
from dlprof.capture.data import inputs  # noqa: E402
from dlprof.errors import UsageError  # noqa: E402

SOURCE = "theirs.toml"


def one_input(data: bytes) -> None:
    """Parses it; of one in four also with presets and for frameworks, and with odd values for its first settings."""
    try:
        text = data.decode()
        found = workload.parse(text, SOURCE)
        if found.kind == "network":
            list(inputs.weight_shapes(inputs.model_of(found.description)))
    except (UnicodeDecodeError, UsageError):
        return
    if zlib.crc32(data) % 4:
        return
    for preset in found.presets[:2]:
        for framework in ("tf", "mxnet"):
            _try(text, preset=preset, framework=framework)
    for name in list(found.settings)[:2]:
        for value in ("1", "odd", "9" * 5000):
            _try(text, settings={name: value})


def _try(text: str, **chosen: object) -> None:
    try:
        workload.parse(text, SOURCE, **chosen)  # type: ignore[arg-type]
    except UsageError as error:
        assert error.message


def _documents() -> list[dict[str, object]]:
    paths = sorted((ROOT / "dlprof" / "workloads").glob("*.toml"))
    return [thinned(tomllib.loads(path.read_text()), 1) for path in paths]


MUTATOR = Mutator(_documents(), as_toml)
HARNESS = Harness(HERE / "corpus_workload", 20_000, one_input, MUTATOR.seeds, MUTATOR.mutated)

if __name__ == "__main__":
    raise SystemExit(main(HARNESS, __doc__ or ""))
