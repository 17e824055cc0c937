"""Rows of the side-by-side breakdown: both sides' work by (op, phase, layer), joined, with replicates' intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from dlprof import stats
from dlprof.analysis import columns
from dlprof.analysis.explain import bridge
from dlprof.analysis.model import Row
from dlprof.analysis.trace import row_keys, steps
from dlprof.stats.sample import location
from dlprof.units import PS_PER_NS

Key = tuple[str, str | None, str | None]


@dataclass(frozen=True, slots=True)
class Cell:
    """Work of one operator, phase and layer: self time, calls, recorded events."""

    ns: float
    calls: int
    events: int


Cells = Mapping[Key, Cell]
"""The work of one traced window."""


def side_cells(events: pa.Table) -> Cells:
    """One side's work by (op, phase, layer): self time (ns), calls and recorded events.

    Over the synchronised steps where the trace has any (so validation or warm-up in the window is left out), else
    over the whole trace.
    """
    mask = steps.work(events)
    mask &= ~steps.outside(events)
    op, phase, layer = (row_keys.key(events, mask, name) for name in ("op", "phase", "layer"))
    groups = columns.group([op.codes, phase.codes, layer.codes])
    work = events.filter(pa.array(mask))
    own = groups.sum(columns.integers(work, "self_ps")) / PS_PER_NS
    calls, count = (groups.sum(columns.integers(work, name)) for name in ("calls", "occurrences"))
    keys = zip(*(text.decode(text.codes[groups.first]) for text in (op, phase, layer)), strict=True)
    cells = zip(own.tolist(), calls.tolist(), count.tolist(), strict=True)
    return {(key[0] or "unknown", key[1], key[2]): Cell(*cell) for key, cell in zip(keys, cells, strict=True)}


def build(cells_a: Sequence[Cells], cells_b: Sequence[Cells], units: tuple[int, int] = (1, 1)) -> tuple[Row, ...]:
    """Rows of A's and B's traced windows (replicates of the same work; `side_cells` of each), largest absolute difference of a
    unit first.

    units: what the sums of each side are divided by, its steps or 1 for the whole trace.

    Times are means over a side's windows; counts are those of its first window (`differing_counts` names windows that
    disagree). Differences are B − A, a missing side counting as 0. With at least 3 windows on each side, of as many
    steps, low_ns and high_ns are the 95 % interval of delta_ns over pairs of windows, and q its Benjamini-Hochberg p over all
    rows.
    """
    keys = list(dict.fromkeys(key for cells in (*cells_a, *cells_b) for key in cells))
    rows = [_row(key, cells_a, cells_b, units) for key in keys]
    pairs = min(len(cells_a), len(cells_b))
    if pairs >= bridge.FEWEST and units[0] == units[1]:
        rows = _with_intervals(rows, keys, cells_a[:pairs], cells_b[:pairs])
    # Of as many units on both sides the sums order the rows: a division would part ties by its rounding.
    by = "delta_ns" if units[0] == units[1] else "delta_unit_ns"
    return tuple(sorted(rows, key=lambda row: -abs(getattr(row, by) or 0.0)))


def _row(key: Key, a: Sequence[Cells], b: Sequence[Cells], units: tuple[int, int]) -> Row:
    a_ns, b_ns = _mean(key, a), _mean(key, b)
    alike = units[0] == units[1] or a_ns is None or b_ns is None
    first = [cells[0].get(key, Cell(0.0, 0, 0)) if cells else Cell(0.0, 0, 0) for cells in (a, b)]
    op, phase, layer = key
    return Row(
        op=op,
        phase=phase,
        layer=layer,
        a_ns=a_ns,
        b_ns=b_ns,
        delta_ns=(b_ns or 0.0) - (a_ns or 0.0) if alike else None,
        delta_unit_ns=(b_ns or 0.0) / units[1] - (a_ns or 0.0) / units[0],
        a_count=first[0].calls,
        b_count=first[1].calls,
        a_events=first[0].events,
        b_events=first[1].events,
    )


def _mean(key: Key, windows: Sequence[Cells]) -> float | None:
    if not any(key in cells for cells in windows):
        return None
    return math.fsum(cells[key].ns for cells in windows if key in cells) / len(windows)


def _with_intervals(rows: Sequence[Row], keys: Sequence[Key], a: Sequence[Cells], b: Sequence[Cells]) -> list[Row]:
    none = Cell(0.0, 0, 0)
    p, finished = [], []
    for key, row in zip(keys, rows, strict=True):
        deltas = np.array([y.get(key, none).ns - x.get(key, none).ns for x, y in zip(a, b, strict=True)])
        low, high = location.t_bounds(deltas, stats.FIXED_ALPHA)
        value = location.t_pvalue(deltas)
        p.append(math.nan if value is None else value)
        finished.append(replace(row, low_ns=low, high_ns=high))
    q = stats.benjamini_hochberg(p).q.tolist()
    return [replace(row, q=None if math.isnan(value) else value) for row, value in zip(finished, q, strict=True)]


def differing_counts(cells: Sequence[Cells]) -> list[str]:
    """Operators whose calls differ between windows of one side, in words; exact traces of the same work must agree. What a
    framework does for its own bookkeeping (waits of the engine, reads of variables) comes as it comes."""
    found = []
    for key in dict.fromkeys(key for one in cells for key in one if key[1] != "bookkeeping"):
        counts = [one[key].calls if key in one else 0 for one in cells]
        if len(set(counts)) > 1:
            found.append(f"{' '.join(part for part in key if part)}: {', '.join(map(str, counts))}")
    return found
