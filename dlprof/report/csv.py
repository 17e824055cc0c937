"""Findings and event tables as CSV: a header line of column names, empty fields for nulls, units in the names."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.csv

from dlprof.analysis.model import Comparison, Row, View


def comparison(found: Comparison) -> str:
    """The rows of the breakdown (model.Row), one line each; sums over the traced steps, in ns."""
    names = [field.name for field in dataclasses.fields(Row)]
    return _lines(names, ([getattr(row, name) for name in names] for row in found.rows))


def view(found: View) -> str:
    """One `show` table, all its columns."""
    names = found.table.column_names
    return _lines(names, (list(row.values()) for row in found.table.to_pylist()))


def events(table: pa.Table) -> Iterator[bytes]:
    """An event table (schema.EVENTS), streamed batch by batch."""
    decoded = pa.schema(
        [(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type) for f in table.schema]
    )
    header = True
    for batch in table.to_batches(max_chunksize=50_000) or [pa.RecordBatch.from_pylist([], schema=table.schema)]:
        sink = io.BytesIO()
        options = pyarrow.csv.WriteOptions(include_header=header)
        pyarrow.csv.write_csv(pa.Table.from_batches([batch]).cast(decoded), sink, options)
        header = False
        yield sink.getvalue()


def _lines(names: list[str], rows: Iterable[list[object]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def _cell(value: object) -> object:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return value
