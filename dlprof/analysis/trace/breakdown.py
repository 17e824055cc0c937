"""Breakdown: executed work grouped by op, kernel, layer, phase, step, device or stream, with counts and times.

Times are ns as float, exact quotients of picoseconds (kernels of 100 ns exist; rounding each would spoil the sums).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from itertools import chain
from typing import Any, Final, Literal, get_args

import msgspec
import numpy as np
import pyarrow as pa

from dlprof import schema
from dlprof.analysis import columns, intervals
from dlprof.analysis.columns import NULL, Bools, Ints
from dlprof.analysis.of_one_trace import Outside, Workless
from dlprof.analysis.trace import steps
from dlprof.analysis.trace.groups import Groups, Outermost
from dlprof.analysis.trace.pieces import Pieces, Shares, Work
from dlprof.analysis.trace.row_keys import FOLLOWED, Earlier, Rows, process
from dlprof.analysis.trace.step_marks import StepMarks
from dlprof.errors import UsageError
from dlprof.names import INPUT
from dlprof.units import PS_PER_NS, counted

By = Literal["op", "kernel", "layer", "phase", "step", "device", "stream", "name", "process", "source"]
Where = Literal["work", "host"]

KEYS: Final[dict[str, tuple[str, ...]]] = {
    "op": ("op", "phase"),
    "kernel": ("kernel", "device"),
    "layer": ("layer", "phase"),
    "phase": ("phase",),
    "step": ("step",),
    "device": ("device",),
    "stream": ("device", "stream"),
    "name": ("name",),
    "process": ("process",),
    "source": ("source_line",),
}
"""Key columns of each view. A kernel is always shown with its device: the same kernel on two devices is two rows."""

IDLE: Final = "idle"
_EVERY_LEVEL: Final = columns.Text(np.arange(len(schema.LEVELS)), list(schema.LEVELS))


_DEEPEST: Final = 1000
"""Operators around an event that are looked at: a table whose parents form a circle comes to an end."""

COLUMNS: Final = (
    "id",
    "host",
    "rank",
    "device",
    "stream",
    "track",
    "level",
    "name",
    "category",
    "op",
    "kernel",
    "layer",
    "phase",
    "start_ps",
    "duration_ps",
    "self_ps",
    "step",
    "launch",
    "parent",
    "occurrences",
    "calls",
)
"""What most views, and what they need from steps, layers and completeness, reads of schema.EVENTS."""


def columns_of(by: str) -> tuple[str, ...]:
    """What a view reads of schema.EVENTS: the keys of one that few ask for are read only then."""
    return (*COLUMNS, *(name for name in KEYS[by] if name in schema.EVENTS.names and name not in COLUMNS))


_ADDED: Final = {
    "id", "host", "rank", "device", "track", "level", "name", "category",
    "start_ps", "duration_ps", "self_ps", "step", "parent", "occurrences", "calls",
}  # fmt: skip
"""What every breakdown reads."""
_BEHIND: Final = {"op": {"op", "kernel", "launch"}, "kernel": {"kernel"}, "process": {"stream"}}
"""What else a key is told from; one that a row has from its launch takes that column."""


def added_up(by: str) -> tuple[str, ...]:
    """What `Breakdown.take` reads of schema.EVENTS; to find layers in a table first takes columns_of."""
    keys = KEYS[by]
    wanted = _ADDED.union(*(_BEHIND.get(name, {name}) for name in keys))
    if FOLLOWED.intersection(keys):
        wanted.add("launch")
    return tuple(name for name in schema.EVENTS.names if name in wanted)


_RAW: Final = KEYS | {
    "step": ("place", "step"),
    "kernel": ("kernel", "place", "device"),
    "device": ("place", "device"),
    "stream": ("place", "device", "stream"),
    "process": ("place", "device", "stream"),
}
"""What rows are grouped by first: columns behind the keys of a view, and where they were recorded."""


def view(events: pa.Table, by: str, where: Where = "work") -> pa.Table:
    """Executed work (steps.work) grouped by KEYS[by], largest self time first: Breakdown.table of a whole table."""
    return of(events, by, where).table()


def of(events: pa.Table, by: str, where: Where = "work") -> Breakdown:
    """The breakdown of a whole table, whose rows may lie in any order. Raises `UsageError`."""
    found = Breakdown(by, where, levels=columns.text(events, "level").present(), launched=False)
    found.take(events)
    return found


def has_wall(found: pa.Table) -> bool:
    """Whether a view tells times within steps, as that of a trace that marks any."""
    return "wall_ns" in found.column_names and found["wall_ns"].null_count < found.num_rows


_NOTHING: Final = {"count": 0, "calls": 0, "total_ns": 0.0, "self_ns": 0.0, "share": 0.0}
_TYPES: Final = (
    dict.fromkeys([*chain(*KEYS.values()), "place"], pa.string())
    | dict.fromkeys(["step", "count", "calls"], pa.int64())
    | dict.fromkeys(["total_ns", "self_ns", "share", "wall_ns", "busy_ns", "span_ns", "step_ns"], pa.float64())
    | {"known": pa.bool_()}
)
"""Columns that a view may have."""


class _Divided(msgspec.Struct, frozen=True):
    """What is known when all events were seen.

    tables: steps.TABLE of each place. shares: time of each group within steps. busy_ps: of each group. idle_ps: of the steps'
    time, when nothing ran; input_ps: how much of that the input's markers cover. empty: steps without work, and their wall time
    """

    tables: list[pa.Table]
    shares: Shares
    busy_ps: Ints
    idle_ps: int
    input_ps: int
    empty: tuple[int, float]


class Breakdown:
    """A breakdown of events that come batch by batch: `take` them all, then ask.

    by: a key of KEYS. where: `host` groups what the host's threads did (steps.host_side) instead of executed work; in a trace of
    kernels that is no part of it. levels: those that occur in the trace. launched: whether rows may name one of an earlier batch
    that launched them; launchers: the ids of those, in order, where they are known. Batches (schema.EVENTS, added_up(by)) are
    those of a capture: tracks one after another, each in order of start, longest first, with ids that grow; a single batch may be
    in any order. Raises `UsageError` for an unknown `by`.
    """

    def __init__(
        self,
        by: str,
        where: Where = "work",
        *,
        levels: Collection[str],
        launched: bool = True,
        launchers: Ints | None = None,
    ) -> None:
        if by not in KEYS:
            raise UsageError(f"no such view: {by!r}", hint=f"group by one of {', '.join(get_args(By))}")
        self.by, self.where = by, where
        self._levels = levels
        self._earlier = Earlier(launched=launched, launchers=launchers)
        self._groups, self._outermost, self._marks = Groups(), Outermost(), StepMarks()
        self._pieces, self._stepless = Pieces(), Pieces()
        self._places: list[str] = [""]
        self._counts: Counter[str] = Counter()
        self._left_out = self._elsewhere = (0, 0)
        self._inputs: list[Ints] = []
        self._divided: _Divided | None = None

    def take(self, batch: pa.Table) -> None:
        """The next events."""
        if not batch.num_rows:
            return
        rows = Rows(batch, self._earlier)
        level, device = rows.text("level"), rows.text("device")
        work, host = self._sides(level, device)
        mask, other = (host, work) if self.where == "host" else (work, host)
        self._counts.update(level.counts())
        place, step = rows.place(), rows.integers("step")
        self._places = place.values
        self._elsewhere = _more(self._elsewhere, rows, other & ~mask)
        self._left_out = _more(self._left_out, rows, mask & (step == NULL))
        self._marks.take(rows, place.codes, work)
        if self.by == "phase" and self.where == "work":
            self._inputs.append(_inputs(rows, place.codes))
        if self.by == "step":
            others = np.flatnonzero(mask & (step == NULL))
            self._stepless.take(_work(rows, others, np.zeros_like(others)), place.codes[others])
            mask = mask & (step != NULL)
        if mask.any():
            self._add(rows, mask, place.codes)
        rows.handed_on(mask, KEYS[self.by])

    def needs(self, device: str) -> Bools:
        """Of each of schema.LEVELS, whether the rows of a thread on a device have to be taken: those of the view, markers, and
        operators, which may hold rows of the view. Of others `pass_over` is told their sums."""
        level = _EVERY_LEVEL
        sides = self._sides(level, columns.Text(np.zeros_like(level.codes), [device]))
        return sides[self.where == "host"] | ~level.where("api", "sync")

    def pass_over(self, device: str, rows: Ints, occurrences: Ints, self_ps: Ints) -> None:
        """Takes the sums of rows that `needs` leaves out, of each level: how many there are, executions, self time."""
        level = _EVERY_LEVEL
        sides = self._sides(level, columns.Text(np.zeros_like(level.codes), [device]))
        self._counts.update(dict(zip(level.values, rows.tolist(), strict=True)))
        other = sides[self.where != "host"]
        count, own = self._elsewhere
        self._elsewhere = count + int(occurrences[other].sum()), own + int(self_ps[other].sum())

    def _sides(self, level: columns.Text, device: columns.Text) -> tuple[Bools, Bools]:
        """Which rows are executed work, and which the host's side of the trace."""
        return steps.work_of(level, device, self._levels), steps.host_side_of(level, device)

    def _add(self, rows: Rows, mask: Bools, place: Ints) -> None:
        """Takes the rows of the mask into their groups."""
        known = (lambda first: rows.known()[mask][first]) if self.by == "op" else None
        found, numbers = self._groups.met([_codes(rows, mask, place, name) for name in _RAW[self.by]], known)
        group = numbers[found.inverse]
        work = _work(rows, mask, group)
        duration = work.end - work.start
        outermost = self._outermost.of(rows, mask, group)
        values = {
            "count": rows.integers("occurrences")[mask],
            "calls": rows.integers("calls")[mask],
            "total": duration if outermost is None else np.where(outermost, duration, 0),
            "own": rows.integers("self_ps")[mask],
        }
        self._groups.add(found, numbers, work.start, work.end, values)
        self._pieces.take(work, place[mask])

    def keys(self) -> tuple[str, ...]:
        """The key columns: KEYS[by], by step with the place in front where several recorded."""
        return ("place", *KEYS[self.by]) if self.by == "step" and len(self._places) > 1 else KEYS[self.by]

    def table(self) -> pa.Table:
        """The groups, largest self time first; by step in order of steps.

        Columns: the keys, and
            count: executions recorded
            calls: calls of the canonical op (the second part of a split op counts 0)
            total_ns: sum of durations; of what is nested in work of the same row the outermost alone. Concurrent work adds up
            self_ns: without what is nested inside
            share: of all self time; sums to 1
            wall_ns: part of the steps' wall time when concurrent work shares each instant; null without steps
            known: by op; False where the vocabulary lacks the name, which is then shown raw
            busy_ns, span_ns: by device and stream; union of intervals, and first start to last end
            step_ns: by step; how long the step itself was, from its mark to the next (steps.table); null where no mark tells it

        By phase there is an `idle` row. By step only work that belongs to one is there (`outside` is the rest).
        """
        names, divided = self.keys(), self._when_all()
        shown = [self._shown(key) for key in self._groups.keys]
        number = {key: at for at, key in enumerate(dict.fromkeys(shown))}
        row = np.array([number[key] for key in shown], dtype=np.int64)
        values: dict[str, list[Any]] = {name: [key[at] for key in number] for at, name in enumerate(names)}
        values |= self._measures(row, len(number), divided)
        if self.by == "op":
            values["known"] = self._groups.known
        if self.by == "step":
            values["step_ns"] = self._durations(divided.tables)
        if self.by == "phase" and self.where == "work":
            _add_idle(values, divided)
        keys = [[(value is None, value) for value in values[name]] for name in names]
        order = sorted(range(len(values["count"])), key=lambda at: tuple(key[at] for key in keys))
        if self.by != "step":
            order.sort(key=lambda at: -values["self_ns"][at])
        return pa.table({name: pa.array([values[name][at] for at in order], _TYPES[name]) for name in values})

    def outside(self) -> Outside:
        """What of the view belongs to no step: all of it in a trace that marks none."""
        return _outside(self._left_out)

    def elsewhere(self) -> Outside:
        """What the view leaves out: beside executed work what the host did, beside the host's side the work of devices."""
        return _outside(self._elsewhere)

    def empty(self) -> str:
        """Why the view has no row: what the trace holds in the place of work."""
        held = ", ".join(f"{count} of level {name}" for name, count in sorted(self._counts.items()) if count)
        if not held:
            return "The trace holds no event that has a time."
        events = counted(sum(self._counts.values()), "event")
        return f"No executed work was recorded. The trace holds {events}: {held}."

    def workless(self) -> Workless | None:
        """By step: the marked steps in which no work of the view ran; None where there is none."""
        count, wall_ns = self._when_all().empty
        return Workless(count, wall_ns) if count else None

    def _shown(self, key: tuple[int, ...]) -> tuple[str | int | None, ...]:
        """The values of a group's keys."""
        told = dict(zip(_RAW[self.by], key, strict=True))
        texts = {name: self._text(name, code) for name, code in told.items() if name != "step"}
        if "device" in texts and len(self._places) > 1:
            texts["device"] = "/".join(part for part in (texts["place"], texts["device"]) if part)
        if self.by == "process":
            return (process(texts["device"] or "", texts["stream"]),)
        return tuple(told[name] if name == "step" else texts[name] for name in self.keys())

    def _text(self, name: str, code: int) -> str | None:
        joined = self._earlier.joined.get(name)
        values = self._earlier.pools[name].values if joined is None else joined.values
        return None if code == NULL else values[code]

    def _measures(self, row: Ints, size: int, divided: _Divided) -> dict[str, list[Any]]:
        """The columns of numbers. row: of each group; size: number of rows."""
        sums = {name: columns.exact_sums(row, values, size) for name, values in self._groups.sums.items()}
        own = sums["own"]
        marked = any(_windows(table).length for table in divided.tables)
        found: dict[str, list[Any]] = {
            "count": sums["count"].tolist(),
            "calls": sums["calls"].tolist(),
            "total_ns": (sums["total"] / PS_PER_NS).tolist(),
            "self_ns": (own / PS_PER_NS).tolist(),
            "share": (own / max(int(own.sum()), 1)).tolist(),
            "wall_ns": (divided.shares.ps(row, size) / PS_PER_NS).tolist() if marked else [None] * size,
        }
        if self.by in ("device", "stream"):
            found["busy_ns"] = (divided.busy_ps / PS_PER_NS).tolist()
            found["span_ns"] = ((self._groups.high - self._groups.low) / PS_PER_NS).tolist()
        return found

    def _durations(self, tables: Sequence[pa.Table]) -> list[float | None]:
        """How long the steps of the rows were, ns."""
        lasting: dict[tuple[int, ...], float] = {}
        for place, table in enumerate(tables):
            wall: columns.Floats = table["wall_ns"].to_numpy()
            told = zip(columns.integers(table, "step").tolist(), wall.tolist(), strict=True)
            lasting |= {(place, step): wall_ns for step, wall_ns in told}
        return [lasting.get(key) for key in self._groups.keys]

    def _when_all(self) -> _Divided:
        """What needs all events; worked out once."""
        if self._divided is None:
            self._pieces.finish()
            self._stepless.finish()
            self._divided = self._divide()
        return self._divided

    def _divide(self) -> _Divided:
        tables = [self._marks.table(place) for place in range(len(self._places))]
        shares, busy = Shares(len(self._groups)), np.zeros(len(self._groups), dtype=np.int64)
        idle = waiting = count = 0
        wall_ns = 0.0
        inputs = np.concatenate([np.zeros((3, 0), dtype=np.int64), *self._inputs], axis=1)
        for place, table in enumerate(tables):
            frame = _windows(table)
            reads = inputs[1:, inputs[0] == place]
            start, end = (columns.integers(table, name) for name in ("start_ps", "end_ps"))
            worked = np.zeros(len(start), dtype=np.bool_)
            for found in self._pieces.ranges(place):
                shares.add(found, frame)
                if self.by == "step":
                    worked |= found.covers(start, end)
                elif self.by == "phase":
                    free, read = found.free(frame, reads)
                    idle, waiting = idle + free, waiting + read
                elif self.by in ("device", "stream"):
                    busy += found.busy(len(busy))
            for found in self._stepless.ranges(place):
                worked |= found.covers(start, end)
            count += int(np.count_nonzero(~worked))
            wall_ns += float(table["wall_ns"].to_numpy()[~worked].sum())
        return _Divided(tables, shares, busy, idle, waiting, (count, wall_ns))


def _add_idle(values: dict[str, list[Any]], divided: _Divided) -> None:
    """By phase: the time of the steps in which nothing ran, of which what the input's markers cover is the phase input."""
    extra = {IDLE: divided.idle_ps - divided.input_ps, "input": divided.input_ps}
    for phase, ps in extra.items():
        if ps and phase in values["phase"]:
            values["wall_ns"][values["phase"].index(phase)] += ps / PS_PER_NS
        elif ps:
            for name, value in {**_NOTHING, "phase": phase, "wall_ns": ps / PS_PER_NS}.items():
                values[name].append(value)


def _codes(rows: Rows, mask: Bools, place: Ints, name: str) -> Ints:
    """A key of the rows of the mask, as codes, or numbers of steps."""
    if name == "place":
        return place[mask]
    if name == "step":
        return rows.integers("step")[mask]
    if name == "op":
        return rows.operator(mask).codes
    if name == "kernel":
        return rows.kernel(mask).codes
    return (rows.followed(name) if name in FOLLOWED else rows.text(name).codes)[mask]


def _work(rows: Rows, at: Bools | Ints, group: Ints) -> Work:
    """The rows at these places, whose groups these are."""
    start = rows.integers("start_ps")[at]
    return Work(rows.integers("track")[at], start, start + rows.integers("duration_ps")[at], group)


def _more(before: tuple[int, int], rows: Rows, mask: Bools) -> tuple[int, int]:
    """Executions and self time, ps, with those of the rows of the mask."""
    count, self_ps = (int(rows.integers(name)[mask].sum()) for name in ("occurrences", "self_ps"))
    return before[0] + count, before[1] + self_ps


def _outside(sums: tuple[int, int]) -> Outside:
    return Outside(sums[0], sums[1] / PS_PER_NS)


def _inputs(rows: Rows, place: Ints) -> Ints:
    """Place, start and end, shape (3, n), of the markers of input."""
    read = np.flatnonzero(rows.text("level").where("marker"))
    read = read[rows.named(_is_input, read)]
    start = rows.integers("start_ps")[read]
    return np.stack([place[read], start, start + rows.integers("duration_ps")[read]])


def _is_input(name: str) -> bool:
    return name.startswith(INPUT)


def _windows(table: pa.Table) -> intervals.Union:
    """The union of steps."""
    return intervals.union(columns.integers(table, "start_ps"), columns.integers(table, "end_ps"))
