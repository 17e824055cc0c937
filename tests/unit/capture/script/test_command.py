"""A script's command line: words, variables before it, another Python, and what its process is given."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dlprof.capture.script.command import INJECTED, Command, same_environment, variables
from dlprof.errors import UsageError


def test_variables_before_the_program_are_variables() -> None:
    command = Command.parse("OMP_NUM_THREADS=1 MODE='a b' python train.py --lr=0.1")
    assert command.variables == {"OMP_NUM_THREADS": "1", "MODE": "a b"}
    assert command.words == ("python", "train.py", "--lr=0.1")


@pytest.mark.parametrize("text", ["", "A=1", "python a.py && python b.py", "python a.py | tee log", "python 'a.py"])
def test_what_is_no_command_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(UsageError):
        Command.parse(text)


def test_a_command_reads_back_as_it_was_given() -> None:
    command = Command.parse("A=1 python train.py 'two words'")
    assert Command.parse(str(command)) == command


def test_another_python_takes_the_place_of_python() -> None:
    python = Path(sys.executable)
    assert Command.parse("python3 train.py", python).program(dict(os.environ), Path.cwd())[0] == str(python)
    with pytest.raises(UsageError, match="no program"):
        Command.parse("python train.py", Path("nowhere/python"))


def test_another_python_is_what_a_shell_script_finds_as_python(tmp_path: Path) -> None:
    made = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", made], check=True)
    command = Command.parse(
        "sh -c 'python -c \"import sys; print(sys.prefix)\"; echo $VIRTUAL_ENV'", made / "bin" / "python"
    )
    environment = variables(command, tmp_path / "control" / "steps")
    program = command.program(environment, tmp_path)
    assert program[1:] == list(command.words[1:])
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(made), str(made)]


def test_what_a_command_line_cannot_say_stands_in_brackets_behind_it() -> None:
    command = Command.parse("python train.py", revision="main", packages=["jax==0.9.0"])
    assert str(command) == "python train.py (revision main, with jax==0.9.0)"


def test_an_environment_is_told_by_its_folder_and_not_by_the_name_of_its_python(tmp_path: Path) -> None:
    made = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", made], check=True)
    assert same_environment(str(made / "bin" / "python3"), made / "bin" / "python")
    assert not same_environment(sys.executable, made / "bin" / "python")


def test_a_program_named_by_a_relative_path_comes_from_the_copy_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, copy = tmp_path / "here", tmp_path / "copy"
    for folder in (here, copy):
        folder.mkdir()
        (folder / "run.sh").write_text("#!/bin/sh\n")
        (folder / "run.sh").chmod(0o755)
    (here / "other.sh").symlink_to(here / "run.sh")
    monkeypatch.chdir(here)
    assert Command.parse("./run.sh").program({}, copy) == [str(copy / "run.sh")]
    assert Command.parse("./other.sh").program({}, copy) == [str(here / "other.sh")]
    with pytest.raises(UsageError, match="no such program"):
        Command.parse("./gone.sh").program({}, copy)


def test_the_process_gets_the_users_variables_its_own_and_the_way_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "mine")
    monkeypatch.setenv("KEPT", "yes")
    found = variables(Command.parse("LR=1 python t.py"), tmp_path / "s", step="m:f", trial=3)
    assert found["PYTHONPATH"] == f"{INJECTED}{os.pathsep}mine"
    assert (found["KEPT"], found["LR"], found["DLPROF_SOCKET"]) == ("yes", "1", str(tmp_path / "s"))
    assert (found["DLPROF_STEP"], found["DLPROF_TRIAL"]) == ("m:f", "3")
