"""Operator paths and XLA names: what they tell."""

from __future__ import annotations

import pytest

from dlprof.ingest.finish.layer_parts import Scopes, refine
from dlprof.ingest.finish.markers import parse
from dlprof.ingest.finish.paths import place
from dlprof.ingest.protobuf.hlo_names import hlo_operator, instruction
from dlprof.ingest.protobuf.plane_names import annotation, device, dtype, host_op, is_copy, is_derived
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


@pytest.mark.parametrize(
    ("name", "path", "kind"),
    [
        ("forward/conv1/Conv2D:Conv2D", "forward/conv1/Conv2D", "Conv2D"),
        ("a/_b:_MklMatMul", "a/_b", "_MklMatMul"),
        ("Iterator::Prefetch::Map", "Iterator::Prefetch::Map", "Dataset"),
    ],
)
def test_the_name_of_a_host_operator_is_its_path_and_type(name: str, path: str, kind: str) -> None:
    found = host_op(name)
    assert found is not None
    assert (found.path, found.type) == (path, kind)


@pytest.mark.parametrize(
    "name", ["EagerLocalExecute: Conv2D", "ExecutorState::Process", "dlprof:input", "dlprof:step=3", "a:b", ":X", "x"]
)
def test_other_host_events_are_no_operators(name: str) -> None:
    assert host_op(name) is None


def test_annotations_of_kernels_name_their_operator() -> None:
    old = annotation("a/b:_HostRecv#from=x,to=y#")
    assert (old.path, old.type) == ("a/b", "_HostRecv")
    jax = annotation("jit(f)/jit(main)/dot_general[dims=((1,),(0,))]:")
    assert jax.type == "dot_general"


def test_planes_and_lines_tell_devices_and_what_is_derived() -> None:
    assert device("/device:GPU:4") == ("gpu", 4)
    assert device("/device:TPU:0") == ("tpu", 0)
    assert device("/host:CPU") is None
    assert is_derived("gpu", "XLA Ops")
    assert not is_derived("tpu", "XLA Ops")
    assert is_derived("tpu", "XLA Modules")
    assert not is_derived("gpu", "Stream #2")
    assert not is_derived("gpu", "Stream #134(Compute)")
    assert [is_copy(name) for name in ("MemcpyH2D", "Memset", "CopyDeviceToDevice", "copy_fusion")] == [1, 1, 1, 0]
    assert [dtype(text) for text in ("(float32[2,3];int32[])", "bf16[4]", "()", "")] == ["float32", "bf16", None, None]


def test_xla_names_lose_their_number_and_fusions_say_what_they_fuse() -> None:
    assert instruction("dot.3") == "dot"
    table = {
        "dot": Operator("MatMul"),
        "fusion": Operator("Fusion"),
        "tanh": Operator("Tanh"),
        "reduce": Operator("Reduce"),
    }
    assert hlo_operator("dot.3", table) == Operator("MatMul")
    assert hlo_operator("wrapped_tanh", table) == Operator("Tanh")
    assert hlo_operator("loop_tanh_reduce_fusion_1", table) == Operator("Fusion", fuses=("Tanh", "Reduce"))
    assert hlo_operator("gemm_fusion_dot_1.kd", table) == Operator("Fusion", fuses=("MatMul",))
    assert hlo_operator("fusion", {}) is None


def test_marker_names_are_read_as_the_protocol_writes_them() -> None:
    step, item, phase = parse("dlprof:step=17"), parse("dlprof:item=matmul[size=50]#12"), parse("dlprof:backward")
    assert step is not None
    assert item is not None
    assert phase is not None
    assert step.number == 17
    assert (item.text, item.number) == ("matmul[size=50]", 12)
    assert phase.text == "backward"
    assert parse("step=17") is None
