"""The directory that a comparison leaves behind: what is finished is in it as it comes, at the end with the findings."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import msgspec

from dlprof.analysis import compare
from dlprof.analysis.facts import EpochFacts, Facts, TrialNote
from dlprof.analysis.model import Comparison
from dlprof.analysis.timing.ranking import Ranking
from dlprof.api.compare import findings, pairs, ranked
from dlprof.api.compare.findings import Parts
from dlprof.api.compare.measured import Between, Measured
from dlprof.api.compare.prepare import Prepared
from dlprof.api.compare.side_facts import asked_side, side_facts
from dlprof.api.import_traces import now
from dlprof.api.options import CompareOptions
from dlprof.capture.machine import provenance
from dlprof.capture.workers.schedule import Trial
from dlprof.manifest import Disturbance, LockstepOptions, Manifest, TrialFacts, Work
from dlprof.names import SIDES, Pair, pairs_of
from dlprof.protocol import Epoch
from dlprof.report import json, ranking_json
from dlprof.store import Capture, CaptureWriter, traced_folders
from dlprof.version import __version__

UNDER_WAY: Final = "under way"
"""`stopped` of a comparison that is still being made, or whose process was killed."""


@dataclass(frozen=True, slots=True)
class ResultDirectory:
    """Puts what was measured on disk as it comes, and seals the directory with the findings."""

    prepared: Prepared
    writer: CaptureWriter

    def findings(self, measured: Measured, warnings: Sequence[str]) -> Comparison | Ranking:
        """What is found in all that was measured so far: a comparison of two sides, a ranking of more."""
        if len(self.prepared.sides) == 2:
            return findings.build(self._parts(measured, warnings, SIDES))
        return ranked.rank(
            tuple(self.prepared.sides), lambda pair: self._parts(measured, warnings, pair), warnings=warnings
        )

    def _parts(self, measured: Measured, warnings: Sequence[str], pair: Pair) -> Parts:
        """What the findings on two of the sides are made of."""
        listed = measured.listed if self.prepared.pacing.family else ()
        sides = pairs.of_sides(self.prepared.sides, pair)
        return Parts(
            measured=compare.Measured(
                workload=self.prepared.workloads["a"].name,
                timings=pairs.timings(measured.timings, pair),
                parity=measured.between.get(pair, Between()).differences,
                margin=self.prepared.options.margin,
                adaptive=self.prepared.pacing.adaptive,
                sides=len(self.prepared.sides),
                warnings=warnings,
                facts=self._facts(measured, listed, pair),
            ),
            asked={name: asked_side(spec) for name, spec in sides.items()},
            captures=pairs.captures(measured.captures, pair),
            paths=ranked.paths(self.writer.path, pair),
            family=self.prepared.pacing.family,
            listed=listed,
        )

    def _facts(self, measured: Measured, listed: Sequence[str], pair: Pair) -> Facts:
        """Beside the verdict: how it was measured, accuracy per epoch, what the machine did, why the trials ended."""
        workload = self.prepared.workloads[pair[0]]
        between = measured.between.get(pair, Between())
        idle = {
            side: max((trial.idle[side] for trial in measured.trials), default=None) for side in self.prepared.sides
        }
        return Facts(
            kind=workload.kind,
            method=self.prepared.options.method,
            preset=workload.preset,
            differs=tuple(workload.differs),
            epochs={
                folder: tuple(_epoch_facts(epoch) for epoch in capture.manifest.epochs)
                for folder, capture in pairs.captures(measured.captures, pair).items()
                if capture.manifest.epochs
            },
            idle_cpu_fraction=pairs.of_sides(idle, pair),
            trials=tuple(_trial_note(trial) for trial in measured.trials),
            stopped=measured.stopped,
            agreement=between.agreement,
            sessions=tuple(measured.sessions),
            calibration=measured.calibration,
            primitives=between.primitives,
            folder=str(self.writer.path),
            items_listed=tuple(listed) or None,
        )

    def checkpoint(self, measured: Measured, warnings: Sequence[str]) -> None:
        """Put what is finished so far on disk: a process that is killed after this loses none of it."""
        if measured.trials:
            self.writer.timings(measured.timings)
        self.writer.checkpoint(self._manifest(replace(measured, stopped=UNDER_WAY), warnings))

    def commit(self, found: Comparison | Ranking, measured: Measured, warnings: Sequence[str]) -> Capture:
        """Write the findings and the manifest, and give the directory its name."""
        if measured.trials:
            self.writer.timings(measured.timings)
        if isinstance(found, Ranking):
            self.writer.ranking(ranking_json.ranking(found))
        else:
            self.writer.comparison(json.comparison(found))
        shutil.rmtree(self.writer.partial / "raw", ignore_errors=True)
        return self.writer.commit(self._manifest(measured, warnings))

    def captures(self) -> dict[str, Capture]:
        """The traced runs that are whole."""
        return {path.name: Capture.open(path) for path in traced_folders(self.writer.partial)}

    def _manifest(self, measured: Measured, warnings: Sequence[str]) -> Manifest[LockstepOptions]:
        return Manifest(
            kind="compare" if len(self.prepared.sides) == 2 else "ranking",
            dlprof_version=__version__,
            created=now(),
            command=provenance.command_line(),
            complete=not measured.stopped,
            workload={name: workload.description for name, workload in self.prepared.workloads.items()},
            options=self._options(measured),
            seed=self.prepared.options.run.seed,
            machine=provenance.machine(),
            sides={name: msgspec.to_builtins(side_facts(spec)) for name, spec in self.prepared.sides.items()},
            trials=[trial_facts(trial) for trial in measured.trials],
            warnings=list(warnings),
        )

    def _options(self, measured: Measured) -> LockstepOptions:
        """The options; what `--resume` needs beside them (api.compare.resume)."""
        given = self.prepared.options
        works = {"".join(pair): _work(measured.between.get(pair, Between())) for pair in pairs_of(self.prepared.sides)}
        two = len(self.prepared.sides) == 2
        return LockstepOptions(
            budget_s=given.budget_s,
            trials=given.trials,
            precision=given.precision,
            margin=given.margin,
            traces=given.traces,
            allow=list(given.allow),
            method=given.method,
            adaptive=self.prepared.pacing.adaptive,
            stopped=measured.stopped,
            ended=measured.ended,
            listed=list(measured.listed),
            sessions=list(measured.sessions),
            work=works["ab"] if two else msgspec.UNSET,
            works=msgspec.UNSET if two else works,
            asked=_asked(given),
        )


def _asked(given: CompareOptions) -> dict[str, Any]:
    """The options of the command line; of two sides nothing is said of further ones."""
    stated: dict[str, Any] = msgspec.to_builtins(given.absolute(), enc_hook=str)
    return stated if given.more else {key: value for key, value in stated.items() if key != "more"}


def _work(between: Between) -> Work:
    return Work(
        parity=[dict(difference) for difference in between.differences],
        agreement=json.plain(between.agreement) or {},
        primitives=json.plain(between.primitives),
    )


def _epoch_facts(epoch: Epoch) -> EpochFacts:
    return EpochFacts(**{one.name: getattr(epoch, one.name) for one in fields(EpochFacts)})


def _trial_note(trial: Trial) -> TrialNote:
    return TrialNote(trial.number, tuple(trial.group_rounds), round(trial.wall_s, 3), trial_facts(trial).machine)


def trial_facts(trial: Trial) -> TrialFacts:
    """A trial for the manifest."""
    return TrialFacts(
        number=trial.number,
        rounds=list(trial.group_rounds),
        wall_s=trial.wall_s,
        idle=dict(trial.idle),
        machine=msgspec.convert(trial.machine, Disturbance) if trial.machine else None,
    )
