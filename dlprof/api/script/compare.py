"""Two scripts of the user's own, unchanged, compared in lockstep: from their command lines to a comparison directory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from dlprof import frameworks, stats, temporary
from dlprof.analysis.model import Comparison
from dlprof.api import leftovers
from dlprof.api.lockstep import earlier_spread, gate_power
from dlprof.api.lockstep.going_on import source as find_source
from dlprof.api.lockstep.measured import Measured
from dlprof.api.lockstep.pacing import Pacing
from dlprof.api.lockstep.trials import Trials
from dlprof.api.lockstep.walk import Walk
from dlprof.api.progress import Progress, Warnings
from dlprof.api.record import output_folder
from dlprof.api.script import resume
from dlprof.api.script.options import ScriptCompare, workload_of
from dlprof.api.script.record import name_of
from dlprof.api.script.result_directory import ScriptDirectory
from dlprof.api.script.trials import ScriptTrials, SideFacts
from dlprof.capture.script import shell, spin
from dlprof.errors import Interrupted
from dlprof.store import Capture, CaptureWriter

ASKED: Final = "as asked (--interleaved)"
"""Why the sides are not alive together where the user wants it so."""


def compare_scripts(asked: ScriptCompare, progress: Progress) -> tuple[Comparison, int]:
    """Run the comparison; returns it and the exit code. The directory is complete when this returns."""
    name = name_of(asked.a)
    _tell_power(asked, progress)
    target = output_folder(asked.output, f"{name}-vs-{name_of(asked.b)}")
    measured, warnings, source = Measured(), Warnings(progress), None
    before: Mapping[str, SideFacts] = {}
    apart = ASKED if asked.interleaved else ""
    if asked.resume is not None:
        source = find_source(target)
        measured, warnings.said = resume.measured(source)
        manifest = Capture.open(source).manifest
        # Without a trial nothing is known of the sides yet, and nothing is there that another side could not go on with.
        before, apart = manifest.sides if measured.trials else {}, resume.apart(manifest)
        progress.say(
            f"going on with {target}: {len(measured.trials)} trials, {len(measured.captures)} traced runs are there"
        )
    else:
        leftovers.check_free(target)
    with temporary.folder() as scratch, CaptureWriter(target, source=source) as writer:
        try:
            kind = _kind(asked, measured, warnings, scratch, before)
            kind.apart = apart
            return _walked(kind, warnings, writer)
        except KeyboardInterrupt:
            if not writer.keep_partial:
                raise
            raise Interrupted("interrupted", hint=f"what was finished is kept: {resume.words(target, asked)}") from None


def _kind(
    asked: ScriptCompare, measured: Measured, warnings: Warnings, scratch: Path, before: Mapping[str, SideFacts]
) -> ScriptTrials:
    """What its trials are made of."""
    progress = warnings.progress
    pacing = Pacing(asked, workload_of(name_of(asked.a)), progress.say, warnings.warn)
    return ScriptTrials(asked, pacing, measured, scratch, progress, warnings.warn, before)


def _walked(kind: ScriptTrials, warnings: Warnings, writer: CaptureWriter) -> tuple[Comparison, int]:
    """Trials, findings and directory."""
    asked, measured, progress = kind.asked, kind.measured, kind.progress

    def said() -> list[str]:
        found = kind.found()
        return [*found, *(text for text in warnings.said if text not in found)]

    walk: Walk[Comparison] = Walk(
        measured,
        ScriptDirectory(writer, asked, kind.pacing, kind.hellos, kind.grounds, kind.before, lambda: kind.apart),
        progress,
        said,
        resume.words(writer.path, asked),
    )
    for text in _disclosures(asked):
        warnings.warn(text)
    progress.plan({"trials": kind.pacing.estimate_s})
    walk.checkpoint()
    return walk.go(Trials(kind, measured, kind.pacing, writer, progress, walk.checkpoint).run)


def _tell_power(asked: ScriptCompare, progress: Progress) -> None:
    """What the gate can show, where an earlier comparison says it. Raises `UsageError` where that is not enough."""
    gate_power.check(asked, stats.look_schedule()[-1])
    if asked.calibration is None:
        if asked.gate is not None and asked.resume is None:
            progress.say(
                "note: what this gate can show here is known after six trials; --calibration DIR, an earlier comparison of the "
                "script, tells it before the first"
            )
        return
    spread = earlier_spread.read(asked.calibration)
    if asked.gate is not None:
        progress.say(earlier_spread.words(spread, asked.gate, asked.budget_s, asked.trials))


def _disclosures(asked: ScriptCompare) -> Iterator[str]:
    """What a reader must know of how the scripts were run."""
    yield spin.statement(asked.commands, asked.spin)
    sides = {side.upper(): command for side, command in asked.commands.items()}
    yield from shell.disclosures(sides, frameworks.thread_variables())
    if asked.in_place:
        yield "trials ran in the working folder itself (--in-place), and wrote what the scripts write there"
