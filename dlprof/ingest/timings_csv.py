"""Tables of repeated timings that others published, as schema.TIMINGS: one column a side, or one row a side."""

from __future__ import annotations

import csv
import io
import itertools
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import pyarrow as pa

from dlprof import schema
from dlprof.errors import TraceError, UsageError
from dlprof.files import check_regular
from dlprof.names import SIDES, Item

Unit = Literal["s", "ms", "us", "ns"]
UNITS: Final[Mapping[str, int]] = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}

_NOT_WORD: Final = re.compile(r"\W+")
_NAMED: Final = 40
"""Columns that an error names at most."""
_LONGEST_NS: Final = 2**62
"""With it sums of two times are still numbers of the table."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read the table.

    sides: A and B, names of columns, or with `side_column` values of that column
    value_column: where the times of such a table are
    groups: columns whose values make up an item, such as task and size
    trial_column: names the trial (process, run) of a row; without it all rows are of one
    """

    sides: tuple[str, str]
    unit: Unit
    groups: tuple[str, ...] = ()
    side_column: str | None = None
    value_column: str | None = None
    trial_column: str | None = None


@dataclass(slots=True)
class Read:
    """The timings, the items in the table's order, how many trials each has, and columns that were not used."""

    timings: pa.Table
    items: tuple[str, ...]
    trials: int
    unused: tuple[str, ...]


@dataclass(slots=True)
class _Series:
    """The times of one item and trial, ns, by side, in the table's order."""

    times: dict[str, list[int]] = field(default_factory=lambda: {side: [] for side in SIDES})
    line: int = 0


def read(path: Path, layout: Layout) -> Read:
    """The table at `path`. Raises `TraceError` naming row and column of a bad cell, `UsageError` for a column that it lacks."""
    check_regular(path, TraceError)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise TraceError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise TraceError(f"{path}: byte {error.start}: not UTF-8", hint="save the table as UTF-8") from None
    first = re.split(r"[\r\n]", text, maxsplit=1)[0]
    if not first.strip():
        raise TraceError(f"{path}: the first row must name the columns")
    reader = _cells(path, csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count)))
    header = [name.strip() for name in next(reader)]
    used = _check_columns(path, header, layout)
    found: dict[str, dict[str, _Series]] = {}
    numeric = dict.fromkeys(layout.groups, True)
    rows = list(_rows(path, reader, header))
    for _, row in rows:
        for name in layout.groups:
            numeric[name] = numeric[name] and _number(row[name]) is not None
    for line, row in rows:
        series = found.setdefault(_item(path, row, layout.groups, numeric), {})
        one = series.setdefault(row[layout.trial_column] if layout.trial_column else "", _Series(line=line))
        _add(path, line, row, layout, one)
    _check_series(path, found, layout)
    trials = max((len(series) for series in found.values()), default=0)
    return Read(_table(found), tuple(found), trials, tuple(name for name in header if name not in used))


def _check_columns(path: Path, header: Sequence[str], layout: Layout) -> set[str]:
    twice = [name for name, times in Counter(header).items() if times > 1]
    if twice:
        raise TraceError(f"{path}: row 1: column {min(twice)!r} is there twice")
    values = layout.sides if layout.side_column is None else (layout.side_column, layout.value_column or "")
    wanted = [*values, *layout.groups, *([layout.trial_column] if layout.trial_column else [])]
    for name in wanted:
        if name not in header:
            more = f" and {len(header) - _NAMED} more" if len(header) > _NAMED else ""
            raise UsageError(f"{path}: no column {name!r}", hint=f"its columns are: {', '.join(header[:_NAMED])}{more}")
    return set(wanted)


def _cells(path: Path, rows: Iterator[list[str]]) -> Iterator[list[str]]:
    """The rows of a CSV reader, whose errors name the row."""
    for number in itertools.count(1):
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            raise TraceError(
                f"{path}: row {number}: no CSV: {error}", hint="is a quotation mark missing, or is this no table?"
            ) from None
        yield cells


def _rows(path: Path, reader: Iterator[list[str]], header: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """(line of the file, cells by column); empty lines are skipped."""
    for line, cells in enumerate(reader, start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            raise TraceError(f"{path}: row {line}: {len(cells)} cells, but {len(header)} columns")
        yield line, {name: cell.strip() for name, cell in zip(header, cells, strict=True)}


def _item(path: Path, row: Mapping[str, str], groups: Sequence[str], numeric: Mapping[str, bool]) -> str:
    """An item named as those of op workloads are: the first column of words, then the others, numbers last."""
    words = [name for name in groups if not numeric[name]]
    numbers = [name for name in groups if numeric[name]]
    stem = row[words[0]] if words else path.stem
    keys = [(_word(name), _word(row[name])) for name in words[1:]] + [(_word(name), row[name]) for name in numbers]
    return str(Item(_word(stem), tuple(keys)))


def _word(text: str) -> str:
    return _NOT_WORD.sub("_", text).strip("_") or "_"


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _add(path: Path, line: int, row: Mapping[str, str], layout: Layout, series: _Series) -> None:
    if layout.side_column is None:
        for side, name in zip(SIDES, layout.sides, strict=True):
            series.times[side].append(_ns(path, line, name, row[name], layout.unit))
        return
    named = row[layout.side_column]
    if named in layout.sides:  # other sides of the table are not compared
        value = layout.value_column or ""
        series.times[SIDES[layout.sides.index(named)]].append(_ns(path, line, value, row[value], layout.unit))


def _ns(path: Path, line: int, column: str, cell: str, unit: Unit) -> int:
    value = _number(cell)
    if value is None or value <= 0:
        what = "is empty" if not cell else f"holds {cell!r}"
        hint = "write decimals with a point" if "," in cell else "remove the row, if nothing was measured there"
        raise TraceError(f"{path}: row {line}, column {column}: {what}, not a time in {unit}", hint=hint)
    if value > _LONGEST_NS / UNITS[unit]:
        raise TraceError(f"{path}: row {line}, column {column}: {cell} {unit} is no time", hint="is --unit right?")
    ns = round(value * UNITS[unit])
    if ns < 1:
        raise TraceError(
            f"{path}: row {line}, column {column}: {cell} {unit} is less than a nanosecond", hint="is --unit right?"
        )
    return ns


def _check_series(path: Path, found: Mapping[str, Mapping[str, _Series]], layout: Layout) -> None:
    if not found:
        raise TraceError(f"{path}: no rows below the names of the columns")
    for item, trials in found.items():
        for trial, series in trials.items():
            for side, name in zip(SIDES, layout.sides, strict=True):
                if not series.times[side]:
                    where = f"{item}{f', trial {trial}' if trial else ''}"
                    raise TraceError(
                        f"{path}: row {series.line}: {where} has no time of {name}",
                        hint=f"each item needs rows of both {' and '.join(layout.sides)}",
                    )


def _table(found: Mapping[str, Mapping[str, _Series]]) -> pa.Table:
    """A round for each repetition; the order within a round, CPU time and start are not known (position by side, 0, 0)."""
    names = schema.TIMINGS.names
    records = [
        dict(zip(names, (trial, side, item, "timed", at, place, 0, True, 1, wall_ns, 0, 0), strict=True))
        for item, trials in found.items()
        for trial, series in enumerate(trials.values())
        for place, side in enumerate(SIDES)
        for at, wall_ns in enumerate(series.times[side])
    ]
    return pa.Table.from_pylist(records, schema=schema.TIMINGS)
