"""Inputs made once for both sides: the split, the order of training, the initial weights; as .npy and .npz files."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from dlprof.capture.data.datasets import Dataset
from dlprof.errors import UsageError
from dlprof.protocol import Inputs
from dlprof.workload_shape import Data, Layer, Model

_Table = TypeVar("_Table", Data, Model)

Floats = npt.NDArray[np.float32]
Shape = tuple[int, ...]

MOST: Final = 10**9
"""What a size, a stride or a number of filters or units may be."""

_NO_WEIGHTS = ("Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "Softmax", "Dropout")


def prepare(workload: Mapping[str, Any], dataset: Dataset | None, seed: int, epochs: int, directory: Path) -> Inputs:
    """Write the files that a child of this workload reads, below `directory`; the same call gives the same bytes.

    workload: a description (`Workload.description`). Kinds other than `network` need no files: the child makes its
    operands from the seed. seed: of one PCG64 stream for the split, one for the order, one for the weights, so that
    more epochs do not change the weights. Raises `UsageError` for a split that the data set cannot give.
    """
    if workload["kind"] != "network":
        return Inputs()
    directory.mkdir(parents=True, exist_ok=True)
    split_seed, order_seed, weight_seed, data_seed = np.random.SeedSequence(seed).spawn(4)
    data = _table(workload["data"], Data)
    if data.dataset == "random":
        images, labels, training = _random_examples(data, _generator(data_seed), directory)
    elif dataset is None:
        raise ValueError(f"workload {workload['name']} needs the data set {data.dataset}")
    else:
        images, labels, training = dataset.images, dataset.labels, (dataset.training, dataset.test)
    train, validation, test = split(data, training, _generator(split_seed))
    order = training_order(train, epochs, _generator(order_seed))
    weights = initial_weights(model_of(workload), _generator(weight_seed))
    paths = {name: directory / f"{name}.npy" for name in ("train", "validation", "test")}
    for name, array in (("train", order), ("validation", validation), ("test", test)):
        np.save(paths[name], array)
    np.savez(directory / "weights.npz", **weights)  # type: ignore[arg-type]
    return Inputs(
        images=str(images.absolute()),
        labels=str(labels.absolute()),
        weights=str((directory / "weights.npz").absolute()),
        **{name: str(path.absolute()) for name, path in paths.items()},
    )


def model_of(workload: Mapping[str, Any]) -> Model:
    """The model of a network's description."""
    return _table(workload["model"], Model)


def _table(plain: Mapping[str, Any], kind: type[_Table]) -> _Table:
    """A table of a description. Keys that a workload's own settings name are for its calls, and are passed over here."""
    known = {field.encode_name for field in msgspec.structs.fields(kind)}
    return msgspec.convert({key: value for key, value in plain.items() if key in known}, kind)


def split(
    data: Data, available: tuple[int, int], generator: np.random.Generator
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Indices of training, validation and test examples; no index comes twice.

    The first two come from a permutation of the data set's training part, the last in order from its test part.
    available: sizes of both parts.
    """
    n_train, n_validation, n_test = data.train, data.validation, data.test
    training, test = available
    for wanted, there, what in ((n_train + n_validation, training, "training and validation"), (n_test, test, "test")):
        if wanted > there:
            raise UsageError(
                f"{wanted} {what} examples wanted, but the data set has {there}",
                hint="lower --set train=… or --set validation=…",
            )
    shuffled = generator.permutation(training).astype(np.int32)
    return (
        shuffled[:n_train],
        shuffled[n_train : n_train + n_validation],
        np.arange(training, training + n_test, dtype=np.int32),
    )


def training_order(train: npt.NDArray[np.int32], epochs: int, generator: np.random.Generator) -> npt.NDArray[np.int32]:
    """int32 (epochs, n_train): each row a new permutation; a longer run begins with the rows of a shorter one."""
    return np.stack([generator.permutation(train) for _ in range(epochs)])


def initial_weights(model: Model, generator: np.random.Generator) -> dict[str, Floats]:
    """`<layer>/w` and `<layer>/b` of every layer that has weights, in layer order; biases are zero.

    Conv w: (rows, columns, in, out). Gemm w: (in, out).
    """
    draw = _initializer(model.initializer)
    weights = {}
    for name, shape in weight_shapes(model):
        weights[f"{name}/w"] = draw(generator, shape)
        weights[f"{name}/b"] = np.zeros(shape[-1], np.float32)
    return weights


def weight_shapes(model: Model) -> Iterator[tuple[str, Shape]]:
    """(layer, shape of its w) by inference over the layers. Raises `UsageError` where one does not fit its input."""
    shape: Shape = tuple(model.input)
    if not shape or not all(1 <= size <= MOST for size in shape):
        raise UsageError(f"model.input = {list(shape)}: expected sizes of 1 to {MOST}")
    for layer in model.layers:
        name, op = layer.name, layer.op
        _check_numbers(layer)
        if op == "Conv":
            window = _slide(layer, shape)
            filters = _needed(layer, "filters", layer.filters)
            yield name, (*_kernel(layer), shape[2], filters)
            shape = (*window, filters)
        elif op in ("AveragePool", "MaxPool"):
            shape = (*_slide(layer, shape), shape[2])
        elif op == "Flatten":
            shape = (math.prod(shape),)
        elif op == "Gemm":
            if len(shape) != 1:
                raise UsageError(f"layer {name}: Gemm needs a flat input, not {shape}", hint="put a Flatten before it")
            units = _needed(layer, "units", layer.units)
            yield name, (shape[0], units)
            shape = (units,)
        elif op not in _NO_WEIGHTS:
            raise UsageError(f"layer {name}: unknown op {op!r}", hint="docs/adding-a-workload.md lists the layers")


def multiply_adds(model: Model) -> int:
    """Multiplications in one forward pass over one example: of convolutions and dense layers, which are nearly all."""
    weights_of = list(weight_shapes(model))
    positions = {}
    shape: Shape = tuple(model.input)
    for layer in model.layers:
        if layer.op in ("Conv", "AveragePool", "MaxPool"):
            shape = (*_slide(layer, shape), shape[2])
            positions[layer.name] = math.prod(shape[:2])
    return sum(math.prod(weights) * positions.get(name, 1) for name, weights in weights_of)


def _check_numbers(layer: Layer) -> None:
    for key in ("filters", "kernel", "stride", "units"):
        value: int | list[int] | None = getattr(layer, key)
        values = value if isinstance(value, list) else [] if value is None else [value]
        pair = not isinstance(value, list) or len(value) == 2
        if not pair or not all(1 <= one <= MOST for one in values):
            raise UsageError(
                f"layer {layer.name}: {key} = {value}: expected 1 to {MOST}, or two of them for rows and columns"
            )


def _kernel(layer: Layer) -> tuple[int, int]:
    if layer.kernel is None:
        raise _lacks(layer, "kernel")
    return _pair(layer.kernel)


def _needed(layer: Layer, key: str, value: int | None) -> int:
    if value is None:
        raise _lacks(layer, key)
    return value


def _lacks(layer: Layer, key: str) -> UsageError:
    return UsageError(
        f"layer {layer.name}: {layer.op} needs `{key}`", hint="docs/adding-a-workload.md lists the layers"
    )


def _slide(layer: Layer, shape: Shape) -> tuple[int, int]:
    """Rows and columns after a sliding window; stride 1 unless given, as in ONNX."""
    if len(shape) != 3:
        raise UsageError(f"layer {layer.name}: {layer.op} needs rows, columns and channels, not {shape}")
    kernel, stride = _kernel(layer), _pair(layer.stride or 1)
    same = layer.padding == "same"
    rows, columns = (
        -(-size // step) if same else (size - window) // step + 1
        for size, window, step in zip(shape[:2], kernel, stride, strict=True)
    )
    if rows < 1 or columns < 1:
        raise UsageError(
            f"layer {layer.name}: a window of {kernel[0]}×{kernel[1]} does not fit into {shape[0]}×{shape[1]}"
        )
    return rows, columns


def _pair(value: int | list[int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _initializer(name: str) -> Callable[[np.random.Generator, Shape], Floats]:
    known = {
        "GlorotUniform": _glorot_uniform,
        "Xavier": _glorot_uniform,
        "GlorotNormal": _glorot_normal,
        "Uniform": _uniform,
    }
    if name not in known:
        raise UsageError(f"unknown initializer {name!r}", hint=f"there are: {', '.join(known)}")
    return known[name]


def _fans(shape: Shape) -> int:
    """Fan in + fan out; a convolution's count its window (Glorot & Bengio 2010, as both frameworks do)."""
    return math.prod(shape[:-2]) * (shape[-2] + shape[-1])


def _glorot_uniform(generator: np.random.Generator, shape: Shape) -> Floats:
    """U(±√(6/(in+out))): Keras's GlorotUniform and MXNet's Xavier() alike (its magnitude 3 over the average fan)."""
    limit = math.sqrt(6 / _fans(shape))
    return generator.uniform(-limit, limit, shape).astype(np.float32)


def _glorot_normal(generator: np.random.Generator, shape: Shape) -> Floats:
    """Normal cut at two sigma with variance 2/(in+out), as Keras draws it (.87962566 = SD of the cut unit normal)."""
    values = generator.standard_normal(shape)
    while (outside := np.abs(values) > 2).any():
        values[outside] = generator.standard_normal(int(outside.sum()))
    return (values * math.sqrt(2 / _fans(shape)) / 0.87962566103423978).astype(np.float32)


def _uniform(generator: np.random.Generator, shape: Shape) -> Floats:
    """U(±0.07), MXNet's default initializer."""
    return generator.uniform(-0.07, 0.07, shape).astype(np.float32)


def _random_examples(data: Data, generator: np.random.Generator, directory: Path) -> tuple[Path, Path, tuple[int, int]]:
    """float32 U(0, 1) examples (n, *shape) and uint8 labels below `classes`: the study's MLP trains on such noise."""
    training, test = data.train + data.validation, data.test
    images, labels = directory / "images.npy", directory / "labels.npy"
    np.save(images, generator.random((training + test, *data.shape), dtype=np.float32))
    np.save(labels, generator.integers(0, data.classes, training + test, dtype=np.uint8))
    return images, labels, (training, test)


def _generator(seed: np.random.SeedSequence) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))
