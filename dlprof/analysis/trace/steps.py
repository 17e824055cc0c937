"""Steps: the windows that step markers span, how much of them the trace explains, and how they divide into phases."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np
import pyarrow as pa

from dlprof import names
from dlprof.analysis import columns, intervals
from dlprof.analysis.columns import NULL, Bools, Ints, Text
from dlprof.analysis.of_one_trace import Explained
from dlprof.analysis.trace import places
from dlprof.names import Marker, is_marker
from dlprof.units import PS_PER_NS

if TYPE_CHECKING:
    from dlprof.analysis.trace.row_keys import Rows

_CATEGORY: Final = "step"
"""Of markers that say their step by a number of their own (JAX's StepTraceAnnotation), whatever their name."""

_FIELDS: Final[tuple[tuple[str, pa.DataType], ...]] = (
    ("step", pa.int64()),
    ("start_ps", pa.int64()),
    ("end_ps", pa.int64()),
    ("wall_ns", pa.float64()),
)
TABLE: Final = pa.schema(_FIELDS)


class Times(msgspec.Struct, frozen=True):
    """Start and end of every event, ps relative to the trace's origin."""

    start: Ints
    end: Ints

    @classmethod
    def of(cls, events: pa.Table) -> Times:
        start = columns.integers(events, "start_ps")
        return cls(start, start + columns.integers(events, "duration_ps"))


def work(events: pa.Table) -> Bools:
    """Which rows are executed work: kernels and copies on devices where there are any, else operators and copies.

    In a trace with GPU kernels the op rows are the host side of the same work, so counting both would double it. A
    trace without kernel rows (CPU captures; MXNet on a GPU, whose profiler records operators only) has its work in
    its op rows. One that knows no operator at all (a plain chrome trace) has it in its spans.
    """
    level = columns.text(events, "level")
    return work_of(level, columns.text(events, "device"), level.present())


def work_of(level: Text, device: Text, present: Collection[str]) -> Bools:
    """`work` of rows of a trace in which the levels `present` occur."""
    if "kernel" in present:
        return level.where("kernel") | (level.where("copy") & ~on_host(device))
    return level.where("op", "copy") if "op" in present or "copy" in present else level.where("api")


def host_side(events: pa.Table) -> Bools:
    """What the host's threads were recorded to do: operators, calls of libraries and the runtime, waits."""
    return host_side_of(columns.text(events, "level"), columns.text(events, "device"))


def host_side_of(level: Text, device: Text) -> Bools:
    """`host_side` of rows."""
    rows: Bools = level.where("op", "api", "sync", "copy") & on_host(device)
    return rows


def table(events: pa.Table) -> pa.Table:
    """One row per step of each host and rank, in order of time: step, start_ps, end_ps, wall_ns (TABLE).

    Steps come from marker rows named dlprof:step=N (or an item's, PyTorch's or JAX's) on the host's threads. A step that was
    marked more than once, as when an epoch was traced with several marking threads, spans from its first start to its
    last end. A framework's own markers wait for no device: such a step ends with the last work that it launched, and
    begins when the one before it has ended (as PyTorch's TensorBoard plugin has it), so steps never overlap.
    """
    place = places.of(events)
    if len(place.values) > 1:
        parts = [events.filter(pa.array(place.codes == code)) for code in range(len(place.values))]
        return pa.concat_tables([marked(part, partial(_ends, part)) for part in parts]).sort_by("start_ps")
    return marked(events, partial(_ends, events))


def _ends(events: pa.Table) -> tuple[Ints, Ints]:
    """Step and end of the work that belongs to one."""
    step = columns.integers(events, "step")
    rows = work(events) & (step != NULL)
    return step[rows], Times.of(events).end[rows]


def marking(rows: Rows) -> Ints:
    """Places of the rows that `marked` needs: markers that span steps, or stand in one."""
    marks = np.flatnonzero(rows.text("level").where("marker"))
    if not len(marks):
        return marks
    wanted: Bools = rows.named(_spans, marks) | (rows.integers("step")[marks] != NULL)
    return marks[wanted]


def _spans(name: str) -> bool:
    return Marker.spanning(name) is not None


def marked(events: pa.Table, ends: Callable[[], tuple[Ints, Ints]]) -> pa.Table:
    """`table` of one host and rank. events: with all rows of `marking`. ends: step and end of work, as of `_ends`, of each
    step that which ends last at least."""
    name, times = columns.text(events, "name"), Times.of(events)
    markers = [Marker.spanning(value) for value in name.values]
    rows, named = _marking(events, name, markers)
    own = named and is_marker(name.values[name.codes[rows[0]]])
    if told_by_devices(events)[rows].any():
        return _longest(events, times, rows)
    numbered = np.array([marker.number if marker else NULL for marker in markers] + [NULL], dtype=np.int64)
    number = numbered[name.codes[rows]] if named else columns.integers(events, "step")[rows]
    if named and not own:  # numbers that begin again count on in the column
        number = np.where(
            columns.integers(events, "step")[rows] == NULL, number, columns.integers(events, "step")[rows]
        )
    keys = [number, _series(name, markers, rows)]
    groups = columns.group(keys) if len(rows) else columns.Groups(rows, rows, 0)
    start, end = np.full(groups.size, np.iinfo(np.int64).max), np.full(groups.size, np.iinfo(np.int64).min)
    np.minimum.at(start, groups.inverse, times.start[rows])
    np.maximum.at(end, groups.inverse, times.end[rows])
    order = np.argsort(start, kind="stable")
    numbers = keys[0][groups.first][order] if groups.size else rows
    start, end = start[order], end[order]
    if groups.size and not own:
        start, end = _with_launched(*ends(), numbers, start, end)
    shown = [numbers, start, end, (end - start) / PS_PER_NS]
    return pa.table([columns.numbers(values) for values in shown], schema=TABLE)


def _longest(events: pa.Table, times: Times, rows: Ints) -> pa.Table:
    """Steps that devices tell, each as long as the device that took longest, as XProf has it: one device may run a step long
    after another has."""
    number = columns.integers(events, "step")[rows]
    start, end = times.start[rows], times.end[rows]
    order = np.lexsort((start - end, number))
    kept = order[np.diff(number[order], prepend=np.int64(NULL)) != 0]
    kept = kept[np.argsort(start[kept], kind="stable")]
    found = [number[kept], start[kept], end[kept]]
    return pa.table([*map(pa.array, found), pa.array((end[kept] - start[kept]) / PS_PER_NS)], schema=TABLE)


def told_by_devices(events: pa.Table) -> Bools:
    """Markers of the steps that a device's own line tells (TPUs)."""
    marked = columns.text(events, "level").where("marker") & _on_accelerator(events)
    rows: Bools = marked & (columns.integers(events, "step") != NULL) & _of_category(events)
    return rows


def _marking(events: pa.Table, name: Text, markers: list[Marker | None]) -> tuple[Ints, bool]:
    """Rows that span steps, and whether their names say so: dlprof's own before a framework's on the host's threads.

    Else the markers of the host that stand in a step which the producer numbered itself (JAX's StepTraceAnnotation, whose
    name is the user's): the longest of them is the step's own. Else the steps that devices' own lines tell (TPUs).
    """
    marked = columns.text(events, "level").where("marker")
    named = marked & name.flags([marker is not None for marker in markers])
    own = named & name.flags([is_marker(value) for value in name.values])
    host = ~_on_accelerator(events)
    if own.any():
        return np.flatnonzero(own), True
    if (named & host).any():
        return np.flatnonzero(named & host), True
    numbered = marked & host & (columns.integers(events, "step") != NULL)
    told = numbered & _of_category(events)
    if not numbered.any():
        return np.flatnonzero(told_by_devices(events)), False
    return np.flatnonzero(told if told.any() else numbered), False


def _of_category(events: pa.Table) -> Bools:
    """Markers that a reader found to be steps, whatever their name."""
    if "category" not in events.column_names:
        return np.zeros(events.num_rows, dtype=np.bool_)
    return columns.text(events, "category").where(_CATEGORY)


def _with_launched(step: Ints, until: Ints, numbers: Ints, start: Ints, end: Ints) -> tuple[Ints, Ints]:
    """Start and end of steps in order of time, with the work that each launched inside it and none of them overlapping.

    step, until: of work.
    """
    order = np.argsort(numbers, kind="stable")
    at = order[np.minimum(np.searchsorted(numbers[order], step), len(numbers) - 1)]
    known = numbers[at] == step
    np.maximum.at(end, at[known], until[known])
    end = np.maximum.accumulate(end)
    return np.maximum(start, np.append(start[:1], end[:-1])), end


def _on_accelerator(events: pa.Table) -> Bools:
    """Rows of devices other than a CPU."""
    return ~on_host(columns.text(events, "device"))


def on_host(device: Text) -> Bools:
    """Rows of CPUs (is_host)."""
    return device.flags([is_host(value) for value in device.values])


def is_host(device: str) -> bool:
    """Whether a device (its place may stand in front) is a CPU, or the CPU threads of a trace of accelerators."""
    kind = device.rpartition("/")[2]
    return kind == "host" or kind.startswith("cpu")


def _series(name: Text, markers: list[Marker | None], rows: Ints) -> Ints:
    """Code of what each marker's number counts, so that call 3 of one item is not call 3 of another."""
    first: dict[tuple[str, str] | None, int] = {}
    found = [marker.series if marker else None for marker in markers]
    codes = np.array([first.setdefault(series, len(first)) for series in found] + [NULL], dtype=np.int64)
    return codes[name.codes[rows]]


def unmarked(events: pa.Table) -> pa.Table:
    """The events without their steps: for a comparison with a trace that marks none, where both count as wholes."""
    name = columns.text(events, "name")
    named = name.flags([Marker.spanning(value) is not None for value in name.values])
    marks = columns.text(events, "level").where("marker") & (named | _of_category(events))
    at = events.schema.get_field_index("step")
    none = pa.nulls(events.num_rows, events.schema.field(at).type)
    return events.set_column(at, events.schema.field(at), none).filter(pa.array(~marks))


def outside(events: pa.Table) -> Bools:
    """Executed work that belongs to no step, in a trace that marks steps; none in one that does not."""
    if not table(events).num_rows:
        return np.zeros(events.num_rows, dtype=bool)
    rows: Bools = work(events) & (columns.integers(events, "step") == NULL)
    return rows


def settling(events: pa.Table) -> Bools:
    """Rows that began while a process settled before a burst of steps, its own marker (names.SETTLE) among them."""
    times = Times.of(events)
    marks = columns.text(events, "level").where("marker") & columns.text(events, "name").where(names.SETTLE)
    if not marks.any():
        return np.zeros(events.num_rows, dtype=bool)
    order = np.argsort(times.start[marks], kind="stable")
    start, end = times.start[marks][order], times.end[marks][order]
    at = np.searchsorted(start, times.start, side="right") - 1
    begun: Bools = (at >= 0) & (times.start < end[at])
    return begun


def windows(events: pa.Table) -> intervals.Union:
    """The union of the steps, ps."""
    steps = table(events)
    return intervals.union(columns.integers(steps, "start_ps"), columns.integers(steps, "end_ps"))


def span(events: pa.Table) -> intervals.Union:
    """The steps if there are any, else one window for each host and rank, from the first start to the last end of its work."""
    found = windows(events)
    if found.length:
        return found
    mask, times, place = work(events), Times.of(events), places.of(events)
    here = [mask & (place.codes == code) for code in np.unique(place.codes[mask]).tolist()]
    low, high = ([int(reach(at[rows])) for rows in here] for at, reach in ((times.start, np.min), (times.end, np.max)))
    return intervals.union(np.array(low, dtype=np.int64), np.array(high, dtype=np.int64))


def explained(events: pa.Table) -> Explained:
    """How much of the steps' wall time the union of all work intervals covers, ns; the rest is idle or host time.

    Without steps: of the time from the first start to the last end of the work, with `steps` 0.
    """
    mask, times, frame = work(events), Times.of(events), span(events)
    _, start, end = intervals.clip(times.start[mask], times.end[mask], frame)
    busy = intervals.union(start, end).length
    return Explained(
        steps=table(events).num_rows,
        wall_ns=frame.length / PS_PER_NS,
        busy_ns=busy / PS_PER_NS,
        fraction=busy / frame.length if frame.length else 0.0,
        outside_ns=int(columns.integers(events, "self_ps")[outside(events) & ~settling(events)].sum()) / PS_PER_NS,
    )


def divided_ps(events: pa.Table, mask: Bools, frame: intervals.Union) -> intervals.Divided:
    """Time of each row inside `frame`, ps, 0 for rows that are not of `mask`: with instants shared among concurrent rows of
    `mask`, and of its own thread or stream alone (shared among devices that work at the same time)."""
    times, track, device = Times.of(events), columns.integers(events, "track"), columns.text(events, "device")
    found = intervals.divide(track[mask], times.start[mask], times.end[mask], frame, device.codes[mask])
    share, own = np.zeros(events.num_rows), np.zeros(events.num_rows)
    share[mask], own[mask] = found.share, found.own
    return intervals.Divided(share, own)


def workless(events: pa.Table) -> pa.Table:
    """The marked steps in which no work ran (TABLE), as one that the end of a recording cut off."""
    found, mask, times = table(events), work(events), Times.of(events)
    busy = intervals.union(times.start[mask], times.end[mask])
    start, end = (columns.integers(found, name) for name in ("start_ps", "end_ps"))
    return found.filter(pa.array(busy.covered(end) == busy.covered(start)))


def step_median_ns(events: pa.Table, *, every: bool = False) -> float | None:
    """Median wall time of the steps in which work ran, ns; None without steps. Where none holds any, of all.

    every: of all steps in any case, as of a window of our own, whose steps are whole and are held against as many untraced ones
    """
    import pyarrow.compute as pc  # late: a breakdown starts without

    found, empty = table(events), workless(events)
    if not every and 0 < empty.num_rows < found.num_rows:
        without = pc.is_in(found["start_ps"], value_set=empty["start_ps"].combine_chunks())
        found = found.filter(pc.invert(without))
    return float(pc.quantile(found["wall_ns"], q=0.5)[0].as_py()) if found.num_rows else None
