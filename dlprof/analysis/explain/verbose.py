"""Reads what oneDNN prints of itself (DNNL_VERBOSE, MKLDNN_VERBOSE, ONEDNN_VERBOSE): text in, a table of primitives
out.

Three generations of the format are read, told apart by their marker and number of fields (oneDNN's verbose-mode
pages):

    mkldnn_verbose,exec,PRIMITIVE,IMPLEMENTATION,PROP,FORMATS,AUX,PROBLEM,MS                            (0.x)
    dnnl_verbose,exec,ENGINE,PRIMITIVE,IMPLEMENTATION,PROP,DESCRIPTORS,[ATTRIBUTES,]AUX,PROBLEM,MS      (1.x, 2.x)
    onednn_verbose,v1,primitive,exec,ENGINE,…as above…                                                  (3.x)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa

from dlprof.units import NS_PER_MS

_MARKER: Final = re.compile(r"(?:mkldnn|dnnl|onednn)_verbose,")
_ENGINES: Final = ("cpu", "gpu")
_FIELDS: Final = ("primitive", "implementation", "prop", "descriptors", "attributes", "auxiliary", "problem")

_COLUMNS: Final[tuple[tuple[str, pa.DataType], ...]] = (
    *((name, pa.string()) for name in _FIELDS),
    ("layouts", pa.string()),
    ("ns", pa.float64()),
)
TABLE: Final = pa.schema(_COLUMNS)
"""primitive (convolution), implementation (jit:avx512_core, x64:gemm:jit, ref:any), prop (forward_training, …),
descriptors (as printed), attributes, auxiliary (algorithm), problem (dimensions, benchdnn's notation), layouts
(tensor:format of each descriptor, types and flags left out), ns (time of this execution; oneDNN prints ms)."""


@dataclass(frozen=True, slots=True)
class Verbose:
    """What oneDNN printed in one process (ONEDNN_VERBOSE).

    primitives: TABLE, one row per execution, in order
    version, isa, runtime: as printed; None where not
    threads: where printed (3.x on a thread pool)
    created: how many creations of primitives were printed (level 2)
    unread: lines that are neither information nor a primitive of a known shape
    """

    primitives: pa.Table
    version: str | None
    isa: str | None
    runtime: str | None
    threads: int | None
    created: int
    unread: int

    @property
    def silent(self) -> bool:
        """Whether nothing was printed: this build has no oneDNN, or one that does not speak (tf 2.1.0)."""
        return self.version is None and not self.primitives.num_rows and not self.unread


@dataclass(slots=True)
class _Reading:
    info: dict[str, str] = field(default_factory=dict)
    rows: list[Mapping[str, object]] = field(default_factory=list)
    created: int = 0
    unread: int = 0


def parse(lines: Iterable[str]) -> Verbose:
    """Read the verbose lines among others (a child's standard output and error, in any order). Never raises on content."""
    reading = _Reading()
    for line in lines:
        match = _MARKER.search(line)
        if match:
            _read(line[match.end() :].rstrip("\r\n").split(","), reading)
    threads = re.search(r"nthr:(\d+)", reading.info.get("runtime", ""))
    return Verbose(
        primitives=pa.Table.from_pylist(list(reading.rows), TABLE),
        version=reading.info.get("version"),
        isa=reading.info.get("isa"),
        runtime=reading.info.get("runtime"),
        threads=int(threads.group(1)) if threads else None,
        created=reading.created,
        unread=reading.unread,
    )


def _read(parts: list[str], reading: _Reading) -> None:
    # v1 names the format's version, a number is a time stamp, `primitive` the component: none of them is a field.
    while parts and (re.fullmatch(r"v\d+|[\d.]+", parts[0]) or parts[0] in ("primitive", "graph")):
        parts = parts[1:]
    kind = parts[0] if parts else ""
    if kind == "info":
        _information(parts[1:], reading.info)
    elif kind.startswith("create"):
        reading.created += 1
    elif kind == "exec":
        row = _execution(parts[1:])
        if row is None:
            reading.unread += 1
        else:
            reading.rows.append(row)
    else:
        reading.unread += 1


def _information(parts: list[str], info: dict[str, str]) -> None:
    text = ",".join(parts)
    if re.match(r"(oneDNN|DNNL|Intel MKL-DNN|MKL-DNN) v", text):
        info.setdefault("version", text)
    elif text.startswith(("cpu,", "Detected ISA")):
        for name, pattern in (("isa", r"(?:isa:|Detected ISA is )(.*)"), ("runtime", r"runtime:(.*)")):
            match = re.search(pattern, text)
            if match:
                info.setdefault(name, match.group(1))


def _execution(parts: list[str]) -> Mapping[str, object] | None:
    if parts and parts[0].startswith(_ENGINES):
        parts = parts[1:]
    if len(parts) == 7:  # no field of attributes before 1.3
        parts = [*parts[:4], "", *parts[4:]]
    if len(parts) != 8:
        return None
    try:
        milliseconds = float(parts[7])
    except ValueError:
        return None
    named: dict[str, object] = dict(zip(_FIELDS, parts[:7], strict=True))
    return {**named, "layouts": _layouts(parts[3]), "ns": milliseconds * NS_PER_MS}


def _layouts(descriptors: str) -> str:
    """`src:abcd wei:Acdb16a` from any generation's descriptors."""
    found = []
    for part in descriptors.split():
        tensor = re.match(r"[a-z]+", part)
        layout = re.search(r"(?:blocked|wino|packed|rnn_packed):+([A-Za-z0-9]+)", part) or re.fullmatch(
            r"f?[a-z]+:(\w+)", part
        )
        if tensor and layout and layout.group(1) != "undef":
            found.append(f"{tensor.group()}:{layout.group(1)}")
    return " ".join(found)
