"""Layers and phases of events that carry none: found from the order of operators within a step and the workload's
layers.

MXNet records no layer names, but the runner knows which operators it asked for: in a synchronised step the k-th
forward Conv belongs to the k-th Conv layer, and in the backward pass the order is reversed. An operator whose
number of calls in the steps is not what the workload asks for gets no layer (and is counted): nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from dlprof.analysis import columns
from dlprof.analysis.columns import NULL, Ints, Text
from dlprof.analysis.trace import steps
from dlprof.workload_shape import Layer

_ACTIVATIONS: Final = ("Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "LeakyRelu", "Elu", "Gelu", "Selu")
_POOLS: Final = ("AveragePool", "MaxPool", "LpPool", "GlobalAveragePool", "GlobalMaxPool")
_FAMILY: Final = {
    **dict.fromkeys(_ACTIVATIONS, "Activation"),
    **dict.fromkeys(_POOLS, "Pool"),
    "MatMul": "Gemm",
    "Reshape": "Flatten",
}
"""Operators that producers name alike (MXNet's Activation and Pooling say no type, nor does a sum over windows in JAX), matched
as one family."""

_MOVES: Final = frozenset(
    {"Bulk", "Cast", "Concat", "ConstantOfShape", "Copy", "Expand", "Identity", "Pad", "Reorder", "Reshape", "Slice"}
    | {"Split", "Squeeze", "Tile", "Transpose", "Unsqueeze"}
)
"""Operators that make or move data anywhere in a step: their kind tells no phase."""

_REDUCTIONS: Final = frozenset({"ReduceMean", "ReduceSum"})
"""What a loss ends with."""

_INVOKED: Final = re.compile(r"Invoke")
"""A host call that hands one operator to an engine."""

_BEHIND: Final = re.compile(r"(?:_[0-9]+)?(?:/convolution)?$")

UNASSIGNED: Final = "layer_unassigned"


@dataclass(frozen=True, slots=True)
class Assigned:
    """Events with layer, phase and op filled in, and counters of what could not be.

    UNASSIGNED counts rows of a layer's operator family whose calls per step are not what the workload asks for.
    """

    events: pa.Table
    anomalies: Mapping[str, int]


def family(op: str | None) -> str | None:
    """The family under which an operator is matched with a layer."""
    return _FAMILY.get(op, op) if op is not None else None


def sequence(layers: Sequence[Layer]) -> dict[str, list[tuple[str, str]]]:
    """Operator family → (layer, canonical op) in forward order; an activation is an operator of its layer."""
    order: dict[str, list[tuple[str, str]]] = {}
    for layer in layers:
        for op in (layer.op, layer.activation):
            if op:
                order.setdefault(_FAMILY.get(op, op), []).append((layer.name or op, op))
    return order


def assign(events: pa.Table, layers: Sequence[Layer]) -> Assigned:
    """Fill in layer, phase and (for a generic name such as Pool) op of the work inside steps, where they are null.

    layers: the workload's. Rows outside steps, and layers already known (TensorFlow's and JAX's op paths name them), stay as they
    are; a generic name in such a layer is made precise.
    """
    if not layers or not events.num_rows:
        return Assigned(events, {})
    events = _unnumbered(events, {layer.name for layer in layers if layer.name})
    state = _State.of(events)
    order = sequence(layers)
    state.optimizer(order, _handed_over(events, state.step))
    state.forward_or_loss(order)
    missed = 0
    for name, places in order.items():
        for phase, ordered in (("forward", places), ("backward", places[::-1])):
            missed += state.place(name, phase, ordered)
        state.make_precise(name, places)
    return Assigned(state.table(events), {UNASSIGNED: missed} if missed else {})


def _unnumbered(events: pa.Table, known: Set[str]) -> pa.Table:
    """Layers by the workload's names: TensorFlow numbers a name that is entered again in one graph (conv1_1), and Keras 3 has
    a scope in its convolutions (conv1/convolution)."""
    layer = columns.text(events, "layer")
    names = [_BEHIND.sub("", name, count=1) if name not in known else name for name in layer.values]
    renamed = {old: new for old, new in zip(layer.values, names, strict=True) if old != new and new in known}
    if not renamed:
        return events
    values = pa.array([renamed.get(name, name) for name in layer.values], type=pa.string())
    codes: Any = pa.array(layer.codes, mask=layer.codes == NULL)
    column: Any = values.take(codes)
    at = events.schema.get_field_index("layer")
    return events.set_column(at, events.schema.field(at), column.cast(events.schema.field(at).type))


@dataclass(frozen=True, slots=True)
class _HandedOver:
    """By step: operators that the host handed over in the optimizer's phase, and when the first was; -1 where none was."""

    calls: Ints
    first: Ints


def _handed_over(events: pa.Table, step: Ints) -> _HandedOver:
    name = columns.text(events, "name")
    rows = (
        columns.text(events, "level").where("api") & columns.text(events, "phase").where("optimizer") & (step != NULL)
    )
    rows &= name.flags([bool(_INVOKED.search(value)) for value in name.values])
    if not rows.any():
        return _HandedOver(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    start, count = columns.integers(events, "start_ps")[rows], int(step.max()) + 1
    first = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(first, step[rows], start)
    calls = np.bincount(step[rows], minlength=count).astype(np.int64)
    return _HandedOver(calls, np.where(calls > 0, first, -1))


@dataclass(slots=True)
class _Column:
    """A text column that is being filled in."""

    codes: Ints
    values: list[str]

    def code(self, value: str) -> int:
        if value not in self.values:
            self.values.append(value)
        return self.values.index(value)

    def set(self, rows: Ints, value: str) -> None:
        self.codes[rows] = self.code(value)


@dataclass(slots=True)
class _State:
    """The columns while they are filled in; `order` lists the work rows inside steps by step, then time.

    step: the steps' numbers as 0, 1, 2, …, NULL outside of any
    """

    op: _Column
    phase: _Column
    layer: _Column
    family: Ints
    families: list[str]
    step: Ints
    start: Ints
    calls: Ints
    order: Ints

    @classmethod
    def of(cls, events: pa.Table) -> _State:
        op, phase, layer = (columns.text(events, name) for name in ("op", "phase", "layer"))
        numbers, step = np.unique(columns.integers(events, "step"), return_inverse=True)
        step, start = step - int(numbers[0] == NULL), columns.integers(events, "start_ps")
        rows = np.flatnonzero(steps.work(events) & (step != NULL))
        families = sorted({family(value) or "" for value in op.values})
        codes = np.array([families.index(family(value) or "") for value in op.values] + [NULL], dtype=np.int64)
        return cls(
            op=_column(op),
            phase=_column(phase),
            layer=_column(layer),
            family=codes[op.codes],
            families=families,
            step=step,
            start=start,
            calls=columns.integers(events, "calls"),
            order=rows[np.lexsort((rows, start[rows], step[rows]))],
        )

    def table(self, events: pa.Table) -> pa.Table:
        for name, column in (("op", self.op), ("phase", self.phase), ("layer", self.layer)):
            index = events.schema.get_field_index(name)
            events = events.set_column(
                index, events.schema.field(index), columns.encode(Text(column.codes, column.values))
            )
        return events

    def rows(self, name: str, phase: str) -> Ints:
        """Work rows of a family and phase, by step and time."""
        if name not in self.families or phase not in self.phase.values:
            return np.zeros(0, dtype=np.int64)
        chosen = (self.family == self.families.index(name)) & (self.phase.codes == self.phase.code(phase))
        found: Ints = self.order[chosen[self.order]]
        return found

    def place(self, name: str, phase: str, places: Sequence[tuple[str, str]]) -> int:
        """Give the calls of a family their layers in the given order; returns the rows that could not be placed."""
        rows = self.rows(name, phase)
        rows = rows[self.layer.codes[rows] == NULL]
        if not len(rows):
            return 0
        # A second part (calls 0) belongs to the call before it, so positions count calls, not events.
        new_step = np.append(True, np.diff(self.step[rows]) != 0)
        call = np.cumsum(self.calls[rows] > 0)
        base = (call - (self.calls[rows] > 0))[new_step]
        number = np.cumsum(new_step) - 1
        position = call - base[number] - 1
        last = np.maximum.reduceat(position, np.flatnonzero(new_step))
        fits = (last[number] == len(places) - 1) & (position >= 0)
        for index, (layer, _) in enumerate(places):
            self.layer.set(rows[fits & (position == index)], layer)
        return int((~fits).sum())

    def make_precise(self, name: str, places: Sequence[tuple[str, str]]) -> None:
        """Call what bears the family's generic name by that of its layer's operator. Only that: a recorded MaxPool must never be
        renamed to the expected AveragePool."""
        if name not in self.op.values:
            return
        rows = np.flatnonzero((self.op.codes == self.op.code(name)) & (self.layer.codes != NULL))
        for layer, op in places:
            if layer in self.layer.values:
                self.op.set(rows[self.layer.codes[rows] == self.layer.code(layer)], op)

    def optimizer(self, order: Mapping[str, Sequence[tuple[str, str]]], handed: _HandedOver) -> None:
        """Work of an optimizer that is no kernel of its own name, but many small operators.

        An engine runs what is ready, so neither place nor kind tells them from a loss. But the host hands operators over one by
        one in the optimizer's phase: of the work that began after its first such call, as much belongs to the optimizer as was
        handed over there and is not known to be its own, the latest first, and what a loss ends with last.
        """
        rows = self.order[handed.first[self.step[self.order]] >= 0] if len(handed.first) else self.order[:0]
        rows = rows[self.start[rows] >= handed.first[self.step[rows]]]
        kinds = self.op.codes[rows]
        model = [number for number, name in enumerate(self.families) if name in order]
        moves = np.isin(kinds, [code for code, value in enumerate(self.op.values) if value in _MOVES])
        known = self.phase.codes[rows] == self.phase.code("optimizer")
        accounted = rows[(known | moves) & (self.calls[rows] > 0)]
        owed = handed.calls - np.bincount(self.step[accounted], minlength=len(handed.calls))
        open_rows = rows[
            (self.phase.codes[rows] == NULL) & (kinds != NULL) & ~moves & ~np.isin(self.family[rows], model)
        ]
        last = np.isin(self.op.codes[open_rows], [c for c, value in enumerate(self.op.values) if value in _REDUCTIONS])
        ranked = open_rows[np.lexsort((-self.start[open_rows], last, self.step[open_rows]))]
        new_step = np.append(True, np.diff(self.step[ranked]) != 0) if len(ranked) else np.zeros(0, dtype=bool)
        place = np.arange(len(ranked)) - np.maximum.accumulate(np.where(new_step, np.arange(len(ranked)), 0))
        self.phase.set(ranked[place < owed[self.step[ranked]]], "optimizer")

    def forward_or_loss(self, order: Mapping[str, Sequence[tuple[str, str]]]) -> None:
        """Phase of work that nothing else tells: an operator of the model is forward, any other that computes is loss.

        By kind and not by place: MXNet's engine runs what is ready, so a step's `mean` may come after its optimizer.
        """
        unknown = self.order[self.phase.codes[self.order] == NULL]
        named = unknown[self.op.codes[unknown] != NULL]
        model = [number for number, name in enumerate(self.families) if name in order]
        forward = np.isin(self.family[named], model)
        self.phase.set(named[forward], "forward")
        moves = [code for code, value in enumerate(self.op.values) if value in _MOVES]
        self.phase.set(named[~forward & ~np.isin(self.op.codes[named], moves)], "loss")


def _column(text: Text) -> _Column:
    return _Column(text.codes.copy(), list(text.values))
