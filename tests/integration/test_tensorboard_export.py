"""What TensorBoard's own plugin recomputes from our export of recorded traces: operators' calls and times, and steps."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from json_reading import recorded
from xspace_bytes import PlaneBytes, space

from dlprof import frameworks, ingest, schema
from dlprof.analysis.trace import steps
from dlprof.report.traces import tensorboard, xplane

ROOT = Path(__file__).parents[2]
TRACES = ROOT.parent / "shared" / "traces"
US = 1_000_000
XPLANES = ["xplane/jax-mi300x-gemm", "xplane/jax-mi300x-conv", "xplane/tf2-8xV100"]
OTHERS = [
    "kineto/hta/alexnet/benchmark_result_2869224_1695835535_trace.json.gz",
    "mxnet/gpu-mnist-2019/gpu_mnist_cnn_profile_output.json",
    "tf1-timeline/GPU/timeline_01.json",
    "tf1-timeline/CPU/timeline_01.json",
    "kineto/hta/triton_example/triton_example.json.gz",
]
TORCH = ROOT / "tests" / "unit" / "ingest" / "data" / "pytorch"
JAX = ROOT / "traces"
OWN = [
    TORCH / "plain.pt.trace.json.gz",
    TORCH / "everything.pt.trace.json.gz",
    JAX / "transformer-jax-flax" / "raw" / "flax.xplane.pb.gz",
    JAX / "cnn-jax-keras" / "raw" / "keras.xplane.pb.gz",
]


def read(path: Path) -> pa.Table:
    batches: list[pa.RecordBatch] = []
    ingest.read([path], root=path.parent, vocabularies=frameworks.vocabularies(), sink=batches.append)
    return pa.Table.from_batches(batches, schema=schema.EVENTS)


def plugin(path: Path) -> dict[tuple[str, str], tuple[float, float, float]]:
    """(Host or Device, operation) → (calls, time, self time in µs), as the plugin shows them."""
    convert = pytest.importorskip("xprof.convert.raw_to_tool_data", reason="xprof, TensorBoard's profile plugin")
    data, _ = convert.xspace_to_tool_data([str(path)], "framework_op_stats", {})
    table = json.loads(data)[0]
    names = [column["id"] for column in table["cols"]]
    rows = [dict(zip(names, (cell["v"] for cell in row["c"]), strict=True)) for row in table["rows"]]
    return {
        (row["host_or_device"], row["operation"]): (row["occurrences"], row["total_time"], row["total_self_time"])
        for row in rows
        if row["type"] != "IDLE"
    }


def plugin_steps(path: Path) -> list[float]:
    """Time of each step in ms, as the plugin's overview shows them."""
    return [row["stepTimeMs"] for row in _overview(path)]


def tpu_steps(path: Path) -> list[float]:
    """The same of a TPU's steps, of which the plugin tells the whole time in words."""
    return [float(re.findall(r"Step time = ([\d.]+) ms", row["tooltip"])[0]) for row in _overview(path)]


def _overview(path: Path) -> list[dict[str, Any]]:
    convert = pytest.importorskip("xprof.convert.raw_to_tool_data", reason="xprof, TensorBoard's profile plugin")
    data, _ = convert.xspace_to_tool_data([str(path)], "overview_page", {})
    (table,) = (part for part in json.loads(data) if part.get("cols", [{}])[0].get("id") == "stepnum")
    names = [column["id"] for column in table["cols"]]
    return [dict(zip(names, (cell["v"] for cell in row["c"]), strict=True)) for row in table["rows"]]


def kept(path: str) -> Path:
    place = TRACES / path
    if not place.exists():
        pytest.skip(f"no {path} beside the project")
    return next(place.rglob("*.xplane.pb")) if place.is_dir() else place


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("path", XPLANES)
def test_operators_have_the_times_that_the_plugin_shows_of_the_original(path: str, tmp_path: Path) -> None:
    original = Path(shutil.copy(kept(path), tmp_path))  # the plugin writes what it found beside what it read
    # `a::b` and `XlaModule:#…` are calls of the runtime that the plugin takes for operators, since they hold a colon.
    theirs = {key: row for key, row in plugin(original).items() if "::" not in key[1] and row[1]}
    theirs.pop(("Host", "XlaModule"), None)
    ours = plugin(*tensorboard.write_profile(read(original), tmp_path, "x"))
    both = theirs.keys() & ours.keys()
    assert sum(theirs[key][1] for key in both) > 0.9 * sum(row[1] for row in theirs.values())
    for key in sorted(both):
        # Calls do not compare: of one operator's kernels it counts a run once, by lines derived before.
        assert ours[key][1:] == pytest.approx(theirs[key][1:], rel=1e-6), key


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_step_that_devices_alone_tell_has_the_time_that_the_plugin_shows_of_the_original(tmp_path: Path) -> None:
    original = Path(shutil.copy(kept("xplane/tf2-8xV100"), tmp_path))
    events = read(original)
    told = plugin_steps(original)
    assert told == [21.310352]  # of the slower of two devices, whose steps are far apart
    assert steps.table(events)["wall_ns"].to_pylist() == [1e6 * time for time in told]
    assert plugin_steps(*tensorboard.write_profile(events, tmp_path, "x")) == told


def tpu(name: str, work: str, steps_line: str, late: int = 0) -> PlaneBytes:
    """A core with three steps of 900, 901 and 902 µs: in each a loop of 500 whose body holds a product twice, and a copy."""
    plane = PlaneBytes(name)
    at = [step * 1000 * US + late for step in range(3)]
    plane.line(steps_line, [plane.event(str(7 + n), start, (900 + n) * US) for n, start in enumerate(at)], id_=1)
    inside = (("while.1", 10, 500), ("fusion.1", 20, 150), ("fusion.1", 200, 150), ("copy-done.1", 600, 100))
    events = [plane.event(each, start + begin * US, long * US) for start in at for each, begin, long in inside]
    plane.line(work, events, id_=2)
    for number, (each, path) in enumerate(
        (("while.1", "while"), ("fusion.1", "while/body/dense/dot_general")), start=1
    ):
        plane.describe(each, tf_op=f"jit(f)/{path}:", hlo_category="loop", program_id=3, symbol_id=number)
    plane.describe("copy-done.1", hlo_category="copy-done", program_id=3, symbol_id=7)
    return plane


def test_a_tpus_operators_and_steps_are_those_that_the_plugin_shows_of_the_original(tmp_path: Path) -> None:
    network = PlaneBytes("/device:CUSTOM:Megascale Trace")
    network.line("all-reduce.7", [network.event("NetworkReceive", 0, 5000 * US)])
    cores = [tpu("/device:TPU:0", "XLA Ops", "Steps"), tpu("/device:TPU:1", "XLA Ops", "Steps", late=5 * US)]
    sparse = tpu("/device:TPU:0 SparseCore 1", "Sparse Core Ops", "Sparse Core Steps")
    original = tmp_path / "original.xplane.pb"
    original.write_bytes(space(*cores, sparse, network))
    (ours,) = tensorboard.write_profile(read(original), tmp_path, "x")
    assert tpu_steps(ours) == tpu_steps(original) == [0.9, 0.901, 0.902]
    theirs = plugin(original)
    assert theirs["Device", "jit(f)/while"] == (6, 3000, 1200)
    assert plugin(ours) == theirs


def test_a_step_of_a_tpu_beside_the_hosts_mark_is_shown(tmp_path: Path) -> None:
    path = recorded("faults/tpu_sparsecore_megascale.xplane.pb")
    (ours,) = tensorboard.write_profile(read(path), tmp_path, "x")
    assert tpu_steps(ours) == [1.0]
    assert {key: row[1] for key, row in plugin(ours).items()} == {
        ("Device", "jit(f)/dense/dot_general"): 600,
        ("Device", "copy-done.1"): 300,
    }


def test_ranks_are_hosts_of_the_plugin_so_that_two_gpu_0_stay_two_devices(tmp_path: Path) -> None:
    files = tensorboard.write_profile(read(recorded("faults/multinode")), tmp_path, "x")
    assert [file.name for file in files] == ["node0-rank0.xplane.pb", "node1-rank1.xplane.pb"]
    kernels = [{key: row[1] for key, row in plugin(file).items() if key[0] == "Device"} for file in files]
    assert [list(each.values()) for each in kernels] == [[100], [100]]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("path", OTHERS)
def test_operators_have_the_calls_and_times_of_the_table_that_was_exported(path: str, tmp_path: Path) -> None:
    compare(read(kept(path)), tmp_path)


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name.partition(".")[0])
def test_operators_and_steps_of_pytorch_and_jax_are_those_of_the_trace(path: Path, tmp_path: Path) -> None:
    """Step times are held against the recorded marks themselves, `ProfilerStep#N` and StepTraceAnnotation, to the nanosecond."""
    events = read(path)
    compare(events, tmp_path)
    marks = pc.starts_with(events["name"].cast(pa.string()), "ProfilerStep#")
    if not pc.any(marks).as_py():
        marks = pc.equal(events["category"].cast(pa.string()), "step")
    marked = events.filter(marks).sort_by("start_ps")["duration_ps"].to_pylist()
    assert len(marked) == 3
    shown = plugin_steps(tmp_path / "plugins" / "profile" / "x" / "dlprof.xplane.pb")
    assert shown == pytest.approx([time / 1e9 for time in marked], abs=1e-6)
    if path.name.endswith(".xplane.pb.gz"):
        original = tmp_path / "original.xplane.pb"
        original.write_bytes(gzip.decompress(path.read_bytes()))
        assert shown == plugin_steps(original)


def compare(events: pa.Table, tmp_path: Path) -> None:
    shown = plugin(*tensorboard.write_profile(events, tmp_path, "x"))
    expected = _table(events)
    assert shown.keys() == expected.keys()
    for key, (calls, time, own) in expected.items():
        # Of a device's operators it counts a run of kernels once.
        assert (1 if key[0] == "Device" else calls) <= shown[key][0] <= calls, key
        # What ends with an operator around it is a picosecond shorter in the file, and the plugin counts nanoseconds.
        assert shown[key][1:] == pytest.approx((time, own), rel=1e-6, abs=0.01), key


def _table(events: pa.Table) -> dict[tuple[str, str], tuple[float, float, float]]:
    """The same of the events themselves; an operator's self time is its time without the operators directly inside it."""
    sums: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0, 0.0, 0.0])
    tracks: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in events.to_pylist():
        if row["level"] in ("op", "kernel", "copy"):
            tracks[row["track"]].append(row)
    for rows in tracks.values():
        around: list[tuple[int, tuple[str, str]]] = []
        for row in sorted(rows, key=lambda one: (one["start_ps"], -one["duration_ps"])):
            device = row["device"].startswith("gpu:") and row["level"] != "op"
            name = xplane.operator_name(row["name"], row["phase"], row["layer"], row["kernel"])
            name = xplane.path_name(row["op_path"]) if device and row["op_path"] else name
            key = ("Device" if device else "Host", name.rpartition(":")[0])
            end = row["start_ps"] + row["duration_ps"]
            while around and around[-1][0] < end:
                around.pop()
            total = sums[key]
            total[0] += 1
            total[1] += row["duration_ps"] / US
            total[2] += row["duration_ps"] / US
            if around and not device:
                sums[around[-1][1]][2] -= row["duration_ps"] / US
            around.append((end, key))
    return {key: (total[0], total[1], total[2]) for key, total in sums.items()}
