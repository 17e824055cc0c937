"""Rows with a start and an end in ns as batches: what has no time is counted, names are numbered, the rest becomes arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from dlprof.ingest.batch import NO_INT, Arrow, Int32, Int64, Pool, RawBatch
from dlprof.ingest.protobuf.valid_times import in_range
from dlprof.ingest.reader import Context
from dlprof.units import PS_PER_NS

_FAR: Final = 2**62 // PS_PER_NS
"""ns beyond which a time is none, which in_range counts."""


def timed(ctx: Context, rows: dict[str, Int64]) -> dict[str, Int64]:
    """Rows with a start and an end; the others are counted."""
    known = (rows["start"] != NO_INT) & (rows["end"] != NO_INT)
    ctx.anomalies.count("no_time", int((~known).sum()))
    return rows if known.all() else {name: values[known] for name, values in rows.items()}


def batch(ctx: Context, rows: Mapping[str, Int64], **columns: Any) -> RawBatch:
    """A batch of rows from `start` to `end`, in ns, with these columns."""
    start, end = (np.clip(rows[name], -_FAR, _FAR) for name in ("start", "end"))
    ctx.anomalies.count("negative_duration", int((end < start).sum()))
    duration = np.minimum(np.maximum(end - start, 0), _FAR) * PS_PER_NS
    return in_range(RawBatch(start_ps=start * PS_PER_NS, duration_ps=duration, **columns), ctx.anomalies)


def coded(pool: Pool, ids: Int64, text: Callable[[int], str]) -> Int32:
    """Codes of the texts that numbers stand for, each asked once, in the order of their first rows."""
    distinct, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
    codes = np.empty(len(distinct), dtype=np.int32)
    for at in np.argsort(first).tolist():
        codes[at] = pool[text(int(distinct[at]))]
    return codes[inverse]


def arguments(ctx: Context, rows: Mapping[str, Int64], names: Sequence[str]) -> Arrow | None:
    """Columns that are the recorded arguments, as JSON; None where there are none, or nobody asks for them."""
    if not names or not ctx.wants("args"):
        return None
    columns = [rows[name].tolist() for name in names]
    keys = [f'"{name}":' for name in names]
    return pa.array(
        [
            "{" + ",".join(f"{key}{value}" for key, value in zip(keys, row, strict=True) if value != NO_INT) + "}"
            for row in zip(*columns, strict=True)
        ],
        pa.string(),
    )
