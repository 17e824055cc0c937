"""comparison.json read back into the findings' own types, and written again as it was."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from dlprof.analysis.facts import Facts, Ratio
from dlprof.api.findings import stored
from dlprof.report import facts_json
from dlprof.report.json import plain
from dlprof.store import Capture

ROOT = Path(__file__).parents[4]
LATER = {"geometric_mean", "mean_ratio", "drifts"}
"""Keys that directories of an older dlprof lack: read as null or empty."""
COMPARISONS = sorted((ROOT / "analysis").glob("*/data/cells/*/comparison.json"))


@pytest.mark.parametrize("file", COMPARISONS, ids=lambda file: file.parent.name)
def test_the_facts_of_a_stored_comparison_are_written_again_key_for_key(file: Path) -> None:
    found = stored.read(Capture.open(file.parent))
    written = json.loads(file.read_bytes())["facts"]
    again = _known_then({key: plain(value) for key, value in facts_json.pairs(found.facts)}, written)
    assert _floats(json.dumps(again)) == _floats(json.dumps(written))


@pytest.mark.parametrize("file", COMPARISONS, ids=lambda file: file.parent.name)
def test_the_items_and_sides_of_a_stored_comparison_are_written_again_key_for_key(file: Path) -> None:
    found, written = stored.read(Capture.open(file.parent)), json.loads(file.read_bytes())
    for key in ("a", "b", "ratio", "items", "parity", "warnings"):
        again = _known_then(plain(getattr(found, key)), written[key])
        assert json.dumps(again) == json.dumps(written[key]), key


def _known_then(again: object, written: object) -> object:
    """Without the keys that came later, where the directory lacks them and nothing was made up in their place."""
    if isinstance(again, dict) and isinstance(written, dict):
        added = {key for key in LATER - set(written) if again.get(key) in (None, [])}
        return {key: _known_then(value, written.get(key)) for key, value in again.items() if key not in added}
    if isinstance(again, list) and isinstance(written, list) and len(again) == len(written):
        return [_known_then(*pair) for pair in zip(again, written, strict=True)]
    return again


def test_a_geometric_mean_is_a_ratio_when_read_back_and_null_where_a_family_lacks_it() -> None:
    mean = Ratio(1.5, 1.25, 1.75, 0.99, 6, "geometric mean of 3 items, each counting alike")
    for held in (mean, None):
        facts = Facts(kind="op", method="lockstep", summary="B is slower", geometric_mean=held)
        written = json.loads(json.dumps({key: plain(value) for key, value in facts_json.pairs(facts)}))
        assert "geometric_mean" in written
        again = {key: value for key, value in written.items() if key != "agreement"}  # {} stands for none
        assert msgspec.convert(again, Facts).geometric_mean == held
    alone = dict(facts_json.pairs(Facts(kind="network", method="lockstep")))
    assert "geometric_mean" not in alone, "one item is no family"


def _floats(text: str) -> str:
    """Every number as a float: 3 and 3.0 are one."""
    return json.dumps(json.loads(text, parse_int=float), indent=1)


def test_there_are_comparisons_of_both_methods() -> None:
    methods = {stored.read(Capture.open(file.parent)).facts.method for file in COMPARISONS}
    assert len(COMPARISONS) > 20
    assert methods == {"lockstep", "as-published"}
