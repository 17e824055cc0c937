"""Tells the dialects of the chrome trace-event family apart from the first bytes of a file."""

from __future__ import annotations

import re
from typing import Final

_MXNET_DEVICE: Final = re.compile(rb'"name": "(?:cpu|gpu)(?:/\d+| pinned/| shared/)"')
_MXNET_EVENT: Final = re.compile(rb'\{\s*"name": "[^\n]*",\s*"cat": "[^\n]*",\s*"ph": "[BEbenC()]",\s*"ts": \d+,\s*"')
_MXNET_FOOTER: Final = re.compile(rb'\s*\],\s*"displayTimeUnit": "ms"\s*\}\s*')
_KINETO: Final = re.compile(
    rb'"(?:schemaVersion|deviceProperties|distributedInfo|baseTimeNanoseconds|traceName)"\s*:'
    rb'|"cat"\s*:\s*"(?:cpu_op|cuda_runtime|cuda_driver|hip_runtime|gpu_memcpy|gpu_memset|gpu_user_annotation|python_function'
    rb'|user_annotation|Operator|Runtime|Kernel|Memcpy|Memset|ac2g|fwdbwd)"'
    rb'|"cat"\s*:\s*"(?:mtia_\w+|privateuse1_\w+|hpu_op|xpu_runtime|xpu_driver|cuda_profiler_range)"'
    rb'|"pid"\s*:\s*"(?:CPU|CUDA|GPU|XPU|HPU) functions"|"Ascend Hardware"'
    rb'|"Trace PyTorch Profiler"|"PyTorch Profiler'
)
_TIMELINE: Final = re.compile(
    rb'"name"\s*:\s*"(?:/job:[^"]*|/(?:device:)?[cg]pu:\d+[^"]*) (?:Compute|Tensors)"', re.IGNORECASE
)
_TF_JSON: Final = re.compile(
    rb'"highres-ticks"|"name"\s*:\s*"(?:/(?:host:CPU|device:[A-Z]+:\d+)|tf_Compute[^"]*|[Hh]ost [Tt]hreads[^"]*)"'
)
_EVENTS: Final = re.compile(rb'\A\s*(?:\{.*?"traceEvents"\s*:\s*\[|\[\s*(?:\{|\]|\Z)|\{[^{]*"ph"\s*:)', re.DOTALL)
_OBJECT: Final = re.compile(rb'\s*\{\s*"(?:[^"\\]|\\.)*"\s*:')
LOOKED_AT: Final = 65_536
"""Bytes that `Source.head` gives."""


def json_kind(head: bytes) -> str | None:
    """The kind of a chrome-family trace (a key of dialects.registry.READERS), or None where it is not one.

    head: the first 64 KiB or so, decompressed. A dialect is told by what only its producer writes, most telling first.
    """
    text = head.removeprefix(b"\xef\xbb\xbf")
    if _MXNET_DEVICE.search(text) or _MXNET_EVENT.search(text) or _MXNET_FOOTER.fullmatch(text):
        return "mxnet-profile"
    if text.lstrip()[:1] not in (b"{", b"["):
        return None
    if _KINETO.search(text):
        return "kineto"
    if _TIMELINE.search(text):
        return "tf1-timeline"
    if _TF_JSON.search(text):
        return "tf-trace-json"
    if _EVENTS.search(text):
        return "chrome-trace"
    # A header longer than what was looked at hides the events; the reader says so if none come.
    return "chrome-trace" if len(head) >= LOOKED_AT and _OBJECT.match(text) else None
