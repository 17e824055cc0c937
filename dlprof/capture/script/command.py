"""A script's command line: from the user's words to what is started, and the variables that let dlprof into it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from dlprof.capture.machine.command_words import HIDDEN, blotted, is_secret
from dlprof.errors import UsageError

INJECTED: Final = Path(__file__).parents[2] / "runner" / "inject"
"""The folder that is put on PYTHONPATH."""

SOCKET: Final = "DLPROF_SOCKET"
"""Variable that tells a script's processes where they report: no two runs have the same."""

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
    python: the interpreter that takes the place of the one on the PATH; None = that one
    revision: of the repository that holds the working folder, whose files are run; None = the working folder's own
    packages: requirements that are installed beside its environment (`jax==0.9.0`)
    """

    words: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    python: Path | None = None
    revision: str | None = None
    packages: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, words: Sequence[str], python: Path | None = None, revision: str | None = None, packages: Sequence[str] = ()
    ) -> Command:
        """A command from its words. Raises `UsageError`."""
        rest, variables = list(words), {}
        while rest and (match := _ASSIGNMENT.fullmatch(rest[0])):
            variables[match["name"]] = match["value"]
            rest.pop(0)
        if not rest:
            raise UsageError("no command is named", hint="write it like python train.py --epochs 1")
        if python is not None and (not os.access(python, os.X_OK) or python.is_dir()):
            raise UsageError(f"{python}: no program that can be run", hint="name a Python, such as venv/bin/python")
        return cls(tuple(rest), variables, python.absolute() if python else None, revision, tuple(packages))

    @classmethod
    def parse(
        cls, text: str, python: Path | None = None, revision: str | None = None, packages: Sequence[str] = ()
    ) -> Command:
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
        return cls.of(words, python, revision, packages)

    @property
    def is_python(self) -> bool:
        """Whether its program is `python` itself."""
        return bool(self.words) and _PYTHON.fullmatch(Path(self.words[0]).name) is not None

    @property
    def told(self) -> Command:
        """As results state it, which others may read: the values of what looks secret are blotted."""
        return replace(
            self,
            words=tuple(blotted(self.words)),
            variables={
                name: HIDDEN if is_secret(name) else blotted([value])[0] for name, value in self.variables.items()
            },
            packages=tuple(blotted(self.packages)),
        )

    def __str__(self) -> str:
        """As a person would type it but for secrets, and then in brackets what this cannot say."""
        told = self.told
        named = [f"{name}={shlex.quote(value)}" for name, value in told.variables.items()]
        words, beside = [shlex.quote(word) for word in told.words], []
        if self.python is not None:
            near = os.path.relpath(self.python) if self.python.is_relative_to(Path.cwd()) else str(self.python)
            if self.is_python:
                words[0] = shlex.quote(near)
            else:
                beside.append(f"python {near}")
        beside += [f"revision {self.revision}"] if self.revision else []
        beside += [f"with {' '.join(told.packages)}"] if told.packages else []
        return " ".join([*named, *words, *([f"({', '.join(beside)})"] if beside else [])])

    def environment(self) -> dict[str, str]:
        """The variables of its process: the shell's and its own, but for dlprof's and those that another Python brings."""
        found = {**os.environ, **self.variables}
        if self.python is not None:
            found.pop("PYTHONHOME", None)
        return found

    def interpreter(self) -> Path:
        """The Python whose environment it uses. Raises `UsageError` where only the command itself can know it."""
        if self.python is not None:
            return self.python
        found = shutil.which(self.words[0], path=self.environment().get("PATH")) if self.is_python else None
        if found is None:
            raise UsageError(
                f"{self.words[0]}: the environment to which packages are to be added is not known",
                hint="name its Python with --a-python or --b-python",
            )
        return Path(found).absolute()

    def program(self, environment: Mapping[str, str], folder: Path) -> list[str]:
        """What is started: an absolute path and arguments. folder: where it runs, the working folder or a copy of it: a program
        named by a relative path is taken from the copy where it is there. Raises `UsageError` where there is none."""
        first = str(self.python) if self.python and self.is_python else self.words[0]
        places = [folder / first, Path.cwd() / first] if os.sep in first else [Path(first)]
        if self.revision is not None and not (Path.cwd() / first).parents[1].joinpath("pyvenv.cfg").is_file():
            places = places[:1]  # an environment is no part of a revision; another program is, or is not there
        path = environment.get("PATH")
        found = next((place for one in places if (place := shutil.which(one, path=path))), None)
        if found is None:
            raise UsageError(f"{first}: no such program", hint="is its environment activated?")
        return [os.path.abspath(found), *self.words[1:]]  # noqa: PTH100  links stay: a venv's python is one


def variables(
    command: Command,
    socket: Path,
    *,
    step: str | None = None,
    trial: int | None = None,
    origin: Path | None = None,
    sources: Sequence[Path] = (),
    linked: Sequence[Path] = (),
) -> dict[str, str]:
    """All that the script's process gets: the user's variables, those of the command, and dlprof's own.

    socket: in a folder of dlprof's own, into which `python` is put where another is to take its place
    origin: the repository of whose revision the files are: what is imported from there instead, and is not linked, is told
    sources: folders of the script's own code: what is imported as it was installed, and is otherwise there, is told
    """
    found = command.environment()
    if command.python is not None:
        _take_place(command.python, found, socket.parent / "bin")
    before = found.get("PYTHONPATH")
    found["PYTHONPATH"] = os.pathsep.join([str(INJECTED), *([before] if before else [])])
    found[SOCKET] = str(socket)
    if step is not None:
        found["DLPROF_STEP"] = step
    if trial is not None:
        found[TRIAL] = str(trial)
    if origin is not None:
        found["DLPROF_ORIGIN"] = str(origin)
        found["DLPROF_LINKED"] = os.pathsep.join(os.path.abspath(one) for one in linked)  # noqa: PTH100  links stay
    if sources:
        found["DLPROF_SOURCES"] = os.pathsep.join(map(str, sources))
    return found


def _take_place(python: Path, found: dict[str, str], folder: Path) -> None:
    """Make `python` what is found as `python` and `python3`, and its folder's programs those that are found first, as an
    activated environment does. A link would not do: a Python finds its environment by the path that it is started by."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("python", "python3"):
        place = folder / name
        place.write_text(f'#!/bin/sh\nexec {shlex.quote(str(python))} "$@"\n')
        place.chmod(0o755)
    found["PATH"] = os.pathsep.join([str(folder), str(python.parent), found.get("PATH", os.defpath)])
    found.pop("VIRTUAL_ENV", None)
    if (python.parents[1] / "pyvenv.cfg").is_file():
        found["VIRTUAL_ENV"] = str(python.parents[1])


def same_environment(executable: str, python: Path) -> bool:
    """Whether a process that says it is `executable` runs in the environment of `python`, which may have several names there."""
    if Path(executable).parent.absolute() == python.parent.absolute():
        return True
    of_venv = any((one.parents[1] / "pyvenv.cfg").is_file() for one in (Path(executable), python))
    return not of_venv and Path(executable).resolve() == python.resolve()
