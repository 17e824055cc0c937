"""What an event has from the events around it on its own thread: found by jumping up the chain of parents, all at once."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from dlprof import schema
from dlprof.ingest.batch import LEVEL, NO_TEXT, Int32, Int64, Pool
from dlprof.native import nesting as native

_PHASE: Final = {phase: code for code, phase in enumerate(schema.PHASES)}
FORWARD: Final = _PHASE["forward"]
_OVER_ALL: Final = np.isin(np.arange(len(schema.PHASES)), [_PHASE["backward"], _PHASE["optimizer"]])
"""Phases that are those of all that runs inside, whatever its name says."""
_NEVER: Final = _PHASE["communication"]
"""A class of its own, wherever it is called."""
_SPANNING: Final = np.isin(
    np.arange(len(schema.PHASES) + 1),
    [_PHASE[name] for name in ("input", "forward", "loss", "backward", "optimizer", "communication")],
)


def nearest(parent: Int64, wanted: npt.NDArray[np.bool_]) -> Int64:
    """Index of the innermost enclosing event that is wanted, -1 for none. Shape (n,).

    parent: index of the innermost enclosing event, -1 for none (nesting.parents). Each round doubles how far every
    pointer jumps, so a stack of a hundred Python frames takes seven rounds.
    """
    compiled = native.nearest(parent, wanted)
    return _nearest(parent, wanted) if compiled is None else compiled


def _nearest(parent: Int64, wanted: npt.NDArray[np.bool_]) -> Int64:
    """`nearest` without the compiled part."""
    up = parent.copy()
    rows = np.flatnonzero(up >= 0)
    while len(rows := rows[~wanted[up[rows]]]):
        up[rows] = up[up[rows]]
        rows = rows[up[rows] >= 0]
    return up


def phases(parent: Int64, level: npt.NDArray[np.int8], own: Int32, mark: Int32) -> Int32:
    """The phase of each event, code into schema.PHASES. Shape (n,).

    own: what its name says; mark: what its name says of all inside it. What runs inside a backward pass or an optimizer's step
    belongs there, whatever its name says: a product is one of an optimizer too. A module called in a step's closure is
    forward; one called in a backward pass is recomputed there. What has no phase of its own takes that of what is around it.
    """
    spanning = _SPANNING[mark]
    strong = nearest(parent, spanning & (mark != FORWARD))
    module = nearest(parent, (mark == FORWARD) & (level != LEVEL["op"]))
    weak = nearest(parent, spanning)
    around = np.where(weak >= 0, mark[weak], NO_TEXT)
    outer = np.where(strong >= 0, mark[strong], NO_TEXT)
    closure = (outer == _PHASE["optimizer"]) & (module > strong)
    outer = np.where(closure, NO_TEXT, outer)
    forced = (outer >= 0) & _OVER_ALL[outer] & (own != _NEVER) & (level != LEVEL["copy"])
    own_or_around = np.where(own == NO_TEXT, np.where(closure, FORWARD, around), own)
    # Inside a span of loss, what its name calls forward is a part of the loss.
    own_or_around = np.where((outer == _PHASE["loss"]) & (own == FORWARD), outer, own_or_around)
    return np.where(forced, outer, own_or_around).astype(np.int32)


def layers(parent: Int64, scope: Int32, scopes: list[str], pool: Pool) -> Int32:
    """The layer of each event, code into `pool`: the names of the scopes around it, outermost first, joined by `/`.

    scope: code into `scopes` of the part of the model that an event spans, NO_TEXT for none. Its own is not its layer.
    """
    named = scope != NO_TEXT
    result = np.full(len(scope), NO_TEXT, dtype=np.int32)
    if not named.any():
        return result
    up = nearest(parent, named)
    path = np.full(len(scope), NO_TEXT, dtype=np.int64)
    rows = np.flatnonzero(named)
    while len(rows):  # once per depth of nested modules
        ready = (up[rows] < 0) | (path[up[rows]] != NO_TEXT)
        here, rows = rows[ready], rows[~ready]
        above = np.where(up[here] < 0, NO_TEXT, path[up[here]])
        keys, inverse = np.unique(above << 32 | scope[here].astype(np.int64), return_inverse=True)
        texts = (scopes[int(key & 0xFFFF_FFFF)] for key in keys)
        joined = [
            pool[f"{pool.values_list[int(key >> 32)]}/{text}"] if key >= 0 else pool[text]
            for key, text in zip(keys.tolist(), texts, strict=True)
        ]
        path[here] = np.array(joined, dtype=np.int64)[inverse]
    inside = up >= 0
    result[inside] = path[up[inside]]
    return result


def inherited(parent: Int64, own: Int32) -> Int32:
    """Of each event its own code, else that of the innermost event around it that has one, NO_TEXT where none has."""
    told = own != NO_TEXT
    if not told.any():
        return own
    up = nearest(parent, told)
    return np.where(told | (up < 0), own, own[up]).astype(np.int32)


def outermost(parent: Int64, is_op: npt.NDArray[np.bool_], op: Int32) -> Int64:
    """Index of the outermost operator around each operator that is of the same canonical op, itself where there is none.

    An operator that calls another of its own kind (aten::conv2d → aten::convolution → aten::_convolution) is one call of it.
    """
    top = np.arange(len(parent), dtype=np.int64)
    up = nearest(parent, is_op)
    rows = np.flatnonzero(is_op & (op != NO_TEXT) & (up >= 0))
    above = up[rows]
    while len(rows):
        same = op[above] == op[rows]
        top[rows[same]] = above[same]
        above = up[above]
        kept = above >= 0
        rows, above = rows[kept], above[kept]
    return top
