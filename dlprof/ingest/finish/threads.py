"""A host thread, span by span: what each event has from those around it, and what stays open at a span's end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from dlprof.ingest.batch import LEVEL, NO_INT, NO_TEXT, Int64
from dlprof.ingest.finish import enclosing, nesting
from dlprof.ingest.finish.groups import times
from dlprof.ingest.finish.launches import NO_EVENT, Gradients
from dlprof.ingest.finish.meaning import Meaning, Meanings
from dlprof.ingest.finish.spill import Columns
from dlprof.native import nesting as native

TIMES: Final = ("start_ps", "duration_ps")

Open = dict[str, npt.NDArray[Any]]
"""Events that reach beyond the span they start in, as columns: start, end (ps), id, is_op, and where operators call operators
what those inside take from them: op, mark, scope, line (codes as in Meanings), level, pair."""


class Nested(msgspec.Struct, frozen=True):
    """What nesting tells of the rows of one span.

    self_ps: duration without the children of this span
    parent: id of the operator around, or NO_EVENT
    root: of an operator the id of the outermost one of the same call; of others their own id
    meanings: with phase, layer, source line and calls as nesting has them; None where that was not asked
    open: what may still enclose later rows
    overlapping: number of events that begin inside an earlier one and end after it
    """

    self_ps: Int64
    parent: Int64
    root: Int64
    meanings: Meanings | None
    open: Open
    overlapping: int


class Around(msgspec.Struct, frozen=True):
    """What rows have from the events around them, of a file whose operators call operators.

    meanings: of the rows by themselves. gradients: layers and source lines by autograd's sequence number
    """

    meanings: Meanings
    meaning: Meaning
    gradients: Gradients


def nest(rows: Columns, level: npt.NDArray[np.int8], ids: Int64, carried: Open, around: Around | None) -> Nested:
    """Nests the rows of a span, sorted by nesting.order, in each other and in what is open.

    around: None for a file in which phases, layers, lines and calls stay as names, paths and the events themselves have them.
    """
    start, duration = times(rows), int64(rows["duration_ps"])
    here: Open = {"start": start, "end": start + duration, "id": ids, "is_op": level == LEVEL["op"]}
    every = joined(carried, here if around is None else here | _taken(rows, around.meanings))
    head = len(every["id"]) - len(ids)
    compiled = native.nest(every["start"], every["end"], every["is_op"], every["id"], head)
    if compiled is not None:
        root, meanings = (ids, None) if around is None else _calls(every, compiled.parent, head, rows, ids, around)
        kept = {name: values[compiled.open] for name, values in every.items()}
        return Nested(compiled.own, compiled.around, root, meanings, kept, compiled.overlapping)
    parent, across = nesting.parents(every["start"], every["end"])
    lengths = np.concatenate([np.zeros(head, dtype=np.int64), duration])
    self_ps = duration - nesting.child_time(parent, lengths)[head:]
    above = enclosing.nearest(parent, every["is_op"])[head:]
    operator = np.where(above >= 0, every["id"][above], NO_EVENT)
    root, meanings = (ids, None) if around is None else _calls(every, parent, head, rows, ids, around)
    overlapping = int(np.count_nonzero(across[head:]))
    return Nested(self_ps, operator, root, meanings, still_open(every, start), overlapping)


def _calls(
    every: Open, parent: Int64, head: int, rows: Columns, ids: Int64, around: Around
) -> tuple[Int64, Meanings | None]:
    """Of each row the outermost operator of its call, and what it means there."""
    root = every["id"][enclosing.outermost(parent, every["is_op"], every["op"])][head:]
    return root, _from_around(every, parent, head, rows, root == ids, around)


def _taken(rows: Columns, meanings: Meanings) -> Open:
    """What those inside take from each row."""
    return {
        "level": meanings.level,
        "op": meanings.op,
        "mark": meanings.mark,
        "scope": meanings.scope,
        "line": meanings.line,
        "pair": rows["pair"],
    }


def _from_around(
    every: Open,
    parent: Int64,
    head: int,
    rows: Columns,
    outermost: npt.NDArray[np.bool_],
    around: Around,
) -> Meanings:
    """Phase, layer, source line and calls of the rows from what is around them."""
    meanings, meaning, gradients = around.meanings, around.meaning, around.gradients
    own = np.concatenate([np.full(head, NO_TEXT, dtype=np.int32), meanings.phase])
    phase = enclosing.phases(parent, every["level"], own, every["mark"])[head:]
    told = enclosing.layers(parent, every["scope"], meaning.scopes, meaning.layers)[head:]
    layer = np.where(meanings.layer == NO_TEXT, told, meanings.layer).astype(np.int32)
    line = enclosing.inherited(parent, every["line"])[head:]
    pair, work = int64(rows["pair"]), meanings.level == LEVEL["op"]
    # A row that autograd numbers as a gradient, and all inside it, is of the layer whose operator has that number.
    numbered = (every["pair"] < 0) & (every["pair"] != NO_INT)
    asked = None
    if numbered.any():
        at = np.where(numbered, np.arange(len(numbered)), enclosing.nearest(parent, numbered))[head:]
        asked = np.where(at >= 0, -every["pair"][at], NO_INT)
    layer = gradients.layers.through(layer, pair, asked, rows.get("position"))
    line = gradients.lines.through(line, pair, asked, rows.get("position"))
    # Operators that autograd numbered ran with gradients on: where nothing tells otherwise, in the forward pass, and all they
    # call with them.
    ahead = every["is_op"] & (every["mark"] == NO_TEXT) & (every["pair"] > 0)
    inside = (ahead | (enclosing.nearest(parent, ahead) >= 0))[head:]
    phase = np.where((phase == NO_TEXT) & inside, enclosing.FORWARD, phase).astype(np.int32)
    quiet = ~work & (meanings.level != LEVEL["copy"]) & (meanings.level != LEVEL["sync"])
    return meanings.replaced(
        phase=np.where(quiet, meanings.phase, phase).astype(np.int32),
        around=phase,
        layer=layer,
        line=line,
        calls=np.where(work, outermost, meanings.calls).astype(np.int64),
    )


def late_children(spans: Sequence[Any], read: Callable[[Any], Columns]) -> tuple[Int64, Int64]:
    """Events, by their place in the sorted track, that have children in later spans, and the time of those."""
    parents, times = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    carried: Open = {}
    done = 0
    for span in spans:
        rows = read(span)
        start, duration = (int64(rows[name]) for name in TIMES)
        order = nesting.order(start, start + duration)
        if order is not None:
            start, duration = start[order], duration[order]
        ids = np.arange(done, done + len(start), dtype=np.int64)
        every = joined(carried, {"start": start, "end": start + duration, "id": ids})
        if head := len(every["id"]) - len(ids):
            # No row that begins after all of these have ended lies in one of them.
            behind = head + int(start.searchsorted(carried["end"].max(), side="right"))
            inner = nesting.parents(every["start"][:behind], every["end"][:behind])[0][head:]
            from_before = np.flatnonzero((inner >= 0) & (inner < head))
            found, time = _summed(every["id"][inner[from_before]], duration[from_before])
            parents.append(found)
            times.append(time)
        done += len(start)
        carried = still_open(every, start)
    return _summed(np.concatenate(parents), np.concatenate(times))


def joined(carried: Open, here: Open) -> Open:
    """What is open, and the rows of a span behind it. Nothing is where all has ended before the first of these begins."""
    if not carried or not len(carried["id"]) or (len(here["id"]) and carried["end"].max() < here["start"][0]):
        return here
    return {name: np.concatenate((carried[name], values)) for name, values in here.items()}


def still_open(every: Open, start: Int64) -> Open:
    """Events that may enclose something after the last start of this span."""
    if not len(start):
        return every
    rows = np.flatnonzero(every["end"] >= start[-1])
    return {name: values[rows] for name, values in every.items()}


def int64(values: npt.NDArray[Any]) -> Int64:
    return values.astype(np.int64, copy=False)


def _summed(ids: Int64, times: Int64) -> tuple[Int64, Int64]:
    """Distinct ids in order, and the sum of the times of each."""
    distinct, inverse = np.unique(ids, return_inverse=True)
    total = np.zeros(len(distinct), dtype=np.int64)
    np.add.at(total, inverse, times)
    return distinct, total
