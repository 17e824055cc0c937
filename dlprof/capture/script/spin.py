"""Threads that wait for work by spinning: whether they do is set alike on both sides of a comparison."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from dlprof.capture.script.command import Command

OFF: Final[Mapping[str, str]] = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}
"""What makes the threads of GNU's, LLVM's and Intel's OpenMP sleep as soon as they have nothing to do. By default they spin, each
of them by a time of its own, which takes the cores from whatever else runs: loaders, the other threads of the same process."""


def settings(commands: Mapping[str, Command], wanted: str) -> dict[str, str]:
    """The variables that both sides get beside their own. commands: by side; wanted: off | keep. Where the user sets any of them,
    in the shell or for one side, that is the question or its condition, and none is added."""
    return dict(OFF) if wanted == "off" and not _by_user(commands) else {}


def statement(commands: Mapping[str, Command], wanted: str) -> str:
    """How waiting threads behave, for the report."""
    names = ", ".join(f"{name}={value}" for name, value in OFF.items())
    if settings(commands, wanted):
        return f"OpenMP threads that wait sleep at once on both sides ({names}; --spin keep leaves them as they are)"
    if wanted == "keep":
        return "OpenMP threads that wait spin as each side's library does by default (--spin keep)"
    return f"OpenMP threads that wait spin as you set it: {', '.join(_by_user(commands))}; dlprof sets nothing"


def _by_user(commands: Mapping[str, Command]) -> list[str]:
    """What the shell or a command sets, in words."""
    shell = [f"{name}={os.environ[name]} on both sides" for name in OFF if name in os.environ]
    return shell + [
        f"{name}={command.variables[name]} on side {side.upper()}"
        for side, command in commands.items()
        for name in OFF
        if name in command.variables
    ]
