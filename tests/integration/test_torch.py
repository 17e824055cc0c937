"""PyTorch as a framework: compared with TensorFlow, captured, and its traces told by layer and phase."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import dlprof as package

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(1500)]


@pytest.mark.slow
def test_the_mlp_is_the_same_work_in_tensorflow_and_pytorch_and_its_ledger_names_layers(here, tmp_path: Path) -> None:
    done = here("compare", "mlp", "--frameworks", "tf,torch", "--trials", 1, "--no-reasons", "--format", "json",
                  "-o", tmp_path / "out")  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [found[side]["framework"] for side in "ab"] == ["tf", "torch"]
    assert [d for d in found["parity"] if d["blocks"] == "yes"] == []
    events = package.load(tmp_path / "out" / "b-exact-1").events.select(["op", "phase", "layer", "level", "step"])
    told = {
        (row["op"], row["phase"], row["layer"])
        for row in events.to_pylist()
        if row["level"] == "op" and row["step"] is not None
    }
    layers = ("dense1", "dense2", "logits")
    assert {("Gemm", "forward", layer) for layer in layers} <= told
    assert {("Gemm", "backward", layer) for layer in layers} <= told
    assert ("SGD", "optimizer", None) in told
    assert {layer for _, _, layer in told} <= {None, *layers}, "dlprof's own markers are no layers"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("a", "b"), [("torch:eager", "torch:compile"), ("mxnet:hybrid", "torch:eager"), ("tf:graph", "torch:eager")]
)
def test_lenet_is_the_same_work_in_both_modes_and_in_other_frameworks(here, tmp_path: Path, a: str, b: str) -> None:
    done = here("compare", "lenet", "--a", a, "--b", b, "--trials", 1, "--no-reasons", "--format", "json", "--set",
                  "train=500", "--set", "validation=200", "--set", "batch_size=50", "-o", tmp_path / "out")  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [d for d in found["parity"] if d["blocks"] == "yes"] == []
    assert found["ratio"]["estimate"] > 0


@pytest.mark.slow
def test_a_capture_of_epochs_has_accuracies_and_a_trace_for_tensorboard(here, tmp_path: Path) -> None:
    done = here("capture", "lenet", "--framework", "torch", "--epochs", 1, "--max-steps", 20, "--set", "train=4000",
                  "--set", "validation=400", "-o", tmp_path / "out")  # fmt: skip
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["child"]["epochs"][-1]["test_accuracy"] > 0.5
    assert list((tmp_path / "out" / "raw").glob("*.pt.trace.json")), "the ending by which TensorBoard knows it"
