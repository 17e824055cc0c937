"""What to run and how: the checked options that one run, or both sides of a comparison, share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dlprof import workload
from dlprof.workload import Workload


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
