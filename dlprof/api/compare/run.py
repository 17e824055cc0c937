"""A comparison from start to end: prepare → trials → evidence → findings → directory."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import msgspec

from dlprof import temporary
from dlprof.analysis.model import Comparison
from dlprof.analysis.timing.ranking import Ranking
from dlprof.api import published
from dlprof.api.compare import gate, onednn
from dlprof.api.compare.measured import Between, Measured
from dlprof.api.compare.prepare import Prepared, prepare
from dlprof.api.compare.result_directory import ResultDirectory
from dlprof.api.compare.trials import Trials
from dlprof.api.options import CompareOptions
from dlprof.api.progress import Progress
from dlprof.api.record import Bench, epochs_of, record
from dlprof.errors import DlprofError, Interrupted, NotComparable
from dlprof.names import NATIVE, CaptureName, pairs_of
from dlprof.store import Capture, CaptureWriter


def compare(options: CompareOptions, progress: Progress) -> tuple[Comparison | Ranking, int]:
    """Run the comparison; returns it and the exit code. The directory is complete when this returns."""
    if options.method == published.METHOD:
        return published.compare(options, progress), 0
    with temporary.folder() as scratch:
        prepared, measured = prepare(options, Bench(options.run, progress, scratch))
        with CaptureWriter(prepared.target, source=prepared.source) as writer:
            try:
                return _Walk(prepared, measured, ResultDirectory(prepared, writer)).go()
            except KeyboardInterrupt:
                if not writer.keep_partial:
                    raise
                kept = f"what was finished is kept: {_go_on_words(prepared)}"
                raise Interrupted("interrupted", hint=kept) from None


def _go_on_words(prepared: Prepared) -> str:
    """How to go on with a comparison that was stopped."""
    return f"dlprof compare --resume {prepared.target} goes on with it"


@dataclass(slots=True)
class _Walk:
    """The steps of one comparison, and what becomes of it where one of them is stopped or fails.

    What is finished is on disk under the writer's temporary name all the while.
    """

    prepared: Prepared
    measured: Measured
    directory: ResultDirectory
    trials: Trials = field(init=False)

    def __post_init__(self) -> None:
        self.trials = Trials(self.prepared, self.measured, self.directory.writer, self._checkpoint)

    def go(self) -> tuple[Comparison | Ranking, int]:
        measured = self.measured
        self._checkpoint()
        try:
            if self.trials.run() and not self.prepared.pacing.too_small:
                self._reasons()
                self._epoch_captures()
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
        self.prepared.bench.progress.say(f"written: {sealed.path}")
        ending = gate.ending(found, self.prepared.options.gate, measured.stopped)
        if ending is Interrupted:
            self.prepared.bench.progress.say(_go_on_words(self.prepared))
        return found, gate.exit_code(ending)

    @property
    def _warnings(self) -> list[str]:
        return [*self.prepared.bench.warnings, *self.measured.notes]

    def _count_trials(self) -> None:
        """Of this sitting, for the manifest."""
        finished, sessions = len(self.measured.trials) - self.trials.first, self.measured.sessions
        if finished:
            sessions[-1] = msgspec.structs.replace(sessions[-1], trials=finished)

    def _checkpoint(self) -> None:
        """What is finished so far, on disk when this returns."""
        self._count_trials()
        self.directory.checkpoint(self.measured, self._warnings)

    def _seal(self) -> tuple[Comparison | Ranking, Capture]:
        self.prepared.bench.progress.stage("putting it together")
        # A trial or a traced run may have been finished in the moment of the interruption.
        self._count_trials()
        self.measured.captures = self.directory.captures()
        found = self.directory.findings(self.measured, self._warnings)
        return found, self.directory.commit(found, self.measured, self._warnings)

    def _keep_finished(self, error: DlprofError) -> None:
        """A worker failed: what was finished before is kept as an incomplete comparison, and the error says where."""
        finished = len(self.measured.trials)
        if not finished:
            return
        self.measured.stopped = f"failed: {error.message.splitlines()[0]}"
        self.measured.ended = f"stopped by a failure after {finished} trials"
        _, sealed = self._seal()
        kept = f"the {finished} finished trials are in {sealed.path}, and {_go_on_words(self.prepared)}"
        error.hint = f"{error.hint + '; ' if error.hint else ''}{kept}"

    def _reasons(self) -> None:
        """What oneDNN says of itself, where traces are wanted at all."""
        options, prepared = self.prepared.options, self.prepared
        pairs = pairs_of(prepared.sides)
        held = {pair: self.measured.between.get(pair, Between()) for pair in pairs}
        if options.reasons and options.traces != 0 and any(one.primitives is None for one in held.values()):
            found = onednn.find(prepared.bench, prepared.sides, prepared.workloads, pairs)
            self.measured.between = {pair: replace(held[pair], primitives=found[pair]) for pair in pairs}
            self._checkpoint()

    def _epoch_captures(self) -> None:
        """One run of whole epochs a side, as it runs natively, where they are asked for."""
        prepared = self.prepared
        for side in prepared.sides if prepared.options.epoch_capture else ():
            folder = str(CaptureName(side, NATIVE, 1))
            if folder not in self.measured.captures:  # else of an earlier sitting
                self.measured.captures[folder] = record(
                    prepared.bench,
                    prepared.sides[side],
                    prepared.workloads[side],
                    fidelity=NATIVE,
                    epochs=epochs_of(prepared.options.run, prepared.workloads[side]),
                    target=self.directory.writer.partial / folder,
                )
                self._checkpoint()
