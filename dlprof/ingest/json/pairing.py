"""Pairs the events that open a span with those that close it: neighbours at once, the rest by name through a stack."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from dlprof.ingest.batch import NO_TEXT, Int64
from dlprof.ingest.json.elements import Event
from dlprof.ingest.reader import Context

if TYPE_CHECKING:
    from dlprof.ingest.json.blocks import Block

CLOSER_OF: Final = {ord("B"): ord("E"), ord("b"): ord("e"), ord("("): ord(")")}


def _lookup() -> npt.NDArray[np.uint8]:
    table = np.zeros(256, dtype=np.uint8)
    for opener, closer in CLOSER_OF.items():
        table[opener] = closer
    return table


_CLOSER_TABLE: Final = _lookup()
_OPENER: Final = _CLOSER_TABLE != 0
ENDS: Final = _OPENER | np.isin(np.arange(256), _CLOSER_TABLE[_OPENER])
"""Phases of events that open or close a span."""


def neighbours(block: Block, left_out: npt.NDArray[np.bool_] | None) -> tuple[Int64, Int64] | None:
    """Rows of a block that open a span, and those that close them, where each is closed by the next row that opens or closes
    one; None where any is not, and has to be looked for (`Pairer`). left_out: rows that count as not there."""
    ends = ENDS[block.ph] if left_out is None else ENDS[block.ph] & ~left_out
    at = np.flatnonzero(ends)
    if len(at) % 2:
        return None
    first, second = at[::2], at[1::2]
    same = _CLOSER_TABLE[block.ph[first]] == block.ph[second]
    same &= _OPENER[block.ph[first]]
    for column in ("name", "tid", "pid", "id"):
        same &= block.ids[column][first] == block.ids[column][second]
    same &= (block.ids["id"][first] == NO_TEXT) | (block.ids["category"][first] == block.ids["category"][second])
    return (first, second) if same.all() else None


class Pairer(msgspec.Struct):
    """Spans of one file. `waiting`: opened and not yet closed, by (phase, pid, tid, id); last opened, first closed."""

    ctx: Context
    waiting: dict[tuple[Any, ...], list[Event]] = msgspec.field(default_factory=dict)
    strays: int = 0

    def pair(self, events: Sequence[Event], ph: npt.NDArray[np.uint8]) -> tuple[list[Event], list[Event]]:
        """(opening, closing) events of the spans that end in this chunk."""
        closer = _CLOSER_TABLE[ph]
        adjacent = np.zeros(len(events), dtype=bool)
        adjacent[:-1] = (closer[:-1] != 0) & (closer[:-1] == ph[1:])
        firsts = list(compress(events, adjacent))
        seconds = list(compress(events[1:], adjacent[:-1]))
        same = [
            a.name == b.name and a.tid == b.tid and a.pid == b.pid and a.id == b.id and (a.id is None or a.cat == b.cat)
            for a, b in zip(firsts, seconds, strict=True)
        ]
        taken = np.zeros(len(events), dtype=bool)
        index = np.flatnonzero(adjacent)[np.array(same, dtype=bool)]
        taken[index] = taken[index + 1] = True
        spans = (list(compress(firsts, same)), list(compress(seconds, same)))
        if not taken.all():
            self._far(events, ph, ~taken, spans)
        return spans

    def _far(
        self,
        events: Sequence[Event],
        ph: npt.NDArray[np.uint8],
        rest: npt.NDArray[np.bool_],
        spans: tuple[list[Event], list[Event]],
    ) -> None:
        for index in np.flatnonzero(rest).tolist():
            event, letter = events[index], int(ph[index])
            if letter in CLOSER_OF:
                self.waiting.setdefault(_key(event, CLOSER_OF[letter]), []).append(event)
                continue
            stack = self.waiting.get(_key(event, letter))
            if not stack:
                self.strays += 1
                continue
            spans[0].append(self._opener(stack, event.name))
            spans[1].append(event)

    @staticmethod
    def _opener(stack: list[Event], name: str) -> Event:
        """The innermost open span of that name, else the innermost: a closing event need not repeat the name."""
        for index in range(len(stack) - 1, -1, -1):
            if stack[index].name == name:
                return stack.pop(index)
        return stack.pop()

    def finish(self) -> None:
        """Counts what was never closed, and what closed nothing."""
        self.ctx.anomalies.count("unmatched_begin", sum(map(len, self.waiting.values())))
        self.ctx.anomalies.count("unmatched_end", self.strays)


def _key(event: Event, letter: int) -> tuple[Any, ...]:
    return (letter, event.pid, event.tid, event.id, event.cat if event.id is not None else None)
