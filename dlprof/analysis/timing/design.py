"""Design: what a timing table itself shows of a faulty measurement: order, clock, overlap, replication.

Findings are mappings as in same_work.traced_work; each names a defect that turns a comparison upside down on real machines.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from dlprof.analysis import columns
from dlprof.analysis.columns import Bools, Ints
from dlprof.analysis.same_work.traced_work import Finding
from dlprof.units import format_share

_ALL: Final = 0.99
_FEW: Final = 0.05


def check(timings: pa.Table) -> tuple[Finding, ...]:
    """Defects of a timing table (schema.TIMINGS), from its timed rows; none for a table without them.

    cpu_clock: wall and CPU time are the same number (CPU seconds were taken for elapsed time). fixed_order: one
    side always ran first. separate: one side ran wholly before the other. overlap: one side's work ran during the
    other's burst. one_trial: nothing was repeated in fresh processes. Columns are compared, nothing is modelled.
    """
    stage = columns.text(timings, "stage").where("timed")
    rows = timings.filter(pa.array(stage))
    if not rows.num_rows:
        return ()
    side = columns.text(rows, "side").where("b")
    found = [*_clock(rows, side), *_order(rows, side), *_overlap(rows, side)]
    trials = len(np.unique(columns.integers(rows, "trial")))
    if trials == 1:
        text = "one trial: the same configuration differs between processes by 20–30 %, so one pair decides nothing"
        found.append(_finding("one_trial", "trials", "1", "1", text, blocks=False))
    return tuple(found)


def _finding(what: str, where: str, a: str, b: str, sentence: str, *, blocks: bool = True) -> Finding:
    return {"what": what, "where": where, "a": a, "b": b, "blocks": "yes" if blocks else "no", "sentence": sentence}


def _clock(rows: pa.Table, is_b: Bools) -> list[Finding]:
    wall, cpu = columns.integers(rows, "wall_ns"), columns.integers(rows, "cpu_ns")
    same = (wall == cpu) & (wall > 0)
    shares = [float(same[mask].mean()) if mask.any() else 0.0 for mask in (~is_b, is_b)]
    if max(shares) < _ALL:
        return []
    text = "elapsed and CPU time are the same number in every row: CPU seconds were taken for elapsed time"
    return [
        _finding("cpu_clock", "wall_ns", f"{format_share(shares[0])} equal", f"{format_share(shares[1])} equal", text)
    ]


def _order(rows: pa.Table, is_b: Bools) -> list[Finding]:
    start = columns.integers(rows, "start_ns")
    if not is_b.any() or is_b.all() or not start.any():
        return []
    for early, late, places in ((~is_b, is_b, ("first", "second")), (is_b, ~is_b, ("second", "first"))):
        if int(start[early].max()) < int(start[late].min()) and len(rows) > 2:
            one, other = ("A", "B") if places[0] == "first" else ("B", "A")
            text = f"{one} ran wholly before {other}: the machine's drift between them counts as their difference"
            return [_finding("separate", "order", *places, text)]
    position = columns.integers(rows, "position")
    always = [float((position[mask] == 0).mean()) for mask in (~is_b, is_b)]
    if max(always) < _ALL:
        return []
    first_side = "A" if always[0] > always[1] else "B"
    text = f"{first_side} ran first in every round: what going first costs counts as a difference"
    shares = [f"first in {format_share(share)}" for share in always]
    return [_finding("fixed_order", "order", shares[0], shares[1], text, blocks=False)]


def _overlap(rows: pa.Table, is_b: Bools) -> list[Finding]:
    """Bursts of one side that begin before the other side's last one has ended."""
    start = columns.integers(rows, "start_ns")
    if not start.any():
        return []
    end = start + columns.integers(rows, "wall_ns")
    order = np.argsort(start, kind="stable")
    other_end = _latest_other_end(end[order], is_b[order])
    during = start[order] < other_end
    share = float(during.mean())
    if share <= _FEW:
        return []
    text = f"{format_share(share)} of the timed iterations began while the other side was still at work"
    return [_finding("overlap", "time", format_share(share), format_share(share), text)]


def _latest_other_end(end: Ints, is_b: Bools) -> Ints:
    """For each row in order of start, the latest end so far of the other side's rows."""
    lowest = np.iinfo(np.int64).min
    of_a = np.maximum.accumulate(np.where(~is_b, end, lowest))
    of_b = np.maximum.accumulate(np.where(is_b, end, lowest))
    return np.where(is_b, of_a, of_b)
