"""Trials out of a timing table, and what must hold of the verdicts on them whatever the times are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlprof import schema
from dlprof.analysis.model import Side
from dlprof.analysis.timing import lockstep, verdicts

A = Side("tf", "2.21.0", "cpu:0", "graph", "3.11", "A")
B = replace(A, label="B")
MIRROR = {"faster": "slower", "slower": "faster"}


def timings(log_ratios, *, scale=1, swap=False, items=("train_block",)) -> pa.Table:
    """Trials of four rounds, times around a millisecond that differ from round to round."""
    rng = np.random.default_rng(len(log_ratios))
    rows = []
    for trial, ratio in enumerate(log_ratios):
        for item in items:
            for r in range(4):
                noise = rng.normal(size=2) * 0.01
                for at, side in enumerate("ab"):
                    shown = "ba"[at] if swap else side
                    ns = round(1e6 * np.exp(ratio * at + noise[at])) * scale
                    rows += [(trial, shown, item, "timed", r, at, i, i > 0, 1, ns, 0, 0) for i in range(3)]
            rows.append((trial, "a", item, "warmup", -1, 0, 0, False, 1, 10**12, 0, 0))
    columns = [pa.array(list(c), f.type) for c, f in zip(zip(*rows, strict=True), schema.TIMINGS, strict=True)]
    return pa.Table.from_arrays(columns, schema=schema.TIMINGS)


ratios = st.lists(st.floats(-0.3, 0.3), min_size=6, max_size=10)


@settings(max_examples=25, deadline=None)
@given(ratios, st.sampled_from([2, 7, 1000]))
def test_scaling_both_sides_changes_no_verdict_and_no_interval(x, scale):
    (plain,), (scaled,) = (verdicts.items(timings(x, scale=s), A, B) for s in (1, scale))
    assert scaled.verdict == plain.verdict
    assert scaled.ratio.estimate == pytest.approx(plain.ratio.estimate, rel=1e-9)
    assert (scaled.ratio.low, scaled.ratio.high) == pytest.approx((plain.ratio.low, plain.ratio.high), rel=1e-9)
    assert scaled.a_median_ns == pytest.approx(scale * plain.a_median_ns)


@settings(max_examples=25, deadline=None)
@given(ratios)
def test_swapping_the_sides_mirrors_the_verdict(x):
    (plain,), (swapped,) = (verdicts.items(timings(x, swap=s), A, B) for s in (False, True))
    assert swapped.verdict == MIRROR.get(plain.verdict, plain.verdict)
    assert swapped.ratio.estimate == pytest.approx(1 / plain.ratio.estimate, rel=1e-9)
    assert (swapped.ratio.low, swapped.ratio.high) == pytest.approx(
        (1 / plain.ratio.high, 1 / plain.ratio.low), rel=1e-9
    )


def test_only_timed_rows_count_and_items_without_any_are_absent():
    table = timings([0.0] * 6, items=("train_block", "infer_block"))
    infer = pa.compute.equal(table["item"].cast(pa.string()), "infer_block")
    warm = pa.compute.equal(table["stage"].cast(pa.string()), "warmup")
    found = lockstep.by_item(table.filter(pa.compute.or_(pa.compute.invert(infer), warm)))
    assert list(found) == ["train_block"]
    assert [trial.rounds for trial in found["train_block"].values()] == [4] * 6
    assert found["train_block"][0].a_ns < 2e6


def stretched(table, change):
    """The table with wall times changed row by row: (side, round, iteration) → factor."""
    names = ("side", "round", "iteration")
    where = zip(*(table[name].to_pylist() for name in names), strict=True)
    walls = [round(ns * change(*one)) for ns, one in zip(table["wall_ns"].to_pylist(), where, strict=True)]
    at = table.column_names.index("wall_ns")
    return table.set_column(at, table.schema.field("wall_ns"), pa.array(walls, table.schema.field("wall_ns").type))


def test_where_the_average_tells_another_story_than_the_typical_ratio_both_are_told():
    table = timings([0.001, 0.002, -0.001, 0.0, 0.001, -0.002])
    (plain,) = verdicts.items(table, A, B)
    assert plain.mean_ratio.estimate == pytest.approx(plain.ratio.estimate, rel=0.01)
    assert "on average" not in plain.sentence
    # One burst of four is 20 times as slow: the typical ratio cannot see it.
    (found,) = verdicts.items(stretched(table, lambda side, r, _: 20 if side == "b" and r == 3 else 1), A, B)
    assert found.mean_ratio.estimate == pytest.approx(5.75, rel=0.05)
    assert "typical +" in found.sentence or "typical -" in found.sentence
    assert "on average +" in found.sentence


def test_a_side_that_gets_slower_as_it_runs_is_named():
    rng = np.random.default_rng(0)
    rows = [
        (trial, side, "train_block", "timed", r, at, i, i > 0, 1,
         round(1e6 * np.exp(0.01 * rng.normal() + (0.02 * r if side == "b" else 0.0))), 0, 0)
        for trial in range(6) for r in range(20) for at, side in enumerate("ab") for i in range(3)
    ]  # fmt: skip
    columns = [pa.array(list(c), f.type) for c, f in zip(zip(*rows, strict=True), schema.TIMINGS, strict=True)]
    (found,) = verdicts.items(pa.Table.from_arrays(columns, schema=schema.TIMINGS), A, B)
    assert [drift.side for drift in found.drifts] == ["b"]
    assert any(text.startswith("B gets slower as it runs: +0.6") for text in found.warnings)
