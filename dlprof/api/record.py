"""From what a user asked for to capture directories: environments, data, inputs, one traced child, ingest, manifest."""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from dlprof.api.import_traces import ingest_into, now
from dlprof.api.options import RunOptions
from dlprof.api.progress import Progress, Warnings
from dlprof.api.sides import SideSpec, parse_side
from dlprof.capture.data import datasets, inputs
from dlprof.capture.environments.env_store import Environment, EnvStore, user_environment
from dlprof.capture.machine import command_words, devices, provenance, tools
from dlprof.capture.workers import launch
from dlprof.capture.workers.window import TracedSide
from dlprof.errors import TraceError, Unsupported
from dlprof.manifest import CaptureOptions, DataFacts, Manifest
from dlprof.names import EXACT
from dlprof.protocol import CaptureRequest, ChildFacts, DeviceRef, EpochEnd, Inputs, Phase, Ready, Said
from dlprof.store import Capture, CaptureWriter
from dlprof.version import __version__
from dlprof.workload import Workload

OUTPUT_FOLDER = "dlprof-out"


@dataclass(slots=True)
class Bench:
    """What a run needs ready before a child starts. Used as a context manager: its scratch folder goes with it."""

    options: RunOptions
    progress: Progress
    scratch: Path
    dataset: datasets.Dataset | None = None
    warned: Warnings = field(init=False)
    _environments: dict[str, Environment] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.warned = Warnings(self.progress)

    def side(self, text: str) -> SideSpec:
        """A side, checked: its device exists, its mode exists and finds what it needs here. Nothing is downloaded yet."""
        side = parse_side(text, device=self.options.device, mode=self.options.mode)
        tools.require(side.env, side.mode)
        if side.device == "gpu":
            for misfit in devices.misfits(devices.require_gpu(side.index), side.env):
                self.warn(misfit)
        return side

    def environment(self, side: SideSpec) -> Environment:
        """The side's environment, made on first use (or the user's own)."""
        known = self._environments.get(side.env.name)
        if known is not None:
            return known
        self.progress.stage(f"environment of {side.framework.label} {side.env.version}")
        if self.options.python is not None:
            environment = user_environment(self.options.python, side.env)
        else:
            if side.env.requirements is None:
                self.warn(
                    f"{side.framework.label} {side.env.version} has no lock file here: resolved on the fly, "
                    "so another day may bring other packages"
                )
            environment = EnvStore().ensure(
                side.env, self.progress.detail, known_versions=side.framework.versions, announce=self.progress.say
            )
        self._environments[side.env.name] = environment
        return environment

    def inputs(self, workload: Workload, epochs: int) -> Inputs:
        """Data, split, order and initial weights as files for the children of this workload."""
        if workload.description.get("data", {}).get("dataset") == "mnist" and self.dataset is None:
            self.progress.stage("MNIST")
            self.dataset = datasets.mnist(directory=self.options.data, on_progress=self.progress.detail)
            if not self.dataset.genuine:
                self.warn(f"the data are not MNIST's own: {self.dataset.source}")
        folder = Path(tempfile.mkdtemp(dir=self.scratch, prefix="inputs-"))
        return inputs.prepare(workload.description, self.dataset, self.options.seed, epochs, folder)

    def request(self, side: SideSpec, workload: Workload, made: Inputs, **more: Any) -> CaptureRequest:
        """The request for a child; `more`: task, fidelity, epochs."""
        return CaptureRequest(
            framework=side.framework.name,
            adapter=str(side.framework.adapter),
            device=DeviceRef(kind="gpu" if side.device == "gpu" else "cpu", index=side.index),
            mode=side.mode,
            workload=workload.description,
            seed=self.options.seed,
            max_steps=self.options.max_steps,
            threads=self.options.threads,
            inputs=made,
            **more,
        )

    def warn(self, text: str) -> None:
        """A warning, said at once and kept for the manifest."""
        self.warned.warn(text)

    def manifest(
        self, side: SideSpec, workload: Workload, trial: int | None = None, **more: Any
    ) -> Manifest[CaptureOptions]:
        """The manifest of a capture. trial: the one that the traced window belongs to, if any."""
        environment = self._environments[side.env.name]
        return Manifest(
            kind="capture",
            dlprof_version=__version__,
            created=now(),
            command=command_words.command_line(),
            framework=side.framework.name,
            version=environment.version,
            device=f"{side.device}:{side.index}",
            mode=side.mode,
            workload=workload.description,
            options=CaptureOptions(
                preset=workload.preset,
                set=workload.chosen,
                max_steps=self.options.max_steps,
                threads=self.options.threads,
                differs=list(workload.differs),
                trial=msgspec.UNSET if trial is None else trial,
            ),
            seed=self.options.seed,
            environment=provenance.packages(environment),
            machine=provenance.machine(side.env.variables),
            data=_data_facts(self.dataset),
            warnings=list(self.warned.said),
            **more,
        )


def record(bench: Bench, side: SideSpec, workload: Workload, *, fidelity: str, epochs: int, target: Path) -> Capture:
    """Run one traced child and leave a capture directory at `target`. Raises what the child reports, as our errors."""
    environment = bench.environment(side)
    made = bench.inputs(workload, epochs)
    bench.progress.stage(f"tracing {side.label}, fidelity {fidelity}")
    with CaptureWriter(target) as writer:
        request = bench.request(side, workload, made, task="trace", fidelity=fidelity, epochs=epochs)
        result = launch.run_trace(
            environment, request, writer.partial, bench.options.timeout_s, lambda event: _report(bench.progress, event)
        )
        return _committed(bench, side, workload, writer, result.facts(), fidelity)


def keep_window(
    bench: Bench,
    side: SideSpec,
    workload: Workload,
    traced: TracedSide,
    *,
    ready: Ready,
    trial: int,
    target: Path,
) -> Capture:
    """The traced window of a trial as a capture directory at `target`. ready: what the worker said when it was ready."""
    with CaptureWriter(target) as writer:
        shutil.rmtree(writer.partial / "raw")
        shutil.move(traced.control / "raw", writer.partial / "raw")
        child = ChildFacts(
            versions=ready.versions,
            runtime=ready.runtime,
            artefacts=traced.answer.artefacts,
            window=traced.window,
            left_out=traced.answer.left_out,
        )
        return _committed(bench, side, workload, writer, child, EXACT, trial=trial)


def _committed(
    bench: Bench,
    side: SideSpec,
    workload: Workload,
    writer: CaptureWriter,
    child: ChildFacts,
    fidelity: str,
    *,
    trial: int | None = None,
) -> Capture:
    """Read what the child recorded below the writer's raw/ and seal the directory."""
    for item, why in child.left_out.items():
        bench.warn(f"{side.label}: {item} is not in the trace: {why}")
    bench.progress.detail("reading the trace")
    files = [writer.partial / artefact.path for artefact in child.artefacts]
    if not files:
        raise TraceError(f"{side.label} left no trace", hint="this is a bug of the adapter; please report it")
    facts = ingest_into(writer, files, root=writer.partial / "raw")
    for artefact in child.artefacts:
        told = facts.kinds.get(artefact.path.removeprefix("raw/"))
        if told is not None and told != artefact.kind:
            bench.warn(
                f"{side.label}: its adapter calls {artefact.path} a {artefact.kind}, and it was read as a {told}"
            )
    return writer.commit(bench.manifest(side, workload, trial, fidelity=fidelity, trace=facts, child=child))


def epochs_of(options: RunOptions, workload: Workload) -> int:
    """Epochs of a traced run: as asked for, else as the workload says."""
    epochs: int = options.epochs or int(workload.description.get("run", {}).get("epochs", 1))
    return epochs


def output_folder(given: Path | None, name: str) -> Path:
    """Where a run goes: -o, or a dated folder below dlprof-out/."""
    if given is not None:
        return given
    name = re.sub(r"[^\w.+@-]+", "-", name).lstrip(".")  # a workload may be called anything, and is named by its file
    return Path(OUTPUT_FOLDER) / f"{name}-{datetime.now().astimezone():%Y%m%d-%H%M%S}"


def check_mode(side: SideSpec, workload: Workload) -> None:
    """Raises `Unsupported` where the workload says that it has no such mode."""
    if workload.kind == "op" and side.mode in side.env.network_modes:
        single = [mode for mode in side.framework.modes if mode not in (*side.env.network_modes, *side.env.lacks)]
        raise Unsupported(
            f"mode {side.mode} of {side.framework.label} executes whole networks, not the single calls of {workload.name}",
            hint=f"its modes: {', '.join(single)}" if single else "it runs networks alone: dlprof workloads",
        )
    if workload.kind == "network" and side.mode in side.env.call_modes:
        whole = [mode for mode in side.framework.modes if mode not in (*side.env.call_modes, *side.env.lacks)]
        raise Unsupported(
            f"mode {side.mode} of {side.framework.label} executes single calls, not a network such as {workload.name}",
            hint=f"its modes for networks: {', '.join(whole)}"
            if whole
            else "it runs single calls alone: dlprof workloads",
        )
    modes = workload.description.get("modes", {}).get(side.framework.name)
    if modes and side.mode not in modes:
        raise Unsupported(
            f"{workload.name} does not run in mode {side.mode} of {side.framework.label}",
            hint=f"its modes: {', '.join(modes)}",
        )


def _data_facts(dataset: datasets.Dataset | None) -> DataFacts | None:
    if dataset is None:
        return None
    return DataFacts(name=dataset.name, source=dataset.source, genuine=dataset.genuine, sha256=dict(dataset.sha256))


def _report(progress: Progress, said: Said) -> None:
    if isinstance(said, EpochEnd):
        accuracy = said.validation_accuracy
        scored = f", validation accuracy {accuracy:.4f}" if accuracy is not None else ""
        progress.say(f"  epoch {said.epoch} of {said.of}: {said.wall_ns / 1e9:.1f} s{scored}")
    elif isinstance(said, Phase):
        progress.detail(said.name)
