"""The directory that every comparison leaves behind: what is finished is in it as it comes, at the end with the findings."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

import msgspec

from dlprof.analysis.facts import TrialNote
from dlprof.analysis.model import Comparison
from dlprof.analysis.timing.ranking import Ranking
from dlprof.api.lockstep.measured import Measured
from dlprof.capture.workers.trial import Trial
from dlprof.manifest import LockstepOptions, Manifest, TrialFacts
from dlprof.report import json, ranking_json
from dlprof.store import Capture, CaptureWriter, traced_folders

UNDER_WAY: Final = "under way"
"""`stopped` of a comparison that is still being made, or whose process was killed."""

Found = TypeVar("Found", bound=Comparison | Ranking)
"""What is found: of two sides a comparison, of more a ranking."""


@dataclass(frozen=True, slots=True)
class ResultDirectory(ABC, Generic[Found]):
    """Puts what was measured on disk as it comes, and seals the directory with the findings. Each kind of comparison says what
    its findings are made of and what its manifest states."""

    writer: CaptureWriter

    @abstractmethod
    def findings(self, measured: Measured, warnings: Sequence[str]) -> Found:
        """What is found in all that was measured so far."""

    @abstractmethod
    def manifest(self, measured: Measured, warnings: Sequence[str]) -> Manifest[LockstepOptions]:
        """What was measured, how and where."""

    def checkpoint(self, measured: Measured, warnings: Sequence[str]) -> None:
        """Put what is finished so far on disk: a process that is killed after this loses none of it."""
        if measured.trials:
            self.writer.timings(measured.timings)
        self.writer.checkpoint(self.manifest(replace(measured, stopped=UNDER_WAY), warnings))

    def commit(self, found: Comparison | Ranking, measured: Measured, warnings: Sequence[str]) -> Capture:
        """Write the findings and the manifest, and give the directory its name."""
        if measured.trials:
            self.writer.timings(measured.timings)
        if isinstance(found, Ranking):
            self.writer.ranking(ranking_json.ranking(found))
        else:
            self.writer.comparison(json.comparison(found))
        shutil.rmtree(self.writer.partial / "raw", ignore_errors=True)
        return self.writer.commit(self.manifest(measured, warnings))

    def captures(self) -> dict[str, Capture]:
        """The traced runs that are whole."""
        return {path.name: Capture.open(path) for path in traced_folders(self.writer.partial)}


def idle_of(measured: Measured, sides: Sequence[str]) -> dict[str, float | None]:
    """By side, the most CPU that it used in any trial while another ran, as a fraction of a core."""
    return {side: max((trial.idle[side] for trial in measured.trials), default=None) for side in sides}


def trial_notes(measured: Measured) -> tuple[TrialNote, ...]:
    """The trials for the findings."""
    return tuple(
        TrialNote(trial.number, tuple(trial.group_rounds), round(trial.wall_s, 3), trial_facts(trial).machine)
        for trial in measured.trials
    )


def trial_facts(trial: Trial) -> TrialFacts:
    """A trial for the manifest."""
    return TrialFacts(
        number=trial.number,
        rounds=list(trial.group_rounds),
        wall_s=trial.wall_s,
        idle=dict(trial.idle),
        machine=trial.machine,
        starts=dict(trial.starts) or msgspec.UNSET,
        used=dict(trial.used) or msgspec.UNSET,
    )
