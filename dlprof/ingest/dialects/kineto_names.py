"""What PyTorch's names mean beyond the vocabulary's own: autograd nodes, wrappers, collectives, modules, spans, Triton."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from dlprof.names import Marker, is_marker
from dlprof.plugin import Operator, Vocabulary

ANNOTATION: Final = "user_annotation: "
"""Set before the name of a user annotation when it is looked up: the same text may also be an operator's."""
_EVALUATE: Final = "autograd::engine::evaluate_function: "
_MODULE: Final = "nn.Module: "
_BACKWARD: Final = re.compile(r"(\w+Backward)\d+")
_CUSTOM_BACKWARD: Final = re.compile(r"\w+Backward\d*")
"""A gradient of the user's own, or of a compiled function: its operator is nobody's, its phase is plain."""
_NUMBERED: Final = re.compile(r"(Torch-Compiled Region).*")
_MARKER: Final = re.compile(r"(?:ProfilerStep|Optimizer\.\w+|enumerate\(\w+\))#.*")
_KERAS: Final = re.compile(
    r"(?:.*[/\\])?keras[/\\]src[/\\](?:(?P<optimizer>optimizers)|losses)[/\\]\w+\.py\(\d+\): "
    r"(?(optimizer)apply(?:_gradients)?|__call__)"
)
"""Frames of Keras that call its optimizer or its loss: on PyTorch its optimizers are none of PyTorch's, whose steps it marks."""
_WRAPPER: Final = re.compile(
    r"(?:DistributedDataParallel|FullyShardedDataParallel|FSDP)(?:::|\.)(?P<what>\w+)(?: .*)?", re.DOTALL
)
"""A span of torch.distributed's wrappers around the user's model: what it does there, and no layer of the model."""
_FUSED_KERNEL: Final = re.compile(r"(?:triton_[a-z]+|(?:graph_\d+_)?cpp)_fused_(\w+?)_\d+(?:d.*)?")
_HIERARCHY: Final = re.compile(r"(?:^|\.)([^.()]+)\([^()]*\)::")
_NUMBER: Final = re.compile(r"\d+")
FUSED: Final = "Fused"
_LONGEST_OP: Final = 16
"""Words of an operator's name in a kernel's at most: `scaled_dot_product_flash_attention_for_cpu` has 8."""

_PHASES: Final = {
    "forward": "forward",
    "forward pass": "forward",
    "loss": "loss",
    "compute_loss": "loss",
    "backward": "backward",
    "backward pass": "backward",
    "optimizer": "optimizer",
    "optimizer_step": "optimizer",
    "optimizer step": "optimizer",
    "zero_grad": "optimizer",
    "data": "input",
    "dataloader": "input",
    "data_loading": "input",
}
"""What users call the spans of a training step (record_function), lower case, without #, : and spaces around → phase."""

_COLLECTIVE: Final = re.compile(
    r"(?:nccl|rccl|gloo|mpi|ucc|xccl|oneccl|hccl|hcom|c10d|_c10d_functional|c10d_functional|ccl)(?:::|:|_)\w.*"
    r"|(?:nccl|rccl|mscclKernel|oneccl|hcom_)\w*.*|record_param_comms.*|.*\bccl::\w.*"
    r"|(?:void )?(?:\w+::)*(?:nvshmem|deep_ep::|cross_device_reduce_|(?:one|two)_?shot_all_?reduce)\w*.*"
    r"|(?:void )?(?:\w+::)*multimem_\w*(?:reduce|gather)\w*.*",
    re.IGNORECASE | re.DOTALL,
)
"""Operators, annotations and kernels of NCCL, RCCL, oneCCL, gloo, MPI, UCC, HCCL and torch.distributed; and of what goes past
them: NVSHMEM, DeepEP, symmetric memory, the all-reduce of vLLM and SGLang."""
_WHAT: Final = (
    ("crossdevicereduce", "AllReduce"),
    ("deepep::", "AllToAll"),
    ("allreduce", "AllReduce"),
    ("reducescatter", "ReduceScatter"),
    ("allgather", "AllGather"),
    ("alltoall", "AllToAll"),
    ("broadcast", "Broadcast"),
    ("sendrecv", "SendRecv"),
    ("barrier", "Barrier"),
    ("scatter", "Scatter"),
    ("gather", "Gather"),
    ("reduce", "Reduce"),
    ("send", "Send"),
    ("recv", "Recv"),
)
"""Part of a collective's name, lower case without `_` → canonical operator; the first that is in it."""
COMMUNICATION: Final = "Communication"
"""Canonical operator of a collective whose name does not tell which it is."""


def operator(name: str, vocabulary: Vocabulary) -> Operator | None:
    """The meaning of a name; None = unknown."""
    if name.startswith(ANNOTATION):
        return _annotation(name.removeprefix(ANNOTATION))
    found = vocabulary.get(name)
    if found is not None:
        return found
    if name.startswith(_EVALUATE):
        inner = operator(name.removeprefix(_EVALUATE), vocabulary)
        # The engine's frame around a node, which is an event of its own inside: whatever runs there is backward.
        return replace(inner, phase="backward", calls=0) if inner else Operator("", phase="backward", calls=0)
    if name.startswith(_MODULE):
        return Operator("", phase="forward", level="api", layer=name.removeprefix(_MODULE))
    if (match := _BACKWARD.fullmatch(name) or _NUMBERED.fullmatch(name)) and match[1] in vocabulary:
        return vocabulary[match[1]]
    if _MARKER.fullmatch(name):
        return _span(name)
    if (wrapped := _wrapper(name)) is not None:
        return wrapped
    if keras := _KERAS.fullmatch(name):
        return Operator("", phase="optimizer" if keras["optimizer"] else "loss", level="api")
    if name in _COPIES:
        return Operator(_COPIES[name], phase="transfer", level="copy")
    if _COLLECTIVE.fullmatch(name):
        return Operator(collective(name), phase="communication")
    return _fused(name, vocabulary) or (Operator("", phase="backward") if _CUSTOM_BACKWARD.fullmatch(name) else None)


_COPIES: Final = {"gpu_memcpy": "Copy", "gpu_memset": "Memset"}
"""Category of a copy → canonical operator: a memset is none of the operator that called for it."""


def _span(name: str) -> Operator:
    """A span that PyTorch itself marks: a step, an optimizer's step or zero_grad, the next batch of a data loader."""
    phase = "optimizer" if name.startswith("Optimizer.") else "input" if name.startswith("enumerate(") else None
    return Operator("", phase=phase, level="marker")


def _annotation(name: str) -> Operator:
    """A user annotation: dlprof's own, one of PyTorch's, a phase by its usual name, else a part of the model."""
    own = Marker.parse(name) if is_marker(name) else None
    if own is not None:
        return Operator("", phase=own.text if own.kind == "phase" else None, level="marker")
    if _MARKER.fullmatch(name):
        return _span(name)
    if _COLLECTIVE.fullmatch(name):
        return Operator("", phase="communication", level="marker")
    phase = _PHASES.get(name.strip(" #:").lower())
    if phase is not None:
        return Operator("", phase=phase, level="marker")
    return _wrapper(name) or Operator("", level="marker", layer=name)


def _wrapper(name: str) -> Operator | None:
    """What a wrapper of the user's model does around it: its forward, or what follows a backward."""
    match = _WRAPPER.fullmatch(name)
    if match is None:
        return None
    phase = next((word for word in ("backward", "forward") if word in match["what"]), None)
    return Operator("", phase=phase, level="marker")


def collective(name: str) -> str:
    """The canonical operator of a collective: `ncclDevKernel_AllReduce_Sum_f32_RING_LL` → AllReduce."""
    plain = name.replace("_", "").replace("-", "").lower()
    return next((canonical for part, canonical in _WHAT if part in plain), COMMUNICATION)


def module_path(hierarchy: str | None) -> str | None:
    """The layer in a module hierarchy: `TOP(Net)::forward.head(Sequential)::forward.1(Linear)::forward.` → head/1."""
    parts = [part for part in _HIERARCHY.findall(hierarchy or "") if part not in ("TOP", "SELF")]
    return "/".join(parts) or None


def last_number(text: str) -> int:
    """The last number in a text, 0 where there is none: `[TP1] 3` → 3."""
    found = _NUMBER.findall(text)
    return int(found[-1]) if found and len(found[-1]) < 10 else 0


def _fused(name: str, vocabulary: Vocabulary) -> Operator | None:
    """TorchInductor's `triton_poi_fused_add_cos_sin_0`, on a CPU `graph_0_cpp_fused_add_cos_sin_0`: one kernel for add, cos and
    sin. Words that are no operator are not guessed."""
    match = _FUSED_KERNEL.fullmatch(name)
    if match is None:
        return None
    fuses, words = [], match[1].split("_")
    while words:
        for size in range(min(len(words), _LONGEST_OP), 0, -1):
            part = "_".join(words[:size])
            known = all(f"aten::{word}" in vocabulary for word in words[:size])  # add_relu: both, not aten::_add_relu
            found = vocabulary.get(f"aten::{part}") or (None if known else vocabulary.get(f"aten::_{part}"))
            if found is not None:
                fuses.append(found.op)
                break
        words = words[size:]
    return Operator(FUSED, fuses=tuple(fuses))
