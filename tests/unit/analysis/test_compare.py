"""Comparison: timings decide, traces explain, and a single run decides nothing."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from analysis_tables import events, op, step

from dlprof import schema
from dlprof.analysis import compare
from dlprof.analysis.evidence import Evidence
from dlprof.analysis.model import Side
from dlprof.analysis.same_work import parity

A = Side("tf", "2.21.0", "cpu:0", "graph", "3.11.9", "TensorFlow 2.21.0 (graph)")
B = Side("mxnet", "1.9.1", "cpu:0", "hybrid", "3.11.9", "MXNet 1.9.1 (hybrid)")


def timings(ratios, item="train_block", a_ns=10_000_000, units=5, seed=1):
    """Lockstep trials: 12 rounds of 3 iterations, the first dropped; B takes `ratio` times A's time, with noise."""
    rng = np.random.default_rng(seed)
    rows = []
    for trial, ratio in enumerate(ratios):
        for round_ in range(12):
            for side in "ab":
                for iteration in range(3):
                    ns = a_ns * units * (ratio if side == "b" else 1) * rng.lognormal(0, 0.01)
                    rows.append(
                        {
                            "trial": trial,
                            "side": side,
                            "item": item,
                            "stage": "timed",
                            "round": round_,
                            "position": (round_ + (side == "b")) % 2,
                            "iteration": iteration,
                            "kept": iteration > 0,
                            "units": units,
                            "wall_ns": round(ns * (5 if iteration == 0 else 1)),
                            "cpu_ns": 0,
                            "start_ns": 0,
                        }
                    )
    return pa.Table.from_pylist(rows, schema.TIMINGS)


SLOWER = [2.0, 2.1, 1.9, 2.05, 1.95, 2.02]


def trace(conv_ns, steps=2, splits=False):
    rows = []
    for number in range(steps):
        at = number * 1000
        rows += [step(number, at, at + 900), op("Conv", at, at + conv_ns, phase="forward", layer="conv1", step=number)]
        rows += [op("Conv", at + 400, at + 500, phase="backward", layer="conv1", step=number)]
        if splits:
            rows += [op("Conv", at + 500, at + 600, phase="backward", layer="conv1", step=number, calls=0)]
    return events(*rows)


def build(times, **more):
    return compare.build(Evidence(A), Evidence(B), measured(times, **more))


def measured(times, **more):
    return compare.Measured(workload="lenet", timings=times, **more)


def test_the_verdict_is_of_b_seen_from_a_with_an_interval_over_trials():
    found = build(timings(SLOWER))
    (item,) = found.items
    assert item.verdict == "slower"
    assert item.ratio is not None
    assert item.ratio.trials == 6
    assert 1.9 < item.ratio.low < item.ratio.estimate < item.ratio.high < 2.1
    assert item.ratio.estimate == pytest.approx(np.exp(np.mean(np.log(SLOWER))), rel=0.01)
    assert item.a_median_ns == pytest.approx(10_000_000, rel=0.02)
    assert "MXNet 1.9.1 (hybrid) is slower than TensorFlow 2.21.0 (graph)" in item.sentence


def test_swapping_the_sides_mirrors_the_verdict():
    faster = build(timings([1 / ratio for ratio in SLOWER])).items[0]
    assert faster.verdict == "faster"
    assert faster.ratio.high < 1


def test_different_work_is_not_compared_and_says_where_they_differ():
    differences = parity.check({"loss": np.array(2.3)}, {"loss": np.array(0.7)})
    found = build(timings(SLOWER), parity=differences)
    assert {item.verdict for item in found.items} == {"not_comparable"}
    assert "loss differs by up to 1.6" in found.items[0].sentence
    assert found.parity == differences


def test_the_training_block_heads_and_the_synchronised_step_stands_beside_it():
    both = pa.concat_tables([timings(SLOWER, "train_step_sync", units=1), timings(SLOWER)])
    assert [item.item for item in build(both).items] == ["train_block", "train_step_sync"]


def test_one_of_many_items_that_is_barely_significant_is_not_called_a_difference():
    noise = [0.93, 1.07, 1.0, 0.96, 1.04, 1.0]
    tables = [timings(noise, f"op{i}", seed=i) for i in range(20)]
    barely = timings([1.03, 1.12, 1.02, 1.11, 1.05, 1.12], "odd", seed=99)
    alone = build(barely).items[0]
    assert alone.verdict == "slower"
    among = {item.item: item for item in build(pa.concat_tables([*tables, barely])).items}
    assert among["odd"].verdict == "inconclusive"
    assert any("judged together" in text for text in among["odd"].warnings)


def test_rows_count_calls_once_where_a_framework_splits_one_and_keep_the_events_beside():
    found = compare.diff(Evidence(A, [trace(100, splits=True)]), Evidence(B, [trace(160)]))
    rows = {(row.op, row.phase, row.layer): row for row in found.rows}
    forward, backward = rows["Conv", "forward", "conv1"], rows["Conv", "backward", "conv1"]
    assert (forward.a_ns, forward.b_ns, forward.delta_ns) == (200.0, 320.0, 120.0)
    assert (backward.a_count, backward.b_count, backward.a_events, backward.b_events) == (2, 2, 4, 2)


def test_work_outside_the_steps_is_no_part_of_the_rows():
    tail = op("Conv", 5000, 9000, phase="forward", layer="conv1")
    table = pa.concat_tables([trace(100), events(tail)])
    (row, *_) = [r for r in compare.diff(Evidence(A, [table]), Evidence(B, [table])).rows if r.phase == "forward"]
    assert (row.a_ns, row.a_count) == (200.0, 2)


def test_a_row_that_one_side_lacks_has_no_time_there_and_counts_as_zero_in_the_difference():
    other = events(step(0, 0, 900), op("Relu", 0, 50, phase="forward", step=0))
    found = compare.diff(Evidence(A, [trace(100)]), Evidence(B, [other]))
    relu = next(row for row in found.rows if row.op == "Relu")
    assert (relu.a_ns, relu.b_ns, relu.delta_ns, relu.a_count) == (None, 50.0, 50.0, 0)


def test_a_diff_gives_an_estimate_by_steps_but_no_verdict_and_no_interval():
    found = compare.diff(Evidence(A, [trace(100)]), Evidence(B, [trace(160)]))
    (item,) = found.items
    assert (item.verdict, item.ratio.estimate, item.ratio.low, item.ratio.high) == ("inconclusive", 1.0, None, None)
    assert "median traced step" in item.ratio.method
    assert any("one run against one run decides nothing" in text for text in found.warnings)


def test_without_steps_a_diff_goes_by_busy_time_and_says_so():
    a, b = events(op("Conv", 0, 100)), events(op("Conv", 0, 300))
    item = compare.diff(Evidence(A, [a]), Evidence(B, [b])).items[0]
    assert item.ratio.estimate == 3.0
    assert "busy time" in item.sentence


def test_traces_of_other_length_are_warned_about():
    found = compare.diff(Evidence(A, [trace(100, steps=2)]), Evidence(B, [trace(100, steps=3)]))
    assert any("2 steps (A) and 3 (B)" in text for text in found.warnings)


def test_profiling_overhead_is_traced_step_over_the_untraced_synchronised_step():
    times = pa.concat_tables([timings(SLOWER, "train_step_sync", a_ns=600, units=1), timings(SLOWER, a_ns=500)])
    found = compare.build(Evidence(A, [trace(100)]), Evidence(B, []), measured(times))
    assert found.profiling_overhead["a"] == pytest.approx(900 / 600 - 1, abs=0.02)
    assert found.profiling_overhead["b"] is None
    assert found.facts.profiling["a"].against == "train_step_sync"


def test_traced_windows_give_rows_an_interval_from_three_a_side_on():
    ten = [trace(100 + 3 * i) for i in range(6)], [trace(160 - 2 * i) for i in range(6)]
    row = next(r for r in compare.diff(Evidence(A, ten[0]), Evidence(B, ten[1])).rows if r.phase == "forward")
    assert row.delta_ns == pytest.approx(2 * (155 - 107.5))
    assert row.low_ns < row.delta_ns < row.high_ns
    assert row.q < 0.05
    few = compare.diff(Evidence(A, ten[0][:2]), Evidence(B, ten[1][:2])).rows
    assert all((r.low_ns, r.high_ns, r.q) == (None, None, None) for r in few)


def test_windows_of_one_side_that_disagree_in_counts_are_named():
    odd = events(step(0, 0, 900), op("Conv", 0, 10, phase="forward", layer="conv1", step=0))
    found = compare.diff(Evidence(A, [trace(100), odd]), Evidence(B, [trace(100)]))
    assert any("A's traced windows disagree in counts: Conv forward conv1: 2, 1" in text for text in found.warnings)


def test_the_ledger_stands_beside_the_verdict_reconciled_with_untraced_synchronised_steps():
    times = timings([1.5] * 6, "train_step_sync", a_ns=600, units=1)
    found = compare.build(
        Evidence(A, [trace(100)], runtime={"intra_op_threads": 2}),
        Evidence(B, [trace(160)], runtime={"openmp_threads": 1}),
        measured(times),
    )
    assert found.ledger is not None
    assert (found.ledger.a_wall_ns, found.ledger.gap_ns) == (900, 0)
    assert found.ledger.untraced_gap_ns == pytest.approx(300, abs=15)
    assert found.ledger.profiling_ns == found.ledger.gap_ns - found.ledger.untraced_gap_ns
    assert found.ledger.lines[0].name == "Conv forward conv1 [threads 2 → 1]"
    assert found.alignment.a_unmatched == 0.0


def test_the_untraced_gap_is_that_of_the_trials_and_not_of_a_few_steps_of_one_process():
    times = timings([1.5] * 6, "train_step_sync", a_ns=600, units=1)
    both = [Evidence(side, [trace(100)], untraced=[[500, 500]]) for side in (A, B)]
    found = compare.build(*both, measured(times))
    assert found.ledger.untraced_gap_ns == pytest.approx(300, abs=15)  # the steps beside the windows say 0
    beside = compare.build(*both, measured(timings(SLOWER)))
    assert beside.ledger.untraced_gap_ns == 0  # the trials timed no synchronised step


def test_a_side_without_a_trace_has_no_ledger():
    assert build(timings(SLOWER)).ledger is None
