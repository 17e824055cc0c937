"""Cells: the executed work of one trace gathered under (canonical op, phase, layer), the unit that alignment matches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from dlprof.analysis import columns
from dlprof.analysis.columns import NULL, Bools, Floats, Ints
from dlprof.analysis.trace import row_keys, steps
from dlprof.analysis.trace.layers import family
from dlprof.units import PS_PER_NS

_WITHOUT_LAYER: Final = ("input", "loss", "optimizer", "transfer", "bookkeeping", "communication")
"""Phases that are aligned as wholes: a layer found in a path (optimizer/conv1/w/…) only names the parameter there."""

OPAQUE: Final = frozenset({"Bulk"})
"""Canonical names that say nothing of the work inside: never matched by that name alone."""


@dataclass(frozen=True, slots=True)
class Cell:
    """The work of one side under one (op, phase, layer).

    fuses: canonical operators that it fuses
    ops: families of the op and of all that it fuses
    """

    op: str
    phase: str | None
    layer: str | None
    fuses: frozenset[str]
    known: bool
    copy: bool
    calls: float
    ns: float

    @property
    def ops(self) -> frozenset[str]:
        opaque = () if self.op in OPAQUE else (family(self.op) or self.op,)
        return frozenset((*opaque, *(family(op) or op for op in self.fuses)))

    @property
    def label(self) -> str:
        return label(self.op, self.phase, self.layer)


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of one side, and what each event row has to do with them; times in ps.

    row: the cell of every event row; NULL for what is no executed work in the frame
    own_ps: time of every row, instants shared among concurrent work
    thread_ps: time of every row on its thread or stream alone (steps.divided_ps)
    """

    cells: tuple[Cell, ...]
    row: Ints
    own_ps: Floats
    thread_ps: Floats

    def times(self) -> Floats:
        """Time of each cell, ps, instants shared among concurrent work."""
        return self._sums(self.own_ps)

    def thread_times(self) -> Floats:
        """Time of each cell on its threads and streams, ps: what it would take if nothing ran beside it."""
        return self._sums(self.thread_ps)

    def _sums(self, of_rows: Floats) -> Floats:
        inside = self.row != NULL
        return np.bincount(self.row[inside], weights=of_rows[inside], minlength=len(self.cells)).astype(np.float64)


def label(op: str, phase: str | None, layer: str | None) -> str:
    """The name of the cell that work belongs to; a layer counts only in phases that are not aligned as wholes."""
    return " ".join(part for part in (op, phase, None if phase in _WITHOUT_LAYER else layer) if part)


def gather(events: pa.Table) -> Cells:
    """The cells of a trace's work inside its frame (steps.span): the steps, or the whole trace where it has none.

    Times are exclusive: each instant goes to the innermost work of a thread or stream, shared among concurrent ones.
    """
    divided = steps.divided_ps(events, steps.work(events), steps.span(events))
    mask = _in_frame(events)
    op, phase, layer = (row_keys.key(events, mask, name) for name in ("op", "phase", "layer"))
    whole = phase.where(*_WITHOUT_LAYER)
    layer_codes = np.where(whole, NULL, layer.codes)
    groups = columns.group([op.codes, phase.codes, layer_codes])
    work = events.filter(pa.array(mask))
    calls = groups.sum(columns.integers(work, "calls"))
    times = groups.sum_float(divided.share[mask])
    copies = groups.sum(columns.text(work, "level").where("copy").astype(np.int64)) > 0
    known = groups.sum(row_keys.known(events)[mask].astype(np.int64)) > 0
    fuses = _fuses(work, groups)
    found = []
    for index in range(groups.size):  # one cell per distinct (op, phase, layer), not per event
        at = groups.first[index]
        labels = [
            text.values[code] if code != NULL else None
            for text, code in ((op, op.codes[at]), (phase, phase.codes[at]), (layer, layer_codes[at]))
        ]
        found.append(
            Cell(
                labels[0] or "unknown",
                labels[1],
                labels[2],
                fuses[index],
                bool(known[index]),
                bool(copies[index]),
                int(calls[index]),
                float(times[index]) / PS_PER_NS,
            )
        )
    row = np.full(events.num_rows, NULL, dtype=np.int64)
    row[mask] = groups.inverse
    return Cells(tuple(found), row, divided.share, divided.own)


def _in_frame(events: pa.Table) -> Bools:
    mask = steps.work(events)
    frame, times = steps.span(events), steps.Times.of(events)
    if not frame.length:
        return mask
    # An instant (duration 0) belongs to the frame that holds its start.
    held = (frame.covered(times.end) > frame.covered(times.start)) | (
        (times.end == times.start) & (frame.covered(times.start + 1) > frame.covered(times.start))
    )
    kept: Bools = mask & held
    return kept


def _fuses(work: pa.Table, groups: columns.Groups) -> list[frozenset[str]]:
    text = columns.text(work, "fuses")
    found: list[set[str]] = [set() for _ in range(groups.size)]
    fusing = np.flatnonzero(text.codes != NULL)
    if len(fusing):
        pairs = columns.group([groups.inverse[fusing], text.codes[fusing]])
        for row in fusing[pairs.first].tolist():  # one row per distinct pair
            found[int(groups.inverse[row])].update(
                part for part in text.values[int(text.codes[row])].split(",") if part
            )
    return [frozenset(ops) for ops in found]
