"""TensorBoard's profile plugin sees every operator with dlprof's own totals, and its readers read what we write."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import places
import pyarrow as pa
import pytest
from reading import read
from report_tables import comparison, event, exhibits, table

from dlprof import frameworks
from dlprof.report.traces import event_file, protobuf_wire, tensorboard, xplane

US = 1_000_000


def mxnet_like(steps: int = 20) -> pa.Table:
    """Steps with operators on two threads: names in lower case and of bulks, one operator inside another, a counter."""
    random = np.random.default_rng(5)
    rows = []
    for step in range(steps):
        start = step * 1000 * US
        rows.append(event(name=f"dlprof:step={step}", level="marker", start_ps=start, duration_ps=900 * US, track=9))
        rows.append(event(name="dlprof:forward", level="marker", start_ps=start + US, duration_ps=800 * US, track=9))
        for at, name in enumerate(
            ("Convolution", "_backward_Convolution", "elemwise_add", "Activation,Pooling", "Convolution")
        ):
            duration = int(random.integers(20, 150)) * US
            rows.append(event(name=name, op="Conv", kernel=name, phase="forward", layer="conv1", step=step, track=at % 2,
                              start_ps=start + at * 160 * US, duration_ps=duration, stream=f"{2**63 + at % 2}"))  # fmt: skip
        rows.append(event(name="elemwise_add", phase="forward", layer="conv1", track=0, start_ps=start + 5 * US,
                          duration_ps=3 * US, stream=f"{2**63}"))  # fmt: skip
        rows.append(event(name="Memory: cpu/0", level="counter", start_ps=start, value=1.0))
    return table(*rows)


@pytest.mark.parametrize(("value", "expected"), [(0, b"\0"), (300, b"\xac\x02"), (-1, b"\xff" * 9 + b"\x01")])
def test_varints_are_encoded_as_protobuf_does(value: int, expected: bytes) -> None:
    assert protobuf_wire.varint(value) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"name": "forward/conv1/Conv2D:Conv2D"}, "forward/conv1/Conv2D:Conv2D"),
        ({"name": "Convolution", "phase": "forward", "layer": "conv1"}, "forward/conv1/Convolution:Convolution"),
        ({"name": "elemwise_add", "phase": None}, "op/elemwise_add:_elemwise_add"),
        ({"name": "Activation,Pooling", "phase": "forward"}, "forward/Activation_Pooling:Activation_Pooling"),
        ({"name": "[Conv,Relu]", "kernel": "Bulk"}, "op/_Conv_Relu_:Bulk"),
    ],
)
def test_operator_names_take_the_form_that_the_plugin_knows(given: dict[str, Any], expected: str) -> None:
    assert xplane.operator_name(given["name"], given.get("phase"), given.get("layer"), given.get("kernel")) == expected


def test_a_run_is_named_by_its_side() -> None:
    assert tensorboard.run_name("a", "TensorFlow 2.21.0 (graph)") == "A-TensorFlow-2.21.0-graph"
    assert tensorboard.run_name("b", "../../x/μ <b>") == "B-..-..-x-b"
    assert len(tensorboard.run_name("b", "x" * 500)) == 80


def test_dlprof_reads_back_what_it_wrote(tmp_path: Path) -> None:
    ingest = pytest.importorskip("dlprof.ingest")
    events = mxnet_like()
    (file,) = tensorboard.write_profile(events, tmp_path, "exact")
    assert ingest.detect(file) == "xplane"
    batches: list[pa.RecordBatch] = []
    ingest.read([file], root=tmp_path, vocabularies={}, sink=batches.append)
    back = pa.Table.from_batches(batches)
    level = [name for name in back["level"].to_pylist() if name == "op"]
    assert len(level) == 20 * 6
    assert sum(back["duration_ps"].to_pylist()) == sum(events["duration_ps"].to_pylist())


def test_the_plugin_gives_dlprofs_totals_for_every_operator(tmp_path: Path) -> None:
    convert = pytest.importorskip("xprof.convert.raw_to_tool_data", reason="xprof, TensorBoard's profile plugin")
    events = mxnet_like()
    (file,) = tensorboard.write_profile(events, tmp_path, "exact")
    data, _ = convert.xspace_to_tool_data([str(file)], "framework_op_stats", {})
    seen = {}
    for row in json.loads(data)[0]["rows"]:
        cells = [cell["v"] for cell in row["c"]]
        if cells[3] != "IDLE":
            seen[cells[3]] = (cells[4], cells[5], cells[2])
    expected: dict[str, list[float]] = defaultdict(lambda: [0, 0.0])
    for row in events.to_pylist():
        if row["level"] == "op":
            total = expected[
                xplane.operator_name(row["name"], row["phase"], row["layer"], row["kernel"]).rsplit(":", 1)[0]
            ]
            total[0] += 1
            total[1] += row["duration_ps"] / US
    assert seen.keys() == expected.keys()
    for name, (count, total_us) in expected.items():
        assert seen[name][0] == count
        assert seen[name][1] == pytest.approx(total_us, rel=1e-6)
    assert seen["forward/conv1/elemwise_add"][2] == "_elemwise_add"


def test_the_plugin_sees_the_steps_and_what_was_left_out(tmp_path: Path) -> None:
    convert = pytest.importorskip("xprof.convert.raw_to_tool_data", reason="xprof, TensorBoard's profile plugin")
    (file,) = tensorboard.write_profile(mxnet_like(), tmp_path, "exact")
    data, _ = convert.xspace_to_tool_data([str(file)], "overview_page", {})
    text = data.decode() if isinstance(data, bytes) else data
    assert "20 counter samples are not in this file" in text
    assert text.count("duration: 0.90 ms") >= 18


def nested(*, named: bool) -> pa.Table:
    """Four steps as PyTorch (named) or JAX (numbered) marks them, an operator inside another that ends with it in each."""
    rows = []
    for step in range(4):
        start = step * 1000 * US
        name = f"ProfilerStep#{step}" if named else "train"
        where = {"track": 1, "stream": "main", "step": step, "start_ps": start}
        rows.append(event(**where | {"name": name, "level": "marker", "duration_ps": 900 * US}))
        rows.append(event(**where | {"name": "inner mark", "level": "marker", "duration_ps": 50 * US}))
        outer = {"name": "aten::conv2d", "op": "Conv", "start_ps": start + 100 * US, "duration_ps": 700 * US}
        inner = {"name": "aten::convolution", "op": "Conv", "start_ps": start + 200 * US, "duration_ps": 600 * US}
        rows += [event(**where | outer), event(**where | inner)]
    return table(*rows)


@pytest.mark.parametrize("named", [True, False])
def test_the_plugin_sees_nested_operators_self_times_and_the_steps_of_other_producers(
    tmp_path: Path, named: bool
) -> None:
    convert = pytest.importorskip("xprof.convert.raw_to_tool_data", reason="xprof, TensorBoard's profile plugin")
    (file,) = tensorboard.write_profile(nested(named=named), tmp_path, "exact")
    data, _ = convert.xspace_to_tool_data([str(file)], "framework_op_stats", {})
    found = json.loads(data)[0]
    names = [column["id"] for column in found["cols"]]
    rows = [dict(zip(names, (cell["v"] for cell in row["c"]), strict=True)) for row in found["rows"]]
    shown = {row["operation"]: (row["occurrences"], row["total_time"], row["total_self_time"]) for row in rows}
    assert shown["op/aten__conv2d"] == pytest.approx((4, 2800, 400), rel=1e-6)
    assert shown["op/aten__convolution"] == pytest.approx((4, 2400, 2400), rel=1e-6)
    data, _ = convert.xspace_to_tool_data([str(file)], "overview_page", {})
    text = data.decode() if isinstance(data, bytes) else data
    assert text.count("duration: 0.90 ms") >= 2, "the plugin leaves out the first and the last of a window"


def test_a_gpus_kernels_and_steps_are_read_back_as_they_were(tmp_path: Path) -> None:
    """Four steps of PyTorch whose kernel ends after its step, and the device's own range of each."""
    rows: list[dict[str, Any]] = []
    for step in range(3, 7):
        host = {"pid": 1, "tid": 1, "ph": "X"}
        device = {"pid": 0, "tid": 7, "ph": "X", "ts": step * 1000 + 900, "dur": 500}
        on = {"device": 0, "stream": 7}
        mark, linked = f"ProfilerStep#{step}", {"External id": step}
        called = {"correlation": step, **linked}
        rows += [
            host | {"name": mark, "cat": "user_annotation", "ts": step * 1000, "dur": 1000, "args": {}},
            host | {"name": "aten::mm", "cat": "cpu_op", "ts": step * 1000 + 10, "dur": 900, "args": linked},
            host
            | {"name": "cudaLaunchKernel", "cat": "cuda_runtime", "ts": step * 1000 + 20, "dur": 2, "args": called},
            device | {"name": "gemm", "cat": "kernel", "args": on | called},
            device | {"name": mark, "cat": "gpu_user_annotation", "args": {}},
        ]
    (tmp_path / "t.pt.trace.json").write_text(json.dumps({"schemaVersion": 1, "traceEvents": rows}))
    original, _ = read(tmp_path / "t.pt.trace.json", frameworks.vocabularies())
    (file,) = tensorboard.write_profile(original, tmp_path / "run", "exact")
    again, info = read(file, frameworks.vocabularies())
    found = [
        [(row["device"], row["stream"], row["name"], row["step"], row["duration_ps"] // US) for row in table.to_pylist()
         if row["level"] == "kernel"]
        for table in (original, again)
    ]  # fmt: skip
    assert found[0] == [("gpu:0", "stream 7", "gemm", step, 500) for step in range(3, 7)]
    assert [(device, step, us) for device, _, _, step, us in found[1]] == [("gpu:0", step, 500) for step in range(3, 7)]
    assert {stream for _, stream, _, _, _ in found[1]} == {"Stream #7(Compute)"}
    assert not {"derived_line_events", "orphan_kernel", "overlapping_step_markers"} & info.anomalies.keys()


def test_scalars_histograms_text_and_image_are_read_back_by_tensorboard(tmp_path: Path) -> None:
    reader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="the extra dlprof[tensorboard]"
    )
    tensorboard.write_run(tmp_path / "a", "a", exhibits(), 1.7e9)
    tensorboard.write_comparison(tmp_path / "comparison", comparison(), 1.7e9)
    from tensorboard.util import tensor_util

    run = reader.EventAccumulator(str(tmp_path / "a")).Reload()
    values = [(e.step, float(tensor_util.make_ndarray(e.tensor_proto))) for e in run.Tensors("accuracy/validation")]
    assert values == [(1, pytest.approx(0.9)), (2, pytest.approx(0.95))]
    assert {"step time, ms/traced", "step time, ms/untraced", "loss/train"} <= set(run.Tags()["tensors"])
    both = reader.EventAccumulator(str(tmp_path / "comparison"), size_guidance={"tensors": 0}).Reload()
    (ratio,) = both.Tensors("time of B ÷ time of A/training step")
    assert float(tensor_util.make_ndarray(ratio.tensor_proto)) == pytest.approx(2.113)
    assert ratio.wall_time == 1.7e9
    (verdict,) = both.Tensors("verdict")
    assert b"MXNet 1.9.1 (hybrid) is slower" in tensor_util.make_ndarray(verdict.tensor_proto).item()
    (image,) = both.Tensors("waterfall")
    assert tensor_util.make_ndarray(image.tensor_proto)[2].startswith(b"\x89PNG")


def test_every_record_has_the_checksums_that_tensorboards_reader_demands(tmp_path: Path) -> None:
    """CRC-32C of "123456789" is 0xE3069283 (RFC 3720); unmasking gives it back."""
    masked = event_file.masked_checksum(b"123456789")
    turned = (masked - 0xA282_EAD8) & 0xFFFF_FFFF
    assert (turned << 15 | turned >> 17) & 0xFFFF_FFFF == 0xE306_9283


def test_a_histogram_has_the_buckets_that_tensorboards_own_maker_gives(tmp_path: Path) -> None:
    summary = pytest.importorskip("tensorboard.plugins.histogram.summary_v2", reason="the extra dlprof[tensorboard]")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util import tensor_util

    values = np.random.default_rng(3).lognormal(size=500)
    file = event_file.EventFile(tmp_path, 1.7e9)
    file.histogram("times", values)
    file.close()
    (read,) = EventAccumulator(str(tmp_path)).Reload().Tensors("times")
    theirs = tensor_util.make_ndarray(summary.histogram_pb("times", values).value[0].tensor)
    assert tensor_util.make_ndarray(read.tensor_proto) == pytest.approx(theirs)


def test_a_log_directory_needs_no_tensorboard(tmp_path: Path) -> None:
    code = "import sys; sys.modules['tensorboard'] = None; from dlprof.cli.main import main; raise SystemExit(main(sys.argv[1:]))"
    words = ["export", str(places.ROOT / "traces/lenet-tf-exact"), "--to", "tensorboard", "-o", str(tmp_path / "logs")]
    subprocess.run([sys.executable, "-c", code, *words], check=True, capture_output=True)
    assert [path.name.split(".")[0] for path in (tmp_path / "logs" / "A-TensorFlow-2.21.0-graph").iterdir()]
