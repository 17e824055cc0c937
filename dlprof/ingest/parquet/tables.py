"""A report that is a folder of Parquet files: its tables as columns of int64, read by Arrow a batch of rows at a time.

A file is read as a stream, not a row group at a time, since a writer may put a whole table into one. Texts stay the numbers of a
dictionary until they are asked for, so that one long text in many rows is one in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dlprof.ingest import other_files
from dlprof.ingest.batch import NO_INT, TARGET_ROWS, Arrow, Int64
from dlprof.ingest.parquet.folder import table_files
from dlprof.ingest.reader import Context
from dlprof.ingest.tables.report import Tables
from dlprof.names import as_text

_BUFFER: Final = 1 << 20
_DENSEST: Final = 64
"""Rows that a byte of a file may hold at most: of an event the start alone takes more."""
_LARGEST: Final = 1000
"""Bytes that a byte of a file may be unpacked, beyond which it is not read."""
_LAST: Final = 2**63 - 1
_NUMBERS: Final = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)


class ParquetTables(Tables):
    """The tables of one folder. A file that cannot be read is damage: an error, or with --repair a table that ends there."""

    def __init__(self, folder: Path, ctx: Context) -> None:
        self._ctx, self._files = ctx, table_files(folder)
        self._counts: dict[str, int] = {}
        self.tables: Mapping[str, Sequence[str]] = {name: self._columns(name) for name in self._files}
        others = {as_text(one.name): other_files.by_name(one.name) or "no table" for one in sorted(folder.iterdir())}
        others = {name: what for name, what in others.items() if folder / name not in self._files.values()}
        ctx.anomalies.count("other_file", len(others))
        if others:
            ctx.completeness["files that are no tables"] = other_files.words(others)

    def numbers(self, table: str, columns: Sequence[str]) -> Iterator[dict[str, Int64]]:
        """See `Tables`."""
        for batch in self._batches(table, columns):
            yield {name: _numbers(_column(batch, name)) for name in columns}

    def rows(self, table: str, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """See `Tables`."""
        for batch in self._batches(table, columns, texts=True):
            yield from zip(*(self._values(_column(batch, name)) for name in columns), strict=True)

    def count(self, table: str) -> int:
        """See `Tables`."""
        return self._counts[table]

    def _columns(self, table: str) -> list[str]:
        names: list[str] = []
        self._counts[table] = 0
        with self._told(table), self._open(table) as file:
            names = file.schema_arrow.names
            self._counts[table] = file.metadata.num_rows
        return [name for name in names if names.count(name) == 1]

    def _batches(self, table: str, columns: Sequence[str], *, texts: bool = False) -> Iterator[pa.RecordBatch]:
        """Those of the columns that the table has; where it has none of them any one, for they tell how many rows there are."""
        there = self.tables.get(table, ())
        asked = [name for name in columns if name in there] or list(there[:1])
        if not asked:
            return
        with self._told(table), self._open(table, asked if texts else ()) as file:
            size, read = self._files[table].stat().st_size, 0
            if _unpacked(file.metadata) > size * _LARGEST:
                raise pa.ArrowInvalid("it is said to take more than a thousand times its size, unpacked")
            for batch in file.iter_batches(batch_size=TARGET_ROWS, columns=asked, use_threads=False):
                read += batch.num_rows
                if read > size * _DENSEST:
                    raise pa.ArrowInvalid("it has more rows than the file has room for")
                yield batch

    @contextmanager
    def _told(self, table: str) -> Iterator[None]:
        """What Arrow cannot read of a table's file is damage."""
        path = self._files[table]
        try:
            yield
        except (pa.ArrowException, OSError, ValueError, OverflowError, LookupError) as error:
            first = (str(error).splitlines() or [type(error).__name__])[0]
            self._ctx.skip(
                0, f"a table {as_text(path.name)} that Arrow can read, but: {first}", lost=path.stat().st_size
            )

    def _open(self, table: str, texts: Sequence[str] = ()) -> pq.ParquetFile:
        return pq.ParquetFile(self._files[table], read_dictionary=list(texts), buffer_size=_BUFFER, pre_buffer=False)

    def _values(self, column: Arrow) -> Sequence[Any]:
        """A column as Python's values, texts with U+FFFD for what is no UTF-8; None for what is neither text nor number."""
        if pa.types.is_dictionary(column.type):
            texts = self._values(column.dictionary)
            return [None if at is None else texts[at] for at in column.indices.to_pylist()]
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            return [None if raw is None else self._text(raw) for raw in column.cast(pa.large_binary()).to_pylist()]
        if not any(told(column.type) for told in _NUMBERS):
            return [None] * len(column)  # as dates, of which Python does not have all
        values: list[Any] = column.to_pylist()
        return values

    def _text(self, raw: bytes) -> str:
        try:
            return raw.decode()
        except UnicodeDecodeError:
            self._ctx.anomalies.count("text_not_utf8")
            return raw.decode(errors="replace")


def _unpacked(metadata: Any) -> int:
    """Bytes that a file's tables take unpacked, as it says. Not asked of each column: Arrow ends the whole process where what the
    file says of one contradicts itself."""
    return sum(int(metadata.row_group(group).total_byte_size) for group in range(metadata.num_row_groups))


def _column(batch: pa.RecordBatch, name: str) -> Arrow:
    return batch.column(name) if name in batch.schema.names else pa.nulls(batch.num_rows)


def _numbers(column: Arrow) -> Int64:
    """Integers, NO_INT for what is none or does not fit."""
    if not pa.types.is_integer(column.type):
        return np.full(len(column), NO_INT)
    if pa.types.is_uint64(column.type):
        column = pc.if_else(pc.less_equal(column, pa.scalar(_LAST, pa.uint64())), column, pa.scalar(None, pa.uint64()))
    numbers: Int64 = column.cast(pa.int64()).fill_null(NO_INT).to_numpy(zero_copy_only=False).copy()
    return numbers
