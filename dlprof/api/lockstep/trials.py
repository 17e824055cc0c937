"""The trials of every comparison: workers of all sides in lockstep, and the traced window that ends each trial."""

from __future__ import annotations

import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from dlprof import stats
from dlprof.analysis.timing import beside, lockstep
from dlprof.api.findings import pairs
from dlprof.api.findings.evidence import trial_of
from dlprof.api.import_traces import now
from dlprof.api.lockstep.measured import Measured
from dlprof.api.lockstep.pacing import Pacing, Ratios
from dlprof.api.progress import Progress
from dlprof.capture.machine.energy import Meter
from dlprof.capture.workers.schedule import LockstepWorker, RoundsOf, run_trials, steady
from dlprof.capture.workers.schedule import Trials as Made
from dlprof.capture.workers.trial import NotTogether, Plan, Trial
from dlprof.capture.workers.window import LEAST, TracedSide, WindowPlan
from dlprof.errors import Unsupported
from dlprof.manifest import Session, Start, Used
from dlprof.names import ENERGY, EXACT, CaptureName, Pair, pairs_of
from dlprof.store import Capture, CaptureWriter
from dlprof.units import format_share


class Kind(ABC):
    """What a comparison compares: its workers, the checks of their work, and what becomes of a traced window."""

    @property
    @abstractmethod
    def sides(self) -> Sequence[str]:
        """Their letters."""

    @abstractmethod
    def plan(self) -> Plan:
        """The schedule's plan, with the window that each trial ends with."""

    @abstractmethod
    def worker(self, side: str, number: int) -> LockstepWorker:
        """A worker of trial `number` that has been started."""

    @abstractmethod
    def finished(self, trial: Trial) -> None:
        """What a whole trial shows beside its ratios. Raises `NotComparable`."""

    @abstractmethod
    def keep(self, side: str, trial: Trial, traced: TracedSide, target: Path) -> Capture:
        """A side's traced window as a capture directory."""

    @abstractmethod
    def ready(self, number: int, workers: Mapping[str, Any]) -> Collection[str]:
        """Before anything is timed: the items that are not the same work. Raises `NotComparable` where none is."""

    # what most kinds leave as it is

    def prepare(self) -> None:  # noqa: B027
        """What the first worker needs, made before the time for the trials begins to run."""

    def timed(self, number: int, workers: Mapping[str, Any]) -> Collection[str] | None:  # noqa: B027
        """As `ready`, after the last timed round."""

    def traced(self, number: int, workers: Mapping[str, Any]) -> Collection[str] | None:  # noqa: B027
        """As `ready`, after the traced window of a trial that has one."""

    def rounds(self, pacing: RoundsOf | None) -> RoundsOf | None:
        """How many rounds a trial has; pacing: what suits any kind."""
        return pacing

    def warm(self, walls_ns: Sequence[int]) -> bool:
        """Whether an item is warm, by the wall times of its warm-up."""
        return steady(walls_ns)

    def starts(self, trial: Trial) -> Mapping[str, Start]:  # noqa: ARG002
        """What came before each side's timed steps, as far as that is known of this kind."""
        return {}

    def separate(self, why: str) -> bool:  # noqa: ARG002
        """Before the first trial is whole: the sides cannot be alive together. Whether the plan is of interleaved trials now."""
        return False


@dataclass(slots=True)
class Trials:
    """Runs the trials of one sitting; what they find goes to `measured`, and to disk by `checkpoint` after each of them.

    writer: of the comparison's directory, in which the traced windows come to lie
    first: number of the sitting's first trial; those before it are of earlier sittings
    """

    kind: Kind
    measured: Measured
    pacing: Pacing
    writer: CaptureWriter
    progress: Progress
    checkpoint: Callable[[], None]
    first: int = field(init=False)
    _used: dict[int, dict[str, Used]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.first = len(self.measured.trials)

    def run(self) -> bool:
        """Trials until enough is known; False where the user stopped them. Raises `NotComparable` and what workers raise."""
        if ENERGY not in self.pacing.options.limits:
            return self._run(None)
        meter = Meter()
        try:
            return self._run(meter.joules)
        finally:
            meter.close()

    def _run(self, joules: Callable[[], float] | None) -> bool:
        """joules: of the machine so far, where energy is to be judged."""
        measured, pacing, kind = self.measured, self.pacing, self.kind
        kind.prepare()
        self.progress.stage("trials")
        pacing.start()
        measured.sessions.append(Session(created=now(), trials=0))
        self._drop_windows_of_unfinished_trials()
        if self.first and not self._go_on_after_earlier(kind.plan().trials):
            return True
        try:
            trials = self._made(joules)
        except NotTogether as error:
            if measured.trials or not kind.separate(error.message):
                raise
            pacing.start()
            trials = self._made(joules)
        measured.ended = pacing.ended
        if trials.interrupted:
            measured.stopped = f"interrupted after {len(measured.trials)} trials"
            measured.ended = f"{measured.stopped}: the verdict rests on those alone"
            self.progress.say(f"warning: {measured.ended}")
        return not trials.interrupted

    def _made(self, joules: Callable[[], float] | None) -> Made:
        """The trials as the kind plans them now."""
        plan, pacing, kind = self.kind.plan(), self.pacing, self.kind
        trials = self.measured.trials
        return run_trials(
            replace(plan, trials=plan.trials - self.first, window=self._as_before(plan.window), joules=joules),
            kind.worker,
            self._after_trial,
            on_ready=kind.ready,
            on_timed=self._timed,
            on_traced=kind.traced,
            on_step=self._show_step,
            enough=kind.warm,
            first=self.first,
            rounds=trials[0].group_rounds if self.first and pacing.rounds is None else None,
            rounds_of=kind.rounds(pacing.rounds),
        )

    def _go_on_after_earlier(self, most: int) -> bool:
        """Whether the trials of earlier sittings leave anything to measure."""
        trials = self.measured.trials
        self.pacing.durations = [trial.wall_s for trial in trials[:-1]]
        self._learn()
        self.pacing.beside = beside.of(trials, self.measured.timings)
        return self.pacing.go_on(trials[-1], self._ratios()) and self.first < most

    def _as_before(self, plan: WindowPlan | None) -> WindowPlan | None:
        """The plan of the windows, as long as those of earlier sittings."""
        before = self.measured.captures.get(CaptureName.first("a"))
        if plan is None or before is None or before.manifest.window is None:
            return plan
        items = len(plan.items(self.measured.listed)) or 1
        return replace(plan, marked=max(before.manifest.window.steps // items, LEAST))

    def _after_trial(self, trial: Trial) -> bool:
        """Keep the trial, say where things stand, and decide whether to go on."""
        self.kind.finished(trial)
        trial = replace(trial, starts=self.kind.starts(trial), used=self._of(trial))
        for side, traced in trial.windows.items():  # folder a-exact-1 is the window of trial 0
            folder = str(CaptureName(side, EXACT, trial.number + 1))
            self.measured.captures[folder] = self.kind.keep(side, trial, traced, self.writer.partial / folder)
        self.measured.trials.append(replace(trial, windows={}))
        self.measured.listed = self.measured.listed or tuple(trial.ready["a"].items)
        self.checkpoint()
        self.pacing.beside = beside.of(self.measured.trials, self.measured.timings)
        self._check_told()
        go_on = self.pacing.go_on(trial, self._ratios())
        if go_on:
            self._learn()
        self.progress.expect(self.pacing.left_s(len(self.measured.trials), 1.0) if go_on else 0.0)
        return go_on

    def _timed(self, number: int, workers: Mapping[str, Any]) -> Collection[str] | None:
        """When the last round is timed: what the sides used so far. The checks and the traced window, which come after it, use
        more; they do not count."""
        noted = self._used.setdefault(number, {})
        noted.update((side, Used(peak_bytes=worker.peak_bytes())) for side, worker in workers.items())
        return self.kind.timed(number, workers)

    def _check_told(self) -> None:
        """Raises `Unsupported` where a side does not tell what the gate is to judge: no further trial would."""
        missing = [item for item in self.pacing.options.limits if item not in self.pacing.beside]
        if missing:
            raise Unsupported(
                f"a gate on {', '.join(missing)}: not both sides tell it",
                hint="leave that limit out; how long they compile only PyTorch and JAX tell, of a script",
            )

    def _of(self, trial: Trial) -> dict[str, Used]:
        """What each side used in a trial."""
        noted = self._used.pop(trial.number, {})
        return {side: msgspec.structs.replace(used, joules=trial.joules.get(side)) for side, used in noted.items()}

    def _learn(self) -> None:
        """How many rounds the next trials have."""
        self.pacing.learn(self.measured.trials, self._ratios())

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
        for pair in pairs_of(self.kind.sides):
            for item, trials in lockstep.by_item(pairs.timings(self.measured.timings, pair)).items():
                found.setdefault(item, {})[pair] = list(trials.values())
        return found

    def _show_step(self, number: int, stage: str, fraction: float) -> None:
        done = f" {format_share(fraction)}" if fraction else ""
        standing = f" · {self.pacing.standing}" if self.pacing.standing else ""
        self.progress.detail(f"trial {number + 1}: {stage}{done}{standing}")
        if stage == "start":
            self.pacing.began = time.monotonic()
        elif fraction > 0:
            self.progress.expect(self.pacing.left_s(number, fraction))
