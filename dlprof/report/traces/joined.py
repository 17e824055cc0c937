"""Several tables of events in one trace: numbered anew, and rows beside them that no trace holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from dlprof import schema
from dlprof.analysis import columns


def renumbered(events: pa.Table, offset: int, part: int, parts: int) -> pa.Table:
    """The events of one of several parts: ids from `offset` on, launches and parents with them, tracks that no other part has.

    What was launched by, or lies in, an event that is not among them is launched by and lies in none.
    """
    old = columns.integers(events, "id")
    order = np.argsort(old, kind="stable")
    track = np.unique(columns.integers(events, "track"), return_inverse=True)[
        1
    ]  # small: their product must fit into 32 bits
    new: dict[str, Any] = {
        "id": pa.array(np.arange(offset, offset + len(old))),
        "track": pa.array((track * parts + part).astype(np.int32)),
    }
    for name in ("launch", "parent"):
        wanted = columns.integers(events, name)
        at = np.minimum(np.searchsorted(old[order], wanted), max(0, len(old) - 1))
        known = (wanted >= 0) & (old[order[at]] == wanted) if len(old) else wanted >= 0
        new[name] = pa.array(order[at] + offset, mask=~known) if len(old) else pa.array([], pa.int64())
    for column, values in new.items():
        place = events.schema.get_field_index(column)
        events = events.set_column(place, events.schema.field(place), values)
    return events.replace_schema_metadata(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A row that no trace holds: what all together show. Its fields are columns of schema.EVENTS."""

    device: str
    stream: str
    track: int
    start_ps: int
    level: Literal["op", "counter"]
    name: str
    duration_ps: int = 0
    step: int | None = None
    value: float | None = None
    args: str | None = None
    source: str = "dlprof"
    self_ps: int = 0
    occurrences: int = 1
    calls: int = 0


def rows(drawn: Sequence[Drawn], offset: int) -> pa.Table:
    """Rows of schema.EVENTS, with ids from `offset` on; null in columns that they have not."""
    own = {field.name for field in fields(Drawn)}
    columns_ = {"id": pa.array(range(offset, offset + len(drawn)), schema.EVENTS.field("id").type)} | {
        field.name: pa.array([getattr(row, field.name) for row in drawn], field.type)
        for field in schema.EVENTS
        if field.name in own
    }
    return pa.Table.from_arrays(
        [
            columns_[field.name] if field.name in columns_ else pa.nulls(len(drawn), field.type)
            for field in schema.EVENTS
        ],
        schema=schema.EVENTS,
    )
