"""The directory that a comparison of workloads leaves behind: what its findings are made of, and what its manifest states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import msgspec

from dlprof.analysis import compare
from dlprof.analysis.facts import EpochFacts, Facts
from dlprof.analysis.model import Comparison
from dlprof.analysis.timing import beside
from dlprof.analysis.timing.ranking import Ranking
from dlprof.api.compare.prepare import Prepared
from dlprof.api.compare.side_facts import asked_side, side_facts
from dlprof.api.findings import of_several, of_two, pairs
from dlprof.api.findings.of_two import Parts
from dlprof.api.import_traces import now
from dlprof.api.lockstep.directory import ResultDirectory, idle_of, trial_facts, trial_notes
from dlprof.api.lockstep.measured import Between, Measured
from dlprof.api.options import CompareOptions
from dlprof.capture.machine import command_words, provenance
from dlprof.manifest import LockstepOptions, Manifest, Work
from dlprof.names import SIDES, Pair, pairs_of
from dlprof.protocol import Epoch
from dlprof.report import json
from dlprof.version import __version__


@dataclass(frozen=True, slots=True)
class WorkloadDirectory(ResultDirectory[Comparison | Ranking]):
    """Of a comparison of workloads on frameworks."""

    prepared: Prepared

    def findings(self, measured: Measured, warnings: Sequence[str]) -> Comparison | Ranking:
        """What is found in all that was measured so far: a comparison of two sides, a ranking of more."""
        if len(self.prepared.sides) == 2:
            return of_two.build(self._parts(measured, warnings, SIDES))
        return of_several.rank(
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
                gate=pairs.gate(self.prepared.options.gate, pair),
                others=beside.of(measured.trials, measured.timings) if len(self.prepared.sides) == 2 else {},
                limits=self.prepared.options.limits,
            ),
            asked={name: asked_side(spec) for name, spec in sides.items()},
            captures=pairs.captures(measured.captures, pair),
            paths=of_several.paths(self.writer.path, pair),
            family=self.prepared.pacing.family,
            listed=listed,
        )

    def _facts(self, measured: Measured, listed: Sequence[str], pair: Pair) -> Facts:
        """Beside the verdict: how it was measured, accuracy per epoch, what the machine did, why the trials ended."""
        workload = self.prepared.workloads[pair[0]]
        between = measured.between.get(pair, Between())
        idle = idle_of(measured, tuple(self.prepared.sides))
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
            trials=trial_notes(measured),
            stopped=measured.stopped,
            agreement=between.agreement,
            sessions=tuple(measured.sessions),
            calibration=measured.calibration,
            primitives=between.primitives,
            folder=str(self.writer.path),
            items_listed=tuple(listed) or None,
        )

    def manifest(self, measured: Measured, warnings: Sequence[str]) -> Manifest[LockstepOptions]:
        return Manifest(
            kind="compare" if len(self.prepared.sides) == 2 else "ranking",
            dlprof_version=__version__,
            created=now(),
            command=command_words.command_line(),
            complete=not measured.stopped,
            workload={name: workload.description for name, workload in self.prepared.workloads.items()},
            options=self._options(measured),
            seed=self.prepared.options.run.seed,
            machine=provenance.machine([one for side in self.prepared.sides.values() for one in side.env.variables]),
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
            gate=msgspec.UNSET if given.gate is None else given.gate,
            limits=given.limits or msgspec.UNSET,
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
