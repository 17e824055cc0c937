"""Two programs of the user's own in lockstep, of plain Python: no framework is needed to say which step is faster."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from dlprof.cli.main import main

PROGRAM = """
import os, sys, time
pause = float(sys.argv[1]) / 1000
def step():
    time.sleep(pause)
try:
    for n in range(int(sys.argv[2])):
        step()
        if sys.argv[3:] == ["crash"] and n == 60:
            raise ValueError("planted")
finally:
    with open("checkpoint", "w") as file:
        file.write(os.environ.get("DLPROF_TRIAL", "none"))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "program.py").write_text(PROGRAM)
    (tmp_path / "project" / "checkpoint").write_text("precious")
    return tmp_path / "project"


def _words(milliseconds: float, steps: int = 10**6, *more: str) -> str:
    return " ".join([sys.executable, "program.py", str(milliseconds), str(steps), *more])


def _compared(dlprof, folder: Path, a: str, b: str, *more: object):
    return dlprof("compare", "--a", a, "--b", b, "--step", "__main__:step", "--traces", 0, "--format", "json",
                  "-o", folder.parent / "made", *more, cwd=folder)  # fmt: skip


def test_a_slower_step_is_seen_by_about_its_size_and_the_working_folder_is_untouched(
    dlprof, here, folder: Path
) -> None:
    done = _compared(dlprof, folder, _words(4), _words(6), "--trials", 1)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert 1.3 < found["ratio"]["estimate"] < 1.7
    assert (folder / "checkpoint").read_text() == "precious"
    verified = here("verify", folder.parent / "made")
    assert verified.returncode == 0, verified.stdout + verified.stderr


@pytest.mark.slow
def test_a_slower_step_gets_its_verdict(dlprof, folder: Path) -> None:
    done = _compared(dlprof, folder, _words(4), _words(6), "--trials", 6)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdict"] == "slower"


def test_a_script_that_fails_in_its_first_trial_says_what_it_said_last(dlprof, folder: Path) -> None:
    done = _compared(dlprof, folder, _words(1), _words(1, 10**6, "crash"), "--trials", 1)
    assert done.returncode == 1
    assert "ValueError: planted" in done.stderr
    assert "exit code 1" in done.stderr


def test_a_script_without_any_framework_that_fails_says_so_and_what_was_looked_for(dlprof, folder: Path) -> None:
    words = "python -c 'import sys; sys.exit(4)'"
    done = dlprof("compare", "--a", words, "--b", words, "--trials", 1, cwd=folder)
    assert done.returncode == 1
    assert "(exit code 4)" in done.stderr
    assert "none of these frameworks was imported" in done.stderr


def test_a_script_that_is_too_short_for_a_trial_says_how_many_steps_it_took(dlprof, folder: Path) -> None:
    done = _compared(dlprof, folder, _words(1), _words(1, 40), "--trials", 1)
    assert done.returncode == 1
    assert "ended before its trial was over" in done.stderr
    assert "let it run for more" in done.stderr


def test_a_function_that_is_never_called_is_no_step(dlprof, folder: Path) -> None:
    done = dlprof(
        "compare", "--a", _words(1, 5), "--b", _words(1, 5), "--step", "__main__:other", "--trials", 1, cwd=folder
    )
    assert done.returncode == 1
    assert "no training step was seen; looked for calls of __main__:other, which is not there" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("compare", "--a", "python x.py", "--b", "python x.py | tee log"),
        ("compare", "--a", "python x.py", "--b", "python y.py", "--allow", "gradients"),
        ("capture", "lenet", "--", "python", "x.py"),
        ("capture", "--steps", "9..3", "--", "python", "x.py"),
        ("capture", "--steps", "3..9", "--after", "3s", "--", "python", "x.py"),
        ("capture", "--"),
        ("capture", "lenet"),
        ("capture",),
    ],
)
def test_options_that_cannot_be_are_told_before_anything_runs(words: tuple[str, ...], capsys) -> None:
    assert main(words) == 2
    assert "hint: " in capsys.readouterr().err


def test_a_program_without_any_step_is_run_and_the_error_says_what_was_looked_for(dlprof, tmp_path: Path) -> None:
    done = dlprof("capture", "-o", tmp_path / "made", "--", sys.executable, "-c", "print('hello')")
    assert done.returncode == 1
    assert done.stdout == "hello\n"
    assert "none of these frameworks was imported" in done.stderr
    assert "looked for: an optimizer of PyTorch, a jitted function of JAX" in done.stderr
    assert not (tmp_path / "made").exists()
    failing = dlprof("capture", "-o", tmp_path / "made", "--", sys.executable, "-c", "raise SystemExit(9)")
    assert failing.returncode == 9


@pytest.mark.slow
def test_scripts_that_are_let_run_out_do_all_that_they_do_at_their_end(dlprof, folder: Path) -> None:
    (folder / "last.py").write_text(
        "import os, time\ndef step():\n    time.sleep(0.004)\nfor n in range(2000):\n    step()\n"
        "open(os.environ['LEFT'] + os.environ['DLPROF_TRIAL'], 'a').write('x')\n"
    )
    command = f"LEFT={folder.parent / 'left-'} {sys.executable} last.py"
    done = _compared(dlprof, folder, command, command, "--trials", 1, "--finish", "run")
    assert done.returncode == 0, done.stderr
    assert (folder.parent / "left-0").read_text() == "xx"
