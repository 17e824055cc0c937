"""`dlprof gate` and `dlprof bisect` on a repository of plain Python, in which one commit made the step half as long again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from installed import installed
from processes import start, wait_for

PROGRAM = """
import time
from pace import PAUSE
def step():
    time.sleep(PAUSE)
while True:
    step()
"""
SCRIPT = ("--", sys.executable, "program.py")
STEP = ("--step", "__main__:step")
GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@b")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Nine commits; the one called slower is the sixth, and the one before it does not run."""
    made = tmp_path / "project"
    made.mkdir()
    subprocess.run([*GIT, "init", "-q", "-b", "main"], cwd=made, check=True)
    for at in range(9):
        pause = 0.004 if at < 5 else 0.006
        (made / "pace.py").write_text(f"PAUSE = {pause}\n# {at}\n")
        (made / "program.py").write_text("syntax error\n" if at == 4 else PROGRAM)
        subprocess.run([*GIT, "add", "-A"], cwd=made, check=True)
        subprocess.run([*GIT, "commit", "-qm", "slower" if at == 5 else f"change {at}"], cwd=made, check=True)
    return made


def test_a_gate_that_one_trial_cannot_decide_is_undecided_everywhere(
    dlprof, here, project: Path, tmp_path: Path
) -> None:
    summary = tmp_path / "summary.md"
    done = dlprof(
        "gate", "--base", "HEAD~8", "--trials", 1, "--traces", 0, *STEP, "--junit", tmp_path / "gate.xml",
        "-o", tmp_path / "made", *SCRIPT, cwd=project,
        env={"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_ACTIONS": "true"},
    )  # fmt: skip
    assert done.returncode == 4, done.stderr
    assert done.stdout.startswith("GATE UNDECIDED: training step +")
    assert "::warning title=dlprof gate::GATE UNDECIDED" in done.stderr
    assert summary.read_text().startswith("**GATE UNDECIDED")
    assert ElementTree.parse(tmp_path / "gate.xml").find("testsuite/testcase/error") is not None
    found = json.loads((tmp_path / "made" / "comparison.json").read_text())
    assert (found["gate"]["state"], found["gate"]["allowed"]) == ("undecided", 0.05)
    verified = here("verify", tmp_path / "made")
    assert verified.returncode == 0, verified.stdout
    page = here("report", tmp_path / "made", "-o", tmp_path / "page.html")
    assert page.returncode == 0, page.stderr
    assert "GATE UNDECIDED" in (tmp_path / "page.html").read_text()


def test_a_script_that_the_base_does_not_have_is_linked_there_and_runs_the_code_of_the_base(
    dlprof, project: Path, tmp_path: Path
) -> None:
    """One that is linked as it is would import what lies beside it in the working folder."""
    (project / "bench.py").write_text(PROGRAM)
    words = (
        "gate",
        "--base",
        "HEAD~8",
        "--trials",
        1,
        "--traces",
        0,
        *STEP,
        "--format",
        "json",
        "-o",
        tmp_path / "made",
    )
    script = ("--", sys.executable, "bench.py")
    without = dlprof(*words, *script, cwd=project)
    assert without.returncode == 2, without.stdout
    assert "revision HEAD~8 has no bench.py" in without.stderr
    assert "--link bench.py" in without.stderr
    done = dlprof(*words, "--link", "bench.py", *script, cwd=project)
    assert done.returncode == 4, done.stderr
    assert json.loads(done.stdout)["ratio"]["estimate"] > 1.2


def test_a_package_that_is_installed_is_not_taken_for_that_of_a_side(dlprof, tmp_path: Path) -> None:
    """Both sides would run the same code, and every gate would pass."""
    project, installed = tmp_path / "project", tmp_path / "site-packages"
    package = project / "src" / "toy"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "pace.py").write_text("PAUSE = 0.004\n")
    (project / "program.py").write_text(PROGRAM.replace("from pace", "from toy.pace"))
    shutil.copytree(package, installed / "toy")
    for words in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-qm", "fast")):
        subprocess.run([*GIT, *words], cwd=project, check=True)
    words = ("gate", "--base", "main", "--trials", 1, "--traces", 0, *STEP, "-o", tmp_path / "made", *SCRIPT)
    (package / "pace.py").write_text("PAUSE = 0.006\n")
    head = dlprof(*words, cwd=project, env={"PYTHONPATH": str(installed)})
    assert head.returncode == 2, head.stdout + head.stderr
    assert "side B is to run the working folder, and yet toy.pace came from the environment" in head.stderr
    (installed / "toy" / "pace.py").write_text("PAUSE = 0.006\n")
    base = dlprof(*words, cwd=project, env={"PYTHONPATH": str(installed)})
    assert base.returncode == 2, base.stdout + base.stderr
    assert "side A is to run revision main, and yet toy.pace came from the environment" in base.stderr
    own = dlprof(*words, cwd=project, env={"PYTHONPATH": os.pathsep.join(["src", str(installed)])})
    assert own.returncode == 4, own.stdout + own.stderr
    assert own.stdout.startswith("GATE UNDECIDED: training step +")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_gate_fails_where_it_should_and_passes_where_it_should(dlprof, project: Path) -> None:
    failed = dlprof("gate", "--base", "HEAD~8", "--traces", 0, *STEP, *SCRIPT, cwd=project)
    assert failed.returncode == 3, failed.stdout + failed.stderr
    assert failed.stdout.startswith("GATE FAILED: training step +")
    passed = dlprof("gate", "--base", "HEAD~3", "--max-slowdown", "20%", "--traces", 0, *STEP, *SCRIPT, cwd=project)
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert passed.stdout.startswith("GATE PASSED: training step ")


FUNCTIONS = (
    *("tanh", "exp", "sin", "cos", "sqrt", "abs", "negative", "floor", "ceil", "trunc"),
    *("sinh", "cosh", "exp2", "expm1", "log1p", "cbrt", "arctan", "arcsinh", "square", "reciprocal"),
)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_of_twenty_items_of_an_op_workload_the_one_that_became_slower_fails_the_gate(dlprof, tmp_path: Path) -> None:
    tasks = [
        f'[[tasks]]\nname = "{name}"\nop = "{name.capitalize()}"\n'
        'operands = [{ name = "x", shape = ["n"], range = [0.5, 1.5] }]\n'
        f'[tasks.calls.idiomatic]\nnp = "np.{name}(x)"\n'
        for name in FUNCTIONS
    ]
    file = tmp_path / "twenty.toml"
    run = 'name = "twenty"\nkind = "op"\ntitle = "Twenty functions"\n[run]\nsizes = [20000]\ncount = 10\ndtype = "float32"\n'
    file.write_text(run + "".join(tasks), encoding="utf-8")
    env = installed(tmp_path / "site")
    done = dlprof("gate", file, "--base", "np", "--head", "np:slow-tanh", "--max-slowdown", "30%", "--traces", 0,
                  "--format", "json", "-o", tmp_path / "made", env=env, timeout=1200)  # fmt: skip
    assert done.returncode == 3, done.stdout + done.stderr
    gate = json.loads(done.stdout)["gate"]
    states = {one["item"]: one["state"] for one in gate["items"]}
    assert len(states) == 20
    assert [name for name, state in states.items() if state == "failed"] == ["tanh[size=20000]"]
    assert gate["sentence"].startswith("GATE FAILED: tanh")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_bisection_that_is_stopped_goes_on_and_finds_the_commit(dlprof, project: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    words = ("bisect", "--good", "HEAD~8", "--bad", "HEAD", *map(str, STEP))
    with start(*words, "-o", str(made), *SCRIPT, cwd=project) as process:
        wait_for(process, r"trial \d+: ")
        os.kill(process.pid, 15)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert f"dlprof bisect --resume {made}" in said
    other = dlprof(*words, "--resume", made, "--", sys.executable, "other.py", cwd=project)
    assert other.returncode == 2
    assert "its command is another one" in other.stderr
    done = dlprof(*words, "--resume", made, "--format", "json", *SCRIPT, cwd=project)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == json.loads((made / "bisect.json").read_text())
    (culprit,) = found["culprits"]
    labels = {one["name"]: one["label"].split(" ", 1)[1] for one in found["row"]}
    assert labels[culprit["revision"]] == "slower"
    assert 1.3 < culprit["neighbours"]["ratio"]["estimate"] < 1.7
    if found["skipped"]:
        assert [labels[name] for name in found["skipped"]] == ["change 4"]
        assert [labels[name] for name in culprit["between"]] == ["change 4"]
