"""What is taken of traced windows: one after another, so that the tables of many are never in memory at once."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pyarrow as pa
import pytest
from analysis_tables import events, op, step

from dlprof.analysis import compare
from dlprof.analysis.evidence import Evidence
from dlprof.analysis.explain import digests, ledger
from dlprof.analysis.model import Comparison, Side

A = Side("torch", "2.13.0", "cpu:0", "python train.py", "3.11.9", "A")
B = Side("torch", "2.13.0", "cpu:0", "python train.py", "3.11.9", "B")


def window(conv: int, *, marked: bool = True) -> pa.Table:
    rows = [op("Conv", at, at + conv, phase="forward", step=at // 1000 if marked else None) for at in (0, 1000)]
    marks = [step(number, number * 1000, number * 1000 + 900) for number in (0, 1)]
    return events(*(marks if marked else []), *rows)


class Read(Sequence[Any]):
    """Windows that are made where one is asked for. held: of both sides, how many were alive at each time that one was made."""

    def __init__(
        self, makers: Sequence[Callable[[], pa.Table]], made: list[weakref.ref[pa.Table]], held: list[int]
    ) -> None:
        self.makers, self.made, self.held = makers, made, held

    def __len__(self) -> int:
        return len(self.makers)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return Read(self.makers[at], self.made, self.held)
        table = self.makers[at]()
        self.made.append(weakref.ref(table))
        self.held.append(sum(one() is not None for one in self.made))
        return table


def differing(a: Sequence[pa.Table], b: Sequence[pa.Table]) -> Comparison:
    return compare.diff(Evidence(A, a), Evidence(B, b))


def test_of_many_windows_no_more_tables_are_held_than_the_first_of_each_side_and_one() -> None:
    made: list[weakref.ref[pa.Table]] = []
    held: list[int] = []
    a, b = (Read([partial(window, ns + more) for more in range(8)], made, held) for ns in (100, 300))
    found = differing(a, b)
    assert found.ledger is not None
    assert found.ledger.replicates == 8
    assert len(held) >= 16
    assert max(held) <= 3, "the first of each side, and the one that is looked at"
    assert not any(one() is not None for one in made)


def test_the_ledger_of_windows_taken_one_by_one_is_that_of_all_at_once() -> None:
    a, b = ([window(ns + more) for more in range(4)] for ns in (100, 300))
    assert differing(a, b).ledger == ledger.build(a, b).ledger


@pytest.mark.parametrize(
    ("marks", "statement"),
    [
        (([True, True], [False, False]), "A marks 2 steps and B none"),
        (([True, False], [True, True]), "B marks 2 steps and A none"),
    ],
)
def test_where_a_window_marks_no_steps_all_are_wholes(marks: tuple[list[bool], list[bool]], statement: str) -> None:
    a, b = ([window(100, marked=one) for one in side] for side in marks)
    found = differing(a, b)
    assert any(statement in text for text in found.warnings)
    assert found.ledger is not None
    assert found.ledger.basis == "trace"
    conv = next(line for line in found.ledger.lines if line.name.startswith("Conv"))
    assert (conv.a_ns, conv.b_ns) == (200, 200)


def test_a_window_without_work_is_not_split() -> None:
    (found,) = digests.of([events(step(0, 0, 0))], ()).windows
    assert found.split is None
