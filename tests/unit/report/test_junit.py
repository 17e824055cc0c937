"""A gate as JUnit XML."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest
from report_tables import comparison

from dlprof.analysis.model import Gate, GatedItem, GateState, Ratio
from dlprof.report import junit


def item(name: str, state: GateState) -> GatedItem:
    return GatedItem(name, state, Ratio(1.2, 1.1, 1.3, 0.99, 8, "t"), 0.5, 0.5, None)


def read(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)


def test_an_item_is_a_case_failed_or_in_error_or_passed():
    items = (item("add[size=1]", "passed"), item("matmul[size=9]", "failed"), item("dot[size=2]", "undecided"))
    suite = read(junit.gates(replace(comparison(), gate=Gate(0.05, "failed", items)))).find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "1")
    assert [(case.get("name"), [one.tag for one in case]) for case in suite.findall("testcase")] == [
        ("add[size=1]", []),
        ("matmul[size=9]", ["failure"]),
        ("dot[size=2]", ["error"]),
    ]
    assert suite.findtext("system-out", "").startswith("GATE FAILED: matmul[size=9] +20.0 %")


def test_different_work_is_one_case_in_error():
    suite = read(junit.gates(replace(comparison(), gate=Gate(0.05, "not_comparable", ())))).find("testsuite")
    assert suite is not None
    assert [one.tag for one in suite.findall("testcase/*")] == ["error"]


def test_hostile_names_stay_text():
    found = replace(
        comparison(), workload='<a b="c">&\x00\ufffe\x1b', gate=Gate(0.05, "failed", (item("x\n<y>&'\"", "failed"),))
    )
    case = read(junit.gates(found)).find("testsuite/testcase")
    assert case is not None
    assert case.get("name") == "x\n<y>&'\""


def test_without_a_gate_there_is_nothing_to_write():
    with pytest.raises(ValueError, match="no gate"):
        junit.gates(comparison())
