"""Same work: what two traces, a timing table or two descriptions show of different work is named; equal work passes.

The defects of the study that dlprof redoes are cases here: each is planted, and must be named.
"""

from __future__ import annotations

import pyarrow as pa
from analysis_tables import events, marker, op, step

from dlprof import schema
from dlprof.analysis import compare
from dlprof.analysis.evidence import Evidence
from dlprof.analysis.model import Recording, Side
from dlprof.analysis.same_work import traced_work
from dlprof.analysis.timing import design

A = Side("tf", "2.0.0", "cpu:0", "graph", "3.7.16", "TensorFlow 2.0.0 (graph)")
B = Side("mxnet", "1.4.1", "cpu:0", "hybrid", "3.7.16", "MXNet 1.4.1 (hybrid)")


def training(pool="AveragePool", optimizer="Adam", copies=0, steps=2, late=False):
    rows = []
    for number in range(steps):
        at = number * 100
        names = [("Conv", "forward", "conv1"), (pool, "forward", "pool1"), ("Conv", "backward", "conv1")]
        names += [(optimizer, "optimizer", None)]
        rows.append(step(number, at, at + 90) if not late else marker(f"dlprof:unsynced_step={number}", at, at + 9))
        rows += [op(n, at + 20 * i + 5, at + 20 * i + 20, phase=p, layer=la, step=None if late else number)
                 for i, (n, p, la) in enumerate(names)]  # fmt: skip
        rows += [op("Copy", at + 84, at + 86, level="copy", phase="transfer", step=number) for _ in range(copies)]
    return events(*rows, *([marker("dlprof:sync", 190, 400)] if late else []))


def named(findings):
    return {finding["what"]: finding for finding in findings}


def test_the_same_work_has_no_findings():
    assert traced_work.traces(training(), training()) == ()


def test_study_defect_other_optimizers_are_named():
    found = named(traced_work.traces(training(optimizer="Adam"), training(optimizer="SGD")))
    assert found["optimizer"]["sentence"] == "the optimizers differ: Adam in A, SGD in B"
    assert found["optimizer"]["blocks"] == "yes"


def test_study_defect_maximum_against_average_pooling_is_named_with_its_layer():
    found = named(traced_work.traces(training("MaxPool"), training("AveragePool")))
    assert found["operator"]["sentence"] == "forward pool1: A runs MaxPool, B runs AveragePool"
    assert found["operator"]["blocks"] == "yes"


def test_study_defect_no_wait_for_the_asynchronous_engine_is_named():
    found = named(traced_work.traces(training(), training(late=True)))
    assert found["unsynchronised"]["where"] == "B"
    assert found["unsynchronised"]["blocks"] == "yes"
    assert "a step's time is that of queueing it" in found["unsynchronised"]["sentence"]


def test_work_that_was_launched_between_the_steps_is_no_work_that_a_step_did_not_wait_for():
    def trace(launched_in):
        return events(
            marker("ProfilerStep#0", 0, 100, step=0),
            op("MatMul", 1, 9, step=0),
            op(None, 20, 60, level="kernel", name="gemm", device="gpu:0", track=1, step=0, launch=1),
            op("Relu", 110, 120),
            op(None, 130, 190, level="kernel", name="relu", device="gpu:0", track=1, **launched_in),
            marker("ProfilerStep#1", 200, 300, step=1),
            op("MatMul", 201, 209, step=1),
            op(None, 220, 260, level="kernel", name="gemm", device="gpu:0", track=1, step=1, launch=6),
        )

    assert traced_work.outside_steps(trace({"launch": 3})) == 0
    assert traced_work.outside_steps(trace({})) == 60 / 140
    assert "unsynchronised" not in named(traced_work.traces(trace({"launch": 3}), trace({"launch": 3})))


def test_a_side_that_says_it_did_not_wait_is_named():
    found = named(traced_work.sides(A, B, Recording(synchronised=True), Recording(synchronised=False)))
    assert "MXNet 1.4.1 (hybrid) was timed without waiting" in found["unsynchronised"]["sentence"]


def test_study_defect_the_profiler_on_one_side_only_is_named():
    (found,) = traced_work.sides(A, B, Recording(profiler=False), Recording(profiler=True))
    assert found["sentence"].startswith("the profiler was on for MXNet 1.4.1 (hybrid) only")


def test_study_defect_one_process_for_both_sides_is_named():
    (found,) = traced_work.sides(A, B, Recording(pid=4711), Recording(pid=4711))
    assert found["what"] == "one_process"
    assert traced_work.sides(A, B, Recording(pid=4711), Recording(pid=4712)) == ()


def test_study_defect_cpu_seconds_instead_of_elapsed_time_are_named_from_the_stated_clock():
    (found,) = traced_work.sides(A, B, Recording(clock="perf_counter"), Recording(clock="process_time"))
    assert (found["what"], found["where"]) == ("cpu_clock", "B")


def test_what_a_side_does_not_state_is_no_difference():
    assert traced_work.sides(A, B, Recording(), Recording(profiler=True, pid=3)) == ()


def test_study_defect_other_hyperparameters_layers_and_sizes_are_named_from_the_descriptions():
    layers = [{"name": "pool1", "op": "AveragePool"}]
    a = {
        "optimizer": {"op": "Adam", "learning_rate": 0.2},
        "model": {"input": [28, 28, 1], "layers": layers},
        "title": "x",
    }
    b = {
        "optimizer": {"op": "SGD", "learning_rate": 0.02},
        "model": {"input": [32, 32, 1], "layers": [{**layers[0], "op": "MaxPool"}]},
    }
    found = {finding["where"]: finding["blocks"] for finding in traced_work.workloads(a, b)}
    assert found == {
        "model.input": "yes",
        "model.layers.pool1.op": "yes",
        "optimizer.learning_rate": "yes",
        "optimizer.op": "yes",
        "title": "no",
    }
    assert traced_work.workloads(a, {}) == ()


def test_work_that_one_side_does_more_often_or_alone_is_listed_without_forbidding_the_comparison():
    found = named(traced_work.traces(training(), training(copies=2)))
    assert found["unmatched"]["where"] == "copies (Copy) (B only)"
    assert found["unmatched"]["blocks"] == "no"
    counted = named(traced_work.traces(training(copies=1), training(copies=2)))
    assert counted["calls"]["sentence"] == "copies (Copy): 1 calls per step in A, 2 in B"


def test_traces_without_steps_are_counted_whole_and_one_with_steps_is_not_counted_against_one_without():
    once, twice = (events(*[op("Gemm", 10 * at, 10 * at + 5, flops=7) for at in range(n)]) for n in (1, 2))
    found = named(traced_work.traces(once, twice))
    assert found["calls"]["sentence"] == "Gemm: 1 calls over the whole trace in A, 2 in B"
    assert (
        found["flops"]["sentence"] == "recorded floating-point operations over the whole trace differ: 7 in A, 14 in B"
    )
    assert set(named(traced_work.traces(training(), twice))) & {"calls", "flops"} == set()


def test_other_element_types_are_named_where_both_sides_record_them():
    single = events(op("Gemm", 0, 50, dtype="float"), op("Shape", 50, 51, dtype="int32"))
    double = events(op("Gemm", 0, 90, dtype="double"))
    (found,) = [f for f in traced_work.traces(single, double) if f["what"] == "dtype"]
    assert (found["a"], found["b"], found["blocks"]) == ("float32", "float64", "yes")
    assert "dtype" not in named(traced_work.traces(single, events(op("Gemm", 0, 90))))


def test_bulks_are_said_to_hide_their_operators_instead_of_listing_all_as_missing():
    found = traced_work.traces(
        training(), events(step(0, 0, 90), op("Bulk", 5, 80, step=0), step(1, 100, 190), op("Bulk", 110, 180, step=1))
    )
    assert [finding["what"] for finding in found] == ["bulks"]


def test_a_diff_of_two_traces_carries_what_they_show():
    found = compare.diff(Evidence(A, [training("MaxPool")]), Evidence(B, [training()]))
    assert any("A runs MaxPool, B runs AveragePool" in text for text in found.warnings)
    assert named(found.parity)["operator"]["blocks"] == "yes"


def timing(order, *, cpu_is_wall=False, trials=2, gap=1000, wall=1000):
    """Rows of rounds in which the sides run as in `order` (a string of a and b), each `wall` ns after `gap` ns."""
    rows, now = [], 10**9
    for trial in range(trials):
        for round_ in range(4):
            for position, side in enumerate(order[round_ % len(order)]):
                rows.append(
                    {
                        "trial": trial, "side": side, "item": "train_block", "stage": "timed", "round": round_,
                        "position": position, "iteration": 1, "kept": True, "units": 1, "wall_ns": wall,
                        "cpu_ns": wall if cpu_is_wall else wall * 2, "start_ns": now,
                    }
                )  # fmt: skip
                now += gap
    return pa.Table.from_pylist(rows, schema.TIMINGS)


def test_lockstep_trials_in_balanced_order_have_no_defect():
    assert design.check(timing(["ab", "ba"])) == ()


def test_study_defect_cpu_seconds_in_the_place_of_elapsed_time_are_seen_in_the_numbers():
    assert "cpu_clock" in named(design.check(timing(["ab", "ba"], cpu_is_wall=True)))


def test_study_defect_one_side_wholly_before_the_other_is_named():
    whole = timing(["b"], trials=1)
    later = timing(["a"], trials=1)
    late = later.set_column(11, later.schema.field(11), pa.array([t + 10**9 for t in later["start_ns"].to_pylist()]))
    found = named(design.check(pa.concat_tables([whole, late])))
    assert found["separate"]["sentence"].startswith("B ran wholly before A")


def test_study_defect_no_replication_is_named():
    assert "one_trial" in named(design.check(timing(["ab", "ba"], trials=1)))


def test_study_defect_work_of_one_side_that_runs_on_into_the_others_slot_is_named():
    found = named(design.check(timing(["ab", "ba"], gap=1000, wall=1500)))
    assert found["overlap"]["blocks"] == "yes"


def test_one_side_that_is_always_first_is_named():
    assert "fixed_order" in named(design.check(timing(["ab"])))
