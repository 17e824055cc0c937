"""Raw batches on their way to the finishing pass: columns in a temporary file, found again by track and time range.

Small inputs never leave memory. Each batch is split by track; a slice remembers where its columns lie and the span of its
starts, so that a track can be read back in ranges of bounded size even if it is larger than memory.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dlprof.ingest.batch import NO_INT, NO_TEXT, POOLED, Arrow, Int64, RawBatch, arrow

MEMORY_BYTES: Final = 32 << 20
"""Spilled bytes that are kept in memory before they go to a file."""
RANGE_ROWS: Final = 262_144
"""Rows of one track that are finished at a time."""
_SAMPLE: Final = 512

Columns = dict[str, npt.NDArray[Any]]

DEFAULTS: Final[dict[str, tuple[str, object]]] = {
    "name": ("i4", NO_TEXT),
    "start_ps": ("i8", 0),
    "duration_ps": ("i8", 0),
    "level": ("i1", NO_TEXT),
    **{column: ("i4", NO_TEXT) for column in POOLED if column != "name"},
    "correlation": ("i8", NO_INT),
    "link": ("i8", NO_INT),
    "bytes": ("i8", NO_INT),
    "flops": ("i8", NO_INT),
    "value": ("f8", np.nan),
    "occurrences": ("i8", 1),
}
"""Column → (dtype, value of a column that a reader left out)."""


@dataclass(frozen=True, slots=True)
class _Slice:
    rows: int
    first: int
    last: int
    offsets: dict[str, int]
    text: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Span:
    """Starts in [low, high) of one track."""

    low: int
    high: int
    rows: int


class Spill:
    """Keeps the rows of each track until they are finished."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=MEMORY_BYTES)  # noqa: SIM115  closed by close()
        self._end = 0
        self._slices: dict[int, list[_Slice]] = {}

    def add(self, batch: RawBatch) -> None:
        """Takes a batch; its rows may belong to any number of tracks."""
        if not len(batch):
            return
        columns = {name: np.ascontiguousarray(getattr(batch, name), dtype=DEFAULTS[name][0])
                   for name in DEFAULTS if getattr(batch, name) is not None}  # fmt: skip
        args = None if batch.args is None else _strings(batch.args)
        track = batch.track
        if track[0] == track[-1] and (track == track[0]).all():
            self._put(int(track[0]), columns, args)
            return
        order = np.argsort(track, kind="stable")
        grouped = track[order]
        edges = np.flatnonzero(np.diff(grouped)) + 1
        for rows in np.split(order, edges):
            part = {name: values[rows] for name, values in columns.items()}
            self._put(int(track[rows[0]]), part, None if args is None else args.take(arrow(rows)))

    def tracks(self) -> list[int]:
        """Codes of the tracks that have rows."""
        return list(self._slices)

    def rows(self, track: int) -> int:
        return sum(part.rows for part in self._slices[track])

    def spans(self, track: int) -> list[Span]:
        """Time ranges that cover the track in order, of about RANGE_ROWS rows unless many rows share one start."""
        total = self.rows(track)
        if total <= RANGE_ROWS * 2:
            return [Span(-(2**63), 2**63 - 1, total)]
        step = max(1, RANGE_ROWS // _SAMPLE)
        sample = np.sort(np.concatenate([self._starts(part)[::step] for part in self._slices[track]]))
        cuts = np.unique(sample[_SAMPLE::_SAMPLE]).tolist()
        edges = [-(2**63), *cuts, 2**63 - 1]
        return [Span(low, high, 0) for low, high in pairwise(edges)]

    def read(self, track: int, span: Span, columns: Sequence[str]) -> Columns:
        """The rows of a span, concatenated in the order they came; `args` gives an object under the key `args`."""
        picked = list(self._pick(track, span))
        return {name: np.concatenate([self._column(part, name, rows) for part, rows in picked]) if picked
                else np.empty(0, DEFAULTS[name][0]) for name in columns}  # fmt: skip

    def read_args(self, track: int, span: Span) -> Arrow | None:
        """The args of a span as an Arrow large_string array, or None where no row has any."""
        parts: list[Arrow] = []
        found = False
        for part, rows in self._pick(track, span):
            if part.text is None:
                parts.append(pa.nulls(part.rows if rows is None else len(rows), pa.large_string()))
                continue
            found = True
            strings = self._text(part)
            parts.append(strings if rows is None else strings.take(arrow(rows)))
        return pa.concat_arrays(parts) if found else None

    def close(self) -> None:
        self._file.close()

    def _put(self, track: int, columns: Columns, args: Arrow | None) -> None:
        starts = columns["start_ps"]
        offsets = {name: self._write(values.tobytes()) for name, values in columns.items()}
        text = None
        if args is not None and args.null_count < len(args):
            text = self._write_text(args)
        first, last = int(starts.min()), int(starts.max())
        self._slices.setdefault(track, []).append(_Slice(len(starts), first, last, offsets, text))

    def _write(self, data: bytes | memoryview) -> int:
        offset = self._end
        self._file.seek(offset)
        self._file.write(data)
        self._end += len(data)
        return offset

    def _write_text(self, args: Arrow) -> tuple[int, int]:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, pa.schema([("args", pa.large_string())])) as writer:
            writer.write_batch(pa.record_batch([args], names=["args"]))
        data = sink.getvalue()
        return self._write(memoryview(data)), data.size

    def _text(self, part: _Slice) -> Arrow:
        offset, size = part.text or (0, 0)
        self._file.seek(offset)
        return pa.ipc.open_stream(self._file.read(size)).read_next_batch().column(0)

    def _starts(self, part: _Slice) -> Int64:
        return self._column(part, "start_ps", None).astype(np.int64, copy=False)

    def _column(self, part: _Slice, name: str, rows: Int64 | None) -> npt.NDArray[Any]:
        kind, default = DEFAULTS[name]
        offset = part.offsets.get(name)
        if offset is None:
            return np.full(part.rows if rows is None else len(rows), default, dtype=kind)
        self._file.seek(offset)
        size = np.dtype(kind).itemsize * part.rows
        values: npt.NDArray[Any] = np.frombuffer(self._file.read(size), dtype=kind)
        return values if rows is None else values[rows]

    def _pick(self, track: int, span: Span) -> Iterator[tuple[_Slice, Int64 | None]]:
        for part in self._slices[track]:
            if part.last < span.low or part.first >= span.high:
                continue
            if part.first >= span.low and part.last < span.high:
                yield part, None
                continue
            starts = self._starts(part)
            yield part, np.flatnonzero((starts >= span.low) & (starts < span.high))


def _strings(args: Sequence[str | None] | Arrow) -> Arrow:
    if isinstance(args, pa.ChunkedArray):
        args = args.combine_chunks()
    if isinstance(args, pa.Array):
        return args.cast(pa.large_string())
    return pa.array(args, pa.large_string())
