"""Places: the host and rank that recorded an event. Devices, steps and busy times of two places are never one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa

from dlprof.analysis import columns
from dlprof.analysis.columns import NULL, Ints, Text

_BETWEEN_PS: Final = 1_000_000_000
"""1 ms between the times of two places that are laid one after another."""


def of(events: pa.Table) -> Text:
    """The place of each row as `node0/rank3`, `node0` or `rank3`; `` where the trace tells neither."""
    if all(events.column(name).null_count == events.num_rows for name in ("host", "rank")):
        return Text(np.zeros(events.num_rows, dtype=np.int64), [""])
    alike = all(columns.constant(events, name) for name in ("host", "rank"))
    asked = events.slice(0, 1) if alike else events
    host, rank = columns.text(asked, "host"), columns.integers(asked, "rank")
    groups = columns.group([host.codes, rank]) if len(rank) else columns.Groups(rank, rank, 0)
    names = [
        "/".join(
            part for part in (host.values[code] if code != NULL else "", f"rank{number}" if number >= 0 else "") if part
        )
        for code, number in zip(host.codes[groups.first].tolist(), rank[groups.first].tolist(), strict=True)
    ]
    return Text(np.zeros(events.num_rows, dtype=np.int64) if alike else groups.inverse, names)


def labelled(events: pa.Table) -> pa.Table:
    """The events with the place in front of the device (`node0/rank3/gpu:3`) where several places recorded them."""
    place = of(events)
    if len(place.values) < 2:
        return events
    device = columns.text(events, "device")
    groups = columns.group([place.codes, device.codes])
    pairs = zip(place.codes[groups.first].tolist(), device.codes[groups.first].tolist(), strict=True)
    names = ["/".join(part for part in (place.values[at], device.values[code]) if part) for at, code in pairs]
    return _with(events, "device", columns.encode(Text(groups.inverse, names)))


def apart(events: pa.Table) -> pa.Table:
    """The events labelled, and the times of the places laid one after another, in order of their first start.

    So no union, gap or share of times merges two places, whose clocks need not agree. Times inside a place keep their
    distances.
    """
    place = of(events)
    if len(place.values) < 2:
        return events
    start = columns.integers(events, "start_ps")
    end = start + columns.integers(events, "duration_ps")
    size = len(place.values)
    low, high = np.full(size, np.iinfo(np.int64).max), np.full(size, np.iinfo(np.int64).min)
    np.minimum.at(low, place.codes, start)
    np.maximum.at(high, place.codes, end)
    order = np.argsort(low, kind="stable")
    lengths = (high - low + _BETWEEN_PS)[order]
    begin: Ints = np.empty(size, dtype=np.int64)
    begin[order] = low.min() + np.append(0, np.cumsum(lengths)[:-1])
    return labelled(_with(events, "start_ps", pa.array(start + (begin - low)[place.codes])))


def each(events: pa.Table, tables: Callable[[pa.Table], Mapping[str, pa.Table]]) -> Mapping[str, pa.Table]:
    """Tables made of each place's events, one below the other with the place in front; as they are where there is one."""
    place = of(events)
    if len(place.values) < 2:
        return tables(events)
    joined: dict[str, list[pa.Table]] = {}
    for code, name in enumerate(place.values):
        for title, table in tables(events.filter(pa.array(place.codes == code))).items():
            named = table.add_column(0, "place", pa.array([name] * table.num_rows, pa.string()))
            joined.setdefault(title, []).append(named)
    return {
        title: pa.concat_tables([part for part in parts if part.num_rows] or parts[:1], promote_options="default")
        for title, parts in joined.items()
    }


def _with(events: pa.Table, name: str, values: Any) -> pa.Table:
    at = events.schema.get_field_index(name)
    return events.set_column(at, events.schema.field(at), values)
