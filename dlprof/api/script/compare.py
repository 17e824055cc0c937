"""Two scripts of the user's own, unchanged, compared in lockstep: from their command lines to a comparison directory."""

from __future__ import annotations

from collections.abc import Iterator

from dlprof import frameworks, temporary
from dlprof.analysis.model import Comparison
from dlprof.api import leftovers
from dlprof.api.lockstep.measured import Measured
from dlprof.api.lockstep.pacing import Pacing
from dlprof.api.lockstep.trials import Trials
from dlprof.api.lockstep.walk import Walk
from dlprof.api.progress import Progress, Warnings
from dlprof.api.record import output_folder
from dlprof.api.script.options import ScriptCompare, workload_of
from dlprof.api.script.record import name_of
from dlprof.api.script.result_directory import ScriptDirectory
from dlprof.api.script.trials import ScriptTrials
from dlprof.capture.workers import launch_env
from dlprof.store import CaptureWriter


def compare_scripts(asked: ScriptCompare, progress: Progress) -> tuple[Comparison, int]:
    """Run the comparison; returns it and the exit code. The directory is complete when this returns."""
    name = name_of(asked.a)
    target = output_folder(asked.output, f"{name}-vs-{name_of(asked.b)}")
    leftovers.check_free(target)
    measured, warnings = Measured(), Warnings(progress)
    pacing = Pacing(asked, workload_of(name), progress.say, warnings.warn)
    with temporary.folder() as scratch, CaptureWriter(target) as writer:
        kind = ScriptTrials(asked, pacing, measured, scratch, progress, warnings.warn)
        walk: Walk[Comparison] = Walk(
            measured,
            ScriptDirectory(writer, asked, pacing, kind.hellos),
            progress,
            lambda: [*kind.found(), *warnings.said],
            asked.gate,
        )
        for text in _disclosures(asked):
            warnings.warn(text)
        progress.plan({"trials": pacing.estimate_s})
        return walk.go(Trials(kind, measured, pacing, writer, progress, walk.checkpoint).run)


def _disclosures(asked: ScriptCompare) -> Iterator[str]:
    """What a reader must know of how the scripts were run."""
    for name, value in launch_env.thread_settings(frameworks.thread_variables()).items():
        yield f"{name}={value} is set and reaches both sides"
    if asked.in_place:
        yield "trials ran in the working folder itself (--in-place), and wrote what the scripts write there"
