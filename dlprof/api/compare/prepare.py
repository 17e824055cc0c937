"""Before anything is measured: the sides, what they run, where it goes and how long it may take; all checked."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dlprof.api import leftovers
from dlprof.api.compare import known_error, memory, resume
from dlprof.api.lockstep import gate_power, going_on, items
from dlprof.api.lockstep.measured import Measured
from dlprof.api.lockstep.pacing import Pacing
from dlprof.api.lockstep.plan import fitted
from dlprof.api.options import CompareOptions
from dlprof.api.record import Bench, check_mode, output_folder
from dlprof.api.sides import SideSpec, on_one_python
from dlprof.capture.workers import launch_env
from dlprof.names import LETTERS
from dlprof.workload import Workload

TRACE_ESTIMATE_S: Final = 45.0
"""Seconds of a traced run of whole epochs, guessed before anything is known."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A comparison that can begin.

    sides, workloads: by side letter; a preset may differ by framework.
    target: the directory to be made.
    source: the directory to go on with, or what a killed process left of it; None for a new comparison.
    """

    options: CompareOptions
    bench: Bench
    sides: Mapping[str, SideSpec]
    workloads: Mapping[str, Workload]
    pacing: Pacing
    target: Path
    source: Path | None


def prepare(options: CompareOptions, bench: Bench) -> tuple[Prepared, Measured]:
    """What is to be compared, and what of it is measured already (of a comparison that is gone on with).

    Raises `UsageError`, `Unsupported` and `StoreError` where it cannot be done as asked.
    """
    specs = on_one_python([bench.side(text) for text in options.sides])
    sides: dict[str, SideSpec] = dict(zip(LETTERS, specs, strict=False))
    named = [side.framework.name for side in sides.values()]
    asked = {name: options.run.resolve(side.framework.name, named) for name, side in sides.items()}
    workloads = {name: fitted(options, workload) for name, workload in asked.items()}
    for name, side in sides.items():
        check_mode(side, workloads[name])
        items.check(workloads[name], side.framework.name)
    memory.check(workloads)
    target = output_folder(options.output, f"{workloads['a'].name}-{_slug(specs)}")
    measured, source = Measured(), None
    if options.resume is not None:
        source = going_on.source(target)
        measured, bench.warned.said = resume.measured(source, sides, workloads)
        bench.progress.say(
            f"going on with {target}: {len(measured.trials)} trials, {len(measured.captures)} traced runs are there"
        )
    else:
        leftovers.check_free(target)
    reaching = {f"{side.framework.label} ({side.mode})": side.env.variables for side in sides.values()}
    for text in (*launch_env.disclosures(reaching), *_left_out(asked["a"], workloads["a"], named, options.budget_s)):
        bench.warn(text)
    pacing = Pacing(options, workloads["a"], bench.progress.say, bench.warn)
    gate_power.check(options, pacing.most)
    measured.calibration = known_error.of(options, sides, workloads, pacing)
    if note := known_error.check_gate(options, workloads["a"], measured.calibration):
        bench.progress.say(f"note: {note}")
    if held := launch_env.withheld([one for side in sides.values() for one in side.env.variables]):
        whom = "both" if len(sides) == 2 else "all"
        bench.progress.say(f"note: set in this shell, and kept from {whom} sides: {', '.join(held)}")
    bench.progress.plan(_estimates(options, sides, pacing))
    return Prepared(options, bench, sides, workloads, pacing, target, source), measured


def _slug(sides: Sequence[SideSpec]) -> str:
    """`tf-2.21.0-graph-vs-mxnet-1.9.1-hybrid`; of more than two sides without the releases, which would make it long."""
    if len(sides) == 2:
        return "-vs-".join(side.slug for side in sides)
    return "-vs-".join(f"{side.framework.name}-{side.mode}" for side in sides)


def _left_out(asked: Workload, chosen: Workload, named: Collection[str], budget_s: float) -> Iterator[str]:
    """What of the workload is not measured on these frameworks, and why."""
    if items.count(chosen) < items.count(asked):
        yield (
            f"{items.count(chosen)} of {items.count(asked)} sizes are measured, the smallest and the largest of each task "
            f"among them: more do not fit into {budget_s:g} s; a longer --budget, --trials or --set sizes=… has more"
        )
    for framework, alone in items.unmatched(chosen).items():
        if framework in named:
            yield f"only {framework} has, and so not compared: {', '.join(alone)}"


def _estimates(options: CompareOptions, sides: Mapping[str, SideSpec], pacing: Pacing) -> dict[str, float]:
    """Seconds of each stage, guessed before anything is known; corrected as trials finish."""
    stages = {"trials": pacing.estimate_s}
    if options.epoch_capture:
        for side in sides.values():
            stages[f"tracing {side.label}, fidelity native"] = TRACE_ESTIMATE_S
    return stages
