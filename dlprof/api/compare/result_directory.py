"""What a comparison leaves behind: findings put together from timings and captures, and the directory that holds them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Final

import msgspec
import pyarrow as pa

from dlprof import schema
from dlprof.analysis.compare import Measured
from dlprof.analysis.facts import Agreement, EpochFacts, Facts, KnownError, Primitives, TrialNote
from dlprof.analysis.model import Comparison, Side
from dlprof.api.compare import findings
from dlprof.api.import_traces import now
from dlprof.api.options import CompareOptions
from dlprof.api.sides import SideSpec
from dlprof.capture.machine import provenance
from dlprof.capture.workers import launch_env
from dlprof.capture.workers.schedule import Trial
from dlprof.manifest import Disturbance, LockstepOptions, Manifest, Session, TrialFacts, Work
from dlprof.names import SIDES, CaptureName
from dlprof.protocol import Epoch
from dlprof.report import json
from dlprof.store import Capture, CaptureWriter, traced_folders
from dlprof.version import __version__
from dlprof.workload import Workload

UNDER_WAY: Final = "under way"
"""`stopped` of a comparison that is still being made, or whose process was killed."""


@dataclass(slots=True)
class Kept:
    """What has been finished so far. differences: of parity; agreement: how closely the sides agree (same_work.rules.Work).
    primitives: what oneDNN said (api.compare.onednn), None where it was not asked. stopped: why it ended early, '' where it did
    not; ended: the warning that says so, or that the budget was spent. listed: the workload's items. sessions: start and
    number of trials of each; more than one where it was resumed. calibration: what is known of this comparison's errors
    here (api.compare.known_error), None where nothing is."""

    differences: tuple[Mapping[str, str], ...] = ()
    agreement: Agreement | None = None
    trials: list[Trial] = field(default_factory=list)
    captures: dict[str, Capture] = field(default_factory=dict)
    primitives: Primitives | None = None
    stopped: str = ""
    ended: str = ""
    listed: tuple[str, ...] = ()
    sessions: list[Session] = field(default_factory=list)
    calibration: KnownError | None = None

    @property
    def notes(self) -> list[str]:
        """Warnings on how the trials came about, which a further session makes anew: their end, and that they are of
        several sittings, in each of which the machine may have been in another state."""
        counts = [str(session.trials) for session in self.sessions if session.trials]
        several = f"measured in {len(counts)} sessions of {' + '.join(counts)} trials"
        return [*([self.ended] if self.ended else []), *([several] if len(counts) > 1 else [])]

    @property
    def timings(self) -> pa.Table:
        """All trials' rows (schema.TIMINGS)."""
        if not self.trials:
            return schema.TIMINGS.empty_table()
        return pa.concat_tables([trial.timings for trial in self.trials]).unify_dictionaries()


@dataclass(frozen=True, slots=True)
class Keeper:
    """Puts a comparison together and commits its directory. adaptive: whether the ratios decided when to stop."""

    options: CompareOptions
    sides: Mapping[str, SideSpec]
    workloads: Mapping[str, Workload]
    writer: CaptureWriter
    adaptive: bool
    family: bool

    def findings(self, kept: Kept, warnings: Sequence[str]) -> Comparison:
        """Everything found so far."""
        listed = kept.listed if self.family else ()
        return findings.build(
            findings.Parts(
                measured=Measured(
                    workload=self.workloads["a"].name,
                    timings=kept.timings,
                    parity=kept.differences,
                    margin=self.options.margin,
                    adaptive=self.adaptive,
                    warnings=warnings,
                    facts=self._facts(kept, listed),
                ),
                asked={name: asked_side(spec) for name, spec in self.sides.items()},
                captures=kept.captures,
                paths={name: str(self.writer.path / CaptureName.first(name)) for name in self.sides},
                family=self.family,
                listed=listed,
            )
        )

    def _facts(self, kept: Kept, listed: Sequence[str]) -> Facts:
        """Beside the verdict: how it was measured, accuracy per epoch, what the machine did, why the trials ended."""
        workload = self.workloads["a"]
        first = [CaptureName.first(side) for side in SIDES]
        return Facts(
            kind=workload.kind,
            method=self.options.method,
            preset=workload.preset,
            differs=tuple(workload.differs),
            epochs={
                folder: tuple(_epoch_facts(epoch) for epoch in capture.manifest.epochs)
                for folder, capture in kept.captures.items()
                if folder in first
            },
            idle_cpu_fraction={side: max((trial.idle[side] for trial in kept.trials), default=None) for side in SIDES},
            trials=tuple(_trial_note(trial) for trial in kept.trials),
            stopped=kept.stopped,
            agreement=kept.agreement,
            sessions=tuple(kept.sessions),
            calibration=kept.calibration,
            primitives=kept.primitives,
            folder=str(self.writer.path),
            items_listed=tuple(listed) or None,
        )

    def checkpoint(self, kept: Kept, warnings: Sequence[str]) -> None:
        """Put what is finished so far on disk: a process that is killed after this loses none of it."""
        if kept.trials:
            self.writer.timings(kept.timings)
        self.writer.checkpoint(self._manifest(replace(kept, stopped=UNDER_WAY), warnings))

    def commit(self, found: Comparison, kept: Kept, warnings: Sequence[str]) -> Capture:
        """Write the findings and the manifest, and give the directory its name."""
        if kept.trials:
            self.writer.timings(kept.timings)
        self.writer.comparison(json.comparison(found))
        shutil.rmtree(self.writer.partial / "raw", ignore_errors=True)
        return self.writer.commit(self._manifest(kept, warnings))

    def finished_captures(self) -> dict[str, Capture]:
        """The traced runs that are whole."""
        return {path.name: Capture.open(path) for path in traced_folders(self.writer.partial)}

    def _manifest(self, kept: Kept, warnings: Sequence[str]) -> Manifest[LockstepOptions]:
        return Manifest(
            kind="compare",
            dlprof_version=__version__,
            created=now(),
            command=provenance.command_line(),
            complete=not kept.stopped,
            workload={name: workload.description for name, workload in self.workloads.items()},
            options=self._options(kept),
            seed=self.options.run.seed,
            machine=provenance.machine(),
            sides={name: msgspec.to_builtins(side_facts(spec)) for name, spec in self.sides.items()},
            trials=[trial_facts(trial) for trial in kept.trials],
            warnings=list(warnings),
        )

    def _options(self, kept: Kept) -> LockstepOptions:
        """The options; what `--resume` needs beside them (api.compare.resume)."""
        given = self.options
        return LockstepOptions(
            budget_s=given.budget_s,
            trials=given.trials,
            precision=given.precision,
            margin=given.margin,
            traces=given.traces,
            allow=list(given.allow),
            method=given.method,
            adaptive=self.adaptive,
            stopped=kept.stopped,
            ended=kept.ended,
            listed=list(kept.listed),
            sessions=list(kept.sessions),
            work=Work(
                parity=[dict(difference) for difference in kept.differences],
                agreement=json.plain(kept.agreement) or {},
                primitives=json.plain(kept.primitives),
            ),
            asked=msgspec.to_builtins(given.absolute(), enc_hook=str),
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


def asked_side(spec: SideSpec) -> Side:
    """A side without a capture (none was wanted, or the run was stopped before)."""
    return Side(
        framework=spec.framework.name,
        version=spec.env.version,
        device=f"{spec.device}:{spec.index}",
        mode=spec.mode,
        python=spec.env.python,
        label=spec.label,
    )


def side_facts(spec: SideSpec) -> dict[str, str]:
    """A side as asked for, for the manifest. variables: those of the shell that reach it and change its threads, where any is
    set; trials with other ones cannot be one comparison."""
    variables = " ".join(f"{name}={value}" for name, value in launch_env.variables(spec.framework.name).items())
    return {
        **({"variables": variables} if variables else {}),
        "framework": spec.framework.name,
        "version": spec.env.version,
        "mode": spec.mode,
        "device": f"{spec.device}:{spec.index}",
        "environment": spec.env.name,
    }
