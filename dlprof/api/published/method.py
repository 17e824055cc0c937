"""`--method as-published`: the original study's measurement in its own environment, called unsound throughout."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from dlprof import schema, temporary
from dlprof.analysis.facts import Facts
from dlprof.analysis.model import Comparison, Side
from dlprof.api.import_traces import now
from dlprof.api.lockstep import items
from dlprof.api.options import CompareOptions
from dlprof.api.progress import Progress
from dlprof.api.published import releases
from dlprof.api.published import statistics as analysis
from dlprof.api.record import output_folder
from dlprof.api.sides import parse_side
from dlprof.capture.environments.env_store import Environment, EnvStore
from dlprof.capture.machine import command_words, provenance
from dlprof.capture.workers import launch
from dlprof.errors import StoreError, UsageError
from dlprof.manifest import Manifest, PublishedOptions
from dlprof.names import DEFAULT_SIDES
from dlprof.protocol import CaptureRequest, CaptureResult, Phase, Said
from dlprof.report import json
from dlprof.store import CaptureWriter
from dlprof.version import __version__
from dlprof.workload import Workload

METHOD: Final = "as-published"
RUNNER: Final = launch.RUNNER.with_name("published.py")
REPETITIONS: Final = 7
_MEASURING: Final = "measuring as published"
ESTIMATE_S: Final = 30.0
"""Seconds, guessed before anything ran."""


def compare(options: CompareOptions, progress: Progress) -> Comparison:
    """Run it and keep it as a comparison directory. Raises `UsageError` for what the study's method cannot be asked."""
    workload = checked(options)
    target = output_folder(options.output, f"{workload.name}-as-published")
    if target.exists():
        raise StoreError(f"{target}: exists already", hint="choose another -o, or remove it")
    progress.say(f"warning: {analysis.UNSOUND}")
    progress.plan({_MEASURING: ESTIMATE_S})
    progress.stage("environment of the study")
    environment = EnvStore().ensure(releases.ENVIRONMENT, progress.detail)
    progress.stage(_MEASURING)
    with temporary.folder() as scratch, CaptureWriter(target) as writer:
        result = _measured(environment, workload, options, scratch, progress)
        timings = _table(result.runtime["timings"])
        writer.timings(timings)
        sides = {name: _side(text, result) for name, text in releases.SIDES.items()}
        facts = Facts(kind="op", folder=str(writer.path), repetitions=REPETITIONS)
        found = analysis.build(workload=workload.name, a=sides["a"], b=sides["b"], timings=timings, facts=facts)
        writer.comparison(json.comparison(found))
        capture = writer.commit(_manifest(options, workload, environment, sides))
    progress.say(f"written: {capture.path}")
    return found


def checked(options: CompareOptions) -> Workload:
    """The workload as the study's method can measure it. Raises `UsageError`, `Unsupported` for anything else."""
    asked = {"a": options.a, "b": options.b}
    for name, default in zip(asked, DEFAULT_SIDES, strict=True):
        if asked[name] not in (default, releases.SIDES[name]):
            raise UsageError(
                f"--method as-published measures {' and '.join(releases.SIDES.values())} in one process, not {asked[name]}",
                hint="leave --a, --b and --frameworks away",
            )
    if options.run.device != "cpu" or options.run.python is not None:
        raise UsageError("--method as-published runs on the CPU, in an environment of its own")
    if options.gate is not None:
        raise UsageError(
            "--method as-published has no intervals, and so nothing for --gate", hint="leave one of them away"
        )
    settings = {"variant": "study", **options.run.settings}
    workload = replace(options.run, settings=settings).resolve("tf", DEFAULT_SIDES) if _has_variant(options) else None
    if workload is None or workload.kind != "op":
        raise UsageError(
            f"--method as-published is known for the study's tasks, not for {options.run.workload}",
            hint="try: dlprof compare matmul --set size=550 --method as-published",
        )
    for framework in ("tf", "mxnet"):
        items.check(workload, framework)
    return workload


def _has_variant(options: CompareOptions) -> bool:
    return "variant" in options.run.resolve("tf").settings


def _measured(
    environment: Environment, workload: Workload, options: CompareOptions, scratch: Path, progress: Progress
) -> CaptureResult:
    request = CaptureRequest(
        task="trace",
        framework="tf",
        adapter="",
        mode="eager",
        workload=workload.description,
        seed=options.run.seed,
        threads=options.run.threads,
        options={"repetitions": REPETITIONS},
    )

    def report(event: Said) -> None:
        if isinstance(event, Phase):
            progress.detail(event.name)

    return launch.run_trace(environment, request, scratch / "child", options.run.timeout_s, report, runner=RUNNER)


def _table(rows: list[list[Any]]) -> pa.Table:
    """The child's rows as schema.TIMINGS: one trial, a round for each repetition."""
    names = schema.TIMINGS.names
    records = [
        dict(
            zip(
                names,
                (0, side, item, "timed", repetition, position, 0, True, calls, wall_ns, cpu_ns, start_ns),
                strict=True,
            )
        )
        for item, side, repetition, position, calls, wall_ns, cpu_ns, start_ns in rows
    ]
    return pa.Table.from_pylist(records, schema=schema.TIMINGS)


def _side(text: str, result: CaptureResult) -> Side:
    spec = parse_side(text)
    return Side(
        framework=spec.framework.name,
        version=result.versions[spec.framework.name],
        device="cpu:0",
        mode=spec.mode,
        python=result.versions["python"],
        label=spec.label,
    )


def _manifest(
    options: CompareOptions, workload: Workload, environment: Environment, sides: dict[str, Side]
) -> Manifest[PublishedOptions]:
    return Manifest(
        kind="compare",
        dlprof_version=__version__,
        created=now(),
        command=command_words.command_line(),
        workload=dict.fromkeys(sides, workload.description),
        options=PublishedOptions(method=METHOD, repetitions=REPETITIONS, margin=options.margin, trials=1),
        seed=options.run.seed,
        environment=provenance.packages(environment),
        machine=provenance.machine(),
        sides={name: asdict(side) for name, side in sides.items()},
        warnings=[analysis.UNSOUND],
    )
