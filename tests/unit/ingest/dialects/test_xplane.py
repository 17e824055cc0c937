"""The XPlane reader on small traces written by hand."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path

import pytest
import zstandard
from reading import read, read_bytes
from xspace_bytes import PlaneBytes, block, number, space

from dlprof.errors import TraceError
from dlprof.plugin import Operator

OPERATORS = {
    "Conv2D": Operator("Conv"),
    "_FusedConv2D": Operator("Conv", fuses=("Conv", "*")),
    "MatMul": Operator("MatMul"),
    "BiasAddGrad": Operator("BiasAdd", "backward"),
    "Conv2DBackpropInput": Operator("Conv", "backward", calls=0),
}


def host(*lines: tuple[str, list[bytes]], plane: PlaneBytes) -> PlaneBytes:
    for index, (name, events) in enumerate(lines):
        plane.line(name, events, id_=index + 1)
    return plane


def one_step() -> bytes:
    plane = PlaneBytes("/host:CPU")
    main = [plane.event("dlprof:step=7", 1_000, 90_000), plane.event("EagerExecute", 2_000, 80_000, is_func=1)]
    worker = [
        plane.event("forward/conv1/Conv2D:Conv2D", 10_500, 20_000, shape="(float32[2,28,28,1];float32[5,5,1,6])"),
        plane.event("gradient_tape/forward/conv1/Conv2DBackpropInput:Conv2DBackpropInput", 40_000, 11_001),
        plane.event("late:Conv2D", 95_000, 10),
    ]
    return space(host(("python", main), ("tf_Compute/1", worker), plane=plane), start_ns=1_700_000_000_000_000_000)


def test_an_operator_event_becomes_a_row_with_path_kernel_layer_phase_shape_and_step(tmp_path: Path) -> None:
    rows, info = read_bytes(one_step(), tmp_path, operators=OPERATORS)
    conv = next(row for row in rows if row["name"] == "forward/conv1/Conv2D:Conv2D")
    wanted = {
        "device": "cpu:0", "stream": "tf_Compute/1", "level": "op", "op": "Conv", "kernel": "Conv2D", "layer": "conv1",
        "op_path": "forward/conv1/Conv2D", "phase": "forward", "duration_ps": 20_000, "self_ps": 20_000, "step": 7,
        "shape": "(float32[2,28,28,1];float32[5,5,1,6])", "dtype": "float32", "occurrences": 1, "calls": 1,
        "source": "t.xplane.pb", "args": None,
    }  # fmt: skip
    assert {key: conv[key] for key in wanted} == wanted
    assert info.events == len(rows) == 5
    assert info.producer == "tensorflow"


def test_picoseconds_are_exact_and_the_origin_is_unix_time(tmp_path: Path) -> None:
    rows, info = read_bytes(one_step(), tmp_path, operators=OPERATORS)
    assert info.origin_ns == 1_700_000_000_000_000_001
    starts = {row["name"]: row["start_ps"] for row in rows}
    assert starts["dlprof:step=7"] == 0
    assert starts["forward/conv1/Conv2D:Conv2D"] == 9_500


def test_the_second_part_of_a_gradient_stands_for_no_call(tmp_path: Path) -> None:
    rows, _ = read_bytes(one_step(), tmp_path, operators=OPERATORS)
    second = next(row for row in rows if row["kernel"] == "Conv2DBackpropInput")
    assert (second["op"], second["phase"], second["layer"], second["calls"]) == ("Conv", "backward", "conv1", 0)


def test_work_that_ends_after_its_step_marker_is_not_assigned_to_it(tmp_path: Path) -> None:
    rows, _ = read_bytes(one_step(), tmp_path, operators=OPERATORS)
    assert next(row for row in rows if row["name"] == "late:Conv2D")["step"] is None


def test_self_time_excludes_what_is_nested_on_the_same_thread(tmp_path: Path) -> None:
    rows, _ = read_bytes(one_step(), tmp_path, operators=OPERATORS)
    assert {row["name"]: row["self_ps"] for row in rows if row["stream"] == "python"} == {
        "dlprof:step=7": 10_000,
        "EagerExecute": 80_000,
    }


def test_a_fused_kernel_is_kept_and_says_what_it_fuses(tmp_path: Path) -> None:
    plane = PlaneBytes("/host:CPU")
    events = [
        plane.event("forward/conv1/BiasAdd/ReadVariableOp:ReadVariableOp", 0, 5),
        plane.event("forward/conv1/Relu:_FusedConv2D", 10, 5),
        plane.event("forward/conv2/Relu:_FusedConv2D", 20, 5),
    ]
    rows, _ = read_bytes(space(host(("t", events), plane=plane)), tmp_path, operators=OPERATORS)
    assert [row["fuses"] for row in rows] == [None, "Conv,BiasAdd,Relu", "Conv,Relu"]
    assert rows[1]["kernel"] == "_FusedConv2D"


def test_a_matmul_is_a_gemm_where_its_scope_adds_a_bias_and_its_two_gradients_are_one_call(tmp_path: Path) -> None:
    plane = PlaneBytes("/host:CPU")
    names = [
        "forward/dense1/MatMul:MatMul",
        "forward/plain/MatMul:MatMul",
        "gradient_tape/forward/dense1/BiasAdd/BiasAddGrad:BiasAddGrad",
        "gradient_tape/forward/dense1/MatMul/MatMul:MatMul",
        "gradient_tape/forward/dense1/MatMul/MatMul_1:MatMul",
        "gradient_tape/forward/plain/MatMul/MatMul_1:MatMul",
    ]
    events = [plane.event(name, 10 * index, 5) for index, name in enumerate(names)]
    rows, _ = read_bytes(space(host(("t", events), plane=plane)), tmp_path, operators=OPERATORS)
    assert [(row["op"], row["calls"]) for row in rows] == [
        ("Gemm", 1), ("MatMul", 1), ("BiasAdd", 1), ("Gemm", 1), ("Gemm", 0), ("MatMul", 1)
    ]  # fmt: skip


def test_stats_without_a_column_are_kept_as_json(tmp_path: Path) -> None:
    plane = PlaneBytes("/host:CPU")
    stats = {
        "n": -3,
        "big": 2**63 - 1,
        "x": 0.5,
        "bad": float("nan"),
        "text": 'a"b\n',
        "raw": b"\x00\xff",
        "r": ("ref é",),
    }
    rows, _ = read_bytes(space(host(("t", [plane.event("e", 0, 1, **stats)]), plane=plane)), tmp_path)
    assert json.loads(rows[0]["args"]) == {
        "n": -3, "big": 2**63 - 1, "x": 0.5, "bad": "nan", "text": 'a"b\n', "raw": "00ff", "r": "ref é"
    }  # fmt: skip


def test_gpu_kernels_point_at_the_operator_that_launched_them(tmp_path: Path) -> None:
    cpu, gpu = PlaneBytes("/host:CPU"), PlaneBytes("/device:GPU:4")
    launch = [
        cpu.event("forward/conv1/Conv2D:Conv2D", 0, 100),
        cpu.event("cuLaunchKernel", 10, 20, correlation_id=5),
        cpu.event("cuMemcpyAsync", 200, 20, correlation_id=6),
    ]
    cpu.line("worker", launch)
    gpu.line(
        "Stream #7(Compute)",
        [gpu.event("conv_kernel", 300, 50, correlation_id=5, annotation="forward/conv1/Conv2D:Conv2D#shape=(f)#")],
    )
    gpu.line(
        "Stream #8(MemcpyH2D)",
        [gpu.event("MemcpyH2D", 400, 50, correlation_id=6, memcpy_details="size:112 dest:4 async:0"),
         gpu.event("MemcpyH2D", 500, 50, correlation_id=99)],
        id_=2,
    )  # fmt: skip
    gpu.line("TensorFlow Ops", [gpu.event("forward/conv1/Conv2D:Conv2D", 300, 50)], id_=3)
    rows, info = read_bytes(space(gpu, cpu), tmp_path, operators=OPERATORS)
    by_name = {(row["name"], row["start_ps"]): row for row in rows}
    kernel = by_name["conv_kernel", 300]
    assert (kernel["device"], kernel["level"], kernel["kernel"]) == ("gpu:4", "kernel", "conv_kernel")
    assert (kernel["op"], kernel["layer"], kernel["phase"]) == ("Conv", "conv1", "forward")
    assert rows[kernel["launch"]]["name"] == "forward/conv1/Conv2D:Conv2D"
    copy = by_name["MemcpyH2D", 400]
    assert (copy["level"], copy["bytes"], copy["phase"]) == ("copy", 112, "transfer")
    assert rows[copy["launch"]]["name"] == "cuMemcpyAsync"
    assert by_name["MemcpyH2D", 500]["launch"] is None
    assert info.anomalies == {"derived_line_events": 1, "orphan_kernel": 1}
    assert by_name["forward/conv1/Conv2D:Conv2D", 0]["device"] == "host"


def test_kernels_that_overlap_on_one_stream_keep_their_whole_time(tmp_path: Path) -> None:
    gpu = PlaneBytes("/device:GPU:0")
    gpu.line("Stream #1", [gpu.event("a", 0, 100), gpu.event("b", 10, 20)])
    rows, _ = read_bytes(space(gpu), tmp_path)
    assert [row["self_ps"] for row in rows] == [100, 20]


def test_aggregated_events_keep_their_number_of_occurrences(tmp_path: Path) -> None:
    plane = PlaneBytes("/host:CPU")
    rows, _ = read_bytes(
        space(host(("t", [plane.event("a:Conv2D", 0, 500, 25)]), plane=plane)), tmp_path, operators=OPERATORS
    )
    assert (rows[0]["occurrences"], rows[0]["calls"], rows[0]["duration_ps"]) == (25, 25, 500)


def test_errors_that_the_profiler_recorded_are_counted_and_told(tmp_path: Path) -> None:
    plane = PlaneBytes("/host:CPU")
    data = space(host(("t", [plane.event("a", 0, 1)]), plane=plane), errors=["buffers dropped"])
    _, info = read_bytes(data, tmp_path)
    assert info.anomalies["profiler_errors"] == 1
    assert info.completeness == {"profiler errors": "buffers dropped"}


def test_compression_is_told_by_content_not_by_name(tmp_path: Path) -> None:
    plain, _ = read_bytes(one_step(), tmp_path)
    assert read_bytes(gzip.compress(one_step()), tmp_path)[0] == plain
    assert read_bytes(zstandard.compress(one_step()), tmp_path)[0] == plain


def test_truncation_at_any_byte_is_an_error_that_names_file_offset_and_remedy(tmp_path: Path) -> None:
    data = one_step()
    whole, refusals = 0, []
    for size in range(1, len(data)):
        try:
            read_bytes(data[:size], tmp_path)
            whole += 1
        except TraceError as error:
            refusals.append(error)
    assert all("t.xplane.pb" in error.message and "byte" in error.message and error.hint for error in refusals)
    # Cut exactly between two planes the rest is a valid file by itself; nowhere else may a cut go unnoticed.
    assert whole == 1


def test_repair_keeps_every_event_before_the_cut(tmp_path: Path) -> None:
    plane = PlaneBytes("/host:CPU")
    plane.line("t", [plane.event("e", 10 * index, 5) for index in range(50)])
    data = space(plane)
    kept = []
    for size in range(10, len(data)):
        rows, info = read_bytes(data[:size], tmp_path, repair=True)
        kept.append(len(rows))
        assert info.anomalies["damage_skipped"] >= 1
    assert kept == sorted(kept)
    assert kept[-1] == 50
    assert set(kept) == set(range(51))


@pytest.mark.parametrize("size", [10 * 2**30, 2**63 - 1, 2**64 - 1])
def test_a_lying_length_is_damage_and_costs_no_memory(tmp_path: Path, size: int) -> None:
    plane = PlaneBytes("/host:CPU")
    plane.line("t", [plane.event("e", 0, 5)])
    lie = b"\x0a" + number(0, size)[1:]
    with pytest.raises(TraceError, match="damaged at byte"):
        read_bytes(space(plane) + lie, tmp_path)
    rows, _ = read_bytes(space(plane) + lie, tmp_path, repair=True)
    assert len(rows) == 1


def test_a_lying_length_inside_an_event_keeps_the_events_before_it(tmp_path: Path) -> None:
    plane = PlaneBytes("/host:CPU")
    good = [plane.event("e", 10 * index, 5) for index in range(4)]
    bad = number(1, 1) + b"\x22\xff\xff\xff\xff\x7f"
    plane.line("t", [*good, bad, *good])
    with pytest.raises(TraceError, match="damaged at byte"):
        read_bytes(space(plane), tmp_path)
    rows, info = read_bytes(space(plane), tmp_path, repair=True)
    assert len(rows) == 4
    assert info.anomalies["damage_skipped"] == 1


def test_text_that_is_not_utf8_is_replaced_and_counted(tmp_path: Path) -> None:
    plane = PlaneBytes("/host:CPU")
    plane.line("t", [plane.event("name", 0, 5)])
    rows, info = read_bytes(space(plane).replace(b"name", b"n\xffme"), tmp_path)
    assert rows[0]["name"] == "n\ufffdme"
    assert info.anomalies["text_not_utf8"] == 1


def test_an_event_without_metadata_is_kept_under_its_number(tmp_path: Path) -> None:
    plane = PlaneBytes("/host:CPU")
    plane.line("t", [number(1, 77) + number(2, 5) + number(3, 6)])
    rows, info = read_bytes(space(plane), tmp_path)
    assert rows[0]["name"] == "event#77"
    assert info.anomalies == {"unknown_event_metadata": 1}


def test_fields_of_a_later_version_are_skipped_and_counted(tmp_path: Path) -> None:
    plane = PlaneBytes("/host:CPU")
    event = plane.event("e", 3, 5, n=1)
    plane.line("t", [event + block(30, b"new") + number(31, 9), block(16, b"first") + event])
    rows, info = read_bytes(space(plane), tmp_path)
    assert [(row["name"], row["duration_ps"]) for row in rows] == [("e", 5), ("e", 5)]
    assert info.anomalies["unknown_field"] == 3


def test_a_jax_cpu_trace_has_its_hlo_instructions_as_operators(tmp_path: Path) -> None:
    plane = PlaneBytes("/host:CPU")
    plane.line("tf_XLAEigen/1", [plane.event("dot.3", 0, 50, hlo_op="dot.3", hlo_module="jit_f")])
    rows, _ = read_bytes(space(plane, PlaneBytes("/host:metadata")), tmp_path, operators={"dot": Operator("MatMul")})
    assert (rows[0]["level"], rows[0]["op"], rows[0]["kernel"]) == ("op", "MatMul", "dot")


def test_in_eager_mode_the_execution_inside_a_dispatch_is_the_operator(tmp_path: Path) -> None:
    plane = PlaneBytes("/host:CPU")
    events = [
        plane.event("dlprof:forward", 0, 1_000),
        plane.event("EagerLocalExecute: Conv2D", 10, 100),
        plane.event("KernelAndDeviceFunc::Run", 40, 50),
        plane.event("EagerLocalExecute: __inference_step_3", 200, 100),
        plane.event("KernelAndDeviceFunc::Run", 220, 50),
    ]
    rows, _ = read_bytes(space(host(("python", events), plane=plane)), tmp_path, operators=OPERATORS)
    assert [(row["level"], row["op"], row["kernel"], row["phase"]) for row in rows[1:]] == [
        ("api", None, None, "forward"),
        ("op", "Conv", "Conv2D", "forward"),
        ("api", None, None, "forward"),
        ("api", None, None, "forward"),
    ]


def test_what_xla_compiled_for_tensorflow_is_looked_up_in_xlas_table(tmp_path: Path) -> None:
    plane = PlaneBytes("/host:CPU")
    names = ("convolution.1", "wrapped_reduce.2", "loop_add_dot_general_fusion.3", "mystery.4")
    plane.line("w", [plane.event(name, 10 * i, 5, hlo_op=name) for i, name in enumerate(names)])
    table = {"convolution": Operator("Conv"), "reduce": Operator("Reduce"), "add": Operator("Add"),
             "fusion": Operator("Fusion"), "dot": Operator("?"), "dot_general": Operator("MatMul")}  # fmt: skip
    path = tmp_path / "x.pb"
    path.write_bytes(space(plane))
    events, info = read(path, {"xla": table})
    assert events["op"].to_pylist() == ["Conv", "Reduce", "Fusion", None]
    assert events["fuses"].to_pylist() == [None, None, "Add,MatMul", None]
    assert info.anomalies == {"unknown_operator": 1}


def test_damage_told_at_an_events_very_end_drops_that_event_and_ends(tmp_path: Path) -> None:
    plane = PlaneBytes("/host:CPU")
    good = plane.event("e", 0, 5)
    unfinished = number(1, 1) + b"\xf8\x01\x80"
    plane.line("t", [good, unfinished, good])
    rows, info = read_bytes(space(plane), tmp_path, repair=True)
    assert [row["name"] for row in rows] == ["e"]
    assert info.anomalies["damage_skipped"] == 1


def test_a_tpus_instructions_have_operator_flops_and_bytes_from_their_metadata(tmp_path: Path) -> None:
    plane = PlaneBytes("/device:TPU:0")
    plane.line("XLA Ops", [plane.event("%fusion.1 = f32[8]", 10, 5), plane.event("%copy.2", 20, 5, flops=7)])
    named = block(2, "%fusion.1 = f32[8]")
    told = {"tf_op": "jit(f)/jit(main)/dot_general:", "hlo_category": "fusion", "flops": 1024, "bytes_accessed": 96}
    facts = b"".join(block(5, plane.stat(name, value)) for name, value in told.items())
    data = block(2, "/device:TPU:0") + block(3, plane.lines[0])
    data += block(4, number(1, 1) + block(2, number(1, 1) + named + block(4, "fusion.1") + facts))
    data += block(4, number(1, 2) + block(2, number(1, 2) + block(2, "%copy.2") + block(5, plane.stat("flops", 3))))
    for name, id_ in plane.stats.items():
        data += block(5, number(1, id_) + block(2, number(1, id_) + block(2, name)))
    rows, _ = read_bytes(block(1, data), tmp_path, operators={"dot_general": Operator("MatMul", level="kernel")})
    assert [(row["flops"], row["bytes"], row["category"]) for row in rows] == [(1024, 96, "fusion"), (7, None, None)]
    assert rows[0]["op_path"] == "jit(f)/jit(main)/dot_general"
    assert rows[0]["op"] == "MatMul"


# Name of a plane, name of a line, event, stat of an event, metadata of events and stats, stat of a plane, error.
@pytest.mark.parametrize("place", ["1 2", "1 3 2", "1 3 4", "1 3 4 4", "1 4 2 2", "1 5", "1 6", "2"])
def test_a_length_of_10_gb_that_a_sparse_file_bears_out_is_damage_and_costs_little(tmp_path: Path, place: str) -> None:
    plane = PlaneBytes("/host:CPU")
    plane.line("t", [plane.event("e", 0, 5)])
    lie, size = b"", 10**10
    for tag in reversed(place.split()):
        head = block(int(tag), b"")[:1] + number(0, size)[1:]
        lie, size = head + lie, size + len(head)
    path = tmp_path / "t.xplane.pb"
    with path.open("wb") as file:
        file.write(space(plane) + lie)
        file.truncate(len(space(plane)) + size)
    tracemalloc.start()
    with pytest.raises(TraceError, match="damaged at byte"):
        read(path)
    table, _ = read(path, repair=True)
    assert tracemalloc.get_traced_memory()[1] < 200 * 2**20
    tracemalloc.stop()
    assert table.num_rows == 1


def test_a_module_in_metadata_that_is_too_large_to_be_read_is_left_where_it_is(tmp_path: Path) -> None:
    plane = PlaneBytes("/host:CPU")
    plane.line("t", [plane.event("e", 0, 5)])
    module = block(5, number(1, 1) + block(6, bytes(17 << 20)))
    data = block(2, plane.name) + block(3, plane.lines[0]) + block(4, number(1, 1) + block(2, block(2, "e") + module))
    rows, info = read_bytes(block(1, data), tmp_path)
    assert rows[0]["name"] == "e"
    assert info.anomalies["large_stat"] == 1


@pytest.mark.parametrize("timestamp_ns", [-(2**62), 2**53 + 1])
def test_events_of_a_line_at_an_impossible_time_are_left_out_and_counted(tmp_path: Path, timestamp_ns: int) -> None:
    plane = PlaneBytes("/host:CPU")
    plane.line("far", [plane.event("e", 0, 5, n=1)], timestamp_ns=timestamp_ns)
    plane.line("near", [plane.event("e", 0, 5, n=1), plane.event("e", 2**63 - 1, 5), plane.event("e", 7, 2**63 - 1)])
    rows, info = read_bytes(space(plane), tmp_path)
    assert [(row["stream"], row["start_ps"], row["args"]) for row in rows] == [("near", 0, '{"n":1}')]
    assert info.anomalies["time_out_of_range"] == 3
