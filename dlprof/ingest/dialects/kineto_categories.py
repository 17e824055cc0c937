"""The categories that Kineto and its back ends write, as a table: what level each has, and whether it ran on an accelerator.

A back end of a new accelerator is one line here. A category that is not here is counted with its time (`unknown_category`).
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Place = Literal["host", "device", "told"]


class Category(msgspec.Struct, frozen=True):
    """What the events of one Kineto category are.

    level: one of schema.LEVELS
    place: where they ran: device, host, or told (on the device that their arguments name, else on the host)
    family: word before the device's number (gpu:0)
    lookup: what the vocabulary is asked for instead of the event's name, where the category alone tells the operator
    origin: kineto, ascend (msprof's trace view) or legacy (the legacy autograd profiler)
    launches: of calls, whether the correlation id is that of what they launched (a tool's or a frame's is not)
    """

    level: str
    place: Place = "host"
    family: str = "gpu"
    lookup: str | None = None
    launches: bool = True
    origin: Literal["kineto", "ascend", "legacy"] = "kineto"


_OPERATOR: Final = Category("op")
_CALL: Final = Category("api")
FRAME: Final = Category("api", launches=False)
"""A function of Python, by file, line and name."""
_OVERHEAD: Final = Category("api", launches=False)
_MARKER: Final = Category("marker")
ANNOTATION: Final = Category("marker")
"""A span that the user (record_function) or PyTorch itself (steps, optimizers, collectives) named."""
_KERNEL: Final = Category("kernel", "device")
_COPY: Final = Category("copy", "device", lookup="gpu_memcpy")
_FILL: Final = Category("copy", "device", lookup="gpu_memset")
_RANGE: Final = Category("marker", "device")
_SYNC: Final = Category("sync", "device")

CATEGORIES: Final = {
    # any back end
    "cpu_op": _OPERATOR,
    "user_annotation": ANNOTATION,
    "cpu_instant_event": _MARKER,
    "python_function": FRAME,
    "overhead": _OVERHEAD,
    "Trace": _MARKER,
    "collective_comm": Category("kernel", "told"),
    # CUDA, ROCm and Intel GPUs
    "kernel": _KERNEL,
    "gpu_memcpy": _COPY,
    "gpu_memset": _FILL,
    "gpu_user_annotation": _RANGE,
    "cuda_profiler_range": _RANGE,
    "cuda_sync": _SYNC,
    "hip_sync": _SYNC,
    "xpu_sync": Category("sync", "told"),
    "cuda_runtime": _CALL,
    "cuda_driver": _CALL,
    "hip_runtime": _CALL,
    "hip_driver": _CALL,
    "xpu_runtime": _CALL,
    "xpu_driver": _CALL,
    # 2020 and 2021
    "Operator": _OPERATOR,
    "operator": _OPERATOR,
    "Kernel": _KERNEL,
    "Memcpy": _COPY,
    "Memset": _FILL,
    "Runtime": _CALL,
    # other accelerators
    "mtia_ccp_events": Category("kernel", "device", "mtia"),
    "mtia_runtime": _CALL,
    "mtia_workloadd": _CALL,
    "mtia_insight": Category("marker", "told", "mtia"),
    "mtia_counters": Category("counter", "told", "mtia"),
    "hpu_op": Category("kernel", "device", "hpu"),
    # What a private back end calls its driver's record is the device's time where it names the device (AWS Neuron), else
    # the call of a driver, as of CUDA.
    "privateuse1_driver": Category("kernel", "told", "privateuse1"),
    "privateuse1_runtime": _CALL,
    "glow_runtime": _CALL,
}

MEMORY_DEVICES: Final = {
    0: "cpu",
    1: "gpu",
    6: "gpu",
    7: "fpga",
    8: "maia",
    9: "xla",
    10: "vulkan",
    11: "metal",
    12: "gpu",
    13: "mps",
    14: "meta",
    15: "hpu",
    16: "ve",
    17: "lazy",
    18: "ipu",
    19: "mtia",
    20: "privateuse1",
}
"""c10::DeviceType, as `[memory]` events have it, → word before the device's number, which is that of its kernels: CUDA's (1),
HIP's (6) and Intel's (12) are `gpu`, for the category `kernel` does not tell them apart."""

LEGACY: Final = {
    "CPU functions": Category("op", origin="legacy"),
    "CUDA functions": Category("kernel", "device", origin="legacy"),
    "GPU functions": Category("kernel", "device", origin="legacy"),
    "XPU functions": Category("kernel", "device", origin="legacy"),
    "HPU functions": Category("kernel", "device", "hpu", origin="legacy"),
}
"""Process ids of the legacy autograd profiler's export → what its events, which have no category, are; `tid` is the device."""
