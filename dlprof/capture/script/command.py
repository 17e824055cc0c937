"""A script's command line: from the user's words to what is started, and the variables that let dlprof into it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dlprof.errors import UsageError

INJECTED: Final = Path(__file__).parents[2] / "runner" / "inject"
"""The folder that is put on PYTHONPATH."""

TRIAL: Final = "DLPROF_TRIAL"
"""Variable that tells a script in which trial it runs."""

_ASSIGNMENT: Final = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)=(?P<value>.*)", re.DOTALL)
_PYTHON: Final = re.compile(r"python(\d(\.\d+)?)?")
_SHELL: Final = ("|", "||", "&&", "&", ";", ">", ">>", "<")


@dataclass(frozen=True, slots=True)
class Command:
    """A command as the user gives it.

    words: program and arguments
    variables: those that stand before it (`OMP_NUM_THREADS=1 python train.py`)
    python: the interpreter that takes the place of `python`; None as found on the PATH
    """

    words: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    python: Path | None = None

    @classmethod
    def of(cls, words: Sequence[str], python: Path | None = None) -> Command:
        """A command from its words. Raises `UsageError`."""
        rest, variables = list(words), {}
        while rest and (match := _ASSIGNMENT.fullmatch(rest[0])):
            variables[match["name"]] = match["value"]
            rest.pop(0)
        if not rest:
            raise UsageError("no command is named", hint="write it like python train.py --epochs 1")
        if python is not None:
            if not os.access(python, os.X_OK) or python.is_dir():
                raise UsageError(f"{python}: no program that can be run", hint="name a Python, such as venv/bin/python")
            if not _PYTHON.fullmatch(Path(rest[0]).name):
                raise UsageError(
                    f"{rest[0]} is not python, which another Python could take the place of",
                    hint="name the program of that environment in the command itself",
                )
        return cls(tuple(rest), variables, python.absolute() if python else None)

    @classmethod
    def parse(cls, text: str, python: Path | None = None) -> Command:
        """A command from one text, split as a shell splits words. Raises `UsageError`."""
        try:
            words = shlex.split(text)
        except ValueError as error:
            raise UsageError(f"not a command: {text!r}: {error}") from None
        if found := [word for word in words if word in _SHELL]:
            raise UsageError(
                f"{text!r}: {found[0]} needs a shell",
                hint=f"name the shell: bash -c {shlex.quote(text)}",
            )
        return cls.of(words, python)

    def __str__(self) -> str:
        named = [f"{name}={shlex.quote(value)}" for name, value in self.variables.items()]
        words = [shlex.quote(word) for word in self.words]
        if self.python is not None:
            words[0] = shlex.quote(
                os.path.relpath(self.python) if self.python.is_relative_to(Path.cwd()) else str(self.python)
            )
        return " ".join([*named, *words])

    def program(self, environment: Mapping[str, str], folder: Path) -> list[str]:
        """What is started: an absolute path and arguments. folder: where it runs, the working folder or a copy of it: a program
        named by a relative path is taken from the copy where it is there. Raises `UsageError` where there is none."""
        first = str(self.python) if self.python else self.words[0]
        places = [folder / first, Path.cwd() / first] if os.sep in first else [Path(first)]
        path = environment.get("PATH")
        found = next((place for one in places if (place := shutil.which(one, path=path))), None)
        if found is None:
            raise UsageError(f"{first}: no such program", hint="is its environment activated?")
        return [os.path.abspath(found), *self.words[1:]]  # noqa: PTH100  links stay: a venv's python is one


def variables(command: Command, socket: Path, *, step: str | None = None, trial: int | None = None) -> dict[str, str]:
    """All that the script's process gets: the user's variables, those of the command, and dlprof's own."""
    found = {**os.environ, **command.variables}
    before = found.get("PYTHONPATH")
    found["PYTHONPATH"] = os.pathsep.join([str(INJECTED), *([before] if before else [])])
    found["DLPROF_SOCKET"] = str(socket)
    if step is not None:
        found["DLPROF_STEP"] = step
    if trial is not None:
        found[TRIAL] = str(trial)
    if command.python is not None:
        found["PATH"] = os.pathsep.join([str(command.python.parent), found.get("PATH", os.defpath)])
    return found
