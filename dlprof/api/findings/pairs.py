"""Two of a comparison's sides as a comparison of two: timings, captures and facts with A and B for their letters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec
import numpy as np
import pyarrow as pa

from dlprof.analysis import columns
from dlprof.names import SIDES, CaptureName, Pair

_T = TypeVar("_T")


def timings(table: pa.Table, pair: Pair) -> pa.Table:
    """The rows of two sides (schema.TIMINGS), which are A and B in it; positions count those two alone."""
    if pair == SIDES:
        others = ~columns.text(table, "side").where(*SIDES)
        if not others.any():
            return table
    side = columns.text(table, "side")
    mine = side.where(*pair)
    kept = table.filter(pa.array(mine))
    b = side.where(pair[1])[mine]
    letters = pa.DictionaryArray.from_arrays(b.astype(np.int32), pa.array(list(SIDES)))
    positions = pa.array(_places(kept), table.schema.field("position").type)
    kept = kept.set_column(kept.schema.get_field_index("side"), table.schema.field("side"), letters)
    return kept.set_column(kept.schema.get_field_index("position"), table.schema.field("position"), positions)


def _places(rows: pa.Table) -> columns.Ints:
    """0 for the side that ran before the other of the two, else 1: in its round, or while the item was warmed up.

    In a round (or warm-up) of an item all rows of a side have one position, so that the lowest one is that of the side that
    went first.
    """
    position, turns = columns.integers(rows, "position"), columns.integers(rows, "round") + 1
    item = columns.text(rows, "item")
    trial_item = columns.integers(rows, "trial") * (len(item.values) + 1) + item.codes
    _, turn = np.unique(trial_item * (int(turns.max(initial=0)) + 1) + turns, return_inverse=True)
    lowest = np.full(int(turn.max(initial=-1)) + 1, np.iinfo(np.int64).max)
    np.minimum.at(lowest, turn, position)
    return (position > lowest[turn]).astype(np.int64)


def captures(found: Mapping[str, _T], pair: Pair) -> dict[str, _T]:
    """The traced runs of two sides, under the folder names that A's and B's have."""
    roles = dict(zip(pair, SIDES, strict=True))
    named = ((CaptureName.parse(folder), one) for folder, one in found.items())
    return {
        str(msgspec.structs.replace(name, side=roles[name.side])): one
        for name, one in named
        if name and name.side in roles
    }


def of_sides(facts: Mapping[str, _T], pair: Pair) -> dict[str, _T]:
    """What is known by side, of two of them as A and B."""
    return {role: facts[side] for side, role in zip(pair, SIDES, strict=True) if side in facts}


def gate(allowed: float | None, pair: Pair) -> float | None:
    """The slow-down that a gate allows the second of two sides: each other side is asked against the first that was named."""
    return allowed if pair[0] == SIDES[0] else None
