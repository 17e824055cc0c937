"""Modes and releases as sides: one framework against itself or the other; presets that differ by design; --allow."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(1500)]

SHORT = ("--trials", 1, "--traces", 0, "--no-reasons", "--format", "json")
FEW = ("--set", "train=500", "--set", "validation=200", "--set", "batch_size=50")


def compared(here, folder: Path, *words: object) -> dict:
    done = here("compare", *words, *SHORT, *(FEW if words[0] == "lenet" else ()), "-o", folder / "out")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def facts(found: dict) -> dict[str, tuple[str, str]]:
    return {d["where"]: (d["a"], d["b"]) for d in found["parity"] if d["what"] == "fact"}


@pytest.mark.parametrize(
    ("a", "b"),
    [
        pytest.param("tf:xla", "mxnet:hybrid", marks=pytest.mark.slow),
        pytest.param("jax:jit", "tf:graph", marks=pytest.mark.slow),
        pytest.param("jax:jit", "jax:op-by-op", marks=pytest.mark.slow),
        pytest.param("tf:keras", "mxnet:symbolic", marks=pytest.mark.slow),
        pytest.param("tf:eager", "mxnet:imperative", marks=pytest.mark.slow),
        pytest.param("tf:graph", "tf:keras", marks=pytest.mark.slow),
        pytest.param("mxnet:hybrid", "mxnet:hybrid-static", marks=pytest.mark.slow),
    ],
)
def test_modes_train_the_same_lenet(here, tmp_path, a, b):
    found = compared(here, tmp_path, "lenet", "--a", a, "--b", b)
    assert [f"{found[side]['framework']}:{found[side]['mode']}" for side in "ab"] == [a, b]
    assert [d for d in found["parity"] if d["blocks"] == "yes"] == []
    assert found["items"][0]["item"] == "train_block"
    assert found["ratio"]["estimate"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ["mxnet:estimator", "mxnet@1.5.1:estimator"])
def test_the_mlp_of_the_study_is_compared_between_keras_and_gluons_estimator(here, tmp_path, estimator):
    found = compared(here, tmp_path, "mlp", "--a", "tf:keras", "--b", estimator)
    assert (found["a"]["mode"], found["b"]["mode"]) == ("keras", "estimator")
    assert [d for d in found["parity"] if d["blocks"] == "yes"] == []
    assert "once for each block" in facts(found)["fit"][1]


@pytest.mark.slow
def test_two_releases_of_one_framework_are_compared(here, tmp_path):
    found = compared(here, tmp_path, "lenet", "--a", "tf@2.15", "--b", "tf@2.21")
    assert [found[side]["version"] for side in "ab"] == ["2.15.1", "2.21.0"]
    assert "numpy" in facts(found)


@pytest.mark.slow
def test_a_difference_of_python_stands_in_the_parity_list(here, tmp_path):
    found = compared(
        here, tmp_path, "matmul", "--set", "size=50", "--a", "tf@2.21:eager", "--b", "mxnet@1.5.1:imperative"
    )
    left, right = facts(found)["python"]
    assert left.startswith("3.11")
    assert right.startswith("3.7")


@pytest.mark.slow
def test_the_slides_preset_is_compared_with_its_differences_by_name(here, tmp_path):
    found = compared(here, tmp_path, "lenet", "--preset", "slides")
    designed = {d["where"]: (d["a"], d["b"]) for d in found["parity"] if d["what"] == "design"}
    assert designed["optimizer.op"] == ("Adam", "SGD")
    assert designed["model.layers.pool1.op"] == ("AveragePool", "MaxPool")
    assert found["facts"]["differs"] == ["optimizer", "pooling"]
    assert found["verdict"] == "inconclusive", "one trial; a difference by design does not forbid a verdict"


def test_a_difference_in_the_work_forbids_a_verdict_until_it_is_allowed(here, tmp_path):
    changed = tmp_path / "other.toml"
    text = (Path(__file__).parent.parent.parent / "dlprof" / "workloads" / "relu.toml").read_text()
    assert "[tasks.calls.idiomatic]" not in text, "its calls follow from the operator: this one is stated"
    changed.write_text(text + "\n[tasks.calls.idiomatic]\nmxnet = 'F.Activation(x, act_type=\"relu\") + 1'\n")
    words = (changed, "--set", "size=500", *SHORT)
    refused = here("compare", *words, "-o", tmp_path / "refused")
    assert refused.returncode == 5, refused.stderr
    assert {item["verdict"] for item in json.loads(refused.stdout)["items"]} == {"not_comparable"}
    allowed = here("compare", *words, "--allow", "outputs", "-o", tmp_path / "allowed")
    assert allowed.returncode == 0, allowed.stderr
    found = json.loads(allowed.stdout)
    (stated,) = [d for d in found["parity"] if d["where"] == "out/relu[size=500]"]
    assert (stated["blocks"], stated["allowed"]) == ("no", "allowed by --allow outputs")
    assert found["items"][0]["verdict"] == "inconclusive"
