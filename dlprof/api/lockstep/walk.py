"""The way of every comparison, from its first trial to its directory, and what becomes of it where it is stopped or fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic

import msgspec

from dlprof.api.lockstep import gate
from dlprof.api.lockstep.directory import Found, ResultDirectory
from dlprof.api.lockstep.measured import Measured
from dlprof.api.progress import Progress
from dlprof.errors import DlprofError, Interrupted, NotComparable
from dlprof.store import Capture


@dataclass(slots=True)
class Walk(Generic[Found]):
    """What is finished is on disk all the while, under the writer's temporary name.

    measured: what the trials find, and what an earlier sitting left
    directory: where it goes
    said: the warnings so far, for the manifest
    going_on: how a comparison that was stopped is gone on with, in words; '' = it cannot be
    """

    measured: Measured
    directory: ResultDirectory[Found]
    progress: Progress
    said: Callable[[], Sequence[str]]
    going_on: str = ""
    _first: int = 0

    def __post_init__(self) -> None:
        self._first = len(self.measured.trials)

    def go(self, measure: Callable[[], object]) -> tuple[Found, int]:
        """Everything after the preparation; returns what was found and the exit code.

        measure: runs the trials and whatever else is measured; may raise `NotComparable` and what workers raise
        """
        measured = self.measured
        try:
            measure()
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
        ending = gate.ending(found, measured.stopped)
        if ending is Interrupted and self.going_on:
            self.progress.say(self.going_on)
        return found, gate.exit_code(ending)

    def checkpoint(self) -> None:
        """What is finished so far, on disk when this returns."""
        self._count_trials()
        self.directory.checkpoint(self.measured, self._warnings)

    @property
    def _warnings(self) -> Sequence[str]:
        return [*self.said(), *self.measured.notes]

    def _count_trials(self) -> None:
        """Of this sitting, for the manifest."""
        finished, sessions = len(self.measured.trials) - self._first, self.measured.sessions
        if finished and sessions:
            sessions[-1] = msgspec.structs.replace(sessions[-1], trials=finished)

    def _seal(self) -> tuple[Found, Capture]:
        self.progress.stage("putting it together")
        # A trial or a traced run may have been finished in the moment of the interruption.
        self._count_trials()
        self.measured.captures = self.directory.captures()
        found = self.directory.findings(self.measured, self._warnings)
        return found, self.directory.commit(found, self.measured, self._warnings)

    def _keep_finished(self, error: DlprofError) -> None:
        """A side failed: what was finished before is kept as an incomplete comparison, and the error says where."""
        finished = len(self.measured.trials)
        if not finished:
            return
        self.measured.stopped = f"failed: {error.message.splitlines()[0]}"
        self.measured.ended = f"stopped by a failure after {finished} trials"
        _, sealed = self._seal()
        kept = f"the {finished} finished trials are in {sealed.path}"
        error.hint = "; ".join(
            text for text in (error.hint, ", and ".join(filter(None, (kept, self.going_on)))) if text
        )
