"""Instances: single executions of A and B side by side, the k-th of a step with the k-th."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from dlprof.analysis import columns
from dlprof.analysis.align import align
from dlprof.analysis.cells import Cells, gather
from dlprof.analysis.columns import NULL
from dlprof.units import PS_PER_NS


def pair(a: pa.Table, b: pa.Table) -> pa.Table:
    """Single executions side by side, for cells that correspond one to one: the k-th of a step in A with the k-th
    in B.

    Columns: op, phase, layer, step (position of the step in its trace, from 0; null without steps), occurrence (k,
    by time within the step), a_id, b_id (event ids), a_ns, b_ns (durations). Executions without a partner are left
    out.
    """
    cells_a, cells_b = gather(a), gather(b)
    aligned = align(cells_a.cells, cells_b.cells)
    chosen = [
        (group_a[0], group_b[0])
        for group_a, group_b in zip(aligned.a_groups, aligned.b_groups, strict=True)
        if len(group_a) == len(group_b) == 1
    ]
    left = _occurrences(a, cells_a, {cell: number for number, (cell, _) in enumerate(chosen)})
    right = _occurrences(b, cells_b, {cell: number for number, (_, cell) in enumerate(chosen)})
    joined = left.join(right, ["match", "step", "occurrence"], join_type="inner", left_suffix="_a", right_suffix="_b")
    joined = joined.sort_by([("match", "ascending"), ("step", "ascending"), ("occurrence", "ascending")])
    cells = [cells_a.cells[cell] for cell, _ in chosen]
    match = joined["match"].to_numpy()
    step = columns.integers(joined, "step")
    labels: dict[str, list[Any]] = {
        "op": [cell.op for cell in cells],
        "phase": [cell.phase for cell in cells],
        "layer": [cell.layer for cell in cells],
    }
    result: dict[str, Any] = {
        name: pa.array(values, pa.string()).take(pa.array(match)) for name, values in labels.items()
    }
    result["step"] = pa.array(step, mask=step == NULL)
    for name, source in (
        ("occurrence", "occurrence"),
        ("a_id", "id_a"),
        ("b_id", "id_b"),
        ("a_ns", "ns_a"),
        ("b_ns", "ns_b"),
    ):
        result[name] = joined[source]
    return pa.table(result)


def _occurrences(events: pa.Table, cells: Cells, number: dict[int, int]) -> pa.Table:
    lookup = np.array([number.get(cell, NULL) for cell in range(len(cells.cells))] + [NULL], dtype=np.int64)
    match = lookup[cells.row]
    rows = np.flatnonzero(match != NULL)
    step, start = columns.integers(events, "step")[rows], columns.integers(events, "start_ps")[rows]
    ranks = np.unique(step[step != NULL])
    position = np.where(step == NULL, NULL, np.searchsorted(ranks, step))
    order = np.lexsort((rows, start, position, match[rows]))
    keys = np.stack([match[rows][order], position[order]])
    fresh = np.append(True, (np.diff(keys, axis=1) != 0).any(axis=0)) if len(order) else np.zeros(0, bool)
    begin = np.maximum.accumulate(np.where(fresh, np.arange(len(order)), 0)) if len(order) else np.zeros(0, np.int64)
    return pa.table(
        {
            "match": pa.array(keys[0]),
            "step": pa.array(keys[1]),
            "occurrence": pa.array(np.arange(len(order)) - begin),
            "id": pa.array(columns.integers(events, "id")[rows][order]),
            "ns": pa.array(columns.integers(events, "duration_ps")[rows][order] / PS_PER_NS),
        }
    )
