"""The shape of workload files: one class for each table, its fields the keys that the table may have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec


class Around(msgspec.Struct, frozen=True):
    """What of a workload file is laid into or over the description, and no part of it.

    include: other op workloads whose tasks come first, each a name or {name, sizes}
    default_preset: what the description as written is called
    presets: by name, values that replace others; `differs`: what they let differ between the sides
    settings: `--set` keys of the file's own, by name
    """

    include: list[str | dict[str, Any]] = []
    default_preset: str = "matched"
    presets: dict[str, dict[str, Any]] = {}
    settings: dict[str, dict[str, Any]] = {}


class Data(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table [data] of a workload file.

    dataset: mnist, or random (made from the seed: `shape` per example, labels 0 … classes-1)
    """

    dataset: Literal["mnist", "random"]
    train: int
    validation: int = 0
    test: int = 0
    pad: int = 0
    scale: float = 1.0
    shape: list[int] = []
    classes: int = 2


class Layer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One [[model.layers]] of a workload file.

    op: in ONNX terms; it decides which of the other keys are read
    """

    name: str
    op: str
    filters: int | None = None
    kernel: int | list[int] | None = None
    stride: int | list[int] | None = None
    padding: Literal["valid", "same"] = "valid"
    units: int | None = None
    activation: str | None = None


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table [model] of a workload file.

    input: (rows, columns, channels) with the padding, or (features,)
    """

    input: list[int]
    layers: list[Layer]
    initializer: str = "GlorotUniform"
    dtype: str = "float32"


class Loss(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[loss]."""

    op: str


class Optimizer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[optimizer]: Adam has all of the constants, SGD its rate."""

    op: str
    learning_rate: float | None = None
    beta1: float | None = None
    beta2: float | None = None
    epsilon: float | None = None


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[run] of a network."""

    batch_size: int
    epochs: int = 1
    block_steps: int = 1


class Network(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The checked shape of a description of kind `network`."""

    name: str
    kind: str
    title: str
    data: Data
    model: Model
    loss: Loss
    run: Run
    task: Literal["train", "infer"] = "train"
    optimizer: Optimizer | None = None
    modes: dict[str, Any] = {}


class Operand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One operand of a task.

    shape: whole numbers and "n", the size
    form: key `as`: tensor, variable (the call may change it), or numpy, list, row_list (the call makes the tensor)
    kind: key `is`: what it is where layouts differ between frameworks
    range: of its values
    dtype: where it is not the workload's
    """

    name: str
    shape: list[int | str]
    form: Literal["tensor", "variable", "numpy", "list", "row_list"] = msgspec.field(default="tensor", name="as")
    kind: Literal["image", "filter", "matrix"] | None = msgspec.field(default=None, name="is")
    range: list[float] = []
    dtype: str | None = None


class Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A framework's call of a task that is more than an expression.

    call: the expression
    function: instead of it, a function of the user's own file
    layout: of images and filters, where it is not NHWC
    array: which of MXNet's two kinds of arrays it takes
    """

    call: str | None = None
    function: str | None = None
    layout: str | None = None
    array: str | None = None


class Task(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One [[tasks]] of an op workload.

    op: ONNX name
    attributes: what the operator needs besides its operands, by name
    calls: variant (idiomatic, study, …) → framework → call; a framework's idiomatic one may follow from op, operands and
        attributes (frameworks/call_table.py)
    sizes: where they are not the run's
    differentiate: value and gradient are timed together
    by: operands that gradients are taken by, else the first
    gradient: whether the gradient is compared before anything is timed
    in_place: the call changes its first operand, which is its result
    result_is: what the result is where layouts differ, as an operand's `is`
    """

    name: str
    operands: list[Operand]
    calls: dict[str, dict[str, str | Call]] = {}
    op: str | None = None
    attributes: dict[str, bool | int | float | str] = {}
    sizes: list[int] = []
    differentiate: bool = False
    by: list[str] = []
    gradient: bool | None = None
    in_place: bool = False
    result_is: Literal["image", "filter", "matrix"] | None = None


class OpRun(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table [run] of an op workload.

    count: calls in one timed iteration
    variant: which calls
    """

    sizes: list[int]
    count: int
    dtype: Literal["float16", "float32", "float64"]
    variant: str = "idiomatic"


class Ops(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A workload of kind `op`, checked.

    unmatched: framework → what it has and the other has not
    """

    name: str
    kind: str
    title: str
    run: OpRun
    tasks: list[Task]
    unmatched: dict[str, list[str]] = {}
    modes: dict[str, Any] = {}
    python: dict[str, str] = {}


SHAPES: Final[Mapping[str, type[Network | Ops]]] = {"network": Network, "op": Ops}
"""Kind → the shape of its description."""
