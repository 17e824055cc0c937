"""JAX as a framework of dlprof's own: its calls against TensorFlow's, its captures, its threads, and double precision."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from dlprof.store import Capture

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(1500)]

SHORT = ("--trials", 1, "--traces", 0, "--no-reasons", "--format", "json")


@pytest.mark.slow
def test_a_release_whose_profiler_takes_no_options_is_recorded(here, tmp_path):
    done = here("capture", "relu", "--framework", "jax@0.4.31", "--set", "size=500", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    shown = json.loads(here("show", tmp_path / "out", "--format", "json").stdout)
    names = {row["op"] for row in shown["rows"]}
    assert "TfrtCpuExecutable::ExecuteHelper" in names
    assert not [name for name in names if name.startswith("$")], "functions of Python"


@pytest.mark.slow
@pytest.mark.parametrize("workload", ["ops", "layers", "losses", "autodiff"])
@pytest.mark.parametrize("mode", ["jit", "op-by-op"])
def test_calls_that_follow_from_the_operator_compute_what_tensorflows_compute(here, tmp_path, workload, mode):
    few = ("--set", "sizes=50") if workload == "ops" else ()
    done = here("compare", workload, "--a", "tf", "--b", f"jax:{mode}", "--set", "count=3", *few, *SHORT,
                  "-o", tmp_path / "out")  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [d for d in found["parity"] if d["blocks"] == "yes"] == []
    assert len(found["items"]) >= 12


def test_double_precision_is_double(here, tmp_path):
    done = here("compare", "matmul", "--a", "tf", "--b", "jax", "--set", "size=50", "--set", "count=3",
                  "--set", "dtype=float64", *SHORT, "-o", tmp_path / "out")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [d for d in json.loads(done.stdout)["parity"] if d["blocks"] == "yes"] == [], "within 1e-9"


@pytest.fixture(scope="module")
def lenet(here, tmp_path_factory):
    """A capture of twelve steps of LeNet on one thread."""
    target = tmp_path_factory.mktemp("jax") / "lenet"
    done = here("capture", "lenet", "--framework", "jax", "--set", "train=2400", "--set", "validation=200", "--threads", 1,
                  "--epochs", 2, "-o", target)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return target


def test_a_capture_holds_epochs_with_accuracies_and_every_operator_in_its_step(lenet):
    manifest = json.loads((lenet / "manifest.json").read_text())
    assert [epoch["steps"] for epoch in manifest["child"]["epochs"]] == [12, 12]
    assert all(0 < epoch["test_accuracy"] <= 1 for epoch in manifest["child"]["epochs"])
    assert manifest["child"]["epochs"][1]["train_loss"] < manifest["child"]["epochs"][0]["train_loss"]
    assert manifest["child"]["runtime"]["intra_op_threads"] == 1
    assert list((lenet / "raw").rglob("plugins/profile/*/*.xplane.pb")), "raw/ is a TensorBoard logdir"


def test_layers_and_phases_of_a_jitted_step_are_those_of_the_workload(lenet):
    rows = [row for row in Capture.open(lenet).events().to_pylist() if row["level"] == "op"]
    told = Counter()
    for row in rows:
        told[row["layer"], row["phase"]] += row["self_ps"]
    layers = {"conv1", "pool1", "conv2", "dense1", "logits"}
    assert {layer for layer, phase in told if phase == "forward"} >= layers
    assert {layer for layer, phase in told if phase == "backward"} >= layers
    assert {phase for _, phase in told} >= {"forward", "backward", "loss", "optimizer"}
    assert sum(ps for (_, phase), ps in told.items() if phase is None) < 0.05 * sum(told.values())
    assert {row["step"] for row in rows} == set(range(12, 24)), "every operator lies in a step of the traced epoch"
