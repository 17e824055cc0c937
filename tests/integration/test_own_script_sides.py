"""Comparisons of two programs of plain Python that are gone on with, run at a revision, or run in another environment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import start, wait_for

PROGRAM = """
import time
from pace import PAUSE
def step():
    time.sleep(PAUSE)
while True:
    step()
"""
WORDS = ("--step", "__main__:step", "--traces", "0")
COMMAND = f"{sys.executable} program.py"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository in which a commit made the step a third shorter."""
    made = tmp_path / "project"
    made.mkdir()
    (made / "program.py").write_text(PROGRAM)
    (made / "pace.py").write_text("PAUSE = 0.006\n")
    (made / "run.sh").write_text("exec python program.py\n")
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run([*git, "init", "-q"], cwd=made, check=True)
    subprocess.run([*git, "add", "-A"], cwd=made, check=True)
    subprocess.run([*git, "commit", "-qm", "slow"], cwd=made, check=True)
    (made / "pace.py").write_text("PAUSE = 0.004\n")
    return made


def _manifest(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text())


def test_a_revision_is_compared_with_the_working_folder(dlprof, project: Path, tmp_path: Path) -> None:
    words = ("--a", COMMAND, "--a-rev", "HEAD", "--b", COMMAND, *WORDS, "--trials", 1, "-o", tmp_path / "made")
    done = dlprof("compare", *words, "--format", "json", cwd=project)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert 0.55 < found["ratio"]["estimate"] < 0.85
    assert found["a"]["label"] == f"{COMMAND} (revision HEAD)"
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=project, capture_output=True, text=True, check=True
    ).stdout.strip()
    assert _manifest(tmp_path / "made")["sides"]["a"]["commit"] == commit
    assert any(commit in text for text in found["warnings"])


@pytest.mark.slow
def test_a_revision_that_imports_the_working_folder_after_all_is_refused(dlprof, project: Path, tmp_path: Path) -> None:
    (project / "installed").mkdir()
    (project / "installed" / "extra.py").write_text("")
    (project / "program.py").write_text(f"import extra\n{PROGRAM}")
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qam", "extra"], cwd=project, check=True
    )
    words = ("--a", COMMAND, "--a-rev", "HEAD", "--b", COMMAND, *WORDS, "--trials", 1, "-o", tmp_path / "made")
    done = dlprof(
        "compare", *words, cwd=project, env={"PYTHONPATH": f"{Path(__file__).parents[2]}:{project / 'installed'}"}
    )
    assert done.returncode == 2, done.stderr
    assert "extra came from the working folder" in done.stderr


@pytest.mark.slow
def test_the_python_of_a_side_is_that_of_a_shell_script_too(dlprof, project: Path, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    words = ("--a", "sh run.sh", "--a-python", venv / "bin" / "python", "--b", COMMAND, *WORDS, "--trials", 1)
    done = dlprof("compare", *words, "-o", tmp_path / "made", cwd=project)
    assert done.returncode == 0, done.stderr
    assert Path(_manifest(tmp_path / "made")["sides"]["a"]["executable"]).parent == venv / "bin"
    named = ("--a", COMMAND.replace("program", "./program"), "--a-python", venv / "bin" / "python")
    wrong = dlprof(
        "compare", "--a", f"sh -c '{COMMAND}'", *named[2:], "--b", COMMAND, *WORDS, "--trials", 1, cwd=project
    )
    assert wrong.returncode == 2
    assert "its program names a Python itself" in wrong.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_comparison_is_gone_on_with_after_every_kind_of_end(project: Path, tmp_path: Path) -> None:
    sides = ("--a", COMMAND, "--a-rev", "HEAD", "--b", COMMAND)
    made = tmp_path / "made"
    more: tuple[str, ...] = (*WORDS, "--trials", "4", "-o", str(made))
    for done, (number, code) in enumerate(
        [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)]
    ):
        with start("compare", *sides, *more, cwd=project) as process:
            wait_for(process, rf"trial {done + 1}: ")
            os.kill(process.pid, number)
            _, said = process.communicate(timeout=60)
        assert process.returncode == code, said
        if code == 130:
            assert (
                f"dlprof compare --resume {made} --a '{COMMAND}' --a-rev HEAD --b '{COMMAND}' goes on with it" in said
            )
            assert len(_manifest(made)["trials"]) == done + 1
        more = ("--resume", str(made))
    with start("compare", *sides, *more, cwd=project) as process:
        out, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert [one["number"] for one in _manifest(made)["trials"]] == [0, 1, 2, 3]
    assert len(_manifest(made)["options"]["sessions"]) == 4
    assert "time for a training step (4 trials" in " ".join(out.split())
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


@pytest.mark.slow
def test_what_was_started_once_is_not_started_because_a_directory_says_so(
    dlprof, project: Path, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    first = dlprof("compare", "--a", COMMAND, "--b", COMMAND, *WORDS, "--trials", 1, "-o", made, cwd=project)
    assert first.returncode == 0, first.stderr
    alone = dlprof("compare", "--resume", made, cwd=project)
    assert alone.returncode == 2
    assert "repeat them: --a" in alone.stderr
    other = dlprof("compare", "--resume", made, "--a", COMMAND, "--b", f"{COMMAND} 1", cwd=project)
    assert other.returncode == 2
    assert "side B is not that of the first trials" in other.stderr
    changed = dlprof("compare", "--resume", made, "--a", COMMAND, "--b", COMMAND, "--margin", "9%", cwd=project)
    assert changed.returncode == 2
    assert "--margin is 0.05 there, 0.09 here" in changed.stderr
