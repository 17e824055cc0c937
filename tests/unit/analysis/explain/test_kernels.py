"""The kernels of two traces side by side, each by its name as recorded."""

from __future__ import annotations

from typing import Any

from analysis_tables import events, op, step

from dlprof.analysis.explain import kernels


def kernel(name: str, start: float, end: float, **more: Any) -> dict[str, Any]:
    return {"level": "kernel", "device": "gpu:0", "track": 1, "kernel": name, "start": start, "end": end, **more}


def test_kernels_are_added_gone_more_or_less_often_per_step() -> None:
    a = kernels.of_window(events(
        step(0, 0, 100), step(1, 100, 200),
        *(kernel("gemm", at, at + 10, step=at // 100) for at in (0, 100)),
        *(kernel("relu", at, at + 1, step=at // 100) for at in (20, 30, 120, 130)),
        kernel("old", 50, 55, step=0), kernel("old", 150, 155, step=1),
    ))  # fmt: skip
    b = kernels.of_window(events(
        step(0, 0, 100), kernel("gemm", 0, 8, step=0), kernel("relu", 20, 21, step=0), kernel("new", 30, 60, step=0)
    ))  # fmt: skip
    found = {
        row.kernel: (row.change, row.a_ns, row.b_ns, row.a_count, row.b_count)
        for row in kernels.build([a], [b], (2, 1))
    }
    assert found == {
        "new": ("added", 0.0, 30.0, 0, 1),
        "old": ("gone", 5.0, 0.0, 1, 0),
        "gemm": ("same", 10.0, 8.0, 1, 1),
        "relu": ("less", 2.0, 1.0, 2, 1),
    }


def test_a_kernel_names_the_operators_that_it_ran_for() -> None:
    a = kernels.of_window(events(
        {"level": "op", "device": "host", "op": "Gemm", "start": 0, "end": 5},
        {"level": "op", "device": "host", "op": "Conv", "start": 5, "end": 10},
        kernel("sgemm", 20, 30, launch=0),
        kernel("sgemm", 30, 40, launch=1),
    ))  # fmt: skip
    (row,) = kernels.build([a], [a])
    assert (row.kernel, row.change, row.ops, row.delta_ns) == ("sgemm", "same", ("Gemm", "Conv"), 0.0)


def test_traces_of_a_cpu_have_no_kernels() -> None:
    none = kernels.of_window(events(op("Conv", 0, 10)))
    assert kernels.build([none], [none]) == ()
