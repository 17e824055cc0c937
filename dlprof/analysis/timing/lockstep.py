"""The lockstep trials of a timing table: each timed item's trials, as `stats` takes and gives them."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from dlprof import stats
from dlprof.analysis import columns

_STAGES: Final = ("timed", "epoch")


def by_item(timings: pa.Table) -> dict[str, dict[int, stats.TrialRatio]]:
    """Item → trial number → its ratio (stats.trial_ratios), items in the table's order; times are ns of one unit of work.

    timings: schema.TIMINGS, or those of its columns that are read here; without a stage every row counts as timed.
    """
    if "stage" in timings.column_names:
        timings = timings.filter(pa.array(columns.text(timings, "stage").where(*_STAGES)))
    item = columns.text(timings, "item")
    # A dictionary keeps names whose rows were filtered away.
    rows = {name: item.where(name) for name in item.values}
    return {name: _trials(timings.filter(pa.array(mine))) for name, mine in rows.items() if mine.any()}


def _trials(rows: pa.Table) -> dict[int, stats.TrialRatio]:
    return stats.trial_ratios(
        columns.integers(rows, "trial"),
        columns.integers(rows, "round"),
        columns.text(rows, "side").where("b"),
        columns.integers(rows, "position"),
        rows.column("kept").to_numpy(),
        columns.integers(rows, "wall_ns") / np.maximum(columns.integers(rows, "units"), 1),
    )
