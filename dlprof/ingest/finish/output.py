"""Finished rows as schema.EVENTS record batches, gathered to a good size for the sink."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dlprof import schema
from dlprof.ingest.batch import NO_INT, NO_TEXT, TARGET_ROWS, Arrow, Int32, Int64, Pool, Pools, Track, arrow
from dlprof.ingest.finish.launches import NO_EVENT
from dlprof.ingest.finish.meaning import Meaning, Meanings
from dlprof.ingest.finish.spill import Columns, the_same

_LARGE_POOL: Final = 16_384
_LARGE_ROWS: Final = 32_768
_LARGE_BYTES: Final = 4 << 20


class Where(msgspec.Struct, frozen=True):
    """A track as it is written: its number in the capture, host and rank (None: not told), what to add to its times."""

    track: Track
    number: int
    host: str | None
    rank: int | None
    shift_ps: int


class _Texts:
    """A pool as an Arrow dictionary, made anew when the pool has grown; a large one is cut down to what a batch uses."""

    def __init__(self, texts: list[str]) -> None:
        self._texts = texts
        self._array: Arrow = pa.array(texts, pa.string())

    def column(self, codes: Int32) -> Arrow:
        if len(self._texts) > len(self._array):
            self._array = pa.array(self._texts, pa.string())
        if len(self._array) > _LARGE_POOL:
            used, places = np.unique(codes, return_inverse=True)
            shift = 1 if len(used) and used[0] == NO_TEXT else 0
            array = self._array.take(arrow(used[shift:]))
            codes = (places - shift).astype(np.int32)
        else:
            array = self._array
        if len(codes) and int(codes.max()) >= len(array):
            raise IndexError(f"code {int(codes.max())} of a pool of {len(array)} texts")
        return _coded(_nullable(codes, NO_TEXT), array)


def _coded(codes: Arrow, texts: Arrow) -> Arrow:
    """A dictionary column. Codes are known to be below the number of texts: Arrow would look at each once more, bit by bit."""
    return pa.DictionaryArray.from_arrays(codes, texts, safe=False)


def _constant(text: str | None, count: int) -> Arrow:
    indices = (
        _nulls(count, pa.int32())
        if text is None
        else pa.Array.from_buffers(pa.int32(), count, [None, _zeros(4 * count)])
    )
    return _coded(indices, pa.array([text or ""], pa.string()))


def _nulls(count: int, kind: pa.DataType) -> Arrow:
    """A column of nulls; all of them share their memory."""
    bits, values = _zeros(count // 8 + 1), _zeros(count * kind.bit_width // 8)
    return pa.Array.from_buffers(kind, count, [bits, values], null_count=count)


def _zeros(size: int) -> pa.Buffer:
    """Zero bytes, this many at the least: one piece for all, of a size that most batches need."""
    return _zeros_of(max(size, 8 * 2 * TARGET_ROWS))


@lru_cache(1)
def _zeros_of(size: int) -> pa.Buffer:
    return pa.py_buffer(bytes(size))


def _nullable(values: npt.NDArray[Any], none: int) -> Arrow:
    """A column whose values up to `none` are nulls. Most columns have no other values, or none such, and need no bit a row."""
    alike = the_same(values)
    if not len(values) or (values.min() if alike is None else alike) > none:
        return arrow(values)
    if (values.max() if alike is None else alike) <= none:
        return _nulls(len(values), arrow(values[:0]).type)
    return arrow(values, mask=values <= none)


def _place(where: Where, count: int) -> dict[str, Arrow]:
    """The columns that say where events ran, the same in every row of a track."""
    return {
        "source": _constant(where.track.source, count),
        "host": _constant(where.host, count),
        "rank": _nulls(count, pa.int64()) if where.rank is None else arrow(np.full(count, where.rank, dtype=np.int64)),
        "device": _constant(where.track.device, count),
        "stream": _constant(where.track.stream, count),
        "track": arrow(np.full(count, where.number, dtype=np.int32)),
    }


def _places(where: Sequence[Where], position: Int64 | None, count: int) -> dict[str, Arrow]:
    """The same of several tracks; position: that of each row among them, None for a single one."""
    if position is None:
        return _place(where[0], count)
    rank = np.array([NO_INT if one.rank is None else one.rank for one in where], dtype=np.int64)
    return {
        "source": _constant(where[0].track.source, count),
        "host": _repeated([one.host for one in where], position),
        "rank": _optional(rank[position]),
        "device": _repeated([one.track.device for one in where], position),
        "stream": _repeated([one.track.stream for one in where], position),
        "track": arrow(np.array([one.number for one in where], dtype=np.int32)[position]),
    }


def _repeated(texts: Sequence[str | None], position: Int64) -> Arrow:
    distinct = Pool()
    codes = distinct.encode(texts)
    return _Texts(distinct.values_list).column(codes[position])


def _codes(rows: Columns, meanings: Meanings) -> dict[str, Int32]:
    """Text columns as codes into their pools, as they were read and as they were understood."""
    read = {name: rows[name] for name in ("name", "category", "kernel", "op_path", "shape", "dtype")}
    understood = {"op": meanings.op, "fuses": meanings.fuses, "source_line": meanings.line}
    return {**read, "level": meanings.level.astype(np.int32), **understood}


def _optional(values: Int64) -> Arrow:
    return _nullable(values, NO_INT)


class Output:
    """Builds batches column by column and hands them to the sink. `events`: rows so far, those that nobody has to see too.

    columns: those of schema.EVENTS that are written, None for all
    """

    def __init__(
        self,
        pools: Pools,
        meaning: Meaning,
        items: list[str],
        sink: Callable[[pa.RecordBatch], None],
        columns: Collection[str] | None = None,
    ) -> None:
        self.events = 0
        self._schema = pa.schema([field for field in schema.EVENTS if columns is None or field.name in columns])
        self._args = self._schema.get_field_index("args")
        self._sink = sink
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = self._waiting_bytes = 0
        self._texts = {name: _Texts(pool.values_list) for name, pool in pools.text.items()}
        self._item_layers = np.array([*(meaning.layers[item] for item in items), NO_TEXT], dtype=np.int32)
        for name, pool in (("op", meaning.ops), ("fuses", meaning.fused), ("layer", meaning.layers)):
            self._texts[name] = _Texts(pool.values_list)
        self._texts["level"] = _Texts(list(schema.LEVELS))
        self._texts["phase"] = _Texts(list(schema.PHASES))

    def write(
        self,
        where: Sequence[Where],
        ids: Int64,
        rows: Columns,
        meanings: Meanings,
        self_ps: Int64,
        step: Int64,
        item: Int64,
        phase: Int32,
        launch: Int64,
        parent: Int64,
    ) -> None:
        """One span of one track, or several tracks (rows["position"]), sorted; shapes (n,).

        An op workload's item is the layer of all rows inside its marker: a scope such as clip_by_value/Minimum is a part of
        the call, no layer.
        """
        count = len(ids)
        if not count:
            return
        layer = meanings.layer
        if len(self._item_layers) > 1:
            layer = np.where(item == NO_TEXT, layer, self._item_layers[item])
        occurrences = rows["occurrences"]
        columns = {
            "id": arrow(ids),
            **_places(where, rows.get("position"), count),
            "start_ps": arrow(rows["start_ps"] + where[0].shift_ps),
            "duration_ps": arrow(rows["duration_ps"]),
            "self_ps": arrow(self_ps),
            "step": _optional(step),
            "launch": _nullable(launch, NO_EVENT),
            "parent": _nullable(parent, NO_EVENT),
            "occurrences": arrow(occurrences),
            "calls": arrow(occurrences * meanings.calls),
        }
        wanted = self._schema.names
        if "value" in wanted:
            columns["value"] = _value(rows["value"])
        if "args" in wanted:
            columns["args"] = _args(rows.get("args"), count)
        for name in ("correlation", "bytes", "flops"):
            if name in wanted:
                columns[name] = _optional(rows[name])
        for name, values in {**_codes(rows, meanings), "layer": layer, "phase": phase}.items():
            if name in wanted:
                columns[name] = self._texts[name].column(values)
        self._push(pa.RecordBatch.from_arrays([columns[name] for name in wanted], schema=self._schema))

    def flush(self) -> None:
        """Hands on what is waiting."""
        if not self._waiting:
            return
        table = pa.Table.from_batches(self._waiting).unify_dictionaries().combine_chunks()
        self._waiting, self._waiting_rows, self._waiting_bytes = [], 0, 0
        for batch in table.to_batches():
            self._sink(batch)

    def _push(self, batch: pa.RecordBatch) -> None:
        """Large batches go on as they are: joining them would copy all their texts."""
        size = batch.column(self._args).nbytes if self._args >= 0 else 0
        if len(batch) >= _LARGE_ROWS or size >= _LARGE_BYTES:
            self.flush()
            self._sink(batch)
            return
        self._waiting.append(batch)
        self._waiting_rows += len(batch)
        self._waiting_bytes += size
        if self._waiting_rows >= TARGET_ROWS or self._waiting_bytes >= 2 * _LARGE_BYTES:
            self.flush()


def _value(values: npt.NDArray[Any]) -> Arrow:
    missing = np.isnan(values)
    if missing.all():
        return _nulls(len(values), pa.float64())
    return arrow(values, mask=missing if missing.any() else None)


def _args(args: Arrow | None, count: int) -> Arrow:
    if args is None:
        return pa.nulls(count, pa.string())
    return args.cast(pa.string())
