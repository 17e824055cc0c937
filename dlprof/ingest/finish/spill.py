"""Raw batches on their way to the finishing pass: columns in a temporary file, found again by track and time range.

Each batch is split by track and sorted by start; a slice remembers where it lies and a sample of its starts. A range of time is
then a run of rows of each slice, so that a track can be read back in ranges of bounded size, each byte once, even if it is
larger than memory.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Iterable, Sequence
from functools import cache
from itertools import accumulate, pairwise
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from dlprof.ingest.batch import NO_INT, NO_TEXT, POOLED, Arrow, Int64, RawBatch
from dlprof.ingest.texts import NULL, Lengths, Packed, gathered, one_behind_other
from dlprof.native import nesting as native

RANGE_ROWS: Final = 131_072
"""Rows of one track that are finished at a time."""
RANGE_BYTES: Final = 8 << 20
"""Bytes of arguments that are finished at a time."""
_SAMPLE: Final = 512
_NEAR: Final = 0.25
"""How much of a further range may be behind a full one, where a place to cut is looked for at which no row is open."""
_VIEWS: Final = 1024
"""Buffers that one system call takes (IOV_MAX on Linux)."""

Columns = dict[str, npt.NDArray[Any]]

DEFAULTS: Final[dict[str, tuple[str, object]]] = {
    # What the finishing pass reads by itself comes first.
    "start_ps": ("i8", 0),
    "duration_ps": ("i8", 0),
    "name": ("i4", NO_TEXT),
    "level": ("i1", NO_TEXT),
    **{column: ("i4", NO_TEXT) for column in POOLED if column != "name"},
    "correlation": ("i8", NO_INT),
    "link": ("i8", NO_INT),
    "step": ("i8", NO_INT),
    "pair": ("i8", NO_INT),
    "run": ("i8", NO_INT),
    "bytes": ("i8", NO_INT),
    "flops": ("i8", NO_INT),
    "value": ("f8", np.nan),
    "occurrences": ("i8", 1),
}
"""Column → (dtype, value of a column that a reader left out)."""
_ONLY_WRITTEN: Final = frozenset({"category", "kernel", "shape", "dtype", "flops", "value"})
"""Columns that go through the finishing pass as they came, as the arguments do: where nobody asks for them they are not kept."""


_NARROWED: Final = 4096
"""Rows from which on columns are written in as few bytes as their values need: fewer are not worth looking at."""
_CONSTANT: Final = "V0"
"""Type of a column whose rows all hold one value: nothing of it is written."""

_Layout = tuple[tuple[str, str], ...]


class _Slice(msgspec.Struct, frozen=True):
    """Rows of one track, sorted by start.

    sample: every _SAMPLE-th start
    reach: the latest end of the rows up to the next of these
    at: first byte of the columns, which lie one behind the other; behind them, unless `text` is NULL, an int32 length
        a row and `text` bytes
    columns: name of each and type as it lies there
    lows: what is to be added to each, and all there is to a column of no width
    """

    rows: int
    last: int
    sample: Int64
    reach: Int64
    at: int
    columns: _Layout
    lows: tuple[int, ...]
    text: int


class Span(msgspec.Struct, frozen=True):
    """Starts in [low, high) of one track."""

    low: int
    high: int


WHOLE: Final = Span(-(2**63), 2**63 - 1)
"""All of a track."""

_Piece = tuple[_Slice, int, int]
"""Rows [first, behind) of a slice."""


class Spill:
    """Keeps the rows of each track until they are finished.

    columns: those of schema.EVENTS that will be written; None: all
    """

    def __init__(self, columns: Collection[str] | None = None) -> None:
        unasked = frozenset() if columns is None else _ONLY_WRITTEN.difference(columns)
        self._kept = tuple(name for name in DEFAULTS if name not in unasked)
        self._args = columns is None or "args" in columns
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  closed by close()
        self._end = 0
        self._slices: dict[int, list[_Slice]] = {}

    def add(self, batch: RawBatch) -> None:
        """Takes a batch; its rows may belong to any number of tracks."""
        if not len(batch):
            return
        columns = {
            name: np.ascontiguousarray(getattr(batch, name), dtype=DEFAULTS[name][0])
            for name in self._kept
            if getattr(batch, name) is not None
        }
        track = batch.track
        order = _order(track, columns["start_ps"])
        if order is not None:
            track = track[order]
            columns = {name: values[order] for name, values in columns.items()}
        lengths, text = gathered(batch.args if self._args else None, order)
        ends = None if lengths is None else np.cumsum(np.maximum(lengths, 0))
        edges = [0, *(np.flatnonzero(np.diff(track)) + 1).tolist(), len(track)]
        for first, behind in pairwise(edges):
            part = {name: values[first:behind] for name, values in columns.items()}
            if lengths is None or ends is None or (lengths[first:behind] == NULL).all():
                self._put(int(track[first]), part, None, memoryview(b""))
            else:
                low = int(ends[first - 1]) if first else 0
                self._put(int(track[first]), part, lengths[first:behind], text[low : int(ends[behind - 1])])

    def tracks(self) -> list[int]:
        """Codes of the tracks that have rows."""
        return list(self._slices)

    def begun(self, track: int) -> int:
        """The earliest start on a track."""
        return min(int(part.sample[0]) for part in self._slices[track])

    def length(self, track: int) -> int:
        """ps from the earliest start on a track to the latest end."""
        return max(int(part.reach[-1]) for part in self._slices[track]) - self.begun(track)

    def cost(self, track: int) -> float:
        """How much of a range (RANGE_ROWS, RANGE_BYTES) a track takes up."""
        return sum(part.rows * _row_cost(part) for part in self._slices[track])

    def spans(self, track: int) -> list[Span]:
        """Time ranges that cover the track in order, each small enough to be held in memory.

        About RANGE_ROWS rows or RANGE_BYTES of arguments, whichever is less, unless many rows share one start. Cut where no
        row is open, if there is such a place near.
        """
        slices = self._slices[track]
        starts = np.concatenate([part.sample for part in slices])
        cost = np.concatenate([_costs(part) for part in slices])
        if cost.sum() <= 2:
            return [WHOLE]
        order = np.argsort(starts, kind="stable")
        filled, starts = np.cumsum(cost[order]), starts[order]
        full = np.flatnonzero(np.diff(np.floor(filled))) + 1
        clear = np.append(np.flatnonzero(_reached(slices, starts) <= starts), len(starts))
        near = clear[np.searchsorted(clear, full)]
        more = np.append(filled, np.inf)[near] - filled[full]
        cuts = sorted(set(starts[np.where(more < _NEAR, near, full)].tolist()))
        return [Span(low, high) for low, high in pairwise([-(2**63), *cuts, 2**63 - 1])]

    def crossed(self, track: int, spans: Sequence[Span]) -> bool:
        """Whether a row may reach over the end of its span."""
        cuts = np.array([span.low for span in spans[1:]], dtype=np.int64)
        return bool((_reached(self._slices[track], cuts) > cuts).any())

    def pick(self, track: int, span: Span) -> list[_Piece]:
        """The rows of a span, in the order they came, for `read` and `read_args`."""
        pieces = []
        for part in self._slices[track]:
            first = int(part.sample[0])
            if part.last < span.low or first >= span.high:
                continue
            if first >= span.low and part.last < span.high:
                pieces.append((part, 0, part.rows))
                continue
            low, high = np.searchsorted(self._starts(part), [span.low, span.high]).tolist()
            pieces.append((part, low, high))
        return pieces

    def read(self, pieces: Sequence[_Piece], columns: Sequence[str]) -> Columns:
        """The columns of picked rows, one piece behind the other."""
        total = sum(behind - first for _, first, behind in pieces)
        result: Columns = {}
        for name in columns:
            alike = {_same(part, name) for part, _, _ in pieces}
            value = alike.pop() if len(alike) == 1 else None
            result[name] = (
                np.empty(total, DEFAULTS[name][0]) if value is None else _all(value, DEFAULTS[name][0], total)
            )
        columns = [name for name in columns if the_same(result[name]) is None]
        wanted: list[tuple[int, npt.NDArray[Any]]] = []
        narrow: list[tuple[npt.NDArray[Any], npt.NDArray[Any], int]] = []
        at = 0
        for part, first, behind in pieces:
            there = _offsets(part.columns)
            for name in columns:
                target = result[name][at : at + behind - first]
                if name not in there:
                    target[:] = DEFAULTS[name][1]
                    continue
                place, kind, offset = there[name]
                if kind == _CONSTANT:
                    target[:] = part.lows[place]
                    continue
                stored = target
                if kind != DEFAULTS[name][0]:
                    stored = np.empty(len(target), dtype=kind)
                    narrow.append((target, stored, part.lows[place]))
                wanted.append((part.at + part.rows * offset + first * stored.itemsize, stored))
            at += behind - first
        self._load(wanted)
        for target, stored, low in narrow:
            np.add(stored, low, out=target, dtype=target.dtype, casting="unsafe")
        return result

    def read_args(self, pieces: Sequence[_Piece], order: Int64 | None = None) -> Arrow | None:
        """The arguments of picked rows, in the given order, as an Arrow string array, or None where no row has any."""
        if all(part.text == NULL for part, _, _ in pieces):
            return None
        lengths = np.full(sum(behind - first for _, first, behind in pieces), NULL, dtype=np.int32)
        places = []
        at = 0
        for part, first, behind in pieces:
            if part.text != NULL:
                every = self._lengths(part)
                ends = np.cumsum(np.maximum(every, 0), dtype=np.int64)
                low, high = (int(ends[row - 1]) if row else 0 for row in (first, behind))
                lengths[at : at + behind - first] = every[first:behind]
                places.append((part.at + part.rows * (_width(part.columns) + every.itemsize) + low, high - low))
            at += behind - first
        data = np.empty(sum(size for _, size in places), dtype=np.uint8)
        ends_in_data = [0, *accumulate(size for _, size in places)]
        self._load((at, data[low:high]) for (at, _), (low, high) in zip(places, pairwise(ends_in_data), strict=True))
        return (Packed(lengths, data.data) if order is None else one_behind_other(lengths, data).packed(order)).array()

    def close(self) -> None:
        self._file.close()

    def _put(self, track: int, columns: Columns, lengths: Lengths | None, text: memoryview) -> None:
        starts = columns["start_ps"]
        written = {name: _written_as(name, values) for name, values in columns.items()}
        views = [values.data.cast("B") for values, _ in written.values() if values is not None]
        size = NULL
        if lengths is not None:
            views += [lengths.data.cast("B"), text]
            size = len(text)
        ends = np.maximum.reduceat(starts + columns["duration_ps"], np.arange(0, len(starts), _SAMPLE))
        layout = tuple((name, _CONSTANT if kept is None else kept.dtype.str[1:]) for name, (kept, _) in written.items())
        lows = tuple(low for _, low in written.values())
        part = _Slice(
            len(starts),
            int(starts[-1]),
            starts[::_SAMPLE].copy(),
            np.maximum.accumulate(ends),
            self._end,
            layout,
            lows,
            size,
        )
        self._slices.setdefault(track, []).append(part)
        for view in _written(self._file.fileno(), views, self._end):
            self._end += view

    def _starts(self, part: _Slice) -> Int64:
        starts = np.empty(part.rows, dtype=np.int64)
        self._load([(part.at + part.rows * _offsets(part.columns)["start_ps"][2], starts)])
        return starts

    def _lengths(self, part: _Slice) -> Lengths:
        lengths = np.empty(part.rows, dtype=np.int32)
        self._load([(part.at + part.rows * _width(part.columns), lengths)])
        return lengths

    def _load(self, wanted: Iterable[tuple[int, npt.NDArray[Any]]]) -> None:
        """Fills arrays from their places in the file; what lies side by side is read at once."""
        run: list[memoryview] = []
        begin = end = 0
        for at, target in wanted:
            if run and (at != end or len(run) == _VIEWS):
                _filled(self._file.fileno(), run, begin)
                run = []
            if not run:
                begin = end = at
            if target.nbytes:
                run.append(target.data.cast("B"))
                end += target.nbytes
        _filled(self._file.fileno(), run, begin)


def the_same(values: npt.NDArray[Any]) -> Any:
    """What a column holds in every row where that is seen at once, else None. Such a column is no longer than one value."""
    return values[0].item() if len(values) and values.strides == (0,) else None


def taken(rows: Columns, at: npt.NDArray[Any], count: int) -> Columns:
    """The rows at these places, or of this mask, which are `count`; but for arguments."""
    found: Columns = {}
    for name, values in rows.items():
        if name != "args":
            found[name] = values[at] if values.strides != (0,) else values[:count]
    return found


def _all(value: object, kind: npt.DTypeLike, count: int) -> npt.NDArray[Any]:
    """A column that holds one value in every row: it is as large as that."""
    return np.broadcast_to(np.array(value, dtype=kind), count)


def _same(part: _Slice, name: str) -> object:
    """What a column of a slice holds in every row; None where it may differ."""
    there = _offsets(part.columns)
    if name not in there:
        return DEFAULTS[name][1]
    place, kind, _ = there[name]
    return part.lows[place] if kind == _CONSTANT else None


def _order(track: npt.NDArray[np.int32], start: Int64) -> Int64 | None:
    """Sorts rows by track and start, ties in the order given; None where they are so already."""
    if native.rows_in_order(track, start):
        return None
    step = np.diff(track)
    if not step.any():
        return None if (np.diff(start) >= 0).all() else np.argsort(start, kind="stable")
    # A radix sort for 16 bits; few runs have as many tracks as would take more.
    order = np.argsort(track.astype(np.uint16) if track.max() < 2**16 else track, kind="stable")
    grouped, starts = track[order], start[order]
    if ((np.diff(starts) < 0) & (np.diff(grouped) == 0)).any():
        return np.lexsort((start, track))
    return order


def _reached(slices: Sequence[_Slice], at: Int64) -> Int64:
    """How far rows that begin before each of these times reach, or further: of the samples around it all rows are asked."""
    found = np.full(len(at), -(2**63), dtype=np.int64)
    for part in slices:
        before = np.searchsorted(part.sample, at)
        np.maximum(found, np.append(part.reach, -(2**63))[before - 1], out=found)
    return found


def _costs(part: _Slice) -> npt.NDArray[np.float64]:
    """How much of a range the rows of each sampled start take up."""
    rows = np.full(len(part.sample), float(_SAMPLE))
    rows[-1] = part.rows - _SAMPLE * (len(rows) - 1)
    return rows * _row_cost(part)


def _row_cost(part: _Slice) -> float:
    return max(1 / RANGE_ROWS, max(part.text, 0) / part.rows / RANGE_BYTES)


@cache
def _offsets(columns: _Layout) -> dict[str, tuple[int, str, int]]:
    """Of each column of a slice its place, its type, and where it begins, in bytes per row."""
    widths = accumulate((np.dtype(kind).itemsize for _, kind in columns), initial=0)
    return {name: (place, kind, at) for place, ((name, kind), at) in enumerate(zip(columns, widths, strict=False))}


@cache
def _width(columns: _Layout) -> int:
    return sum(np.dtype(kind).itemsize for _, kind in columns)


def _written_as(name: str, values: npt.NDArray[Any]) -> tuple[npt.NDArray[Any] | None, int]:
    """A column in as few bytes as its values need, less than its lowest value; None where all are that. Starts stay as they are:
    they are looked up by themselves."""
    if len(values) < _NARROWED or name == "start_ps" or values.dtype.kind == "f":
        return values, 0
    low, high = int(values.min()), int(values.max())
    if low == high:
        return None, low
    for kind in _NARROW:
        if high - low <= np.iinfo(kind).max and kind.itemsize < values.itemsize:
            return np.subtract(values, low, dtype=values.dtype).astype(kind), low
    return values, 0


_NARROW: Final = tuple(np.dtype(kind) for kind in ("u1", "u2", "u4"))


def _written(file: int, views: list[memoryview], at: int) -> Iterable[int]:
    """Writes all views one behind the other from `at` on; yields the bytes of each call."""
    while views:
        done = os.pwritev(file, views[:_VIEWS], at)
        at += done
        yield done
        views = _behind(views, done)


def _filled(file: int, views: list[memoryview], at: int) -> None:
    """Fills all views from the bytes at `at` on."""
    while views:
        done = os.preadv(file, views, at)
        if not done:
            raise OSError(f"temporary file ends at byte {at}")
        at += done
        views = _behind(views, done)


def _behind(views: list[memoryview], count: int) -> list[memoryview]:
    """What of the views lies behind their first `count` bytes; a system call may stop anywhere."""
    for index, view in enumerate(views):
        if count < len(view):
            return [view[count:], *views[index + 1 :]]
        count -= len(view)
    return []
