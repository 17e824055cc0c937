"""What a comparison of two scripts was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dlprof.api.options import CompareOptions, RunOptions
from dlprof.capture.script.command import Command
from dlprof.workload import Workload


@dataclass(frozen=True, slots=True)
class ScriptCompare:
    """Two commands, and how they are compared.

    step: module:function that is one step, of both; None = found
    links: what of the working folder is only read, and so linked into the trials' scratch copies instead of copied
    in_place: trials run in the working folder itself
    The rest is as of api.options.CompareOptions.
    """

    a: Command
    b: Command
    budget_s: float
    trials: int | None
    precision: float | None
    margin: float
    traces: int | None
    gate: float | None
    output: Path | None
    allow: tuple[str, ...] = ()
    step: str | None = None
    links: tuple[Path, ...] = ()
    in_place: bool = False
    seed: int = 0
    timeout_s: float = 1800.0
    resume: Path | None = None
    time_s: float | None = None

    @property
    def commands(self) -> dict[str, Command]:
        """By side."""
        return {"a": self.a, "b": self.b}

    def paced(self) -> CompareOptions:
        """The same for what paces trials (api.compare.plan)."""
        run = RunOptions(
            workload="script",
            preset=None,
            settings={},
            epochs=None,
            device="cpu",
            mode=None,
            seed=self.seed,
            python=None,
            data=None,
            threads=None,
            max_steps=None,
            timeout_s=self.timeout_s,
        )
        return CompareOptions(
            run=run,
            a=str(self.a),
            b=str(self.b),
            budget_s=self.budget_s,
            trials=self.trials,
            precision=self.precision,
            margin=self.margin,
            traces=self.traces,
            gate=self.gate,
            output=self.output,
            time_s=self.time_s,
        )


def workload_of(name: str) -> Workload:
    """A script's work as far as dlprof knows it beforehand: its name."""
    return Workload(
        name=name, kind="network", title=name, description={"name": name}, settings={}, presets=(), preset=""
    )
