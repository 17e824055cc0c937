"""Kineto traces of the ranks of a small job, with known times, clocks and delays (µs); and the job that their summaries make."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

EPOCH = 1_700_000_000_000_000


def trace(
    rank: int,
    compute: Callable[[int], float],
    ends: Callable[[int], float],
    *,
    world: int,
    steps: int,
    ahead: float = 0.0,
    host: str | None = None,
    wall: float = 1000.0,
    launch: float = 10.0,
) -> dict[str, Any]:
    """A rank that computes compute(step), then is in an all-reduce until ends(step) after the step began.

    ahead: of its clock. Each step begins `wall` after the one before."""
    events: list[dict[str, Any]] = []
    pid, at = 100 + rank, 0

    def add(cat: str, name: str, ts: float, dur: float, pid: int, tid: int, **args: Any) -> None:
        events.append(
            {
                "ph": "X",
                "cat": cat,
                "name": name,
                "pid": pid,
                "tid": tid,
                "ts": EPOCH + ahead + ts,
                "dur": dur,
                "args": args,
            }
        )

    for step in range(steps):
        start = step * wall
        add("user_annotation", f"ProfilerStep#{step}", start, wall, pid, 1)
        arrival = launch + compute(step)
        for name, begin, end in (
            ("gemm", launch, arrival),
            ("ncclDevKernel_AllReduce_Sum_f32_RING_LL", arrival, ends(step)),
        ):
            at += 1
            op = "aten::mm" if name == "gemm" else "nccl:all_reduce"
            more = {} if name == "gemm" else {"In msg nelems": 1000, "dtype": "Float", "Process Group Name": "0"}
            add("cpu_op", op, start + at % 2, 0.5, pid, 1, **{"External id": at})
            add(
                "cuda_runtime",
                "cudaLaunchKernel",
                start + at % 2,
                0.25,
                pid,
                1,
                **{"External id": at, "correlation": at},
            )
            add(
                "kernel", name, start + begin, end - begin, 0, 7,
                **{"External id": at, "device": 0, "stream": 7, "correlation": at, **more},
            )  # fmt: skip
    head: dict[str, Any] = {"schemaVersion": 1, "deviceProperties": [{"id": 0, "name": "X"}]}
    head["distributedInfo"] = {"backend": "nccl", "rank": rank, "world_size": world}
    if host is not None:
        head["host_name"] = host
    return {**head, "traceEvents": events}


def job(
    folder: Path,
    delays: Callable[[int, int], float],
    *,
    ranks: int = 4,
    steps: int = 12,
    transfer: float = 40.0,
    wall: float = 1000.0,
    aheads: tuple[float, ...] = (),
    hosts: tuple[str | None, ...] = (),
) -> Path:
    """A folder with a trace per rank: each computes 300 µs and delays(rank, step), then all reduce in `transfer`."""
    folder.mkdir(parents=True, exist_ok=True)
    for rank in range(ranks):

        def ends(step: int) -> float:
            return 10 + max(300 + delays(one, step) for one in range(ranks)) + transfer

        found = trace(
            rank,
            lambda step, rank=rank: 300 + delays(rank, step),  # type: ignore[misc]
            ends,
            world=ranks,
            steps=steps,
            ahead=aheads[rank] if aheads else 0.0,
            wall=wall,
            host=hosts[rank] if hosts else None,
        )
        (folder / f"rank{rank}.json").write_text(json.dumps(found))
    return folder
