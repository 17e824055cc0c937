"""The trials of two scripts: fresh processes in lockstep, the check of their work, the traced window that ends each trial."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from dlprof import stats
from dlprof.analysis.same_work import parity, scripts
from dlprof.analysis.timing import lockstep
from dlprof.api.compare.measured import Between, Measured
from dlprof.api.compare.plan import Pacing
from dlprof.api.import_traces import ingest_into, now
from dlprof.api.progress import Progress
from dlprof.api.script.options import ScriptCompare
from dlprof.api.script.record import environment_of
from dlprof.capture.machine import provenance
from dlprof.capture.script.link import Hello
from dlprof.capture.script.scratch import copied
from dlprof.capture.script.worker import ITERATION_NS, MOST_UNITS, Launch, ScriptWorker
from dlprof.capture.workers.schedule import Plan, Trial, run_trials, steady
from dlprof.capture.workers.window import LEAST, TracedSide, WindowPlan
from dlprof.errors import NotComparable
from dlprof.manifest import CaptureOptions, Manifest, Session
from dlprof.names import EXACT, SIDES, CaptureName, Pair, trial_folder
from dlprof.protocol import ChildFacts
from dlprof.store import Capture, CaptureWriter
from dlprof.version import __version__

PAIR: Final[Pair] = ("a", "b")

STEPS: Final = 40
"""Marked steps of a window a side at most."""


@dataclass(slots=True)
class ScriptTrials:
    """Runs the trials of one sitting; what they find goes to `measured`, and to disk by `checkpoint` after each of them.

    facts, hellos: of each side, what its processes told, trial by trial
    warn: a warning, said at once and kept
    """

    asked: ScriptCompare
    pacing: Pacing
    measured: Measured
    writer: CaptureWriter
    scratch: Path
    progress: Progress
    warn: Callable[[str], None]
    checkpoint: Callable[[], None]
    facts: dict[str, list[Mapping[str, Any]]] = field(default_factory=lambda: {side: [] for side in SIDES})
    hellos: dict[str, Hello] = field(default_factory=dict)
    first: int = field(init=False)
    _workers: dict[str, ScriptWorker] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.first = len(self.measured.trials)

    def run(self) -> bool:
        """Trials until enough is known; False where the user stopped them. Raises `NotComparable`, `ChildFailed`."""
        measured, pacing = self.measured, self.pacing
        self.progress.stage("trials")
        pacing.start()
        measured.sessions.append(Session(created=now(), trials=0))
        plan = self._plan()
        if self.first and not self._go_on_after_earlier(plan.trials):
            return True
        trials = run_trials(
            replace(plan, trials=plan.trials - self.first),
            self._worker,
            self._after_trial,
            on_ready=self._ready,
            on_step=self._show_step,
            enough=steady,
            first=self.first,
            rounds_of=pacing.rounds,
        )
        measured.ended = pacing.ended
        if trials.interrupted:
            measured.stopped = f"interrupted after {len(measured.trials)} trials"
            measured.ended = f"{measured.stopped}: the verdict rests on those alone"
            self.progress.say(f"warning: {measured.ended}")
        return not trials.interrupted

    def _plan(self) -> Plan:
        """All items that the scripts have: one, their step."""
        window = None
        if self.asked.traces != 0:
            before = self.measured.captures.get(CaptureName.first("a"))
            marked = before.manifest.window.steps if before and before.manifest.window else None
            window = WindowPlan(self.asked.traces, most=STEPS, marked=marked and max(marked, LEAST))
        return replace(self.pacing.plan(), items=None, window=window)

    def _go_on_after_earlier(self, most: int) -> bool:
        """Whether the trials of earlier sittings leave anything to measure."""
        trials = self.measured.trials
        self.pacing.durations = [trial.wall_s for trial in trials[:-1]]
        self._learn()
        return self.pacing.go_on(trials[-1], self._ratios()) and self.first < most

    def _worker(self, side: str, number: int) -> ScriptWorker:
        control = self.scratch / trial_folder(number, side)
        folder = Path.cwd()
        if not self.asked.in_place:
            folder = copied(folder, self.scratch / f"{trial_folder(number, side)}-folder", self.asked.links)
        command = self.asked.commands[side]
        worker = ScriptWorker(Launch(command, folder, control, number, self.asked.step, self.asked.timeout_s))
        self._workers[side] = worker
        return worker

    def _ready(self, number: int, workers: Mapping[str, Any]) -> tuple[()]:
        """Both sides took their first steps: are they the same work, and how many steps is an iteration?"""
        units = math.ceil(ITERATION_NS / max(worker.step_ns for worker in workers.values()))
        for side, worker in workers.items():
            worker.units = min(max(units, 1), MOST_UNITS)
            self.facts[side].append({**worker.facts, "kind of step": worker.ready["items"][0]})
            self.hellos[side] = worker.hello
        found: tuple[scripts.Difference, ...]
        if number == self.first:
            for side in SIDES:
                self._told(side)
            found = scripts.compare(self.facts["a"][0], self.facts["b"][0], self.asked.allow)
        else:
            found = scripts.losses(self.facts["a"], self.facts["b"], self.asked.allow)
        self._judge(found)
        return ()

    def _told(self, side: str) -> None:
        """How the side's steps were found, for the report."""
        self.progress.say(f"  {side.upper()}: {self.hellos[side].found}")
        for trouble in self.hellos[side].troubles:
            self.warn(f"{side.upper()}: {trouble}")

    def _judge(self, found: tuple[scripts.Difference, ...]) -> None:
        held = self.measured.between.get(PAIR, Between())
        known = {one["where"] for one in held.differences}
        new = tuple(one for one in found if one["where"] not in known)
        self.measured.between[PAIR] = replace(held, differences=(*held.differences, *new))
        for one in found:
            if one["blocks"] == "yes":
                self.progress.say(f"not the same work: {scripts.statement(one)}")
        if parity.blocking(found):
            raise NotComparable("the two scripts do different work in a step")

    def _after_trial(self, trial: Trial) -> bool:
        """Keep the trial, say where things stand, and decide whether to go on."""
        self._keep_windows(trial)
        self.measured.trials.append(replace(trial, windows={}))
        self.measured.listed = self.measured.listed or tuple(trial.ready["a"]["items"])
        for text in trial.warnings:
            self.warn(text)
        for side, worker in self._workers.items():
            if worker.ending:
                self.warn(f"trial {trial.number}: side {side} {worker.ending}")
        for side in SIDES:
            shutil.rmtree(self.scratch / f"{trial_folder(trial.number, side)}-folder", ignore_errors=True)
        self.checkpoint()
        go_on = self.pacing.go_on(trial, self._ratios())
        if go_on:
            self._learn()
        self.progress.expect(self.pacing.left_s(len(self.measured.trials), 1.0) if go_on else 0.0)
        return go_on

    def _keep_windows(self, trial: Trial) -> None:
        for side, traced in trial.windows.items():
            folder = str(CaptureName(side, EXACT, trial.number + 1))
            self.measured.captures[folder] = self._kept(side, trial, traced, self.writer.partial / folder)

    def _kept(self, side: str, trial: Trial, traced: TracedSide, target: Path) -> Capture:
        """A side's traced window as a capture directory."""
        hello, facts, ready = self.hellos[side], self.facts[side][-1], trial.ready[side]
        with CaptureWriter(target) as writer:
            shutil.rmtree(writer.partial / "raw")
            shutil.move(traced.control / "raw", writer.partial / "raw")
            files = [writer.partial / artefact.path for artefact in traced.answer.artefacts]
            trace = ingest_into(writer, files, root=writer.partial / "raw")
            manifest = Manifest(
                kind="capture",
                dlprof_version=__version__,
                created=now(),
                command=provenance.command_line(),
                framework=hello.framework,
                version=hello.version,
                device=str(facts.get("device", "cpu:0")),
                mode=str(self.asked.commands[side]),
                fidelity=EXACT,
                workload={"name": self.pacing.workload.name},
                options=CaptureOptions(trial=trial.number),
                environment=environment_of(facts, hello.python, hello.executable),
                machine=provenance.machine(),
                trace=trace,
                child=ChildFacts(
                    versions=dict(ready["versions"]),
                    runtime=dict(ready["runtime"]),
                    artefacts=traced.answer.artefacts,
                    window=traced.window,
                ),
            )
            return writer.commit(manifest)

    def _learn(self) -> None:
        """How many rounds the next trials have."""
        self.pacing.learn(self.measured.trials, self._ratios())

    def _ratios(self) -> dict[str, dict[Pair, list[stats.TrialRatio]]]:
        """Item → the pair of sides → its trials so far."""
        found = lockstep.by_item(self.measured.timings)
        return {item: {PAIR: list(trials.values())} for item, trials in found.items()}

    def _show_step(self, number: int, stage: str, fraction: float) -> None:
        done = f" {fraction:.0%}" if fraction else ""
        self.progress.detail(f"trial {number + 1}: {stage}{done}")
