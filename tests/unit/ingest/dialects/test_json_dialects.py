"""What the events of each JSON dialect become: small traces in, rows out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from json_reading import VOCABULARIES, Row, recorded, rows, rows_of, table

from dlprof import schema
from dlprof.errors import TraceError
from dlprof.ingest.dialects import kineto_names
from dlprof.ingest.dialects.mxnet_names import device_of
from dlprof.ingest.dialects.registry import told
from dlprof.plugin import Operator


def _only(events: list[Row], *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in columns) for row in events]


def _mxnet(*blocks: str) -> str:
    """A file as MXNet lays it out: each key on a line of its own."""
    header = '{\n    "traceEvents": [\n        {\n            "ph": "M",\n            "args": {\n                "name": "%s"\n'
    header += '            },\n            "pid": %d,\n            "name": "process_name"\n        },\n\n'
    first = header % ("cpu/0", 0)
    second = (header % ("gpu/1", 33)).removeprefix('{\n    "traceEvents": [\n')
    return first + second + ",\n".join(blocks) + '\n\n    ],\n    "displayTimeUnit": "ms"\n}\n'


def _event(name: str, ph: str, ts: int, pid: int = 0, cat: str = "operator", more: str = "") -> str:
    lines = [f'"name": "{name}"', f'"cat": "{cat}"', f'"ph": "{ph}"', f'"ts": {ts}', *filter(None, [more]),
             f'"pid": {pid}', '"tid": 14748515444310470847']  # fmt: skip
    return "    {\n        " + ",\n        ".join(lines) + "\n    }\n"


def _operator(name: str, start: int, end: int, pid: int = 0) -> list[str]:
    """Both records of an operator, as MXNet writes them."""
    twin = '"id": 14748515444310470847'
    return [
        _event(name, "B", start, pid), _event(name, "E", end, pid),
        _event(name, "b", start, 3060606181218273969, more=twin), _event(name, "e", end, 3060606181218273969, more=twin),
    ]  # fmt: skip


def test_an_mxnet_operator_is_one_row_on_the_device_that_names_its_process(tmp_path: Path) -> None:
    text = _mxnet(
        *_operator("Convolution", 1795331615284688, 1795331615284700, pid=33),
        *_operator("CopyCPU2GPU", 1795331615284701, 1795331615284705, 33),
    )
    events, info = rows_of(text, tmp_path)
    assert _only(events, "name", "op", "phase", "level", "device", "stream", "start_ps", "duration_ps") == [
        ("Convolution", "Conv", "forward", "op", "gpu:1", "14748515444310470847", 0, 12_000_000),
        ("CopyCPU2GPU", "Copy", "transfer", "copy", "gpu:1", "14748515444310470847", 13_000_000, 4_000_000),
    ]
    assert info.origin_ns == 1795331615284688000
    assert info.anomalies["mxnet_async_duplicate"] == 2


def test_mxnet_steps_are_told_by_their_tasks(tmp_path: Path) -> None:
    base = 1795331615284688
    task = '"id": 1'
    text = _mxnet(
        _event("dlprof:step=17", "b", base, 99, "dlprof", task), _event("dlprof:step=17", "e", base + 50, 99, "dlprof", task),
        *_operator("FullyConnected", base + 10, base + 20), *_operator("adam_update", base + 45, base + 60),
    )  # fmt: skip
    events, _ = rows_of(text, tmp_path)
    assert _only([row for row in events if row["level"] == "op"], "op", "phase", "step") == [
        ("Gemm", "forward", 17),
        ("Adam", "optimizer", None),  # it ends after its step's marker: a step is never assigned by half
    ]


def test_mxnet_before_1_2_has_relative_times_and_the_category_category(tmp_path: Path) -> None:
    text = _mxnet(_event("Convolution", "B", 100, cat="category"), _event("Convolution", "E", 130, cat="category"))
    events, info = rows_of(text, tmp_path)
    assert _only(events, "op", "level", "start_ps", "duration_ps") == [("Conv", "op", 100_000_000, 30_000_000)]
    assert info.origin_ns is None
    assert "mxnet_async_duplicate" not in info.anomalies


def test_a_half_missing_in_mxnets_file_is_said(tmp_path: Path) -> None:
    both = _operator("dot", 1795331615284688, 1795331615284700)
    events, info = rows_of(_mxnet(*both, *both[2:]), tmp_path)
    assert len(events) == 1
    assert "1 operators" in info.completeness["mxnet_twins"]


def test_names_that_break_mxnets_json_come_out_as_written(tmp_path: Path) -> None:
    text = _mxnet(*_operator('my "op", \\x', 1795331615284688, 1795331615284700))
    events, info = rows_of(text, tmp_path)
    assert _only(events, "name") == [('my "op", \\x',)]
    assert info.anomalies["mxnet_unescaped_name"] == 4


def test_api_calls_markers_and_counters_of_mxnet(tmp_path: Path) -> None:
    base = 1795331615284688
    text = _mxnet(
        _event("MXImperativeInvokeEx", "b", base, 849786139768988538, "MXNET_C_API", '"id": 5'),
        _event("MXImperativeInvokeEx", "e", base + 3, 849786139768988538, "MXNET_C_API", '"id": 5'),
        _event("Memory: gpu/1", "C", base + 4, 77, "Device Storage", '"args": { "Memory: gpu/1": 4096 }'),
        _event("mk", "n", base + 5, 78, "dom,instant_marker", '"s": "p"'),
        _event("frame", "(", base + 6, 79, "dom,frame"), _event("frame", ")", base + 8, 79, "dom,frame"),
    )  # fmt: skip
    events, _ = rows_of(text, tmp_path)
    found = {row["name"]: (row["level"], row["device"], row["duration_ps"], row["value"]) for row in events}
    assert found == {
        "MXImperativeInvokeEx": ("api", "host", 3_000_000, None),
        "Memory: gpu/1": ("counter", "gpu:1", 0, 4096.0),
        "mk": ("marker", "host", 0, None),
        "frame": ("marker", "host", 2_000_000, None),
    }


@pytest.mark.parametrize(
    ("process", "device"),
    [
        ("cpu/0", "cpu:0"),
        ("gpu/3", "gpu:3"),
        ("cpu pinned/", "cpu_pinned:0"),
        ("cpu shared/", "cpu_shared:0"),
        ("operator", None),
    ],
)
def test_devices_of_mxnet(process: str, device: str | None) -> None:
    assert device_of(process) == device


@pytest.mark.parametrize(
    ("name", "fuses", "phase"),
    [
        ("Activation,Pooling,Flatten", ("Activation", "Pool", "Flatten"), "forward"),
        ("_backward_copy,_backward_Pooling,_backward_Activation", ("Identity", "Pool", "Activation"), "backward"),
        ("[Convolution,_backward_Convolution]", ("Conv", "Conv"), None),
        ("ImperativeBulk", (), None),
        (("Activation," * 12 + "Convol")[:127], ("Activation",) * 11, "forward"),
    ],
)
def test_a_bulk_lists_what_it_fuses_and_is_never_split(name: str, fuses: tuple[str, ...], phase: str | None) -> None:
    from dlprof.ingest.dialects.mxnet import READER

    assert READER.operator(name, VOCABULARIES["mxnet"]) == Operator("Bulk", phase=phase, fuses=fuses)


LENET = """Convolution Activation Pooling Flatten FullyConnected log_softmax pick mean _mul_scalar _backward_Convolution
_backward_Activation _backward_Pooling _backward_copy _backward_FullyConnected _backward_log_softmax _backward_pick
_backward_mean _backward_mul_scalar adam_update sgd_update multi_sgd_update SetValueOp _zeros _random_uniform CopyCPU2CPU
CopyCPU2GPU DeleteVariable DeleteOperator WaitForVar ResourceParallelRandomSetSeed Reorder Reorder2Default"""
MLP = "_rminus_scalar _plus_scalar log broadcast_mul elemwise_mul broadcast_add elemwise_add add_n negative _copy reshape_like"
TASKS = "dot _linalg_gemm2 norm broadcast_div relu sigmoid tanh exp _backward_broadcast_mul softsign"


@pytest.mark.parametrize("name", f"{LENET} {MLP} {TASKS}".split())
def test_every_operator_that_the_workloads_run_in_mxnet_has_a_meaning(name: str) -> None:
    from dlprof.ingest.dialects.mxnet import READER

    assert READER.operator(name, VOCABULARIES["mxnet"]) is not None


def _kineto(*events: dict[str, Any], **top: Any) -> str:
    return json.dumps({"schemaVersion": 1, "deviceProperties": [{"id": 0}], "traceEvents": events, **top})


def _x(cat: str, name: str, ts: float, dur: float, pid: Any = 10, tid: Any = 11, **args: Any) -> dict[str, Any]:
    return {"ph": "X", "cat": cat, "name": name, "ts": ts, "dur": dur, "pid": pid, "tid": tid, "args": args}


def test_a_kernel_is_linked_to_the_operator_and_else_to_its_call(tmp_path: Path) -> None:
    text = _kineto(
        _x(
            "cpu_op",
            "aten::addmm",
            0,
            10,
            **{"External id": 5, "Input Dims": [[2, 3], []], "Input type": ["float", ""]},
        ),
        _x("cuda_runtime", "cudaLaunchKernel", 2, 3, correlation=7, **{"External id": 5}),
        _x("cuda_runtime", "cudaGraphLaunch", 20, 3, correlation=8),
        _x("kernel", "gemm<float>", 30, 4, 0, 7, device=0, stream=7, correlation=7, **{"External id": 5}),
        _x("kernel", "graph_a", 40, 4, 0, 7, device=0, stream=7, correlation=8),
        _x("kernel", "graph_b", 45, 4, 0, 7, device=0, stream=7, correlation=8),
        _x("kernel", "early", 26, 1, 0, 7, device=0, stream=7, correlation=3),
    )
    events, info = rows_of(text, tmp_path)
    by_id = {row["id"]: row["name"] for row in events}
    assert {row["name"]: by_id.get(row["launch"]) for row in events if row["level"] == "kernel"} == {
        "gemm<float>": "aten::addmm",
        "graph_a": "cudaGraphLaunch",
        "graph_b": "cudaGraphLaunch",
        "early": None,
    }
    assert info.anomalies["orphan_kernel"] == 1
    operator = next(row for row in events if row["name"] == "aten::addmm")
    assert (operator["op"], operator["device"], operator["shape"], operator["dtype"]) == (
        "Gemm", "host", "[[2, 3], []]", '["float", ""]',
    )  # fmt: skip


def test_levels_devices_and_streams_of_kineto(tmp_path: Path) -> None:
    text = _kineto(
        _x("gpu_memcpy", "Memcpy HtoD", 1, 2, 3, 4, device=3, stream=4, bytes=96, correlation=1),
        _x("Memset", "Memset (Device)", 4, 1, 0, "stream 7", device=0, stream=7, correlation=2),
        _x("gpu_user_annotation", "ProfilerStep#1", 0, 9, 0, 7),
        _x("user_annotation", "ProfilerStep#1", 0, 9),
        _x("python_function", "a.py(1): f", 0, 9),
        _x("cuda_sync", "Stream Sync", 5, 1, 0, 7, device=0, stream=7),
        _x("overhead", "CUPTI", 1, 1, -1, 0),
        {"ph": "i", "name": "[memory]", "ts": 3, "pid": 10, "tid": 11, "args": {"Total Allocated": 512, "Bytes": 8}},
        {"ph": "s", "id": 1, "pid": 10, "tid": 11, "ts": 2, "cat": "ac2g", "name": "ac2g"},
    )  # fmt: skip
    events, info = rows_of(text, tmp_path)
    assert sorted(_only(events, "name", "level", "device", "stream")) == [
        ("CUPTI", "api", "host", "0"),
        ("Memcpy HtoD", "copy", "gpu:3", "stream 4"),
        ("Memset (Device)", "copy", "gpu:0", "stream 7"),
        ("ProfilerStep#1", "marker", "gpu:0", "stream 7"),
        ("ProfilerStep#1", "marker", "host", "11"),
        ("Stream Sync", "sync", "gpu:0", "stream 7"),
        ("[memory]", "counter", "host", "11"),
        ("a.py(1): f", "api", "host", "11"),
    ]
    assert [row["bytes"] for row in events if row["name"] == "Memcpy HtoD"] == [96]
    assert [row["value"] for row in events if row["level"] == "counter"] == [512.0]
    assert info.anomalies["unread_phase"] == 1


def test_all_arguments_are_kept_as_recorded(tmp_path: Path) -> None:
    events, _ = rows_of(_kineto(_x("cpu_op", "aten::add", 0, 1, new_key={"deep": [1.5]}, huge=2**70)), tmp_path)
    assert json.loads(events[0]["args"]) == {"new_key": {"deep": [1.5]}, "huge": 2**70}


@pytest.mark.parametrize("top_first", [True, False])
def test_the_time_base_counts_wherever_it_stands(top_first: bool, tmp_path: Path) -> None:
    spans = [
        {"ph": "X", "cat": "cpu_op", "name": "aten::add", "ts": 2413669096090.123, "dur": 1.001, "pid": 1, "tid": 1}
    ]
    top = {"baseTimeNanoseconds": 1727743122000000000}
    text = json.dumps({**top, "traceEvents": spans} if top_first else {"traceEvents": spans, **top})
    events, info = rows_of(text, tmp_path)
    assert info.origin_ns is not None
    assert info.origin_ns * 1000 + events[0]["start_ps"] == (2413669096090123 + 1727743122000000000) * 1000
    assert events[0]["duration_ps"] == 1_001_000


def test_operators_that_call_their_own_kind_count_as_one_call(tmp_path: Path) -> None:
    nested = [
        _x("cpu_op", "aten::linear", 0, 9),
        _x("cpu_op", "aten::t", 1, 1),
        _x("cpu_op", "aten::addmm", 3, 4),
        _x("cpu_op", "aten::conv2d", 20, 9),
        _x("cpu_op", "aten::convolution", 21, 7),
        _x("cpu_op", "aten::_convolution", 22, 5),
        _x("cpu_op", "aten::cudnn_convolution", 23, 3),
        _x("cpu_op", "aten::addmm", 40, 4),
    ]
    events, _ = rows_of(_kineto(*nested), tmp_path)
    assert [row["calls"] for row in events] == [1, 1, 0, 1, 0, 0, 0, 1]
    assert [row["op"] for row in events] == ["Gemm", "Transpose", "Gemm", "Conv", "Conv", "Conv", "Conv", "Gemm"]
    assert [row["parent"] for row in events] == [None, 0, 0, None, 3, 4, 5, None]


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("ConvolutionBackward0", Operator("Conv", phase="backward")),
        ("autograd::engine::evaluate_function: ConvolutionBackward0", Operator("Conv", phase="backward", calls=0)),
        ("triton_red_fused__to_copy_native_layer_norm_3", Operator("Fused", fuses=("Cast", "LayerNormalization"))),
        ("ProfilerStep#12", Operator("", level="marker")),
        ("my::op", None),
    ],
)
def test_names_of_pytorch(name: str, meaning: Operator | None) -> None:
    assert kineto_names.operator(name, VOCABULARIES["pytorch"]) == meaning


def test_the_array_form_of_2020_has_shapes() -> None:
    events, _ = rows(recorded("kineto/resnet50-three-schemas/worker0.pt.trace.json.gz"))
    shapes = [row["shape"] for row in events if row["name"] == "aten::fill_"]
    assert "[[1], []]" in shapes


def test_gpu_lines_of_a_tf_trace_are_taken_once(tmp_path: Path) -> None:
    def name(kind: str, pid: int, tid: int, text: str) -> dict[str, Any]:
        return {"ph": "M", "pid": pid, "tid": tid, "name": kind, "args": {"name": text}}

    kernel = {"ph": "X", "pid": 1, "ts": 5.5, "dur": 2, "name": "volta_sgemm",
              "args": {"correlation_id": "12", "tf_op": "dense/MatMul:MatMul", "kernel_details": "regs:38"}}  # fmt: skip
    content = {
        "displayTimeUnit": "ns",
        "metadata": {"highres-ticks": True},
        "traceEvents": [
            name("process_name", 1, 0, "/device:GPU:2"), name("process_name", 9, 0, "/host:CPU"),
            name("thread_name", 1, 3, "Stream #13(Compute)"), name("thread_name", 1, 4, "TensorFlow Ops"),
            {**kernel, "tid": 3}, {**kernel, "tid": 4, "name": "MatMul"},
            {"ph": "X", "pid": 9, "tid": 1, "ts": 1, "dur": 2, "name": "dense/MatMul:MatMul"},
            {},
        ],
    }  # fmt: skip
    events, info = rows_of(json.dumps(content), tmp_path)
    assert _only(events, "name", "level", "device", "stream", "op_path", "correlation", "start_ps") == [
        ("dense/MatMul:MatMul", "op", "host", "1", "dense/MatMul", None, 1_000_000),
        ("volta_sgemm", "kernel", "gpu:2", "Stream #13(Compute)", "dense/MatMul", 12, 5_500_000),
    ]
    assert info.anomalies == {"derived_line_events": 1, "json_empty_element": 1, "orphan_kernel": 1}


def test_a_full_trace_json_says_that_later_steps_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlprof.ingest.dialects.tf_json.CAP", 2)
    span = {"ph": "X", "pid": 1, "tid": 1, "ts": 1, "dur": 1, "name": "tf_Compute"}
    _, info = rows_of(json.dumps({"metadata": {"highres-ticks": True}, "traceEvents": [span, span]}), tmp_path)
    assert "later steps are missing" in info.completeness["cap"]


def test_a_plain_chrome_trace_keeps_threads_instants_counters_and_arguments(tmp_path: Path) -> None:
    content = [
        {"ph": "M", "pid": 1, "tid": 2, "name": "thread_name", "args": {"name": "main"}},
        {"ph": "B", "pid": 1, "tid": 2, "ts": 10, "name": "out", "cat": "c"},
        {"ph": "X", "pid": 1, "tid": 2, "ts": 12, "dur": 3, "name": "in", "args": {"k": 1}},
        {"ph": "E", "pid": 1, "tid": 2, "ts": 20},
        {"ph": "i", "pid": 1, "tid": 2, "ts": 30, "name": "now"},
        {"ph": "C", "pid": 1, "ts": 31, "name": "heap", "args": {"bytes": 5}},
    ]
    events, info = rows_of(json.dumps(content), tmp_path)
    found = {
        row["name"]: (row["level"], row["stream"], row["duration_ps"], row["self_ps"], row["value"], row["args"])
        for row in events
    }
    assert found == {
        "out": ("api", "1 · main", 10_000_000, 7_000_000, None, None),
        "in": ("api", "1 · main", 3_000_000, 3_000_000, None, '{"k": 1}'),
        "now": ("marker", "1 · main", 0, 0, None, None),
        "heap": ("counter", "1", 0, 0, 5.0, '{"bytes": 5}'),
    }
    assert (info.producer, info.anomalies) == ("chrome", {})


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b'{"traceEvents": [{"ph": "X"}]}', "chrome-trace"),
        (b'[{"ph": "X"}]', "chrome-trace"),
        (b"[", "chrome-trace"),
        (b'{"schemaVersion": 1, "traceEvents": []}', "kineto"),
        (b'[{"ph": "X", "cat": "Operator"}]', "kineto"),
        (b'{"displayTimeUnit":"ns","metadata":{"highres-ticks":true},"traceEvents":[', "tf-trace-json"),
        (b'{"traceEvents": [{"ph": "M", "name": "process_name", "args": {"name": "/gpu:0/stream:all Compute"}}', "tf1-timeline"),
        (b'{"traceEvents": [{"ph": "M", "args": {"name": "cpu/0"}, "pid": 0, "name": "process_name"}', "mxnet-profile"),
        (b'\n\n    ],\n    "displayTimeUnit": "ms"\n}\n', "mxnet-profile"),
        (b'{"a": 1}', None),
        (b"hello", None),
    ],
)  # fmt: skip
def test_dialects_are_told_by_what_only_their_producer_writes(head: bytes, kind: str | None) -> None:
    assert told(head) == kind


def test_a_header_of_any_length_does_not_hide_the_events(tmp_path: Path) -> None:
    content = {
        "otherData": "x" * 200_000,
        "traceEvents": [{"ph": "X", "name": "a", "ts": 1, "dur": 2, "pid": 1, "tid": 1}],
    }
    events, info = rows_of(json.dumps(content), tmp_path)
    assert (info.producer, _only(events, "name")) == ("chrome", [("a",)])


def test_files_of_one_run_that_lie_years_apart_are_refused(tmp_path: Path) -> None:
    for name, ts in (("old.json", 1_500_000_000_000_000), ("new.json", 1_600_000_000_000_000)):
        text = f'{{"schemaVersion": 1, "traceEvents": [{{"ph": "X", "name": "a", "pid": 1, "tid": 1, "ts": {ts}, "dur": 5}}]}}'
        (tmp_path / name).write_text(text)
    with pytest.raises(TraceError, match=r"new\.json: recorded 1157 days after another file of the same run"):
        table(tmp_path)


@pytest.mark.parametrize(("days", "read"), [(53, True), (54, False)])
def test_files_of_one_run_lie_no_further_apart_than_a_table_can_hold(tmp_path: Path, days: int, read: bool) -> None:
    for name, day in (("old.json", 0), ("new.json", days)):
        ts = 1_500_000_000_000_000 + day * 86_400 * 10**6
        text = f'{{"schemaVersion": 1, "traceEvents": [{{"ph": "X", "name": "a", "pid": 1, "tid": 1, "ts": {ts}, "dur": 5}}]}}'
        (tmp_path / name).write_text(text)
    if read:
        assert max(table(tmp_path)[0]["start_ps"].to_pylist()) <= schema.FURTHEST_PS
        return
    with pytest.raises(TraceError, match=rf"new\.json: recorded {days} days after another file of the same run"):
        table(tmp_path)
