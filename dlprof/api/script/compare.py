"""Two scripts of the user's own, unchanged, compared in lockstep: from their command lines to a comparison directory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from dlprof import temporary
from dlprof.analysis.model import Comparison
from dlprof.api import leftovers
from dlprof.api.compare import gate
from dlprof.api.compare.measured import Measured
from dlprof.api.compare.plan import Pacing
from dlprof.api.progress import Progress
from dlprof.api.record import output_folder
from dlprof.api.script.options import ScriptCompare, workload_of
from dlprof.api.script.record import name_of
from dlprof.api.script.result_directory import ScriptDirectory
from dlprof.api.script.trials import ScriptTrials
from dlprof.capture.workers import launch_env
from dlprof.errors import DlprofError, Interrupted, NotComparable
from dlprof.store import Capture, CaptureWriter


def compare_scripts(asked: ScriptCompare, progress: Progress) -> tuple[Comparison, int]:
    """Run the comparison; returns it and the exit code. The directory is complete when this returns."""
    name = name_of(asked.a)
    target = output_folder(asked.output, f"{name}-vs-{name_of(asked.b)}")
    leftovers.check_free(target)
    with temporary.folder() as scratch, CaptureWriter(target) as writer:
        walk = _Walk(asked, progress, writer)
        walk.trials = ScriptTrials(
            asked, walk.pacing, walk.measured, writer, scratch, progress, walk.warn, walk.checkpoint
        )
        return walk.go()


@dataclass(slots=True)
class _Walk:
    """The steps of one comparison, and what becomes of it where one of them is stopped or fails."""

    asked: ScriptCompare
    progress: Progress
    writer: CaptureWriter
    measured: Measured = field(default_factory=Measured)
    warnings: list[str] = field(default_factory=list)
    pacing: Pacing = field(init=False)
    directory: ScriptDirectory = field(init=False)
    trials: ScriptTrials = field(init=False)

    def __post_init__(self) -> None:
        self.pacing = Pacing(self.asked.paced(), workload_of(name_of(self.asked.a)), self.progress.say, self.warn)
        self.directory = ScriptDirectory(self.asked, self.pacing, self.writer)

    def warn(self, text: str) -> None:
        """A warning, said at once and kept for the manifest."""
        if text not in self.warnings:
            self.warnings.append(text)
            self.progress.say(f"warning: {text}")

    def go(self) -> tuple[Comparison, int]:
        measured = self.measured
        for text in _disclosures(self.asked):
            self.warn(text)
        self.progress.plan({"trials": self.pacing.estimate_s})
        try:
            self.trials.run()
        except KeyboardInterrupt:
            measured.stopped = "interrupted after the trials"
        except NotComparable:
            measured.stopped = "not comparable"
        except DlprofError as error:
            self._keep_finished(error)
            raise
        if measured.stopped and not measured.trials and not measured.differences:
            raise Interrupted("interrupted before the first trial was finished: nothing to keep")
        found, sealed = self._seal()
        self.progress.say(f"written: {sealed.path}")
        return found, gate.exit_code(gate.ending(found, self.asked.gate, measured.stopped))

    def checkpoint(self) -> None:
        """What is finished so far, on disk when this returns."""
        self._count_trials()
        self.directory.checkpoint(self.measured, self.trials.hellos, self._notes)

    @property
    def _notes(self) -> list[str]:
        found = [f"{side.upper()}: a step is {hello.found}" for side, hello in sorted(self.trials.hellos.items())]
        return [*found, *self.warnings, *self.measured.notes]

    def _count_trials(self) -> None:
        finished, sessions = len(self.measured.trials) - self.trials.first, self.measured.sessions
        if finished and sessions:
            sessions[-1] = msgspec.structs.replace(sessions[-1], trials=finished)

    def _seal(self) -> tuple[Comparison, Capture]:
        self.progress.stage("putting it together")
        self._count_trials()
        self.measured.captures = self.directory.captures()
        found = self.directory.findings(self.measured, self.trials.hellos, self._notes)
        return found, self.directory.commit(found, self.measured, self.trials.hellos, self._notes)

    def _keep_finished(self, error: DlprofError) -> None:
        """A script failed: what was finished before is kept as an incomplete comparison, and the error says where."""
        finished = len(self.measured.trials)
        if not finished:
            return
        self.measured.stopped = f"failed: {error.message.splitlines()[0]}"
        self.measured.ended = f"stopped by a failure after {finished} trials"
        _, sealed = self._seal()
        kept = f"the {finished} finished trials are in {sealed.path}"
        error.hint = f"{error.hint + '; ' if error.hint else ''}{kept}"


def _disclosures(asked: ScriptCompare) -> Iterator[str]:
    """What a reader must know of how the scripts were run."""
    for name, value in launch_env.thread_settings().items():
        yield f"{name}={value} is set and reaches both sides"
    if asked.in_place:
        yield "trials ran in the working folder itself (--in-place), and wrote what the scripts write there"
