"""Steps of an XPlane: markers with a number (StepTraceAnnotation), devices' own steps, what a step launched for later."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from reading import read
from xspace_bytes import PlaneBytes, space

from dlprof import frameworks
from dlprof.analysis.trace import steps

NS = 1000
LAUNCH = "CommonPjRtLoadedExecutable::ExecuteHelperOnSingleDevice"


def run(folder: Path, *planes: PlaneBytes, start_ns: int | None = None) -> Any:
    (folder / "t.xplane.pb").write_bytes(space(*planes, start_ns=start_ns))
    return read(folder / "t.xplane.pb", frameworks.vocabularies())[0]


def python(*events: tuple[str, int, int, dict[str, object]]) -> PlaneBytes:
    host = PlaneBytes("/host:CPU")
    host.line("python", [host.event(name, start * NS, time * NS, **stats) for name, start, time, stats in events])
    return host


def by_name(table: Any) -> dict[str, Any]:
    return {row["name"]: row["step"] for row in table.to_pylist() if row["level"] != "marker"}


def test_a_marker_with_a_number_of_its_own_is_a_step_whatever_its_name(tmp_path: Path) -> None:
    host = python(("train", 0, 100, {"step_num": 7}), ("Eval", 200, 50, {"step_num": 8}))
    host.line(
        "tf_XLAEigen/1",
        [host.event(f"dot.{at}", at * NS, 10 * NS, hlo_op=(f"dot.{at}",)) for at in (20, 95, 210)],
        id_=2,
    )
    table = run(tmp_path, host)
    assert by_name(table) == {"dot.20": 7, "dot.95": None, "dot.210": 8}
    found = steps.table(table)
    assert (found["step"].to_pylist(), found["wall_ns"].to_pylist()) == ([7, 8], [100.0, 50.0])


def test_what_runs_after_its_step_has_ended_belongs_to_the_step_that_launched_it(tmp_path: Path) -> None:
    host = python(
        ("train", 0, 10, {"step_num": 0}), (LAUNCH, 2, 5, {}),
        ("train", 12, 10, {"step_num": 1}), (LAUNCH, 14, 5, {}),
        (LAUNCH, 30, 5, {}),
    )  # fmt: skip
    events = [(3, 901), (15, 902), (40, 901), (50, 902), (60, 903)]
    host.line(
        "tf_XLAEigen/1",
        [host.event(f"dot.{at}", at * NS, 5 * NS, hlo_op=(f"dot.{at}",), run_id=run_id) for at, run_id in events],
        id_=2,
    )
    table = run(tmp_path, host)
    assert by_name(table) | {LAUNCH: None} == {
        "dot.3": 0, "dot.15": 1, "dot.40": 0, "dot.50": 1, "dot.60": None, LAUNCH: None
    }  # fmt: skip
    # each ends with its last operator, and the second begins when the first has ended
    assert steps.table(table)["end_ps"].to_pylist() == [45 * NS, 55 * NS]
    assert steps.table(table)["start_ps"].to_pylist() == [0, 45 * NS]


def test_where_dlprof_marks_the_steps_a_framework_s_own_numbers_are_not_steps_beside_them(tmp_path: Path) -> None:
    """Keras numbers its train function from where fit began; what lies between two marks is of no step."""
    host = python(
        ("dlprof:step=0", 0, 50, {}), ("train", 2, 58, {"step_num": 40}),
        ("dlprof:step=1", 60, 50, {}), ("train", 62, 40, {"step_num": 41}),
    )  # fmt: skip
    host.line(
        "tf_XLAEigen/1",
        [host.event(f"dot.{at}", at * NS, 4 * NS, hlo_op=(f"dot.{at}",)) for at in (20, 54, 70)],
        id_=2,
    )
    table = run(tmp_path, host)
    assert by_name(table) == {"dot.20": 0, "dot.54": None, "dot.70": 1}
    assert steps.table(table)["step"].to_pylist() == [0, 1]
    assert set(table["step"].to_pylist()) == {0, 1, None}


@pytest.mark.parametrize(
    "events", [[(3, 901)], [(3, 901), (3, 902), (3, 903)], [(1, 901), (15, 902)]], ids=["fewer", "more", "too early"]
)
def test_launches_that_do_not_fit_the_executions_tell_nothing(tmp_path: Path, events: list[tuple[int, int]]) -> None:
    host = python(
        ("train", 0, 10, {"step_num": 0}), (LAUNCH, 2, 5, {}), ("train", 12, 10, {"step_num": 1}), (LAUNCH, 14, 5, {})
    )  # fmt: skip
    host.line(
        "tf_XLAEigen/1",
        [host.event(f"dot.{run_id}", at * NS, NS, hlo_op=(f"dot.{run_id}",), run_id=run_id) for at, run_id in events],
        id_=2,
    )
    steps_of = by_name(run(tmp_path, host))
    assert all(steps_of[f"dot.{run_id}"] == (0 if at < 10 else 1) for at, run_id in events)


def test_what_was_launched_within_a_phase_is_of_that_phase_wherever_and_whenever_it_runs(tmp_path: Path) -> None:
    host = python(
        ("dlprof:step=0", 0, 90, {"step_num": 0}),
        ("dlprof:forward", 1, 9, {}), (LAUNCH, 2, 5, {}),
        ("dlprof:backward", 12, 10, {}), (LAUNCH, 14, 5, {}),
        (LAUNCH, 30, 5, {}),
    )  # fmt: skip
    host.line(
        "tf_XLAEigen/1",
        [host.event(f"dot.{r}", at * NS, NS, hlo_op=(f"dot.{r}",), run_id=r) for at, r in ((15, 7), (40, 8), (50, 9))],
        id_=2,
    )
    # the first runs on the thread that launches, while that is in the next phase
    host.line("python", [host.event("add.7", 13 * NS, NS, hlo_op=("add.7",), run_id=7)], id_=1)
    rows = {row["name"]: row["phase"] for row in run(tmp_path, host).to_pylist() if row["level"] == "op"}
    assert rows == {"dot.7": "forward", "add.7": "forward", "dot.8": "backward", "dot.9": None}


def test_executions_of_programs_that_count_by_themselves_are_of_the_phase_that_called_them(tmp_path: Path) -> None:
    host = python(
        ("dlprof:step=0", 0, 90, {"step_num": 0}),
        ("dlprof:forward", 1, 19, {}),
        ("PjitFunction(add)", 2, 8, {}), ("PjitFunction(add)", 3, 6, {}), (LAUNCH, 4, 2, {}),
        ("PjitFunction(mul)", 11, 8, {}), (LAUNCH, 12, 5, {}), ("mul.1", 13, 1, {"hlo_op": ("mul.1",), "hlo_module": ("jit_mul",),
                                                                                "program_id": 2, "run_id": 4}),
        ("dlprof:backward", 22, 30, {}),
        ("PjitFunction(add)", 23, 8, {}), (LAUNCH, 24, 2, {}),
        ("PjitFunction(<lambda>)", 33, 8, {}), (LAUNCH, 34, 2, {}),
        ("PjitFunction(mul)", 43, 8, {}), (LAUNCH, 44, 2, {}),
    )  # fmt: skip
    # (start, name, module, program, run): ids of one program go up, those of different programs tell nothing
    later = [
        (30, "a", "jit_add", 1, 900),
        (40, "b", "jit_add", 3, 20),
        (60, "m", "jit_mul", 2, 5),
        (70, "l", "jit__lambda_", 4, 1),
    ]
    events = [
        host.event(name, at * NS, NS, hlo_op=(name,), hlo_module=(module,), program_id=program, run_id=run_id)
        for at, name, module, program, run_id in later
    ]
    host.line("tf_XLAPjRtCpuClient/1", events, id_=2)
    rows = {row["name"]: row["phase"] for row in run(tmp_path, host).to_pylist() if row["level"] == "op"}
    assert rows == {"mul.1": "forward", "a": "forward", "b": "backward", "m": "backward", "l": "backward"}


def test_one_launch_a_device_is_one_execution(tmp_path: Path) -> None:
    host = python(
        ("train", 0, 10, {"step_num": 0}), (LAUNCH, 2, 1, {}), (LAUNCH, 4, 1, {}),
        ("train", 12, 10, {"step_num": 1}), (LAUNCH, 14, 1, {}), (LAUNCH, 16, 1, {}),
    )  # fmt: skip
    host.line(
        "tf_XLAEigen/1",
        [host.event(f"dot.{r}", (20 + r) * NS, NS, hlo_op=(f"dot.{r}",), run_id=r) for r in (5, 6)],
        id_=2,
    )
    steps_of = by_name(run(tmp_path, host))
    assert (steps_of["dot.5"], steps_of["dot.6"]) == (0, 1)


@pytest.mark.parametrize("base_ns", [0, 1_700_000_000_000_000_000])
def test_a_devices_own_steps_hold_its_operators(tmp_path: Path, base_ns: int) -> None:
    tpu = PlaneBytes("/device:TPU:0")
    tpu.line("XLA Ops", [tpu.event(name, at * NS, 5 * NS) for name, at in (("a", 2), ("b", 12), ("c", 40))], base_ns, 3)
    tpu.line("Steps", [tpu.event("11", 0, 10 * NS), tpu.event("step", 10 * NS, 10 * NS, step_num=12)], base_ns, 1)
    assert by_name(run(tmp_path, tpu)) == {"a": 11, "b": 12, "c": None}


def test_dlprofs_own_markers_come_before_a_frameworks(tmp_path: Path) -> None:
    host = python(("dlprof:step=3", 0, 90, {}), ("train", 10, 50, {"step_num": 0}))
    host.line("tf_Compute/1", [host.event("a/b:MatMul", 20 * NS, 5 * NS)], id_=2)
    table = run(tmp_path, host)
    assert by_name(table) == {"a/b:MatMul": 3}
    assert steps.table(table)["step"].to_pylist() == [3]


def test_a_number_on_dlprofs_marker_of_a_step_that_was_not_waited_for_makes_it_none(tmp_path: Path) -> None:
    host = python(("dlprof:unsynced_step=3", 0, 90, {"step_num": 3}))
    host.line("tf_Compute/1", [host.event("a/b:MatMul", 20 * NS, 5 * NS)], id_=2)
    assert by_name(run(tmp_path, host)) == {"a/b:MatMul": None}


def test_executions_lie_in_dlprofs_steps_where_its_markers_carry_numbers_as_jax_writes_them(tmp_path: Path) -> None:
    host = python(
        ("dlprof:step=3", 0, 40, {"step_num": 3}), (LAUNCH, 2, 5, {}),
        ("dlprof:step=4", 50, 40, {"step_num": 4}), (LAUNCH, 52, 5, {}),
    )  # fmt: skip
    events = [(10, 901), (60, 902), (95, 902)]
    host.line(
        "tf_XLAEigen/1",
        [host.event(f"dot.{at}", at * NS, 5 * NS, hlo_op=(f"dot.{at}",), run_id=run_id) for at, run_id in events],
        id_=2,
    )
    assert by_name(run(tmp_path, host)) | {LAUNCH: None} == {"dot.10": 3, "dot.60": 4, "dot.95": None, LAUNCH: None}


AGAIN = [("train", 0, 0), ("train", 1, 20), ("eval", 0, 40), ("train", 0, 60), ("train", 1, 80)]
"""Name, number and start of the markers of two epochs with an evaluation between them."""


def test_numbers_that_begin_again_with_each_epoch_are_counted_on_so_that_no_two_steps_are_one(tmp_path: Path) -> None:
    marks = [(name, start, 10, {"step_num": number}) for name, number, start in AGAIN]
    launched = [(LAUNCH, start + 2, 5, {}) for _, _, start in AGAIN]
    host = python(*sorted([*marks, *launched], key=lambda one: one[1]))
    # The first epoch's second step runs when the second epoch has begun.
    events = [(3, 901), (65, 902), (75, 903), (78, 904), (95, 905)]
    host.line(
        "tf_XLAEigen/1",
        [host.event(f"dot.{at}", at * NS, 2 * NS, hlo_op=(f"dot.{at}",), run_id=run_id) for at, run_id in events],
        id_=2,
    )
    (tmp_path / "t.xplane.pb").write_bytes(space(host))
    table, info = read(tmp_path / "t.xplane.pb", frameworks.vocabularies())
    assert by_name(table) | {LAUNCH: None} == {
        "dot.3": 0, "dot.65": 1, "dot.75": 2, "dot.78": 3, "dot.95": 4, LAUNCH: None,
    }  # fmt: skip
    assert info.anomalies["repeated_step_numbers"] == 3
    found = steps.table(table)
    assert found["step"].to_pylist() == [0, 1, 2, 3, 4]
    # Each ends with what it launched, and begins when the one before it has ended.
    assert [int(ns) for ns in found["wall_ns"].to_pylist()] == [10, 47, 10, 3, 17]


def test_a_tpus_own_steps_whose_numbers_begin_again_are_counted_on(tmp_path: Path) -> None:
    tpu = PlaneBytes("/device:TPU:0")
    tpu.line("Steps", [tpu.event(str(n), at * NS, 10 * NS) for at, n in ((0, 1), (20, 2), (40, 1), (60, 2))])
    tpu.line("XLA Ops", [tpu.event(f"dot.{at}", at * NS, 5 * NS) for at in (1, 21, 41, 61)], id_=2)
    table = run(tmp_path, tpu)
    assert by_name(table) == {"dot.1": 1, "dot.21": 2, "dot.41": 3, "dot.61": 4}
    assert steps.table(table)["wall_ns"].to_pylist() == [10.0] * 4


def test_the_json_form_of_a_run_tells_the_steps_of_programs_as_its_xplane_does(tmp_path: Path) -> None:
    events: list[dict[str, Any]] = [
        {"ph": "M", "pid": 1, "name": "process_name", "args": {"name": "/host:CPU"}},
        {"ph": "M", "pid": 1, "tid": 2, "name": "thread_name", "args": {"name": "tf_XLAEigen/1"}},
    ]

    def add(name: str, at: float, length: float, tid: int = 1, **args: Any) -> None:
        events.append({"ph": "X", "pid": 1, "tid": tid, "ts": at, "dur": length, "name": name, "args": args})

    for number in (0, 1):
        add("train", 100 * number, 50, step_num=str(number))
        for at, program in ((10, "step"), (20, "mul")):
            add(f"PjitFunction({program})", 100 * number + at, 8)
            add(LAUNCH, 100 * number + at + 1, 5)
    # Ids count on within a program, and each runs when its step's marker has ended.
    for at, name, module, run_id in (
        (60, "dot", "step", 7),
        (70, "mul", "mul", -9),
        (160, "dot", "step", 8),
        (170, "mul", "mul", -8),
    ):
        add(f"{name}.{at}", at, 5, 2, hlo_op=f"{name}.{at}", hlo_module=f"jit_{module}", run_id=str(run_id))
    (tmp_path / "t.trace.json").write_text(
        json.dumps({"displayTimeUnit": "ns", "metadata": {"highres-ticks": True}, "traceEvents": events})
    )
    table, _ = read(tmp_path / "t.trace.json", frameworks.vocabularies())
    told = {row["name"]: row["step"] for row in table.to_pylist() if row["level"] == "op"}
    assert told == {"dot.60": 0, "mul.70": 0, "dot.160": 1, "mul.170": 1}
