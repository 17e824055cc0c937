"""The trials of a comparison: all sides' workers in lockstep, the checks of their work, the window that ends each trial."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from dlprof import stats
from dlprof.analysis.timing import lockstep
from dlprof.api.compare import pairs
from dlprof.api.compare.evidence import trial_of
from dlprof.api.compare.measured import Measured
from dlprof.api.compare.plan import Ratios, enough_of
from dlprof.api.compare.prepare import Prepared
from dlprof.api.compare.work_checks import WorkChecks
from dlprof.api.import_traces import now
from dlprof.api.options import CompareOptions
from dlprof.api.record import keep_window
from dlprof.capture.workers.schedule import Trial, run_trials
from dlprof.capture.workers.window import LEAST, WindowPlan
from dlprof.capture.workers.worker import Worker
from dlprof.manifest import Session
from dlprof.names import EXACT, CaptureName, Pair, pairs_of, trial_folder
from dlprof.protocol import Inputs
from dlprof.store import CaptureWriter
from dlprof.workload import Workload

WINDOW_S: Final = 1.5
"""Seconds that the marked steps of a window may take on each side."""

STEPS: Final = 40
"""Marked steps of a network's window a side at most."""

CALLS: Final = 48
"""Calls of an op that a side's window shows at most: TensorFlow's profiler leaves out cheap kernels of functions that have
been called more often than 64 times."""


@dataclass(slots=True)
class Trials:
    """Runs the trials of one sitting; what they find goes to `measured`, and to disk by `checkpoint` after each of them.

    writer: of the comparison's directory, in which the traced windows come to lie.
    first: number of the sitting's first trial; those before it are of earlier sittings.
    """

    prepared: Prepared
    measured: Measured
    writer: CaptureWriter
    checkpoint: Callable[[], None]
    first: int = field(init=False)
    checks: WorkChecks = field(init=False)

    def __post_init__(self) -> None:
        self.first = len(self.measured.trials)
        prepared = self.prepared
        self.checks = WorkChecks(prepared.options, prepared.bench, prepared.workloads, self.measured, self.first)

    def run(self) -> bool:
        """Trials until enough is known; False where the user stopped them. Raises `NotComparable` and what workers raise."""
        prepared, measured, pacing = self.prepared, self.measured, self.prepared.pacing
        bench = prepared.bench
        for side in prepared.sides.values():
            bench.environment(side)
        made = {name: bench.inputs(workload, 1) for name, workload in prepared.workloads.items()}
        bench.progress.stage("trials")
        pacing.start()
        measured.sessions.append(Session(created=now(), trials=0))
        self._drop_windows_of_unfinished_trials()
        plan = replace(pacing.plan(), window=self._window_plan(), sides=tuple(prepared.sides))
        if self.first and not self._go_on_after_earlier(plan.trials):
            return True
        trials = run_trials(
            replace(plan, trials=plan.trials - self.first),
            lambda side, number: self._worker(side, number, made[side]),
            self._after_trial,
            on_ready=self.checks.before,
            on_timed=self.checks.after,
            on_step=self._show_step,
            enough=enough_of(prepared.workloads["a"]),
            first=self.first,
            rounds=measured.trials[0].group_rounds if self.first and pacing.rounds is None else None,
            rounds_of=pacing.rounds,
        )
        measured.ended = pacing.ended
        if trials.interrupted:
            measured.stopped = f"interrupted after {len(measured.trials)} trials"
            measured.ended = f"{measured.stopped}: the verdict rests on those alone"
            bench.progress.say(f"warning: {measured.ended}")
        return not trials.interrupted

    def _go_on_after_earlier(self, most: int) -> bool:
        """Whether the trials of earlier sittings leave anything to measure."""
        trials, pacing = self.measured.trials, self.prepared.pacing
        pacing.durations = [trial.wall_s for trial in trials[:-1]]
        self._learn()
        return pacing.go_on(trials[-1], self._ratios()) and self.first < most

    def _window_plan(self) -> WindowPlan | None:
        """As `window_plan`, and as long as the windows of earlier sittings."""
        plan = window_plan(self.prepared.options, self.prepared.workloads["a"])
        before = self.measured.captures.get(CaptureName.first("a"))
        if plan is None or before is None or before.manifest.window is None:
            return plan
        items = len(plan.items(self.measured.listed)) or 1
        return replace(plan, marked=max(before.manifest.window.steps // items, LEAST))

    def _worker(self, side: str, number: int, made: Inputs) -> Worker:
        prepared = self.prepared
        spec, bench = prepared.sides[side], prepared.bench
        request = bench.request(spec, prepared.workloads[side], made, task="serve")
        control = bench.scratch / trial_folder(number, side)
        return Worker(bench.environment(spec), request, control, prepared.options.run.timeout_s)

    def _after_trial(self, trial: Trial) -> bool:
        """Keep the trial, say where things stand, and decide whether to go on."""
        bench, pacing = self.prepared.bench, self.prepared.pacing
        self.checks.times(trial)
        self._keep_windows(trial)
        self.measured.trials.append(replace(trial, windows={}))
        self.measured.listed = self.measured.listed or tuple(trial.ready["a"]["items"])
        for warning in _folded(trial):
            bench.warn(warning)
        self.checkpoint()
        go_on = pacing.go_on(trial, self._ratios())
        if go_on:
            self._learn()
        bench.progress.expect(pacing.left_s(len(self.measured.trials), 1.0) if go_on else 0.0)
        return go_on

    def _keep_windows(self, trial: Trial) -> None:
        """The trial's traced window as a capture of each side: folder a-exact-1 is the window of trial 0."""
        prepared = self.prepared
        for side, traced in trial.windows.items():
            folder = str(CaptureName(side, EXACT, trial.number + 1))
            self.measured.captures[folder] = keep_window(
                prepared.bench,
                prepared.sides[side],
                prepared.workloads[side],
                traced,
                ready=trial.ready[side],
                trial=trial.number,
                target=self.writer.partial / folder,
            )

    def _learn(self) -> None:
        """How many rounds the next trials have."""
        self.prepared.pacing.learn(self.measured.trials, self._ratios())

    def _drop_windows_of_unfinished_trials(self) -> None:
        """A run that was killed just before a trial was noted left that trial's windows; the trial is made again."""
        finished = {trial.number for trial in self.measured.trials}
        for folder, capture in list(self.measured.captures.items()):
            trial = trial_of(capture)
            if trial is not None and trial not in finished:
                shutil.rmtree(self.writer.partial / folder)
                del self.measured.captures[folder]

    def _ratios(self) -> Ratios:
        """Item → pair of sides → the ratio of each trial so far."""
        found: dict[str, dict[Pair, list[stats.TrialRatio]]] = {}
        for pair in pairs_of(self.prepared.sides):
            for item, trials in lockstep.by_item(pairs.timings(self.measured.timings, pair)).items():
                found.setdefault(item, {})[pair] = list(trials.values())
        return found

    def _show_step(self, number: int, stage: str, fraction: float) -> None:
        progress, pacing = self.prepared.bench.progress, self.prepared.pacing
        done = f" {fraction:.0%}" if fraction else ""
        standing = f" · {pacing.standing}" if pacing.standing else ""
        progress.detail(f"trial {number + 1}: {stage}{done}{standing}")
        if stage == "start":
            pacing.began = time.monotonic()
        elif fraction > 0:
            progress.expect(pacing.left_s(number, fraction))


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
