"""Walks one chrome trace file of any dialect: metadata, spans, instants and counters in, one batch per chunk out.

What a row means (level, device, columns) is the dialect's business; times, pairing and what is counted are the same for all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any, ClassVar, Final

import msgspec
import numpy as np
import numpy.typing as npt

from dlprof.ingest.batch import TARGET_ROWS, Int64, RawBatch
from dlprof.ingest.json.blocks import Block, Scanner
from dlprof.ingest.json.decimals import MISSING, PS_PER_US, picoseconds
from dlprof.ingest.json.elements import Event, metadata_name
from dlprof.ingest.json.pairing import ENDS, Pairer, neighbours
from dlprof.ingest.json.stream import JsonStream
from dlprof.ingest.reader import Context
from dlprof.ingest.source import Source
from dlprof.native import library
from dlprof.schema import FURTHEST_PS

EPOCH_US: Final = 10**14
"""A time above this (1973) is counted from the Unix epoch."""
FAR_US: Final = 10**12
"""A first time above this (12 days) becomes the origin, so that int64 picoseconds suffice."""

SANE_US: Final = 2**56
"""A time above this (the year 4253) is garbage and no origin."""
NANOSECONDS: Final = range(10**18, 4 * 10**18)
"""Times of 2001 to 2096 in ns, which as µs would lie beyond the year 33000: the file was written in the wrong unit."""
_DAY_US: Final = 86_400 * 10**6
_SAMPLE: Final = 256
"""Events whose median time decides on origin and unit."""
_LIMIT_US: Final = FURTHEST_PS // 2 // PS_PER_US
"""26 days: what lies so far before and behind a median is in a table, whose times count from the first."""

_TEXTS_OF: Final = {"dims": "shape", "types": "dtype", "stack": "source_line"}
"""Texts of blocks (blocks.TEXTS) that one column alone is made of."""

_X, _M, _NONE = ord("X"), ord("M"), 0
INSTANT: Final = np.isin(np.arange(256), np.frombuffer(b"iInR", dtype=np.uint8))
_SINGLE: Final = np.isin(np.arange(256), np.frombuffer(b"iInRC", dtype=np.uint8))
_METADATA: Final = np.arange(256) == _M

Mask = npt.NDArray[np.bool_]
Phases = npt.NDArray[np.uint8]


class Names(msgspec.Struct):
    """Names that metadata events gave: processes and their labels by pid, threads by (pid, tid)."""

    processes: dict[Any, str] = msgspec.field(default_factory=dict)
    labels: dict[Any, str] = msgspec.field(default_factory=dict)
    threads: dict[tuple[Any, Any], str] = msgspec.field(default_factory=dict)


@dataclass(slots=True)
class Dialect:
    """What a producer's file means.

    header: top-level values of the file, whole when `finish` is called
    """

    ctx: Context
    names: Names = field(default_factory=Names)
    header: dict[str, Any] = field(default_factory=dict)
    mxnet: ClassVar[bool] = False
    reach_us: ClassVar[int] = _LIMIT_US
    """An event further than this from the median of the file is an outlier."""
    block_arguments: ClassVar[bool | None] = None
    """Of a dialect that takes blocks of columns (`block_batch`): whether Kineto's arguments are read; None: it takes none."""
    block_spans: ClassVar[bool] = False
    """Whether spans, of which each end is an event, are rows of its blocks."""

    def dropped(self, events: Sequence[Event], ph: npt.NDArray[np.uint8]) -> Mask | None:
        """Events to leave out (counting them is the dialect's duty); None for none."""

    def batch(self, rows: list[Event], ph: Phases, start: Int64, duration: Int64) -> RawBatch:
        """The columns of rows whose phases (`phases`) and times (ps) are known."""
        raise NotImplementedError

    def takes_blocks(self) -> bool:
        """Whether what the file was found to be so far can be read from columns."""
        return self.block_arguments is not None

    def block_dropped(self, block: Block) -> Mask | None:
        """Rows of a block to leave out, as `dropped`, but nothing is counted; None for none."""

    def leave_out(self, ph: Phases) -> None:
        """Counts what `block_dropped` found, by its phases."""

    def block_batch(self, block: Block, start: Int64, duration: Int64) -> RawBatch:
        """The columns of a block's rows, as `batch` gives them for the same events."""
        raise NotImplementedError

    def finish(self) -> None:
        """Called once after the last batch."""


class ChromeFile(msgspec.Struct):
    """One file being read."""

    source: Source
    dialect: Dialect
    origin_us: int | None = None
    median_us: int = 0
    furthest: float = 0.0
    per_us: int = 1
    """Units of the file's times in a µs: 1000 in one that was written in ns."""

    def batches(self) -> Iterator[RawBatch]:
        """RawBatches in file order."""
        stream = JsonStream(self.source, self.dialect.ctx, mxnet=self.dialect.mxnet, header=self.dialect.header)
        pairer = Pairer(self.dialect.ctx)
        for events in stream.chunks():
            if isinstance(events, Block):
                yield from _some(self._of_block(events, pairer))
            else:
                for start in range(0, len(events), TARGET_ROWS):
                    yield from _some(self._batch(events[start : start + TARGET_ROWS], pairer))
            if stream.scanner is None:
                stream.scanner = self._scanner()
        pairer.finish()
        self._set_base()
        self.dialect.finish()

    def _scanner(self) -> Scanner | None:
        """What reads blocks of columns from here on, as soon as the first events have told the origin; None without it."""
        arguments = self.dialect.block_arguments
        if arguments is None or self.origin_us is None or self.per_us != 1 or not self.dialect.takes_blocks():
            return None
        functions = library.functions()
        if functions is None:
            return None
        unasked = {text for text, column in _TEXTS_OF.items() if not self.dialect.ctx.wants(column)}
        spans = self.dialect.block_spans
        if not spans:
            unasked.add("id")
        return Scanner(functions, self.origin_us, arguments=arguments, spans=spans, unasked=unasked)

    def _batch(self, events: list[Event], pairer: Pairer) -> RawBatch:
        ph = phases(events)
        self._learn(events, ph)
        self._count_unread(events, ph)
        dropped = self.dialect.dropped(events, ph)
        if dropped is not None:
            events, ph = list(compress(events, ~dropped)), ph[~dropped]
        paired = ENDS[ph]
        opened, closed = pairer.pair(list(compress(events, paired)), ph[paired]) if paired.any() else ([], [])
        whole = ph == _X
        instant = _SINGLE[ph]
        complete = int(whole.sum())
        if complete == len(events):
            rows = events
        else:
            rows = [*compress(events, whole), *opened, *compress(events, instant)]
            ph = np.concatenate([ph[whole], phases(opened), ph[instant]])
        if self.origin_us is None and rows:
            self._set_origin(rows)
        return self._timed(rows, ph, complete, closed)

    def _of_block(self, block: Block, pairer: Pairer) -> RawBatch:
        """The same of a block of columns. One with spans whose ends have to be looked for, or a time that is left out, goes the
        other way."""
        dropped = self.dialect.block_dropped(block)
        rows = _spans_as_rows(block, dropped)
        if rows is None or not self._known(rows.numbers["start"], rows.numbers["duration"]).all():
            return self._batch(block.events(), pairer)
        start, duration = rows.numbers["start"], rows.numbers["duration"]
        counts = self.dialect.ctx.anomalies.counts
        before = dict(counts)
        others, ph = block.others(_METADATA)
        self._learn(others, ph)
        if not self.dialect.takes_blocks():
            # Its names have just told that it is something else: read anew, and what was counted is forgotten.
            counts.clear()
            counts.update(before)
            return self._batch(block.events(), pairer)
        self._count_unread(others, block.phases)
        self.dialect.ctx.anomalies.count("negative_duration", int((duration < 0).sum()))
        if dropped is not None:
            self.dialect.leave_out(block.ph[dropped])
        return self.dialect.block_batch(rows, start, np.maximum(duration, 0))

    def _known(self, start: Int64, duration: Int64) -> Mask:
        """Rows whose time is there and near the others; an end beyond int64 has wrapped round."""
        known = (start != MISSING) & (duration != MISSING) & ((duration <= 0) | (start + duration > start))
        found: Mask = known & self._near(start) & self._near(start + duration)
        return found

    def _timed(self, rows: list[Event], ph: Phases, complete: int, closed: list[Event]) -> RawBatch:
        """rows: `complete` events with a duration, then spans (closed by `closed`), then instants."""
        origin = self.origin_us or 0
        start = picoseconds([event.ts for event in rows], origin, self.per_us)
        duration = np.zeros(len(rows), dtype=np.int64)
        duration[:complete] = picoseconds([event.dur for event in rows[:complete]], 0, self.per_us)
        end = picoseconds([event.ts for event in closed], origin, self.per_us)
        spans = slice(complete, complete + len(closed))
        duration[spans] = np.where(end == MISSING, MISSING, end - start[spans])
        known = self._known(start, duration)
        if not known.all():
            until = [event.dur for event in rows[:complete]]
            until += [event.ts for event in (*closed, *rows[complete + len(closed) :])]
            self._leave_out([(rows[at], at < complete, until[at]) for at in np.flatnonzero(~known).tolist()])
        self.dialect.ctx.anomalies.count("negative_duration", int((duration[known] < 0).sum()))
        if not known.all():
            rows, ph, start, duration = list(compress(rows, known)), ph[known], start[known], duration[known]
        return self.dialect.batch(rows, ph, start, np.maximum(duration, 0))

    def _learn(self, events: Sequence[Event], ph: npt.NDArray[np.uint8]) -> None:
        names = self.dialect.names
        for event in compress(events, ph == _M):
            if event.name not in ("process_name", "process_labels", "thread_name"):
                continue
            name = metadata_name(event)
            if name is None:
                self.dialect.ctx.anomalies.count("json_bad_metadata")
            elif event.name == "process_name":
                names.processes[event.pid] = name
            elif event.name == "process_labels":
                names.labels[event.pid] = name
            else:
                names.threads[event.pid, event.tid] = name

    def _count_unread(self, events: Sequence[Event], ph: npt.NDArray[np.uint8]) -> None:
        unread = ~(ENDS[ph] | _SINGLE[ph] | (ph == _X) | (ph == _M))
        count = int(unread.sum())
        if count:
            without = sum(not event.ph for event in compress(events, ph == _NONE))
            self.dialect.ctx.anomalies.count("no_phase", without)
            self.dialect.ctx.anomalies.count("unread_phase", count - without)

    def _near(self, start: Int64) -> Mask:
        """Times within the dialect's reach of the file's median."""
        middle = (self.median_us - (self.origin_us or 0)) * PS_PER_US
        reach = self.dialect.reach_us * PS_PER_US
        low, high = max(middle - reach, MISSING + 1), min(middle + reach, -(MISSING + 1))
        return (start >= low) & (start <= high)

    def _leave_out(self, rows: Sequence[tuple[Event, bool, Any]]) -> None:
        """Counts events without a time, and those whose clock is far from that of all others; says which was furthest.

        rows: event, whether it was written with its duration, and that, else its end
        """
        ctx = self.dialect.ctx
        starts, ends = (_whole_us([one[0].ts for one in rows]), _whole_us([one[2] for one in rows]))
        for (event, lasts, _), start, end in zip(rows, starts, ends, strict=True):
            if start is None or end is None:
                ctx.anomalies.count("no_time")
                continue
            ctx.anomalies.count("time_out_of_range")
            days, written = self._days(start), "is written"
            if abs(days) * _DAY_US <= self.dialect.reach_us:
                days, written = self._days(start + end if lasts else end), "is said to end"
            if abs(days) > abs(self.furthest):
                self.furthest = days
                ctx.completeness["outlier"] = (
                    f"left out for times far from those of the other events; the furthest, {event.name!r}, {written} "
                    f"{abs(days):.0f} days {'after' if days > 0 else 'before'} them"
                )

    def _days(self, us: int) -> float:
        """From the median of the file to a time as written."""
        return (us // self.per_us - self.median_us) / _DAY_US

    def _set_origin(self, rows: Sequence[Event]) -> None:
        """The median time of the first events decides, so that no single clock does, wherever its event stands; far from
        zero it becomes the origin."""
        times = _whole_us([event.ts for event in rows[:: max(len(rows) // _SAMPLE, 1)]])
        known = sorted(us for us in times if us is not None)
        if not known:
            return
        median = known[(len(known) - 1) // 2]
        if median in NANOSECONDS:
            self.per_us = 1000
            median //= self.per_us
            self.dialect.ctx.anomalies.count("nanosecond_times")
            self.dialect.ctx.completeness["time unit"] = (
                "the file's times are nanoseconds where the format has microseconds; they were read as nanoseconds"
            )
        self.median_us = median if abs(median) < SANE_US else 0
        self.origin_us = self.median_us if abs(self.median_us) > FAR_US else 0
        self.dialect.ctx.origin_ns = self.origin_us * 1000 if self.origin_us > EPOCH_US else None
        self._set_base()

    def _set_base(self) -> None:
        """Kineto ≥ 2024 counts from baseTimeNanoseconds, which mostly stands behind the events."""
        base = self.dialect.header.get("baseTimeNanoseconds")
        if isinstance(base, int) and base > 0 and self.origin_us is not None and self.origin_us <= EPOCH_US:
            self.dialect.ctx.origin_ns = base + self.origin_us * 1000


def _spans_as_rows(block: Block, dropped: Mask | None) -> Block | None:
    """The rows as `_batch` has them: complete events, spans, then instants and counters. None where ends of spans have to be
    looked for, or there is no row."""
    if not ENDS[block.phases].any():
        return block if len(block) else None
    if not ENDS[block.ph].any():  # they are no rows of this block
        return None
    pairs = neighbours(block, dropped)
    if pairs is None:
        return None
    opened, closed = pairs
    complete, single = np.flatnonzero(block.ph == _X), np.flatnonzero(_SINGLE[block.ph])
    found = block.of_rows(np.concatenate([complete, opened, single]))
    spans = slice(len(complete), len(complete) + len(opened))
    found.numbers["duration"][spans] = block.numbers["start"][closed] - found.numbers["start"][spans]
    return found


def _some(batch: RawBatch) -> Iterator[RawBatch]:
    """A batch, unless it is empty."""
    if len(batch):
        yield batch


def phases(events: Sequence[Event]) -> npt.NDArray[np.uint8]:
    """The `ph` letter of each event as its ASCII code; 0 where it is not one letter."""
    letters = [event.ph for event in events]
    joined = "".join(letters)
    if len(joined) == len(events) and joined.isascii() and "" not in letters:
        return np.frombuffer(joined.encode(), dtype=np.uint8)
    return np.array([ord(ph) if len(ph) == 1 and ph.isascii() else _NONE for ph in letters], dtype=np.uint8)


def _whole_us(values: Sequence[Any]) -> list[int | None]:
    """Times as written, cut to whole units; None for what is no time. All at once: one call for each costs 50 µs."""
    return [
        ps // PS_PER_US if ps != MISSING else _beyond(value)
        for ps, value in zip(picoseconds(values, 0).tolist(), values, strict=True)
    ]


def _beyond(value: Any) -> int | None:
    """A time that int64 picoseconds do not hold."""
    try:
        return int(float(bytes(value).strip(b'"')) if not isinstance(value, (int, float, str)) else float(value))
    except (ValueError, TypeError, OverflowError):
        return None
