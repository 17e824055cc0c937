"""Small traces recorded by this project: LeNet of TensorFlow 2.21 against xprof's own table, local.trace of 2.0
and 2.1, timelines of 1.12."""

from __future__ import annotations

import json
import shutil
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from reading import read

from dlprof import frameworks, ingest
from dlprof.errors import TraceError

DATA = Path(__file__).parent / "data"
LENET = DATA / "lenet-tf-2.21.xplane.pb"
LOCAL = DATA / "tf-2.0.0.local.trace"
LOCAL_2_1 = DATA / "lenet-tf-2.1.0.local.trace"
TIMELINES = ("autodiff-tf-1.12.2-graph.timeline.json", "autodiff-tf-1.12.2-eager.timeline.json")
STEPS = 6


def test_operator_times_equal_xprofs_and_counts_the_events_in_the_file() -> None:
    events, _ = read(LENET)
    ours: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in events.select(["level", "op_path", "kernel", "duration_ps", "self_ps"]).to_pylist():
        if row["level"] == "op":
            cell = ours[row["op_path"], row["kernel"]]
            cell[0] += 1
            cell[1] += row["duration_ps"]
            cell[2] += row["self_ps"]
    theirs = json.loads((DATA / "lenet-tf-2.21.xprof-2.24.2.json").read_text())
    # xprof takes a `dlprof:input` marker for an operator of type input; to us it is a marker.
    rows = {(row["operation"], row["type"]): row for row in theirs if row["type"] not in ("IDLE", "input")}
    assert rows.keys() == ours.keys()
    for key, (count, total, self_) in ours.items():
        assert total / 1e6 == pytest.approx(rows[key]["total_time"], rel=1e-6)
        assert self_ / 1e6 == pytest.approx(rows[key]["total_self_time"], rel=1e-6)
        assert count in (rows[key]["occurrences"], rows[key]["occurrences"] / 2)  # xprof doubles some


def test_every_operator_of_lenet_is_known_and_lies_in_its_step() -> None:
    events, info = read(LENET, frameworks.vocabularies())
    assert info.anomalies == {}
    rows = [row for row in events.to_pylist() if row["level"] in ("op", "copy") and row["phase"] != "input"]
    calls: Counter[tuple[str, str]] = Counter()
    for row in rows:
        assert row["op"] is not None
        assert row["step"] is not None
        calls[row["op"], row["phase"]] += row["calls"]
    assert {key: n / STEPS for key, n in calls.items() if key[0] in ("Conv", "Gemm", "AveragePool", "Relu", "Adam")} == {
        ("Conv", "forward"): 2, ("Conv", "backward"): 2, ("Gemm", "forward"): 3, ("Gemm", "backward"): 3,
        ("AveragePool", "forward"): 2, ("AveragePool", "backward"): 2, ("Relu", "backward"): 4, ("Adam", "optimizer"): 10,
    }  # fmt: skip


def test_the_layers_of_lenet_are_found_in_both_passes() -> None:
    events, _ = read(LENET, frameworks.vocabularies())
    layers = {"conv1", "pool1", "conv2", "pool2", "dense1", "dense2", "logits"}
    for phase in ("forward", "backward"):
        found = {row["layer"] for row in events.to_pylist() if row["phase"] == phase and row["level"] == "op"}
        assert found - {None} == layers


def test_local_trace_of_tensorflow_2_0_names_operators_by_their_type() -> None:
    assert ingest.detect(LOCAL) == "tf-local-trace"
    events, info = read(LOCAL, frameworks.vocabularies())
    assert info.events == events.num_rows == 50
    assert sum(events["duration_ps"].to_pylist()) == 4_727_000_000
    products = [row for row in events.to_pylist() if row["name"] == "MatMul"]
    assert [(row["level"], row["op"], row["kernel"], row["device"]) for row in products] == [
        ("op", "MatMul", "MatMul", "cpu:0")
    ] * 5
    assert all("device:CPU:0" in row["args"] for row in products)


def test_local_trace_of_tensorflow_2_1_has_paths_and_the_markers_that_the_child_added() -> None:
    events, _ = read(LOCAL_2_1, frameworks.vocabularies())
    rows = events.to_pylist()
    (step,) = (row for row in rows if row["name"] == "dlprof:step=0")
    work = [row for row in rows if row["level"] == "op"]
    assert {row["step"] for row in work} == {0}
    assert step["duration_ps"] > max(row["duration_ps"] for row in work)
    convolutions = sorted((row["phase"], row["layer"] or "") for row in work if row["op"] == "Conv" and row["calls"])
    assert convolutions == [("backward", ""), ("backward", ""), ("forward", "conv1"), ("forward", "conv2")]
    assert not [row for row in rows if row["name"] == "Neg"], "the calls that placed the trace's zero are taken out"


@pytest.mark.parametrize("name", TIMELINES)
def test_timelines_of_tensorflow_1_give_each_item_its_operators(name: str) -> None:
    events, info = read(DATA / name, frameworks.vocabularies())
    assert info.kinds[name] == "tf1-timeline"
    work = [row for row in events.to_pylist() if row["level"] == "op"]
    assert {row["layer"] for row in work if row["op"] == "MatMul"} == {
        "network_forward[size=2]",
        "network_gradient[size=2]",
    }
    assert {row["step"] for row in work} == {0}
    assert info.anomalies == {}


def test_local_trace_cut_anywhere_is_refused_or_with_repair_keeps_what_came_before(tmp_path: Path) -> None:
    data = LOCAL.read_bytes()
    path = tmp_path / "local.trace"
    kept = []
    for size in range(200, len(data), 41):
        path.write_bytes(data[:size])
        kept.append(read(path, repair=True)[0].num_rows)
        try:
            assert read(path)[0].num_rows == kept[-1]  # cut between two events: whole by itself
        except TraceError as error:
            assert str(path) in error.message  # noqa: PT017
    assert kept == sorted(kept)
    assert kept[-1] >= 48


def test_a_tensorboard_logdir_is_one_run_of_its_newest_profile(tmp_path: Path) -> None:
    for run in ("2026_01_01_00_00_00", "2026_02_01_00_00_00"):
        folder = tmp_path / "plugins" / "profile" / run
        folder.mkdir(parents=True)
        for name in ("a", "b"):
            shutil.copy(LENET, folder / f"{name}.xplane.pb")
        (folder / "a.overview_page.pb").write_bytes(b"\x0a\x00")
    (tmp_path / "events.out.tfevents.1.vm").write_bytes(b"\x18\x00")
    events, info = read(tmp_path)
    newest = Path("plugins") / "profile" / "2026_02_01_00_00_00"
    assert list(info.kinds) == [str(newest / "a.xplane.pb"), str(newest / "b.xplane.pb")]
    assert events.num_rows == 2 * read(LENET)[0].num_rows


def test_a_folder_without_a_trace_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.bin").write_bytes(b"\x7fELF")
    with pytest.raises(TraceError, match="no trace in this folder"):
        read(tmp_path)


@pytest.mark.parametrize("content", [b"", b"hello world\n", b"\x7fELF\x02\x01", b"\x0a\x05\x12\x03\x0a\x01"])
def test_what_is_no_trace_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.xplane.pb"
    path.write_bytes(content)
    with pytest.raises(TraceError):
        read(path)
