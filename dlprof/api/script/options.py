"""What a comparison of two scripts was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dlprof.api.options import Design
from dlprof.capture.script.command import Command
from dlprof.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptCompare(Design):
    """Two commands, and how they are compared.

    step: module:function that is one step, of both; None = found
    links: what of the working folder is only read, and so linked into the trials' scratch copies instead of copied
    in_place: trials run in the working folder itself
    run_out: each trial lets both scripts run on to their own end
    spin: off: threads of OpenMP that wait sleep at once, on both sides alike; keep: as they do without dlprof
    interleaved: the sides are alive one after the other; else only where they cannot be alive together
    timeout_s: for one process
    calibration: an earlier comparison of the script, whose spread says beforehand what a gate can show
    overlays: folder in which environments with further packages are kept for the next comparison; None: each makes its own
    """

    a: Command
    b: Command
    step: str | None = None
    links: tuple[Path, ...] = ()
    in_place: bool = False
    run_out: bool = False
    interleaved: bool = False
    spin: Literal["off", "keep"] = "off"
    seed: int = 0
    timeout_s: float = 1800.0
    overlays: Path | None = None
    calibration: Path | None = None

    @property
    def commands(self) -> dict[str, Command]:
        """By side."""
        return {"a": self.a, "b": self.b}

    @property
    def sides(self) -> tuple[str, ...]:
        return (str(self.a), str(self.b))

    @property
    def random_seed(self) -> int:
        return self.seed


def workload_of(name: str) -> Workload:
    """A script's work as far as dlprof knows it beforehand: its name."""
    return Workload(
        name=name, kind="network", title=name, description={"name": name}, settings={}, presets=(), preset=""
    )
