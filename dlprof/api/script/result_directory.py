"""The directory that a comparison of two scripts leaves: as that of any comparison, its sides being commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from dlprof import frameworks
from dlprof.analysis import compare
from dlprof.analysis.facts import Facts, Interleaved
from dlprof.analysis.model import Comparison, Side
from dlprof.analysis.timing import beginnings, beside
from dlprof.api.findings import of_two
from dlprof.api.import_traces import now
from dlprof.api.lockstep.directory import ResultDirectory, idle_of, trial_facts, trial_notes
from dlprof.api.lockstep.going_on import SCRIPTS
from dlprof.api.lockstep.measured import Measured
from dlprof.api.lockstep.pacing import Pacing
from dlprof.api.script.ground import Ground
from dlprof.api.script.options import ScriptCompare
from dlprof.api.script.resume import stated
from dlprof.capture.machine import command_words, provenance
from dlprof.capture.script import shell
from dlprof.capture.script.link import Hello
from dlprof.manifest import LockstepOptions, Manifest, Work
from dlprof.names import SIDES, CaptureName
from dlprof.version import __version__


@dataclass(frozen=True, slots=True)
class ScriptDirectory(ResultDirectory[Comparison]):
    """Of a comparison of two scripts. hellos: of each side, what its last process told; grounds: what it runs; both are filled as
    the trials run. before: what the directory of an earlier sitting says of it. apart: why its sides are not alive together."""

    asked: ScriptCompare
    pacing: Pacing
    hellos: Mapping[str, Hello]
    grounds: Mapping[str, Ground]
    before: Mapping[str, Mapping[str, str | None]]
    apart: Callable[[], str]

    def findings(self, measured: Measured, warnings: Sequence[str]) -> Comparison:
        """What is found in all that was measured so far."""
        return of_two.build(
            of_two.Parts(
                measured=compare.Measured(
                    workload=self.pacing.workload.name,
                    timings=measured.timings,
                    parity=measured.differences,
                    margin=self.asked.margin,
                    adaptive=self.pacing.adaptive,
                    warnings=warnings,
                    facts=self._facts(measured),
                    gate=self.asked.gate,
                    others=beside.of(measured.trials, measured.timings),
                    limits=self.asked.limits,
                ),
                asked={side: self._side(side, self.hellos.get(side)) for side in SIDES},
                captures=measured.captures,
                paths={side: str(self.writer.path / CaptureName.first(side)) for side in SIDES},
            )
        )

    def _side(self, side: str, hello: Hello | None) -> Side:
        """A side without a capture."""
        command, told = str(self.asked.commands[side]), self._side_facts(side, hello)
        framework, version, python = (told.get(name) or "unknown" for name in ("framework", "version", "python"))
        return Side(framework, version, device="unknown", mode=command, python=python, label=command)

    def _facts(self, measured: Measured) -> Facts:
        return Facts(
            kind="network",
            method=self._method,
            interleaved=Interleaved(why=why) if (why := self.apart()) else None,
            idle_cpu_fraction=idle_of(measured, SIDES),
            trials=trial_notes(measured),
            beginnings=beginnings.of([trial.starts for trial in measured.trials], measured.timings) or None,
            stopped=measured.stopped,
            sessions=tuple(measured.sessions),
            folder=str(self.writer.path),
        )

    @property
    def _method(self) -> str:
        return "interleaved" if self.apart() else "lockstep"

    def manifest(self, measured: Measured, warnings: Sequence[str]) -> Manifest[LockstepOptions]:
        asked = self.asked
        return Manifest(
            kind="compare",
            dlprof_version=__version__,
            created=now(),
            command=command_words.command_line(),
            complete=not measured.stopped,
            workload={side: {"name": self.pacing.workload.name} for side in SIDES},
            options=LockstepOptions(
                budget_s=asked.budget_s,
                trials=asked.trials,
                precision=asked.precision,
                margin=asked.margin,
                gate=msgspec.UNSET if asked.gate is None else asked.gate,
                limits=asked.limits or msgspec.UNSET,
                traces=asked.traces,
                allow=list(asked.allow),
                method=self._method,
                apart=self.apart() or msgspec.UNSET,
                adaptive=self.pacing.adaptive,
                stopped=measured.stopped,
                ended=measured.ended,
                listed=list(measured.listed),
                sessions=list(measured.sessions),
                work=Work(parity=[dict(difference) for difference in measured.differences]),
                asked={SCRIPTS: stated(asked)},
            ),
            seed=asked.seed,
            machine=provenance.machine(frameworks.thread_variables()),
            sides={side: self._side_facts(side, self.hellos.get(side)) for side in SIDES},
            trials=[trial_facts(trial) for trial in measured.trials],
            warnings=list(warnings),
        )

    def _side_facts(self, side: str, hello: Hello | None) -> dict[str, str | None]:
        command = self.asked.commands[side]
        told: dict[str, str | None] = {
            **self.before.get(side, {}),
            "command": str(command),
            "variables": shell.stated(command, frameworks.thread_variables()),
        }
        if (ground := self.grounds.get(side)) is not None:
            told["commit"] = ground.commit
        if hello is not None:
            told |= {
                "framework": hello.framework,
                "version": hello.version,
                "python": hello.python,
                "executable": hello.executable,
                "steps": hello.found,
            }
        return told
