"""Writes small PyTorch (Kineto) traces: a host thread, a stream, and what launched what. Times in µs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

BASE = 1_700_000_000_000_000.0
"""Start of the traces, µs of the Unix epoch, as PyTorch writes it."""


def event(category: str, name: str, start: float, length: float, *, pid: Any = 100, tid: Any = 1, **args: Any) -> Any:
    return {"ph": "X", "cat": category, "name": name, "pid": pid, "tid": tid, "ts": BASE + start, "dur": length,
            "args": args}  # fmt: skip


def launched(
    op: str, kernels: list[tuple[str, float, float]], *, at: float, length: float = 10, first: int = 1, device: int = 0,
    category: str = "kernel",
) -> list[Any]:  # fmt: skip
    """An operator and the kernels (name, start, length) that it launches, one call each. first: id of the first of them."""
    rows = [event("cpu_op", op, at, length, **{"External id": first})]
    for number, (name, start, took) in enumerate(kernels, start=first):
        ids = {"External id": first, "correlation": number}
        rows.append(event("cuda_runtime", "cudaLaunchKernel", at + 1, 1, **ids))
        rows.append(event(category, name, start, took, pid=device, tid=7, device=device, stream=7, **ids))
    return rows


def step(number: int, start: float, length: float) -> Any:
    return event("user_annotation", f"ProfilerStep#{number}", start, length)


def write(path: Path, *rows: Any, **head: Any) -> Path:
    """One trace file; rows are events or lists of them."""
    flat = [one for row in rows for one in (row if isinstance(row, list) else [row])]
    whole = {"schemaVersion": 1, "deviceProperties": [{"id": 0, "name": "H100"}], **head, "traceEvents": flat}
    path.write_text(json.dumps(whole))
    return path
