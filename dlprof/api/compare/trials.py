"""The trials of workloads on frameworks: their workers, the checks of their work, their traced windows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from dlprof.api.compare.prepare import Prepared
from dlprof.api.compare.work_checks import WorkChecks
from dlprof.api.lockstep.measured import Measured
from dlprof.api.lockstep.plan import enough_of
from dlprof.api.lockstep.trials import Kind
from dlprof.api.options import CompareOptions
from dlprof.api.record import keep_window
from dlprof.capture.workers.trial import Plan, Trial
from dlprof.capture.workers.window import TracedSide, WindowPlan
from dlprof.capture.workers.worker import Worker
from dlprof.names import trial_folder
from dlprof.protocol import Inputs
from dlprof.store import Capture
from dlprof.workload import Workload

WINDOW_S: Final = 1.5
"""Seconds that the marked steps of a window may take on each side."""

STEPS: Final = 40
"""Marked steps of a network's window a side at most."""

CALLS: Final = 48
"""Calls of an op that a side's window shows at most: TensorFlow's profiler leaves out cheap kernels of functions that have
been called more often than 64 times."""


@dataclass(slots=True)
class WorkloadTrials(Kind):
    """Of a comparison of workloads on frameworks."""

    prepared: Prepared
    measured: Measured
    checks: WorkChecks = field(init=False)
    _inputs: Mapping[str, Inputs] = field(default_factory=dict)

    def __post_init__(self) -> None:
        prepared, first = self.prepared, len(self.measured.trials)
        self.checks = WorkChecks(prepared.options, prepared.bench, prepared.workloads, self.measured, first)

    @property
    def sides(self) -> Sequence[str]:
        return tuple(self.prepared.sides)

    def prepare(self) -> None:
        """Environments and inputs."""
        bench = self.prepared.bench
        for side in self.prepared.sides.values():
            bench.environment(side)
        self._inputs = {name: bench.inputs(workload, 1) for name, workload in self.prepared.workloads.items()}

    def plan(self) -> Plan:
        prepared = self.prepared
        window = window_plan(prepared.options, prepared.workloads["a"])
        return replace(prepared.pacing.plan(), window=window, sides=tuple(prepared.sides))

    def worker(self, side: str, number: int) -> Worker:
        prepared = self.prepared
        spec, bench = prepared.sides[side], prepared.bench
        request = bench.request(spec, prepared.workloads[side], self._inputs[side], task="serve")
        control = bench.scratch / trial_folder(number, side)
        return Worker(bench.environment(spec), request, control, prepared.options.run.timeout_s)

    def warm(self, walls_ns: Sequence[int]) -> bool:
        return enough_of(self.prepared.workloads["a"])(walls_ns)

    def ready(self, number: int, workers: Mapping[str, Any]) -> Collection[str]:
        return self.checks.before(number, workers)

    def timed(self, number: int, workers: Mapping[str, Any]) -> Collection[str]:
        return self.checks.after(number, workers)

    def traced(self, number: int, workers: Mapping[str, Any]) -> Collection[str]:
        return self.checks.after(number, workers, brief=True)

    def finished(self, trial: Trial) -> None:
        """Whether its times can be, and its warnings."""
        self.checks.times(trial)
        for warning in _folded(trial):
            self.prepared.bench.warn(warning)

    def keep(self, side: str, trial: Trial, traced: TracedSide, target: Path) -> Capture:
        prepared = self.prepared
        return keep_window(
            prepared.bench,
            prepared.sides[side],
            prepared.workloads[side],
            traced,
            ready=trial.ready[side],
            trial=trial.number,
            target=target,
        )


def window_plan(options: CompareOptions, workload: Workload) -> WindowPlan | None:
    """The traced window of each trial; None where no trace is wanted.

    Of a network that trains, synchronised steps: what `train_step_sync` times. Of an op workload, calls of every timed item.
    """
    if options.traces == 0:
        return None
    most = options.run.max_steps or CALLS
    seconds = len(options.sides) * WINDOW_S
    if workload.kind == "op":
        return WindowPlan(options.traces, seconds, min(most, CALLS))
    return WindowPlan(options.traces, seconds, min(most, STEPS), items=lambda timed: timed[-1:])


def _folded(trial: Trial, most: int = 4) -> Sequence[str]:
    """The trial's warnings; of hundreds of items that were not steady, how many."""
    if len(trial.not_warm) <= most:
        return trial.warnings
    other = [text for text in trial.warnings if "was not steady" not in text]
    return [*other, f"trial {trial.number}: {len(trial.not_warm)} items were not steady after their warm-up"]
