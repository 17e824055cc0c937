"""Vocabularies: a table's rows become operators when they are asked for, each as the table has it."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from dlprof import frameworks
from dlprof.frameworks import vocabulary
from dlprof.plugin import Operator


def test_a_vocabulary_has_every_row_of_its_table():
    tables = list(Path(frameworks.__file__).parent.glob("*/ops.csv"))
    assert tables
    for table in tables:
        lines = table.read_text(encoding="utf-8").splitlines()
        rows = list(csv.DictReader(line for line in lines if line and not line.startswith("#")))
        found = vocabulary.read(table)
        assert set(found) == {row["raw"] for row in rows}
        assert len(found) == len(set(found))
        for row in rows:
            assert row["raw"] in found
            assert found[row["raw"]].op == row["op"]
            assert found[row["raw"]].calls == int(row.get("calls") or 1)


def test_empty_and_missing_cells_are_those_of_an_operator(tmp_path):
    table = tmp_path / "operators.csv"
    table.write_text(
        '# names\nraw,op,phase,level,fuses,calls\nconv,Conv,,,,\nfused,Conv,forward,kernel,"Conv,Relu",0\nshort,Add\n',
        encoding="utf-8",
    )
    found = vocabulary.read(table)
    assert found["conv"] == Operator("Conv")
    assert found["fused"] == Operator("Conv", "forward", "kernel", ("Conv", "Relu"), 0)
    assert found["short"] == Operator("Add")
    assert found.get("other") is None
    assert "other" not in found
    with pytest.raises(KeyError):
        found["other"]
