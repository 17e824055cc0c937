"""A planted cause is found: real MXNet runs with one thing made slow, and the ledger's first line must name it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from dlprof import frameworks, ingest, protocol, schema, workload
from dlprof.analysis import layers, ledger
from dlprof.capture import inputs, launch
from dlprof.capture.datasets import Dataset
from dlprof.capture.environments import EnvStore

pytestmark = [pytest.mark.slow, pytest.mark.frameworks, pytest.mark.timeout(1800)]

HERE = Path(__file__).parent
STEPS = 8
PLANTS = {
    "sleep": "input pipeline",
    "copy": "copies (Copy) (B only)",
    "conv": "conv1",
    "float64": "conv2",
}


def window(environment, request: dict[str, Any], directory: Path) -> pa.Table:
    launch.run_trace(environment, protocol.CaptureRequest(**request), directory, timeout_s=300)
    batches: list[pa.RecordBatch] = []
    raw = directory / "raw"
    ingest.read([raw], root=raw, vocabularies=frameworks.vocabularies(), sink=batches.append)
    table = pa.Table.from_batches(batches, schema.EVENTS)
    return layers.assign(table, request["workload"]["model"]["layers"]).events


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    """Six traced windows of the plain network and of each planted one, interleaved so that drift hits all alike."""
    root = tmp_path_factory.mktemp("planted")
    mxnet = frameworks.get("mxnet")
    environment = EnvStore().ensure(mxnet.env(mxnet.default_version, "cpu"))
    # 64 filters in conv2 instead of 16, so that double precision there costs more than a busy machine's noise.
    description = dict(workload.resolve("lenet").description)
    wider = [{**layer, "filters": 64} if layer["name"] == "conv2" else layer for layer in description["model"]["layers"]]
    description["model"] = {**description["model"], "layers": wider}
    description["data"] = {**description["data"], "train": 200 * STEPS, "validation": 0, "test": 0}
    rng = np.random.default_rng(0)
    np.save(root / "images.npy", rng.integers(0, 256, (200 * STEPS, 28, 28), dtype=np.uint8))
    np.save(root / "labels.npy", rng.integers(0, 10, 200 * STEPS, dtype=np.uint8))
    dataset = Dataset("noise", root / "images.npy", root / "labels.npy", 200 * STEPS, 0, {}, "made here", False)
    common = {
        "task": "trace",
        "framework": "mxnet",
        "adapter": str(HERE / "planted_mxnet.py"),
        "mode": "hybrid",
        "workload": description,
        "inputs": msgspec.structs.replace(
            inputs.prepare(description, dataset, 0, 1, root / "inputs"), validation=None, test=None
        ),
        "max_steps": STEPS,
    }
    found: dict[str, list[pa.Table]] = {plant: [] for plant in ("", *PLANTS)}
    for number in range(6):
        for plant, tables in found.items():
            request = {**common, "options": {"plant": plant}}
            tables.append(window(environment, request, root / f"{plant or 'plain'}-{number}"))
    return found


@pytest.mark.parametrize("plant", PLANTS)
def test_the_first_line_names_the_planted_cause_with_an_interval_that_excludes_zero(windows, plant):
    found = ledger.build(windows[""], windows[plant]).ledger
    first = found.lines[0]
    assert PLANTS[plant] in first.name, found.statement
    assert first.low_ns is not None
    assert 0 < first.low_ns <= first.delta_ns
    assert sum(line.delta_ns for line in found.lines) == found.gap_ns
