"""Traces recorded here and now by a PyTorch that pip installs: training steps under every option of its profiler, of PyTorch
itself and of Keras on it.

The CPU build of torch alone is fetched: where pip would take another, which is gigabytes of CUDA, the tests skip and say so.
"""

from __future__ import annotations

import gzip
import json
import re
import subprocess
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from json_reading import table
from places import ROOT

from dlprof import frameworks

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

RECORDER = ROOT / "tests" / "unit" / "ingest" / "data" / "pytorch" / "record.py"
KERAS_RECORDER = RECORDER.with_name("record_keras.py")
RUNS = ("plain", "with_stack", "record_shapes", "with_modules", "profile_memory", "everything")
US = 10**6


@pytest.fixture(scope="module")
def recordings(torch: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trace and key_averages of each of RUNS."""
    return recorded_now(torch, RECORDER, tmp_path_factory.mktemp("torch"))


@pytest.fixture(scope="module")
def keras_recordings(keras_torch: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of Keras's fit on PyTorch."""
    return recorded_now(keras_torch, KERAS_RECORDER, tmp_path_factory.mktemp("keras"))


def recorded_now(python: Path, recorder: Path, folder: Path) -> Path:
    done = subprocess.run([python, recorder, folder, *RUNS], capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def raw(folder: Path, name: str) -> list[dict[str, Any]]:
    """The file's events with times as exact decimals."""
    text = gzip.decompress((folder / f"{name}.pt.trace.json.gz").read_bytes())
    events: list[dict[str, Any]] = json.loads(text, parse_float=Decimal)["traceEvents"]
    return events


@pytest.mark.parametrize("name", RUNS)
def test_counts_and_times_equal_key_averages(recordings: Path, name: str) -> None:
    counts_and_times(recordings, name, {"aten::conv2d", "aten::addmm", "aten::mm", "aten::cross_entropy_loss"})


@pytest.mark.parametrize("name", RUNS)
def test_counts_and_times_of_keras_equal_key_averages(keras_recordings: Path, name: str) -> None:
    counts_and_times(keras_recordings, name, {"aten::conv2d", "aten::mm", "aten::convolution_backward"})


def counts_and_times(recordings: Path, name: str, some: set[str]) -> None:
    """some: operators that must be among them."""
    events, info = table(recordings / f"{name}.pt.trace.json.gz")
    stated = json.loads((recordings / f"{name}.averages.json").read_text())
    told = events.select(["id", "name", "category", "duration_ps", "self_ps", "parent"]).to_pylist()
    names = {row["id"]: row["name"] for row in told}
    frames = {row["name"] for row in told if row["category"] == "python_function"}
    operators = {row["name"] for row in told if row["category"] == "cpu_op"}
    own: dict[str, list[float]] = {}
    told = [row for row in told if row["category"] in ("cpu_op", "user_annotation")]
    inside = Counter(row["parent"] for row in told)
    for row in told:
        sums = own.setdefault(row["name"], [0, 0, 0])
        # key_averages takes an operator that does nothing but call itself (aten::add of two types) for one call.
        if names.get(row["parent"]) != row["name"] or inside[row["parent"]] > 1:
            sums[0] += 1
            sums[1] += row["duration_ps"] / US
        sums[2] += row["self_ps"] / US
    assert {key for key in stated if key not in own} <= {"[memory]", "ProfilerStep*", *frames}
    assert set(stated) >= operators >= some
    for key in stated.keys() & own.keys():
        count, total, mine = stated[key]
        assert own[key][0] == count, key
        assert own[key][1] == pytest.approx(total, rel=1e-6), key
        assert own[key][2] == pytest.approx(mine, rel=1e-6, abs=1e-6), key
    assert set(info.anomalies) <= {"unknown_operator", "unread_phase", "partial_overlap"}


@pytest.mark.parametrize("name", RUNS)
def test_phases_equal_nesting_worked_out_event_by_event(recordings: Path, name: str) -> None:
    events, _ = table(recordings / f"{name}.pt.trace.json.gz")
    shown: dict[str, Decimal] = defaultdict(Decimal)
    for row in events.select(["level", "phase", "self_ps"]).to_pylist():
        if row["level"] == "op" and row["phase"] in ("backward", "optimizer"):
            shown[row["phase"]] += Decimal(row["self_ps"]) / US
    assert shown["backward"] > 0
    assert shown["optimizer"] > 0
    true = nested(raw(recordings, name))
    for phase, time in true.items():
        assert float(shown[phase]) == pytest.approx(float(time), rel=0.01)


@pytest.mark.parametrize("name", ["with_stack", "everything"])
def test_kerass_layers_loss_and_optimizer_are_those_of_its_frames(keras_recordings: Path, name: str) -> None:
    """Self time of what autograd's nodes and Keras's optimizer hold, by nesting, within 1 %; layers are its modules."""
    events, _ = table(keras_recordings / f"{name}.pt.trace.json.gz")
    rows = [row for row in events.to_pylist() if row["level"] == "op"]
    true = nested(raw(keras_recordings, name))
    for phase, time in true.items():
        shown = sum(row["self_ps"] for row in rows if row["phase"] == phase) / US
        assert 0 < shown == pytest.approx(float(time), rel=0.01)
    assert [row for row in rows if row["phase"] == "loss"]
    layers = {(row["layer"], row["phase"]) for row in rows}
    for layer in ("Conv2D_0", "MaxPooling2D_0", "Dense_0", "Dense_1"):
        assert {(f"Sequential_0/{layer}", phase) for phase in ("forward", "backward")} <= layers


def nested(events: list[dict[str, Any]]) -> dict[str, Decimal]:
    """Self time of operators inside autograd's nodes and inside optimizers, with a stack of open events per thread."""
    threads: dict[tuple[Any, Any], list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        if event.get("ph") == "X" and event.get("cat") in ("cpu_op", "user_annotation", "python_function", "overhead"):
            threads[event["pid"], event["tid"]].append(event | {"self": Decimal(event["dur"])})
    found = {"backward": Decimal(), "optimizer": Decimal()}
    for thread in threads.values():
        thread.sort(key=lambda one: (one["ts"], -one["dur"]))
        open_: list[dict[str, Any]] = []
        for event in thread:
            while open_ and open_[-1]["ts"] + open_[-1]["dur"] < event["ts"] + event["dur"]:
                open_.pop()
            if open_:
                open_[-1]["self"] -= event["dur"]
            event["phase"] = _begun(event["name"]) or (open_[-1]["phase"] if open_ else None)
            open_.append(event)
        for event in thread:
            if event["cat"] == "cpu_op" and event["phase"]:
                found[event["phase"]] += event["self"]
    return found


def test_every_operator_of_the_catalogue_has_a_name(torch: Path) -> None:
    (file,) = torch.parent.parent.glob("lib/python*/site-packages/torchgen/packaged/ATen/native/native_functions.yaml")
    names = set(re.findall(r"^- func: (\w+)", file.read_text(encoding="utf-8"), re.MULTILINE))
    known = frameworks.vocabularies()["pytorch"]
    for_its_own_tests = {name for name in names if name.startswith(("_test_", "_foobar"))}
    assert {name for name in names - for_its_own_tests if f"aten::{name}" not in known} == set()


def _begun(name: str) -> str | None:
    """The phase of what runs inside an event of that name."""
    if name.startswith("autograd::engine::evaluate_function: "):
        return "backward"
    keras = "keras/src/optimizers/" in name and name.endswith(": apply")
    return "optimizer" if name.startswith("Optimizer.") or keras else None


@pytest.mark.parametrize("name", ["profile_memory", "everything"])
def test_memory_peaks_equal_the_highest_memory_event(recordings: Path, name: str) -> None:
    events, _ = table(recordings / f"{name}.pt.trace.json.gz")
    memory = [event for event in raw(recordings, name) if event["name"] == "[memory]"]
    assert {event["args"]["Device Type"] for event in memory} == {0}
    told = [row for row in events.select(["level", "device", "value"]).to_pylist() if row["level"] == "counter"]
    assert {row["device"] for row in told} == {"cpu:0"}
    assert len(told) == len(memory) > 0
    assert max(row["value"] for row in told) == max(event["args"]["Total Allocated"] for event in memory) > 0
