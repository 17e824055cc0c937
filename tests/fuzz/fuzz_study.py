"""Fuzzes study files: any bytes are a study with few enough cells, each named otherwise, or refused with the name of the file.

    python tests/fuzz/fuzz_study.py --runs 100000      mutations of documents that dlprof wrote
    python tests/fuzz/fuzz_study.py FILE…              replays finds

What is no answer of dlprof's own errors is a find, kept below tests/fuzz/corpus_study, which a test replays.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT)]

from documents import Mutator, as_toml, thinned  # noqa: E402  path set above
from engine import Harness, main  # noqa: E402

from dlprof.errors import UsageError  # noqa: E402
from dlprof.study import spec  # noqa: E402
from dlprof.study.cells import LONGEST_ID, MOST_CELLS, expand  # noqa: E402

FILE = Path("theirs.toml")
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
NAMES = {"name": "s", "title": "t"}
SMALL = """
{ experiments = [{ name = "e", workloads = ["matmul", "dot"], sizes = "50..550/50", sides = [["tf:graph", "tf:eager"]] }] }
{ experiments = [{ name = "e", workloads = "lenet", runs = 2, seeds = [1, 2], batch_sizes = [100, 200], epochs = 3 }] }
{ experiments = [{ name = "e", workloads = "mlp", method = "capture", frameworks = "tf", devices = ["cpu"], budget = "5m" }] }
{ defaults = { trials = 3, margin = "5%", monitors = ["cpu"], settings = { count = [2, 3] } }, experiments = [{ name = "e",
  workloads = "matmul", presets = ["matched"], fidelity = "exact", quick = { sizes = 10 } }], quick = { trials = 1 } }
"""


def one_input(data: bytes) -> None:
    """Reads and expands it, with --quick too."""
    try:
        study = spec.parse(data.decode(), FILE)
        for quick in (False, True):
            cells = expand(study, quick=quick)
            assert len({one.cell.id for one in cells}) == len(cells) <= MOST_CELLS
            for one in cells[:200]:
                assert _SAFE.fullmatch(one.cell.id), one.cell.id
                assert len(one.cell.id) <= LONGEST_ID
    except UnicodeDecodeError:
        return
    except UsageError as error:
        assert str(FILE) in error.message, error.message


def _documents() -> list[dict[str, object]]:
    shown = (ROOT / "docs" / "studies.md").read_text()
    texts = re.findall(r"```toml\n(.*?)```", shown, re.DOTALL)
    found = [thinned(tomllib.loads(text), 1) for text in texts]
    small = [part for part in re.split(r"\n(?=\{)", SMALL) if part.strip()]
    return [*found, *(NAMES | tomllib.loads("all = " + part.replace("\n", " ").strip())["all"] for part in small)]


MUTATOR = Mutator(_documents(), as_toml)
HARNESS = Harness(HERE / "corpus_study", 20_000, one_input, MUTATOR.seeds, MUTATOR.mutated)

if __name__ == "__main__":
    raise SystemExit(main(HARNESS, __doc__ or ""))
