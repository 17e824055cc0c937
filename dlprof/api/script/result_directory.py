"""The directory that a comparison of two scripts leaves: as that of any comparison, its sides being commands."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from dlprof.analysis import compare
from dlprof.analysis.facts import Facts, TrialNote
from dlprof.analysis.model import Comparison, Side
from dlprof.api.compare import findings
from dlprof.api.compare.measured import Measured
from dlprof.api.compare.plan import Pacing
from dlprof.api.compare.result_directory import UNDER_WAY, trial_facts
from dlprof.api.import_traces import now
from dlprof.api.script.options import ScriptCompare
from dlprof.capture.machine import provenance
from dlprof.capture.script.link import Hello
from dlprof.manifest import LockstepOptions, Manifest, Work
from dlprof.names import SIDES, CaptureName
from dlprof.report import json
from dlprof.store import Capture, CaptureWriter, traced_folders
from dlprof.version import __version__

ASKED: Final = "script"
"""Key of `options.asked` under which a manifest says that its sides are scripts, and what --resume needs of them."""


@dataclass(frozen=True, slots=True)
class ScriptDirectory:
    """Puts what was measured on disk as it comes, and seals the directory with the findings."""

    asked: ScriptCompare
    pacing: Pacing
    writer: CaptureWriter

    def findings(self, measured: Measured, hellos: Mapping[str, Hello], warnings: Sequence[str]) -> Comparison:
        """What is found in all that was measured so far."""
        return findings.build(
            findings.Parts(
                measured=compare.Measured(
                    workload=self.pacing.workload.name,
                    timings=measured.timings,
                    parity=measured.differences,
                    margin=self.asked.margin,
                    adaptive=self.pacing.adaptive,
                    warnings=warnings,
                    facts=self._facts(measured),
                ),
                asked={side: self._side(side, hellos.get(side)) for side in SIDES},
                captures=measured.captures,
                paths={side: str(self.writer.path / CaptureName.first(side)) for side in SIDES},
            )
        )

    def _side(self, side: str, hello: Hello | None) -> Side:
        """A side without a capture."""
        command = str(self.asked.commands[side])
        return Side(
            framework=hello.framework if hello else "unknown",
            version=hello.version if hello else "unknown",
            device="unknown",
            mode=command,
            python=hello.python if hello else "unknown",
            label=command,
        )

    def _facts(self, measured: Measured) -> Facts:
        return Facts(
            kind="network",
            method="lockstep",
            idle_cpu_fraction={
                side: max((trial.idle[side] for trial in measured.trials), default=None) for side in SIDES
            },
            trials=tuple(
                TrialNote(trial.number, tuple(trial.group_rounds), round(trial.wall_s, 3), trial_facts(trial).machine)
                for trial in measured.trials
            ),
            stopped=measured.stopped,
            sessions=tuple(measured.sessions),
            folder=str(self.writer.path),
        )

    def checkpoint(self, measured: Measured, hellos: Mapping[str, Hello], warnings: Sequence[str]) -> None:
        """Put what is finished so far on disk: a process that is killed after this loses none of it."""
        if measured.trials:
            self.writer.timings(measured.timings)
        self.writer.checkpoint(self._manifest(replace(measured, stopped=UNDER_WAY), hellos, warnings))

    def commit(
        self, found: Comparison, measured: Measured, hellos: Mapping[str, Hello], warnings: Sequence[str]
    ) -> Capture:
        """Write the findings and the manifest, and give the directory its name."""
        if measured.trials:
            self.writer.timings(measured.timings)
        self.writer.comparison(json.comparison(found))
        shutil.rmtree(self.writer.partial / "raw", ignore_errors=True)
        return self.writer.commit(self._manifest(measured, hellos, warnings))

    def captures(self) -> dict[str, Capture]:
        """The traced windows that are whole."""
        return {path.name: Capture.open(path) for path in traced_folders(self.writer.partial)}

    def _manifest(
        self, measured: Measured, hellos: Mapping[str, Hello], warnings: Sequence[str]
    ) -> Manifest[LockstepOptions]:
        asked = self.asked
        return Manifest(
            kind="compare",
            dlprof_version=__version__,
            created=now(),
            command=provenance.command_line(),
            complete=not measured.stopped,
            workload={side: {"name": self.pacing.workload.name} for side in SIDES},
            options=LockstepOptions(
                budget_s=asked.budget_s,
                trials=asked.trials,
                precision=asked.precision,
                margin=asked.margin,
                traces=asked.traces,
                allow=list(asked.allow),
                adaptive=self.pacing.adaptive,
                stopped=measured.stopped,
                ended=measured.ended,
                listed=list(measured.listed),
                sessions=list(measured.sessions),
                work=Work(parity=[dict(difference) for difference in measured.differences]),
                asked={ASKED: self._stated()},
            ),
            seed=asked.seed,
            machine=provenance.machine(),
            sides={side: self._side_facts(side, hellos.get(side)) for side in SIDES},
            trials=[trial_facts(trial) for trial in measured.trials],
            warnings=list(warnings),
        )

    def _side_facts(self, side: str, hello: Hello | None) -> dict[str, str | None]:
        told = {"command": str(self.asked.commands[side])}
        if hello is not None:
            told |= {
                "framework": hello.framework,
                "version": hello.version,
                "python": hello.python,
                "executable": hello.executable,
                "steps": hello.found,
            }
        return dict(told)

    def _stated(self) -> dict[str, Any]:
        """What another sitting must be asked for alike."""
        asked = self.asked
        return {
            "a": str(asked.a),
            "b": str(asked.b),
            "step": asked.step,
            "links": [str(link) for link in asked.links],
            "in_place": asked.in_place,
            "seed": asked.seed,
        }
