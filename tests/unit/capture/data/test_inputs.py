"""Inputs: the split never overlaps, a seed gives the same bytes, the weights have the law they are named for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dlprof import workload
from dlprof.capture.data import inputs
from dlprof.capture.data.datasets import Dataset
from dlprof.errors import UsageError
from dlprof.protocol import Inputs
from dlprof.workload_shape import Data

LENET = workload.load("lenet").description


def dataset(folder: Path) -> Dataset:
    return Dataset("mnist", folder / "i.npy", folder / "l.npy", 60_000, 10_000, {}, "test", True)


def prepared(folder: Path, seed: int = 1, epochs: int = 2) -> tuple[Inputs, dict[str, np.ndarray]]:
    made = inputs.prepare(LENET, dataset(folder), seed, epochs, folder / f"{seed}-{epochs}")
    arrays = {name: np.load(str(getattr(made, name))) for name in ("train", "validation", "test")}
    with np.load(str(made.weights)) as weights:
        return made, arrays | {name: weights[name] for name in weights.files}


def test_the_split_covers_all_training_images_once_and_keeps_the_test_images_apart(tmp_path: Path) -> None:
    _, arrays = prepared(tmp_path)
    together = np.concatenate([arrays["train"][0], arrays["validation"]])
    assert np.array_equal(np.sort(together), np.arange(60_000))
    assert np.array_equal(arrays["test"], np.arange(60_000, 70_000))
    assert {array.dtype for name, array in arrays.items() if "/" not in name} == {np.dtype(np.int32)}


def test_each_epoch_trains_on_the_same_images_in_another_order(tmp_path: Path) -> None:
    _, arrays = prepared(tmp_path)
    first, second = arrays["train"]
    assert first.shape == (48_000,)
    assert not np.array_equal(first, second)
    assert np.array_equal(np.sort(first), np.sort(second))


def test_a_seed_decides_everything_and_more_epochs_change_nothing_before(tmp_path: Path) -> None:
    made, once = prepared(tmp_path)
    _, longer = prepared(tmp_path, epochs=3)
    _, other = prepared(tmp_path, seed=2)
    assert np.array_equal(once["train"], longer["train"][:2])
    assert all(np.array_equal(once[name], longer[name]) for name in once if name != "train")
    assert not np.array_equal(once["conv1/w"], other["conv1/w"])
    again = inputs.prepare(LENET, dataset(tmp_path), 1, 2, tmp_path / "again")
    for name in ("train", "validation", "test"):
        assert Path(str(getattr(made, name))).read_bytes() == Path(str(getattr(again, name))).read_bytes()


def test_lenet_has_the_shapes_of_its_layers(tmp_path: Path) -> None:
    assert dict(inputs.weight_shapes(inputs.model_of(LENET))) == {
        "conv1": (5, 5, 1, 6), "conv2": (3, 3, 6, 16), "dense1": (400, 120), "dense2": (120, 84), "logits": (84, 10),
    }  # fmt: skip
    _, arrays = prepared(tmp_path)
    assert arrays["dense1/b"].shape == (120,)
    assert not arrays["dense1/b"].any()


def test_glorot_weights_have_their_variance() -> None:
    model = {"input": [400], "layers": [{"name": "d", "op": "Gemm", "units": 600}]}
    for name, extreme in (("GlorotUniform", np.sqrt(6 / 1000)), ("GlorotNormal", 2 * np.sqrt(2 / 1000) / 0.8796)):
        w = inputs.initial_weights(inputs.model_of({"model": model | {"initializer": name}}), np.random.default_rng(5))[
            "d/w"
        ]
        assert w.dtype == np.float32
        assert np.abs(w).max() <= extreme * 1.0001
        assert w.std() == pytest.approx(np.sqrt(2 / 1000), rel=0.01)


def test_a_convolutions_fans_count_its_window() -> None:
    model = {"input": [9, 9, 3], "layers": [{"name": "c", "op": "Conv", "filters": 64, "kernel": 5}]}
    w = inputs.initial_weights(inputs.model_of({"model": model}), np.random.default_rng(5))["c/w"]
    assert np.abs(w).max() == pytest.approx(np.sqrt(6 / (25 * 3 + 25 * 64)), rel=0.01)


@pytest.mark.parametrize(
    ("layers", "says"),
    [
        ([{"name": "c", "op": "Conv", "filters": 1, "kernel": 9}], "window of 9×9 does not fit into 8×8"),
        ([{"name": "d", "op": "Gemm", "units": 1}], "needs a flat input"),
        ([{"name": "x", "op": "Convv"}], "unknown op 'Convv'"),
        ([{"name": "p", "op": "MaxPool"}], "layer p: MaxPool needs `kernel`"),
        ([{"name": "f", "op": "Flatten"}, {"name": "d", "op": "Gemm"}], "layer d: Gemm needs `units`"),
    ],
)
def test_a_layer_that_does_not_fit_is_named(layers: list[dict[str, object]], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        list(inputs.weight_shapes(inputs.model_of({"model": {"input": [8, 8, 1], "layers": layers}})))


def test_windows_may_be_strided_oblong_and_padded() -> None:
    layers = [
        {"name": "c1", "op": "Conv", "filters": 2, "kernel": [3, 5], "padding": "same", "stride": 2},
        {"name": "p", "op": "MaxPool", "kernel": 2, "stride": 2},
        {"name": "f", "op": "Flatten"},
        {"name": "d", "op": "Gemm", "units": 1},
    ]
    shapes = dict(inputs.weight_shapes(inputs.model_of({"model": {"input": [9, 8, 3], "layers": layers}})))
    assert shapes == {"c1": (3, 5, 3, 2), "d": (2 * 2 * 2, 1)}


def test_more_examples_than_there_are_is_an_error() -> None:
    with pytest.raises(UsageError, match="11 training and validation examples wanted, but the data set has 10"):
        inputs.split(Data("random", 6, 5), (10, 0), np.random.default_rng(0))


def test_random_data_is_made_from_the_seed(tmp_path: Path) -> None:
    description = {
        "name": "toy", "kind": "network", "data": {"dataset": "random", "train": 30, "test": 10, "shape": [4], "classes": 2},
        "model": {"input": [4], "layers": [{"name": "d", "op": "Gemm", "units": 1}]},
    }  # fmt: skip
    made = [inputs.prepare(description, None, 7, 1, tmp_path / str(i)) for i in range(2)]
    images = [np.load(str(each.images)) for each in made]
    assert images[0].shape == (40, 4)
    assert np.array_equal(images[0], images[1])
    assert set(np.load(str(made[0].labels)).tolist()) == {0, 1}


def test_an_op_needs_no_files(tmp_path: Path) -> None:
    assert inputs.prepare({"name": "mm", "kind": "op"}, None, 1, 1, tmp_path / "none") == Inputs()
    assert not (tmp_path / "none").exists()
