"""Memory: recorded allocation over time, its peak, and what ran and was live at the peak.

MXNet records counters of bytes in use per device (`Memory: cpu/0`); TensorFlow records each allocation and release
with the allocator's total; PyTorch (profile_memory) an instant for each, with the totals allocated and reserved of its
device. What a producer did not record is absent here, never estimated: a total that PyTorch left out follows from what came
and went since the last one that it wrote, and the series says how many do.
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
from dlprof.analysis.trace import row_keys, steps
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


@dataclass(frozen=True, slots=True)
class Allocated:
    """What PyTorch's records tell of one device's memory, in order of time.

    rows: the records, as rows of the event table; facts: their arguments
    totals: bytes allocated after each; derived: how many of these are not written, None where none is: then totals are
        what came and went since the trace began
    """

    device: str
    rows: Ints
    facts: pa.Table
    totals: Ints
    derived: int | None


def instants(events: pa.Table) -> Iterator[Series]:
    """PyTorch's memory, allocated and reserved, of the CPU and of each accelerator apart."""
    start = columns.integers(events, "start_ps")
    for one in allocated(events):
        size, address, reserved = (
            _numbers(one.facts, *name) for name in (("Bytes", 0), ("Addr", 0), ("Total Reserved", NULL))
        )
        live: tuple[Live, ...] = ()
        if "Addr" in one.facts.column_names:
            live = _live(events, one.rows, size > 0, address, size, int(one.totals.argmax()))
        word = "allocated since the start" if one.derived is None else "allocated"  # before 2021-12
        if one.derived:
            word = f"allocated, {one.derived} derived"
        yield _finish(events, f"{one.device} {word}", start[one.rows], one.totals, live)
        if (reserved > 0).any():
            known = reserved != NULL
            yield _finish(events, f"{one.device} reserved", start[one.rows[known]], reserved[known], ())


def allocated(events: pa.Table) -> Iterator[Allocated]:
    """What PyTorch's records tell of each device's memory; a device without one that tells bytes is left out."""
    start = columns.integers(events, "start_ps")
    rows = np.flatnonzero(columns.text(events, "name").where(INSTANT))
    rows = rows[np.argsort(start[rows], kind="stable")]
    facts = _arguments(events, rows)
    if facts is None:
        return
    size, written = _numbers(facts, "Bytes", 0), _numbers(facts, "Total Allocated", NULL)
    names = np.array(_devices(events, rows, facts))
    for device in dict.fromkeys(names.tolist()):
        mine = np.flatnonzero(names == device)
        totals, derived = running_totals(written[mine], size[mine])
        if totals.any():
            yield Allocated(device, rows[mine], facts.take(mine), totals, derived)


def _devices(events: pa.Table, rows: Ints, facts: pa.Table) -> list[str]:
    """The device whose memory each record is of: `cpu`, `gpu:0`; `unknown device` where it does not say."""
    device, labels = columns.text(events, "device"), []
    kind, number = _numbers(facts, "Device Type", NULL), _numbers(facts, "Device Id", 0)
    for row, one, at in zip(rows.tolist(), kind.tolist(), number.tolist(), strict=True):
        placed = device.values[device.codes[row]]
        if one in (_CPU, NULL):
            labels.append("cpu" if one == _CPU else "unknown device")
        else:
            labels.append(placed if not steps.is_host(placed) else f"gpu:{max(at, 0)}")
    return labels


def running_totals(written: Ints, size: Ints) -> tuple[Ints, int | None]:
    """The total after each record of a device, and how many are derived; where not one is written, what came and went since
    the first, and None.

    written: totals, NULL or negative where a record has none; size: bytes that came (or went, below 0), both in order of
    time. A written total counts as it is; one that is not follows from the last written before it and what came and went
    since, before the first from that one backwards.
    """
    known = np.flatnonzero(written >= 0)
    grown: Ints = np.cumsum(size)
    if not (written[known] > 0).any():
        return grown, None
    last = np.maximum(np.searchsorted(known, np.arange(len(size)), side="right") - 1, 0)
    anchor = known[last]
    totals: Ints = written[anchor] + grown - grown[anchor]
    return totals, len(size) - len(known)


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
    if not isinstance(value, str | int | float):
        return missing
    try:
        found = int(value)
    except (ValueError, OverflowError):
        try:
            found = int(float(value))
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
    labels = [row_keys.key(events, mask, name) for name in ("op", "phase", "layer")]
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
