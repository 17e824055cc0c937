"""What to run and how: the checked options of one run, and those of a comparison."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

from dlprof import frameworks, workload
from dlprof.study import overlay
from dlprof.workload import Workload, with_functions

DEFAULT_BUDGET_S: Final = 300.0

Method = Literal["lockstep", "as-published"]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What to run and how, the same for both sides.

    timeout_s: for one child process
    changes: tables that a study lays over the workload (study.overlay)
    changed_name: what the workload is called where they make another network of it
    calls: a Python file with functions that the workload's calls name; only the command line says which
    """

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
    changes: Mapping[str, Any] = field(default_factory=dict)
    changed_name: str = ""
    calls: Path | None = None

    def resolve(self, framework: str, others: Iterable[str] = ()) -> Workload:
        """The workload as this framework runs it (a preset may differ by framework). Raises `UsageError`.

        others: frameworks of the other sides, whose calls of single operators the description then holds too: one description
        for all sides of a comparison.
        """
        settings = dict(self.settings)
        if self.epochs is not None:
            settings["epochs"] = str(self.epochs)
        found = workload.resolve(self.workload, preset=self.preset, settings=settings, framework=framework)
        found = frameworks.with_calls(found, (framework, *others))
        return with_functions(overlay.changed(found, self.changes, self.changed_name), self.calls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """How a comparison is made, whatever its sides are.

    budget_s: seconds for the trials, which end earlier once enough is known
    trials: exactly so many (fixed design); None = adaptive
    precision: go on until the interval is so narrow (0.02 = ±2 %); None = until there is a verdict
    margin: differences within it are negligible
    traces: trials that end with a traced window; None = all
    gate: the slow-down of B that is allowed; None = none is checked
    limits: what the gate judges beside the timed items, by name (names.PEAK_MEMORY …) → how much more of it is allowed
    output: the directory to be made; None = a dated one
    allow: kinds of differences in the work that do not forbid a verdict (analysis.same_work)
    resume: the comparison directory to go on with (api.compare.resume)
    time_s: time for the trials of this sitting where it is not budget_s, which then stays that of the first one: the rounds
        and the number of items were chosen by it
    """

    budget_s: float
    trials: int | None
    precision: float | None
    margin: float
    traces: int | None
    gate: float | None
    output: Path | None
    allow: tuple[str, ...] = ()
    resume: Path | None = None
    time_s: float | None = None
    limits: dict[str, float] = field(default_factory=dict)

    @property
    def sides(self) -> tuple[str, ...]:
        """All sides as they were named."""
        raise NotImplementedError

    @property
    def random_seed(self) -> int:
        """Of all that is random in it."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareOptions(Design):
    """What `dlprof compare WORKLOAD` was asked for.

    method: lockstep, or the way the original study measured (api.published), which is unsound
    reasons: ask oneDNN for its implementations, in a short run a side (api.compare.onednn)
    epoch_capture: record one more run a side, of whole epochs, for viewing
    more: sides beyond A and B, for a comparison of several at once
    """

    run: RunOptions
    a: str
    b: str
    method: Method = "lockstep"
    reasons: bool = True
    epoch_capture: bool = False
    more: tuple[str, ...] = ()

    @property
    def sides(self) -> tuple[str, ...]:
        return (self.a, self.b, *self.more)

    @property
    def random_seed(self) -> int:
        return self.run.seed

    def absolute(self) -> CompareOptions:
        """With absolute paths, so that they mean the same wherever a later session is started."""
        run = self.run
        workload = str(Path(run.workload).absolute()) if run.workload.endswith(".toml") else run.workload
        python, data, calls = (None if one is None else one.absolute() for one in (run.python, run.data, run.calls))
        return replace(self, run=replace(run, workload=workload, python=python, data=data, calls=calls))
