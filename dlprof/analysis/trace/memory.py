"""Memory: recorded allocation over time, its peak, and what ran and was live at the peak.

MXNet records counters of bytes in use per device (`Memory: cpu/0`); TensorFlow records each allocation and release
with the allocator's total; PyTorch (profile_memory) an instant for each, with the totals allocated and reserved of its
device. What a producer did not record is absent here, never estimated.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from pyarrow import json as arrow_json

from dlprof.analysis import columns
from dlprof.analysis.columns import NULL, Bools, Ints
from dlprof.analysis.trace import breakdown, steps
from dlprof.units import PS_PER_NS

_ALLOCATE, _RELEASE = "MemoryAllocation", "MemoryDeallocation"
INSTANT: Final = "[memory]"
"""Name of PyTorch's records of memory."""

_CPU: Final = 0
"""PyTorch's number of the device type CPU (c10::DeviceType); every other is an accelerator."""


@dataclass(frozen=True, slots=True)
class Live:
    """Memory that was live at a peak, by what ran when it was allocated (None: nothing recorded ran)."""

    op: str | None
    bytes: int
    allocations: int


@dataclass(frozen=True, slots=True)
class Series:
    """Bytes in use of one allocator or device: time_ns (from the trace's origin) and bytes of each sample, in order of
    time.

    peak_bytes at peak_ns, in peak_step (None outside steps), while `running` executed.

    live: what was allocated and not yet released at the peak, most first; empty where the producer records totals
        only
    """

    name: str
    time_ns: tuple[float, ...]
    bytes: tuple[int, ...]
    peak_bytes: int
    peak_ns: float
    peak_step: int | None
    running: tuple[str, ...]
    live: tuple[Live, ...]


def series(events: pa.Table) -> tuple[Series, ...]:
    """All recorded series of memory in use, the largest peak first; empty where nothing was recorded."""
    found = [*_counters(events), *_allocators(events), *instants(events)]
    return tuple(sorted(found, key=lambda one: -one.peak_bytes))


def _counters(events: pa.Table) -> Iterator[Series]:
    name, start = columns.text(events, "name"), columns.integers(events, "start_ps")
    memory = columns.text(events, "level").where("counter")
    memory &= name.flags([value.startswith("Memory") for value in name.values])
    values = events.column("value").to_numpy(zero_copy_only=False)
    for code in np.unique(name.codes[memory]).tolist():
        rows = np.flatnonzero(memory & (name.codes == code))
        yield _finish(events, name.values[code], start[rows], values[rows].astype(np.int64), ())


def instants(events: pa.Table) -> Iterator[Series]:
    """PyTorch's memory, allocated and reserved, of the CPU and of each accelerator apart."""
    start = columns.integers(events, "start_ps")
    rows = np.flatnonzero(columns.text(events, "name").where(INSTANT))
    rows = rows[np.argsort(start[rows], kind="stable")]
    facts = _arguments(events, rows)
    if facts is None or "Device Type" not in facts.column_names or "Bytes" not in facts.column_names:
        return
    kind, number = (_numbers(facts, name, 0) for name in ("Device Type", "Device Id"))
    size, address = (_numbers(facts, name, 0) for name in ("Bytes", "Addr"))
    device, labels = columns.text(events, "device"), []
    for row, one, at in zip(rows.tolist(), kind.tolist(), number.tolist(), strict=True):
        placed = device.values[device.codes[row]]
        labels.append("cpu" if one == _CPU else placed if not steps.is_host(placed) else f"gpu:{max(at, 0)}")
    names = np.array(labels)
    for label in dict.fromkeys(labels):
        mine = np.flatnonzero(names == label)
        if "Total Allocated" not in facts.column_names:  # before 2021-12: only what came and went since the trace began
            grown = np.cumsum(size[mine])
            peak = int(grown.argmax())
            where = (rows[mine], size[mine] > 0, address[mine], size[mine])
            live = _live(events, *where, peak) if "Addr" in facts.column_names else ()
            yield _finish(events, f"{label} allocated since the start", start[rows[mine]], grown, live)
            continue
        for total, word in (("Total Allocated", "allocated"), ("Total Reserved", "reserved")):
            values = _numbers(facts, total, NULL)[mine]
            if not (values > 0).any():
                continue
            known = mine[values != NULL]
            peak = int(values[values != NULL].argmax())
            live = (
                _live(events, rows[known], size[known] > 0, address[known], size[known], peak)
                if word == "allocated"
                else ()
            )
            yield _finish(events, f"{label} {word}", start[rows[known]], values[values != NULL], live)


def _numbers(facts: pa.Table, name: str, missing: int) -> Ints:
    """A column of arguments as integers, `missing` where a record lacks it."""
    if name not in facts.column_names:
        return np.full(facts.num_rows, missing, dtype=np.int64)
    column: Any = facts[name]
    if not pa.types.is_integer(column.type):
        return np.array([_whole(value, missing) for value in column.to_pylist()], dtype=np.int64)
    return np.asarray(column.fill_null(missing).to_numpy(), dtype=np.int64)


def _whole(value: object, missing: int) -> int:
    """A number that was written as text or with a point; `missing` for anything else."""
    try:
        found = (
            int(float(value)) if isinstance(value, float) else int(value) if isinstance(value, str | int) else missing
        )
    except (ValueError, OverflowError):
        return missing
    return found if -(2**63) <= found < 2**63 else missing


def _allocators(events: pa.Table) -> Iterator[Series]:
    name, start = columns.text(events, "name"), columns.integers(events, "start_ps")
    rows = np.flatnonzero(name.where(_ALLOCATE, _RELEASE))
    rows = rows[np.argsort(start[rows], kind="stable")]
    facts = _parsed(events, rows)
    if facts is None:
        return
    allocator = facts["allocator_name"]
    total, size, address = (facts[key] for key in ("bytes_allocated", "allocation_bytes", "addr"))
    taken = name.where(_ALLOCATE)[rows]
    for one in sorted(set(allocator.tolist())):
        mine = np.flatnonzero(allocator == one)
        peak = int(total[mine].argmax())
        live = _live(events, rows[mine], taken[mine], address[mine], size[mine], peak)
        yield _finish(events, str(one), start[rows[mine]], total[mine], live)


def _parsed(events: pa.Table, rows: Ints) -> dict[str, Ints] | None:
    """What TensorFlow records of allocations, as columns; None where there is nothing."""
    read = _arguments(events, rows)
    wanted = ("allocator_name", "bytes_allocated", "allocation_bytes", "addr")
    if read is None or not set(wanted) <= set(read.column_names):
        return None
    return {name: read[name].to_numpy() for name in wanted}


def _arguments(events: pa.Table, rows: Ints) -> pa.Table | None:
    """The recorded arguments of some events, a column each; None where none has any."""
    args = columns.text(events.select(["args"]).take(rows), "args")
    if (args.codes == NULL).all():
        return None
    texts = [args.values[code] if code != NULL else "{}" for code in args.codes.tolist()]
    lines = "\n".join(texts).encode()
    try:
        return arrow_json.read_json(io.BytesIO(lines), read_options=arrow_json.ReadOptions(block_size=1 << 26))
    except pa.ArrowInvalid:
        return _mixed(texts)


def _mixed(texts: list[str]) -> pa.Table:
    """The same where an argument is a number in one event and text in another."""
    read = [json.loads(text) for text in texts]
    found: dict[str, Any] = {}
    for name in dict.fromkeys(name for one in read for name in one):
        values = [one.get(name) for one in read]
        if all(isinstance(value, str) or value is None for value in values):
            found[name] = pa.array(values, pa.string())
        else:
            whole = [_whole(value, NULL) for value in values]
            found[name] = pa.array([None if value == NULL else value for value in whole], pa.int64())
    return pa.table(found)


def _live(events: pa.Table, rows: Ints, taken: Bools, address: Ints, size: Ints, peak: int) -> tuple[Live, ...]:
    """Allocations up to the peak whose address was not released in between, by the operator that ran when they were made."""
    last: dict[int, int] = {}
    for index, (where, new) in enumerate(zip(address[: peak + 1].tolist(), taken[: peak + 1].tolist(), strict=True)):
        if new:
            last[where] = index
        else:
            last.pop(where, None)
    kept = np.array(sorted(last.values()), dtype=np.int64)
    if not len(kept):
        return ()
    makers = _running_at(
        events, columns.integers(events, "start_ps")[rows[kept]], columns.integers(events, "track")[rows[kept]]
    )
    totals: dict[str | None, tuple[int, int]] = {}
    for maker, count in zip(makers, size[kept].tolist(), strict=True):
        before = totals.get(maker, (0, 0))
        totals[maker] = (before[0] + count, before[1] + 1)
    found = [Live(op, *amount) for op, amount in totals.items()]
    return tuple(sorted(found, key=lambda live: -live.bytes))


def _running_at(events: pa.Table, times: Ints, tracks: Ints) -> list[str | None]:
    """Label of the latest started work on each track that holds each time, None where none does."""
    mask = steps.work(events)
    rows = np.flatnonzero(mask)
    when, track = steps.Times.of(events), columns.integers(events, "track")
    labels = [breakdown.key(events, mask, name) for name in ("op", "phase", "layer")]
    order = np.lexsort((when.start[rows], track[rows]))
    rows_sorted = rows[order]
    found: list[str | None] = []
    for time, place in zip(times.tolist(), tracks.tolist(), strict=True):
        low = np.searchsorted(track[rows_sorted], place, side="left")
        high = np.searchsorted(track[rows_sorted], place, side="right")
        at = low + int(np.searchsorted(when.start[rows_sorted[low:high]], time, side="right")) - 1
        if at < low or when.end[rows_sorted[at]] <= time:
            found.append(None)
            continue
        parts = [text.values[text.codes[order[at]]] for text in labels if text.codes[order[at]] != NULL]
        found.append(" ".join(parts))
    return found


def _finish(events: pa.Table, name: str, start: Ints, values: Ints, live: tuple[Live, ...]) -> Series:
    order = np.argsort(start, kind="stable")
    start, values = start[order], values[order]
    at = int(values.argmax())
    found = steps.table(events)
    window = int(np.searchsorted(columns.integers(found, "start_ps"), start[at], side="right")) - 1
    inside = window >= 0 and int(start[at]) < int(columns.integers(found, "end_ps")[window])
    tracks = np.unique(columns.integers(events, "track")[steps.work(events)])
    running = _running_at(events, np.full(len(tracks), start[at]), tracks)
    return Series(
        name=name,
        time_ns=tuple((start / PS_PER_NS).tolist()),
        bytes=tuple(int(value) for value in values),
        peak_bytes=int(values[at]),
        peak_ns=float(start[at]) / PS_PER_NS,
        peak_step=int(columns.integers(found, "step")[window]) if inside else None,
        running=tuple(label for label in running if label),
        live=live,
    )
