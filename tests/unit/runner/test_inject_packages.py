"""Which modules a side takes from what is installed, though its own folders have them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dlprof.capture.script.command import INJECTED

ASK = """
import sys, json
sys.path[:0] = sys.argv[1:3]
import {}
import dlprof_inject.packages as packages
print(json.dumps(packages.installed()))
"""


def told(tmp_path: Path, modules: str, sources: str = "own") -> list[str]:
    environment = {
        **os.environ,
        "DLPROF_SOURCES": os.pathsep.join(str(tmp_path / one) for one in sources.split(":") if one),
    }
    words = [sys.executable, "-c", ASK.format(modules), str(tmp_path / "site-packages"), str(INJECTED)]
    done = subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def put(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Installed as it was, with another `speed`."""
    put(tmp_path / "site-packages" / "toy", __init__="", same="A = 1\n", speed="A = 1\n")
    put(tmp_path / "own" / "toy", __init__="", same="A = 1\n", speed="A = 2\n")
    return tmp_path


def test_modules_that_were_installed_in_another_state_are_told(project: Path) -> None:
    assert told(project, "toy.same, toy.speed") == ["toy.speed"]
    assert told(project, "toy.same") == [], "the same code from another place"


def test_where_no_side_is_a_revision_nothing_is_asked(project: Path) -> None:
    assert told(project, "toy.speed", sources="") == []


def test_a_package_of_others_is_not_taken_for_a_folder_of_that_name(tmp_path: Path) -> None:
    put(tmp_path / "site-packages" / "datasets", __init__="", arrow="", load="", table="")
    put(tmp_path / "own" / "datasets", __init__="# ours\n", mnist="")
    assert told(tmp_path, "datasets.arrow, datasets.load, datasets.table") == []
