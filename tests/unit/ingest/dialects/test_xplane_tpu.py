"""TPUs: which lines hold the work, how long it took, and what is a device of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from places import TRACES
from reading import read
from xspace_bytes import PlaneBytes, space

from dlprof import frameworks
from dlprof.analysis.trace import breakdown, steps

US = 1_000_000


def run(folder: Path, *planes: PlaneBytes) -> tuple[list[dict[str, Any]], Any]:
    (folder / "t.xplane.pb").write_bytes(space(*planes))
    table, info = read(folder / "t.xplane.pb", frameworks.vocabularies())
    return table.to_pylist(), info


def core(name: str = "/device:TPU:0") -> PlaneBytes:
    tpu = PlaneBytes(name)
    tpu.line("Steps", [tpu.event("1", 0, 1000 * US)], id_=1)
    tpu.line("XLA Modules", [tpu.event("jit_f(1)", 0, 1000 * US)], id_=2)
    tpu.line("XLA Ops", [tpu.event("fusion.1", 0, 600 * US), tpu.event("copy-done.1", 600 * US, 300 * US)], id_=3)
    tpu.line("Async XLA Ops", [tpu.event("copy-start.1", 0, 800 * US)], id_=4)
    tpu.line("Host Offload Ops row 12", [tpu.event("offload", 0, 700 * US)], id_=5)
    tpu.describe("fusion.1", "fusion.1", tf_op="jit(f)/dense/dot_general:", hlo_category="convolution fusion")
    return tpu


def test_lines_that_repeat_or_overlap_the_operators_are_left_out_and_counted(tmp_path: Path) -> None:
    rows, info = run(tmp_path, core())
    assert [(row["level"], row["stream"], row["step"], row["duration_ps"] // US) for row in rows] == [
        ("marker", "Steps", 1, 1000),
        ("kernel", "XLA Ops", 1, 600),
        ("kernel", "XLA Ops", 1, 300),
    ]
    assert {row["device"] for row in rows} == {"tpu:0"}
    assert info.anomalies["async_line_events"] == 1
    assert info.anomalies["derived_line_events"] == 2


def test_sparse_cores_and_the_network_between_slices_are_devices_of_their_own(tmp_path: Path) -> None:
    planes = [core("/device:TPU:1")]
    for number in (0, 1):
        sparse = PlaneBytes(f"/device:TPU:1 SparseCore {number}")
        sparse.line("Sparse Core Steps", [sparse.event("1", 0, 700 * US)], id_=1)
        sparse.line("Sparse Core Modules", [sparse.event("jit_f_sc(2)", 0, 700 * US)], id_=2)
        sparse.line("Sparse Core Ops", [sparse.event("sc_gather.1", 0, 400 * US)], id_=3)
        planes.append(sparse)
    network = PlaneBytes("/device:CUSTOM:Megascale Trace")
    network.line("all-reduce.7", [network.event("NetworkReceive", 0, 5000 * US)])
    rows, _ = run(tmp_path, *planes, network)
    times: dict[str, int] = {}
    for row in rows:
        if row["level"] == "kernel":
            times[row["device"]] = times.get(row["device"], 0) + row["duration_ps"] // US
    assert times == {"tpu:1": 900, "sparsecore:1.0": 400, "sparsecore:1.1": 400, "megascale:0": 5000}
    (received,) = (row for row in rows if row["device"] == "megascale:0")
    assert (received["phase"], received["level"]) == ("communication", "kernel")


def test_each_core_has_its_own_steps_and_offloading_is_in_none(tmp_path: Path) -> None:
    planes = []
    for number, shift in ((0, 0), (1, 40 * US)):
        tpu = PlaneBytes(f"/device:TPU:{number}")
        tpu.line("Steps", [tpu.event(str(step), step * 1000 * US + shift, 1000 * US) for step in (0, 1)], id_=1)
        begins = [step * 1000 * US + shift + 5 * US for step in (0, 1)]
        tpu.line("XLA Ops", [tpu.event("fusion.1", begin, (300 + number) * US) for begin in begins], id_=2)
        tpu.line("Host Offload Ops row 0", [tpu.event("offload", shift, 900 * US)], id_=3)
        tpu.line("Host Offload Ops row 1", [tpu.event("offload", shift, 900 * US)], id_=4)
        planes.append(tpu)
    rows, info = run(tmp_path, *planes)
    told = {
        level: sorted((row["device"], row["step"], row["duration_ps"] // US) for row in rows if row["level"] == level)
        for level in ("kernel", "marker")
    }
    steps = [(device, step) for device in ("tpu:0", "tpu:1") for step in (0, 1)]
    assert told["kernel"] == [(device, step, 301 if device == "tpu:1" else 300) for device, step in steps]
    assert told["marker"] == [(device, step, 1000) for device, step in steps]
    assert info.anomalies["derived_line_events"] == 4


def stepped(shift: int = 0) -> PlaneBytes:
    """A TPU of two steps, of which the second lasts longer, and an operator in each."""
    tpu = PlaneBytes("/device:TPU:0")
    tpu.line("Steps", [tpu.event("4", shift, 900 * US), tpu.event("5", shift + 1000 * US, 1500 * US)], id_=1)
    tpu.line("XLA Ops", [tpu.event("a", shift + at * US, 300 * US) for at in (10, 1010)], id_=2)
    return tpu


def test_steps_that_a_device_alone_tells_are_the_traces_steps(tmp_path: Path) -> None:
    (tmp_path / "t.xplane.pb").write_bytes(space(stepped()))
    events, _ = read(tmp_path / "t.xplane.pb", frameworks.vocabularies())
    assert steps.table(events).select(["step", "wall_ns"]).to_pylist() == [
        {"step": 4, "wall_ns": 900_000},
        {"step": 5, "wall_ns": 1_500_000},
    ]
    shown = breakdown.view(events, "step").select(["step", "self_ns", "wall_ns"]).to_pylist()
    assert shown == [{"step": step, "self_ns": 300_000, "wall_ns": 300_000} for step in (4, 5)]


def test_a_step_of_several_devices_is_that_of_the_device_that_took_longest(tmp_path: Path) -> None:
    planes = []
    for core_, (start, length) in enumerate(((0, 900), (40, 910), (5000, 30))):
        tpu = PlaneBytes(f"/device:TPU:{core_}")
        tpu.line("Steps", [tpu.event("4", start * US, length * US)], id_=1)
        tpu.line("XLA Ops", [tpu.event("a", (start + 10) * US, 20 * US)], id_=2)
        planes.append(tpu)
    (tmp_path / "t.xplane.pb").write_bytes(space(*planes))
    events, _ = read(tmp_path / "t.xplane.pb", frameworks.vocabularies())
    assert steps.table(events).select(["step", "start_ps", "wall_ns"]).to_pylist() == [
        {"step": 4, "start_ps": 40 * US, "wall_ns": 910_000}
    ]
    assert breakdown.view(events, "step")["count"].to_pylist() == [3]


def test_steps_that_the_host_marks_come_before_those_of_devices(tmp_path: Path) -> None:
    host = PlaneBytes("/host:CPU")
    host.line("python", [host.event("train", at * 1000 * US, 800 * US, step_num=at) for at in (0, 1, 2)], id_=1)
    (tmp_path / "t.xplane.pb").write_bytes(space(stepped(), host))
    events, _ = read(tmp_path / "t.xplane.pb", frameworks.vocabularies())
    assert steps.table(events)["step"].to_pylist() == [0, 1, 2]


def test_a_tpus_json_alone_tells_the_steps_that_its_xplane_tells(tmp_path: Path) -> None:
    names = [{"ph": "M", "pid": 3, "name": "process_name", "args": {"name": "/device:TPU:0"}}]
    names += [
        {"ph": "M", "pid": 3, "tid": tid, "name": "thread_name", "args": {"name": name}}
        for tid, name in ((1, "Steps"), (2, "XLA Ops"))
    ]
    events = [{"ph": "X", "pid": 3, "tid": 2, "ts": at, "dur": 300, "name": "a"} for at in (10, 1010)]
    events += [
        {"ph": "X", "pid": 3, "tid": 1, "ts": at, "dur": length, "name": name}
        for at, length, name in ((0, 900, "4"), (1000, 1500, "5"), (3000, 5, "warm-up"))
    ]
    written = json.dumps({"metadata": {"highres-ticks": True}, "traceEvents": [*names, *events]})
    (tmp_path / "w.trace.json").write_text(written)
    (tmp_path / "w.xplane.pb").write_bytes(space(stepped()))
    columns = ["device", "stream", "level", "name", "step", "start_ps", "duration_ps", "self_ps"]
    found, info = read(tmp_path / "w.trace.json", frameworks.vocabularies())
    plane, _ = read(tmp_path / "w.xplane.pb", frameworks.vocabularies())
    assert found.num_rows == 4
    assert sorted(map(str, found.select(columns).to_pylist())) == sorted(map(str, plane.select(columns).to_pylist()))
    assert info.anomalies["derived_line_events"] == 1


def test_a_tpus_line_that_nobody_knows_is_no_work_and_said_with_its_time(tmp_path: Path) -> None:
    tpu = stepped()
    tpu.line("TC Overlay", [tpu.event("x", 30 * US, 450 * US)], id_=6)
    found = {"xplane": run(tmp_path, tpu)}
    names = [(None, "process_name", "/device:TPU:0"), (2, "thread_name", "XLA Ops"), (6, "thread_name", "TC Overlay")]
    events: list[dict[str, Any]] = [
        {"ph": "M", "pid": 3, "name": key, "args": {"name": name}} | ({} if tid is None else {"tid": tid})
        for tid, key, name in names
    ]
    events += [{"ph": "X", "pid": 3, "tid": 2, "ts": at, "dur": 300, "name": "a"} for at in (10, 1010)]
    events.append({"ph": "X", "pid": 3, "tid": 6, "ts": 30, "dur": 450, "name": "x"})
    written = json.dumps({"metadata": {"highres-ticks": True}, "traceEvents": events})
    (tmp_path / "w.trace.json").write_text(written)
    table, info = read(tmp_path / "w.trace.json", frameworks.vocabularies())
    found["json"] = table.to_pylist(), info
    for rows, said in found.values():
        assert [row["level"] for row in rows if row["name"] == "x"] == ["marker"]
        assert [row["duration_ps"] // US for row in rows if row["level"] == "kernel"] == [300, 300]
        assert said.anomalies["unknown_line"] == 1
        assert "TC Overlay (1 event, 450 µs)" in said.completeness["unknown_line"]


def test_a_tpu_without_the_line_of_its_operators_works_on_the_lines_it_has(tmp_path: Path) -> None:
    tpu = PlaneBytes("/device:TPU:0")
    tpu.line("Other Ops", [tpu.event("x", 30 * US, 450 * US)], id_=6)
    rows, info = run(tmp_path, tpu)
    assert [row["level"] for row in rows] == ["kernel"]
    assert "unknown_line" not in info.anomalies


def test_the_devices_own_clock_tells_how_long_an_operator_took(tmp_path: Path) -> None:
    tpu = PlaneBytes("/device:TPU:0")
    tpu.line(
        "XLA Ops",
        [tpu.event("a", 0, 100, device_offset_ps=7, device_duration_ps=90), tpu.event("b", 200, 50)],
    )
    rows, _ = run(tmp_path, tpu)
    assert [(row["start_ps"], row["duration_ps"]) for row in rows] == [(0, 90), (200, 50)]


def test_a_loops_time_is_its_bodys_but_for_what_is_left(tmp_path: Path) -> None:
    tpu = PlaneBytes("/device:TPU:0")
    tpu.line("XLA Ops", [tpu.event("while.1", 0, 100), tpu.event("a", 10, 30), tpu.event("b", 50, 40)])
    rows, _ = run(tmp_path, tpu)
    assert {row["name"]: row["self_ps"] for row in rows} == {"while.1": 30, "a": 30, "b": 40}


def test_kernels_of_a_gpus_stream_do_not_nest(tmp_path: Path) -> None:
    gpu = PlaneBytes("/device:GPU:0")
    gpu.line("Stream #1", [gpu.event("a", 0, 100), gpu.event("b", 10, 30)])
    rows, _ = run(tmp_path, gpu)
    assert [row["self_ps"] for row in rows] == [100, 30]


@pytest.mark.parametrize(
    ("path", "op"),
    [
        ("jit(f)/pjit/shard_map/psum:", "AllReduce"),
        ("jit(f)/jvp(M)/moe/all_to_all:", "AllToAll"),
        ("jit(f)/shard_map/ppermute:", "CollectivePermute"),
    ],
)
def test_collectives_are_communication_wherever_they_were_called(tmp_path: Path, path: str, op: str) -> None:
    tpu = PlaneBytes("/device:TPU:0")
    tpu.line("XLA Ops", [tpu.event("%fusion.6 = f32[8] fusion()", 0, 100)])
    tpu.describe("%fusion.6 = f32[8] fusion()", tf_op=path)
    ((row,), _) = run(tmp_path, tpu)
    assert (row["op"], row["phase"]) == (op, "communication")


FAULTS = TRACES / "faults"
others = pytest.mark.skipif(not FAULTS.is_dir(), reason=f"no traces of others at {FAULTS}")


@others
def test_the_small_tpu_trace_of_others_is_read_right() -> None:
    table, info = read(FAULTS / "tpu_sparsecore_megascale.xplane.pb", frameworks.vocabularies())
    times: dict[str, int] = {}
    for row in table.to_pylist():
        if row["level"] in ("kernel", "copy"):
            times[row["device"]] = times.get(row["device"], 0) + row["duration_ps"] // US
    assert times == {"tpu:0": 900, "sparsecore:0.0": 400, "megascale:0": 5000}
    assert set(table["step"].to_pylist()) == {1, None}
    assert info.anomalies["async_line_events"] == 1


@others
def test_the_small_trace_of_name_stacks_is_read_right() -> None:
    table, info = read(FAULTS / "flax_paths.xplane.pb", frameworks.vocabularies())
    rows = [(row["layer"], row["phase"], row["op"]) for row in table.to_pylist()]
    assert rows == [
        ("layers_0/attention/query", "forward", "MatMul"),
        ("layers_0/mlp/wi", "backward", "MatMul"),
        ("layers/mlp", "backward", "MatMul"),
        ("adamw", "optimizer", "Mul"),
        ("decoder/layers/self_attention/out", "forward", "MatMul"),
        ("loss", "backward", "ReduceSum"),
        (None, "communication", "AllReduce"),
    ]
    assert info.producer == "jax"


def test_the_line_of_the_program_is_that_of_the_instructions_metadata(tmp_path: Path) -> None:
    tpu = core()
    tpu.describe("fusion.1", "fusion.1", tf_op="jit(f)/dense/dot_general:", source="/x/site-packages/net/model.py:42")
    rows, _ = run(tmp_path, tpu)
    assert [row["source_line"] for row in rows if row["level"] == "kernel"] == ["net/model.py:42", None]
