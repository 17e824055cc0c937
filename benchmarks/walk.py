"""How straight a command walks through the package: which module calls which, and how many of those calls climb or come back.

    python3 benchmarks/walk.py CHECKOUT -- compare tiny.toml --a np:plain --b np:thrice --trials 1 --traces 0

runs that command of the checkout (a folder with `dlprof/` and `pyproject.toml`) in this process and prints, as JSON:

    modules     that ran a function on the way
    calls       pairs of modules of which one called the other, each counted once
    climbs      those of them whose called module stands higher on the staircase of the checkout's pyproject.toml than its caller:
                a room of above is asked from below, through what was handed down
    returns     those of them whose called module had its first turn before its caller had: the walk comes back to where it was
    climbing, returning  the pairs themselves

A call counts between the nearest two functions of the package, whatever lies between them; what runs while modules are imported,
and other processes, do not count.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import tomllib
from pathlib import Path
from types import CodeType, FrameType
from typing import Any


class Walk:
    """Records who calls whom, as a profiler of `sys.setprofile`."""

    def __init__(self, package: Path) -> None:
        self._root = str(package) + "/"
        self._seen: set[tuple[CodeType, CodeType]] = set()
        self.order: list[str] = []
        self.calls: dict[tuple[str, str], None] = {}

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        if event != "call" or not self._ours(frame):
            return
        caller = frame.f_back
        while caller is not None and not self._ours(caller):
            caller = caller.f_back
        pair = (caller.f_code if caller else frame.f_code, frame.f_code)
        if pair in self._seen:
            return
        if _importing(frame):
            return
        self._seen.add(pair)
        here = self._module(frame)
        if here not in self.order:
            self.order.append(here)
        if caller is not None and (there := self._module(caller)) != here:
            self.calls[there, here] = None

    def _ours(self, frame: FrameType) -> bool:
        return frame.f_code.co_filename.startswith(self._root)

    def _module(self, frame: FrameType) -> str:
        return frame.f_code.co_filename.removeprefix(self._root).removesuffix(".py").removesuffix("/__init__")


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def heights(pyproject: Path) -> dict[str, int]:
    """How high each room of the corridor stands: 0 the lowest."""
    contracts = tomllib.loads(pyproject.read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    layers = reversed(contracts[0]["layers"])
    return {room.strip(): height for height, layer in enumerate(layers) for room in layer.split("|")}


def counted(walk: Walk, height: dict[str, int]) -> dict[str, Any]:
    """The figures of a walk."""
    turn = {module: number for number, module in enumerate(walk.order)}
    above = [pair for pair in walk.calls if height.get(_room(pair[1]), -1) > height.get(_room(pair[0]), 99)]
    back = [pair for pair in walk.calls if turn[pair[1]] < turn[pair[0]]]
    return {
        "modules": len(walk.order),
        "calls": len(walk.calls),
        "climbs": len(above),
        "returns": len(back),
        "climbing": [" → ".join(pair) for pair in above],
        "returning": [" → ".join(pair) for pair in back],
    }


def _room(module: str) -> str:
    return module.partition("/")[0]


def main() -> int:
    if len(sys.argv) < 4 or sys.argv[2] != "--":
        print(__doc__, file=sys.stderr)
        return 2
    checkout = Path(sys.argv[1]).resolve()
    sys.path.insert(0, str(checkout))
    from dlprof.cli.main import main as command

    walk = Walk(checkout / "dlprof")
    threading.setprofile(walk)
    sys.setprofile(walk)
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what the command prints is no part of the answer
            command(sys.argv[3:])
    except SystemExit as ended:
        print(f"the command ended with {ended.code}", file=sys.stderr)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
    print(json.dumps(counted(walk, heights(checkout / "pyproject.toml")), indent=1, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
