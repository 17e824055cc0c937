"""What to run and how: the checked options of one run, and those of a comparison."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from dlprof import workload
from dlprof.workload import Workload

DEFAULT_BUDGET_S: Final = 300.0
DEFAULT_SIDES: Final = ("tf", "mxnet")

Method = Literal["lockstep", "as-published"]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What to run and how, the same for both sides. timeout_s: for one child process."""

    workload: str
    preset: str | None
    settings: dict[str, str]
    epochs: int | None
    device: str
    mode: str | None
    seed: int
    python: Path | None
    data: Path | None
    threads: int | None
    max_steps: int | None
    timeout_s: float

    def resolve(self, framework: str) -> Workload:
        """The workload as this framework runs it (a preset may differ by framework). Raises `UsageError`."""
        settings = dict(self.settings)
        if self.epochs is not None:
            settings["epochs"] = str(self.epochs)
        return workload.resolve(self.workload, preset=self.preset, settings=settings, framework=framework)


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """What `dlprof compare` was asked for. trials: exactly so many (fixed design), else adaptive within budget_s.

    allow: kinds of parity differences that do not forbid a verdict (api.equal_work.kinds). method: lockstep, or the way
    the original study measured (api.published), which is unsound. reasons: ask oneDNN in a short run a side (api.reasons).
    """

    run: RunOptions
    a: str
    b: str
    budget_s: float
    trials: int | None
    precision: float | None
    margin: float
    traces: int
    gate: float | None
    output: Path | None
    allow: tuple[str, ...] = ()
    method: Method = "lockstep"
    reasons: bool = True
