"""A comparison from start to end: parity, lockstep trials, traced runs, findings, a directory that holds it all."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import msgspec

from dlprof import temporary
from dlprof.analysis.model import Comparison
from dlprof.analysis.timing import lockstep
from dlprof.api import leftovers, published
from dlprof.api.compare import gate, items, known_error, onednn, resume
from dlprof.api.compare.plan import Pacing, enough_of, fitted
from dlprof.api.compare.result_directory import Keeper, Kept
from dlprof.api.compare.work_checks import WorkChecks
from dlprof.api.import_traces import now
from dlprof.api.options import CompareOptions
from dlprof.api.progress import Progress
from dlprof.api.record import Bench, check_mode, epochs_of, output_folder, record
from dlprof.api.sides import SideSpec, on_one_python
from dlprof.capture.workers import launch_env
from dlprof.capture.workers.launch import Worker
from dlprof.capture.workers.schedule import Trial, run_trials
from dlprof.errors import DlprofError, Interrupted, NotComparable
from dlprof.manifest import Session
from dlprof.names import EXACT, NATIVE, SIDES, CaptureName, trial_folder
from dlprof.protocol import Inputs
from dlprof.store import CaptureWriter
from dlprof.workload import Workload

TRACE_ESTIMATE_S: Final = 45.0


def compare(options: CompareOptions, progress: Progress) -> tuple[Comparison, int]:
    """Run the comparison; returns it and the exit code. The directory is complete when this returns."""
    if options.method == published.METHOD:
        return published.compare(options, progress), 0
    with temporary.folder() as scratch:
        bench = Bench(options.run, progress, scratch)
        sides: dict[str, SideSpec] = dict(
            zip(SIDES, on_one_python(bench.side(options.a), bench.side(options.b)), strict=True)
        )
        asked = {name: options.run.resolve(side.framework.name) for name, side in sides.items()}
        workloads = {name: fitted(options, workload) for name, workload in asked.items()}
        for name, side in sides.items():
            check_mode(side, workloads[name])
            items.check(workloads[name], side.framework.name)
        target = output_folder(options.output, f"{workloads['a'].name}-{sides['a'].slug}-vs-{sides['b'].slug}")
        kept, source = Kept(), None
        if options.resume is not None:
            source = resume.source(target)
            kept, bench.warnings = resume.kept(source, sides, workloads)
            progress.say(
                f"going on with {target}: {len(kept.trials)} trials, {len(kept.captures)} traced runs are there"
            )
        else:
            leftovers.check_free(target)
        for text in (*launch_env.disclosures(), *_left_out(asked["a"], workloads["a"], options.budget_s)):
            bench.warn(text)
        pacing = Pacing(options, workloads["a"], progress.say, bench.warn)
        trust = known_error.of(options, sides, workloads, pacing)
        if note := known_error.check_gate(options, workloads["a"], trust):
            progress.say(f"note: {note}")
        if held := launch_env.withheld():
            progress.say(f"note: set in this shell, and kept from both sides: {', '.join(held)}")
        kept.calibration = trust
        progress.plan(_estimates(options, sides, pacing))
        with CaptureWriter(target, source=source) as writer:
            keeper = Keeper(options, sides, workloads, writer, pacing.adaptive, pacing.family)
            try:
                return _Comparing(options, bench, sides, workloads, keeper, pacing, kept).run()
            except KeyboardInterrupt:
                if not writer.keep_partial:
                    raise
                raise Interrupted("interrupted", hint=f"what was finished is kept: {go_on_words(target)}") from None


def go_on_words(target: Path) -> str:
    """How to go on with a comparison that was stopped."""
    return f"dlprof compare --resume {target} goes on with it"


def _left_out(asked: Workload, chosen: Workload, budget_s: float) -> Iterator[str]:
    """What of the workload is not measured, and why."""
    if items.count(chosen) < items.count(asked):
        yield (
            f"{items.count(chosen)} of {items.count(asked)} sizes are measured, the smallest and the largest of each task "
            f"among them: more do not fit into {budget_s:g} s; a longer --budget, --trials or --set sizes=… has more"
        )
    for framework, alone in items.unmatched(chosen).items():
        yield f"only {framework} has, and so not compared: {', '.join(alone)}"


@dataclass(slots=True)
class _Comparing:
    """One comparison under way; what is finished is on disk under the writer's temporary name.

    first: trials of earlier sittings; sitting: whether that of this process has begun.
    """

    options: CompareOptions
    bench: Bench
    sides: Mapping[str, SideSpec]
    workloads: Mapping[str, Workload]
    keeper: Keeper
    pacing: Pacing
    kept: Kept
    first: int = 0
    sitting: bool = False
    checks: WorkChecks = field(init=False)

    def __post_init__(self) -> None:
        self.first = len(self.kept.trials)
        self.checks = WorkChecks(self.options, self.bench, self.workloads, self.kept, self.first)

    def run(self) -> tuple[Comparison, int]:
        self._checkpoint()
        try:
            if self._trials() and not self.pacing.too_small:
                self._traces()
                self._reasons()
        except KeyboardInterrupt:
            self.kept.stopped = "interrupted while tracing"
        except NotComparable:
            self.kept.stopped = "not comparable"
        except DlprofError as error:
            self._keep_finished(error)
            raise
        if self.kept.stopped and not self.kept.trials and not self.kept.differences:
            raise Interrupted("interrupted before the first trial was finished: nothing to keep")
        found, path = self._keep()
        self.bench.progress.say(f"written: {path}")
        ending = gate.ending(found, self.options.gate, self.kept.stopped)
        if ending is Interrupted:
            self.bench.progress.say(go_on_words(path))
        return found, gate.exit_code(ending)

    def _count_trials(self) -> None:
        """Of this sitting, for the manifest."""
        if self.sitting:
            finished = len(self.kept.trials) - self.first
            self.kept.sessions[-1] = msgspec.structs.replace(self.kept.sessions[-1], trials=finished)

    def _checkpoint(self) -> None:
        """What is finished so far, on disk when this returns."""
        self._count_trials()
        self.keeper.checkpoint(self.kept, [*self.bench.warnings, *self.kept.notes])

    def _keep(self) -> tuple[Comparison, Path]:
        self.bench.progress.stage("putting it together")
        # A trial or a traced run may have been finished in the moment of the interruption.
        self._count_trials()
        self.kept.captures = self.keeper.finished_captures()
        warnings = [*self.bench.warnings, *self.kept.notes]
        found = self.keeper.findings(self.kept, warnings)
        return found, self.keeper.commit(found, self.kept, warnings).path

    def _keep_finished(self, error: DlprofError) -> None:
        """A worker failed: what was finished before is kept as an incomplete comparison, and the error says where."""
        finished = len(self.kept.trials)
        if not finished:
            return
        self.kept.stopped = f"failed: {error.message.splitlines()[0]}"
        self.kept.ended = f"stopped by a failure after {finished} trials"
        _, path = self._keep()
        kept = f"the {finished} finished trials are in {path}, and {go_on_words(path)}"
        error.hint = f"{error.hint + '; ' if error.hint else ''}{kept}"

    def _trials(self) -> bool:
        """Trials until enough is known; False where the user stopped them."""
        for side in self.sides.values():
            self.bench.environment(side)
        made = {name: self.bench.inputs(workload, 1) for name, workload in self.workloads.items()}
        self.bench.progress.stage("trials")
        self.pacing.start()
        self.kept.sessions.append(Session(created=now(), trials=0))
        self.sitting = True
        plan = self.pacing.plan()
        if self.first and not self._go_on_after_earlier(plan.trials):
            return True
        trials = run_trials(
            replace(plan, trials=plan.trials - self.first),
            lambda side, number: self._worker(side, number, made[side]),
            self._after_trial,
            on_ready=self.checks.before,
            on_timed=self.checks.after,
            on_step=self._show_step,
            enough=enough_of(self.workloads["a"]),
            first=self.first,
            rounds=self.kept.trials[0].group_rounds if self.first and self.pacing.rounds is None else None,
            rounds_of=self.pacing.rounds,
        )
        self.kept.ended = self.pacing.ended
        if trials.interrupted:
            self.kept.stopped = f"interrupted after {len(self.kept.trials)} trials"
            self.kept.ended = f"{self.kept.stopped}: the verdict rests on those alone"
            self.bench.progress.say(f"warning: {self.kept.ended}")
        return not trials.interrupted

    def _go_on_after_earlier(self, most: int) -> bool:
        """Whether the trials of earlier sessions leave anything to measure."""
        self.pacing.durations = [trial.wall_s for trial in self.kept.trials[:-1]]
        self._learn()
        return self.pacing.go_on(self.kept.trials[-1], self._ratios()) and self.first < most

    def _worker(self, side: str, number: int, made: Inputs) -> Worker:
        spec = self.sides[side]
        request = self.bench.request(spec, self.workloads[side], made, task="serve")
        control = self.bench.scratch / trial_folder(number, side)
        return Worker(self.bench.environment(spec), request, control, self.options.run.timeout_s)

    def _after_trial(self, trial: Trial) -> bool:
        """Persist the trial, say where things stand, and decide whether to go on."""
        self.checks.times(trial)
        self.kept.trials.append(trial)
        self.kept.listed = self.kept.listed or tuple(trial.ready["a"]["items"])
        for warning in _folded(trial):
            self.bench.warn(warning)
        self._checkpoint()
        go_on = self.pacing.go_on(trial, self._ratios())
        if go_on:
            self._learn()
        self.bench.progress.expect(self.pacing.left_s(len(self.kept.trials), 1.0) if go_on else 0.0)
        return go_on

    def _learn(self) -> None:
        """How many rounds the next trials have."""
        found = lockstep.by_item(self.kept.timings)
        self.pacing.learn(self.kept.trials, {item: list(trials.values()) for item, trials in found.items()})

    def _ratios(self) -> dict[str, list[float]]:
        """Item → log-ratio of each trial so far."""
        found = lockstep.by_item(self.kept.timings)
        return {item: [trial.log_ratio for trial in trials.values()] for item, trials in found.items()}

    def _show_step(self, number: int, stage: str, fraction: float) -> None:
        done = f" {fraction:.0%}" if fraction else ""
        standing = f" · {self.pacing.standing}" if self.pacing.standing else ""
        self.bench.progress.detail(f"trial {number + 1}: {stage}{done}{standing}")
        if stage == "start":
            self.pacing.began = time.monotonic()
        elif fraction > 0:
            self.bench.progress.expect(self.pacing.left_s(number, fraction))

    def _traces(self) -> None:
        """K traced runs of fidelity exact a side, interleaved, and one native each."""
        for k in range(1, self.options.traces + 1):
            for name in SIDES if k % 2 else SIDES[::-1]:
                # The first run trains as long as the workload says, for its accuracy; replicates only need the window.
                epochs = epochs_of(self.options.run, self.workloads[name]) if k == 1 else 1
                self._record(CaptureName(name, EXACT, k), epochs)
        if self.options.traces:
            for name in SIDES:
                self._record(CaptureName(name, NATIVE, 1), 1)

    def _reasons(self) -> None:
        """What oneDNN says of itself, where traces are wanted at all."""
        if self.options.reasons and self.options.traces and self.kept.primitives is None:
            self.kept.primitives = onednn.find(self.bench, self.sides, self.workloads)
            self._checkpoint()

    def _record(self, name: CaptureName, epochs: int) -> None:
        folder = str(name)
        if folder in self.kept.captures:  # of an earlier session
            return
        self.kept.captures[folder] = record(
            self.bench,
            self.sides[name.side],
            self.workloads[name.side],
            fidelity=name.fidelity,
            epochs=epochs,
            target=self.keeper.writer.partial / folder,
        )
        self._checkpoint()


def _folded(trial: Trial, most: int = 4) -> Sequence[str]:
    """The trial's warnings; of hundreds of items that were not steady, how many."""
    if len(trial.not_warm) <= most:
        return trial.warnings
    other = [text for text in trial.warnings if "was not steady" not in text]
    return [*other, f"trial {trial.number}: {len(trial.not_warm)} items were not steady after their warm-up"]


def _estimates(options: CompareOptions, sides: Mapping[str, SideSpec], pacing: Pacing) -> dict[str, float]:
    """Seconds of each stage, guessed before anything is known; corrected as trials finish."""
    stages = {"trials": pacing.estimate_s}
    if options.traces:
        for side in sides.values():
            stages[f"tracing {side.label}, fidelity exact"] = TRACE_ESTIMATE_S * options.traces
            stages[f"tracing {side.label}, fidelity native"] = TRACE_ESTIMATE_S / 3
    return stages
