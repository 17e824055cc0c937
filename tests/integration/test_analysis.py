"""The studies under analysis/: each is run from fresh data, rendered with every artefact, and verified."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
ANALYSIS = ROOT / "analysis"
STUDIES = ("fundamental-operations", "lenet", "audit", "versions")

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(1800)]


def regenerate(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`python3 analysis/regenerate.py … --quick`, with all that it makes below `folder`."""
    command = [sys.executable, str(ANALYSIS / "regenerate.py"), *words, "--quick", "--work", str(folder / "work"),
               "--out", str(folder / "out")]  # fmt: skip
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, env=environ, timeout=1700, check=False)


def artefacts(folder: Path) -> set[str]:
    return set(json.loads((folder / "rendered.json").read_text())["artefacts"])


def test_a_study_is_run_rendered_and_verified_and_a_changed_table_is_found(dlprof, tmp_path):
    done = regenerate(tmp_path, "fundamental-operations", "--only", "current-idiomatic*")
    assert done.returncode == 0, done.stderr
    made = tmp_path / "out" / "fundamental-operations"
    assert artefacts(made) == {"README.md", "tables/items.csv", "tables/crossovers.csv", "charts/factors.svg"}
    text = (made / "README.md").read_text()
    assert "| matrix product | 50: inconclusive" in text
    assert "shows that the pipeline works and says nothing of the frameworks" in text
    assert "tf@2.1.0:eager against mxnet@1.5.1:imperative (study-versions-study-calls): pending" in text
    assert not list((made / "data").glob("cells/*/*/raw"))
    verified = dlprof("verify", made, "--render", "--format", "json")
    assert verified.returncode == 0, verified.stdout
    outcomes = {check["where"]: check["outcome"] for check in json.loads(verified.stdout)["checks"]}
    assert outcomes["charts/factors.svg"] == outcomes["README.md"] == "agrees"
    table = made / "tables" / "items.csv"
    table.write_text(table.read_text().replace("inconclusive", "faster", 1))
    verified = dlprof("verify", made, "--render")
    assert verified.returncode == 1
    assert "tables/items.csv: not the same when rendered anew" in verified.stdout


@pytest.mark.slow
def test_every_study_is_run_rendered_and_verified(dlprof, tmp_path):
    for name in ("audit", "versions"):  # the audit runs the two studies that it reads
        done = regenerate(tmp_path, name)
        assert done.returncode == 0, f"{name}: {done.stderr}"
    for name in STUDIES:
        made = tmp_path / "out" / name
        assert {"README.md"} <= artefacts(made), name
        assert any(artefact.startswith("charts/") for artefact in artefacts(made)), name
        assert any(artefact.startswith("tables/") for artefact in artefacts(made)), name
        study = json.loads((made / "data" / "study.json").read_text())
        assert {cell["status"] for cell in study["cells"]} == {"done"}, name
        verified = dlprof("verify", made, "--render")
        assert verified.returncode == 0, verified.stdout
    claims = json.loads((tmp_path / "out" / "audit" / "audit.json").read_text())["claims"]
    assert all(claim["sound"] or claim["id"] in ("lenet_accuracy", "lenet_xla") for claim in claims)
    assert {claim["verdict"] for claim in claims} == {"cannot_tell"}  # one trial shows nothing


@pytest.mark.parametrize("name", STUDIES)
def test_the_committed_result_is_that_of_its_data(dlprof, name):
    done = dlprof("verify", ANALYSIS / name, "--render")
    assert done.returncode == 0, done.stdout


def test_the_audit_has_one_entry_for_each_published_task_and_for_lenet():
    told = tomllib.loads((ANALYSIS / "audit" / "published.toml").read_text())
    audit = json.loads((ANALYSIS / "audit" / "audit.json").read_text())
    found = {claim["id"]: claim for claim in audit["claims"]}
    assert set(told["tasks"]) | {"lenet_time", "lenet_accuracy"} <= set(found)
    for task, entry in told["tasks"].items():
        claim = found[task]
        assert claim["original_ratio"] == entry["cpu"]
        assert claim["verdict"] in ("stands", "falls", "cannot_tell")
        assert claim["ratio_by_original_method_here"]
        assert all(one["low"] <= one["ratio"] <= one["high"] for one in claim["sound"])
        assert claim["why"]


def test_the_readme_shows_the_audits_headline():
    spec = importlib.util.spec_from_file_location("regenerate", ROOT / "docs" / "regenerate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.audit() in (ROOT / "README.md").read_text()


def study_of(folder: Path, started: str, *statuses: str) -> Path:
    """A study directory with a cell for each status, and a file in each finished one that says when it was measured."""
    cells = []
    for number, status in enumerate(statuses):
        cell = {"id": f"cell{number}", "run": 1, "status": status, "path": f"cells/cell{number}", "started": started}
        cells.append(cell)
        if status == "done":
            (folder / cell["path"]).mkdir(parents=True)
            (folder / cell["path"] / "capture.json").write_text(
                json.dumps({"at": f"{folder}/{cell['path']}", "when": started})
            )
    (folder / "study.json").write_text(json.dumps({"cells": cells}))
    return folder


def test_a_session_measured_elsewhere_becomes_further_runs_of_the_same_cells(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ANALYSIS))
    publishing = importlib.import_module("publishing")
    target = study_of(tmp_path / "data", "monday", "done", "done")
    later = study_of(tmp_path / "work", "tuesday", "done", "pending")
    for _ in range(2):  # what is there already is left out
        publishing.add_session(later, target, {str(later): "dlprof-out/study"})
    cells = json.loads((target / "study.json").read_text())["cells"]
    assert [(one["id"], one["run"], one["started"]) for one in cells] == [
        ("cell0", 1, "monday"),
        ("cell1", 1, "monday"),
        ("cell0-run2", 2, "tuesday"),
    ]
    moved = json.loads((target / "cells" / "cell0-run2" / "capture.json").read_text())
    assert moved == {"at": "dlprof-out/study/cells/cell0-run2", "when": "tuesday"}
