"""Instances: the identity of every single execution, and executions of A and B side by side.

An execution is known by (op, phase, layer, shape, step, occurrence): occurrence k is the k-th of its like in its step, by
time. Shapes count only where the trace records them (a kernel has those of the operator that launched it).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from dlprof.analysis import columns
from dlprof.analysis.columns import NULL, Ints, Text
from dlprof.analysis.explain.align import align
from dlprof.analysis.trace import row_keys
from dlprof.analysis.trace.cells import Cells, gather
from dlprof.units import PS_PER_NS


def pair(a: pa.Table, b: pa.Table) -> pa.Table:
    """Executions of A and B side by side, for work that corresponds one to one (align): the k-th of a step with the k-th.

    Columns: op, phase, layer, step (position of the step in its trace, from 0; null without steps), occurrence (k, by
    time among equal shapes), a_id, b_id (event ids), a_ns, b_ns (durations). Shapes must agree where both sides record any
    in common. Executions without a partner are left out.
    """
    cells_a, cells_b = gather(a), gather(b)
    aligned = align(cells_a.cells, cells_b.cells)
    chosen = [
        (group_a[0], group_b[0])
        for group_a, group_b in zip(aligned.a_groups, aligned.b_groups, strict=True)
        if len(group_a) == len(group_b) == 1
    ]
    numbers = [{cell: number for number, cell in enumerate(side)} for side in zip(*chosen, strict=True)] or [{}, {}]
    rows_a, rows_b = (_chosen(cells, number) for cells, number in ((cells_a, numbers[0]), (cells_b, numbers[1])))
    shapes_a, shapes_b = _shapes(a, rows_a[0]), _shapes(b, rows_b[0])
    codes_a, codes_b = (
        shapes_a.codes,
        _renumbered(shapes_b, {value: i for i, value in enumerate(shapes_a.values)}).codes,
    )
    if not np.intersect1d(codes_a[codes_a != NULL], codes_b).size:
        codes_a, codes_b = np.full_like(codes_a, NULL), np.full_like(codes_b, NULL)
    left, right = _side(a, rows_a, codes_a), _side(b, rows_b, codes_b)
    keys = ["match", "shape", "step", "occurrence"]
    joined = left.join(right, keys, join_type="inner", left_suffix="_a", right_suffix="_b")
    joined = joined.sort_by([(key, "ascending") for key in keys])
    return _shown(joined, [cells_a.cells[cell] for cell, _ in chosen])


def _shown(joined: pa.Table, cells: list[Any]) -> pa.Table:
    match, step = joined["match"].combine_chunks(), columns.integers(joined, "step")
    labels: dict[str, list[Any]] = {
        "op": [cell.op for cell in cells],
        "phase": [cell.phase for cell in cells],
        "layer": [cell.layer for cell in cells],
    }
    result: dict[str, Any] = {name: pa.array(v, pa.string()).take(match) for name, v in labels.items()}
    result["step"] = columns.nullable(step)
    result["occurrence"] = joined["occurrence"]
    for name, source in (("a_id", "id_a"), ("b_id", "id_b"), ("a_ns", "ns_a"), ("b_ns", "ns_b")):
        result[name] = joined[source]
    return pa.table(result)


def _chosen(cells: Cells, number: dict[int, int]) -> tuple[Ints, Ints]:
    """Rows that belong to a chosen cell, and the match of each."""
    lookup = np.array([number.get(cell, NULL) for cell in range(len(cells.cells))] + [NULL], dtype=np.int64)
    match = lookup[cells.row]
    rows = np.flatnonzero(match != NULL)
    return rows, match[rows]


def _side(events: pa.Table, chosen: tuple[Ints, Ints], shape: Ints) -> pa.Table:
    rows, match = chosen
    step = columns.integers(events, "step")[rows]
    position = np.where(step == NULL, NULL, np.searchsorted(np.unique(step[step != NULL]), step))
    order, occurrence = _occurrences(events, rows, [match, shape, position])
    return pa.table(
        {
            "match": pa.array(match[order]),
            "shape": pa.array(shape[order]),
            "step": pa.array(position[order]),
            "occurrence": pa.array(occurrence),
            "id": pa.array(columns.integers(events, "id")[rows][order]),
            "ns": pa.array(columns.integers(events, "duration_ps")[rows][order] / PS_PER_NS),
        }
    )


def _occurrences(events: pa.Table, rows: Ints, keys: list[Ints]) -> tuple[Ints, Ints]:
    """Order of the rows by keys, then time, and the number of each among those of equal keys."""
    start = columns.integers(events, "start_ps")[rows]
    order = np.lexsort((rows, start, *reversed(keys)))
    if not len(order):
        return order, order
    ordered = np.stack([key[order] for key in keys])
    fresh = np.append(True, (np.diff(ordered, axis=1) != 0).any(axis=0))
    places = np.arange(len(order))
    return order, places - np.maximum.accumulate(np.where(fresh, places, 0))


def _shapes(events: pa.Table, rows: Ints) -> Text:
    """Recorded shape of each row without its whitespace (producers indent them), else of what launched it."""
    mask = np.zeros(events.num_rows, dtype=bool)
    mask[rows] = True
    shape = row_keys.key(events, mask, "shape")
    return _renumbered(shape, {})


def _renumbered(text: Text, known: dict[str, int]) -> Text:
    """The text with one code per distinct value but for whitespace, continuing `known`."""
    tidy = ["".join(value.split()) for value in text.values]
    remap = np.array([known.setdefault(value, len(known)) for value in tidy] + [NULL], dtype=np.int64)
    return Text(remap[text.codes], list(known))
