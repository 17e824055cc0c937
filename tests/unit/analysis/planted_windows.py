"""Traced windows of a LeNet with wider layers on made-up images, for tests that plant a cause of slowness."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from dlprof import frameworks, ingest, manifest, protocol, schema, workload
from dlprof.analysis.trace import layers
from dlprof.capture.data import inputs
from dlprof.capture.data.datasets import Dataset
from dlprof.capture.environments.env_store import Environment, EnvStore
from dlprof.capture.workers import launch

HERE = Path(__file__).parent
STEPS = 8
BATCH = 200


@dataclass(frozen=True)
class Rig:
    """What all windows of one test share. request: fields of protocol.CaptureRequest."""

    root: Path
    environment: Environment
    request: dict[str, Any]

    def window(self, name: str, **more: Any) -> tuple[pa.Table, dict[str, Any]]:
        """(events with layers, what the child said of its runtime) of one process; `more` goes into the request."""
        request, directory = {**self.request, **more}, self.root / name
        result = launch.run_trace(self.environment, protocol.CaptureRequest(**request), directory, timeout_s=300)
        batches: list[pa.RecordBatch] = []
        raw = directory / "raw"
        ingest.read([raw], root=raw, vocabularies=frameworks.vocabularies(), sink=batches.append)
        table = pa.Table.from_batches(batches, schema.EVENTS)
        described = msgspec.convert(request["workload"], manifest.Described)
        return layers.assign(table, described.model.layers).events, result.runtime


def rig(root: Path, framework: str, mode: str, filters: dict[str, int], adapter: Path | None = None) -> Rig:
    """LeNet with other numbers of filters (layer → filters), a few steps an epoch, no evaluation.

    Wider layers make a planted cause cost more than the noise of a busy machine.
    """
    registered = frameworks.get(framework)
    description = dict(workload.resolve("lenet").description)
    wider = [{**layer, "filters": filters.get(layer["name"], layer.get("filters"))} if "filters" in layer else layer
             for layer in description["model"]["layers"]]  # fmt: skip
    description["model"] = {**description["model"], "layers": wider}
    description["data"] = {**description["data"], "train": BATCH * STEPS, "validation": 0, "test": 0}
    rng = np.random.default_rng(0)
    np.save(root / "images.npy", rng.integers(0, 256, (BATCH * STEPS, 28, 28), dtype=np.uint8))
    np.save(root / "labels.npy", rng.integers(0, 10, BATCH * STEPS, dtype=np.uint8))
    dataset = Dataset("noise", root / "images.npy", root / "labels.npy", BATCH * STEPS, 0, {}, "made here", False)
    made = inputs.prepare(description, dataset, 0, 1, root / "inputs")
    request = {
        "task": "trace",
        "framework": framework,
        "adapter": str(adapter or registered.adapter),
        "mode": mode,
        "workload": description,
        "inputs": msgspec.structs.replace(made, validation=None, test=None),
        "max_steps": STEPS,
    }
    return Rig(root, EnvStore().ensure(registered.env(registered.default_version, "cpu")), request)
