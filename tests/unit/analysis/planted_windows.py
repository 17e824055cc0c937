"""Traced windows of a LeNet with wider layers on made-up images, for tests that plant a cause of slowness."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from dlprof import frameworks, ingest, manifest, protocol, schema, stats, workload
from dlprof.analysis.explain import ledger
from dlprof.analysis.trace import layers
from dlprof.capture.data import inputs
from dlprof.capture.data.datasets import Dataset
from dlprof.capture.environments.env_store import Environment, EnvStore
from dlprof.capture.workers import launch

HERE = Path(__file__).parent
STEPS = 8
BATCH = 200
MORE = 2 * stats.MIN_TRIALS


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


class Planted:
    """Traced windows of a plain network and of each planted one (option `plant`), interleaved so that drift hits all alike."""

    def __init__(self, made: Rig, plants: Iterable[str]) -> None:
        self._rig = made
        self._tables: dict[str, list[pa.Table]] = {plant: [] for plant in ("", *plants)}
        for _ in range(stats.MIN_TRIALS):
            self._more(*self._tables)

    def _more(self, *plants: str) -> list[pa.Table]:
        for plant in plants:
            name = f"{plant or 'plain'}-{len(self._tables[plant])}"
            self._tables[plant].append(self._rig.window(name, options={"plant": plant})[0])
        return [self._tables[plant][-1] for plant in plants]

    def ledger(self, plant: str) -> ledger.Ledger:
        """The ledger of the plain network against a planted one."""
        plain, planted = (self._tables[one][: stats.MIN_TRIALS] for one in ("", plant))

        def more() -> None:
            for side, table in zip((plain, planted), self._more("", plant), strict=True):
                side.append(table)

        return until_told(lambda: ledger.build(plain, planted).ledger, more)


def until_told(build: Callable[[], ledger.Ledger], more: Callable[[], None]) -> ledger.Ledger:
    """What `build` makes of the windows that there are, with those of `more` too while its first line's interval holds 0.

    So a user of a busy machine goes on with trials until they tell. After MORE further ones the ledger stands as it is.
    """
    found = build()
    for _ in range(MORE):
        if (found.lines[0].low_ns or 0) > 0:
            break
        more()
        found = build()
    return found
