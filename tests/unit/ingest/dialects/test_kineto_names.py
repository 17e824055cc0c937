"""What names of PyTorch's profiler mean: kernels of TorchInductor, dlprof's own markers, layers, lines of the program."""

from __future__ import annotations

import pytest

from dlprof import frameworks
from dlprof.ingest.dialects import kineto_frames, kineto_names
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
        ("DistributedDataParallel.forward", "forward", None),
        ("FullyShardedDataParallel._pre_backward_hook", "backward", None),
        ("FSDP::all_gather_copy_out (layers.3)", None, None),
        ("FSDP::post_backward_reduce (layers.3)", "backward", None),
    ],
)
def test_a_marker_of_dlprof_or_of_a_wrapper_is_no_part_of_the_model(
    name: str, phase: str | None, layer: str | None
) -> None:
    found = kineto_names.operator(ANNOTATION + name, VOCABULARY)
    assert found is not None
    assert (found.level, found.phase, found.layer) == ("marker", phase, layer)


@pytest.mark.parametrize(
    ("frame", "phase"),
    [
        ("keras/src/optimizers/base_optimizer.py(466): apply", "optimizer"),
        ("/env/lib/python3.11/site-packages/keras/src/optimizers/base_optimizer.py(382): apply_gradients", "optimizer"),
        ("keras/src/optimizers/base_optimizer.py(691): scale_loss", None),
        ("keras/src/losses/loss.py(56): __call__", "loss"),
        ("my/keras_src/optimizers/adam.py(3): apply", None),
    ],
)
def test_what_runs_in_a_frame_of_kerass_optimizer_or_loss_has_its_phase(frame: str, phase: str | None) -> None:
    found = kineto_names.operator(frame, VOCABULARY)
    assert (found and found.phase) == phase


@pytest.mark.parametrize(
    ("frame", "line"),
    [
        ("model.py(42): forward", "model.py:42"),
        ("/home/me/my (copy)/model.py(42): forward", "/home/me/my (copy)/model.py:42"),
        ("<ipython-input-3-ab>(5): step", "<ipython-input-3-ab>:5"),
        ("torchvision/models/resnet.py(128): forward", "torchvision/models/resnet.py:128"),
        ("/env/lib/python3.7/site-packages/torchvision/ops.py(1): f", "torchvision/ops.py:1"),
        ("/home/me/torch_experiments/run.py(1): <module>", "/home/me/torch_experiments/run.py:1"),
        ("torch/nn/modules/module.py(1773): _wrapped_call_impl", None),
        ("/env/lib/python3.7/site-packages/torch/profiler/profiler.py(312): step", None),
        ("/usr/lib/python3.11/threading.py(975): run", None),
        ("contextlib.py(79): inner", None),
        ("<frozen importlib._bootstrap>(241): _call_with_frames_removed", None),
        ("<built-in method view of Tensor object at 0x74956e4de0d0>", None),
        ("nn.Module: Linear_0", None),
        ("...", None),
    ],
)
def test_a_frame_is_a_line_of_the_program_unless_pytorch_or_python_wrote_it(frame: str, line: str | None) -> None:
    assert kineto_frames.line(frame) == line


def test_a_call_stack_without_a_frame_of_the_program_tells_no_line() -> None:
    assert kineto_frames.called_from("torch/nn/functional.py(3): f;<built-in function conv2d>") is None


@pytest.mark.parametrize(
    ("name", "op", "phase"),
    [
        ("aten::new_empty_strided", "new_empty_strided", "bookkeeping"),
        ("aten::divide", "Div", None),
        ("aten::divide_", "Div", None),
        ("aten::_foreach_neg_", "Neg", None),
        ("aten::square", "Square", None),
        ("aten::avg_pool3d_backward", "AveragePool", "backward"),
        ("aten::huber_loss", "HuberLoss", "loss"),
        ("aten::huber_loss_backward", "HuberLoss", "backward"),
        ("AvgPool3DBackward0", "AveragePool", "backward"),
        ("HuberLossBackward0", "HuberLoss", "backward"),
        ("aten::slice_backward", "Slice", "backward"),
        ("aten::digamma", "Digamma", None),
    ],
)
def test_less_common_operators_have_the_name_that_others_give_them(name: str, op: str, phase: str | None) -> None:
    found = kineto_names.operator(name, VOCABULARY)
    assert found is not None
    assert (found.op, found.phase) == (op, phase)
