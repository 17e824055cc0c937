"""Hosts and ranks stay apart: their devices are several, and no busy time, gap or step is of two of them."""

from __future__ import annotations

from typing import Any

from analysis_tables import events, op, step

from dlprof.analysis.trace import breakdown, details, places, steps


def kernel(
    start: float, end: float, *, rank: int | None = None, host: str | None = None, **more: Any
) -> dict[str, Any]:
    return {"level": "kernel", "device": "gpu:0", "kernel": "gemm", "start": start, "end": end, "rank": rank, "host": host,
            "track": rank or 0, **more}  # fmt: skip


def test_one_place_is_left_as_it_is() -> None:
    table = events(kernel(0, 10, rank=3, host="node0"), kernel(20, 30, rank=3, host="node0"))
    assert places.apart(table) is table
    assert breakdown.view(table, "device")["device"].to_pylist() == ["gpu:0"]


def test_the_first_gpu_of_two_hosts_is_two_devices() -> None:
    table = events(kernel(0, 100, rank=0, host="node0"), kernel(50, 150, rank=1, host="node1"))
    shown = {row["device"]: (row["busy_ns"], row["span_ns"]) for row in breakdown.view(table, "device").to_pylist()}
    assert shown == {"node0/rank0/gpu:0": (100.0, 100.0), "node1/rank1/gpu:0": (100.0, 100.0)}


def test_idle_time_of_one_rank_is_not_filled_by_another() -> None:
    table = events(kernel(0, 10, rank=0), kernel(90, 100, rank=0), kernel(10, 90, rank=1))
    found = details.detail(table, "overlap").tables["devices"].to_pylist()
    assert {(row["place"], row["device"]): row["idle_ns"] for row in found} == {
        ("rank0", "gpu:0"): 80.0,
        ("rank1", "gpu:0"): 0.0,
    }
    assert steps.explained(places.apart(table)).wall_ns == 180.0, "each rank's own span, whatever the others did"


def test_steps_are_of_a_rank_each() -> None:
    rows = []
    for rank, took in ((0, 30), (1, 90)):
        rows += [step(n, 100 * n, 100 * n + 100, rank=rank, track=rank) for n in range(2)]
        rows += [op("MatMul", 100 * n, 100 * n + took, rank=rank, track=10 + rank, step=n) for n in range(2)]
    table = events(*rows)
    shown = [(row["place"], row["step"], row["self_ns"]) for row in breakdown.view(table, "step").to_pylist()]
    assert shown == [("rank0", 0, 30.0), ("rank0", 1, 30.0), ("rank1", 0, 90.0), ("rank1", 1, 90.0)]
    found = steps.explained(places.apart(table))
    assert (found.steps, found.wall_ns, found.busy_ns) == (4, 400.0, 240.0)
