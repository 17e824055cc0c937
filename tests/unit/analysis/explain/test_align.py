"""Alignment: what is the same work is matched with a reason, and what is not is left over and said."""

from __future__ import annotations

from analysis_tables import events, op, step

from dlprof.analysis.explain import instances
from dlprof.analysis.explain.align import align
from dlprof.analysis.trace.cells import gather


def aligned(a, b):
    return align(gather(a).cells, gather(b).cells).alignment


def by_name(alignment):
    return {match.name: match for match in alignment.matches}


def one(number, at, *rows):
    """A step of 100 ns with operators of 5 ns each, one after another."""
    ops = [op(name, at + 6 * i, at + 6 * i + 5, phase=phase, layer=layer, step=number, **more)
           for i, (name, phase, layer, more) in enumerate(rows)]  # fmt: skip
    return [step(number, at, at + 100), *ops]


FUSED = ("Conv", "forward", "conv1", {"fuses": "Conv,Add,Relu"})
CONV = ("Conv", "forward", "conv1", {})
RELU = ("Relu", "forward", "conv1", {})


def test_the_same_operator_in_the_same_layer_is_certain():
    (match,) = aligned(events(*one(0, 0, CONV)), events(*one(0, 0, CONV))).matches
    assert (match.name, match.confidence, match.a_calls, match.b_calls) == ("Conv forward conv1", 1.0, 1, 1)


def test_a_fused_kernel_corresponds_to_the_operators_that_the_other_side_runs():
    found = aligned(events(*one(0, 0, FUSED)), events(*one(0, 0, CONV, RELU)))
    (match,) = found.matches
    assert match.name == "Conv+Relu forward conv1"
    assert match.a_ops == ("Conv forward conv1",)
    assert match.b_ops == ("Conv forward conv1", "Relu forward conv1")
    assert (match.a_ns, match.b_ns, match.confidence) == (5.0, 10.0, 0.9)
    assert "Conv fuses Add, Conv, Relu" in match.reason
    assert (found.a_unmatched, found.b_unmatched) == (0.0, 0.0)


def test_a_bias_gradient_that_runs_apart_belongs_to_the_layers_operator():
    grad, bias = ("Conv", "backward", "conv1", {}), ("ReduceSum", "backward", "conv1", {})
    (match,) = aligned(events(*one(0, 0, grad, bias)), events(*one(0, 0, grad))).matches
    assert (match.a_ns, match.b_ns) == (10.0, 5.0)
    assert "A runs the bias apart" in match.reason


def test_an_extra_operator_of_a_layer_is_not_swallowed_but_left_over():
    cast = ("Cast", "forward", "conv1", {})
    found = aligned(events(*one(0, 0, CONV)), events(*one(0, 0, CONV, cast)))
    extra = by_name(found)["Cast forward conv1 (B only)"]
    assert (extra.confidence, extra.a_ops, extra.reason) == (0.0, (), "nothing in A corresponds")
    assert found.b_unmatched == 0.5


def test_the_loss_corresponds_as_a_whole():
    sparse = ("SoftmaxCrossEntropyLoss", "loss", None, {})
    parts = [(name, "loss", None, {}) for name in ("LogSoftmax", "Pick", "ReduceMean")]
    (match,) = aligned(events(*one(0, 0, sparse)), events(*one(0, 0, *parts))).matches
    assert (match.a_ns, match.b_ns, match.a_calls) == (5.0, 15.0, None)
    assert "SoftmaxCrossEntropyLoss in A does the work of LogSoftmax, Pick, ReduceMean in B" in match.reason


def test_parameters_named_in_optimizer_paths_are_no_layers():
    apart = [("Adam", "optimizer", "conv1", {}), ("Adam", "optimizer", "conv2", {})]
    plain = [("Adam", "optimizer", None, {})] * 2
    (match,) = aligned(events(*one(0, 0, *apart)), events(*one(0, 0, *plain))).matches
    assert (match.name, match.a_calls, match.b_calls) == ("optimizer (Adam)", 2, 2)


def test_other_call_counts_lower_the_confidence_and_are_said():
    (match,) = aligned(events(*one(0, 0, CONV)), events(*one(0, 0, CONV, CONV))).matches
    assert match.confidence == 0.8
    assert "calls differ: Conv 1 in A, 2 in B" in match.reason


def test_without_layers_on_one_side_operator_and_phase_decide_with_less_confidence():
    bare = ("Conv", "forward", None, {})
    (match,) = aligned(events(*one(0, 0, CONV)), events(*one(0, 0, bare))).matches
    assert match.confidence == 0.6


def test_a_bulk_that_says_nothing_matches_nothing_by_its_name_alone():
    bulk = ("Bulk", None, None, {})
    found = aligned(events(op("Bulk", 0, 5)), events(*one(0, 0, bulk, CONV)))
    assert (found.a_unmatched, found.b_unmatched) == (1.0, 1.0)


def test_a_bulk_that_lists_its_contents_aligns_with_them_over_layers():
    bulk = ("Bulk", None, None, {"fuses": "Relu,AveragePool,Flatten"})
    parts = [
        ("Relu", "forward", "conv1", {}),
        ("AveragePool", "forward", "pool1", {}),
        ("Flatten", "forward", "flat", {}),
    ]
    (match,) = aligned(events(*one(0, 0, bulk)), events(*one(0, 0, *parts))).matches
    assert (match.a_ns, match.b_ns, match.confidence) == (5.0, 15.0, 0.4)


def test_names_that_no_vocabulary_knows_match_by_the_raw_name_and_are_listed():
    mine = (None, None, None, {"name": "mystery_kernel"})
    found = aligned(events(*one(0, 0, mine)), events(*one(0, 0, mine)))
    assert found.a_unknown == found.b_unknown == ("mystery_kernel",)
    assert found.matches[0].confidence >= 0.5


def test_instances_pair_the_kth_of_a_step_with_the_kth():
    a = events(*one(0, 0, CONV, CONV), *one(1, 100, CONV, CONV))
    late = [step(0, 0, 100), op("Conv", 50, 57, phase="forward", layer="conv1", step=0),
            op("Conv", 10, 13, phase="forward", layer="conv1", step=0)]  # fmt: skip
    found = instances.pair(a, events(*late)).to_pylist()
    assert [(row["step"], row["occurrence"], row["a_ns"], row["b_ns"]) for row in found] == [
        (0, 0, 5.0, 3.0),
        (0, 1, 5.0, 7.0),
    ]


def test_executions_pair_only_with_those_of_the_same_shape_where_both_sides_record_shapes():
    small, large = {"shape": "[[2, 3]]"}, {"shape": "[[200,\n   3]]"}
    a = events(op("Gemm", 0, 1, **small), op("Gemm", 2, 12, **large))
    b = events(op("Gemm", 0, 20, shape="[[200,3]]"), op("Gemm", 30, 32, shape="[[2,3]]"))
    assert sorted((row["a_ns"], row["b_ns"]) for row in instances.pair(a, b).to_pylist()) == [(1.0, 2.0), (10.0, 20.0)]
