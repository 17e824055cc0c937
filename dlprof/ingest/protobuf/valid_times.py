"""Which events of a protobuf trace have times that int64 picoseconds can hold, with room to add a duration and an origin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from dlprof.ingest.anomalies import Anomalies
from dlprof.ingest.batch import Int64, RawBatch, arrow
from dlprof.ingest.texts import Packed
from dlprof.native.xplane_rows import FURTHEST_PS
from dlprof.units import PS_PER_NS


def moved(offset_ps: Int64, base_ns: Sequence[int], rows: Sequence[int]) -> Int64:
    """offset_ps + base_ns in ps, exact, each base for as many rows; where it does not fit, a time that `in_range` leaves out."""
    fits = [abs(base) * PS_PER_NS <= FURTHEST_PS for base in base_ns]
    start = np.clip(offset_ps, -2 * FURTHEST_PS, 2 * FURTHEST_PS)
    start += np.repeat([base * PS_PER_NS if fit else 0 for base, fit in zip(base_ns, fits, strict=True)], rows)
    if not all(fits):
        start[~np.repeat(fits, rows)] = 2 * FURTHEST_PS
    return start


def in_range(batch: RawBatch, anomalies: Anomalies) -> RawBatch:
    """The batch without events whose start or duration cannot be real; these are counted."""
    fits = (np.abs(batch.start_ps) <= FURTHEST_PS) & (batch.duration_ps <= FURTHEST_PS)
    if fits.all():
        return batch
    rows = np.flatnonzero(fits)
    anomalies.count("time_out_of_range", len(fits) - len(rows))
    kept: dict[str, Any] = {}
    for column in batch.__struct_fields__:
        values = getattr(batch, column)
        if isinstance(values, np.ndarray):
            kept[column] = values[rows]
        elif isinstance(values, list):
            kept[column] = [values[row] for row in rows.tolist()]
        elif isinstance(values, pa.Array):
            kept[column] = values.take(arrow(rows))
        elif isinstance(values, Packed):
            kept[column] = values.array().take(arrow(rows))
    return msgspec.structs.replace(batch, **kept)
