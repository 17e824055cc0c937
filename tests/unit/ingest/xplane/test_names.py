"""Names of planes, lines, host events and XLA instructions: what they tell."""

from __future__ import annotations

import numpy as np
import pytest

from dlprof.ingest.xplane.event_names import EventNames, places
from dlprof.ingest.xplane.hlo_names import hlo_operator, instruction
from dlprof.ingest.xplane.plane_names import annotation, device, dtype, host_op, is_copy, is_derived
from dlprof.plugin import Operator


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


@pytest.mark.parametrize("ids", [[0, 1, 5], [3], [7, 20_000], [-4, 2], []])
def test_ids_are_found_among_few_and_many(ids: list[int]) -> None:
    none = np.zeros(0, dtype=np.int32)
    known = np.array(ids, dtype=np.int64)
    names = EventNames(known, places(known), *[none] * 4, none.astype(np.int8), *[None] * 2, none > 0, none, False)  # type: ignore[arg-type]
    asked = [*ids, -(2**63), -5, -1, 0, 1, 2, 4, 6, 8, 19_999, 20_001, 2**63 - 2, 2**63 - 1]
    at, there = names.rows(np.array(asked))
    assert at.tolist() == [ids.index(one) if one in ids else len(ids) for one in asked]
    assert there.tolist() == [one in ids for one in asked]
