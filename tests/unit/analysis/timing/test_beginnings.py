"""What comes before the timed steps of scripts: in words, against what a steady step takes."""

from __future__ import annotations

import pyarrow as pa

from dlprof import schema
from dlprof.analysis.timing import beginnings
from dlprof.manifest import Start


def _timings(**steady_ms: float) -> pa.Table:
    rows = [
        (0, side, "train_block", stage, 0, 0, i, stage == "timed" and i > 0, 2, round(2e6 * ms * factor), 0, 0)
        for side, ms in steady_ms.items()
        for stage, factor in (("warmup", 50), ("timed", 1), ("compiled", 90))
        for i in range(3)
    ]
    columns = [pa.array(list(c), f.type) for c, f in zip(zip(*rows, strict=True), schema.TIMINGS, strict=True)]
    return pa.Table.from_arrays(columns, schema=schema.TIMINGS)


def test_first_steps_are_told_as_multiples_of_a_steady_one_and_compilation_with_its_seconds() -> None:
    start = Start(
        seconds=9.0, first_step=4.0, first_call=1_000_000_000, early_ns=[20_000_000, 10_000_000], compiled=3,
        compiling=0.8, again=1, of=40,
    )  # fmt: skip
    later = Start(seconds=11.0, first_step=6.0, early_ns=[30_000_000], compiled=3, compiling=1.2, again=1, of=40)
    found = beginnings.of([{"a": start}, {"a": later}], _timings(a=10.0))["a"]
    assert found.first_step_s == (5.0, 4.0, 6.0)
    assert found.early == (2.5,)
    assert found.first_call_ns == 1e9
    assert found.statement == (
        "The first step was over 5.0 s after the start (4.0 to 6.0 s in 2 trials). Its call took 1 s, 100 steady steps. The "
        "step after it took 2.5 times as long as a steady one. 3 programs were compiled in its first 10.0 s in 1.0 s, 1 of them "
        "for further shapes. Nothing was compiled while it was timed."
    )


def test_a_first_call_of_thousands_of_steps_is_written_out() -> None:
    found = beginnings.of([{"a": Start(seconds=9.0, first_call=2_468_000_000)}], _timings(a=1.0))["a"]
    assert "Its call took 2.468 s, 2468 steady steps." in found.statement


def test_compilation_among_timed_bursts_is_told_with_what_became_of_them() -> None:
    rare = Start(seconds=1.0, compiled=1, timed=2, bursts=2, of=40, left_out=True)
    often = Start(seconds=1.0, compiled=1, timed=50, bursts=40, of=40)
    found = beginnings.of([{"a": rare, "b": often}], _timings(a=1.0, b=1.0))
    assert "2 programs were compiled in 2 of 40 timed bursts: these are left out." in found["a"].statement
    assert "50 programs were compiled in 40 of 40 timed bursts: they stay in" in found["b"].statement


def test_a_side_that_compiles_nothing_and_one_that_tells_nothing() -> None:
    found = beginnings.of([{"a": Start(seconds=1.0)}], _timings(a=1.0, b=1.0))
    assert found["a"].statement == "No compilation was seen."
    assert "b" not in found


def test_a_start_of_less_than_a_second_is_not_told_as_none() -> None:
    quick = Start(seconds=2.0, first_step=0.0231, of=40)
    later = Start(seconds=2.0, first_step=0.0443, of=40)
    found = beginnings.of([{"a": quick}, {"a": later}], _timings(a=10.0))["a"]
    assert found.statement.startswith("The first step was over 0.034 s after the start (0.023 to 0.044 s in 2 trials).")
