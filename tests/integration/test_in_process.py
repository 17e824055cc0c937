"""The command line in a process of its own and in that of the tests (fixture `here`) is one and the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from places import ROOT

from dlprof.store import Capture

KEPT = ROOT / "tests" / "older" / "schema-1" / "comparison"
CSV = "task,tensorflow,mxnet\nmatmul,0.0206,0.0010\nmatmul,0.0212,0.0011\n"

LINES = {
    "show": ["show", f"{KEPT}/a-exact-1", "--by", "layer"],
    "diff": ["diff", f"{KEPT}/a-exact-1", f"{KEPT}/b-exact-1", "--format", "json"],
    "verify": ["verify", str(KEPT)],
    "report": ["report", str(KEPT), "-o", "made"],
    "plot": ["plot", str(KEPT), "--kind", "breakdown", "-o", "made.svg"],
    "export": ["export", f"{KEPT}/a-exact-1", "--to", "json", "-o", "made"],
    "import": ["import", "--csv", "in.csv", "--unit", "s", "--sides", "tensorflow,mxnet", "--group", "task", "-o", "made"],
    "compare": ["compare", "matmul", "--set", "size=-1"],
    "capture": ["capture", "lenett", "--framework", "tf"],
    "no result": ["verify", "."],
    "no verb": ["frobnicate"],
}  # fmt: skip
ENDS = {"compare": 2, "capture": 2, "no result": 1, "no verb": 2}
"""Exit codes other than 0."""


@pytest.mark.parametrize("line", LINES)
def test_both_answer_alike(dlprof, here, tmp_path: Path, line: str) -> None:
    answers = []
    for name, run in (("one", dlprof), ("other", here)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "in.csv").write_text(CSV)
        done = run(*LINES[line], cwd=folder)
        assert done.returncode == ENDS.get(line, 0), done.stderr
        said = [re.sub(r"\d+(\.\d+)? s\]", "", text) for text in (done.stdout, done.stderr)]
        answers.append((done.returncode, said, sorted(one.name for one in folder.iterdir())))
    assert answers[0] == answers[1]


@pytest.mark.frameworks
def test_both_leave_the_same_of_a_capture(dlprof, here, tmp_path: Path) -> None:
    left = []
    for name, run in (("one", dlprof), ("other", here)):
        made = tmp_path / name
        done = run("capture", "matmul", "--set", "size=50", "--framework", "mxnet", "--max-steps", 3, "-o", made)
        assert (done.returncode, done.stdout.strip()) == (0, str(made)), done.stderr
        manifest = Capture.open(made).manifest
        told = (manifest.sides, manifest.environment, manifest.options, manifest.child.window.steps, manifest.warnings)
        left.append((sorted(path.name for path in made.iterdir()), told))
    assert left[0] == left[1]
