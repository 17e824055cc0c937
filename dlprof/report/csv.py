"""Findings and event tables as CSV: a header line of column names, empty fields for nulls, units in the names.

A text that a spreadsheet would run (it starts with `=`, `+`, `-`, `@`, a tab or a line end, and is no number) gets an
apostrophe in front, as the field does: names come from others.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from dlprof.analysis.model import Comparison, ItemResult, Ratio, Row, View
from dlprof.analysis.ranks.model import Collective, Parts, Place, Ranks, Step
from dlprof.analysis.ranks.two_jobs import TwoJobs
from dlprof.analysis.timing.ranking import Ranking
from dlprof.analysis.timing.recorded import RecordedRun, RecordedRuns
from dlprof.names import SIDES

if TYPE_CHECKING:
    from dlprof.analysis.history import History

ITEM_COLUMNS: Final = (
    "item",
    "verdict",
    "ratio",
    "low",
    "high",
    "confidence",
    "trials",
    "method",
    "a_median_ns",
    "b_median_ns",
    "a_events",
    "b_events",
    "sentence",
    "warnings",
)


_FORMULA: Final = r"^[=+\-@\t\r\n]"
_NUMBER: Final = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"


def comparison(found: Comparison) -> str:
    """The rows of the breakdown (model.Row), one line each; sums over the traced steps, in ns.

    Of an op workload the verdicts instead, a line an item (ITEM_COLUMNS): its traces say little, its sizes all.
    """
    if found.facts.kind == "op":
        return _lines(list(ITEM_COLUMNS), (_item(found, item) for item in found.items))
    names = [field.name for field in dataclasses.fields(Row)]
    return _lines(names, ([getattr(row, name) for name in names] for row in found.rows))


def ranking(found: Ranking) -> str:
    """A line a pair of sides; ratios are time of b ÷ time of a."""
    labels = found.labels
    names = [
        "a",
        "b",
        "a_label",
        "b_label",
        "verdict",
        "ratio",
        "low",
        "high",
        "confidence",
        "trials",
        "p",
        "q",
        "sentence",
    ]
    rows = (
        [
            pair.a,
            pair.b,
            labels[pair.a],
            labels[pair.b],
            pair.verdict,
            *([None] * 5 if (r := pair.ratio) is None else [r.estimate, r.low, r.high, r.confidence, r.trials]),
            pair.p,
            pair.q,
            pair.sentence,
        ]
        for pair in found.pairs
    )
    return _lines(names, rows)


def _item(found: Comparison, item: ItemResult) -> list[object]:
    ratio = item.ratio or Ratio(math.nan, None, None, math.nan, 0, "")
    events = found.facts.events_of_items or {}
    counts = [events.get(side, {}).get(item.item) for side in SIDES]
    return [
        item.item,
        item.verdict,
        ratio.estimate,
        ratio.low,
        ratio.high,
        ratio.confidence,
        ratio.trials,
        ratio.method,
        item.a_median_ns,
        item.b_median_ns,
        *counts,
        item.sentence,
        "; ".join(item.warnings),
    ]


def history(found: History) -> str:
    """A line a revision, oldest first; change: 1 for the first after a change of level."""
    from dlprof.analysis.history import Point  # late: with it comes SciPy, which no other table takes

    first = {step.at for step in found.steps}
    names = [field.name for field in dataclasses.fields(Point)]
    rows = ([*(getattr(point, name) for name in names), int(at in first)] for at, point in enumerate(found.points))
    return _lines([*names, "change"], rows)


def ranks(found: Ranks, by: str) -> str:
    """A line a rank, host, collective or step; times in ns, those of ranks and hosts a step."""
    rows = {"rank": found.by_rank, "host": found.by_host, "collective": found.by_collective, "step": found.by_step}[by]
    kinds = {"rank": Place, "host": Place, "collective": Collective, "step": Step}
    names = [name for field in dataclasses.fields(kinds[by]) for name in _FLAT.get(field.name, (field.name,))]
    return _lines(names, ([_value(row, name) for name in names] for row in rows))


def two_jobs(found: TwoJobs) -> str:
    """A line a part of the step, and one of the whole; times in ns."""
    names = ["part", "a_ns", "b_ns", "delta_ns", "low_ns", "high_ns", "ranks_delta_ns", "ranks_low_ns", "ranks_high_ns"]
    rows = []
    for line in (*found.lines, found.whole):
        over = [line.over_steps, line.over_ranks]
        ends = [getattr(one, name) if one is not None else None for one in over for name in ("value", "low", "high")]
        rows.append([line.part, line.a_ns, line.b_ns, *ends])
    return _lines(names, rows)


def recorded_runs(found: RecordedRuns) -> str:
    """A line a run."""
    names = [field.name for field in dataclasses.fields(RecordedRun)]
    rows = [
        [side, *(getattr(run, name) for name in names)]
        for side, runs in (("a", found.a), ("b", found.b))
        for run in runs
    ]
    return _lines(["side", *names], rows)


_FLAT: Final = {
    "parts": tuple(f"{field.name}_ns" for field in dataclasses.fields(Parts)),
    "excess": ("excess_ns", "excess_low_ns", "excess_high_ns", "confidence", "steps"),
}
"""Fields of a row that are several columns."""


def _value(row: object, name: str) -> object:
    """A column of a row of ranks, hosts, collectives or steps."""
    if name in _FLAT["parts"]:
        return getattr(row.parts, name.removesuffix("_ns"))  # type: ignore[attr-defined]
    if name in _FLAT["excess"]:
        within = name.removesuffix("_ns").removeprefix("excess_")
        return getattr(row.excess, "mean" if within == "excess" else within)  # type: ignore[attr-defined]
    return getattr(row, name)


def view(found: View) -> str:
    """One `show` table, all its columns."""
    return table(found.table)


def table(rows: pa.Table) -> str:
    """Any table, all its columns."""
    return _lines(rows.column_names, (list(row.values()) for row in rows.to_pylist()))


def events(table: pa.Table) -> Iterator[bytes]:
    """An event table (schema.EVENTS), streamed batch by batch."""
    decoded = pa.schema(
        [(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type) for f in table.schema]
    )
    header = True
    for batch in table.to_batches(max_chunksize=50_000) or [pa.RecordBatch.from_pylist([], schema=table.schema)]:
        sink = io.BytesIO()
        options = pyarrow.csv.WriteOptions(include_header=header)
        pyarrow.csv.write_csv(_inert(pa.Table.from_batches([batch]).cast(decoded)), sink, options)
        header = False
        yield sink.getvalue()


def _lines(names: list[str], rows: Iterable[list[object]]) -> str:
    return _line(names) + "".join(_line([_cell(value) for value in row]) for row in rows)


def _line(row: Sequence[object]) -> str:
    """One line. Python's writer quotes the line ends of its own line terminator alone, and a bare CR would end a row too."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(row)
    return out.getvalue().removesuffix("\r\n") + "\n"


def _cell(value: object) -> object:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, str) and re.search(_FORMULA, value) and not re.search(_NUMBER, value):
        return f"'{value}"
    return value


def _inert(table: pa.Table) -> pa.Table:
    """The table with the texts that a spreadsheet would run made texts (`_cell`, column by column)."""
    for at, field in enumerate(table.schema):
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            texts = table.column(at)
            runs = pc.and_not(pc.match_substring_regex(texts, _FORMULA), pc.match_substring_regex(texts, _NUMBER))
            quoted = pc.replace_substring_regex(texts, "^", "'", max_replacements=1)
            table = table.set_column(at, field, pc.if_else(runs, quoted, texts))
    return table
