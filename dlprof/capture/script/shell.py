"""What of the shell, and of the variables before a command, can change how a script runs. A script gets all of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from dlprof import files
from dlprof.capture.machine.command_words import HIDDEN, blotted, is_secret
from dlprof.capture.script.command import Command
from dlprof.capture.workers import launch_env
from dlprof.errors import UsageError
from dlprof.plugin import ThreadVariables

_WHERE: Final = ("HOME", "PATH", "CUDA_VISIBLE_DEVICES", *launch_env.SETTINGS)
"""Where things are found, and on which GPU a script runs: worth a word where the sides have other ones."""

_KERAS: Final[Mapping[str, object]] = {
    "floatx": "float32",
    "epsilon": 1e-07,
    "image_data_format": "channels_last",
    "backend": "tensorflow",
    "nnx_enabled": False,
}
"""What Keras writes into its file of settings where there is none."""


def variables(command: Command, readers: Iterable[ThreadVariables]) -> dict[str, str]:
    """What can change how the command runs, by name. readers: what any framework reads."""
    found = launch_env.changing(command.environment(), readers)
    return {name: HIDDEN if is_secret(name) else blotted([value])[0] for name, value in found.items()}


def stated(command: Command, readers: Iterable[ThreadVariables]) -> str:
    """The same as a manifest keeps it."""
    return " ".join(f"{name}={value}" for name, value in variables(command, readers).items())


def disclosures(commands: Mapping[str, Command], readers: Iterable[ThreadVariables]) -> Iterator[str]:
    """What a reader of a comparison must know of its sides' variables, a sentence each: first where the two differ.

    commands: side, as people call it → its command
    """
    readers = tuple(readers)
    (a, left), (b, right) = ((side, _told(command, readers)) for side, command in commands.items())
    for name in sorted(left.keys() | right.keys()):
        if left.get(name) != right.get(name):
            yield f"{name} is {_shown(left.get(name))} on {a} and {_shown(right.get(name))} on {b}"
    same = [f"{name}={value}" for name, value in left.items() if right.get(name) == value and name not in _WHERE]
    if same:
        yield f"set in this shell, and can change both sides, which get all of it: {', '.join(same)}"


def _shown(value: str | None) -> str:
    return "not set" if value is None else value or "empty"


def _told(command: Command, readers: Iterable[ThreadVariables]) -> dict[str, str]:
    environ = command.environment()
    where: dict[str, str] = {name: environ[name] for name in _WHERE if name in environ}
    settings = {f"{name} in keras.json": value for name, value in _keras(environ).items()}
    return {**where, **variables(command, readers), **settings}


def _keras(environ: Mapping[str, str]) -> dict[str, str]:
    """What Keras' file of settings sets otherwise than Keras does by itself; nothing of a file that cannot be read."""
    folder = environ.get("KERAS_HOME") or Path(environ.get("HOME", "~"), ".keras")
    try:
        found: Any = json.loads(files.read_text(Path(folder).expanduser() / "keras.json"))
    except (OSError, ValueError, RuntimeError, RecursionError, UsageError):
        return {}
    held = found if isinstance(found, dict) else {}
    return {str(name): str(value)[:80] for name, value in held.items() if _KERAS.get(name) != value}
