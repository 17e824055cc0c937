"""Operator paths and marker names: what they tell."""

from __future__ import annotations

import pytest

from dlprof.ingest.finish.layer_parts import Scopes, refine
from dlprof.ingest.finish.markers import parse
from dlprof.ingest.finish.paths import place
from dlprof.plugin import Operator


@pytest.mark.parametrize(
    ("path", "phase", "layer"),
    [
        ("forward/conv1/Conv2D", "forward", "conv1"),
        ("forward/conv1/Conv2D/ReadVariableOp", "forward", "conv1"),
        ("forward/block1/conv/Conv2D", "forward", "block1/conv"),
        ("gradient_tape/forward/conv1/Conv2DBackpropFilter", "backward", "conv1"),
        ("backward/gradient_tape/forward/dense1/MatMul/MatMul_1", "backward", "dense1"),
        ("gradient_tape/loss/SparseSoftmaxCrossEntropyWithLogits/mul", "backward", None),
        ("gradients/dense/MatMul_grad/MatMul", "backward", "dense"),
        ("loss/Mean", "loss", None),
        ("optimizer/conv1/w/ResourceApplyAdam", "optimizer", None),
        ("Adam/Adam/update/ResourceApplyAdam", "optimizer", None),
        ("sequential_1/conv2d/Relu", "forward", "conv2d"),
        ("jit(f)/jit(main)/forward/conv1/conv_general_dilated", "forward", "conv1"),
        ("jit(f)/jit(main)/transpose(jvp(forward))/conv1/dot_general", "backward", "conv1"),
        ("jit(f)/jit(main)/jvp(forward)/conv1/dot_general", "forward", "conv1"),
        ("MatMul", None, None),
        ("Identity_2", None, None),
        ("", None, None),
    ],
)
def test_a_path_tells_phase_and_layer(path: str, phase: str | None, layer: str | None) -> None:
    where = place(path)
    assert (where.phase, where.layer) == (phase, layer)


def test_a_product_without_a_bias_beside_it_stays_a_product() -> None:
    scopes = Scopes(["forward/a/MatMul", "forward/b/BiasAdd"])
    assert refine(Operator("MatMul"), "forward/a/MatMul", scopes) == Operator("MatMul")
    assert refine(Operator("MatMul"), "forward/b/MatMul", scopes) == Operator("Gemm")


def test_marker_names_are_read_as_the_protocol_writes_them() -> None:
    step, item, phase = parse("dlprof:step=17"), parse("dlprof:item=matmul[size=50]#12"), parse("dlprof:backward")
    assert step is not None
    assert item is not None
    assert phase is not None
    assert step.number == 17
    assert (item.text, item.number) == ("matmul[size=50]", 12)
    assert phase.text == "backward"
    assert parse("step=17") is None
