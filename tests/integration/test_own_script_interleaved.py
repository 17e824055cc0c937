"""Two programs of plain Python that cannot be alive together, or shall not: trials are interleaved pairs of processes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from processes import start, wait_for

PROGRAM = """
import socket, sys, time
if sys.argv[2:]:
    held = socket.socket()
    held.bind(("127.0.0.1", int(sys.argv[2])))
    held.listen()
def step():
    time.sleep(float(sys.argv[1]) / 1000)
while True:
    step()
"""
PORT = "47913"
"""Of no service that is known; both programs want it."""

WORDS = ("--step", "__main__:step", "--traces", "0")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "program.py").write_text(PROGRAM)
    return tmp_path / "project"


def _sides(*more: str) -> tuple[str, ...]:
    a, b = (" ".join([sys.executable, "program.py", pause, *more]) for pause in ("4", "6"))
    return ("--a", a, "--b", b)


def test_two_programs_that_want_the_same_port_are_compared_as_pairs_and_the_report_says_what_that_costs(
    dlprof, here, folder: Path
) -> None:
    words = (*_sides(PORT), *WORDS, "--trials", 2, "--format", "json", "-o", folder.parent / "made")
    done = dlprof("compare", *words, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "Address already in use" in done.stderr
    assert "trials are pairs of processes from here on" in done.stderr
    found = json.loads(done.stdout)
    assert 1.3 < found["ratio"]["estimate"] < 1.7
    assert found["facts"]["method"] == "interleaved"
    assert "not in lockstep" in found["facts"]["interleaved"]["statement"]
    manifest = json.loads((folder.parent / "made" / "manifest.json").read_text())
    assert manifest["options"]["method"] == "interleaved"
    assert "Address already in use" in manifest["options"]["apart"]
    verified = here("verify", folder.parent / "made")
    assert verified.returncode == 0, verified.stdout + verified.stderr


@pytest.mark.slow
def test_pairs_that_were_asked_for_are_gone_on_with_as_pairs(dlprof, folder: Path) -> None:
    made = folder.parent / "made"
    with start("compare", *_sides(), *WORDS, "--trials", "3", "--interleaved", "-o", str(made), cwd=folder) as process:
        wait_for(process, r"trial 1: ")
        process.kill()
        process.communicate(timeout=60)
    done = dlprof("compare", "--resume", made, *_sides(), cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "as asked (--interleaved)" in " ".join(done.stdout.split())
    assert [one["number"] for one in json.loads((made / "manifest.json").read_text())["trials"]] == [0, 1, 2]
