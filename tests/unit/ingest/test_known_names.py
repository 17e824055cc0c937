"""No trace, of the project's own and of the small inputs that were once read wrong, calls a known name unknown."""

from __future__ import annotations

from pathlib import Path

import pytest
from json_reading import VOCABULARIES
from places import ROOT, TRACES
from reading import read

OWN = sorted(folder for folder in (ROOT / "traces").glob("*/raw") if folder.parent.name.startswith(("lenet", "matmul")))
ABSENT = pytest.param(TRACES, marks=pytest.mark.skip("the small inputs are not here (../shared/traces/faults)"))
SMALL = [path for path in sorted((TRACES / "faults").glob("*")) if path.suffix == ".json" or path.is_dir()] or [ABSENT]


@pytest.mark.parametrize("path", [*OWN, *SMALL], ids=lambda path: f"{path.parent.name}-{path.name}")
def test_an_operator_without_a_meaning_has_a_name_that_no_vocabulary_knows(path: Path) -> None:
    table, info = read(path, VOCABULARIES, path.name == "quote.json")
    known = {name for producer in info.producer.split("+") for name in VOCABULARIES.get(producer, {})}
    assert table.num_rows > 0
    rows = table.select(["level", "name", "op"]).to_pylist()
    assert {row["name"] for row in rows if row["level"] == "op" and row["op"] is None} & known == set()
