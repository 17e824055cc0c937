"""`verify --render`: what verifying computed of a comparison is what the folder's script is given of it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from places import ROOT

from dlprof.api import published, results, verify
from dlprof.store import Capture

SCRIPT = """
import json
import dlprof
def render(study, out):
    told = [cell.load().found.a.label for cell in dlprof.load(study).cells]
    (out / "labels.json").write_text(json.dumps(told))
    (out / "rendered.json").write_bytes((study.parent / "rendered.json").read_bytes())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The audit, drawn by a script that asks for each comparison of its data."""
    made = Path(shutil.copytree(ROOT / "analysis" / "audit", tmp_path / "theirs"))
    (made / "render.py").write_text(SCRIPT)
    labels = json.dumps([Capture.open(one).comparison()["a"]["label"] for one in made.glob("data/cells/*")]).encode()
    (made / "labels.json").write_bytes(labels)
    stated = json.loads((made / "rendered.json").read_text())
    stated |= {"artefacts": {"labels.json": hashlib.sha256(labels).hexdigest()}}
    stated |= {"script_sha256": hashlib.sha256(SCRIPT.encode()).hexdigest()}
    (made / "rendered.json").write_text(json.dumps(stated))
    return made


@pytest.mark.parametrize("at", ["relative", "absolute"])
def test_a_comparison_is_computed_once(folder: Path, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    counted: Counter[Path] = Counter()
    compute = published.found

    def counting(capture: Capture):
        counted[capture.path.resolve()] += 1
        return compute(capture)

    monkeypatch.setattr(published, "found", counting)
    monkeypatch.chdir(folder.parent)
    place = folder if at == "absolute" else Path(folder.name)
    checks = {check.where: check.outcome for check in verify.verify(place, render=True)}
    assert checks["labels.json"] == "agrees"
    cells = [one.resolve() for one in folder.glob("data/cells/*")]
    assert counted == dict.fromkeys(cells, 1)
    results.load_run(cells[0])
    assert counted[cells[0]] == 2, "afterwards it is computed anew"
