"""From the timed to the traced gap: parts that sum, a share with its interval, and when the explanation is withheld."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from dlprof import schema
from dlprof.analysis.explain import bridge, tax
from dlprof.analysis.explain.bridge import LATER, OTHER_TRIALS, PROFILING, WAITING, Window
from dlprof.analysis.model import Ledger


def timings(blocks: Sequence[tuple[float, float]], synced: Sequence[tuple[float, float]] | None = None) -> pa.Table:
    """One kept iteration a side, item and trial; ns of a step: (A, B) by trial. A block holds five steps."""
    rows = []
    for item, units, values in (("train_block", 5, blocks), ("train_step_sync", 1, synced or [])):
        for trial, pair in enumerate(values):
            for side, ns in zip("ab", pair, strict=True):
                for kept in (False, True):
                    wall = round(ns * units) if kept else 10**9
                    rows.append((trial, side, item, "timed", 0, 0, 0, kept, units, wall, wall, 0))
    columns = list(zip(*rows, strict=True))
    arrays = [pa.array(list(values), field.type) for values, field in zip(columns, schema.TIMINGS, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema.TIMINGS)


def windows(walls, beside=None, unexplained=None) -> dict[int, Window]:
    none = [(0.0, 0.0)] * len(walls)
    parts = zip(walls, beside or [None] * len(walls), unexplained or none, strict=True)
    return {trial: Window(*part) for trial, part in enumerate(parts)}


BLOCKS = [(1000, 1600), (1010, 1590), (990, 1620), (1005, 1600)]
SYNCED = [(1100, 1750), (1120, 1740), (1080, 1760), (1100, 1750)]
BESIDE = [(1110.0, 1760.0), (1100.0, 1750.0), (1090.0, 1740.0), (1100.0, 1755.0)]
WALLS = [(1150.0, 1790.0), (1145.0, 1800.0), (1140.0, 1780.0), (1150.0, 1790.0)]


def test_the_parts_lead_from_the_timed_to_the_traced_gap_and_sum() -> None:
    found = bridge.build(timings(BLOCKS, SYNCED), windows(WALLS, BESIDE))
    assert found is not None
    assert found.timed.ns == round(np.mean([b - a for a, b in BLOCKS]))
    assert found.traced.ns == round(np.mean([b - a for a, b in WALLS]))
    assert [part.name for part in found.parts] == [WAITING, LATER, PROFILING]
    assert found.parts[0].amount.ns == round(np.mean([b - a for a, b in SYNCED]) - np.mean([b - a for a, b in BLOCKS]))
    assert found.timed.ns + sum(part.amount.ns for part in found.parts) == pytest.approx(found.traced.ns, abs=2)
    assert all(part.amount.low_ns <= part.amount.ns <= part.amount.high_ns for part in found.parts)
    assert found.profiling["a"].ns == round(np.mean([w[0] - o[0] for w, o in zip(WALLS, BESIDE, strict=True)]))
    assert (found.agrees, found.disagreement) == (True, "")


def test_the_share_is_that_of_the_timed_gap_without_what_is_unexplained() -> None:
    found = bridge.build(timings(BLOCKS), windows(WALLS, unexplained=[(10.0, 110.0)] * 4))
    traced = np.mean([b - a for a, b in WALLS])
    assert found.explained_share == pytest.approx((traced - 100) / np.mean([b - a for a, b in BLOCKS]))
    assert found.explained_low < found.explained_share < found.explained_high


def test_a_gap_whose_interval_holds_zero_has_no_share() -> None:
    blocks = [(1000, 1300), (1000, 800), (1000, 1200), (1000, 780)]
    found = bridge.build(timings(blocks), windows(WALLS))
    assert (found.explained_share, found.explained_low, found.explained_high) == (None, None, None)


def test_fiellers_interval_covers_the_true_share_as_often_as_it_says() -> None:
    random, held, made = np.random.default_rng(5), 0, 600
    for _ in range(made):
        shared = random.normal(600, 60, 6)
        timed, traced = shared + random.normal(0, 30, 6), 0.9 * shared + random.normal(0, 30, 6)
        found = bridge.build(
            timings([(1000, 1000 + one) for one in timed]), windows([(1000.0, 1000.0 + one) for one in traced])
        )
        held += found.explained_low <= 0.9 <= found.explained_high
    assert held / made > 0.93


def test_two_trials_give_gaps_without_intervals_and_no_word_on_agreement() -> None:
    found = bridge.build(timings(BLOCKS[:2]), windows(WALLS[:2]))
    assert (found.timed.low_ns, found.traced.high_ns, found.explained_share, found.agrees) == (None, None, None, None)


def test_trials_without_a_window_are_a_part_of_their_own() -> None:
    found = bridge.build(timings(BLOCKS, SYNCED), windows(WALLS[:3], BESIDE[:3]))
    assert found.timed.ns == round(np.mean([b - a for a, b in BLOCKS])), "over all trials"
    assert [part.name for part in found.parts] == [OTHER_TRIALS, WAITING, LATER, PROFILING]
    assert found.timed.ns + sum(part.amount.ns for part in found.parts) == pytest.approx(found.traced.ns, abs=2)


def test_no_window_and_no_timing_give_no_bridge() -> None:
    assert bridge.build(timings(BLOCKS), {}) is None
    assert bridge.build(schema.TIMINGS.empty_table(), windows(WALLS)) is None


@pytest.mark.parametrize(
    ("walls", "beside", "says"),
    [
        ([(1800.0, 1150.0), (1790.0, 1140.0), (1810.0, 1160.0), (1800.0, 1150.0)], None, "they show the opposite"),
        ([(1150.0, 3790.0), (1145.0, 3800.0), (1140.0, 3780.0), (1150.0, 3790.0)], None, "profiling"),
        (
            [(1150.0, 3790.0), (1145.0, 3800.0), (1140.0, 3780.0), (1150.0, 3790.0)],
            [(1110.0, 3760.0), (1100.0, 3750.0), (1090.0, 3740.0), (1100.0, 3755.0)],
            "the machine changed between the timed rounds and the windows",
        ),
    ],
)
def test_traces_that_do_not_show_the_timed_gap_are_said_to(walls, beside, says) -> None:
    synced = SYNCED if beside else None
    found = bridge.build(timings(BLOCKS, synced), windows(walls, beside or BESIDE))
    assert found.agrees is False
    assert "the traced runs do not show the gap that was timed" in found.disagreement
    assert says in found.disagreement


def test_a_ledgers_own_note_gives_way_to_what_the_bridge_says_of_the_traces() -> None:
    taxed = Ledger(
        "step",
        40,
        40,
        4,
        1_000_000,
        1_640_000,
        640_000,
        200_000,
        440_000,
        (),
        0,
        "B's step is longer",
        notes=("other",),
    )
    taxed = replace(taxed, notes=(*taxed.notes, tax.exceeds(taxed)))
    assert "the traces cannot explain this difference" in taxed.notes[1]
    found = bridge.build(timings(BLOCKS, SYNCED), windows(WALLS, BESIDE))
    assert bridge.spread(taxed, found).notes == ("other",)
    few = bridge.build(timings(BLOCKS[:2]), windows(WALLS[:2]))
    assert bridge.spread(taxed, few).notes == taxed.notes, "two trials tell nothing of that"
