"""What names of PyTorch's profiler mean: kernels of TorchInductor, dlprof's own markers, layers."""

from __future__ import annotations

import pytest

from dlprof import frameworks
from dlprof.ingest.dialects import kineto_names
from dlprof.ingest.dialects.kineto_names import ANNOTATION

VOCABULARY = frameworks.vocabularies()["pytorch"]


@pytest.mark.parametrize(
    "name",
    ["triton_poi_fused_add_relu_0", "graph_0_cpp_fused_add_relu_0", "cpp_fused_add_relu_12", "cpp_fused_add_relu_1d"],
)
def test_a_kernel_of_torchinductor_is_what_it_fuses_on_a_cpu_too(name: str) -> None:
    found = kineto_names.operator(name, VOCABULARY)
    assert found is not None
    assert (found.op, found.fuses) == ("Fused", ("Add", "Relu"))


@pytest.mark.parametrize(
    ("name", "phase", "layer"),
    [
        ("dlprof:forward", "forward", None),
        ("dlprof:backward", "backward", None),
        ("dlprof:step=3", None, None),
        ("dlprof:sync", None, None),
        ("conv1", None, "conv1"),
    ],
)
def test_a_marker_of_dlprofs_own_is_no_part_of_the_model(name: str, phase: str | None, layer: str | None) -> None:
    found = kineto_names.operator(ANNOTATION + name, VOCABULARY)
    assert found is not None
    assert (found.level, found.phase, found.layer) == ("marker", phase, layer)
