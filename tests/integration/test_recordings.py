"""The recordings of traces/ and what README says of them."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
TRACES = ROOT / "traces"
NAMES = sorted(path.name for path in TRACES.iterdir() if path.is_dir())


def regenerate():
    spec = importlib.util.spec_from_file_location("regenerate", ROOT / "docs" / "regenerate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_recorded_file_has_the_digest_it_is_listed_with():
    listed = dict(reversed(line.split("  ")) for line in (TRACES / "SHA256SUMS").read_text().splitlines())
    found = {str(p.relative_to(TRACES)): hashlib.sha256(p.read_bytes()).hexdigest()
             for p in TRACES.rglob("*") if p.is_file() and p.parent != TRACES}  # fmt: skip
    assert found == listed
    assert len(NAMES) == 10


@pytest.mark.parametrize("name", NAMES)
def test_reading_the_raw_file_again_gives_the_stored_events(name, tmp_path):
    from dlprof.api.import_traces import import_files
    from dlprof.store import Capture

    stored = Capture.open(TRACES / name)
    raw = [p for p in stored.raw_files() if p.suffix in (".json", ".pb", ".gz")]
    again = import_files(raw, tmp_path / "again", repair=False)
    columns = ["name", "op", "phase", "level", "start_ps", "duration_ps", "self_ps", "step", "calls"]
    # By value: the list of phases that stands in a stored table's dictionary is that of its schema version.
    assert again.events(columns).to_pydict() == stored.events(columns).to_pydict()


def test_the_readme_shows_what_diff_prints(dlprof):
    module = regenerate()
    done = dlprof(*module.DIFF, cwd=ROOT, env={"NO_COLOR": "1"})
    assert done.returncode == 0, done.stderr
    assert module.block("dlprof diff", module.DIFF, done.stdout, "") in (ROOT / "README.md").read_text()


def test_the_readme_shows_the_kept_comparison():
    module = regenerate()
    kept = "docs/example/compare-lenet.txt"
    shown = module.block("dlprof compare lenet", ["compare", "lenet"], (ROOT / kept).read_text(), kept)
    assert shown in (ROOT / "README.md").read_text()


def test_the_readme_shows_the_kept_comparison_of_four_frameworks():
    kept = ROOT / "docs" / "example" / "compare-four.txt"
    if not kept.exists():
        pytest.skip("`python docs/regenerate.py four` has not been run yet: it wants a quiet machine")
    assert regenerate().four_block(kept.read_text()) in (ROOT / "README.md").read_text()


def test_the_document_of_bisection_shows_the_kept_search_of_releases(tmp_path):
    from dlprof.api.bisect import record
    from dlprof.report.text import bisect_text

    module, kept = regenerate(), ROOT / "docs" / "example" / "bisect-jax.json"
    if not kept.exists():
        pytest.skip("`python docs/regenerate.py bisect` has not been run yet: it wants a quiet machine")
    shutil.copy(kept, tmp_path / record.FILE)
    said = bisect_text.text(record.read(tmp_path), folder="scan-bisect")
    assert module.block("dlprof bisect", module.BISECT, said, "") in (ROOT / "docs" / "bisect.md").read_text()
