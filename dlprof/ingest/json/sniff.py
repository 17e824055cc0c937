"""Tells which producer wrote a chrome trace-event file, from its first bytes: by what only one of them writes."""

from __future__ import annotations

import re
from typing import Final

from dlprof.errors import TraceError
from dlprof.ingest.source import Source

_MXNET_DEVICE: Final = re.compile(rb'"name": "(?:cpu|gpu)(?:/\d+| pinned/| shared/)"')
_MXNET_EVENT: Final = re.compile(
    rb'\{\s*"name": "[^\n]{0,2048}",\s*"cat": "[^"\n]*",\s*"ph": "[BEbenC()]",\s*"ts": \d+,\s*"'
)
"""Names are bounded and categories hold no quote: else a file without line breaks is searched from each event to its end."""
_MXNET_FOOTER: Final = re.compile(rb'\s*\],\s*"displayTimeUnit": "ms"\s*\}\s*')
_KINETO: Final = re.compile(
    rb'"(?:schemaVersion|deviceProperties|distributedInfo|baseTimeNanoseconds|traceName)"\s*:'
    rb'|"cat"\s*:\s*"(?:cpu_op|cuda_runtime|cuda_driver|hip_runtime|gpu_memcpy|gpu_memset|gpu_user_annotation|python_function'
    rb'|user_annotation|Operator|Runtime|Kernel|Memcpy|Memset|ac2g|fwdbwd)"'
    rb'|"cat"\s*:\s*"(?:mtia_\w+|privateuse1_\w+|hpu_op|xpu_runtime|xpu_driver|cuda_profiler_range)"'
    rb'|"pid"\s*:\s*"(?:CPU|CUDA|GPU|XPU|HPU) functions"|"Ascend Hardware"'
    rb'|"Trace PyTorch Profiler"|"PyTorch Profiler'
)
_OWN: Final = re.compile(rb'"exporter"\s*:\s*"dlprof"[^{}]*"content"\s*:\s*"capture"')
_TIMELINE: Final = re.compile(
    rb'"name"\s*:\s*"(?:/job:[^"]*|/(?:device:)?[cg]pu:\d+[^"]*) (?:Compute|Tensors)"', re.IGNORECASE
)
_TF_JSON: Final = re.compile(
    rb'"highres-ticks"|"name"\s*:\s*"(?:/(?:host:CPU|device:[A-Z]+:\d+)|tf_Compute[^"]*|[Hh]ost [Tt]hreads[^"]*)"'
)
_EVENTS: Final = re.compile(rb'\A\s*(?:\{.*?"traceEvents"\s*:\s*\[|\[\s*(?:\{|\]|\Z)|\{[^{]*"ph"\s*:)', re.DOTALL)
_OBJECT: Final = re.compile(rb'\s*\{\s*"(?:[^"\\]|\\.)*"\s*:')
_BOM: Final = b"\xef\xbb\xbf"
_JSON_STARTS: Final = frozenset(b"{[,]}\xef \t\r\n")
_TABLE: Final = re.compile(
    rb'\s*\{\s*"schema_version"\s*:\s*\d+,\s*"kind"\s*:\s*"(?:events|detail|view|comparison|study)"'
)
_OWN_HEAD: Final = 4096
LOOKED_AT: Final = 65_536
"""Bytes that `Source.head` gives."""


def is_mxnet(head: bytes) -> bool:
    """MXNet's profiler writes its lines in one fixed form, and may leave off anywhere."""
    if not head or head[0] not in _JSON_STARTS:
        return False
    text = head.removeprefix(_BOM)
    return bool(_MXNET_DEVICE.search(text) or _MXNET_EVENT.search(text) or _MXNET_FOOTER.fullmatch(text))


def is_own(head: bytes) -> bool:
    """A capture that dlprof exported."""
    return _is_json(head) and bool(_OWN.search(head[:_OWN_HEAD]))


def is_kineto(head: bytes) -> bool:
    """PyTorch: keys of its header, or its categories."""
    return _is_json(head) and bool(_KINETO.search(head))


def is_timeline(head: bytes) -> bool:
    """TensorFlow 1's Timeline names its processes after devices."""
    return _is_json(head) and bool(_TIMELINE.search(head))


def is_tf_json(head: bytes) -> bool:
    """TensorBoard's profile plugin, and TensorFlow's own threads."""
    return _is_json(head) and bool(_TF_JSON.search(head))


def is_chrome(head: bytes) -> bool:
    """Any JSON that may hold trace events."""
    if not _is_json(head):
        return False
    text = head.removeprefix(_BOM)
    # A header longer than what was looked at hides the events; the reader says so if none come.
    return bool(_EVENTS.search(text)) or (len(head) >= LOOKED_AT and bool(_OBJECT.match(text)))


def check_no_table(source: Source) -> None:
    """Raises `TraceError` for a table that dlprof exported as JSON, which is no trace."""
    if _TABLE.match(source.head(_OWN_HEAD)):
        raise TraceError(
            f"{source.label}: a table that dlprof exported as JSON, not a trace",
            hint="read the capture itself, or export it with --to chrome, which can be read back",
        )


def _is_json(head: bytes) -> bool:
    return head.removeprefix(_BOM).lstrip()[:1] in (b"{", b"[")
